/// How much of a run's beginning does not count: there a queue still knows that it began empty.
public enum WarmUp {
    /// The rule: the first tenth of the requests.
    public static let share = 0.1

    /// Where the moving mean first crosses the mean of all, as a share of the run: a check of
    /// the rule, which should discard no less.
    ///
    /// - Parameters:
    ///   - means: of equal stretches of the run, in order.
    ///   - window: stretches on either side that a moving mean takes in.
    /// - Returns: `nil` when the run is shorter than two windows or never crosses.
    public static func crossing(means: [Double], window: Int = 5) -> Double? {
        guard means.count > 4 * window, window > 0 else { return nil }
        let overall = means.reduce(0, +) / Double(means.count)
        var sign: Bool?
        for center in window..<(means.count - window) {
            let part = means[(center - window)...(center + window)]
            let isAbove = part.reduce(0, +) / Double(part.count) > overall
            if let sign, sign != isAbove { return Double(center) / Double(means.count) }
            sign = isAbove
        }
        return nil
    }
}
