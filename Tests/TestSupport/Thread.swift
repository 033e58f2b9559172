import Glibc

/// A thread that runs one closure.
public enum Thread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a detached thread.
    public static func start(_ run: @escaping @Sendable () -> Void) {
        let body = unsafe Unmanaged.passRetained(Body(run)).toOpaque()
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        unsafe pthread_attr_setstacksize(&attributes, 512 * 1024)
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                body.run()
                return nil
            }, body)
        precondition(result == 0, "pthread_create failed: \(result)")
        unsafe pthread_attr_destroy(&attributes)
    }

    public static func sleep(milliseconds: Int) {
        usleep(UInt32(milliseconds) * 1000)
    }
}

/// How many things are still running, and a wait until none is.
public final class RunningCount: Sendable {
    private let count = Locked(0)

    public init() {}

    public var value: Int { count.withLock { $0 } }
    public func began() { count.withLock { $0 += 1 } }
    public func ended() { count.withLock { $0 -= 1 } }
    public func waitUntilNone(seconds: Double = 10) {
        eventually(timeout: seconds) { count.withLock { $0 == 0 } }
    }
}

/// A door that is closed until somebody opens it: how a play pauses until it is told.
public final class Gate: Sendable {
    private let isOpen = Locked(false)

    public init() {}

    public func open() { isOpen.withLock { $0 = true } }

    public var isOpened: Bool { isOpen.withLock { $0 } }

    /// Waits for ``open()``; whether it came in time.
    @discardableResult
    public func wait(seconds: Double = 20) -> Bool {
        eventually(timeout: seconds) { isOpen.withLock { $0 } }
    }
}

/// Seconds on the monotonic clock.
public func now() -> Double {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// Asks until the answer is yes; `false` when it was not within `timeout` seconds.
@discardableResult
public func eventually(timeout: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
    let end = now() + timeout
    var pause: UInt32 = 500
    while true {
        if try condition() { return true }
        if now() > end { return false }
        usleep(pause)
        pause = min(pause * 2, 20_000)
    }
}

/// Counts from several threads.
public final class Tally: Sendable {
    private let value = Locked(0)

    public init() {}

    public var count: Int { value.withLock { $0 } }
    public func add(_ count: Int = 1) { value.withLock { $0 += count } }
}
