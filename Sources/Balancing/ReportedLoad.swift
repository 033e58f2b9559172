public import Timing

/// What a server says of its own load in a response header: requests in flight there, those
/// of other proxies and of itself included. One word, which all loops share.
///
/// Kept is what exceeded our own count when the report came, so that between two reports our
/// own count stays exact. A report counts for ``lifetime``.
public struct ReportedLoad: Equatable, Sendable, BitwiseCopyable {
    /// How long a report counts, as in Prequal.
    public static let lifetime = Interval.seconds(1)
    private static let mask: UInt64 = (1 << 40) - 1

    /// The foreign requests in the upper 24 bits, the time in units of 2²⁰ ns below; 0 for no
    /// report.
    public private(set) var bits: UInt64

    public init() { bits = 0 }
    public init(bits: UInt64) { self.bits = bits }

    /// - Parameters:
    ///   - reported: requests in flight, by the server's own count.
    ///   - own: those in flight there through this process.
    public init(reported: Int, own: Int, now: LoopInstant) {
        let foreign = UInt64(clamping: min(max(0, reported - own), (1 << 24) - 1))
        bits = foreign << 40 | max(1, now.nanoseconds >> 20 & Self.mask)
    }

    /// Requests in flight that are not ours; 0 without a fresh report.
    public func foreign(now: LoopInstant) -> Int {
        guard bits >> 40 != 0 else { return 0 }
        let age = (now.nanoseconds >> 20 &- bits) & Self.mask
        guard age <= Self.lifetime.nanoseconds >> 20 || age >= 1 << 39 else { return 0 }
        return Int(bits >> 40)
    }
}
