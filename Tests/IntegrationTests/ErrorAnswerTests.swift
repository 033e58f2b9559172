import Foundation
import TestSupport
import Testing

@Suite("Why it failed, for whoever asks", .onStage)
struct ErrorAnswerTests {
    private func failing() throws -> ProxyProcess {
        try ProxyProcess(
            ProxyPlan(servers: [Machine.freePort()], service: "retries: off\noutliers: off"))
    }

    @Test("A refused connection is a 502 with its reason, its type and the request's identity")
    func fields() throws {
        let proxy = try failing()
        let answer = try proxy.ask(get())
        #expect(answer.status == 502)
        let status = try #require(answer["Proxy-Status"])
        #expect(status.hasPrefix("staithe; "))
        #expect(status.contains("error=connection_refused"))
        #expect(status.contains("server_refused"))
        let identity = try #require(answer["X-Request-Id"])
        #expect(answer.text.contains(identity))
        #expect(answer["Content-Length"] == "\(answer.content.count)")
        #expect(!answer.text.contains("127.0.0.1"))
        #expect(eventually { proxy.log.contains(identity) && proxy.log.contains("server_refused") })
    }

    @Test("The body is text, JSON or HTML, as the client likes it")
    func types() throws {
        let client = try failing().client()
        let json = try client.ask(get(fields: "Accept: application/json\r\n"))
        #expect(json["Content-Type"]?.hasPrefix("application/") ?? false)
        let object = try JSONSerialization.jsonObject(with: Data(json.content)) as? [String: Any]
        #expect(object?.values.contains { $0 as? String == "server_refused" } ?? false, "\(json)")
        let html = try client.ask(
            get(fields: "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"))
        #expect(html["Content-Type"]?.hasPrefix("text/html") ?? false)
        #expect(html.text.lowercased().contains("<html"))
        for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
            let text = try client.ask(get(fields: accept))
            #expect(text["Content-Type"]?.hasPrefix("text/plain") ?? false)
        }
    }

    @Test("An answer to HEAD has no body, and the connection goes on")
    func head() throws {
        let client = try failing().client()
        for _ in 0..<2 {
            let answer = try client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.status == 502)
        }
        #expect(try client.ask(get()).status == 502)
    }

    @Test("The access log holds one JSON line per failure, and none for what went well")
    func accessLog() throws {
        let server = try ScriptedServer { request in
            request.target == "/500" ? "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" : ok("x")
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                rest:
                    "routes:\n  - { path: /only/*, service: app }\n  - { path: /500, service: app }"
            ))
        for target in ["/only/1", "/only/2", "/nowhere?token=secret"] {
            _ = try proxy.ask(get(target))
        }
        #expect(proxy.waitForLog("no_route"))
        let lines = proxy.process.output.split(separator: "\n").filter { $0.contains("\"reason\"") }
        #expect(lines.count == 1, "\(lines)")
        let line = try #require(lines.first)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        #expect(object["reason"] as? String == "no_route")
        #expect(object["status"] as? Int == 404)
        #expect(object["method"] as? String == "GET")
        #expect(object["host"] as? String == "example.test")
        #expect(object["client"] as? String == "127.0.0.1")
        #expect(!line.contains("secret"))
    }

    @Test("In mode all, every request has its line")
    func accessLogAll() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], rest: "access_log: { mode: all }"))
        for _ in 0..<5 { _ = try proxy.ask(get("/seen")) }
        #expect(
            eventually {
                proxy.process.output.split(separator: "\n")
                    .filter { $0.contains("/seen") && $0.contains("\"ok\"") }.count == 5
            })
    }
}
