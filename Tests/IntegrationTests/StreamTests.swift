import Foundation
import TestSupport
import Testing

@Suite("HTTP/2 streams are exchanges like any other", .onStage)
struct StreamTests {
    private func proxy(
        _ server: ScriptedServer, listener: String = "", service: String = "", rest: String = "",
        services: String = ""
    ) throws -> ProxyProcess {
        var plan = ProxyPlan(
            service: service, listener: listener, services: services, rest: rest)
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    @Test("Servers get the head that the client meant, and one cookie field")
    func head() throws {
        let server = try ScriptedServer { _ in ok("hi") }
        let proxy = try proxy(server, rest: "access_log: { mode: all }")
        let client = try FrameClient(port: proxy.port)
        try client.send(
            .get(
                1, "/a?b=c",
                [
                    ("cookie", "a=1"), ("x-one", "two  words"), ("cookie", "b=2"),
                    ("te", "trailers"), ("x-forwarded-for", "6.6.6.6"),
                ]))
        #expect(try FrameClient.status(client.next(.headers).payload) == "200")
        #expect(try client.content(of: 1) == Array("hi".utf8))
        let request = try #require(server.requests.first)
        #expect(request.startLine == "GET /a?b=c HTTP/1.1")
        #expect(request["Host"] == "a.test")
        #expect(request["Cookie"] == "a=1; b=2")
        #expect(request["X-One"] == "two  words")
        #expect(request["X-Forwarded-For"] == "127.0.0.1")
        #expect(request["X-Forwarded-Proto"] == "http")
        #expect(request["Via"]?.hasPrefix("2.0 ") == true)
        #expect(!request.has("TE") && !request.has("Transfer-Encoding"))
        #expect(proxy.waitForLog("\"protocol\":\"h2\""))
    }

    @Test("Content without a length and trailers arrive, both ways")
    func trailers() throws {
        let server = try ScriptedServer { request in
            let text = String(decoding: request.content, as: UTF8.self)
            let sum = request.trailers.first { $0.name.lowercased() == "x-sum" }?.value ?? "-"
            return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "3\r\n\(text.prefix(3))\r\n2\r\n\(text.dropFirst(3))\r\n0\r\n"
                + "X-Back: \(sum)\r\n\r\n"
        }
        let proxy = try proxy(server)
        let client = try FrameClient(port: proxy.port)
        try client.send(
            .post(1), .data(1, Array("he".utf8), flags: 0), .data(1, Array("llo".utf8), flags: 0),
            .headers(1, [("x-sum", "42")]))
        _ = try client.next(.headers, of: 1)
        var content: [UInt8] = []
        while content.count < 5 { content += try client.next(.data, of: 1).payload }
        #expect(String(decoding: content, as: UTF8.self) == "hello")
        let end = try client.next(.headers, of: 1)
        #expect(end.flags & Frame.endStream != 0)
        // A literal with a new name: "x-back", in lower case, and "42".
        let client2 = try FrameClient(port: proxy.port)
        try client2.send(.post(1), .data(1, Array("hello".utf8)))
        _ = try client2.next(.headers, of: 1)
        #expect(try client2.next(.headers, of: 1).payload != end.payload)
        #expect(server.requests.first?.trailers.first?.value == "42")
    }

    @Test("Interim responses are passed on")
    func interim() throws {
        let server = try ScriptedServer { _ in
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + ok("hi")
        }
        let client = try FrameClient(port: proxy(server).port)
        try client.send(.get(1))
        let first = try client.next(.headers)
        #expect(FrameClient.status(first.payload) == "103")
        #expect(first.flags & Frame.endStream == 0)
        #expect(try FrameClient.status(client.next(.headers).payload) == "200")
    }

    @Test("A stream that its client resets stops the work at once")
    func cancel() throws {
        let ended = Locked(0)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            _ = try? peer.readToEnd()
            ended.withLock { $0 += 1 }
        }
        let proxy = try proxy(server, rest: "access_log: { mode: all }")
        let client = try FrameClient(port: proxy.port)
        try client.send(.get(1))
        #expect(eventually { server.connectionCount == 1 })
        try client.send(.reset(1))
        #expect(eventually { ended.withLock { $0 } == 1 })
        #expect(client.isAlive())
        #expect(proxy.waitForLog("client_closed"))
    }

    @Test("A client's windows hold its answer back, and nothing but its own")
    func windows() throws {
        let size = 1_000_000
        let server = try ScriptedServer(isRecording: false) { request in
            ok(request.target == "/small" ? "s" : String(repeating: "x", count: size))
        }
        let client = try FrameClient(port: proxy(server).port)
        try client.send(.get(1, "/large"))
        var count = 0
        while count < 65_535 { count += try client.next(.data).payload.count }
        #expect(count == 65_535)
        // The connection's window is used up: even the small answer waits.
        try client.send(.get(3, "/small"))
        #expect(client.isAlive())
        #expect(client.received.allSatisfy { $0.stream != 3 || $0.type != 0 })
        try client.send(.windowUpdate(0, 1))
        #expect(try client.next(.data, of: 3).payload == Array("s".utf8))
        try client.send(.windowUpdate(0, 0x7000_0000), .windowUpdate(1, 0x7000_0000))
        while true {
            let frame = try client.next(.data, of: 1)
            count += frame.payload.count
            if frame.flags & Frame.endStream != 0 { break }
        }
        #expect(count == size)
    }

    @Test("A server that does not read holds its client back, in bounded memory")
    func uploads() throws {
        let mayRead = Gate()
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            #expect(mayRead.wait(seconds: 120))
            let request = try peer.readRequest()
            try peer.send(ok("\(request.content.count)"))
        }
        let proxy = try proxy(server)
        let client = try FrameClient(port: proxy.port)
        try client.send(.post(1))
        // What the proxy lets us send is what it, and the sockets, hold.
        var window = 65_535
        var sent = 0
        let piece = [UInt8](repeating: 7, count: 16_384)
        var streamWindow = 65_535
        /// Until there is silence; or, if that is all, until more may be sent.
        func listen(_ seconds: Double, untilOpen: Bool = false) {
            while !client.peer.isQuiet(for: seconds), let frame = try? client.next() {
                if frame.type == Frame.Kind.windowUpdate.rawValue {
                    let increment = Int(frame.number(at: 0))
                    if frame.stream == 0 { window += increment } else { streamWindow += increment }
                } else if frame.type == Frame.Kind.settings.rawValue, frame.flags == 0 {
                    streamWindow += 131_070 - 65_535
                }
                if untilOpen, min(window, streamWindow) > 0 { return }
            }
        }
        listen(0.3)
        while true {
            let count = min(window, streamWindow, piece.count)
            if count <= 0 {
                listen(1, untilOpen: true)
                if min(window, streamWindow) <= 0 { break }
                continue
            }
            try client.send(.data(1, Array(piece.prefix(count)), flags: 0))
            window -= count
            streamWindow -= count
            sent += count
            #expect(sent < 64 << 20, "somebody keeps it all")
            if sent >= 64 << 20 { break }
        }
        mayRead.open()
        listen(0.3)
        try client.send(.data(1, []))
        _ = try client.next(.headers, of: 1)
        #expect(try client.content(of: 1) == Array("\(sent)".utf8))
    }

    @Test("A WebSocket over HTTP/2 reaches a server of HTTP/1.1 (RFC 8441)")
    func webSocket() throws {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let request = try peer.readRequest()
            #expect(request["Upgrade"] == "websocket")
            #expect(request["Connection"]?.lowercased() == "upgrade")
            #expect(request["Sec-WebSocket-Key"]?.utf8.count == 24)
            #expect(request["Sec-WebSocket-Version"] == "13")
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    + "Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
            let hello = try peer.read(5)
            try peer.send(hello.reversed())
            #expect(try peer.readToEnd().isEmpty)
            try peer.send("bye")
            peer.finishSending()
        }
        let client = try FrameClient(port: proxy(server).port)
        try client.send(
            .headers(
                1,
                Frame.pseudo("CONNECT", "/chat")
                    + [(":protocol", "websocket"), ("sec-websocket-version", "13")],
                flags: Frame.endHeaders))
        let head = try client.next(.headers, of: 1)
        #expect(FrameClient.status(head.payload) == "200")
        #expect(head.flags & Frame.endStream == 0)
        try client.send(.data(1, Array("hello".utf8), flags: 0))
        #expect(try client.next(.data, of: 1).payload == Array("olleh".utf8))
        try client.send(.data(1, []))
        #expect(try client.content(of: 1) == Array("bye".utf8))
    }

    @Test("A drain ends connections with a word, and lets streams finish")
    func drain() throws {
        let mayAnswer = Locked(false)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            _ = eventually(timeout: 30) { mayAnswer.withLock { $0 } }
            try peer.send(ok("late"))
        }
        let proxy = try proxy(server)
        let client = try FrameClient(port: proxy.port)
        try client.send(.get(1))
        #expect(eventually { server.connectionCount == 1 })
        proxy.process.terminate()
        // First without a last stream, then with it (RFC 9113 §6.8).
        let notice = try client.next(.goAway)
        #expect(notice.number(at: 0) == 0x7FFF_FFFF)
        #expect(notice.number(at: 4) == 0)
        let final = try client.next(.goAway)
        #expect(final.number(at: 0) == 1)
        mayAnswer.withLock { $0 = true }
        _ = try client.next(.headers, of: 1)
        #expect(try client.content(of: 1) == Array("late".utf8))
        #expect(client.peer.isEnded())
        #expect(proxy.process.waitForEnd(seconds: 10) == .exited(0))
    }

    @Test("h2load finds no failure, over TLS and without", arguments: [false, true])
    func load(isSecure: Bool) throws {
        let server = try NginxServer(text: "hello")
        var plan = ProxyPlan(servers: [server.port])
        let authority = try Authority()
        if isSecure {
            let certificate = try authority.certificate(["a.test"])
            plan.listener = "tls: { certificates: [\(certificate.entry)] }"
        }
        let proxy = try ProxyProcess(plan)
        let scheme = isSecure ? "https" : "http"
        let answer = try run(
            "/usr/bin/h2load",
            ["-n", "5000", "-c", "8", "-m", "32", "\(scheme)://127.0.0.1:\(proxy.port)/"],
            seconds: 60)
        #expect(answer.output.contains("5000 succeeded, 0 failed, 0 errored"), "\(answer)")
        #expect(answer.output.contains("Application protocol: h2"))
    }

    @Test("Uploads that wait for a full service do not stop those to another")
    func waitingUploads() throws {
        let isOver = Gate()
        defer { isOver.open() }
        let full = try ScriptedServer(isRecording: false) { peer, _ in
            #expect(isOver.wait(seconds: 60))
        }
        let other = try ScriptedServer(isRecording: false) { ok("\($0.content.count)") }
        let proxy = try proxy(
            full, service: "limits: { requests_per_server: 1 }\ntimeouts: { queue: 60s }",
            rest: "routes:\n  - { path: /other, service: other }\n  - { service: app }",
            services: "other: { servers: [\(other.address)], health: off }")
        let client = try FrameClient(port: proxy.port)
        _ = try client.next(.settings)
        // What a stream's window lets it send, of each.
        let window = 131_070
        let most = 10
        var credit = 65_535
        var next = UInt32(1)
        func send(_ path: String) throws {
            try client.send(.post(next, path))
            var left = window
            while left > 0 {
                let count = min(left, 16_384, credit)
                if count == 0 {
                    let update = try client.next(.windowUpdate)
                    if update.stream == 0 { credit += Int(update.number(at: 0)) }
                    continue
                }
                left -= count
                credit -= count
                try client.send(
                    .data(
                        next, [UInt8](repeating: 7, count: count),
                        flags: left == 0 ? Frame.endStream : 0))
            }
            next += 2
        }
        for _ in 0..<most { try send("/wait") }
        try send("/other")
        _ = try client.next(.headers, of: next - 2)
        #expect(try client.content(of: next - 2) == Array("\(window)".utf8))
    }

    @Test("The tail of an answer is not cut because its client has no other request")
    func tail() throws {
        let size = 3_000_000
        let server = try ScriptedServer(isRecording: false) { _ in
            ok(String(repeating: "x", count: size))
        }
        let proxy = try proxy(
            server, listener: "timeouts: { idle: 300ms }", rest: "access_log: { mode: all }")
        let peer = try ScriptedClient(
            port: proxy.port, timeout: 20, isRecording: false, receiveBuffer: 16_384)
        let client = try FrameClient(on: peer)
        try client.send(
            .settings([(4, 0x7000_0000)]), .windowUpdate(0, 0x7000_0000), .get(1))
        var count = 0
        var hasEnded = false
        func read() throws {
            let frame = try client.next(.data, of: 1)
            count += frame.payload.count
            hasEnded = frame.flags & Frame.endStream != 0
        }
        // Until the server's part is done, and the proxy keeps the rest.
        func isDone() -> Bool { proxy.log.contains("\"status\":200") }
        while !hasEnded, !eventually(timeout: 0.02, isDone) { try read() }
        #expect(!hasEnded)
        // Longer than any idle time.
        Thread.sleep(milliseconds: 1000)
        while !hasEnded { try read() }
        #expect(count == size)
    }
}
