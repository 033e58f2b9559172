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

    /// A new report counts this much.
    private static let newShare = 4
    /// Fractions of a request that are kept.
    private static let unit = 16

    /// The foreign requests in sixteenths in the upper 24 bits, the time in units of 2²⁰ ns
    /// below; 0 for no report.
    public private(set) var bits: UInt64

    public init() { bits = 0 }
    public init(bits: UInt64) { self.bits = bits }

    /// What is known when another report has come.
    ///
    /// A quarter of it, and three of what was known: between two reports a server answers many
    /// requests of others, so the last one says less of now than a few of them together, and
    /// several balancers that each believed it would all run to the same server.
    ///
    /// - Parameters:
    ///   - reported: requests in flight, by the server's own count.
    ///   - own: those in flight there through this process.
    public func reported(_ reported: Int, own: Int, now: LoopInstant) -> ReportedLoad {
        let sample = min(max(0, reported - own), 1 << 19) * Self.unit
        var known = sample
        if let old = sixteenths(now: now) { known = old + (sample - old) / Self.newShare }
        return ReportedLoad(
            bits: UInt64(known) << 40 | max(1, now.nanoseconds >> 20 & Self.mask))
    }

    /// Requests in flight that are not ours; 0 without a fresh report.
    public func foreign(now: LoopInstant) -> Int {
        guard bits >> 40 != 0, let known = sixteenths(now: now) else { return 0 }
        return (known + Self.unit / 2) / Self.unit
    }

    private func sixteenths(now: LoopInstant) -> Int? {
        guard bits != 0 else { return nil }
        let age = (now.nanoseconds >> 20 &- bits) & Self.mask
        guard age <= Self.lifetime.nanoseconds >> 20 || age >= 1 << 39 else { return nil }
        return Int(bits >> 40)
    }
}
