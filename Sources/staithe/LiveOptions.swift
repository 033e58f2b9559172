import ArgumentParser
import Configuration
import ControlPlane
import Linux
import LiveBench
import Reporting
import Scenarios
import Simulation
import Timing

/// What the live bench is asked beside the rest.
struct LiveOptions: ParsableArguments {
    /// A second of these is what generator, proxy and servers do on two processors without
    /// hurry.
    private static let usualRate = 1000.0
    private static let leastUnit = 10.0
    /// A longer mean service time is not waited for.
    private static let mostUnit = 100.0
    /// How long a run takes when nobody says how many requests it has.
    private static let usualSeconds = 20.0
    private static let leastRequests = 2000

    @Option(
        help: ArgumentHelp(
            "With --live: the mean service time, as 20ms. When not given the scenario's, from "
                + "10ms to 100ms, and long enough that 1000 requests come a second at most.",
            valueName: "time"))
    var unit: String?

    @Option(help: ArgumentHelp("With --live: HTTP of the requests, 1 or 2.", valueName: "version"))
    var http: String?

    @Option(
        help: ArgumentHelp(
            "With --live: other proxies in the same table, with commas: nginx,haproxy,envoy.",
            valueName: "names"))
    var against: String?

    /// - Throws: when one is given without the live bench.
    func refuse() throws {
        let given = [("--unit", unit), ("--http", http), ("--against", against)]
        for (name, value) in given where value != nil {
            throw ValidationError("\(name) has no meaning without --live.")
        }
    }

    // MARK: - Reading

    private func parsedHTTP() throws -> HTTPVersion {
        guard let http else { return .one }
        guard let version = HTTPVersion(rawValue: http) else {
            throw ValidationError("--http: '\(http)' is no version; write 1 or 2.")
        }
        return version
    }

    private func parsedRivals() throws -> [Rival] {
        var rivals: [Rival] = []
        for word in (against ?? "").split(separator: ",").map(String.init) {
            guard let rival = Rival(rawValue: word) else {
                let known = Rival.allCases.map(\.rawValue)
                let near = Configuration.Spelling.nearest(to: word, among: known)
                throw ValidationError(
                    "--against: '\(word)' is none of the other proxies."
                        + (near.map { " Did you mean '\($0)'?" }
                            ?? " They are: \(known.joined(separator: ", "))."))
            }
            if !rivals.contains(rival) { rivals.append(rival) }
        }
        return rivals
    }

    private func parsedUnit(_ scenarios: [Scenario]) throws -> Interval {
        if let unit {
            let interval = try BenchSetting.parse(unit, "--unit") { Value.duration($0) }
            guard (Interval.milliseconds(1)...Interval.seconds(60)).contains(interval) else {
                throw ValidationError("--unit: '\(unit)' is out of range; write 1ms to 60s.")
            }
            return interval
        }
        let rate = scenarios.map(\.arrivalRate).max() ?? 1
        let mean = scenarios.map(\.meanService.milliseconds).max() ?? Self.leastUnit
        let wanted = max(Self.leastUnit, min(mean, Self.mostUnit))
        return .milliseconds(Int(max(wanted, rate / Self.usualRate * 1000).rounded(.up)))
    }

    // MARK: - Preparing

    /// A live bench, ready to run.
    struct Plan {
        var comparisons: [Comparison]
        var setting: LiveSetting
        var facts: LiveFacts
    }

    /// - Parameter hasRequests: the command says how many requests a run has.
    func plan(_ comparisons: [Comparison], hasRequests: Bool) throws -> Plan {
        guard let executable = ThisProcess.executable else {
            throw Client.failure("the program cannot find itself: /proc/self/exe is not there")
        }
        let http = try parsedHTTP()
        var notes: [String] = []
        var kept = try comparisons.compactMap { try playable($0, &notes) }
        guard !kept.isEmpty else { throw ValidationError(notes.joined(separator: "\n")) }
        let unit = try parsedUnit(kept.flatMap { $0.variants.map(\.scenario) })
        if !hasRequests { kept = kept.map { Self.shortened($0, unit) } }
        let rivals = try rivals(in: &kept, &notes)
        var facts = LiveFacts(unit: unit.milliseconds, http: http.words)
        facts.notes = notes
        facts.machineLoad = Machine.load
        return Plan(
            comparisons: kept,
            setting: LiveSetting(
                unit: unit, http: http, executable: executable, rivals: rivals,
                changes: LiveOperator()),
            facts: facts)
    }

    /// Without the variants that no real proxy can play.
    private func playable(_ comparison: Comparison, _ notes: inout [String]) throws -> Comparison? {
        var file = comparison.file
        file.variants = file.variants.filter { scenario in
            guard let obstacle = LiveRun.obstacle(to: scenario) else { return true }
            let name = scenario.variant.isEmpty ? "" : ", \(scenario.variant)"
            notes.append("\(file.name)\(name) cannot be played live: \(obstacle).")
            return false
        }
        guard !file.variants.isEmpty else { return nil }
        return Comparison(file: file, contenders: comparison.variants[0].cells.map(\.contender))
    }

    private static func shortened(_ comparison: Comparison, _ unit: Interval) -> Comparison {
        var file = comparison.file
        for index in file.variants.indices {
            let rate = file.variants[index].arrivalRate / unit.seconds
            let count = max(leastRequests, Int(rate * usualSeconds))
            file.variants[index].requestCount = min(file.variants[index].requestCount, count)
        }
        return Comparison(file: file, contenders: comparison.variants[0].cells.map(\.contender))
    }

    /// Adds the strategies of other proxies to the table.
    ///
    /// - Returns: where their programs lie.
    private func rivals(
        in comparisons: inout [Comparison], _ notes: inout [String]
    ) throws -> [Rival: String] {
        let asked = try parsedRivals()
        let named = comparisons.flatMap { $0.variants[0].cells.compactMap(\.contender.rival) }
        var paths: [Rival: String] = [:]
        for rival in Rival.allCases where asked.contains(rival) || named.contains(rival) {
            guard let path = rival.find() else {
                throw ValidationError(
                    "\(rival.title) is not installed: there is no program '\(rival.rawValue)'. "
                        + "Install it, say where it is with \(rival.variable)=PATH in the "
                        + "environment, or leave it out of --against.")
            }
            paths[rival] = path
            notes.append("The other proxy is \(rival.version(path)).")
        }
        for index in comparisons.indices {
            try Self.add(asked, to: &comparisons[index])
        }
        return paths
    }

    private static func add(_ asked: [Rival], to comparison: inout Comparison) throws {
        var contenders = comparison.variants[0].cells.map(\.contender)
        let own = contenders.filter { $0.rival == nil }
        for rival in asked {
            let fitting = own.filter(rival.has)
            guard !fitting.isEmpty else {
                throw ValidationError(
                    "\(rival.title) has none of the strategies that are compared in "
                        + "'\(comparison.file.name)'.")
            }
            for var contender in fitting {
                contender.rival = rival
                if !contenders.contains(contender) { contenders.append(contender) }
            }
        }
        for contender in contenders {
            guard let rival = contender.rival else { continue }
            guard rival.has(contender) else {
                throw ValidationError("\(rival.title) has no '\(contender.name)'.")
            }
            for scenario in comparison.file.variants {
                guard let obstacle = rival.obstacle(to: scenario) else { continue }
                throw ValidationError(
                    "\(rival.title) cannot play '\(comparison.file.name)': \(obstacle).")
            }
        }
        comparison = Comparison(file: comparison.file, contenders: contenders)
    }
}
