import ControlPlane
import Linux
import Synchronization
import Timing

/// Tells the demo's story: what to try, how the requests spread, and what a third server
/// changes.
final class DemoGuide: Sendable {
    private static let names = ["one", "two", "three"]
    /// When the third server comes.
    private static let addAfter = 4

    private let port: UInt16
    private let ports: [UInt16]
    private let counts: DemoCounts
    /// `nil` without HTTPS.
    private let certificate: String?
    /// `nil`: until Ctrl-C.
    private let seconds: Int?
    private let isOver = Atomic<Bool>(false)
    private let failed = Atomic<Bool>(false)

    init(
        port: UInt16, ports: [UInt16], counts: DemoCounts, certificate: String?, seconds: Int?
    ) {
        self.port = port
        self.ports = ports
        self.counts = counts
        self.certificate = certificate
        self.seconds = seconds
    }

    /// The story could not be told to its end.
    var hasFailed: Bool { failed.load(ordering: .relaxed) }

    /// Begins once the proxy serves.
    func start(socket: String?) {
        do throws(Errno) {
            try Thread.start(name: "demo-guide") { [self] in tell(socket: socket) }
        } catch {
            failed.store(true, ordering: .relaxed)
            try? Signal.terminate.send(to: ThisProcess.identifier)
        }
    }

    private func tell(socket: String?) {
        let option = socket.map { " --socket \($0)" } ?? ""
        let curl =
            certificate.map { "curl --cacert \($0) https://localhost:\(port)/" }
            ?? "curl http://127.0.0.1:\(port)/"
        let kind = certificate == nil ? "" : ", over TLS and HTTP/2"
        StandardStream.output.print(
            """

            try in another terminal:
              \(curl)
              staithe status\(option)
              staithe drain \(ports[0])\(option)
            a small client sends requests meanwhile\(kind); this is who answers them:

            """)
        do throws(Errno) {
            try DemoClient.start(port: port, certificate: certificate, counts: counts) { [self] in
                isOver.load(ordering: .relaxed)
            }
        } catch {
            failed.store(true, ordering: .relaxed)
        }
        StandardStream.output.print("  second   one   two   three   requests   failed")
        var second = 0
        while second < seconds ?? .max {
            ThisProcess.sleep(.seconds(1))
            second += 1
            show(counts.take(), second: second)
            if second == Self.addAfter, let socket { add(AdminClient(path: socket)) }
        }
        isOver.store(true, ordering: .relaxed)
        StandardStream.output.print("the demo is over")
        try? Signal.terminate.send(to: ThisProcess.identifier)
    }

    private func show(_ seen: DemoCounts.Seen, second: Int) {
        let total = seen.byServer.values.reduce(0, +)
        func cell(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        var line = "  " + cell("\(second)", 6)
        for (name, width) in zip(Self.names, [6, 6, 8]) {
            let share = seen.byServer[name].map {
                StatusText.percent(Double($0) / Double(max(1, total)))
            }
            line += cell(share ?? "–", width)
        }
        StandardStream.output.print(line + cell("\(total)", 11) + cell("\(seen.failed)", 9))
        if seen.failed > 0 { failed.store(true, ordering: .relaxed) }
    }

    /// By the very call that `staithe add` makes.
    private func add(_ admin: AdminClient) {
        StandardStream.output.print("  $ staithe add \(ports[2])")
        var request = AddRequest(address: String(ports[2]))
        request.wait = .serving
        do {
            let answer = try admin.call(
                "POST", "/v1/services/app/servers", body: AdminJSON.encode(request))
            let change = try answer.value(ServerChangeAnswer.self)
            let first = change.server.firstAnswer
            StandardStream.output.print(
                "  \(change.server.id) serves: first answer \(first?.status ?? 0)"
                    + " in \(StatusText.milliseconds(first?.ms ?? 0));"
                    + " its share grows for 10 s"
            )
        } catch {
            failed.store(true, ordering: .relaxed)
            StandardStream.output.print("  the third server could not be added: \(error)")
        }
    }
}
