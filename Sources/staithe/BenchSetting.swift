import ArgumentParser
import Configuration
import ControlPlane
import Linux
import LiveBench
import Reporting
import Scenarios
import Simulation

/// What all comparisons are asked: who, how often, and where the answer goes.
struct BenchSetting: ParsableArguments {
    @Option(help: ArgumentHelp("Which ones, with commas: least-requests,p2c:3,ring-hash:150."))
    var strategies: String?

    @Flag(help: "In virtual time; the default. With --live: both, and how they differ.")
    var sim = false

    @Flag(help: "The same scenario against the real proxy.")
    var live = false

    @OptionGroup var liveOptions: LiveOptions

    @Option(help: "Independent runs of each; 8 at least for intervals worth the name.")
    var reps = 8

    @Option(help: "Of all random numbers.")
    var seed: UInt64 = 1

    @Option(help: "Threads; all processors when not given.")
    var threads: Int?

    @Option(help: ArgumentHelp("Results for programs.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("The report, one page.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("The report as Markdown.", valueName: "file"))
    var markdown: String?

    @Option(help: ArgumentHelp("One line per strategy and variant.", valueName: "file"))
    var csv: String?

    @Option(
        name: .customLong("pick-costs"),
        help: ArgumentHelp(
            "Costs of a pick for the report, as 'staithe bench pick --json' prints them.",
            valueName: "file"))
    var pickCosts: String?

    @Option(
        name: .customLong("assert"),
        help: "What must be true, else exit 1: 'p99(least-requests) <= 1.05*p99(p2c)'.")
    var assertions: [String] = []

    /// The strategy that a service has when its configuration does not say.
    static let standard = Contender(ServiceConfiguration.Balance().strategy)

    // MARK: - Asking

    func contenders(for file: ScenarioFile) throws -> [Contender] {
        var list: [Contender] = []
        if let strategies {
            for word in strategies.split(separator: ",").map(String.init) {
                guard let contender = Contender(name: word) else {
                    let near = Configuration.Spelling.nearest(to: word, among: Contender.knownNames)
                    throw ValidationError(
                        "'\(word)' is not a strategy."
                            + (near.map { " Did you mean '\($0)'?" }
                                ?? " They are: \(Contender.knownNames.joined(separator: ", "))."))
                }
                if !list.contains(contender) { list.append(contender) }
            }
        } else {
            list = file.strategies.isEmpty ? Contender.all(for: file.variants[0]) : file.strategies
        }
        for contender in try parsedAssertions().flatMap(\.contenders)
        where !list.contains(contender) {
            list.append(contender)
        }
        return list
    }

    func parsedAssertions() throws -> [Assertion] {
        try assertions.map { text in
            do throws(Assertion.Mistake) {
                return try Assertion(text)
            } catch {
                let mark = String(repeating: " ", count: error.offset) + "^"
                throw ValidationError("--assert: \(error.sentence)\n  \(text)\n  \(mark)")
            }
        }
    }

    static func parse<Result>(
        _ text: String, _ option: String, _ parse: (String) -> Parsed<Result>
    ) throws -> Result {
        switch parse(text) {
        case .success(let value): return value
        case .failure(let mistake):
            throw ValidationError("\(option): '\(text)' \(mistake.problem); \(mistake.help).")
        }
    }

    static func check(_ value: Int?, _ option: String, _ range: ClosedRange<Int>) throws {
        guard let value, !range.contains(value) else { return }
        throw ValidationError(
            "\(option): \(value) is out of range; write a number from \(range.lowerBound) to "
                + "\(range.upperBound).")
    }

    // MARK: - Answering

    /// - Parameter hasRequests: the command says how many requests a run has.
    func play(_ comparisons: [Comparison], hasRequests: Bool) throws {
        try Self.check(reps, "--reps", 1...10_000)
        try Self.check(threads, "--threads", 1...1024)
        let parsed = try parsedAssertions()
        let costs = try readPickCosts()
        var report =
            live
            ? try playLive(comparisons, hasRequests: hasRequests) : try simulate(comparisons)
        let isWhole = !report.isPartial
        report.pickCosts = costs
        try StandardStream.output.write(Array(report.text().utf8))
        if reps < 8 {
            StandardStream.output.print("Fewer than 8 repetitions: take the intervals as hints.")
        }
        try Self.write(report.json(), to: json)
        try Self.write(report.html(), to: html)
        try Self.write(report.markdown(), to: markdown)
        try Self.write(report.csv(), to: csv)
        try judge(parsed, report)
        if !isWhole { throw ExitCode(ExitStatus.failed) }
    }

    private func simulate(_ comparisons: [Comparison]) throws -> Report {
        try liveOptions.refuse()
        for comparison in comparisons {
            for cell in comparison.variants[0].cells where cell.contender.rival != nil {
                throw ValidationError(
                    "'\(cell.contender.name)' cannot be simulated: it needs --live.")
            }
        }
        let runner = BenchRunner(comparisons, seed: seed, repetitions: reps)
        let (done, isWhole) = try runner.run(threads: threads ?? Processors.usableCount())
        return report(of: done, isWhole: isWhole)
    }

    private func playLive(_ comparisons: [Comparison], hasRequests: Bool) throws -> Report {
        if threads != nil {
            throw ValidationError("--threads has no meaning with --live: its threads are fixed.")
        }
        let plan = try liveOptions.plan(comparisons, hasRequests: hasRequests)
        let runner = LiveRunner(
            plan.comparisons, seed: seed, repetitions: reps, setting: plan.setting,
            facts: plan.facts)
        runner.sayPlan()
        let outcome = try runner.run()
        if let failure = outcome.failure {
            throw Client.failure("no result. \(failure.sentence)")
        }
        var report = report(of: outcome.comparisons, isWhole: outcome.isWhole)
        report.live = outcome.facts
        guard sim, outcome.isWhole else { return report }
        let ours = plan.comparisons.map { comparison in
            Comparison(
                file: comparison.file,
                contenders: comparison.variants[0].cells.map(\.contender)
                    .filter { $0.rival == nil })
        }
        let simulator = BenchRunner(ours, seed: seed, repetitions: reps)
        let simulated = try simulator.run(threads: Processors.usableCount())
        report.simulated = simulated.comparisons
        report.isPartial = !simulated.isWhole
        return report
    }

    private func report(of comparisons: [Comparison], isWhole: Bool) -> Report {
        var report = Report(
            comparisons: comparisons, standard: Self.standard, seed: seed, repetitions: reps,
            version: Staithe.version, machine: Machine.words)
        report.isPartial = !isWhole
        return report
    }

    private func judge(_ assertions: [Assertion], _ report: Report) throws {
        var fails = false
        for assertion in assertions {
            let results = assertion.results(in: report)
            if results.isEmpty {
                fails = true
                StandardStream.output.print("FAILS: \(assertion.text): nothing here has it")
            }
            for result in results {
                if !result.holds { fails = true }
                StandardStream.output.print(
                    "\(result.holds ? "holds" : "FAILS"): \(assertion.text) "
                        + "(\(result.variant): \(short(result.left)) and \(short(result.right)))")
            }
        }
        if fails { throw ExitCode(ExitStatus.failed) }
    }

    private func readPickCosts() throws -> [Report.PickCost] {
        guard let pickCosts else { return [] }
        guard let bytes = try? File.read(pickCosts),
            let measured = AdminJSON.decode(BenchPick.Report.self, bytes)
        else {
            throw ValidationError(
                "--pick-costs: '\(pickCosts)' is not what 'staithe bench pick --json' prints.")
        }
        return measured.figures.map {
            Report.PickCost(strategy: $0.strategy, servers: $0.servers, nanoseconds: $0.pickNs)
        }
    }

    static func write(_ text: @autoclosure () -> String, to path: String?) throws {
        guard let path else { return }
        do throws(Errno) {
            File.remove(path)
            let file = try File.openForAppending(path)
            try file.writeAll(Array(text().utf8))
        } catch {
            StandardStream.error.print("staithe: '\(path)' cannot be written: \(error)")
            throw ExitCode(ExitStatus.failed)
        }
    }
}

/// The machine, for a report.
enum Machine {
    /// `2 × some processor`.
    static var words: String {
        let count = Processors.usableCount()
        guard let bytes = try? File.read("/proc/cpuinfo") else { return "\(count) processors" }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("model name") {
            let name = line.split(separator: ":", maxSplits: 1).last ?? ""
            return "\(count) × \(name.drop { $0 == " " })"
        }
        return "\(count) processors"
    }

    /// Processes that want a processor, on the average of the last minute.
    static var load: Double? {
        guard let bytes = try? File.read("/proc/loadavg") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: " ").first
            .flatMap { Double($0) }
    }
}
