import ArgumentParser
import Configuration
import ControlPlane
import Linux
import Reporting
import Scenarios
import Simulation

/// `staithe bench strategies`
struct BenchStrategies: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "strategies",
        abstract: "Compare strategies in a scenario.",
        discussion: """
            Times are in mean service times. The same seed gives the same bytes.

              staithe bench strategies                              ten equal servers, load 0.9
              staithe bench strategies --scenario one-slow
              staithe bench strategies --servers 4 --load 0.8 --service lognormal4
              staithe bench strategies --live --sim --servers 4 --load 0.7
              staithe bench strategies --live --against nginx,haproxy --strategies round-robin
              staithe bench strategies --assert 'p99(least-requests) <= 1.05*p99(p2c)'
            """)

    @OptionGroup var setting: BenchSetting

    @Option(help: ArgumentHelp("A scenario by name, or its file; 'all' for the standard set."))
    var scenario: String?

    @Option(help: "Servers, instead of the scenario's.")
    var servers: Int?

    @Option(help: "Rate of arrival as a share of the capacity, instead of the scenario's.")
    var load: String?

    @Option(help: "Law of service: exp, det, lognormal4, 'bimodal 1% x50', pareto2.5.")
    var service: String?

    @Option(help: "Balancers that each count their own requests.")
    var workers: Int?

    @Option(
        help: "Requests per run; the first tenth does not count. With --live what 20 s make.")
    var requests: Int?

    func run() throws {
        var comparisons: [Comparison] = []
        for file in try files() {
            comparisons.append(
                Comparison(file: file, contenders: try setting.contenders(for: file)))
        }
        try setting.play(comparisons, hasRequests: requests != nil)
    }

    private func files() throws -> [ScenarioFile] {
        if scenario == "all" {
            return try StandardScenarios.names.map { try overridden(ScenarioSource.read($0)) }
        }
        if let scenario { return [try overridden(ScenarioSource.read(scenario))] }
        var file = ScenarioFile(name: "command")
        file.title = "Equal servers, as the command says"
        file.hash = "00000000"
        file.variants = [
            Scenario(
                name: "command", groups: [ServerGroup(count: 10)], load: 0.9,
                requestCount: 200_000)
        ]
        return [try overridden(file)]
    }

    /// The file with what the command says instead.
    private func overridden(_ file: ScenarioFile) throws -> ScenarioFile {
        var file = file
        let load = try self.load.map {
            try BenchSetting.parse($0, "--load") { Value.number($0, in: 0.001...100) }
        }
        let service = try self.service.map {
            try BenchSetting.parse($0, "--service", ServiceLaw.parse)
        }
        try BenchSetting.check(servers, "--servers", 1...10_000)
        try BenchSetting.check(workers, "--workers", 1...1024)
        try BenchSetting.check(requests, "--requests", 100...1_000_000_000)
        for index in file.variants.indices {
            if let load { file.variants[index].load = load }
            if let service { file.variants[index].service = service }
            if let requests { file.variants[index].requestCount = requests }
            if let workers {
                file.variants[index].workers = workers
                file.variants[index].sharesCounts = false
            }
            guard let servers else { continue }
            guard file.variants[index].disturbances.isEmpty else {
                throw ValidationError(
                    "--servers does not fit the scenario '\(file.name)', whose events name its "
                        + "servers: change the file.")
            }
            file.variants[index].groups = [ServerGroup(count: servers)]
        }
        return file
    }
}

/// Where scenarios come from.
enum ScenarioSource {
    /// A scenario of the standard set by its name, or a file by its path.
    static func read(_ name: String) throws -> ScenarioFile {
        let isPath = name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml")
        if !isPath {
            guard let outcome = StandardScenarios.read(name),
                let text = StandardScenarios.text(of: name)
            else {
                let near = StandardScenarios.nearest(to: name).map { " Did you mean '\($0)'?" }
                throw ValidationError(
                    "there is no scenario '\(name)'."
                        + (near ?? " 'staithe bench scenarios' lists "
                            + "them; a file needs its path or the ending .yaml."))
            }
            return try file(of: outcome, source: Array(text.utf8))
        }
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(name)
        } catch {
            StandardStream.error.print("staithe: '\(name)' cannot be read: \(error)")
            throw ExitCode(ExitStatus.configuration)
        }
        let base = name.split(separator: "/").last.map(String.init) ?? name
        let stem = base.split(separator: ".").first.map(String.init) ?? base
        return try file(
            of: ScenarioFile.read(text: bytes, path: name, name: stem), source: bytes)
    }

    private static func file(
        of outcome: ScenarioFile.Outcome, source: [UInt8]
    ) throws -> ScenarioFile {
        guard let file = outcome.file else {
            let colours = StandardStream.error.isTerminal && ControlPlane.coloursErrors
            StandardStream.error.print(
                Diagnostic.render(outcome.diagnostics, source: source, colour: colours)
                    + Diagnostic.summary(of: outcome.diagnostics))
            throw ExitCode(ExitStatus.configuration)
        }
        return file
    }
}
