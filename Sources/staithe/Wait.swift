import ArgumentParser
import ControlPlane
import Linux
import Timing

/// `staithe wait SERVICE --healthy N`
struct Wait: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Wait until so many servers of a service take requests.",
        discussion: """
            For scripts that replace containers: start the new ones, wait, stop the old ones. \
            Exits 0 when they are there, 1 when the time is over.
            """)

    @Argument(
        help: ArgumentHelp("The service. Not needed when there is one.", valueName: "service"))
    var name: String?

    @Option(help: "How many servers.")
    var healthy: Int

    @Option(help: "How long, such as 30s.")
    var timeout = "60s"

    @OptionGroup var options: ClientOptions

    private static let glance = Interval.milliseconds(50)

    func validate() throws {
        guard healthy >= 0 else { throw ValidationError("--healthy must be 0 or more") }
        guard Interval(words: timeout) != nil else {
            throw ValidationError("'\(timeout)' is not a duration; write it with its unit, as 30s")
        }
    }

    func run() throws {
        let client = try Client(options)
        let began = Clock.monotonic()
        let deadline = began + (Interval(words: timeout) ?? .zero)
        let service: String
        if let name {
            service = name
        } else {
            service = try client.onlyService(within: Self.time(until: deadline))
        }
        let path = "/v1/services/\(AdminClient.segment(service))"
        while true {
            let answer = try client.call("GET", path, within: Self.time(until: deadline))
            let known: ServiceAnswer? = answer.status == 404 ? nil : try Client.value(of: answer)
            let up = known?.up ?? 0
            if up >= healthy {
                return try say(answer, up, after: Clock.monotonic() - began, service)
            }
            guard Clock.monotonic() < deadline else {
                throw Client.failure(Self.sentence(service, known, wanted: healthy, after: timeout))
            }
            ThisProcess.sleep(Self.glance)
        }
    }

    /// How long a call may wait: at the end of the time, too, a process that is well has a moment
    /// for its answer.
    private static func time(until deadline: LoopInstant) -> Interval {
        let now = Clock.monotonic()
        return now < deadline ? max(deadline - now, .seconds(1)) : .seconds(1)
    }

    private func say(
        _ answer: AdminClient.Answer, _ up: Int, after time: Interval, _ service: String
    ) throws {
        if options.json { return try StandardStream.output.write(answer.body) }
        StandardStream.output.print(
            "\(service)   \(up) \(up == 1 ? "server takes" : "servers take") requests, "
                + "after \(time.words)")
    }

    private static func sentence(
        _ service: String, _ known: ServiceAnswer?, wanted: Int, after timeout: String
    ) -> String {
        guard let known else { return "there is no service '\(service)' after \(timeout)" }
        let rest = known.servers.filter { $0.state != "up" && $0.state != "warming" }
            .map { "\($0.id) is \($0.state)" }
        let detail = rest.isEmpty ? "" : "; " + rest.prefix(8).joined(separator: ", ")
        return "\(known.up) of \(wanted) servers of \(service) take requests after "
            + "\(timeout)\(detail)"
    }
}
