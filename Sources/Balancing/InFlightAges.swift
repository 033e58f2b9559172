public import Timing

/// How long the requests in flight on a server have been there: their number and the sum of
/// their beginnings in one word, which all loops share by atomic addition.
///
/// Add ``one(since:)`` when a request begins and subtract the same word when it ends. Whoever
/// reads the word in between knows how old they are on average: a server that hangs shows
/// before any of its requests has ended.
public struct InFlightAges: Equatable, Sendable, BitwiseCopyable {
    /// The number in the lower 16 bits; above, the sum of the beginnings in units of 2¹⁶ ns,
    /// modulo 2⁴⁸. Nothing carries from one into the other while fewer than 65,536 are in
    /// flight, and differences come out right whatever the sum has wrapped to.
    public private(set) var bits: UInt64

    public init() { bits = 0 }
    public init(bits: UInt64) { self.bits = bits }

    /// A request that began at an instant: the number to add and to subtract, wrapping.
    public static func one(since began: LoopInstant) -> UInt64 {
        (began.nanoseconds >> 16) << 16 | 1
    }

    public var count: Int { Int(bits & 0xFFFF) }

    /// The mean age; zero when none is in flight.
    public func mean(now: LoopInstant) -> Interval {
        Interval(nanoseconds: UInt64(meanNanoseconds(now: now)))
    }

    func meanNanoseconds(now: LoopInstant) -> Float {
        let count = bits & 0xFFFF
        guard count > 0 else { return 0 }
        let total = (now.nanoseconds >> 16 &* count &- bits >> 16) & 0xFFFF_FFFF_FFFF
        // A beginning a moment later than this loop's now would make it enormous.
        guard total < 1 << 47 else { return 0 }
        return Float(Int(truncatingIfNeeded: total)) * 65_536
            / Float(Int(truncatingIfNeeded: count))
    }
}
