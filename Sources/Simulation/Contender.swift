public import Balancing

/// A strategy with its settings, as one that is compared.
public struct Contender: Sendable, Equatable, Hashable {
    public var strategy: Strategy
    /// Draws of `p2c`.
    public var choices: Int

    public init(_ strategy: Strategy, choices: Int = 2) {
        self.strategy = strategy
        self.choices = choices
    }

    /// `least-requests`; `p2c:3` for three draws.
    public var name: String {
        strategy == .powerOfTwoChoices && choices != 2
            ? "\(strategy.rawValue):\(choices)" : strategy.rawValue
    }

    /// From its ``name``; `nil` for a word that is no strategy.
    public init?(name: String) {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard let first = parts.first, let strategy = Strategy(rawValue: String(first)),
            parts.count <= 2
        else { return nil }
        self.init(strategy)
        guard parts.count == 2 else { return }
        guard strategy == .powerOfTwoChoices, let choices = Int(parts[1]),
            Balancer.choicesRange.contains(choices)
        else { return nil }
        self.choices = choices
    }
}

extension Contender {
    /// The strategies as they may be written.
    public static var knownNames: [String] { Strategy.allCases.map(\.rawValue) }
}
