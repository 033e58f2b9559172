import Balancing
import Timing

/// Numbers that look random and repeat with the seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Always zero: a rotation that it starts begins at the beginning.
struct ZeroGenerator: RandomNumberGenerator {
    mutating func next() -> UInt64 { 0 }
}

/// A service as arrays.
struct Servers: ServerView {
    var weights: [Int]
    var inFlight: [Int]
    var tiers: [Int]
    var times: [ServerTime]
    /// By server and class of load; nothing where ``times`` are those of any load.
    var timesByLoad: [[ServerTime]] = []
    var ages: [InFlightAges]
    var foreign: [Int]

    /// - Parameter weights: in units of the configuration.
    init(weights: [Int]) {
        self.weights = weights.map { $0 * 256 }
        inFlight = Array(repeating: 0, count: weights.count)
        tiers = Array(repeating: 0, count: weights.count)
        times = Array(repeating: ServerTime(), count: weights.count)
        ages = Array(repeating: InFlightAges(), count: weights.count)
        foreign = Array(repeating: 0, count: weights.count)
    }
    init(count: Int) { self.init(weights: Array(repeating: 1, count: count)) }

    var count: Int { weights.count }
    var hasTiers: Bool { tiers.contains { $0 != 0 } }
    func weight(_ index: Int) -> Int { weights[index] }
    func inFlight(_ index: Int) -> Int { inFlight[index] }
    func tier(_ index: Int) -> Int { tiers[index] }
    func answerTime(_ index: Int) -> ServerTime { times[index] }
    func answerTime(_ index: Int, in load: LoadClass) -> ServerTime {
        timesByLoad.isEmpty ? times[index] : timesByLoad[index][load.number]
    }
    func ages(_ index: Int) -> InFlightAges { ages[index] }
    func foreignLoad(_ index: Int, now: LoopInstant) -> Int { foreign[index] }
}

extension ServerIdentity {
    /// `server-0`, `server-1` and so on, in units of the configuration.
    static func some(weights: [Int]) -> [ServerIdentity] {
        weights.enumerated().map { ServerIdentity(name: "server-\($0)", weight: $1) }
    }
}

extension Balancer {
    /// For servers with the given weights, in units of the configuration.
    init(
        strategy: Strategy, choices: Int = 2, boundedLoad: Int? = nil, weights: [Int],
        random: inout some RandomNumberGenerator
    ) {
        self.init(
            BalanceSettings(strategy, choices: choices, boundedLoad: boundedLoad),
            servers: ServerIdentity.some(weights: weights), random: &random)
    }

    /// For servers of the same weight.
    init(
        strategy: Strategy, choices: Int = 2, boundedLoad: Int? = nil, count: Int,
        random: inout some RandomNumberGenerator
    ) {
        self.init(
            strategy: strategy, choices: choices, boundedLoad: boundedLoad,
            weights: Array(repeating: 1, count: count), random: &random)
    }

    mutating func rebuild(count: Int, oldIndex: (Int) -> Int?) {
        var random = ZeroGenerator()
        rebuild(
            settings, servers: ServerIdentity.some(weights: Array(repeating: 1, count: count)),
            oldIndex: oldIndex, random: &random)
    }

    /// The servers of the next picks; randomness has no part in it.
    mutating func sequence(_ servers: Servers, picks count: Int) -> [Int] {
        var random = ZeroGenerator()
        return (0..<count).map { _ in pick(servers, random: &random) ?? -1 }
    }

    /// How often each server is picked in `count` picks.
    mutating func tally(
        _ servers: Servers, picks count: Int, random: inout some RandomNumberGenerator
    ) -> [Int] {
        var tally = Array(repeating: 0, count: servers.count)
        for _ in 0..<count {
            if let index = pick(servers, random: &random) { tally[index] += 1 }
        }
        return tally
    }
}

/// Whether `tally` fits `weights`, by the statistic χ² with a bound that chance passes once in
/// some 10⁵ tests; seeds are fixed, so a test that passes goes on passing.
func fits(_ tally: [Int], weights: [Int]) -> Bool {
    let total = Double(tally.reduce(0, +))
    let sum = Double(weights.reduce(0, +))
    var statistic = 0.0
    var freedom = -1.0
    for (count, weight) in zip(tally, weights) {
        guard weight > 0 else {
            if count > 0 { return false }
            continue
        }
        let expected = total * Double(weight) / sum
        statistic += (Double(count) - expected) * (Double(count) - expected) / expected
        freedom += 1
    }
    return statistic < freedom + 5 * (2 * freedom).squareRoot() + 12
}
