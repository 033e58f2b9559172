import ArgumentParser
import Configuration
import ControlPlane
import Linux

/// `staithe run -c FILE`
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a configuration file.",
        discussion: """
            The file is watched: save it and the difference is applied, without closing a \
            connection. SIGHUP reads it again, too. SIGTERM finishes what is under way and exits \
            0; a second one ends at once and exits 1.
            """)

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("The configuration.", valueName: "file"))
    var config = "/etc/staithe/staithe.yaml"

    @Option(help: ArgumentHelp("The path of the admin socket.", valueName: "path"))
    var socket: String?

    func run() throws {
        throw ExitCode(
            ControlPlane.run(
                ControlOptions(
                    source: .file(config), version: Staithe.version,
                    adminSocket: socket.map { .path($0) })))
    }
}

/// `staithe check FILE`
struct Check: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, github }

    static let configuration = CommandConfiguration(
        abstract: "Find the mistakes of a configuration file.",
        discussion: "All of them in one run. Exits 0 when there is no error, else 78.")

    @Argument(help: "The configuration.")
    var file = "/etc/staithe/staithe.yaml"

    @Option(help: "How to say it.")
    var format = Format.text

    @Flag(help: "Also look up the names of servers, and see whether the ports are free.")
    var resolve = false

    func run() throws {
        switch ConfigurationSource.file(file).load() {
        case .unreadable(let sentence):
            StandardStream.error.print("staithe: \(sentence)")
            throw ExitCode(ExitStatus.configuration)
        case .read(let outcome, _):
            var diagnostics = outcome.diagnostics + outcome.credentialMistakes()
            if resolve { diagnostics += outcome.resolved() }
            say(diagnostics, source: outcome.source)
            guard !diagnostics.contains(where: { $0.severity == .error }) else {
                throw ExitCode(ExitStatus.configuration)
            }
        }
    }

    private func say(_ diagnostics: [Diagnostic], source: [UInt8]) {
        switch format {
        case .json:
            try? StandardStream.output.write(Array(Diagnostic.renderJSON(diagnostics).utf8))
        case .github:
            try? StandardStream.output.write(Array(Diagnostic.renderGitHub(diagnostics).utf8))
        case .text:
            if !diagnostics.isEmpty {
                let colours = StandardStream.output.isTerminal && ControlPlane.coloursErrors
                StandardStream.output.print(
                    Diagnostic.render(diagnostics, source: source, colour: colours))
            }
            StandardStream.output.print("\(file): \(Diagnostic.summary(of: diagnostics))")
        }
    }
}
