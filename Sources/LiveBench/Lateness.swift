public import Timing

/// How late something was that the bench itself was to do at a known time: requests that were
/// to be sent, answers that were to be given.
///
/// What is late there is the bench's own doing, and must be small beside what is measured.
public struct Lateness: Sendable {
    /// The 99.9th percentile may be this share of the 99th percentile of the response times.
    public static let tolerance = 0.1

    private var nanoseconds: [UInt64] = []
    public private(set) var longest = Interval.zero

    public init() {}

    public var count: Int { nanoseconds.count }

    public mutating func record(_ late: Interval) {
        nanoseconds.append(late.nanoseconds)
        longest = max(longest, late)
    }

    /// The lateness that the given share of all does not exceed; zero when nothing was recorded.
    public func quantile(_ share: Double) -> Interval {
        guard !nanoseconds.isEmpty else { return .zero }
        let sorted = nanoseconds.sorted()
        let rank = min(sorted.count, max(1, Int((Double(sorted.count) * share).rounded(.up))))
        return Interval(nanoseconds: sorted[rank - 1])
    }

    public var p999: Interval { quantile(0.999) }

    /// Whether a run with this 99th percentile of the response times may be believed.
    public func isTolerable(besides p99: Interval) -> Bool {
        Double(p999.nanoseconds) <= Self.tolerance * Double(p99.nanoseconds)
    }
}
