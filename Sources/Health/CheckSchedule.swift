public import Timing

/// When a server is checked: at once, then at the interval give or take 10 %.
///
/// The jitter keeps the checks of many servers, and of many proxies, from falling together.
public struct CheckSchedule: Sendable, BitwiseCopyable {
    /// When the next check is due.
    public private(set) var next: LoopInstant

    public init(now: LoopInstant) { next = now }

    /// Whether a check is due. Report its start with ``checkStarted(now:interval:random:)``.
    public func isDue(now: LoopInstant) -> Bool { next <= now }

    /// Counted from the start, so that slow checks are not rare ones. A check must end within
    /// its interval (configuration sees to it), so two of a server never overlap.
    public mutating func checkStarted(
        now: LoopInstant, interval: Interval, random: inout some RandomNumberGenerator
    ) {
        let tenth = interval.nanoseconds / 10
        let jitter = tenth == 0 ? 0 : UInt64.random(in: 0...2 * tenth, using: &random)
        next = now + Interval(nanoseconds: interval.nanoseconds - tenth + jitter)
    }
}
