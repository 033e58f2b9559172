import ArgumentParser
import Balancing
import ControlPlane
import Linux

/// `staithe bench pick`
struct BenchPick: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pick",
        abstract: "Measure what a pick costs, and a change of the servers.",
        discussion: """
            One thread picks as fast as it can among servers whose counters lie in memory as they \
            do in the proxy; four requests are in flight for every five servers. The time is that \
            of a pick alone: the best of sixty measurements, because other work of the machine \
            only ever adds, and the median beside it. A change is one server that leaves and one \
            that comes. Calls of the allocator are counted by the processor's breakpoints, where \
            the kernel lets us; heap is what the picks have left allocated.
            """)

    @Option(help: ArgumentHelp("Only these strategies.", valueName: "a,b"))
    var strategies: StrategyList?

    @Option(help: ArgumentHelp("How many servers, 1 to 10000.", valueName: "n,m"))
    var servers = CountList([2, 8, 64, 1000, 10_000])

    @Flag(help: "Weights 1 to 4 in turns instead of equal ones.")
    var mixedWeights = false

    @Option(help: "The seed of all that is random.")
    var seed: UInt64 = 1

    @Flag(help: "Print the figures as JSON.")
    var json = false

    struct Figure: Codable {
        var strategy: String
        var servers: Int
        var pickNs: Double
        /// To `random` with as many servers.
        var ratio: Double
        var medianNs: Double
        /// Not there where they cannot be counted.
        var allocationsPerPick: Double?
        var allocationsPerChange: Double?
        var heapBytesPerPick: Double
        var changeUs: Double
    }

    struct Report: Codable {
        var version = Staithe.version
        var seed: UInt64
        var mixedWeights: Bool
        var figures: [Figure]
    }

    func run() throws {
        let bench = PickBench(hasMixedWeights: mixedWeights, seed: seed)
        var report = Report(seed: seed, mixedWeights: mixedWeights, figures: [])
        for count in servers.counts {
            let asked = strategies?.strategies ?? Strategy.allCases
            let results = bench.measure(
                asked.contains(.random) ? asked : asked + [.random], servers: count)
            let random = results.first { $0.strategy == .random }?.pickNanoseconds ?? 0
            for result in results where asked.contains(result.strategy) {
                report.figures.append(
                    Figure(
                        strategy: result.strategy.rawValue, servers: count,
                        pickNs: Self.rounded(result.pickNanoseconds),
                        ratio: Self.rounded(result.pickNanoseconds / max(0.1, random)),
                        medianNs: Self.rounded(result.medianNanoseconds),
                        allocationsPerPick: result.allocationsPerPick,
                        allocationsPerChange: result.allocationsPerChange,
                        heapBytesPerPick: Self.rounded(result.heapBytesPerPick),
                        changeUs: Self.rounded(result.changeNanoseconds / 1000)))
            }
        }
        guard !json else {
            try? StandardStream.output.write(AdminJSON.encode(report))
            return
        }
        StandardStream.output.print(Self.text(report))
    }

    private static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }

    private static func text(_ report: Report) -> String {
        var rows = [
            [
                "STRATEGY", "SERVERS", "PICK", "MEDIAN", "TO RANDOM", "CALLS", "HEAP", "CHANGE",
                "CALLS",
            ]
        ]
        func count(_ calls: Double?) -> String {
            guard let calls else { return "-" }
            return calls == calls.rounded() ? "\(Int(calls))" : "\(calls)"
        }
        for figure in report.figures {
            rows.append([
                figure.strategy, "\(figure.servers)", "\(figure.pickNs) ns",
                "\(figure.medianNs) ns", "\(figure.ratio)", count(figure.allocationsPerPick),
                "\(figure.heapBytesPerPick) B", "\(figure.changeUs) us",
                count(figure.allocationsPerChange),
            ])
        }
        var alignment = Array(repeating: true, count: rows[0].count)
        alignment[0] = false
        return StatusText.columns(rows, alignsRight: alignment).joined(separator: "\n")
    }
}

/// Strategies, separated by commas.
struct StrategyList: ExpressibleByArgument {
    var strategies: [Strategy]

    init?(argument: String) {
        strategies = []
        for word in argument.split(separator: ",") {
            guard let strategy = Strategy(rawValue: String(word)) else { return nil }
            strategies.append(strategy)
        }
        guard !strategies.isEmpty else { return nil }
    }
}

/// Numbers of servers, separated by commas.
struct CountList: ExpressibleByArgument {
    var counts: [Int]

    init(_ counts: [Int]) { self.counts = counts }

    init?(argument: String) {
        counts = []
        for word in argument.split(separator: ",") {
            guard let count = Int(word), (1...10_000).contains(count) else { return nil }
            counts.append(count)
        }
        guard !counts.isEmpty else { return nil }
    }

    var defaultValueDescription: String { counts.map(String.init).joined(separator: ",") }
}

/// One strategy by its word in the configuration.
struct StrategyName: ExpressibleByArgument {
    var strategy: Strategy

    init?(argument: String) {
        guard let strategy = Strategy(rawValue: argument) else { return nil }
        self.strategy = strategy
    }

    static var allValueStrings: [String] { Strategy.allCases.map(\.rawValue) }
}
