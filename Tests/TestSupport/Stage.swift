import Dispatch
public import Testing

/// Threads on which plays may block, so that they do not hold up the tests of other rooms.
///
/// A test that waits for a socket would otherwise sit on one of the few threads that all `async`
/// tests share.
public final class Stage: TaskExecutor {
    private let jobs = Locked<[UnownedJob]>([])
    private let waiting = DispatchSemaphore(value: 0)

    /// As many plays at a time as there are processors, and at least two.
    public static let shared = Stage(threadCount: max(2, Machine.processorCount))

    public init(threadCount: Int) {
        for _ in 0..<threadCount {
            Thread.start { self.perform() }
        }
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
        waiting.signal()
    }

    private func perform() {
        let executor = unsafe asUnownedTaskExecutor()
        while true {
            waiting.wait()
            if let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                unsafe job.runSynchronously(on: executor)
            }
        }
    }
}

/// Performs a suite's tests on ``Stage``.
public struct OnStage: SuiteTrait, TestTrait, TestScoping {
    public var isRecursive: Bool { true }

    public func provideScope(
        for test: Test, testCase: Test.Case?,
        performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Stage.shared) {
            let props = Props()
            defer { props.stop() }
            try await Props.$current.withValue(props) {
                try await function()
            }
        }
    }
}

/// Something that a play needs until its end: a server, a process, a load.
public protocol Prop: AnyObject, Sendable {
    /// Ends it; harmless when it has ended.
    func stop()
}

/// The props of one test. They live until it ends, whether or not a variable still names them,
/// and are stopped in the reverse order of their making.
public final class Props: Sendable {
    @TaskLocal static var current: Props?
    private let kept = Locked<[any Prop]>([])

    static func keep(_ prop: any Prop) {
        current?.kept.withLock { $0.append(prop) }
    }

    func stop() {
        for prop in kept.withLock({ $0 }).reversed() {
            prop.stop()
            (prop as? ChildProcess)?.tellOfSanitizers()
        }
        kept.withLock { $0 = [] }
    }
}

extension Trait where Self == OnStage {
    /// The tests may block: they run on threads of their own.
    public static var onStage: OnStage { OnStage() }
}
