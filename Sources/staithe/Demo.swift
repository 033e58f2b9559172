import ArgumentParser
import ControlPlane
import Linux
import Timing

/// `staithe demo`: servers, proxy and traffic, all in this process.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "See it work: example servers, a proxy, traffic, and a server added live.")

    @Argument(help: "Where the proxy listens.")
    var port: UInt16 = 8080

    @Option(help: "End by itself after so many seconds.")
    var seconds: Int?

    @Flag(help: "HTTPS and HTTP/2, with a certificate made on the spot.")
    var https = false

    /// When nobody looks at it.
    private static let unattendedSeconds = 15

    func run() throws {
        // Before the first thread.
        try Signal.hold()
        let address = SocketAddress.ipv4(0x7F00_0001, port: port)
        if (try? ListeningSocket.isTaken(address)) ?? true {
            throw Client.failure(
                "port \(port) is not free; choose another one: staithe demo \(port &+ 1)")
        }
        let counts = DemoCounts()
        let ports: [UInt16]
        do throws(Errno) {
            ports = try DemoServers.start(["one", "two", "three"])
        } catch {
            throw Client.failure("the example servers cannot listen: \(error)")
        }
        StandardStream.output.print(
            "three example servers listen on 127.0.0.1: "
                + "one on \(ports[0]), two on \(ports[1]), three on \(ports[2])"
        )
        let end = seconds ?? (StandardStream.output.isTerminal ? nil : Self.unattendedSeconds)
        let files = https ? try DemoFiles(port: port, servers: Array(ports.prefix(2))) : nil
        defer { files?.remove() }
        let guide = DemoGuide(
            port: port, ports: ports, counts: counts, certificate: files?.certificate,
            seconds: end)
        let source =
            files.map { ConfigurationSource.file($0.configuration) }
            ?? .command(
                listen: "127.0.0.1:\(port)", servers: ports.prefix(2).map { String($0) })
        let status = ControlPlane.run(
            ControlOptions(source: source, version: Staithe.version) { socket in
                guide.start(socket: socket)
            })
        throw ExitCode(guide.hasFailed ? ExitStatus.failed : status)
    }
}
