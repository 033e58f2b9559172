import ArgumentParser
import ControlPlane
import Linux
import Timing

/// `staithe add [SERVICE] ADDR…`
struct Add: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Add servers; each serves once its check has passed.",
        discussion: """
            Waits for the first answer of the server, at most 10 s (or the timeout) after its \
            check. A server whose check fails is not left behind, and the command exits 1.
            """)

    @Argument(help: ArgumentHelp("A service, when there are several, and addresses: 3003"))
    var words: [String]

    @Option(help: "The release that it runs, for logs and status.")
    var version: String?

    @Option(help: "How much it takes, 0 to 1000. Others have 1.")
    var weight: Int?

    @Option(help: "A name; without it, the address.")
    var name: String?

    @Flag(help: "Only for when the others are gone.")
    var backup = false

    @Flag(name: .customLong("no-wait"), help: "Do not wait for its check.")
    var noWait = false

    @Option(help: "How long to wait, such as 30s.")
    var timeout: String?

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if name != nil, words.count > 2 {
            throw ValidationError("a name is for one server, and \(words.count) are given")
        }
        if let timeout, Interval(words: timeout) == nil {
            throw ValidationError(
                "'\(timeout)' is not a duration; write it with its unit, as 30s")
        }
    }

    func run() throws {
        let client = try Client(options)
        var addresses = words
        var service = options.service
        if service == nil {
            let services = try client.services()
            if addresses.count > 1, services.contains(where: { $0.name == addresses[0] }) {
                service = addresses.removeFirst()
            }
        }
        let target = try service ?? client.onlyService()
        for address in addresses { try add(address, to: target, client) }
    }

    private func add(_ address: String, to service: String, _ client: Client) throws {
        var request = AddRequest(address: address)
        request.name = name
        request.version = version
        request.weight = weight
        request.backup = backup ? true : nil
        request.timeout = timeout
        request.wait = noWait ? AddRequest.Wait.none : options.json ? .serving : .checked
        let path = "/v1/services/\(AdminClient.segment(service))/servers"
        if options.json {
            return try client.relay("POST", path, body: AdminJSON.encode(request))
        }
        let began = Clock.monotonic()
        let answer = try client.ask(
            "POST", path, body: AdminJSON.encode(request), as: ServerChangeAnswer.self)
        let server = answer.server
        guard !noWait else {
            return StandardStream.output.print("\(server.id)   added, its check begins")
        }
        StandardStream.output.print("\(server.id)   up     \(Self.words(about: server.check))")
        let patience = timeout.flatMap { Interval(words: $0) } ?? .seconds(10)
        try follow(
            "\(path)/\(AdminClient.segment(server.id))", until: began + patience, client)
    }

    private static func words(about check: ServerAnswer.Check?) -> String {
        guard let check else { return "not checked" }
        return "check passed in \(StatusText.milliseconds(check.ms))"
    }

    /// Waits for the first answer.
    private func follow(_ path: String, until deadline: LoopInstant, _ client: Client) throws {
        while true {
            let server = try client.ask("GET", path, as: ServerAnswer.self)
            if let first = server.firstAnswer {
                var text = "\(server.id)   serving \(StatusText.percent(server.expectedShare)) of "
                text += "\(server.service), first answer \(first.status) in "
                text += StatusText.milliseconds(first.ms)
                if let rest = server.fullShareInMs {
                    text += ", full share in \((rest + 500) / 1000) s"
                }
                return StandardStream.output.print(text)
            }
            guard Clock.monotonic() < deadline else {
                return StandardStream.output.print(
                    "\(server.id)   ready, but no request has come yet")
            }
            ThisProcess.sleep(.milliseconds(20))
        }
    }
}

/// `staithe drain ADDR…`
struct Drain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let servers finish what they have, then take them out.",
        discussion: "Returns when they are gone.")

    @Argument(help: "Servers: 3001, 10.0.0.11:3000, or names.")
    var servers: [String]

    @Option(
        name: .customLong("for"),
        help: "How long their requests may take. Without it, the service's timeouts.drain.")
    var time: String?

    @OptionGroup var options: ClientOptions

    func validate() throws {
        if let time, Interval(words: time) == nil {
            throw ValidationError("'\(time)' is not a duration; write it with its unit, as 30s")
        }
    }

    func run() throws {
        let query = time.map { "?drain=\($0)" } ?? ""
        try Removal.run(servers, query: query, Client(options))
    }
}

/// `staithe remove ADDR…`
struct Remove: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take servers out: after they have finished what they have, or now.")

    @Argument(help: "Servers: 3001, 10.0.0.11:3000, or names.")
    var servers: [String]

    @Flag(help: "Cut what is under way there; requests that may be sent again go elsewhere.")
    var now = false

    @OptionGroup var options: ClientOptions

    func run() throws {
        try Removal.run(servers, query: now ? "?now=1" : "", Client(options))
    }
}

private enum Removal {
    static func run(_ servers: [String], query: String, _ client: Client) throws {
        for server in servers {
            let path = try client.path(ofServer: server) + query
            if client.options.json {
                try client.relay("DELETE", path)
                continue
            }
            let answer = try client.ask("DELETE", path, as: ServerChangeAnswer.self)
            StandardStream.output.print(
                "\(answer.server.id)   gone, after "
                    + "\(StatusText.grouped(Double(answer.server.answers))) answers"
            )
        }
    }
}

/// `staithe set ADDR weight=3 state=maintenance`
struct Set: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Change a server: weight=0…1000, state=up, state=maintenance, state=drain.")

    @Argument(help: "The server: 3001, 10.0.0.11:3000, or its name.")
    var server: String

    @Argument(help: "weight=N, state=up|maintenance|drain")
    var settings: [String]

    @OptionGroup var options: ClientOptions

    func validate() throws { _ = try request() }

    private func request() throws -> SetRequest {
        var request = SetRequest()
        for setting in settings {
            let sides = setting.split(separator: "=", maxSplits: 1)
            guard sides.count == 2 else {
                throw ValidationError("'\(setting)' is not a setting; write weight=2")
            }
            switch sides[0] {
            case "weight":
                guard let weight = Int(sides[1]), (0...1000).contains(weight) else {
                    throw ValidationError("weight must be a number from 0 to 1000")
                }
                request.weight = weight
            case "state":
                request.state = String(sides[1])
            default:
                let hint = Spelling.suggestion(
                    for: String(sides[0]), among: ["weight", "state"])
                throw ValidationError(
                    "unknown setting '\(sides[0])'."
                        + (hint.map { " Did you mean '\($0)'?" } ?? " There are weight and state."))
            }
        }
        return request
    }

    func run() throws {
        let client = try Client(options)
        let path = try client.path(ofServer: server)
        let body = AdminJSON.encode(try request())
        if options.json { return try client.relay("PATCH", path, body: body) }
        let answer = try client.ask("PATCH", path, body: body, as: ServerChangeAnswer.self)
        StandardStream.output.print(
            "\(answer.server.id)   \(StatusText.standing(of: answer.server))   "
                + "weight \(answer.server.weight)   \(answer.receipt.sentence)"
        )
    }
}
