public import Timing

/// How long to wait before a retry: a base, doubled each time, with jitter.
///
/// The jitter takes away up to half, so that the clients of a server that failed all at once do
/// not come back all at once.
public struct RetryBackoff: Sendable, Hashable, BitwiseCopyable {
    /// What doubling stops at.
    public static let longest = Interval.seconds(5)

    /// Before the first retry, jitter aside; zero for no wait at all.
    public let base: Interval

    public init(base: Interval = .milliseconds(25)) { self.base = base }

    /// - Parameter retry: 1 for the first retry.
    public func delay(retry: Int, random: inout some RandomNumberGenerator) -> Interval {
        precondition(retry >= 1)
        guard base > .zero else { return .zero }
        let (doubled, overflow) = base.nanoseconds.multipliedReportingOverflow(
            by: 1 << UInt64(min(retry - 1, 32)))
        let full = overflow ? Self.longest.nanoseconds : min(doubled, Self.longest.nanoseconds)
        return Interval(nanoseconds: UInt64.random(in: full - full / 2...full, using: &random))
    }
}
