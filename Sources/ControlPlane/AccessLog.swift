import Configuration
import Linux
import Memory
import Synchronization
import Telemetry
import Timing

/// The access log's thread: collects what the loops have noted, makes lines of it and writes
/// them.
///
/// Nobody waits for whoever reads the log: what a pipe does not take stays in the buffer, then
/// in the rings of the loops, and what does not fit there is lost, counted and said.
final class AccessLog: Sendable {
    /// What the thread has to say to the control plane.
    enum Event: Sendable {
        /// Records that were lost, since the last time this was said.
        case lost(Int)
        /// The lines could not be written; said once until it works again.
        case failed(String)
    }

    private struct Target: ~Copyable, Sendable {
        var destination: AccessLogConfiguration.Destination
        var file: FileDescriptor?
    }

    private struct State: ~Copyable {
        var readers: [LoopReader] = []
        var lines = Buffer(capacity: 256 << 10)
        var target = Target(destination: .stdout, file: nil)
        /// The last byte that was written is not the end of a line.
        var isMidLine = false
        /// Lines that could not be written; what the loops dropped is counted by their rings.
        var unwrittenCount = 0
        var reportedLosses = 0
        var nextReport = LoopInstant.zero
        var isFailing = false
    }

    /// Ten rounds a second: nobody waits for a line, and an idle proxy hardly wakes up.
    private static let round = Interval.milliseconds(100)

    /// Losses are said at once, then at most this often.
    private static let reportInterval = Interval.seconds(10)

    /// Of each loop: some thousand records.
    private static let ringByteCount = 1 << 20

    private let state: Locked<State>
    /// Where to go on from the next round. Apart from the state, which the thread holds while a
    /// slow disk writes.
    private let next = Locked<Target?>(nil)
    private let wantsReopening = Atomic<Bool>(false)
    private let losses = Atomic<Int>(0)
    private let names: NameTable
    private let report: @Sendable (Event) -> Void

    init(
        names: NameTable, report: @escaping @Sendable (Event) -> Void
    ) {
        self.names = names
        self.report = report
        state = Locked(State())
    }

    /// Records that were lost since the start.
    var lostCount: Int { losses.load(ordering: .relaxed) }

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
        let target = Locked<Target?>(Target(destination: destination, file: file))
        next.withLock { next in next = target.withLock { $0.take() } }
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

    /// Writes what is left, once the loops have ended. Gives up after a second when nobody
    /// reads: the process must be able to end.
    ///
    /// - Returns: how many records were lost that nobody has heard of yet.
    func flush() -> Int {
        for _ in 0..<100 {
            let isDone = state.withLockIfAvailable { state in
                drain(&state)
                return state.lines.isEmpty
            }
            if isDone ?? false { break }
            ThisProcess.sleep(.milliseconds(10))
        }
        return state.withLockIfAvailable { state in
            abandon(&state)
            for reader in state.readers {
                while reader.readLine(into: &state.lines, names: names.snapshot()) {
                    abandon(&state)
                }
            }
            return countLosses(&state) - state.reportedLosses
        } ?? 0
    }

    private func drain(_ state: inout State) {
        changeTarget(&state)
        write(&state)
        let names = names.snapshot()
        for index in state.readers.indices {
            let reader = state.readers[index]
            while state.lines.room >= AccessRecordReader.lineByteBound,
                reader.readLine(into: &state.lines, names: names)
            {
                if state.lines.room < AccessRecordReader.lineByteBound { write(&state) }
            }
        }
        write(&state)
        let count = countLosses(&state)
        let now = Clock.monotonic()
        if count > state.reportedLosses, now >= state.nextReport {
            report(.lost(count - state.reportedLosses))
            state.reportedLosses = count
            state.nextReport = now + Self.reportInterval
        }
    }

    private func countLosses(_ state: inout State) -> Int {
        let dropped = state.readers.reduce(0) { $0 + $1.droppedCount }
        let count = state.unwrittenCount + Int(dropped)
        losses.store(count, ordering: .relaxed)
        return count
    }

    private func changeTarget(_ state: inout State) {
        var hasChanged = false
        if let target = next.withLock({ $0.take() }) {
            state.target = target
            hasChanged = true
        }
        if wantsReopening.exchange(false, ordering: .relaxed),
            case .file(let path) = state.target.destination
        {
            do throws(Errno) {
                state.target.file = try File.openForAppending(path)
                hasChanged = true
            } catch {
                report(.failed("the access log '\(path)' cannot be opened: \(error)"))
            }
        }
        guard hasChanged, state.isMidLine else { return }
        // The rest of a line whose beginning went elsewhere.
        state.isMidLine = false
        let bytes = state.lines.array
        state.lines.consume((bytes.firstIndex(of: 10) ?? bytes.count - 1) + 1)
        state.unwrittenCount += 1
    }

    private func write(_ state: inout State) {
        guard !state.lines.isEmpty else { return }
        let bytes = state.lines.array
        do throws(Errno) {
            let count =
                switch state.target.destination {
                case .stdout: try StandardStream.output.writeAvailable(bytes)
                case .stderr: try StandardStream.error.writeAvailable(bytes)
                case .file: try state.target.file?.writeAvailable(bytes) ?? bytes.count
                }
            if count > 0 { state.isMidLine = bytes[count - 1] != 10 }
            state.lines.consume(count)
            if state.lines.isEmpty { state.lines.reset() } else { state.lines.slide() }
            state.isFailing = false
        } catch {
            abandon(&state)
            if !state.isFailing { report(.failed("the access log cannot be written: \(error)")) }
            state.isFailing = true
        }
    }

    /// What is in the buffer is lost.
    private func abandon(_ state: inout State) {
        state.unwrittenCount += state.lines.array.count { $0 == 10 }
        state.lines.reset()
        state.isMidLine = false
    }
}

/// The reader of one loop's ring; used under the access log's lock only.
private final class LoopReader: Sendable {
    private let reader: Locked<AccessRecordReader>

    init(_ reader: consuming AccessRecordReader) { self.reader = Locked(reader) }

    var droppedCount: UInt64 { reader.withLock { $0.droppedCount } }

    func readLine(into lines: inout Buffer, names: NameSnapshot) -> Bool {
        reader.withLock { $0.readLine(into: &lines, names: names) }
    }
}

/// Carries the loop's end of a ring, which cannot be copied, to the loop's thread.
final class AccessRecordWriterBox: Sendable {
    private let ring: Locked<ByteRingProducer?>

    init(_ ring: consuming ByteRingProducer) { self.ring = Locked(ring) }

    /// The writer, once.
    func take() -> AccessRecordWriter? {
        guard let ring = ring.withLock({ $0.take() }) else { return nil }
        return AccessRecordWriter(ring: ring)
    }
}
