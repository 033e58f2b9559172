/// How evenly something is spread.
public enum Fairness {
    /// Jain's index: 1 when all have the same, 1 / n when one has all; 1 for nothing to spread.
    ///
    /// Of utilisations, not of counts, where servers differ in speed.
    public static func jainIndex(_ values: [Double]) -> Double {
        let sum = values.reduce(0, +)
        let squares = values.reduce(0) { $0 + $1 * $1 }
        guard squares > 0 else { return 1 }
        return sum * sum / (Double(values.count) * squares)
    }

    /// The largest as a multiple of the mean; 1 for nothing to spread.
    public static func peakToMean(_ values: [Double]) -> Double {
        let sum = values.reduce(0, +)
        guard sum > 0, let largest = values.max() else { return 1 }
        return largest * Double(values.count) / sum
    }
}
