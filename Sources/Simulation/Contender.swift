public import Balancing

/// A strategy with its settings, as one that is compared.
public struct Contender: Sendable, Equatable, Hashable {
    public var strategy: Strategy
    /// Draws of `p2c` and `peak-ewma`.
    public var choices: Int
    /// For strategies with a key: percent of the mean; `nil` for no bound.
    public var boundedLoad: Int?
    /// Whose strategy it is; `nil` for ours. Others are in the live bench only.
    public var rival: Rival?

    public init(
        _ strategy: Strategy, choices: Int = 2,
        boundedLoad: Int? = BalanceSettings.defaultBoundedLoad
    ) {
        self.strategy = strategy
        self.choices = choices
        self.boundedLoad = boundedLoad
    }

    public var settings: BalanceSettings {
        BalanceSettings(strategy, choices: choices, boundedLoad: boundedLoad)
    }

    private var hasChoices: Bool { strategy == .powerOfTwoChoices || strategy == .peakEWMA }

    /// `least-requests`; `p2c:3` for three draws; `ring-hash:150` for another bound than the
    /// proxy's, `ring-hash:unbounded` for none; `nginx/least-requests` for that of another proxy.
    public var name: String { (rival.map { "\($0.rawValue)/" } ?? "") + ownName }

    private var ownName: String {
        if hasChoices, choices != 2 { return "\(strategy.rawValue):\(choices)" }
        if strategy.usesKey, boundedLoad != BalanceSettings.defaultBoundedLoad {
            return "\(strategy.rawValue):\(boundedLoad.map(String.init) ?? "unbounded")"
        }
        return strategy.rawValue
    }

    /// From its ``name``; `nil` for a word that is no strategy, and for a setting that it does
    /// not have.
    public init?(name: String) {
        let sides = name.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        if sides.count == 2 {
            guard let rival = Rival(rawValue: String(sides[0])) else { return nil }
            self.init(name: String(sides[1]))
            guard self.rival == nil else { return nil }
            self.rival = rival
            return
        }
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard let first = parts.first, let strategy = Strategy(rawValue: String(first)),
            parts.count <= 2
        else { return nil }
        self.init(strategy)
        guard parts.count == 2 else { return }
        if hasChoices {
            guard let choices = Int(parts[1]), BalanceSettings.choicesRange.contains(choices)
            else { return nil }
            self.choices = choices
        } else if strategy.usesKey {
            guard parts[1] != "unbounded" else {
                boundedLoad = nil
                return
            }
            guard let percent = Int(parts[1]), (101...10_000).contains(percent) else {
                return nil
            }
            boundedLoad = percent
        } else {
            return nil
        }
    }

    /// The strategies as they may be written.
    public static var knownNames: [String] { Strategy.allCases.map(\.rawValue) }

    /// What is compared in a scenario that does not say: every strategy, but for `first`, which
    /// does not spread, and those with a key where requests have none.
    public static func all(for scenario: Scenario) -> [Contender] {
        var contenders: [Contender] = []
        for strategy in Strategy.allCases where strategy != .first {
            if strategy.usesKey, scenario.keys == nil { continue }
            contenders.append(Contender(strategy))
            if strategy == .powerOfTwoChoices { contenders.append(Contender(strategy, choices: 3)) }
            if strategy.usesKey { contenders.append(Contender(strategy, boundedLoad: nil)) }
        }
        return contenders
    }
}
