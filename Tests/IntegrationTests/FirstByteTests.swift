import TestSupport
import Testing

@Suite("What arrives is passed on at once", .onStage)
struct FirstByteTests {
    /// How a client asks.
    enum Way: String, CaseIterable, Sendable {
        case plain, secure, http2, secureHTTP2
    }

    /// How a server answers.
    enum Framing: String, CaseIterable, Sendable {
        case chunked, untilClose, counted, http2
    }

    /// Says one event each time that it is told to, and nothing more before.
    private func eventServer(_ framing: Framing, told: Teller) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            let frames: FrameClient?
            if framing == .http2 {
                let connection = try FrameClient(serving: peer)
                _ = try connection.next(.headers)
                frames = connection
            } else {
                _ = try peer.readRequest()
                frames = nil
            }
            #expect(told.waits(for: 1))
            let type = "text/event-stream"
            switch framing {
            case .http2: try frames?.send(.response(1, "200", [("content-type", type)]))
            case .chunked:
                try peer.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n"
                        + "Transfer-Encoding: chunked\r\n\r\n")
            case .untilClose: try peer.send("HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n\r\n")
            case .counted:
                try peer.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nContent-Length: 42\r\n\r\n")
            }
            for number in 2...4 {
                #expect(told.waits(for: number))
                let event = "data: event\(number)\n\n"
                switch framing {
                case .http2: try frames?.send(.data(1, Array(event.utf8), flags: 0))
                case .chunked: try peer.send("e\r\n\(event)\r\n")
                case .untilClose, .counted: try peer.send(event)
                }
            }
            #expect(told.waits(for: 5))
            switch framing {
            case .http2: try frames?.send(.data(1, []))
            case .chunked: try peer.send("0\r\n\r\n")
            case .untilClose, .counted: break
            }
        }
    }

    /// How far the servers of a play may go.
    private final class Teller: Sendable {
        private let step = Locked(0)

        func tell(_ number: Int) { step.withLock { $0 = number } }
        func waits(for number: Int) -> Bool {
            eventually(timeout: 30) { step.withLock { $0 } >= number }
        }
    }

    private func proxy(
        _ server: ScriptedServer, _ framing: Framing, _ way: Way, _ authority: Authority
    ) throws -> ProxyProcess {
        var plan = ProxyPlan(service: framing == .http2 ? "protocol: h2c" : "")
        if way == .secure || way == .secureHTTP2 {
            let certificate = try authority.certificate(["a.test"])
            plan.listener = "tls: { certificates: [\(certificate.entry)] }"
        }
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    /// curl, which writes what it gets as it comes.
    private func curl(
        _ proxy: ProxyProcess, _ way: Way, _ authority: Authority, _ rest: String...
    ) throws -> ChildProcess {
        let words =
            switch way {
            case .plain: ["--http1.1"]
            case .http2: ["--http2-prior-knowledge"]
            case .secure: ["--http1.1", "--cacert", authority.file]
            case .secureHTTP2: ["--http2", "--cacert", authority.file]
            }
        let scheme = way == .plain || way == .http2 ? "http" : "https"
        return try ChildProcess(
            "/usr/bin/curl",
            ["-sSN", "-D", "-", "--max-time", "60", "--connect-to", "::127.0.0.1:\(proxy.port)"]
                + words + rest + ["\(scheme)://a.test:\(proxy.port)/events"])
    }

    @Test(
        "Events come one by one, by whatever way and from whatever server", arguments: Way.allCases,
        Framing.allCases)
    func events(_ way: Way, _ framing: Framing) throws {
        let told = Teller()
        let authority = try Authority()
        let server = try eventServer(framing, told: told)
        let proxy = try proxy(server, framing, way, authority)
        let client = try curl(proxy, way, authority)
        #expect(eventually { server.connectionCount == 1 }, "\(client.log)")
        told.tell(1)
        // The head alone, before there is any content.
        #expect(eventually { client.output.contains("text/event-stream") }, "\(client.log)")
        for number in 2...4 {
            #expect(!client.output.contains("event\(number)"))
            told.tell(number)
            let isHere = eventually { client.output.contains("event\(number)") }
            #expect(isHere, "event \(number): \(client.log)")
        }
        #expect(client.isRunning || framing == .counted)
        told.tell(5)
        #expect(client.waitForEnd() == .exited(0), "\(client.log)")
    }

    @Test("Whoever polls is answered when there is an answer", arguments: Way.allCases)
    func longPolling(_ way: Way) throws {
        let told = Teller()
        let authority = try Authority()
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            #expect(told.waits(for: 1))
            try peer.send(ok("news"))
        }
        let proxy = try proxy(server, .counted, way, authority)
        let client = try curl(proxy, way, authority)
        #expect(eventually { server.connectionCount == 1 })
        // The proxy goes on with others, and has nothing to say to this one.
        #expect(client.isRunning && client.output.isEmpty)
        told.tell(1)
        #expect(client.waitForEnd() == .exited(0), "\(client.log)")
        #expect(client.output.hasSuffix("news"))
    }

    @Test("Content goes up as it comes, too", arguments: Way.allCases)
    func uploads(_ way: Way) throws {
        let authority = try Authority()
        let heard = Locked("")
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            while !heard.withLock({ $0.contains("\r\n0\r\n\r\n") }) {
                let more = try peer.read(1)
                heard.withLock { $0 += String(decoding: more, as: UTF8.self) }
            }
            try peer.send(ok("done", fields: "Connection: close\r\n"))
        }
        let proxy = try proxy(server, .counted, way, authority)
        let pipe = try NamedPipe(authority.directory.file("upload"))
        let client = try curl(proxy, way, authority, "-T", pipe.path)
        for number in 1...3 {
            try pipe.write("piece\(number)")
            let isHere = eventually { heard.withLock { $0.contains("piece\(number)") } }
            #expect(isHere, "piece \(number): \(client.log)")
        }
        pipe.close()
        #expect(client.waitForEnd() == .exited(0), "\(client.log)")
        #expect(client.output.hasSuffix("done"), "\(client.log)")
    }
}
