import Balancing
import Simulation
import Theory

/// What theory knows of a variant: a name, the mean, and where it is known the whole
/// distribution.
struct TheoryLine {
    var name: String
    /// The strategy that it describes; `nil` for a bound of all.
    var contender: Contender?
    var mean: Double
    /// The probability of lasting longer.
    var tail: (@Sendable (Double) -> Double)?

    /// None where the variant is not the base model.
    static func lines(for scenario: Scenario) -> [TheoryLine] {
        guard scenario.isBaseModel, !scenario.isUnstable, scenario.load < 1 else { return [] }
        let load = scenario.load
        let count = scenario.serverCount
        guard scenario.service == .exponential else {
            let mean = Queueing.generalServiceMean(load: load, scv: scenario.service.scv)
            return [
                TheoryLine(
                    name: "M/G/1 (random)", contender: Contender(.random), mean: mean, tail: nil)
            ]
        }
        return [
            TheoryLine(
                name: "M/M/1 (random)", contender: Contender(.random),
                mean: Queueing.singleServerMean(load: load),
                tail: { Queueing.singleServerTail($0, load: load) }),
            TheoryLine(
                name: "E\(count)/M/1 (round-robin)", contender: Contender(.roundRobin),
                mean: Queueing.rotationMean(servers: count, load: load),
                tail: { Queueing.rotationTail($0, servers: count, load: load) }),
            TheoryLine(
                name: "supermarket, d = 2, n → ∞ (p2c)", contender: Contender(.powerOfTwoChoices),
                mean: Queueing.supermarketMean(choices: 2, load: load),
                tail: { Queueing.supermarketTail($0, choices: 2, load: load) }),
            TheoryLine(
                name: "M/M/\(count) (one queue for all)", contender: nil,
                mean: Queueing.centralQueueMean(servers: count, load: load),
                tail: { Queueing.centralQueueTail($0, servers: count, load: load) }),
        ]
    }
}
