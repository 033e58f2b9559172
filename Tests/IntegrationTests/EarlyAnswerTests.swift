import TestSupport
import Testing

@Suite("An answer that comes before the end of an upload arrives", .onStage)
struct EarlyAnswerTests {
    private static let length = 3_000

    /// Answers as soon as it has the head, and leaves with the content unread.
    private func hastyServer() throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            let text = String(repeating: "n", count: Self.length)
            try peer.send(
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: \(text.utf8.count)\r\n\r\n"
                    + text)
        }
    }

    private func proxy(_ authority: Authority?) throws -> ProxyProcess {
        var plan = ProxyPlan(
            service: "retries: off",
            rest: """
                routes:
                  - { host: 127.0.0.1, path: /fixed, respond: { status: 401, body: "who?" } }
                  - { host: 127.0.0.1, path: /gone, service: gone }
                  - { host: 127.0.0.1, path: "/app/*", service: app }
                """)
        plan.services = "gone: { servers: [\(Machine.freePort())], health: off, retries: off }"
        plan.servers = [try hastyServer().address]
        if let authority {
            let certificate = try authority.certificate(["127.0.0.1"])
            plan.listener = "tls: { certificates: [\(certificate.entry)] }\n"
        }
        plan.listener += "limits: { body_size: 20MiB }\n"
        return try ProxyProcess(plan)
    }

    @Test(
        "Python's http.client and urllib get it, from a server and from us",
        arguments: [false, true])
    func python(isSecure: Bool) throws {
        let authority = isSecure ? try Authority() : nil
        let proxy = try proxy(authority)
        for (path, status) in [
            ("/app/x", 413), ("/fixed", 401), ("/nowhere", 404), ("/gone", 502),
        ] {
            let url = "\(isSecure ? "https" : "http")://127.0.0.1:\(proxy.port)\(path)"
            let answer = try run(
                "/usr/bin/python3",
                [Machine.support("early_answers.py"), url, "12000000"]
                    + (authority.map { [$0.file] } ?? []))
            let lines = answer.output.split(separator: "\n")
            #expect(lines.count == 2)
            for line in lines {
                let words = line.split(separator: " ")
                #expect(words.dropFirst().first == "\(status)", "\(path): \(answer)")
                #expect(words.last == "close", "\(path): \(answer)")
                if status == 413 { #expect(words.dropFirst(2).first == "\(Self.length)") }
            }
        }
        // More than the listener takes.
        let url = "\(isSecure ? "https" : "http")://127.0.0.1:\(proxy.port)/app/x"
        let answer = try run(
            "/usr/bin/python3",
            [Machine.support("early_answers.py"), url, "25000000"]
                + (authority.map { [$0.file] } ?? []))
        #expect(answer.output.components(of: " 413 ") == 2, "\(answer)")
    }

    @Test("The end is said at once; what the client still sends is taken for as long as it comes")
    func halfClose() throws {
        let client = try proxy(nil).client()
        try client.send(
            "POST /app/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000\r\n\r\nstart")
        let answer = try client.readResponse()
        #expect(answer.status == 413)
        #expect(answer.text.utf8.count == Self.length)
        #expect(answer["Connection"] == "close")
        #expect(client.isEnded())
        // For longer than it may pause. A reset would fail one of these.
        for _ in 0..<60 {
            try client.send(String(repeating: "x", count: 10_000))
            Thread.sleep(milliseconds: 100)
        }
    }

    @Test("A client that stops sending and does not leave is left")
    func pause() throws {
        let proxy = try proxy(nil)
        let client = try proxy.client()
        try client.send(
            "POST /fixed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000000\r\n\r\nstart")
        #expect(try client.readResponse().status == 401)
        #expect(client.isEnded())
        func isConnected() throws -> Bool {
            let page = try proxy.admin("/metrics").text
            return page.split(separator: "\n").contains {
                $0.hasPrefix("staithe_connections{") && $0.hasSuffix(" 1")
            }
        }
        #expect(try eventually { try isConnected() }, "for a while")
        #expect(try eventually(timeout: 15) { try !isConnected() })
    }
}
