/// A generator whose numbers follow from its seed alone: xoshiro256++ (Blackman and Vigna).
///
/// Streams with different numbers, or seeds, are independent for all purposes of a simulation.
public struct SeededRandom: RandomNumberGenerator, Sendable, BitwiseCopyable {
    private var a: UInt64
    private var b: UInt64
    private var c: UInt64
    private var d: UInt64

    public init(seed: UInt64, stream: UInt64 = 0) {
        var mixer = seed ^ Self.mixed(stream &* 0xD1B5_4A32_D192_ED03 &+ 0x2545_F491_4F6C_DD1D)
        func next() -> UInt64 {
            mixer &+= 0x9E37_79B9_7F4A_7C15
            return Self.mixed(mixer)
        }
        a = next()
        b = next()
        c = next()
        d = next()
    }

    /// Spreads every bit of a number over all of them (the finaliser of splitmix64).
    public static func mixed(_ number: UInt64) -> UInt64 {
        var z = number
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }

    public mutating func next() -> UInt64 {
        let sum = a &+ d
        let result = (sum << 23 | sum >> 41) &+ a
        let shifted = b << 17
        c ^= a
        d ^= b
        b ^= c
        a ^= d
        c ^= shifted
        d = d << 45 | d >> 19
        return result
    }

    /// Uniform over (0, 1]: 2⁵³ values, never 0.
    public mutating func unit() -> Double { (Double(next() >> 11) + 1) * 0x1p-53 }

    /// Uniform over `0 ..< bound`, but for one part in 2⁶⁴ / `bound`.
    public mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// Exponential with mean 1.
    public mutating func exponential() -> Double { -unit().logarithm }

    /// Normal with mean 0 and deviation 1 (Marsaglia's polar method; the second of each pair is
    /// not kept, so that a stream has no state beside its seed).
    public mutating func normal() -> Double {
        while true {
            let x = 2 * unit() - 1
            let y = 2 * unit() - 1
            let square = x * x + y * y
            if square < 1, square > 0 {
                return x * (-2 * square.logarithm / square).squareRoot()
            }
        }
    }
}
