import Foundation
import TestSupport
import Testing

@Suite("Every limit has an answer", .onStage)
struct LimitTests {
    @Test("A long target: 414")
    func target() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "limits: { request_line: 256B }"))
        #expect(try proxy.ask(get("/" + String(repeating: "a", count: 100))).status == 200)
        let answer = try proxy.ask(get("/" + String(repeating: "a", count: 300)))
        #expect(answer.status == 414)
        #expect(answer.closes)
    }

    @Test("Large or many fields: 431")
    func header() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port], listener: "limits: { header_size: 1KiB, header_count: 10 }")
        )
        #expect(try proxy.ask(get()).status == 200)
        let large = "X-A: \(String(repeating: "a", count: 1024))\r\n"
        #expect(try proxy.ask(get(fields: large)).status == 431)
        let many = String(repeating: "X-A: b\r\n", count: 12)
        #expect(try proxy.ask(get(fields: many)).status == 431)
        #expect(server.requestCount == 1)
    }

    @Test("A head of 32 KiB passes as it is")
    func largeHead() throws {
        let server = try ScriptedServer { request in ok("\(request["X-Large"]?.count ?? 0)") }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let large = "X-Large: \(String(repeating: "a", count: 31_000))\r\n"
        #expect(try proxy.ask(get(fields: large)).text == "31000")
    }

    @Test("As many fields as the file allows pass, and one more is a 431")
    func manyFields() throws {
        let server = try ScriptedServer { request in
            ok("\(request.fields.count { $0.name == "X-A" })")
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "limits: { header_count: 1000 }"))
        let lines = String(repeating: "X-A: b\r\n", count: 900)
        #expect(try proxy.ask(get(fields: lines)).text == "900")
        let more = String(repeating: "X-A: b\r\n", count: 1000)
        #expect(try proxy.ask(get(fields: more)).status == 431)
    }

    @Test("A host longer than any name is a 400, whatever the limits, and the process stays")
    func hugeHost() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                listener: "limits: { header_size: 64KiB }\nheaders: { forwarded: both }"))
        let host = String(repeating: "a", count: 60 << 10)
        let answer = try proxy.ask("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")
        #expect(answer.status == 400)
        #expect(try proxy.ask(get()).status == 200)
        #expect(server.requestCount == 1)
    }

    @Test("The largest answer that a file may hold reaches a client that does not read at once")
    func largestFixedAnswer() throws {
        let value = String(repeating: "v", count: 8000)
        let body = String(repeating: "b", count: 64 << 10)
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [Machine.freePort()],
                rest: """
                    routes:
                      - respond: { status: 200, body: "\(body)", type: "\(value)" }
                        set_headers: { response: { X-A: "\(value)", X-B: "\(value)" } }
                    """))
        // More answers than its socket takes are asked for before one is read.
        let client = try proxy.client()
        let count = 200
        try client.send(String(repeating: get(), count: count))
        for _ in 0..<count {
            let answer = try client.readResponse()
            guard answer.status == 200, answer.text == body else {
                Issue.record("\(answer.status), \(answer.content.count) bytes")
                break
            }
        }
        #expect(try proxy.ask(get()).status == 200)
    }

    @Test(
        "What the code cannot hold is an error of the file, with its place",
        arguments: [
            ("respond.body", "respond: { status: 200, body: BIG }", 65_537),
            (
                "set_headers.response",
                "respond: { status: 200 }\n    set_headers: { response: "
                    + "{ A: HEAD, B: HEAD, C: HEAD } }", 5_600
            ),
            ("retries.buffer", "service: app\n    retries: { buffer: 10MiB }", 0),
        ])
    func tooLarge(_ key: String, _ route: String, _ count: Int) throws {
        let text = String(repeating: "b", count: count)
        let filled = route.replacingOccurrences(of: "BIG", with: text)
            .replacingOccurrences(of: "HEAD", with: text)
        let directory = TemporaryDirectory()
        let plan = ProxyPlan(servers: [3001], rest: "routes:\n  - \(filled)")
        try directory.write(plan.text(socket: directory.file("admin.sock")), to: "large.yaml")
        let check = try ProxyProcess.command(["check", directory.file("large.yaml")])
        #expect(check.status != 0)
        #expect((check.output + check.errors).contains("large.yaml:"))
        let run = try ProxyProcess.command(["run", "-c", directory.file("large.yaml")])
        #expect(run.status != 0, "\(key)")
    }

    @Test("A large body: 413, by its length at once, in chunks when it gets there")
    func body() throws {
        let server = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() { try peer.send(ok(request.text)) }
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "limits: { body_size: 1KiB }"))
        let fitting = String(repeating: "a", count: 1024)
        #expect(try proxy.ask(post("/", fitting)).text == fitting)
        let answer = try proxy.ask(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n")
        #expect(answer.status == 413)
        let client = try proxy.client()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        try? client.send("401\r\n\(fitting)b\r\n0\r\n\r\n")
        #expect(try client.readResponse().status == 413)
        #expect(!server.received.joined().contains("\r\n0\r\n\r\n"))
    }

    @Test("A server's head beyond the limit is a 502")
    func responseHeader() throws {
        let server = try ScriptedServer { _ in
            ok("x", fields: "X-A: \(String(repeating: "a", count: 200_000))\r\n")
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port], service: "retries: off"))
        let answer = try proxy.ask(get())
        #expect(answer.status == 502)
        #expect(answer["Proxy-Status"]?.contains("server_header_too_large") ?? false)
    }

    @Test("A full server queues, a full queue refuses, and the queue is served in its order")
    func queue() throws {
        let gate = Gate()
        let server = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target == "/1" { gate.wait() }
                try peer.send(ok(request.target))
            }
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port], service: "limits: { requests_per_server: 1, queue: 2 }"))
        let clients = try (1...3).map { _ in try proxy.client() }
        for (index, client) in clients.enumerated() {
            try client.send(get("/\(index + 1)"))
            Thread.sleep(milliseconds: 100)
        }
        let refused = try proxy.ask(get("/4"))
        #expect(refused.status == 503)
        #expect(refused["Proxy-Status"]?.contains("queue_full") ?? false, "\(refused)")
        #expect(refused.has("Retry-After"))
        gate.open()
        for (index, client) in clients.enumerated() {
            #expect(try client.readResponse().text == "/\(index + 1)")
        }
        let order = server.received.joined()
        #expect(
            order.firstRange(of: "GET /2")!.lowerBound < order.firstRange(of: "GET /3")!.lowerBound)
    }

    @Test("Who waits in the queue too long: 503 queue_timeout")
    func queueTimeout() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            _ = peer.isEnded(within: 10)
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                service: "limits: { requests_per_server: 1 }\ntimeouts: { queue: 400ms }"))
        let first = try proxy.client()
        try first.send(get())
        #expect(eventually { server.connectionCount == 1 })
        let answer = try proxy.ask(get())
        #expect(answer.status == 503)
        #expect(answer["Proxy-Status"]?.contains("queue_timeout") ?? false, "\(answer)")
        #expect(answer.has("Retry-After"))
    }

    @Test("Beyond the limit of connections nobody is hurt; who leaves makes room")
    func connections() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "limits: { connections: 4 }"))
        let clients = try (0..<4).map { _ in try proxy.client() }
        for client in clients { #expect(try client.ask(get()).status == 200) }
        let fifth = try proxy.client()
        try fifth.send(get())
        #expect(fifth.isQuiet(for: 0.5))
        clients[0].close()
        #expect(try fifth.readResponse().status == 200)
        for client in clients[1...] { #expect(try client.ask(get()).status == 200) }
    }
}
