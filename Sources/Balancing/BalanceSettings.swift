/// What the configuration says about the choice of servers.
public struct BalanceSettings: Equatable, Sendable {
    /// What ``choices`` is held to: fewer than two is `random`, more than sixteen is a scan.
    public static let choicesRange = 2...16
    public static let defaultBoundedLoad = 125

    public var strategy: Strategy
    /// Servers drawn per pick by `p2c` and `peak-ewma`.
    public var choices: Int
    /// For the strategies with a key: the most requests that a server may have in flight, in
    /// percent of the mean, by weight; more than 100. `nil` for no bound.
    public var boundedLoad: Int?

    public init(
        _ strategy: Strategy, choices: Int = 2, boundedLoad: Int? = Self.defaultBoundedLoad
    ) {
        self.strategy = strategy
        self.choices = min(
            max(choices, Self.choicesRange.lowerBound), Self.choicesRange.upperBound)
        self.boundedLoad = boundedLoad
    }
}
