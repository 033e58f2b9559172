import TestSupport
import Testing

@Suite("The configuration changes while requests are under way", .onStage, .serialized)
struct ChangeUnderWayTests {
    private func isReloaded(_ proxy: ProxyProcess, _ plan: ProxyPlan) throws -> Bool {
        try proxy.rewrite(plan)
        return try proxy.admin("/v1/config/reload", method: "POST").status == 200
    }

    @Test(
        "A request whose server leaves while it is being connected to names that server",
        arguments: [true, false], ["GET / HTTP/1.0\r\n\r\n", get()])
    func leavingServer(isFirst: Bool, request: String) throws {
        let late = try LateServer()
        let server = try ScriptedServer(text: "x")
        let keepsHost = request.contains("HTTP/1.0")
        var plan = ProxyPlan(
            servers: isFirst ? [late.port, server.port] : [server.port, late.port],
            service: "host: \(keepsHost ? "keep" : "server")\n"
                + "timeouts: { connect: 20s, drain: 20s }")
        let proxy = try ProxyProcess(plan)
        // One of the two goes to each of the servers.
        let clients = try (0..<2).map { _ in try proxy.client() }
        for client in clients { try client.send(request) }
        #expect(eventually { server.requestCount == 1 || server.connectionCount == 1 })
        plan.servers = [server.address]
        #expect(try isReloaded(proxy, plan))
        #expect(try proxy.ask(request).status == 200)
        let peer = try late.accept()
        let head = try peer.readRequest()
        #expect(head["Host"] == late.address)
        try peer.send(ok("late"))
        var answers = try clients.map { try $0.readResponse().text }
        answers.sort()
        #expect(answers == ["late", "x"])
        #expect(proxy.process.isRunning)
    }

    @Test("A request that waits is filtered by the limits it came with, not by narrower ones")
    func narrowerLimits() throws {
        let gate = Gate()
        let server = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target == "/first" { gate.wait() }
                try peer.send(ok("x"))
            }
        }
        var plan = ProxyPlan(
            servers: [server.port], service: "limits: { requests_per_server: 1 }",
            listener: "limits: { header_count: 100 }")
        let proxy = try ProxyProcess(plan)
        let first = try proxy.client()
        try first.send(get("/first"))
        #expect(eventually { server.connectionCount == 1 })
        let second = try proxy.client()
        let many = (0..<20).map { "X-\($0): a\r\n" }.joined()
        try second.send(
            get(
                "/second",
                fields: "Connection: X-Hop\r\nX-Hop: 1\r\nX-Client-Cert-Subject: forged\r\n" + many
            ))
        #expect(
            eventually {
                (try? proxy.admin("/metrics").text.contains("queue_depth{service=\"app\"} 1"))
                    == true
            })
        plan.listener = "limits: { header_count: 10 }"
        #expect(try isReloaded(proxy, plan))
        #expect(try proxy.ask(get(fields: many)).status == 431)
        gate.open()
        #expect(try first.readResponse().status == 200)
        #expect(try second.readResponse().status == 200)
        let text = server.received.joined()
        let head = text[text.firstRange(of: "GET /second")!.lowerBound...]
        #expect(head.contains("X-19: a"))
        #expect(!head.contains("forged"))
        #expect(!head.contains("X-Hop"))
        #expect(head.split(separator: "\r\nHost:").count == 2, "\(head)")
    }

    /// A server of bytes and of answers without end.
    private func endless() throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            let request = try peer.readRequest()
            if request.target == "/tunnel" {
                try peer.send(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        + "Upgrade: websocket\r\n\r\n")
            } else {
                try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun")
            }
            _ = peer.isEnded(within: 60)
        }
    }

    @Test("A long answer or tunnel of each of many configurations costs no memory for them")
    func manyGenerations() throws {
        let server = try endless()
        /// A megabyte that every loop has for each configuration.
        func routes(_ number: Int) -> String {
            let body = String(repeating: "x", count: 40_000)
            return "routes:\n"
                + (0..<25).map {
                    "  - { path: /fixed\($0)-\(number), respond: { status: 200, body: \(body) } }\n"
                }.joined() + "  - { service: app }\n"
        }
        var plan = ProxyPlan(servers: [server.port], rest: routes(0))
        let proxy = try ProxyProcess(plan)
        var clients: [ScriptedClient] = []
        func change(_ number: Int) throws {
            for path in ["/tunnel", "/long"] {
                let client = try proxy.client()
                try client.send(
                    get(path, fields: "Connection: upgrade\r\nUpgrade: websocket\r\n"))
                #expect(try client.waitForFirstByte())
                clients.append(client)
            }
            plan.rest = routes(number)
            #expect(try isReloaded(proxy, plan))
        }
        for number in 1...10 { try change(number) }
        let before = proxy.process.residentBytes
        for number in 11...40 { try change(number) }
        let growth = proxy.process.residentBytes - before
        #expect(growth < 15 << 20, "\(growth)")
        // They are still what they were.
        #expect(proxy.serverStates().count == 1)
        for client in clients { #expect(!client.isEnded(within: 0)) }
        #expect(try proxy.ask(get("/fixed3-40")).status == 200)
    }

    @Test("4,200 changes, each with a connection that stays: the process goes on")
    func manyChanges() throws {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = peer.isEnded(within: 120)
        }
        var plan = ProxyPlan(servers: [server.port])
        let tunnelPort = Machine.freePort()
        plan.listeners =
            "bytes:\n  address: 127.0.0.1:\(tunnelPort)\n  protocols: [tcp]\n  service: app\n"
        let proxy = try ProxyProcess(plan)
        var clients: [ScriptedClient] = []
        for number in 0..<4200 {
            let client = try ScriptedClient(port: tunnelPort, timeout: 30, isRecording: false)
            try client.send("hello")
            clients.append(client)
            let answer = try proxy.admin(
                "/v1/services/app/servers/\(server.address)", method: "PATCH",
                content: "{\"weight\":\(1 + number % 2)}")
            guard answer.status == 200 else {
                Issue.record("change \(number): \(answer)")
                return
            }
        }
        #expect(proxy.process.isRunning)
        #expect(server.connectionCount >= 4200)
    }
}
