import ArgumentParser
import ControlPlane
import Linux
import Timing

/// `staithe health`: for the health check of a container, which has no shell and no curl.
struct Health: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Exit 0 when the running staithe takes requests, else 1.",
        discussion: """
            Asks its admin socket. With --ready each service must have a server to send requests \
            to, too: for a balancer before this one, not for what restarts a process.
            """)

    @Option(
        help: ArgumentHelp(
            "The admin socket. Without it the running staithe is found.", valueName: "path"))
    var socket: String?

    @Flag(help: "Every service must have a server, too.")
    var ready = false

    /// Less than what asks is likely to have.
    private static let patience = Interval.seconds(3)

    func run() throws {
        let running = socket.map { [$0] } ?? AdminSockets.running()
        guard let path = running.first else { throw Client.failure("no staithe is running here") }
        guard running.count == 1 else {
            throw Client.failure(
                "several are running; say which one with --socket: "
                    + running.joined(separator: ", "))
        }
        do throws(AdminClient.Failure) {
            let answer = try AdminClient(path: path).call(
                "GET", ready ? "/readyz" : "/healthz", within: Self.patience)
            let health = AdminJSON.decode(HealthAnswer.self, answer.body)
            guard answer.status == 200 else {
                throw AdminClient.Failure.broken(
                    health?.sentence ?? "staithe answered with status \(answer.status)")
            }
            StandardStream.output.print(health?.sentence ?? "ok")
        } catch {
            // Always 1: what asks for a health check knows 0 and 1, and Docker reserves 2.
            switch error {
            case .notRunning: throw Client.failure("nobody answers on \(path)")
            case .notAllowed: throw Client.failure("you may not use \(path)")
            case .silent(let time): throw Client.failure(Client.silence(path, time))
            case .broken(let reason): throw Client.failure(reason)
            }
        }
    }
}
