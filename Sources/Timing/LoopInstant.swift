/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
///
/// Every loop and the control plane read the same clock (`CLOCK_MONOTONIC`), so instants of
/// different threads may be compared. Nothing below the loop reads a clock: an instant is an
/// argument, which is what lets tests and the simulator play time.
public struct LoopInstant: Comparable, Hashable, Sendable, BitwiseCopyable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Later than every instant a process will see; the deadline of what may wait for ever.
    public static var never: LoopInstant { LoopInstant(nanoseconds: .max) }
    public static var zero: LoopInstant { LoopInstant(nanoseconds: 0) }

    public static func < (a: LoopInstant, b: LoopInstant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at ``never``.
    public static func + (a: LoopInstant, b: Interval) -> LoopInstant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.nanoseconds)
        return LoopInstant(nanoseconds: overflow ? .max : sum)
    }

    /// The time from `b` to `a`; zero when `b` is the later one.
    public static func - (a: LoopInstant, b: LoopInstant) -> Interval {
        Interval(nanoseconds: a.nanoseconds > b.nanoseconds ? a.nanoseconds &- b.nanoseconds : 0)
    }
}
