import Configuration
import Linux
import Memory
import Synchronization
import Telemetry
import Timing

/// The access log's thread: collects what the loops have noted, makes lines of it and writes
/// them. Only it waits for a disk or for whoever reads standard output.
final class AccessLog: Sendable {
    /// What the thread has to say to the control plane.
    enum Event: Sendable {
        /// Records that loops dropped because the writer was too slow, since the last time.
        case dropped(UInt64)
        /// The lines could not be written; said once until it works again.
        case failed(String)
    }

    private struct State: ~Copyable {
        var readers: [LoopReader] = []
        var lines = Buffer(capacity: 256 << 10)
        var destination = AccessLogConfiguration.Destination.stdout
        var file: FileDescriptor?
        var reportedDrops: UInt64 = 0
        var isFailing = false
    }

    /// Ten rounds a second: nobody waits for a line, and an idle proxy hardly wakes up.
    private static let round = Interval.milliseconds(100)

    /// Of each loop: some thousand records.
    private static let ringByteCount = 1 << 20

    private let state: Mutex<State>
    private let wantsReopening = Atomic<Bool>(false)
    private let names: NameTable
    private let report: @Sendable (Event) -> Void

    init(
        names: NameTable, report: @escaping @Sendable (Event) -> Void
    ) {
        self.names = names
        self.report = report
        state = Mutex(State())
    }

    /// A ring for one loop; its writer goes to the loop's thread.
    func addLoop() -> AccessRecordWriterBox {
        var ring = ByteRingConsumer(capacity: Self.ringByteCount)
        let writer = AccessRecordWriterBox(ring.makeProducer())
        let loop = LoopReader(AccessRecordReader(ring: ring))
        state.withLock { $0.readers.append(loop) }
        return writer
    }

    /// - Throws: what opening the file says; the old destination stays then.
    func setDestination(_ destination: AccessLogConfiguration.Destination) throws(Errno) {
        var file: FileDescriptor?
        if case .file(let path) = destination { file = try File.openForAppending(path) }
        let opened = Mutex<FileDescriptor?>(file)
        state.withLock { state in
            state.destination = destination
            state.file = opened.withLock { $0.take() }
        }
    }

    /// After a log file was moved away: the next lines go to a new one.
    func reopen() { wantsReopening.store(true, ordering: .relaxed) }

    func start() throws(Errno) {
        try Thread.start(name: "staithe-log") { [self] in
            while true {
                ThisProcess.sleep(Self.round)
                state.withLock { drain(&$0) }
            }
        }
    }

    /// Writes what is left, once the loops have ended. Gives up after a second when the reader
    /// of the log is stuck: the process must be able to end.
    func flush() {
        for _ in 0..<100 {
            let isDone: Void? = state.withLockIfAvailable { drain(&$0) }
            if isDone != nil { return }
            ThisProcess.sleep(.milliseconds(10))
        }
    }

    private func drain(_ state: inout State) {
        if wantsReopening.exchange(false, ordering: .relaxed),
            case .file(let path) = state.destination
        {
            do throws(Errno) {
                state.file = try File.openForAppending(path)
            } catch {
                report(.failed("the access log '\(path)' cannot be opened: \(error)"))
            }
        }
        let names = names.snapshot()
        for index in state.readers.indices {
            let reader = state.readers[index]
            while reader.readLine(into: &state.lines, names: names) {
                if state.lines.room < AccessRecordReader.lineByteBound { write(&state) }
            }
        }
        if !state.lines.isEmpty { write(&state) }
        let drops = state.readers.reduce(0) { $0 + $1.droppedCount }
        if drops > state.reportedDrops {
            report(.dropped(drops - state.reportedDrops))
            state.reportedDrops = drops
        }
    }

    private func write(_ state: inout State) {
        let bytes = state.lines.array
        state.lines.reset()
        do throws(Errno) {
            switch state.destination {
            case .stdout: try StandardStream.output.write(bytes)
            case .stderr: try StandardStream.error.write(bytes)
            case .file: try state.file?.writeAll(bytes)
            }
            state.isFailing = false
        } catch {
            if !state.isFailing { report(.failed("the access log cannot be written: \(error)")) }
            state.isFailing = true
        }
    }
}

/// The reader of one loop's ring; used under the access log's lock only.
private final class LoopReader: Sendable {
    private let reader: Mutex<AccessRecordReader>

    init(_ reader: consuming AccessRecordReader) { self.reader = Mutex(reader) }

    var droppedCount: UInt64 { reader.withLock { $0.droppedCount } }

    func readLine(into lines: inout Buffer, names: NameSnapshot) -> Bool {
        reader.withLock { $0.readLine(into: &lines, names: names) }
    }
}

/// Carries the loop's end of a ring, which cannot be copied, to the loop's thread.
final class AccessRecordWriterBox: Sendable {
    private let ring: Mutex<ByteRingProducer?>

    init(_ ring: consuming ByteRingProducer) { self.ring = Mutex(ring) }

    /// The writer, once.
    func take() -> AccessRecordWriter? {
        guard let ring = ring.withLock({ $0.take() }) else { return nil }
        return AccessRecordWriter(ring: ring)
    }
}
