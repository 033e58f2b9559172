/// The quantile of the loads that picks have seen of late: what separates hot servers from cold.
///
/// A histogram of small numbers whose counts are halved when they have grown, so that it
/// remembers the last few hundred observations. O(1) an observation, a scan of 64 numbers as
/// often.
struct LoadQuantile: BitwiseCopyable {
    /// 2^−0.25, the value that Prequal was published with.
    private static let share = 0.84
    private static let binCount = 64
    private static let memory: UInt32 = 256

    private var bins = InlineArray<64, UInt16>(repeating: 0)
    private var sum: UInt32 = 0
    private var untilNext = 0
    /// The largest load per weight that counts as cold.
    private(set) var threshold = 0

    /// - Parameter count: of the servers.
    mutating func observe(_ load: Float, among count: Int) {
        let bin = Self.bin(load)
        bins[bin] += 1
        sum += 1
        if sum > Self.memory { halve() }
        untilNext -= 1
        if untilNext <= 0 { find(among: count) }
    }

    private mutating func halve() {
        sum = 0
        for bin in 0..<Self.binCount {
            bins[bin] >>= 1
            sum += UInt32(bins[bin])
        }
    }

    private mutating func find(among count: Int) {
        // After the first few observations each one may tell much: one busy server must not set
        // the mark for hundreds of picks.
        untilNext = numericCast(max(1, min(64, sum)))
        // Of a few servers, the quantile is the busiest one's load and nobody would ever be hot:
        // it stays below that, with half a server to spare.
        let share = min(Self.share, 1 - 1.5 / Double(max(2, count)))
        let wanted = UInt32((Double(sum) * share).rounded(.up))
        var seen: UInt32 = 0
        for bin in 0..<Self.binCount {
            seen += UInt32(bins[bin])
            guard seen < wanted else {
                threshold = Self.load(bin)
                return
            }
        }
    }

    /// Loads up to 32 have bins of their own, larger ones share bins of a quarter of an octave.
    private static func bin(_ load: Float) -> Int {
        guard load > 32 else { return Int(max(0, load).rounded(.up)) }
        let bits = load.bitPattern
        let octave = Int(bits >> 23) - 127 - 5
        return min(binCount - 1, 33 + octave * 4 + Int(bits >> 21 & 3))
    }

    /// The largest load of a bin; the last one has no end.
    private static func load(_ bin: Int) -> Int {
        guard bin > 32 else { return bin }
        guard bin < binCount - 1 else { return 1 << 40 }
        let place = bin - 33
        return (1 << (5 + place / 4)) / 4 * (4 + place % 4 + 1)
    }
}
