import ControlPlane
import Linux
import Timing

/// What the demo's client has seen, for the guide to show.
final class DemoCounts: Sendable {
    struct Seen: Sendable {
        var byServer: [String: Int] = [:]
        var failed = 0
    }

    private let seen = Locked(Seen())

    func answered(by server: String) { seen.withLock { $0.byServer[server, default: 0] += 1 } }
    func failed() { seen.withLock { $0.failed += 1 } }

    /// What was seen since the last time.
    func take() -> Seen {
        seen.withLock { seen in
            defer { seen = Seen() }
            return seen
        }
    }
}

/// A light client: some connections that each send a request, wait for the answer, and rest a
/// little.
final class DemoClient {
    private static let connectionCount = 8
    private static let rest = Interval.milliseconds(40)

    private let loop: ControlLoop
    private let request: [UInt8]
    private let address: SocketAddress
    private let counts: DemoCounts
    /// `nil` without HTTPS: then connections are kept.
    private let rules: SecureGet.Rules?
    private let isOver: @Sendable () -> Bool

    /// Starts it on a thread of its own, until `isOver`.
    static func start(
        port: UInt16, certificate: String?, counts: DemoCounts,
        isOver: @escaping @Sendable () -> Bool
    ) throws(Errno) {
        try Thread.start(name: "demo-client") {
            guard let loop = try? ControlLoop() else { return }
            let rules = certificate.flatMap { SecureGet.Rules(authority: $0) }
            let client = DemoClient(
                loop: loop, port: port, counts: counts, rules: rules, isOver: isOver)
            for index in 0..<connectionCount {
                loop.after(.milliseconds(index * 5)) {
                    if certificate == nil { client.connect() } else { client.askSecurely() }
                }
            }
            loop.run()
        }
    }

    private init(
        loop: ControlLoop, port: UInt16, counts: DemoCounts, rules: SecureGet.Rules?,
        isOver: @escaping @Sendable () -> Bool
    ) {
        self.loop = loop
        self.counts = counts
        self.rules = rules
        self.isOver = isOver
        address = SocketAddress.ipv4(0x7F00_0001, port: port)
        request = Array("GET / HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\r\n".utf8)
    }

    /// A handshake and a request, again and again.
    private func askSecurely() {
        guard !isOver(), let rules else { return rules == nil ? counts.failed() : () }
        SecureGet.start(
            address, name: "localhost", rules: rules, timeout: .seconds(5), loop: loop
        ) { [self] answer in
            if let answer, answer.status == 200, !answer.server.isEmpty {
                counts.answered(by: answer.server)
            } else if !isOver() {
                counts.failed()
            }
            loop.after(Self.rest) { [self] in askSecurely() }
        }
    }

    private func connect() {
        guard !isOver() else { return }
        switch loop.withKernel({ $0.connect(to: address) }) {
        case .failed:
            counts.failed()
            loop.after(.seconds(1)) { [self] in connect() }
        case .started(let descriptor):
            let connection = DemoConnection(descriptor, loop: loop)
            connection.start(
                request: { [self] text in
                    note(text)
                    loop.after(Self.rest) { [self] in ask(connection) }
                    return nil
                },
                ended: { [self] in
                    if !isOver() { counts.failed() }
                    loop.after(.milliseconds(100)) { [self] in connect() }
                })
            ask(connection)
        }
    }

    private func ask(_ connection: DemoConnection) {
        guard !isOver() else { return connection.end() }
        connection.send(request)
    }

    private func note(_ answer: String) {
        let lines = answer.split(separator: "\r\n")
        guard lines.first?.hasPrefix("HTTP/1.1 200") ?? false,
            let line = lines.first(where: { $0.lowercased().hasPrefix("x-server: ") })
        else { return counts.failed() }
        counts.answered(by: String(line.dropFirst(10)))
    }
}
