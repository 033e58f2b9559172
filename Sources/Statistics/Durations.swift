/// Durations in any unit, counted in buckets a thousandth wide, so that quantiles are known to
/// 0.05 % whatever their size, and runs can be merged without averaging a percentile.
///
/// From 2⁻²⁰ to 2³⁰ of the unit; what is outside counts as the nearest end. The sum and the
/// extremes are exact.
public struct Durations: Sendable {
    private static let bucketsPerOctave = 1024
    private static let lowestExponent = -20
    private static let octaveCount = 50
    private static let bucketCount = octaveCount * bucketsPerOctave
    private static let shift = UInt64(52 - 10)
    private static let firstPattern = UInt64(1023 + lowestExponent) << 10

    private var buckets: [UInt32]
    public private(set) var count = 0
    public private(set) var sum = 0.0
    /// 0 when nothing was recorded.
    public private(set) var longest = 0.0

    public init() { buckets = Array(repeating: 0, count: Self.bucketCount) }

    /// Counts one; O(1), no allocation.
    public mutating func record(_ duration: Double) {
        buckets[Self.bucket(of: duration)] &+= 1
        count &+= 1
        sum += duration
        if duration > longest { longest = duration }
    }

    public mutating func add(_ other: Durations) {
        for index in 0..<Self.bucketCount { buckets[index] &+= other.buckets[index] }
        count += other.count
        sum += other.sum
        longest = max(longest, other.longest)
    }

    /// `nil` when nothing was recorded.
    public var mean: Double? { count > 0 ? sum / Double(count) : nil }

    /// The duration that the given share of all does not exceed; `nil` when nothing was
    /// recorded.
    ///
    /// - Parameter share: 0 to 1; 0.99 is the 99th percentile.
    public func quantile(_ share: Double) -> Double? { quantiles([share])[0] }

    /// ``quantile(_:)`` of several shares, which must not fall.
    public func quantiles(_ shares: [Double]) -> [Double?] {
        guard count > 0 else { return shares.map { _ in nil } }
        var result: [Double?] = []
        var seen = 0
        var index = 0
        for share in shares {
            let rank = min(count, max(1, Int((Double(count) * share).rounded(.up))))
            while seen + Int(buckets[index]) < rank {
                seen += Int(buckets[index])
                index += 1
            }
            result.append(min(longest, Self.middle(of: index)))
        }
        return result
    }

    /// The share of all that lasted at most this long, within the bucket's width.
    public func share(within duration: Double) -> Double {
        guard count > 0 else { return 0 }
        var seen = 0
        for index in 0...Self.bucket(of: duration) { seen += Int(buckets[index]) }
        return Double(seen) / Double(count)
    }

    private static func bucket(of duration: Double) -> Int {
        let pattern = duration.bitPattern >> shift
        guard duration > 0, pattern > firstPattern else { return 0 }
        return min(Int(truncatingIfNeeded: pattern &- firstPattern), bucketCount - 1)
    }

    private static func middle(of bucket: Int) -> Double {
        let pattern = UInt64(bucket) + firstPattern
        return Double(bitPattern: pattern << shift | 1 << (shift - 1))
    }
}
