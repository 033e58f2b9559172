import ArgumentParser
import Balancing
import ControlPlane
import Linux

/// `staithe bench sequence`
struct BenchSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence",
        abstract: "Print the picks of a strategy, or the servers of keys.",
        discussion: """
            Servers are named a, b, c and so on, and are idle at every pick. Rotations start at \
            their beginning. For the strategies with a key: the server of each --key with its \
            order of preference, or without one the share of keys that each server has.
            """)

    @Option(name: .customLong("strategy"), help: "The strategy.")
    var strategyName: StrategyName

    private var strategy: Strategy { strategyName.strategy }

    @Option(help: ArgumentHelp("The servers' weights, 0 to 1000.", valueName: "5,1,1"))
    var weights = WeightList([1, 1, 1])

    @Option(help: "How many picks; one period of the weights if not given.")
    var picks: Int?

    @Option(help: ArgumentHelp("A key; may be repeated.", valueName: "text"))
    var key: [String] = []

    @Option(help: "The seed of all that is random.")
    var seed: UInt64 = 1

    @Flag(help: "Print the answer as JSON.")
    var json = false

    struct Answer: Encodable {
        struct Owner: Encodable {
            var key: String
            /// The first is its server; the others take it over in this order.
            var servers: [String]
        }

        var strategy: String
        var weights: [Int]
        var picks: [String]?
        var keys: [Owner]?
        /// Of a hundred thousand keys, by server.
        var shares: [String: Double]?
    }

    func validate() throws {
        if let picks, !(1...1_000_000).contains(picks) {
            throw ValidationError("--picks must be from 1 to 1000000, not \(picks).")
        }
        if !key.isEmpty, !strategy.usesKey {
            throw ValidationError("'\(strategy.rawValue)' does not use a key.")
        }
    }

    func run() throws {
        let names = weights.weights.indices.map(Self.name)
        let servers = zip(names, weights.weights).map { ServerIdentity(name: $0, weight: $1) }
        var answer = Answer(strategy: strategy.rawValue, weights: weights.weights)
        if strategy.usesKey {
            if key.isEmpty {
                answer.shares = shares(servers)
            } else {
                answer.keys = key.map {
                    Answer.Owner(key: $0, servers: preference(of: $0, servers))
                }
            }
        } else {
            answer.picks = sequence(servers)
        }
        guard !json else {
            try? StandardStream.output.write(AdminJSON.encode(answer))
            return
        }
        StandardStream.output.print(Self.text(answer, names))
    }

    /// `a` to `z`, then `a1` and so on.
    static func name(_ index: Int) -> String {
        let letter = String(UnicodeScalar(UInt8(0x61 + index % 26)))
        return index < 26 ? letter : letter + "\(index / 26)"
    }

    /// The picks by index; rotations and first deadlines start at their beginning.
    private func sequence(_ servers: [ServerIdentity]) -> [String] {
        var beginning = NoRandom()
        var random = BenchRandom(seed: seed)
        var balancer = Balancer(BalanceSettings(strategy), servers: servers, random: &beginning)
        let view = IdleView(weights: servers.map(\.weight))
        let total = servers.reduce(0) { $0 + $1.weight }
        let divisor = servers.reduce(0) { Self.divisor($0, $1.weight) }
        let count = picks ?? (divisor > 0 ? min(1000, total / divisor) : 0)
        var names: [String] = []
        for _ in 0..<count {
            guard let index = balancer.pick(view, random: &random) else { break }
            names.append(servers[index].name)
            balancer.ended(index, inFlight: 0)
        }
        return names
    }

    private static func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }

    /// Who has a key, who has it without that one, and so on.
    private func preference(of key: String, _ servers: [ServerIdentity]) -> [String] {
        var random = BenchRandom(seed: seed)
        var balancer = Balancer(BalanceSettings(strategy), servers: servers, random: &random)
        var view = IdleView(weights: servers.map(\.weight))
        let request = PickRequest(key: StableHash.hash(key))
        var order: [String] = []
        while let index = balancer.pick(view, for: request, random: &random) {
            order.append(servers[index].name)
            view.weights[index] = 0
        }
        return order
    }

    private func shares(_ servers: [ServerIdentity]) -> [String: Double] {
        var random = BenchRandom(seed: seed)
        var balancer = Balancer(BalanceSettings(strategy), servers: servers, random: &random)
        let view = IdleView(weights: servers.map(\.weight))
        let keys = 100_000
        var tally = [Int](repeating: 0, count: servers.count)
        for _ in 0..<keys {
            let request = PickRequest(key: random.next())
            if let index = balancer.pick(view, for: request, random: &random) {
                tally[index] += 1
            }
        }
        let shares = zip(servers.map(\.name), tally.map { Double($0) / Double(keys) })
        return Dictionary(uniqueKeysWithValues: shares)
    }

    private static func text(_ answer: Answer, _ names: [String]) -> String {
        if let picks = answer.picks { return picks.joined(separator: " ") }
        if let keys = answer.keys {
            return keys.map { "\($0.key)   \($0.servers.joined(separator: " "))" }
                .joined(separator: "\n")
        }
        let rows = names.map { name in
            let share = answer.shares?[name] ?? 0
            let hundredths = Int((share * 10_000).rounded())
            let digits = "0\(hundredths % 100)".suffix(2)
            return [name, "\(hundredths / 100).\(digits) %"]
        }
        return StatusText.columns(rows, alignsRight: [false, true]).joined(separator: "\n")
    }
}

/// Weights, separated by commas.
struct WeightList: ExpressibleByArgument {
    var weights: [Int]

    init(_ weights: [Int]) { self.weights = weights }

    init?(argument: String) {
        weights = []
        for word in argument.split(separator: ",") {
            guard let weight = Int(word), (0...1000).contains(weight) else { return nil }
            weights.append(weight)
        }
        guard (1...10_000).contains(weights.count) else { return nil }
    }

    var defaultValueDescription: String { weights.map(String.init).joined(separator: ",") }
}

/// Servers with nothing in flight, all up.
struct IdleView: ServerView {
    /// In units of the configuration.
    var weights: [Int]
    var count: Int { weights.count }
    func weight(_ index: Int) -> Int { weights[index] * SlowStart.full }
    func inFlight(_ index: Int) -> Int { 0 }
    var totalInFlight: Int { 0 }
}

/// Always zero: what it starts begins at the beginning.
struct NoRandom: RandomNumberGenerator {
    /// Not a constant: a value without a byte has no address, which the thread sanitizer asks for.
    private var value: UInt64 = 0

    mutating func next() -> UInt64 { value }
}
