public import Timing

/// When a server is checked: at once, then at the interval give or take 10 %.
///
/// The jitter keeps the checks of many servers, and of many proxies, from falling together.
///
/// Report each start, and each end: a check that is under way is never begun again, so a server
/// whose answer takes longer than the interval has its next check when that one has ended.
public struct CheckSchedule: Sendable, BitwiseCopyable {
    /// When the next check is due.
    public private(set) var next: LoopInstant

    public init(now: LoopInstant) { next = now }

    /// Whether a check is due. Report its start with ``checkStarted(now:interval:random:)``.
    public func isDue(now: LoopInstant) -> Bool { next <= now }

    /// Counted from the start, so that slow checks are not rare ones.
    public mutating func checkStarted(
        now: LoopInstant, interval: Interval, random: inout some RandomNumberGenerator
    ) {
        let tenth = interval.nanoseconds / 10
        let jitter = tenth == 0 ? 0 : UInt64.random(in: 0...2 * tenth, using: &random)
        next = now + Interval(nanoseconds: interval.nanoseconds - tenth + jitter)
    }

    /// A check has its verdict. The next one comes at its time, or now when that has passed.
    ///
    /// - Parameter pause: counted from now, when the next check may come sooner than at the
    ///   interval; `nil` otherwise.
    public mutating func checkEnded(now: LoopInstant, pause: Interval? = nil) {
        if let pause { next = min(next, now + pause) }
        next = max(next, now)
    }
}
