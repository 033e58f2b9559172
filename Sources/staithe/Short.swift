import ArgumentParser
import Configuration
import ControlPlane
import Linux

/// `staithe 8080 3001 3002`: a proxy without a file.
struct Short: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "short", abstract: "Run without a file.", shouldDisplay: false)

    @Argument(help: "Where to listen, then the servers: 8080 3001 3002")
    var words: [String] = []

    @Option(help: ArgumentHelp("The path of the admin socket.", valueName: "path"))
    var socket: String?

    @Flag(help: "The containers of the engine here are the servers; their labels say which.")
    var docker = false

    @Option(
        help: ArgumentHelp(
            "With --docker: the socket of the engine, when it is not /var/run/docker.sock.",
            valueName: "path"))
    var engine: String?

    @Option(
        help: ArgumentHelp(
            "With --docker: labels of other proxies that count, too: traefik, nginx-proxy.",
            valueName: "names"))
    var labels: String?

    func validate() throws {
        if !docker, let option = engine.map({ _ in "--engine" }) ?? labels.map({ _ in "--labels" })
        {
            throw ValidationError("\(option) has no meaning without --docker")
        }
        guard let first = words.first, !first.contains(where: { ("0"..."9").contains($0) }) else {
            return
        }
        // Not an address, so it was meant as a command.
        let hint =
            Spelling.suggestion(for: first, among: Staithe.commandNames)
            .map { " Did you mean '\($0)'?" } ?? " See 'staithe --help'."
        throw ValidationError("unknown command '\(first)'.\(hint)")
    }

    func run() throws {
        guard !words.isEmpty else { throw CleanExit.helpRequest(Staithe.self) }
        var words = words
        if words.count > 1, words[1] == "to" || words[1] == "→" { words.remove(at: 1) }
        if docker { return try runWithContainers(words) }
        guard words.count > 1 else {
            throw ValidationError(
                "'\(words[0])' is where to listen, and at least one server must follow: "
                    + "staithe \(words[0]) 3001 3002")
        }
        let source = ConfigurationSource.command(
            listen: words[0], servers: Array(words.dropFirst()))
        let status = ControlPlane.run(
            ControlOptions(
                source: source, version: Staithe.version,
                adminSocket: socket.map { .path($0) }))
        try finish(status)
    }

    private func runWithContainers(_ words: [String]) throws {
        guard words.count == 1 else {
            throw ValidationError(
                "with --docker the containers are the servers: staithe \(words[0]) --docker")
        }
        let source = ConfigurationSource.docker(
            listen: words[0], engine: engine,
            dialects: labels?.split(separator: ",").map { String($0) } ?? [])
        try finish(
            ControlPlane.run(
                ControlOptions(
                    source: source, version: Staithe.version,
                    adminSocket: socket.map { .path($0) })))
    }

    private func finish(_ status: Int32) throws {
        // What is wrong in a file is a configuration error; here it is the command line.
        throw ExitCode(status == ExitStatus.configuration ? ExitStatus.usage : status)
    }
}
