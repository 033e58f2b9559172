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

    @Test("What stands behind a large answer is not the answer to the next request")
    func surplusBehindSplice() throws {
        let large = String(repeating: "x", count: 4_000_000)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            while let request = try peer.nextRequest() {
                let isLarge = request.target == "/large"
                try peer.send(isLarge ? ok(large) + ok("poison") : ok(request.target))
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for number in 0..<5 {
            #expect(try client.ask(TestSupport.get("/large")).content.count == large.utf8.count)
            #expect(try client.ask(TestSupport.get("/\(number)")).text == "/\(number)")
        }
    }

    @Test(
        "What a server says before it is asked is no answer, not even in the same moment",
        arguments: [false, true])
    func unasked(ends: Bool) throws {
        let (asked, said) = (Gate(), Gate())
        let server = try ScriptedServer { peer, index in
            _ = try peer.nextRequest()
            try peer.send(ok("connection \(index)"))
            if index == 0 {
                asked.wait()
                try peer.send(ok("poison"))
                if ends { peer.close() }
                said.open()
                if ends { return }
            }
            while try peer.nextRequest() != nil { try peer.send(ok("connection \(index)")) }
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        #expect(try client.ask(TestSupport.get("/1")).text == "connection 0")
        // The proxy hears both at once, and of the request first.
        proxy.process.freeze()
        #expect(eventually { proxy.process.isFrozen })
        try client.send(TestSupport.get("/2"))
        asked.open()
        #expect(said.wait())
        proxy.process.thaw()
        #expect(try client.readResponse().text == "connection 1")
        #expect(server.connectionCount == 2)
    }

    @Test("With TLS, too; what stands behind an answer ends the connection")
    func secureSurplus() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["localhost"])
        let port = Machine.freePort()
        _ = try ChildProcess(
            "/usr/bin/python3",
            [
                Machine.support("tls_upstream.py"), "\(port)", certificate.certificate,
                certificate.key,
            ])
        var plan = ProxyPlan(service: "tls: { ca: \(authority.file) }")
        plan.servers = ["\"https://localhost:\(port)\""]
        let proxy = try ProxyProcess(plan)
        let isUp = eventually { (try? proxy.ask(TestSupport.get("/up")).text) == "/up" }
        #expect(isUp, "\(proxy.log)")
        let client = try proxy.client()
        for number in 0..<5 {
            #expect(try client.ask(TestSupport.get("/surplus")).content.count == 4_000_000)
            #expect(try client.ask(TestSupport.get("/\(number)")).text == "/\(number)")
        }
    }

    @Test("Records of TLS that carry no content do not end an idle connection")
    func keyUpdate() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["localhost"])
        let port = Machine.freePort()
        let said = try NamedPipe(authority.directory.file("said"))
        let server = try ChildProcess(
            "/bin/sh",
            [
                "-c",
                "exec openssl s_server -accept 127.0.0.1:\(port) -tls1_3 -crlf -msg "
                    + "-cert \(certificate.certificate) -key \(certificate.key) < \(said.path)",
            ])
        let isListening = eventually { server.output.contains("ACCEPT") }
        #expect(isListening, "\(server.log)")
        var plan = ProxyPlan(service: "tls: { ca: \(authority.file) }")
        plan.servers = ["\"https://localhost:\(port)\""]
        let client = try ProxyProcess(plan).client()
        for number in 1...3 {
            try client.send(TestSupport.get("/\(number)"))
            let isAsked = eventually { server.output.contains("GET /\(number) ") }
            #expect(isAsked, "\(server.log)")
            // A letter at the beginning of what it reads is a command.
            try said.write("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
            #expect(try client.readResponse().text == "ok")
            // With K it asks for one in return.
            try said.write(number == 1 ? "k\n" : "K\n")
            let isTold = eventually {
                server.output.components(of: ">>> TLS 1.3, Handshake [length 0005], KeyUpdate")
                    >= number
            }
            #expect(isTold, "\(server.log)")
        }
        #expect(server.output.components(of: "CIPHER is") == 1, "\(server.log)")
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
