import Synchronization

/// How far a run is, and whether it is to end early; for the thread that shows it.
public final class RunProgress: Sendable {
    private let sent = Atomic<Int>(0)
    private let stopped = Atomic<Bool>(false)

    public init() {}

    /// Requests of the run.
    public var sentCount: Int { sent.load(ordering: .relaxed) }
    func note(sent count: Int) { sent.store(count, ordering: .relaxed) }

    public func stop() { stopped.store(true, ordering: .relaxed) }
    public var isStopped: Bool { stopped.load(ordering: .relaxed) }
}
