import ArgumentParser
import Configuration
import ControlPlane
import Linux
import Reporting
import Scenarios
import Simulation
import Timing

/// `staithe bench replay ACCESS_LOG`
struct BenchReplay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Compare strategies on the traffic of an access log.",
        discussion: """
            Reads this proxy's own JSON log, HAProxy's, and the combined log of nginx and Apache. \
            Requests come as they came, and take what servers took. A combined log without times \
            needs --mean and --service.
            """)

    @Argument(help: "The access log.")
    var log: String

    @OptionGroup var setting: BenchSetting

    @Option(help: "Servers; as many as the log names when not given.")
    var servers: Int?

    @Option(help: "Requests that a server works on at once; found when not given.")
    var slots: Int?

    @Option(help: "How long a request takes: 20ms. From the log when not given.")
    var mean: String?

    @Option(help: "Law of service; from the log when not given.")
    var service: String?

    @Option(help: "Requests per run; those of the log when not given, 20000 at least.")
    var requests: Int?

    func run() throws {
        try BenchSetting.check(servers, "--servers", 1...10_000)
        try BenchSetting.check(slots, "--slots", 1...100_000)
        try BenchSetting.check(requests, "--requests", 100...1_000_000_000)
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try File.read(log)
        } catch {
            StandardStream.error.print("staithe: '\(log)' cannot be read: \(error)")
            throw ExitCode(ExitStatus.configuration)
        }
        let traffic = TrafficLog(text: String(decoding: bytes, as: UTF8.self))
        let file = try scenario(of: traffic)
        try setting.play(
            [Comparison(file: file, contenders: setting.contenders(for: file))],
            hasRequests: requests != nil)
    }

    private func scenario(of traffic: TrafficLog) throws -> ScenarioFile {
        guard traffic.arrivals.count >= 100, traffic.rate > 0 else {
            let line = traffic.firstRefused.map { " \(log):\($0.number): \($0.text)" } ?? ""
            StandardStream.error.print(
                "staithe: \(traffic.arrivals.count) of \(traffic.lineCount) lines of '\(log)' "
                    + "are requests, and at least 100 are needed; not understood first:\(line)")
            throw ExitCode(ExitStatus.configuration)
        }
        let mean = try self.mean.map { try BenchSetting.parse($0, "--mean") { Value.duration($0) } }
        let law = try service.map { try BenchSetting.parse($0, "--service", ServiceLaw.parse) }
        let seconds = mean?.seconds ?? traffic.meanDuration
        guard seconds > 0, let law = law ?? traffic.serviceLaw else {
            throw ValidationError(
                "the log does not say how long requests took: give --mean and --service.")
        }
        let serverCount = servers ?? max(1, traffic.servers.count)
        let offered = traffic.rate * seconds / Double(serverCount)
        // What a server can do at once is in no log: as much as keeps it from being overrun.
        let slots = slots ?? max(1, Int((offered / 0.8).rounded(.up)))
        var group = ServerGroup(count: serverCount)
        group.slots = slots
        let count = requests ?? max(20_000, traffic.arrivals.count)
        var scenario = Scenario(
            name: "replay", groups: [group], load: offered / Double(slots), requestCount: count)
        scenario.meanService = Interval(nanoseconds: UInt64(seconds * 1e9))
        scenario.service = law
        scenario.arrivals = .gaps(traffic.gaps.map { max($0, 1e-9) })
        var file = ScenarioFile(name: "replay")
        file.title = "The traffic of an access log"
        file.hash = "00000000"
        file.variants = [scenario]
        say(traffic, seconds, scenario, slots)
        return file
    }

    private func count(_ number: Int, _ name: String) -> String {
        "\(number) \(name)\(number == 1 ? "" : "s")"
    }

    private func say(
        _ traffic: TrafficLog, _ seconds: Double, _ scenario: Scenario, _ slots: Int
    ) {
        StandardStream.output.print(
            "\(traffic.arrivals.count) requests, \(short(traffic.rate)) per second; gaps with "
                + "variance \(short(traffic.gapVariation)) (1 is Poisson); service "
                + "\(short(seconds * 1000)) ms with variance \(short(traffic.durationVariation)); "
                + "\(count(scenario.serverCount, "server")) with \(count(slots, "slot")) each, "
                + "load \(short(scenario.load))")
        if traffic.servers.isEmpty, servers == nil {
            StandardStream.output.print(
                "The log names no servers, so all is played with one, where strategies have "
                    + "nothing to choose: give --servers.")
        }
        if traffic.hasWholeSeconds {
            StandardStream.output.print(
                "The log has whole seconds: requests of one second are spread over it at random.")
        }
        if traffic.refusedCount > 0, let first = traffic.firstRefused {
            StandardStream.output.print(
                "\(traffic.refusedCount) lines were not understood, the first is "
                    + "\(log):\(first.number): \(first.text)")
        }
    }
}
