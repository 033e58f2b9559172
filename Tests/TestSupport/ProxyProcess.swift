import Foundation
import Glibc

/// A configuration file, written from its parts.
///
/// One worker, so that what one connection leaves in a pool is there for the next; no health
/// checks, so that a play can begin when the port is open and a server sees its connections only.
/// A play that is about workers or checks says otherwise.
public struct ProxyPlan: Sendable {
    public var port: UInt16
    public var servers: [String]
    /// False: the service `app` lists none, and finds them.
    public var hasServers = true
    /// Lines of the service `app`, beside `servers`.
    public var service: String
    /// Lines of the listener `web`, beside `address`.
    public var listener: String
    /// Lines below `listeners`, beside `web`.
    public var listeners = ""
    /// Lines at the top level: routes, further services and listeners' neighbours.
    public var rest: String
    /// Lines below `services`, beside `app`.
    public var services: String
    public var health: String
    public var workers: Int?
    /// Lines below `process`, beside `workers`.
    public var process = ""

    public init(
        port: UInt16 = Machine.freePort(), servers: [UInt16] = [], service: String = "",
        listener: String = "", services: String = "", rest: String = "",
        health: String = "off", workers: Int? = 1
    ) {
        self.port = port
        self.servers = servers.map { "127.0.0.1:\($0)" }
        self.service = service
        self.listener = listener
        self.services = services
        self.rest = rest
        self.health = health
        self.workers = workers
    }

    public func text(socket: String) -> String {
        var lines = ["listeners:", "  web:", "    address: 127.0.0.1:\(port)"]
        lines += indented(listener, by: 4) + indented(listeners, by: 2)
        lines += ["services:", "  app:"]
        if hasServers, !servers.isEmpty || !service.contains("discover:") {
            lines.append("    servers: [\(servers.joined(separator: ", "))]")
        }
        if !health.isEmpty { lines.append("    health: \(health)") }
        lines += indented(service, by: 4) + indented(services, by: 2) + indented(rest, by: 0)
        if workers != nil || !process.isEmpty { lines.append("process:") }
        if let workers { lines.append("  workers: \(workers)") }
        lines += indented(process, by: 2)
        lines += ["admin:", "  socket: \(socket)"]
        return lines.joined(separator: "\n") + "\n"
    }

    private func indented(_ text: String, by count: Int) -> [String] {
        text.split(separator: "\n").map { String(repeating: " ", count: count) + $0 }
    }
}

/// The real executable, running.
public final class ProxyProcess: Sendable {
    public let process: ChildProcess
    public let directory: TemporaryDirectory
    public let port: UInt16
    public let socket: String
    public static let fileName = "staithe.yaml"

    /// The executable beside the test bundle, or what `STAITHE_BINARY` names.
    public static let executable: String = {
        if let path = ProcessInfo.processInfo.environment["STAITHE_BINARY"] { return path }
        for place in [CommandLine.arguments[0], "/proc/self/exe"] {
            let file = URL(fileURLWithPath: place).resolvingSymlinksInPath()
            let path = file.deletingLastPathComponent().appendingPathComponent("staithe").path
            if FileManager.default.isExecutableFile(atPath: path) { return path }
        }
        return ".build/debug/staithe"
    }()

    /// `staithe run -c FILE`, and waits until it listens.
    public init(
        _ plan: ProxyPlan, environment: [String: String] = [:], descriptorLimit: Int? = nil,
        outputPath: String? = nil, errorPath: String? = nil
    ) throws {
        directory = TemporaryDirectory()
        port = plan.port
        socket = directory.file("admin.sock")
        try directory.write(plan.text(socket: socket), to: Self.fileName)
        process = try ChildProcess(
            Self.executable, ["run", "-c", directory.file(Self.fileName)],
            environment: environment.merging(["XDG_RUNTIME_DIR": directory.path]) { $1 },
            descriptorLimit: descriptorLimit, outputPath: outputPath, errorPath: errorPath)
        try waitUntilListening()
    }

    /// `staithe PORT SERVER…`, the one-line command.
    public init(port: UInt16 = Machine.freePort(), oneLine servers: [UInt16]) throws {
        directory = TemporaryDirectory()
        self.port = port
        socket = ""
        process = try ChildProcess(
            Self.executable, ["\(port)"] + servers.map { "\($0)" },
            environment: ["XDG_RUNTIME_DIR": directory.path])
        try waitUntilListening()
    }

    /// Runs the executable with these words to its end.
    public static func command(
        _ arguments: [String], seconds: Double = 40
    ) throws -> (status: Int, output: String, errors: String) {
        try TestSupport.run(executable, arguments, seconds: seconds)
    }

    /// Runs a command against this instance: `command("add", "127.0.0.1:3003")`.
    @discardableResult
    public func command(
        _ verb: String, _ arguments: String...
    ) throws -> (status: Int, output: String, errors: String) {
        let place = socket.isEmpty ? [] : ["--socket", socket]
        return try TestSupport.run(
            Self.executable, [verb] + arguments + place,
            environment: ["XDG_RUNTIME_DIR": directory.path], seconds: 60)
    }

    /// Asks the admin interface (HTTP and JSON over the unix socket).
    public func admin(
        _ path: String, method: String = "GET", content: String = ""
    ) throws -> WireMessage {
        let client = try ScriptedClient(path: socket, timeout: 30)
        let type = content.isEmpty ? "" : "Content-Type: application/json\r\n"
        return try client.ask(
            "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(type)"
                + "Content-Length: \(content.utf8.count)\r\n\r\n\(content)")
    }

    /// What is known of a server that no change may forget.
    public struct ServerFacts: Decodable, Sendable {
        public var id: String
        public var state: String
        /// Since when it is in this state.
        public var since: String
        public var answers: Int
        public var inFlight: Int
    }

    /// What `/v1/status` says.
    public struct Status: Decodable, Sendable {
        public struct Service: Decodable, Sendable {
            public var servers: [ServerFacts]
        }

        public var generation: String
        public var lostLogRecords: Int
        public var services: [Service]

        /// By address.
        public var servers: [String: ServerFacts] {
            services.flatMap(\.servers).reduce(into: [:]) { $0[$1.id] = $1 }
        }
    }

    public func status() throws -> Status {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Status.self, from: Data(try admin("/v1/status").content))
    }

    /// The states of the servers as `/v1/status` names them, by address.
    public func serverStates() -> [String: String] {
        ((try? status())?.servers ?? [:]).mapValues(\.state)
    }

    /// Waits until this many servers take requests.
    @discardableResult
    public func waitUntilServing(_ count: Int, seconds: Double = 15) -> Bool {
        eventually(timeout: seconds) {
            serverStates().values.filter { $0 == "up" || $0 == "warming" }.count == count
        }
    }

    public func client(timeout: Double = 20) throws -> ScriptedClient {
        try ScriptedClient(port: port, timeout: timeout)
    }

    /// One request on a connection of its own.
    public func ask(_ request: String, timeout: Double = 20) throws -> WireMessage {
        try TestSupport.ask(port: port, request, timeout: timeout)
    }

    /// Writes the file in place.
    public func rewrite(_ plan: ProxyPlan) throws {
        try directory.write(plan.text(socket: socket), to: Self.fileName)
    }

    /// Renames a new file over the old one, as most editors do.
    public func replace(_ plan: ProxyPlan) throws {
        try directory.replace(Self.fileName, with: plan.text(socket: socket))
    }

    /// Everything it has written: access log and sentences.
    public var log: String { process.log }

    public func waitForLog(_ words: String, seconds: Double = 10) -> Bool {
        eventually(timeout: seconds) { log.contains(words) }
    }

    private func waitUntilListening() throws {
        let isListening = eventually(timeout: 20) {
            !process.isRunning
                || ((try? ScriptedClient(port: port)) != nil
                    && (socket.isEmpty || (try? ScriptedClient(path: socket)) != nil))
        }
        guard isListening, process.isRunning else {
            let state = process.end.map { "\($0)" } ?? "does not listen on \(port)"
            process.stop()
            throw ChildProcess.StartFailure(
                description: "\(Self.executable): \(state)\n\(process.log)")
        }
    }
}
