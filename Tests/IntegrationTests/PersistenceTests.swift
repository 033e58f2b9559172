import TestSupport
import Testing

@Suite("Connections are kept on both sides", .onStage)
struct PersistenceTests {
    @Test("100 requests of one client need one connection to the server")
    func pool() throws {
        let server = try ScriptedServer(text: "x")
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for _ in 0..<100 { #expect(try client.ask(get()).text == "x") }
        #expect(server.connectionCount == 1)
        #expect(server.requestCount == 100)
    }

    @Test("A wave wider than the pool does not reconnect; what is left over goes after a second")
    func surplus() throws {
        let width = 8
        // Nobody is answered before all of a wave have asked.
        let asked = Locked(0)
        let server = try ScriptedServer { _ in
            let wave = asked.withLock { asked in
                asked += 1
                return (asked + width - 1) / width
            }
            eventually { asked.withLock { $0 >= wave * width } }
            return ok("x")
        }
        let plan = ProxyPlan(
            servers: [server.port], service: "connections: { idle_per_server: 2, idle: 30s }")
        let proxy = try ProxyProcess(plan)
        let clients = try (0..<width).map { _ in try proxy.client() }
        for _ in 0..<4 {
            for client in clients { try client.send(get()) }
            for client in clients { #expect(try client.readResponse().text == "x") }
        }
        #expect(server.connectionCount == width)
        #expect(eventually { server.openConnectionCount == 2 })
    }

    @Test("The connection to the server outlives the client's")
    func otherClient() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        for _ in 0..<10 {
            let answer = try proxy.ask(get(fields: "Connection: close\r\n"))
            #expect(answer.closes)
        }
        #expect(server.connectionCount == 1)
    }

    @Test("Pipelined requests are answered in their order")
    func pipelining() throws {
        let server = try ScriptedServer { request in ok(request.target + request.text) }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        var requests = ""
        for number in 0..<20 {
            requests += number % 3 == 0 ? post("/\(number)", "content") : get("/\(number)")
        }
        try client.send(requests)
        for number in 0..<20 {
            let expected = "/\(number)" + (number % 3 == 0 ? "content" : "")
            #expect(try client.readResponse().text == expected)
        }
    }

    @Test("Connection: close is honoured after the answer, and what follows is not served")
    func close() throws {
        let server = try ScriptedServer(text: "x")
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get(fields: "Connection: close\r\n") + get("/not-served"))
        let answer = try client.readResponse()
        #expect(answer.status == 200)
        #expect(answer.closes)
        #expect(client.isEnded())
        #expect(server.requestCount == 1)
    }

    @Test("An idle client connection is closed after its time, in silence")
    func idle() throws {
        let server = try ScriptedServer(text: "x")
        let client = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "timeouts: { idle: 500ms }")
        ).client()
        #expect(try client.ask(get()).status == 200)
        #expect(client.isQuiet(for: 0.2))
        #expect(client.isEnded(within: 5))
    }

    @Test("An idle server connection is closed after its time")
    func idleServer() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: "connections: { idle: 300ms }"))
        let client = try proxy.client()
        #expect(try client.ask(get()).status == 200)
        Thread.sleep(milliseconds: 1000)
        #expect(try client.ask(get()).status == 200)
        #expect(server.connectionCount == 2)
    }

    @Test("A server that says Connection: close is not used again, the client's connection is")
    func serverCloses() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(ok("x", fields: "Connection: close\r\n"))
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for _ in 0..<5 {
            let answer = try client.ask(get())
            #expect(answer.text == "x")
            #expect(!answer.closes)
        }
        #expect(server.connectionCount == 5)
    }
}
