import Foundation
import TestSupport
import Testing

@Suite("The admin socket", .onStage)
struct AdminTests {
    /// What `POST /v1/config/reload` answers.
    private struct Receipt: Decodable, Equatable {
        var generation: Int
        var added: [String]
        var changed: [String]
        var removed: [String]
        var untouched: Int
        var connectionsClosed: Int
    }

    private struct Problem: Decodable {
        var title: String
        var status: Int
        var code: String
        var help: String?
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ answer: WireMessage) throws -> Value
    {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(type, from: Data(answer.content))
    }

    @Test(
        "Whatever stands behind the question mark, there is an answer",
        arguments: ["=", "==", "&", "&=&", "=x", "a=", "a==b", "%", "%=%", "%3d=%3D", "?", ""])
    func queries(query: String) throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        #expect(try proxy.admin("/healthz?\(query)").status == 200)
        let one = "/v1/services/app/servers/\(server.address)"
        #expect(try proxy.admin("\(one)?\(query)").status == 200)
        #expect(try proxy.admin("\(one)?\(query)&n%6Fw", method: "DELETE").status == 200)
    }

    @Test("Says what is wrong with a request, in one sentence and a code")
    func problems() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let servers = "/v1/services/app/servers"
        let one = "\(servers)/\(server.address)"
        let cases: [(String, String, String, Int, String)] = [
            ("GET", "/", "", 404, "not-found"),
            ("GET", "/v1", "", 404, "not-found"),
            ("GET", "/v2/status", "", 404, "not-found"),
            ("GET", "/v1/status/more", "", 404, "not-found"),
            ("GET", "/v1/services/none", "", 404, "no-service"),
            ("GET", "/v1/services/app/nothing", "", 404, "not-found"),
            ("GET", "\(servers)/127.0.0.1:1", "", 404, "no-server"),
            ("GET", "\(one)/more", "", 404, "not-found"),
            ("POST", "/v1/config/nothing", "", 404, "not-found"),
            ("POST", "/v1/status", "", 405, "wrong-method"),
            ("DELETE", "/v1/services", "", 405, "wrong-method"),
            ("PUT", servers, "{}", 405, "wrong-method"),
            ("POST", one, "{}", 405, "wrong-method"),
            ("GET", "/v1/config/reload", "", 405, "wrong-method"),
            ("POST", servers, "", 422, "bad-json"),
            ("POST", servers, "{\"address\":", 422, "bad-json"),
            ("POST", servers, "{\"adress\":\"127.0.0.1:3001\"}", 422, "bad-json"),
            ("POST", servers, "{\"address\":\"no address\"}", 422, "bad-address"),
            ("POST", servers, "{\"address\":\"\(server.address)\"}", 422, "duplicate-address"),
            ("POST", servers, "{\"address\":\"127.0.0.1:9\",\"weight\":1001}", 422, "out-of-range"),
            (
                "POST", servers, "{\"address\":\"127.0.0.1:9\",\"timeout\":\"999999999d\"}", 422,
                "bad-duration"
            ),
            ("POST", servers, "{\"address\":\"127.0.0.1:9\",\"name\":\"a b\"}", 422, "bad-name"),
            ("PATCH", one, "[]", 422, "bad-json"),
            ("PATCH", one, "{\"weight\":-1}", 422, "out-of-range"),
            ("PATCH", one, "{\"state\":\"asleep\"}", 422, "bad-word"),
            ("DELETE", "\(one)?drain=soon", "", 422, "bad-duration"),
        ]
        for (method, path, content, status, code) in cases {
            let answer = try proxy.admin(path, method: method, content: content)
            let place = "\(method) \(path) \(content)"
            #expect(answer.status == status, "\(place): \(answer)")
            #expect(answer["Content-Type"] == "application/problem+json", "\(place)")
            let problem = try decode(Problem.self, answer)
            #expect(problem.status == status, "\(place)")
            #expect(problem.code == code, "\(place)")
            #expect(!problem.title.isEmpty && !problem.title.hasSuffix("."), "\(place)")
        }
        // None of it has changed anything.
        #expect(proxy.serverStates().keys.sorted() == [server.address])
        #expect(try proxy.admin("/v1/status")["ETag"] == "\"g1\"")
        let head = try ScriptedClient(path: proxy.socket).ask(
            "HEAD /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        #expect(head.status == 200)
    }

    @Test("A reload's receipt names what differs, and counts what does not")
    func receipts() throws {
        let servers = try ["a", "b", "c"].map { try ScriptedServer(text: $0) }
        var plan = ProxyPlan(servers: [servers[0].port, servers[1].port])
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        #expect(try ["a", "b"].contains(client.ask(get()).text))
        func reload(_ change: () -> Void) throws -> Receipt {
            change()
            try proxy.rewrite(plan)
            return try decode(
                Receipt.self, proxy.admin("/v1/config/reload", method: "POST"))
        }
        // The watcher may be faster; then the receipt that is asked for is empty. The log has
        // every receipt.
        func expect(_ words: String, _ change: () -> Void) throws {
            _ = try reload(change)
            #expect(proxy.waitForLog(words), "\(proxy.log)")
        }
        let nothing = try reload {}
        #expect(
            nothing
                == Receipt(
                    generation: 1, added: [], changed: [], removed: [], untouched: 4,
                    connectionsClosed: 0))
        try expect("g2: added app/\(servers[2].address); 4 untouched, 0 connections closed") {
            plan.servers.append(servers[2].address)
        }
        try expect("g3: removed app/\(servers[0].address); 4 untouched, 0 connections closed") {
            plan.servers.removeFirst()
        }
        try expect("g4: changed service app; 3 untouched, 0 connections closed") {
            plan.service = "balance: round-robin"
        }
        try expect("g5: changed app/\(servers[1].address); 3 untouched") {
            plan.servers[0] = "{ address: \"\(servers[1].address)\", weight: 3 }"
        }
        try expect("g6: changed listener web; 3 untouched") {
            plan.listener = "headers: { server: off }"
        }
        try expect("g7: added service spare, spare/\(servers[0].address); changed routes; 4") {
            plan.services = "spare: { servers: [\(servers[0].address)], health: off }"
            plan.rest = """
                routes:
                  - { path: /spare/*, service: spare }
                  - { service: app }
                """
        }
        let last = try reload {}
        #expect(last.generation == 7)
        #expect(last.untouched == 6)
        // Its connection has seen all of it.
        #expect(try client.ask(get("/spare/")).text == "a")
    }

    @Test("A server of the file that is removed and added again is there once")
    func removedAndAdded() throws {
        let servers = try ["a", "b"].map { try ScriptedServer(text: $0) }
        let proxy = try ProxyProcess(ProxyPlan(servers: servers.map(\.port)))
        #expect(try proxy.command("remove", servers[1].address).status == 0)
        #expect(try proxy.command("add", servers[1].address, "--no-wait").status == 0)
        let status = String(decoding: try proxy.admin("/v1/services/app").content, as: UTF8.self)
        let count = status.components(separatedBy: "\"id\":\"\(servers[1].address)\"").count - 1
        #expect(count == 1, "\(status)")
        #expect(status.contains("\"source\":\"file\""))
        #expect(!status.contains("\"source\":\"live\""))
    }

    @Test("Metrics are a page that Prometheus reads, with what the proxy did and its certificates")
    func metrics() throws {
        let server = try ScriptedServer(isRecording: false) { request in
            request.target == "/bad" ? "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" : ok("x")
        }
        let certificate = try Authority().certificate(["a.test"])
        var plan = ProxyPlan(servers: [server.port])
        plan.listeners =
            "tls: { address: \"127.0.0.1:\(Machine.freePort())\", "
            + "tls: { certificates: [\(certificate.entry)] } }"
        let proxy = try ProxyProcess(plan)
        for path in ["/", "/", "/bad"] { _ = try proxy.ask(get(path)) }
        let page = try proxy.admin("/metrics")
        #expect(page.status == 200)
        #expect(page["Content-Type"]?.hasPrefix("text/plain; version=0.0.4") == true)
        let lines = Set(page.text.split(separator: "\n").map(String.init))
        #expect(lines.contains(#"staithe_requests_total{service="app"} 3"#), "\(page.text)")
        #expect(lines.contains(#"staithe_answers_total{code="2xx"} 2"#))
        #expect(lines.contains(#"staithe_answers_total{code="5xx"} 1"#))
        #expect(lines.contains(#"staithe_request_duration_seconds_count{service="app"} 3"#))
        #expect(
            lines.contains(
                #"staithe_request_duration_seconds_bucket{service="app",le="+Inf"} 3"#))
        let name = #"service="app",server="127.0.0.1:\#(server.port)",version="""#
        #expect(lines.contains("staithe_server_failures_total{\(name)} 1"), "\(page.text)")
        #expect(lines.contains(#"staithe_server_state{\#(name),state="up"} 1"#))
        let expiry = try #require(
            lines.first {
                $0.hasPrefix("staithe_certificate_expiry_timestamp_seconds{listener=\"tls\"")
            })
        let seconds = try #require(Double(expiry.split(separator: " ").last ?? ""))
        #expect(abs(seconds - Date().timeIntervalSince1970 - 30 * 86_400) < 3600)
        // Every family is told once, and every sample belongs to one.
        let told = page.text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
            .map { $0.split(separator: " ")[2] }
        #expect(Set(told).count == told.count)
        for line in lines where !line.hasPrefix("#") {
            let sample = line.prefix { $0 != "{" && $0 != " " }
            #expect(told.contains { sample.hasPrefix($0) }, "\(line)")
        }
    }
}
