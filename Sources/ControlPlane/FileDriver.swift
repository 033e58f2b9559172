import Configuration
import Discovery
import Linux
import Timing

/// The servers that stand in a file, read again whenever it changes.
///
/// A file that is missing or wrong changes nothing: its servers stay as they were known.
final class FileDriver: SourceDriver {
    private let list: FileDiscovery
    private let desk: SourceDesk
    private var watcher: FileWatcher?
    /// What was read last, and whether it was right.
    private var known: [UInt8]?
    private var problem: String?

    init(_ list: FileDiscovery, _ desk: SourceDesk) {
        self.list = list
        self.desk = desk
    }

    func start() {
        let watcher = FileWatcher(list.path, loop: desk.loop) { [unowned self] in read() }
        self.watcher = watcher
        watcher.start()
        desk.loop.after(.zero) { [weak self] in self?.read() }
    }

    func stop() {
        watcher?.stop()
        watcher = nil
    }

    private func read() {
        guard watcher != nil else { return }
        let text: [UInt8]
        do throws(Errno) {
            text = try File.read(list.path)
        } catch {
            known = nil
            return lose("it cannot be read: \(error)")
        }
        guard text != known else { return }
        known = text
        switch list.servers(in: text) {
        case .success(let servers):
            problem = nil
            desk.report(
                .snapshot(
                    servers.map {
                        DiscoveredServer(identity: $0.name, configuration: $0)
                    }))
        case .failure(let mistake): lose(mistake.sentence)
        }
    }

    private func lose(_ sentence: String) {
        guard sentence != problem else { return }
        problem = sentence
        desk.report(.lost(sentence))
    }
}
