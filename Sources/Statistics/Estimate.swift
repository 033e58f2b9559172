/// A number that several independent runs agree on more or less: its value, and half the width
/// of the interval that holds the truth in 95 of 100 experiments.
public struct Estimate: Sendable, Equatable {
    public static let confidence = 0.95

    public var value: Double
    /// ∞ for a single run: one run says nothing about the next.
    public var halfWidth: Double

    public init(value: Double, halfWidth: Double) {
        self.value = value
        self.halfWidth = halfWidth
    }

    /// The mean of one number per run, with Student's interval.
    ///
    /// - Parameter runs: at least one.
    public init(ofRuns runs: [Double]) {
        precondition(!runs.isEmpty)
        let count = Double(runs.count)
        value = runs.reduce(0, +) / count
        guard runs.count > 1 else {
            halfWidth = .infinity
            return
        }
        var squares = 0.0
        for run in runs { squares += (run - value) * (run - value) }
        let error = (squares / (count - 1) / count).squareRoot()
        let factor = StudentDistribution.factor(
            confidence: Self.confidence, degrees: runs.count - 1)
        halfWidth = error * factor
    }

    public var low: Double { value - halfWidth }
    public var high: Double { value + halfWidth }

    /// Whether the interval has 0 in it: then there is no difference to speak of.
    public var includesZero: Bool { low <= 0 && high >= 0 }
}

extension Estimate {
    /// How much more `a` is than `b`, as a share of `b`, from runs with the same random numbers:
    /// what both have in common cancels, run by run.
    ///
    /// - Parameters:
    ///   - a: one number per run.
    ///   - b: those of the same runs, in the same order; positive.
    /// - Returns: `nil` when a run of `b` is not positive.
    public static func relativeDifference(of a: [Double], from b: [Double]) -> Estimate? {
        precondition(a.count == b.count)
        guard !b.isEmpty, b.allSatisfy({ $0 > 0 }) else { return nil }
        return Estimate(ofRuns: zip(a, b).map { $0 / $1 - 1 })
    }

    /// How much more `a` is than `b`, run by run.
    public static func difference(of a: [Double], from b: [Double]) -> Estimate {
        precondition(a.count == b.count)
        return Estimate(ofRuns: zip(a, b).map { $0 - $1 })
    }
}
