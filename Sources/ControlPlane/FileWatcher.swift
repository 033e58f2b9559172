import Linux
import Timing

/// Watches a file through every way in which it may be replaced, and says when its content may
/// have changed.
///
/// The file's directory is watched, and those of the links that lead to it: an editor renames,
/// Kubernetes turns the link `..data` to another directory.
final class FileWatcher {
    /// A save is several events; this is how long after the last of them the file is read.
    private static let settling = Interval.milliseconds(50)
    /// And how long it may be put off by a directory in which something always happens.
    private static let patience = Interval.seconds(1)
    /// How long to wait before a directory that is gone is looked for again.
    private static let retry = Interval.seconds(1)

    private final class Watched {
        let directory: DirectoryWatch
        var watch: ControlLoop.Watch?

        init(_ directory: consuming DirectoryWatch) { self.directory = directory }
    }

    private let loop: ControlLoop
    let path: String
    private let changed: () -> Void
    private var watched: [Watched] = []
    private var timer: ControlLoop.Timer?
    /// When the first event came of those that the timer is for.
    private var firstEvent = LoopInstant.zero

    /// - Parameter changed: called when the file may have another content, and once soon after
    ///   ``start()``, because it may have changed before anybody watched; compare it.
    init(_ path: String, loop: ControlLoop, changed: @escaping () -> Void) {
        self.path = path
        self.loop = loop
        self.changed = changed
    }

    /// Looks no more.
    func stop() {
        if let timer { loop.cancel(timer) }
        timer = nil
        for old in watched {
            if let watch = old.watch { loop.unwatch(old.directory.descriptor, watch) }
        }
        watched = []
    }

    func start() {
        watch()
        // Not at once: who is writing it at this moment has emptied it, and closes it soon.
        settle(after: Self.settling)
    }

    private func watch() {
        stop()
        for directory in File.directories(leadingTo: path) {
            guard let entry = try? Watched(DirectoryWatch(directory)) else { continue }
            entry.watch = try? loop.watch(entry.directory.descriptor, .level) { [unowned self] _ in
                entry.directory.clear()
                settle(after: Self.settling)
            }
            watched.append(entry)
        }
        if watched.isEmpty { settle(after: Self.retry) }
    }

    private func settle(after delay: Interval) {
        if let timer {
            guard loop.now - firstEvent < Self.patience else { return }
            loop.cancel(timer)
        } else {
            firstEvent = loop.now
        }
        timer = loop.after(delay) { [unowned self] in
            timer = nil
            // Links may lead elsewhere now.
            watch()
            changed()
        }
    }
}
