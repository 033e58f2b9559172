import ArgumentParser
import ControlPlane

/// The program: `staithe 8080 3001 3002`, and a command for each verb.
@main
struct Staithe: ParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "staithe",
        abstract: "A load balancer that takes new servers while it runs.",
        discussion: """
            Put it before two copies of an app that listen on ports 3001 and 3002:

              staithe 8080 3001 3002

            Then, in another terminal:

              staithe status           who is up, and what each server does
              staithe add 3003         a third copy; it serves once its check has passed
              staithe drain 3001       no new requests for it; gone when it has finished

            An address is a port of this machine (3001), or host:port.
            """,
        version: "staithe \(version)",
        subcommands: [
            // A line each, in the order of the help.
            Run.self,
            Check.self,
            Reload.self,
            Status.self,
            Wait.self,
            Add.self,
            Drain.self,
            Remove.self,
            Set.self,
            Health.self,
            Announce.self,
            Demo.self,
            Bench.self,
            Explain.self,
            Short.self,
        ],
        defaultSubcommand: Short.self)

    /// The words that may stand first.
    static var commandNames: [String] {
        configuration.subcommands.filter { $0.configuration.shouldDisplay }
            .map { $0._commandName } + ["help"]
    }
}
