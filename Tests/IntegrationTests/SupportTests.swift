import TestSupport
import Testing

/// The tools of the plays are themselves tried, without a proxy between them.
@Suite("The tools of the plays", .onStage)
struct SupportTests {
    @Test("A scripted server and client exchange bytes, and both keep them")
    func exchange() throws {
        let server = try ScriptedServer { _ in ok("hello", fields: "X-A: 1\r\n") }
        let client = try ScriptedClient(port: server.port)
        try client.send(pieces: ["GET / HT", "TP/1.1\r\nHost: a\r\n", "\r\n"])
        let answer = try client.readResponse()
        #expect(answer.status == 200)
        #expect(answer["x-a"] == "1")
        #expect(answer.text == "hello")
        #expect(try client.ask(post("/p", "content")).text == "hello")
        #expect(server.received == [get("/", host: "a") + post("/p", "content")])
        #expect(server.requests.map(\.target) == ["/", "/p"])
        #expect(server.connectionCount == 1)
    }

    @Test("Chunked content is read with its trailers")
    func chunked() throws {
        let wire = "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n"
        let server = try ScriptedServer { _ in
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + wire
        }
        let answer = try ask(port: server.port, get())
        #expect(answer.text == "abc0123456789")
        #expect(answer.rawText == wire)
        #expect(answer.trailers == [.init(name: "X-Sum", value: "7")])
    }

    @Test("A reset, an end and silence are told apart")
    func endings() throws {
        let server = try ScriptedServer { peer, index in
            _ = try peer.read(1)
            if index == 0 { peer.reset() }
            if index == 2 { Thread.sleep(milliseconds: 300) }
        }
        let first = try ScriptedClient(port: server.port)
        try first.send("x")
        #expect(throws: PeerError.self) { try first.readToEnd() }
        let second = try ScriptedClient(port: server.port)
        try second.send("x")
        #expect(try second.readToEnd().isEmpty)
        let third = try ScriptedClient(port: server.port)
        try third.send("x")
        #expect(third.isQuiet(for: 0.1))
        #expect(third.isEnded(within: 5))
        #expect(eventually { server.connectionCount == 3 })
    }

    @Test("Who connects and says nothing does not count")
    func silence() throws {
        let server = try ScriptedServer(text: "x")
        try ScriptedClient(port: server.port).close()
        #expect(eventually { server.silentConnectionCount == 1 })
        #expect(server.connectionCount == 0)
    }

    @Test("The WebSocket answer is the one of RFC 6455 §1.3, and frames come back")
    func echo() throws {
        #expect(EchoServer.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        let server = try EchoServer.start()
        let client = try ScriptedClient(port: server.port)
        let answer = try client.ask(
            get(
                fields: "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"))
        #expect(answer.status == 101)
        for text in ["a", String(repeating: "b", count: 300)] {
            try client.send(WebSocketFrame(text).bytes(mask: [1, 2, 3, 4]))
            #expect(try WebSocketFrame.read(from: client) == WebSocketFrame(text))
        }
    }

    @Test("nginx and Python serve, and end when they are told")
    func realServers() throws {
        let nginx = try NginxServer(text: "from nginx")
        #expect(try ask(port: nginx.port, get()).text == "from nginx")
        let python = try PythonHTTPServer()
        try python.directory.write("from python", to: "a.txt")
        #expect(try ask(port: python.port, get("/a.txt")).text == "from python")
        nginx.process.killAtOnce()
        #expect(nginx.process.end == .killed(signal: 9))
        #expect(throws: PeerError.self) { try ask(port: nginx.port, get()) }
        #expect(python.process.residentBytes > 1_000_000)
    }

    @Test("The load client keeps its rate and counts what fails")
    func load() throws {
        let nginx = try NginxServer()
        let load = LoadClient(port: nginx.port, rate: 1000)
        load.run(seconds: 1)
        let good = load.finish()
        #expect(good.failureCount == 0, "\(good)")
        #expect((500...1100).contains(good.successCount), "\(good)")
        #expect(good.answers == ["nginx": good.successCount])
        let more = LoadClient(port: nginx.port, rate: 500)
        more.waitForRequests(50)
        nginx.process.killAtOnce()
        more.run(seconds: 0.2)
        #expect(more.finish().failureCount > 0)
    }
}
