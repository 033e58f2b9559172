import TestSupport
import Testing

@Suite("The most specific route wins, whatever the order", .onStage)
struct RouteTests {
    /// One server per service, each answering with its name; routes as given.
    private func proxy(_ routes: String, services: [String]) throws -> ProxyProcess {
        var lines = ""
        for name in services {
            let server = try ScriptedServer(isRecording: false) { request in
                let saw = "\(request["X-New"] ?? "-") \(request["X-Old"] ?? "-")"
                return ok(
                    "\(name) \(request.target)",
                    fields: "X-Powered-By: app\r\nX-Saw: \(saw)\r\n")
            }
            lines += "\(name): { servers: [\(server.address)], health: off }\n"
        }
        var plan = ProxyPlan(services: lines, rest: "routes:\n" + routes)
        plan.servers = [try ScriptedServer(text: "app").address]
        return try ProxyProcess(plan)
    }

    @Test("Exact host, then wildcard, then any")
    func hosts() throws {
        let proxy = try proxy(
            """
              - { service: app }
              - { host: "*.example.com", service: wild }
              - { host: a.example.com, service: exact }
            """, services: ["wild", "exact"])
        let client = try proxy.client()
        for (host, expected) in [
            ("a.example.com", "exact /"), ("A.Example.COM", "exact /"),
            ("a.example.com:8080", "exact /"), ("b.example.com", "wild /"),
            ("c.b.example.com", "wild /"), ("example.com", "app"), ("other.test", "app"),
        ] {
            #expect(try client.ask(get("/", host: host)).text == expected, "\(host)")
        }
    }

    @Test("Exact path, then the longest prefix of whole segments")
    func paths() throws {
        let proxy = try proxy(
            """
              - { path: /api/*, service: api }
              - { path: /api/v2/*, service: newer }
              - { path: /api/v2/health, service: exact }
              - { service: app }
            """, services: ["api", "newer", "exact"])
        let client = try proxy.client()
        for (path, expected) in [
            ("/api", "api /api"), ("/api/", "api /api/"), ("/api/x", "api /api/x"),
            ("/api?q", "api /api?q"), ("/apix", "app"), ("/api/v2", "newer /api/v2"),
            ("/api/v2/x", "newer /api/v2/x"), ("/api/v2x", "api /api/v2x"),
            ("/api/v2/health", "exact /api/v2/health"),
            ("/api/v2/health?x=1", "exact /api/v2/health?x=1"),
            ("/api/v2/health/", "newer /api/v2/health/"), ("/", "app"),
        ] {
            #expect(try client.ask(get(path)).text == expected, "\(path)")
        }
    }

    @Test("Methods and fields narrow a route")
    func conditions() throws {
        let proxy = try proxy(
            """
              - { path: /x, methods: [POST, PUT], service: writes }
              - { path: /x, headers: { X-Beta: "1" }, service: beta }
              - { path: /y, headers: { X-Any: "*" }, service: present }
              - { service: app }
            """, services: ["writes", "beta", "present"])
        let client = try proxy.client()
        #expect(try client.ask(post("/x", "")).text == "writes /x")
        #expect(try client.ask(get("/x", fields: "X-Beta: 1\r\n")).text == "beta /x")
        #expect(try client.ask(get("/x", fields: "X-Beta: 2\r\n")).text == "app")
        #expect(try client.ask(get("/y", fields: "X-Any: thing\r\n")).text == "present /y")
        #expect(try client.ask(get("/y")).text == "app")
        #expect(try client.ask(get("/x")).text == "app")
    }

    @Test("Redirects and fixed answers need no server")
    func withoutServer() throws {
        let proxy = try proxy(
            """
              - { host: old.test, redirect: { to: "https://new.test${path}", status: 301 } }
              - path: /robots.txt
                respond: { status: 200, body: "User-agent: *", type: text/plain }
              - { path: /gone, respond: { status: 410, body: "gone" } }
              - { service: app }
            """, services: [])
        let client = try proxy.client()
        let moved = try client.ask(get("/a?b=c", host: "old.test"))
        #expect(moved.status == 301)
        #expect(moved["Location"] == "https://new.test/a?b=c")
        let robots = try client.ask(get("/robots.txt"))
        #expect(robots.text == "User-agent: *")
        #expect(robots["Content-Type"]?.hasPrefix("text/plain") ?? false)
        #expect(try client.ask(get("/gone")).status == 410)
        #expect(try client.ask(post("/gone", "content")).status == 410)
        let head = try client.ask("HEAD /robots.txt HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head["Content-Length"] == "13")
        #expect(try client.ask(get("/")).text == "app")
    }

    @Test("A prefix can be taken off")
    func stripPrefix() throws {
        let proxy = try proxy(
            """
              - { path: /api/*, service: api, strip_prefix: true }
              - { service: app }
            """, services: ["api"])
        let client = try proxy.client()
        for (path, expected) in [
            ("/api/x?q", "api /x?q"), ("/api/", "api /"), ("/api", "api /"), ("/api?q", "api /?q"),
        ] {
            #expect(try client.ask(get(path)).text == expected, "\(path)")
        }
    }

    @Test("Fields are set and removed on both ways")
    func changes() throws {
        let proxy = try proxy(
            """
              - path: /api/*
                service: api
                set_headers:
                  request: { X-New: made }
                  response: { X-Frame-Options: DENY }
                remove_headers:
                  request: [X-Old]
                  response: [X-Powered-By]
              - service: app
            """, services: ["api"])
        let answer = try proxy.ask(get("/api/", fields: "X-Old: 1\r\nX-New: theirs\r\n"))
        #expect(answer["X-Saw"] == "made -")
        #expect(answer.values("X-Frame-Options") == ["DENY"])
        #expect(answer["X-Powered-By"] == nil)
    }

    @Test("No route: 404 no_route")
    func noRoute() throws {
        let proxy = try proxy("  - { host: only.test, service: app }", services: [])
        #expect(try proxy.ask(get("/", host: "only.test")).text == "app")
        let answer = try proxy.ask(get("/", host: "other.test"))
        #expect(answer.status == 404)
        #expect(answer["Proxy-Status"]?.contains("destination_not_found") ?? false)
    }

    /// Routes beside a guarded one, and the listener's way to read paths.
    private func guarded(_ paths: String, _ routes: String = "") throws -> ProxyProcess {
        let server = try ScriptedServer(isRecording: false) { ok("app \($0.target)") }
        return try ProxyProcess(
            ProxyPlan(
                servers: [server.port], listener: paths.isEmpty ? "" : "paths: \(paths)",
                rest: "access_log: { mode: all }\nroutes:\n"
                    + "  - { path: /admin/*, respond: { status: 403, body: \"no\" } }\n"
                    + routes + "  - { service: app }\n"))
    }

    @Test("A dressed-up path does not get past a more specific route")
    func normalization() throws {
        let proxy = try guarded("")
        for path in [
            "/admin", "/admin/x", "/x/../admin/", "/./admin/", "/%61dmin/", "/x/%2e%2e/admin/",
            "//admin/x", "/.//admin/x", "///admin//x", "/x/..//admin", "/x//../admin",
            "http://a.test//admin/x",
        ] {
            #expect(try proxy.ask(get(path)).status == 403, "\(path)")
        }
        for path in [
            "/admin%2fx", "/admin%5Cx", "/admin\\x", "/admin;a/x", "/x/..;/admin/x",
            "/x;%2f..%2fadmin/x", "/x%2f../admin", "/;/admin",
        ] {
            let answer = try proxy.ask(get(path))
            #expect(answer.status == 400, "\(path): \(answer)")
            #expect(answer["Proxy-Status"]?.contains("ambiguous_path") ?? false)
        }
    }

    @Test("What was matched is what the server gets and the log tells")
    func oneReading() throws {
        let proxy = try guarded("", "  - { path: /api/*, service: app, strip_prefix: true }\n")
        let client = try proxy.client()
        for (path, expected) in [
            ("/%61pi/users", "/users"), ("/api/../api/users", "/users"), ("//api//users", "/users"),
            ("/api//users?a=//b/../%61", "/users?a=//b/../%61"), ("/b%2Fx/y;z", "/b%2Fx/y;z"),
            ("/a//b/./c?x//y", "/a/b/c?x//y"), ("/x/../a", "/a"), ("/%7euser/%20", "/~user/%20"),
            ("http://a.test/x/..//api/y", "/y"), ("/a/b;c%2Fd", "/a/b;c%2Fd"), ("/api//", "/"),
        ] {
            let answer = try client.ask(get(path))
            #expect(answer.text == "app \(expected)", "\(path)")
        }
        // More than one read, with content, and another request behind it on the connection.
        let two =
            "\r\nPOST //api/../api//a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            + get("//api//b")
        #expect(try client.ask(two).text == "app /a")
        #expect(try client.readResponse().text == "app /b")
        #expect(proxy.waitForLog("\"path\":\"/a/b/c\""))
    }

    @Test("Slashes can count, and ambiguous paths be refused or passed")
    func readingsByListener() throws {
        let kept = try guarded("{ merge_slashes: off }")
        #expect(try kept.ask(get("//admin//x")).text == "app //admin//x")
        #expect(try kept.ask(get("/admin//x")).status == 403)
        let strict = try guarded("{ ambiguous: refuse }")
        for path in ["/a%2Fb", "/a%5cb", "/a\\b", "/a;b"] {
            #expect(try strict.ask(get(path)).status == 400, "\(path)")
        }
        #expect(try strict.ask(get("/a/b?c=%2F;d\\")).text == "app /a/b?c=%2F;d\\")
        let open = try guarded("{ ambiguous: pass }")
        #expect(try open.ask(get("/admin%2Fx")).text == "app /admin%2Fx")
    }

    @Test("Ambiguous paths are refused also where one route takes everything")
    func strictCatchAll() throws {
        let server = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "paths: { ambiguous: refuse }"))
        #expect(try proxy.ask(get("/a%2Fb")).status == 400)
        #expect(try proxy.ask(get("/a//b")).text == "app")
    }

    @Test("A path that no route of its host names goes on as it came")
    func unread() throws {
        let server = try ScriptedServer(isRecording: false) { ok("app \($0.target)") }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                rest: """
                    routes:
                      - { host: files.test, service: app }
                      - { host: "*.files.test", service: app }
                      - { host: app.test, path: /x/*, service: app }
                      - { host: app.test, service: app }
                    """))
        let target = "/a//b/./%7e/../c%2Fd;e?f//g"
        for host in ["files.test", "a.files.test"] {
            #expect(try proxy.ask(get(target, host: host)).text == "app \(target)")
        }
        #expect(try proxy.ask(get(target, host: "app.test")).text == "app /a/b/c%2Fd;e?f//g")
    }
}
