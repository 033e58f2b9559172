/// The two functions that averages and weighted hashes need, in plain arithmetic.
///
/// Not the C library's: every machine must compute the same bits, or two proxies disagree about
/// a key. Additions and multiplications of doubles are exact in that sense everywhere.
enum Arithmetic {
    /// 2 to the power −x, for x of at least 0; exact to 0.3 % of the value, 0 from 126 on.
    @inline(__always)
    static func halved(_ x: Float) -> Float {
        guard x < 126 else { return 0 }
        let whole = Int32(x)
        let rest = x - Float(whole)
        // 2^−rest as a parabola through its ends and its middle; the whole goes off the exponent.
        let part = (rest * 0.171_572_9 - 0.671_572_9) * rest + 1
        return Float(bitPattern: part.bitPattern &- UInt32(bitPattern: whole) << 23)
    }

    /// −log₂ of (`hash` + 1) / 2⁶⁴, rounded down to 53 bits: from 0 up to 64. Exact to 10⁻¹⁰.
    static func negativeLogarithm(_ hash: UInt64) -> Double {
        let value = Double(hash >> 11) + 0.5
        let bits = value.bitPattern
        let exponent = Int(bits >> 52) - 1023
        let significand = Double(bitPattern: bits & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000)
        // log₂ m = (2 / ln 2) · artanh((m − 1) / (m + 1)), with m near 1.
        let isUpper = significand > 1.414_213_562_373_095
        let m = isUpper ? significand * 0.5 : significand
        let t = (m - 1) / (m + 1)
        let square = t * t
        var sum = square * (1.0 / 13) + 1.0 / 11
        sum = sum * square + 1.0 / 9
        sum = sum * square + 1.0 / 7
        sum = sum * square + 1.0 / 5
        sum = sum * square + 1.0 / 3
        sum = sum * square + 1
        let logarithm = Double(isUpper ? exponent + 1 : exponent) + 2.885_390_081_777_927 * t * sum
        return 53 - logarithm
    }
}
