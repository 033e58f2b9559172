import Configuration
import Testing

/// The order of routes, and the routes that are refused because it would be undecided or in
/// vain.
@Suite("Routes of a file") struct RouteRuleTests {
    private func load(_ routes: String) -> ConfigurationLoader.Outcome {
        let text = """
            listeners: { web: { address: 8080 } }
            services: { app: { servers: [3001] } }
            routes:

            """
        let lines = routes.split(separator: "\n").map { line in
            let isWhole = line.contains("respond") || line.contains("service")
            return isWhole ? "  - { \(line) }\n" : "  - { \(line), service: app }\n"
        }
        return ConfigurationLoader.load(
            text: Array((text + lines.joined()).utf8), file: "routes.yaml")
    }

    private func errors(_ routes: String) -> [Diagnostic] {
        load(routes).diagnostics.filter { $0.severity == .error }
    }

    @Test("Routes stand in order of precedence, whatever the file's order")
    func order() throws {
        let outcome = load(
            """
            service: app
            path: /api/*
            path: /api/v2/*
            path: /api
            path: /api, methods: [GET]
            path: /api, headers: { X-A: "*" , X-B: "*" }
            path: /api, headers: { X-A: "1" , X-B: "*" }
            host: "*.test", path: /z
            host: "*.a.test"
            host: a.test
            host: a.test, path: /y/*
            """)
        let routes = try #require(outcome.configuration?.routes)
        let names = routes.map { route in
            ([route.label] + route.methods + route.headers.map { "\($0.name)=\($0.value ?? "*")" })
                .joined(separator: " ")
        }
        #expect(
            names == [
                "a.test/y/*", "a.test", "*.a.test", "*.test/z",
                "/api x-a=1 x-b=*", "/api x-a=* x-b=*", "/api GET", "/api",
                "/api/v2/*", "/api/*", "*",
            ])
    }

    @Test(
        "Two routes that tie are an error at the second one, with the place of the first",
        arguments: [
            "path: /x\npath: /x",
            "service: app\npath: /*",
            "service: app\nhost: \"*\"",
            "host: A.test\nhost: a.TEST",
            "host: \"*.a.test\"\nhost: \"*.A.test\"",
            "path: /x, methods: [GET, PUT]\npath: /x, methods: [PUT, POST]",
            "path: /x, methods: [GET]\npath: /x, headers: { X-A: \"*\" }",
            "path: /x, headers: { X-A: \"1\" }\npath: /x, headers: { X-B: \"1\" }",
            "path: /x, headers: { X-A: \"1\" }\npath: /x, headers: { x-a: \"1\" }",
            "host: [a.test, b.test], path: /x\nhost: b.test, path: [/x, /y]",
        ])
    func ties(routes: String) throws {
        let errors = errors(routes)
        #expect(errors.map(\.code) == [.routeTie])
        let tie = try #require(errors.first)
        #expect(tie.location.line == 5)
        #expect(tie.notes.map(\.location?.line) == [4])
    }

    @Test(
        "Routes that no request fits at the same time do not tie",
        arguments: [
            "path: /x\npath: /x/*",
            "path: /x\npath: /X",
            "path: /x\npath: /x/",
            "host: a.test\nhost: \"*.a.test\"",
            "path: /x, methods: [GET]\npath: /x, methods: [PUT]",
            "path: /x, headers: { X-A: \"1\" }\npath: /x, headers: { X-A: \"2\" }",
            "path: /x, headers: { X-A: \"1\" }\npath: /x, headers: { X-A: \"*\" }",
            "path: /x\npath: /x, methods: [GET]",
        ])
    func distinct(routes: String) {
        let errors = errors(routes)
        #expect(errors.isEmpty)
    }

    @Test(
        "A route that can never win is an error",
        arguments: [
            ("path: /a/../b", "route-unreachable"), ("path: /a/./*", "route-unreachable"),
            ("path: /%61dmin", "route-unreachable"), ("path: /a/%2e%2E/b/*", "route-unreachable"),
            ("path: /a%7Eb", "route-unreachable"), ("path: /x, methods: []", "missing-value"),
            ("path: /x?y=1", "bad-path"), ("host: \"a.test:80\"", "bad-host"),
            ("host: \"a.*.test\"", "bad-host"), ("path: /a/*/b", "bad-path"),
            ("path: x", "bad-path"), ("methods: [get]", "bad-word"),
        ])
    func unreachable(route: String, code: String) {
        let errors = errors(route)
        #expect(errors.map(\.code.rawValue) == [code])
        #expect(errors.allSatisfy { $0.help != nil })
    }

    @Test(
        "What only looks encoded is left alone",
        arguments: ["/a%2Fb", "/a%20b/*", "/100%", "/%zz", "/a//b", "/%4"])
    func encoded(path: String) {
        let errors = errors("path: \"\(path)\"")
        #expect(errors.isEmpty)
    }
}
