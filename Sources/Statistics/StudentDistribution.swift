import Numerics

/// Student's distribution: how far the mean of a few runs may be from the truth.
public enum StudentDistribution {
    /// The factor by which a standard error becomes the half width of an interval.
    ///
    /// - Parameters:
    ///   - confidence: how often the interval holds the truth; over 0, under 1.
    ///   - degrees: of freedom: the number of runs less one; 1 at least.
    public static func factor(confidence: Double, degrees: Int) -> Double {
        precondition(confidence > 0 && confidence < 1 && degrees >= 1)
        let tails = 1 - confidence
        var low = 0.0
        var high = 1.0
        while twoTails(beyond: high, degrees) > tails { high *= 2 }
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if middle == low || middle == high { break }
            if twoTails(beyond: middle, degrees) > tails { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }

    /// The probability of a value further from 0 than `t`, on either side.
    static func twoTails(beyond t: Double, _ degrees: Int) -> Double {
        let freedom = Double(degrees)
        return incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
    }

    /// The regularised incomplete beta function, by its continued fraction (Lentz).
    private static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
        guard x > 0 else { return 0 }
        guard x < 1 else { return 1 }
        if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
        let front =
            (a * x.logarithm + b * (1 - x).logarithm + logGamma(a + b) - logGamma(a) - logGamma(b))
            .exponential / a
        let tiny = 1e-300
        var c = 1.0
        var d = 1 - (a + b) * x / (a + 1)
        d = 1 / (abs(d) < tiny ? tiny : d)
        var fraction = d
        for step in 1...500 {
            let m = Double(step)
            for numerator in [
                m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
                -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            ] {
                d = 1 + numerator * d
                c = 1 + numerator / c
                d = 1 / (abs(d) < tiny ? tiny : d)
                if abs(c) < tiny { c = tiny }
                fraction *= d * c
            }
            if abs(d * c - 1) < 1e-15 { break }
        }
        return front * fraction
    }

    /// ln Γ of a positive number, by Stirling's series above 10.
    private static func logGamma(_ x: Double) -> Double {
        var x = x
        var product = 1.0
        while x < 10 {
            product *= x
            x += 1
        }
        let inverse = 1 / x
        let square = inverse * inverse
        let series =
            inverse * (1.0 / 12 - square * (1.0 / 360 - square * (1.0 / 1260 - square / 1680)))
        return (x - 0.5) * x.logarithm - x + 0.918_938_533_204_672_7 + series - product.logarithm
    }
}
