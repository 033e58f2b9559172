import TestSupport
import Testing

@Suite("An exchange has two halves", .onStage)
struct ExchangeTests {
    private let head =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    @Test("Expect: the server's 100 comes back before the content is sent")
    func continues() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 100 Continue\r\n\r\n")
            let content = try peer.read(5)
            try peer.send(ok(String(decoding: content, as: UTF8.self)))
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(head)
        #expect(try client.readResponse(skippingInterim: false).status == 100)
        try client.send("hello")
        #expect(try client.readResponse().text == "hello")
        #expect(server.problems.isEmpty)
    }

    @Test("Expect: a refusal comes back, and the content is never asked for")
    func refuses() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
            _ = peer.isEnded()
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(head)
        let answer = try client.readResponse(skippingInterim: false)
        #expect(answer.status == 417)
        #expect(answer.text == "no")
        // What follows on this connection could be the content or a request: nobody may guess.
        try? client.send("hello" + get("/next"))
        _ = try? client.readToEnd()
        #expect(server.received.allSatisfy { !$0.contains("/next") })
    }

    @Test("Interim answers pass, in their order, before the final one")
    func interim() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            try peer.send("HTTP/1.1 102 Processing\r\n\r\n")
            try peer.send(ok("x"))
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send(get())
        let hints = try client.readResponse(skippingInterim: false)
        #expect(hints.status == 103)
        #expect(hints["Link"] == "</a.css>")
        #expect(try client.readResponse(skippingInterim: false).status == 102)
        #expect(try client.readResponse(skippingInterim: false).text == "x")
        // RFC 9110 §15.2: a client of HTTP/1.0 gets none.
        let old = try proxy.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        #expect(old.status == 200)
    }

    @Test("A final answer comes while the client is still sending")
    func early() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
            _ = try? peer.discardToEnd()
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nstart")
        let answer = try client.readResponse()
        #expect(answer.status == 413)
        #expect(answer.text == "big")
    }

    @Test("A client of HTTP/1.0 gets its answer and the end")
    func oldClient() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        let text = try client.readTextToEnd()
        #expect(text.hasPrefix("HTTP/1.1 200") || text.hasPrefix("HTTP/1.0 200"))
        #expect(text.hasSuffix("\r\n\r\nx"))
    }

    @Test("A client of HTTP/1.0 may leave out Host; the server gets one")
    func oldClientWithoutHost() throws {
        let server = try ScriptedServer { _ in ok("x") }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        #expect(try proxy.ask("GET / HTTP/1.0\r\n\r\n").status == 200)
        let request = try #require(server.requests.first)
        #expect(request.startLine == "GET / HTTP/1.1")
        #expect(request.values("Host").count == 1)
    }

    @Test("A server of HTTP/1.0 serves a client of HTTP/1.1, who keeps the connection")
    func oldServer() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx")
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for _ in 0..<3 {
            let answer = try client.ask(get())
            #expect(answer.startLine.hasPrefix("HTTP/1.1 200"))
            #expect(answer.text == "x")
        }
        #expect(server.connectionCount == 3)
    }

    @Test("Python's http.server is served, and its files arrive whole")
    func python() throws {
        let python = try PythonHTTPServer()
        let content = ContentTests.pattern(300_000)
        try python.directory.write(content, to: "file.txt")
        let client = try ProxyProcess(ProxyPlan(servers: [python.port])).client()
        for _ in 0..<5 { #expect(try client.ask(get("/file.txt")).text == content) }
        #expect(try client.ask(get("/missing")).status == 404)
    }

    @Test("nginx serves a file, a range of it, and says when it has not changed")
    func nginx() throws {
        let nginx = try NginxServer()
        let content = ContentTests.pattern(3_000_000)
        try nginx.directory.write(content, to: "file.txt")
        let client = try ProxyProcess(ProxyPlan(servers: [nginx.port])).client()
        let whole = try client.ask(get("/files/file.txt"))
        #expect(whole.text == content)
        let part = try client.ask(get("/files/file.txt", fields: "Range: bytes=10-19\r\n"))
        #expect(part.status == 206)
        #expect(part.text == content.dropFirst(10).prefix(10))
        let tag = try #require(whole["ETag"])
        let same = try client.ask(get("/files/file.txt", fields: "If-None-Match: \(tag)\r\n"))
        #expect(same.status == 304)
    }

    @Test("A client that goes away is noticed: the server's work ends")
    func clientLeaves() throws {
        let noticed = Gate()
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            if peer.isEnded(within: 10) { noticed.open() }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get())
        #expect(eventually { server.connectionCount == 1 })
        Thread.sleep(milliseconds: 100)
        client.reset()
        #expect(noticed.wait(seconds: 5))
    }
}
