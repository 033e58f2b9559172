extension Double {
    /// The natural logarithm, within two units of the last place; −∞ of 0, nan below.
    ///
    /// Written out, so that a seed gives the same bytes on every machine and with every C
    /// library. About 10 ns.
    public var logarithm: Double {
        guard self > 0, self < .infinity else {
            return self == 0 ? -.infinity : self == .infinity ? .infinity : .nan
        }
        // Taken from the bits: the properties are calls into the library.
        let bits = isSubnormal ? (self * 0x1p54).bitPattern : bitPattern
        var exponent = Int(truncatingIfNeeded: bits >> 52) - (isSubnormal ? 1077 : 1023)
        var fraction = Double(bitPattern: bits & 0x000F_FFFF_FFFF_FFFF | 0x3FF0_0000_0000_0000)
        // From √½ to √2, so that the series is short.
        if fraction > 1.414_213_562_373_095_1 {
            fraction *= 0.5
            exponent += 1
        }
        // ln m = 2 artanh((m − 1) / (m + 1)).
        let ratio = (fraction - 1) / (fraction + 1)
        let square = ratio * ratio
        // Two sums that do not wait for each other.
        let fourth = square * square
        var even = 1.0 / 19
        var odd = 1.0 / 21
        even = even * fourth + 1.0 / 15
        odd = odd * fourth + 1.0 / 17
        even = even * fourth + 1.0 / 11
        odd = odd * fourth + 1.0 / 13
        even = even * fourth + 1.0 / 7
        odd = odd * fourth + 1.0 / 9
        even = even * fourth + 1.0 / 3
        odd = odd * fourth + 1.0 / 5
        let sum = even + odd * square
        let tail = 2 * ratio * square * sum + Double(exponent) * Self.logarithmOfTwoLow
        return Double(exponent) * Self.logarithmOfTwoHigh + (2 * ratio + tail)
    }

    /// e to this power, within two units of the last place; 0 below the range, ∞ above.
    public var exponential: Double {
        guard self > -745 else { return isNaN ? self : 0 }
        guard self < 709.79 else { return .infinity }
        let count = (self / (Self.logarithmOfTwoHigh + Self.logarithmOfTwoLow)).rounded()
        let rest = (self - count * Self.logarithmOfTwoHigh) - count * Self.logarithmOfTwoLow
        var sum = 1.0
        for divisor in stride(from: 14.0, through: 1, by: -1) { sum = 1 + rest / divisor * sum }
        let exponent = Int(count)
        // Two steps, so that results close to the ends of the range come out.
        let half = exponent / 2
        return sum * Self.powerOfTwo(half) * Self.powerOfTwo(exponent - half)
    }

    /// This number, which is not negative, to a power.
    public func raised(to power: Double) -> Double {
        if power == 0 { return 1 }
        if self == 0 { return power > 0 ? 0 : .infinity }
        if power == power.rounded(), power.magnitude <= 64 { return raised(toWhole: Int(power)) }
        return (power * logarithm).exponential
    }

    private func raised(toWhole power: Int) -> Double {
        var result = 1.0
        var base = self
        var rest = power.magnitude
        while rest > 0 {
            if rest & 1 == 1 { result *= base }
            base *= base
            rest >>= 1
        }
        return power < 0 ? 1 / result : result
    }

    private static func powerOfTwo(_ exponent: Int) -> Double {
        Double(sign: .plus, exponent: exponent, significand: 1)
    }

    /// ln 2 in two parts; the first has so few digits that its product with an exponent is exact.
    private static let logarithmOfTwoHigh = 0.693_147_180_369_123_8
    private static let logarithmOfTwoLow = 1.908_214_929_270_587_7e-10
}
