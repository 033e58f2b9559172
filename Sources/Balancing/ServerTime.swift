public import Timing

/// The average time that a server takes to answer, and when it was last measured: one word, so
/// that all loops share one average per server by compare-and-swap.
///
/// Read a word, make the new one of it with one of the functions here, and swap; on failure
/// read again. Losing a measurement to a faster loop after a few tries does no harm.
public struct ServerTime: Equatable, Sendable, BitwiseCopyable {
    /// A new measurement counts this much in ``answered(after:now:)``.
    static let newShare: Float = 0.05
    /// How far ``middled(after:now:)`` goes at a time.
    static let step: Float = 0.1
    /// How long ``peaked(after:now:)`` takes to forget: the time constant of its decay.
    public static let memory = Interval.seconds(10)
    /// A failure counts as this many times the mean answer of the group.
    static let failureFactor: UInt64 = 10

    /// The average in nanoseconds as a `Float` below, the time of the last measurement in units
    /// of 2²⁰ ns above, modulo 2³². 0 for a server that has not been measured.
    public private(set) var bits: UInt64

    public init() { bits = 0 }
    public init(bits: UInt64) { self.bits = bits }

    private init(nanoseconds: Float, at now: LoopInstant) {
        // Never 0: that means not measured.
        bits = Self.stamp(now) << 32 | UInt64(max(1, nanoseconds).bitPattern)
    }

    public var isMeasured: Bool { bits != 0 }

    /// 0 when nothing was measured.
    public var average: Interval { Interval(nanoseconds: UInt64(nanoseconds)) }

    var nanoseconds: Float { Float(bitPattern: UInt32(truncatingIfNeeded: bits)) }

    /// The average with the time passed since counted against it: an unused server's fades, so
    /// that it is tried again.
    func faded(now: LoopInstant) -> Float { nanoseconds * fading(now: now) }

    /// The bits of the average, as they stand in ``bits``: of positive numbers, the larger has
    /// the larger pattern.
    var pattern: UInt32 { UInt32(truncatingIfNeeded: bits) }

    /// What the time passed since the last measurement takes off ``pattern``, in which an octave
    /// is 2²³: close to what ``faded(now:)`` says, for a subtraction.
    func patternLoss(now: LoopInstant) -> UInt32 {
        let elapsed = Self.stamp(now) &- (bits >> 32) & 0xFFFF_FFFF
        guard elapsed > 60, elapsed < 1 << 31 else { return 0 }
        let octaves = Float(Int(truncatingIfNeeded: elapsed)) * Self.decayPerUnit
        return UInt32(min(octaves, 100) * 8_388_608)
    }

    /// ``pattern`` less a loss.
    @inline(__always)
    func pattern(less loss: UInt32) -> UInt32 {
        let pattern = pattern
        return pattern > loss ? pattern &- loss : 0
    }

    /// What the time passed since the last measurement has left of the average, 0 to 1.
    private func fading(now: LoopInstant) -> Float {
        let elapsed = Self.stamp(now) &- (bits >> 32) & 0xFFFF_FFFF
        // Loops read their clocks once per turn: another one's may be a little ahead.
        // Sixty milliseconds are less than a hundredth of the memory.
        guard elapsed > 60, elapsed < 1 << 31 else { return 1 }
        return Self.decay(elapsed)
    }

    // MARK: - Least time

    /// An answer came: 0.95 of the old average and 0.05 of this, or more of this when the last
    /// one is seconds ago; the first one as it is.
    public func answered(after duration: Interval, now: LoopInstant) -> ServerTime {
        let sample = Float(duration.nanoseconds)
        guard isMeasured else { return ServerTime(nanoseconds: sample, at: now) }
        let elapsed = Self.stamp(now) &- (bits >> 32) & 0xFFFF_FFFF
        let kept = elapsed < 1 << 31 ? min(1 - Self.newShare, Self.decay(elapsed)) : 1
        return ServerTime(nanoseconds: sample + kept * (nanoseconds - sample), at: now)
    }

    // MARK: - Peak EWMA

    /// An answer came: one slower than the average is the new average at once, a faster one
    /// moves it by the time since the last, with a memory of ``memory``.
    public func peaked(after duration: Interval, now: LoopInstant) -> ServerTime {
        let sample = Float(duration.nanoseconds)
        guard isMeasured, sample < nanoseconds else {
            return ServerTime(nanoseconds: sample, at: now)
        }
        let elapsed = Self.stamp(now) &- (bits >> 32) & 0xFFFF_FFFF
        let kept = elapsed < 1 << 31 ? Self.decay(elapsed) : 1
        guard kept < 1 else {
            // Within a millisecond of the last: the stamp stays, so that time adds up.
            return self
        }
        return ServerTime(nanoseconds: sample + kept * (nanoseconds - sample), at: now)
    }

    // MARK: - Hot and cold

    /// An answer came: the first one as it is, then a step of a tenth up or down, so that half
    /// of the answers are faster: the median, as Prequal takes it. One that costs fifty times
    /// as much does not brand a server. After a time without measurements steps are larger.
    public func middled(after duration: Interval, now: LoopInstant) -> ServerTime {
        let sample = Float(duration.nanoseconds)
        guard isMeasured else { return ServerTime(nanoseconds: sample, at: now) }
        let elapsed = Self.stamp(now) &- (bits >> 32) & 0xFFFF_FFFF
        let lost = elapsed < 1 << 31 ? 1 - Self.decay(elapsed) : 0
        let step = 1 + max(Self.step, lost)
        let moved =
            sample > nanoseconds
            ? min(sample, nanoseconds * step) : max(sample, nanoseconds / step)
        return ServerTime(nanoseconds: moved, at: now)
    }

    // MARK: - Both

    /// What a failed attempt counts as: ten mean answers of the group, or the time it took when
    /// that was longer. A server that fails fast is never taken for a fast one.
    ///
    /// - Parameter mean: the group's mean answer; `nil` when nobody has answered yet.
    public static func failure(after duration: Interval, mean: Interval?) -> Interval {
        guard let mean else { return duration }
        let (product, isOver) = mean.nanoseconds.multipliedReportingOverflow(by: failureFactor)
        return max(duration, Interval(nanoseconds: isOver ? .max : product))
    }

    /// The measurement as the strategy counts it.
    public func measured(
        _ duration: Interval, by strategy: Strategy, now: LoopInstant
    ) -> ServerTime {
        strategy == .peakEWMA
            ? peaked(after: duration, now: now) : answered(after: duration, now: now)
    }

    private static func stamp(_ now: LoopInstant) -> UInt64 { now.nanoseconds >> 20 & 0xFFFF_FFFF }

    /// What is left of an average after `elapsed` units of 2²⁰ ns.
    private static func decay(_ elapsed: UInt64) -> Float {
        // 2^−x with x = elapsed / (memory · ln 2).
        Arithmetic.halved(Float(Int(truncatingIfNeeded: elapsed)) * decayPerUnit)
    }

    private static var decayPerUnit: Float {
        Float(1_048_576 / 1e9) / Float(memory.seconds) / 0.693_147_18
    }
}
