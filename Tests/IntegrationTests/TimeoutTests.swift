import TestSupport
import Testing

@Suite("No wait without an end", .onStage)
struct TimeoutTests {
    @Test("A head that does not end: 408")
    func header() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "timeouts: { header: 500ms }"))
        let client = try proxy.client()
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n")
        // A byte now and then does not prolong it.
        for _ in 0..<4 {
            Thread.sleep(milliseconds: 100)
            try? client.send("X")
        }
        let answer = try client.readResponse()
        #expect(answer.status == 408)
        #expect(answer.closes)
        #expect(client.isEnded())
        #expect(server.connectionCount == 0)
    }

    @Test("A body that does not come: 408, or the end")
    func body() throws {
        let server = try ScriptedServer { peer, _ in _ = try? peer.readToEnd() }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "timeouts: { read: 500ms }"))
        let client = try proxy.client()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
        let answer = try client.readResponse()
        #expect(answer.status == 408)
        #expect(proxy.waitForLog("client_slow"))
    }

    @Test("A server that does not answer: 504 server_slow")
    func response() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            _ = peer.isEnded(within: 10)
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: "timeouts: { response: 500ms }"))
        let before = now()
        let answer = try proxy.ask(get())
        #expect(answer.status == 504)
        #expect((0.4...5).contains(now() - before))
        #expect(answer["Proxy-Status"]?.contains("http_response_timeout") ?? false, "\(answer)")
        #expect(answer["Proxy-Status"]?.contains("server_slow") ?? false, "\(answer)")
    }

    @Test("A server that stops in the middle: the answer is cut, and says why in the log")
    func stalled() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            _ = peer.isEnded(within: 10)
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: "timeouts: { idle: 500ms }"))
        let client = try proxy.client()
        try client.send(get())
        _ = try? client.readToEnd()
        #expect(client.receivedText.hasSuffix("hello"))
        #expect(proxy.waitForLog("server_stalled"))
    }

    @Test("total counts the whole request")
    func total() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in 0..<100 {
                try peer.send("x")
                Thread.sleep(milliseconds: 50)
            }
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: "timeouts: { total: 600ms }"))
        let client = try proxy.client()
        let before = now()
        try client.send(get())
        _ = try? client.readToEnd()
        #expect((0.5...4).contains(now() - before))
        #expect(proxy.waitForLog("total_timeout"))
    }

    @Test("A tunnel may be silent for its own time only")
    func tunnel() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            _ = peer.isEnded(within: 10)
        }
        let client = try ProxyProcess(
            ProxyPlan(
                servers: [server.port], service: "timeouts: { tunnel: 800ms, idle: 200ms }")
        ).client()
        try client.send(get(fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try client.readResponse().status == 101)
        #expect(client.isQuiet(for: 0.4))
        #expect(client.isEnded(within: 5))
    }

    @Test("All servers down: 503 no_healthy_server, at once")
    func allDown() throws {
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: Machine.freePorts(2),
                health: "{ interval: 200ms, timeout: 100ms, down_after: 1 }"))
        #expect(
            eventually {
                ((try? proxy.ask(get()))?["Proxy-Status"] ?? "").contains("no_healthy_server")
            })
        let before = now()
        let answer = try proxy.ask(get())
        #expect(answer.status == 503)
        #expect(answer["Proxy-Status"]?.contains("destination_unavailable") ?? false)
        #expect(now() - before < 1)
    }

    @Test("One server refuses: the other one answers, also a POST, for nothing was sent")
    func refusedThenServed() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [Machine.freePort(), server.port],
                service: "balance: round-robin\noutliers: off"))
        for _ in 0..<10 {
            #expect(try proxy.ask(get()).status == 200)
            #expect(try proxy.ask(post("/", "content")).status == 200)
        }
        #expect(server.requestCount == 20)
    }

    @Test("Five errors in a row put a server out, without any check")
    func ejection() throws {
        let bad = try ScriptedServer { peer, _ in _ = try peer.readRequest() }
        let good = try ScriptedServer(text: "good")
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [bad.port, good.port], service: "balance: round-robin\nretries: off"))
        var failures = 0
        for _ in 0..<60 where try proxy.ask(get()).status != 200 { failures += 1 }
        #expect(failures == 5)
    }
}
