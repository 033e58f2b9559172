import TestSupport
import Testing

@Suite("A pooled connection may die at the moment of its reuse", .onStage)
struct ReuseRaceTests {
    /// Answers the first request of a connection and dies of the second one, unread or read.
    private func server(_ ending: CutResponseTests.Ending) throws -> ScriptedServer {
        try ScriptedServer { peer, index in
            _ = try peer.readRequest()
            try peer.send(ok("connection \(index)"))
            guard index == 0 else {
                while try peer.nextRequest() != nil { try peer.send(ok("connection \(index)")) }
                return
            }
            if try peer.nextRequest() != nil, ending == .reset { peer.reset() }
        }
    }

    @Test(
        "GET is sent again, and the client does not notice",
        arguments: CutResponseTests.Ending.allCases)
    func get(ending: CutResponseTests.Ending) throws {
        let server = try server(ending)
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        #expect(try client.ask(TestSupport.get("/1")).text == "connection 0")
        let second = try client.ask(TestSupport.get("/2"))
        #expect(second.status == 200, "\(second)")
        #expect(second.text == "connection 1")
        #expect(server.received.joined().components(of: "GET /2") == 2)
    }

    @Test("POST is never sent twice: an honest 502", arguments: CutResponseTests.Ending.allCases)
    func post(ending: CutResponseTests.Ending) throws {
        let server = try server(ending)
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        #expect(try client.ask(TestSupport.get("/1")).text == "connection 0")
        let second = try client.ask(TestSupport.post("/2", "once"))
        #expect(second.status == 502, "\(second)")
        #expect(second["Proxy-Status"]?.contains("server_closed_early") ?? false, "\(second)")
        #expect(server.received.joined().components(of: "POST /2") == 1)
        #expect(proxy.waitForLog("method_not_idempotent"))
    }

    @Test("A server that answered half a head is not asked again")
    func halfAnswered() throws {
        let server = try ScriptedServer { peer, index in
            _ = try peer.readRequest()
            try peer.send(index == 0 ? ok("x") : "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
            if index == 0, try peer.nextRequest() != nil {
                try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        #expect(try client.ask(TestSupport.get("/1")).text == "x")
        try client.send(TestSupport.get("/2"))
        _ = try? client.readToEnd()
        #expect(client.receivedText.hasSuffix("he"))
        #expect(server.received.joined().components(of: "GET /2") == 1)
    }

    @Test("A connection that the server closed while idle costs nobody anything")
    func closedWhileIdle() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(ok("x"))
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for number in 0..<10 {
            #expect(try client.ask(TestSupport.post("/\(number)", "once")).status == 200)
            Thread.sleep(milliseconds: 30)
        }
        #expect(server.connectionCount == 10)
    }

    @Test("A server that says too much loses its connection, not the next client")
    func surplus() throws {
        let server = try ScriptedServer { peer, index in
            while let request = try peer.nextRequest() {
                try peer.send(ok(request.target) + (index == 0 ? ok("poison") : ""))
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        #expect(try client.ask(TestSupport.get("/1")).text == "/1")
        Thread.sleep(milliseconds: 50)
        #expect(try client.ask(TestSupport.get("/2")).text == "/2")
        #expect(server.connectionCount == 2)
    }
}

extension String {
    /// How often `part` occurs.
    func components(of part: String) -> Int {
        var (count, rest) = (0, self[...])
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
