/// A length of time, never negative, in nanoseconds.
public struct Interval: Comparable, Hashable, Sendable, BitwiseCopyable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Longer than any wait; what `off` means for a timeout.
    public static var forever: Interval { Interval(nanoseconds: .max) }
    public static var zero: Interval { Interval(nanoseconds: 0) }

    // Counts come from outside, too: one below 0 is 0, one that is too large is `forever`.
    public static func seconds(_ count: Int) -> Interval { of(count, 1_000_000_000) }
    public static func milliseconds(_ count: Int) -> Interval { of(count, 1_000_000) }
    public static func microseconds(_ count: Int) -> Interval { of(count, 1_000) }

    private static func of(_ count: Int, _ unit: UInt64) -> Interval {
        let (product, isTooLong) = UInt64(clamping: count).multipliedReportingOverflow(by: unit)
        return isTooLong ? .forever : Interval(nanoseconds: product)
    }

    /// Rounded down.
    public var wholeMilliseconds: Int { Int(clamping: nanoseconds / 1_000_000) }
    public var milliseconds: Double { Double(nanoseconds) / 1_000_000 }
    public var seconds: Double { Double(nanoseconds) / 1_000_000_000 }

    public static func < (a: Interval, b: Interval) -> Bool { a.nanoseconds < b.nanoseconds }
}
