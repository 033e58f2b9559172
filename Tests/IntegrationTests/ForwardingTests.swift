import TestSupport
import Testing

@Suite("What an intermediary changes in a message", .onStage)
struct ForwardingTests {
    /// Asks through a proxy, and says what the server saw.
    private func seen(
        _ request: String, listener: String = "", service: String = "", answer: String = ok("x")
    ) throws -> (request: WireMessage, response: WireMessage) {
        let server = try ScriptedServer { _ in answer }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: service, listener: listener))
        let response = try proxy.ask(request)
        return (try #require(server.requests.first, "\(response)"), response)
    }

    @Test("Fields that are for one connection stay on it")
    func hopByHop() throws {
        let (request, response) = try seen(
            get(
                fields: "Connection: keep-alive, X-Private, TE\r\nX-Private: 1\r\nKeep-Alive: 5\r\n"
                    + "Proxy-Connection: keep-alive\r\nTE: gzip\r\nX-Public: 2\r\n"),
            answer: ok(
                "x",
                fields:
                    "Connection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nX-Outer: 2\r\n"
                    + "Proxy-Authenticate: Basic\r\n"))
        for name in ["X-Private", "Keep-Alive", "Proxy-Connection"] {
            #expect(request[name] == nil, "\(name) reached the server")
        }
        #expect(request["TE"] != "gzip")
        #expect(request["X-Public"] == "2")
        for name in ["X-Inner", "Keep-Alive"] {
            #expect(response[name] == nil, "\(name) reached the client")
        }
        #expect(response["X-Outer"] == "2")
    }

    @Test("The order, the case and the repetition of other fields are kept")
    func untouched() throws {
        let (request, response) = try seen(
            get(fields: "X-b: 2\r\nx-A: 1\r\nCookie: a=1\r\nX-b: 3\r\nX-Odd: a, ,b;\"q\\\"\"\r\n"),
            answer: ok("x", fields: "Set-Cookie: a=1\r\nset-cookie: b=2\r\nServer: app/1\r\n"))
        let sent = request.fields.filter { ["X-b", "x-A", "Cookie", "X-Odd"].contains($0.name) }
        #expect(
            sent.map { "\($0.name): \($0.value)" } == [
                "X-b: 2", "x-A: 1", "Cookie: a=1", "X-b: 3", "X-Odd: a, ,b;\"q\\\"\"",
            ])
        #expect(response.values("Set-Cookie") == ["a=1", "b=2"])
        #expect(response["Server"] == "app/1")
        #expect(response["Date"] != nil)
    }

    @Test("Via names us on the way in")
    func via() throws {
        let (request, _) = try seen(get(fields: "Via: 1.0 other\r\n"))
        let values = request.values("Via").joined(separator: ", ")
        #expect(values.hasPrefix("1.0 other, 1.1 "), "\(values)")
    }

    @Test("A stranger's X-Forwarded-* is replaced by what we saw")
    func forwarded() throws {
        let (request, _) = try seen(
            get(
                host: "shop.test:81",
                fields: "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
                    + "X-Forwarded-Host: evil.test\r\nForwarded: for=1.2.3.4\r\n"))
        #expect(request.values("X-Forwarded-For") == ["127.0.0.1"])
        #expect(request.values("X-Forwarded-Proto") == ["http"])
        #expect(request.values("X-Forwarded-Host") == ["shop.test:81"])
        #expect(request["Forwarded"] == nil)
        #expect(request["Host"] == "shop.test:81")
    }

    /// What an application may believe because a proxy says it, and names that it could take for
    /// one of these.
    private static let claims = [
        "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Scheme",
        "X-Forwarded-Server", "X-Forwarded-User", "X-Real-IP",
    ]
    private static let lookalikes = [
        "X_Forwarded_For", "X.Forwarded.For", "X-Forwarded_Proto", "x_forwarded_prefix",
        "X_Real_IP", "X_Request_Id", "Content_Length", "Transfer_Encoding",
    ]
    private static let certificates = [
        "X-Client-Cert-Subject", "X-Client-Cert-Fingerprint", "X_Client_Cert_Subject",
        "X.Client-Cert.Fingerprint",
    ]
    private static var forged: String {
        (claims + lookalikes + certificates).map { "\($0): forged\r\n" }.joined()
    }

    @Test("What only a proxy may say does not come through from a client, however it is spelt")
    func claimsOfClients() throws {
        for mode in ["x-forwarded", "rfc7239", "both"] {
            let (request, _) = try seen(
                get(fields: Self.forged + "X_Custom.Name: 1\r\n"),
                listener: "headers: { forwarded: \(mode) }")
            let names = request.fields.filter { $0.value == "forged" }.map(\.name)
            #expect(names == [], "\(mode)")
            #expect(request["X_Custom.Name"] == "1")
        }
    }

    @Test("A trusted proxy may say more of its client, but not of certificates nor in disguise")
    func claimsOfProxies() throws {
        let (request, _) = try seen(
            get(fields: Self.forged), listener: "trusted_proxies: [127.0.0.0/8]")
        let names = request.fields.filter { $0.value == "forged" }.map(\.name)
        #expect(names == Self.claims)
    }

    @Test("forwarded: off leaves these fields alone, but for those of certificates and framing")
    func claimsWithoutForwarding() throws {
        let (request, _) = try seen(
            get(fields: Self.forged), listener: "headers: { forwarded: off, request_id: off }")
        let names = request.fields.filter { $0.value == "forged" }.map(\.name)
        #expect(
            names == Self.claims
                + Self.lookalikes.filter { !["Content_Length", "Transfer_Encoding"].contains($0) })
    }

    @Test("A field that a route or the listener sets cannot be given under a name that reads alike")
    func claimsOfOurOwn() throws {
        let server = try ScriptedServer { _ in ok("x") }
        var plan = ProxyPlan(
            servers: [server.port], listener: "headers: { request_id: X-Trace-Id }")
        plan.rest = """
            routes:
              - service: app
                set_headers: { request: { X-Role: guest } }
                remove_headers: { request: [X-Internal] }
            """
        let proxy = try ProxyProcess(plan)
        let names = ["X-Role", "X_Role", "x.role", "X-Internal", "X_Internal", "X_Trace.Id"]
        _ = try proxy.ask(get(fields: names.map { "\($0): forged\r\n" }.joined()))
        let request = try #require(server.requests.first)
        #expect(request.fields.filter { $0.value == "forged" }.map(\.name) == [])
        #expect(request.values("X-Role") == ["guest"])
        #expect(request["X-Trace-Id"] != nil)
    }

    @Test("A trusted proxy's X-Forwarded-For is continued")
    func trusted() throws {
        let (request, _) = try seen(
            get(fields: "X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"),
            listener: "trusted_proxies: [127.0.0.0/8]")
        #expect(request.values("X-Forwarded-For").joined(separator: ", ") == "1.2.3.4, 127.0.0.1")
        #expect(request.values("X-Forwarded-Proto") == ["https"])
    }

    @Test("Forwarded as RFC 7239 has it, or nothing at all")
    func forwardedForms() throws {
        let (standard, _) = try seen(get(), listener: "headers: { forwarded: rfc7239 }")
        let value = (standard["Forwarded"] ?? "").lowercased()
        #expect(value.contains("for=127.0.0.1") || value.contains("for=\"127.0.0.1\""))
        #expect(value.contains("proto=http"))
        #expect(standard["X-Forwarded-For"] == nil)
        let (silent, _) = try seen(
            get(fields: "X-Forwarded-For: 1.2.3.4\r\n"), listener: "headers: { forwarded: off }")
        #expect(silent["Forwarded"] == nil)
        #expect(silent["X-Forwarded-For"] != "127.0.0.1")
    }

    @Test("A request has one identity, and both ends learn it")
    func requestIdentity() throws {
        let (request, response) = try seen(get(fields: "X-Request-Id: forged\r\n"))
        let identity = try #require(request["X-Request-Id"])
        #expect(identity != "forged")
        #expect(response["X-Request-Id"] == identity)
        let (trusted, _) = try seen(
            get(fields: "X-Request-Id: from-the-edge\r\n"),
            listener: "trusted_proxies: [127.0.0.1/32]")
        #expect(trusted["X-Request-Id"] == "from-the-edge")
    }

    @Test("Who has seen one identity does not know the next")
    func identitiesAreSecret() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        var numbers: [UInt64] = []
        for _ in 0..<8 {
            let identity = try #require(try proxy.ask(get())["X-Request-Id"])
            numbers.append(try #require(UInt64(identity, radix: 16)))
        }
        // What the common fast generators would say next, from the state that shows.
        let multiplier: UInt64 = 0x2545_F491_4F6C_DD1D
        var inverse = multiplier
        for _ in 0..<6 { inverse = inverse &* (2 &- multiplier &* inverse) }
        for (known, next) in zip(numbers, numbers.dropFirst()) {
            var state = known &* inverse
            for _ in 0..<64 {
                state ^= state >> 12
                state ^= state << 25
                state ^= state >> 27
                #expect(next != state &* multiplier)
            }
            #expect(next &- known > 1 << 32 && known &- next > 1 << 32, "no counter")
        }
        #expect(Set(numbers).count == numbers.count)
    }

    @Test("Absolute form: the authority of the target wins over Host")
    func absoluteForm() throws {
        let (request, _) = try seen(
            "GET http://other.test/a?b HTTP/1.1\r\nHost: example.test\r\n\r\n")
        #expect(request.startLine == "GET /a?b HTTP/1.1")
        #expect(request.values("Host") == ["other.test"])
    }

    @Test("OPTIONS * stays what it is")
    func asterisk() throws {
        let (request, _) = try seen("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(request.startLine == "OPTIONS * HTTP/1.1")
    }

    @Test("Host can be the server's, or a fixed one")
    func host() throws {
        let (fixed, _) = try seen(get(), service: "host: app.internal")
        #expect(fixed["Host"] == "app.internal")
        let (own, _) = try seen(get(), service: "host: server")
        #expect(own["Host"]?.hasPrefix("127.0.0.1:") ?? false)
    }

    @Test("A path is forwarded as it was written")
    func path() throws {
        let target = "/a%2Fb/./c/../d//e;f=g?h=%20&i=/../"
        let (request, _) = try seen(get(target))
        #expect(request.target == target)
    }

    @Test("A proxy that would ask itself says so")
    func loop() throws {
        let port = Machine.freePort()
        let proxy = try ProxyProcess(
            ProxyPlan(port: port, servers: [port], service: "retries: off"))
        let answer = try proxy.ask(get())
        #expect(answer.status == 502)
        #expect(answer["Proxy-Status"]?.contains("proxy_loop_detected") ?? false, "\(answer)")
        #expect(proxy.waitForLog("\"loop\""))
    }
}
