import Configuration
import Routing
import Testing

@Suite("Route table")
struct RouteTableTests {
    /// A file's routes, and the labels that requests must lead to.
    struct Case: Sendable, CustomTestStringConvertible {
        var title: String
        /// Lines below `routes:`, in an order that must not matter. Each answers with its name.
        var routes: String
        /// Method (GET when left out), host, path and field lines; and the name of the route.
        var requests: [(String, String)]
        var testDescription: String { title }

        init(_ title: String, _ routes: String, _ requests: [(String, String)]) {
            self.title = title
            self.routes = routes
            self.requests = requests
        }
    }

    static let cases: [Case] = [
        Case(
            "no route fits",
            "- { host: a.test, path: /x, NAME }",
            [("a.test /x", "1"), ("a.test /", "-"), ("b.test /x", "-"), ("'' /x", "-")]),
        Case(
            "exact host, then the longest wildcard, then any",
            """
            - { NAME }
            - { host: "*.example.com", NAME }
            - { host: "*.eu.example.com", NAME }
            - { host: shop.eu.example.com, NAME }
            - { host: example.com, NAME }
            """,
            [
                ("shop.eu.example.com /", "4"), ("SHOP.EU.Example.COM /", "4"),
                ("x.eu.example.com /", "3"), ("y.x.eu.example.com /", "3"),
                ("a.shop.eu.example.com /", "3"), ("eu.example.com /", "2"),
                ("xeu.example.com /", "2"), ("example.com /", "5"), ("com /", "1"),
                ("notexample.com /", "1"), ("example.com.test /", "1"), ("'' /", "1"),
                ("[::1] /", "1"), (".example.com /", "1"),
            ]),
        Case(
            "a wildcard needs a label of its own",
            "- { host: \"*.a.test\", NAME }",
            [("a.test /", "-"), ("b.a.test /", "1"), ("ba.test /", "-"), ("c.b.a.test /", "1")]),
        Case(
            "addresses are hosts",
            "- { host: 127.0.0.1, NAME }\n- { host: \"[::1]\", NAME }",
            [("127.0.0.1 /", "1"), ("[::1] /", "2"), ("127.0.0.2 /", "-"), ("::1 /", "-")]),
        Case(
            "exact path, then the longest prefix of whole segments, then any",
            """
            - { path: /api/*, NAME }
            - { NAME }
            - { path: /api/v2/*, NAME }
            - { path: /api/v2, NAME }
            - { path: /, NAME }
            """,
            [
                ("h /api", "1"), ("h /api/", "1"), ("h /api/x/y", "1"), ("h /apix", "2"),
                ("h /ap", "2"), ("h /API", "2"), ("h /api/v2", "4"), ("h /api/v2/", "3"),
                ("h /api/v2/x", "3"), ("h /api/v2x", "1"), ("h /", "5"), ("h //", "2"),
                ("h /x", "2"), ("h *", "2"),
            ]),
        Case(
            "a prefix is also its own path, and only segments count",
            "- { path: /a/b/*, NAME }\n- { path: /a/*, NAME }",
            [
                ("h /a/b", "1"), ("h /a/b/", "1"), ("h /a//b", "2"), ("h /a/bc", "2"),
                ("h /a", "2"), ("h /", "-"), ("h /ab", "-"), ("h //a", "-"),
            ]),
        Case(
            "methods narrow, and are case-sensitive; HEAD is not GET",
            "- { path: /x, methods: [GET, POST], NAME }\n- { path: /x, NAME }",
            [
                ("GET h /x", "1"), ("POST h /x", "1"), ("HEAD h /x", "2"), ("get h /x", "2"),
                ("GETS h /x", "2"), ("GE h /x", "2"), ("DELETE h /y", "-"),
            ]),
        Case(
            "a method that no route of the path has leads to no route",
            "- { path: /x, methods: [GET], NAME }",
            [("GET h /x", "1"), ("PUT h /x", "-")]),
        Case(
            "fields narrow: all must hold, names in any case, values exactly",
            """
            - { headers: { X-A: "1", X-B: "*" }, NAME }
            - { headers: { X-A: "1" }, NAME }
            - { headers: { X-A: "*" }, NAME }
            - { NAME }
            """,
            [
                ("h / x-a:1 X-B:", "1"), ("h / X-B:2 X-A:1", "1"), ("h / X-A:1", "2"),
                ("h / X-A:2", "3"), ("h / X-A:2 X-A:1", "2"), ("h / X-A:11", "3"),
                ("h / X-B:1", "4"), ("h / X-AA:1", "4"), ("h /", "4"), ("h / X-A:", "3"),
            ]),
        Case(
            "more conditions are asked first, and among those more values",
            """
            - { path: /x, methods: [GET], NAME }
            - { path: /x, headers: { X-A: "1" }, NAME }
            - { path: /x, methods: [GET], headers: { X-A: "1" }, NAME }
            """,
            [("GET h /x X-A:1", "3"), ("GET h /x", "1"), ("PUT h /x X-A:1", "2")]),
        Case(
            "conditions that do not hold leave the request to the next path, then the next host",
            """
            - { host: a.x.test, path: /p/q, methods: [POST], NAME }
            - { host: a.x.test, path: /p/q/*, methods: [PUT], NAME }
            - { host: a.x.test, path: /p/*, methods: [PATCH], NAME }
            - { host: a.x.test, headers: { X-A: "*" }, NAME }
            - { host: "*.x.test", path: /p/q, methods: [DELETE], NAME }
            - { host: "*.test", path: /p/*, methods: [OPTIONS], NAME }
            - { path: /p/q, methods: [TRACE], NAME }
            - { NAME }
            """,
            [
                ("POST a.x.test /p/q", "1"), ("PUT a.x.test /p/q", "2"),
                ("PATCH a.x.test /p/q", "3"), ("GET a.x.test /p/q X-A:1", "4"),
                ("DELETE a.x.test /p/q", "5"), ("OPTIONS a.x.test /p/q", "6"),
                ("TRACE a.x.test /p/q", "7"), ("GET a.x.test /p/q", "8"),
                ("PUT a.x.test /p/q/r", "2"), ("POST a.x.test /p/q/r", "8"),
                ("DELETE b.x.test /p/q", "5"), ("OPTIONS x.test /p", "6"),
            ]),
        Case(
            "the host outweighs the path",
            "- { host: a.test, NAME }\n- { path: /x, NAME }",
            [("a.test /x", "1"), ("b.test /x", "2"), ("b.test /", "-")]),
        Case(
            "one route may list hosts and paths",
            "- { host: [a.test, \"*.b.test\"], path: [/x, /y/*], NAME }",
            [
                ("a.test /x", "1"), ("a.test /y/z", "1"), ("c.b.test /x", "1"),
                ("b.test /x", "-"), ("a.test /z", "-"),
            ]),
    ]

    /// - Parameter padding: routes of other hosts, so that the table is a small or a large one.
    @Test("The most specific route wins", arguments: cases, [0, 40])
    func hand(_ example: Case, padding: Int) throws {
        var text = "listeners: { web: { address: 80 } }\n"
        text += "services: { app: { servers: [3001] } }\nroutes:\n"
        var names: [String] = []
        for line in example.routes.split(separator: "\n") {
            names.append("\(names.count + 1)")
            let name = "respond: { status: 200, body: \"\(names.count)\" }"
            text += "  \(line.replacing("NAME", with: name))\n"
        }
        for number in 0..<padding {
            text += "  - { host: pad\(number).invalid, respond: { status: 200, body: pad } }\n"
        }
        let outcome = ConfigurationLoader.load(text: Array(text.utf8), file: "routes.yaml")
        let read = outcome.configuration
        let configuration = try #require(read, "\(outcome.report())")
        let table = RouteTable(CompiledRoutes(configuration.routes))
        for (words, expected) in example.requests {
            var found = "-"
            if let index = table.match(request(words)),
                case .respond(_, let body, _) = configuration.routes[index].action
            {
                found = body
            }
            #expect(found == expected, "\(words)")
        }
    }

    private func request(_ words: String) -> Request {
        var parts = words.split(separator: " ")[...]
        var request = Request()
        if let second = parts.dropFirst().first, !second.hasPrefix("/"), second != "*" {
            request.method = String(parts.removeFirst())
        }
        request.host = String(parts.removeFirst().filter { $0 != "'" })
        request.path = String(parts.removeFirst())
        for field in parts {
            let sides = field.split(separator: ":", omittingEmptySubsequences: false)
            request.fields.append((String(sides[0]), String(sides[1])))
        }
        return request
    }

    @Test("A route may be for some listeners only", arguments: [0, 40])
    func listeners(padding: Int) {
        var routes = [
            route("inside", host: .exact("a.test"), listeners: ["internal"]),
            route("outside", host: .exact("a.test")),
            route("nowhere", host: .exact("b.test"), listeners: ["gone"]),
        ]
        for number in 0..<padding { routes.append(route(host: .exact("pad\(number).test"))) }
        routes = Oracle.sorted(routes)
        let table = RouteTable(
            CompiledRoutes(routes, listeners: ["main": [0], "internal": [7, 5000]]))
        func label(_ host: String, _ listener: Int) -> String? {
            table.match(Request(host: host), listener: listener).map { routes[$0].label }
        }
        #expect(label("a.test", 5000) == "inside")
        #expect(label("a.test", 0) == "outside")
        #expect(label("b.test", 0) == nil)
    }

    @Test(
        "A priority goes before what is more specific, but not before the file",
        arguments: [0, 40])
    func priorities(padding: Int) {
        var routes = [
            route("narrow", host: .exact("a.test"), path: .prefix("/x"), priority: 0),
            route("wide", host: .exact("a.test"), priority: 5),
            route("all", priority: -1),
            route("file", host: .exact("f.test"), path: .exact("/x")),
            route("over", host: .exact("f.test"), priority: 9),
        ]
        for number in 0..<padding { routes.append(route(host: .exact("pad\(number).test"))) }
        routes = Oracle.sorted(routes)
        let table = RouteTable(CompiledRoutes(routes))
        func label(_ host: String, _ path: String) -> String? {
            table.match(Request(host: host, path: path)).map { routes[$0].label }
        }
        #expect(label("a.test", "/x") == "wide")
        #expect(label("b.test", "/x") == "all")
        #expect(label("f.test", "/x") == "file")
        #expect(label("f.test", "/y") == "over")
    }

    @Test("No routes, no match")
    func empty() {
        let table = RouteTable(CompiledRoutes([]))
        let found = table.match(Request(host: "a.test"))
        #expect(found == nil)
    }

    @Test("Each of 10,000 routes is found")
    func large() {
        var routes: [RouteConfiguration] = []
        for number in 0..<2_500 {
            routes.append(route(host: .exact("host-\(number).example.com")))
            routes.append(route(host: .suffix(".zone-\(number).example.com")))
            routes.append(
                route(host: .exact("api.example.com"), path: .exact("/v1/thing-\(number)")))
            routes.append(
                route(host: .exact("api.example.com"), path: .prefix("/v2/thing-\(number)")))
        }
        routes = Oracle.sorted(routes)
        let table = RouteTable(CompiledRoutes(routes))
        for (index, route) in routes.enumerated() {
            var request = Request()
            switch route.host {
            case .exact(let name): request.host = name
            case .suffix(let suffix): request.host = "www\(suffix)"
            case .any: break
            }
            switch route.path {
            case .exact(let path): request.path = path
            case .prefix(let prefix): request.path = "\(prefix)/below"
            case .any: break
            }
            let found = table.match(request)
            #expect(found == index)
            request.host += "x"
            let foreign = table.match(request)
            #expect(foreign == nil)
        }
    }

    // MARK: - Against an oracle

    /// Few words, so that patterns nest and requests nearly fit.
    private struct Draw {
        var random: SeededGenerator
        /// As labels make them, too.
        var isLabelled = false

        mutating func one<T>(_ values: [T]) -> T {
            values[Int.random(in: 0..<values.count, using: &random)]
        }

        mutating func name() -> String {
            let count = Int.random(in: 1...4, using: &random)
            return (0..<count).map { _ in one(["a", "b", "ab", "c-d"]) }.joined(separator: ".")
        }

        mutating func path() -> String {
            let count = Int.random(in: 0...4, using: &random)
            let segments = (0..<count).map { _ in one(["a", "b", "ab", "", "a-very-long-one"]) }
            return "/" + segments.joined(separator: "/")
        }

        mutating func route() -> RouteConfiguration {
            let host: RouteConfiguration.Host =
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1: .exact(name())
                case 2, 3: .suffix("." + name())
                default: .any
                }
            let path: RouteConfiguration.Path =
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1: .exact(self.path())
                case 2, 3: .prefix(one(["/a", "/b", "/a/b", "/a/b/a", "/", "/a/", "/ab"]))
                default: .any
                }
            let methods = one([[], [], ["GET"], ["GET", "POST"], ["PUT"]])
            var headers: [(String, String?)] = []
            for name in ["x-a", "x-b"] where Int.random(in: 0..<4, using: &random) == 0 {
                headers.append((name, one([nil, "1", "2"])))
            }
            var route = RoutingTests.route(
                host: host, path: path, methods: methods, headers: headers)
            if isLabelled {
                route.listeners = one([[], [], [], ["one"], ["two"]])
                route.priority = one([nil, 0, 0, 0, 1, 2, -1])
            }
            return route
        }

        /// Without ties, which the loader refuses.
        mutating func table(atMost count: Int) -> [RouteConfiguration] {
            var ranks: Set<[String]> = []
            var routes: [RouteConfiguration] = []
            for _ in 0..<Int.random(in: 0...count, using: &random) {
                let route = route()
                let rank = ["\(route.host)", "\(route.path)", "\(Oracle.rank(route)[4...])"]
                if ranks.insert(rank).inserted { routes.append(route) }
            }
            return Oracle.sorted(routes)
        }

        mutating func request() -> Request {
            var request = Request(
                method: one(["GET", "POST", "PUT", "HEAD"]), host: one(["", name(), name()]),
                path: one(["*", path(), path(), path(), path()]))
            if Bool.random(using: &random) { request.host = request.host.uppercased() }
            for name in ["X-A", "x-B", "X-C"] where Bool.random(using: &random) {
                request.fields.append((name, one(["1", "2", ""])))
            }
            return request
        }
    }

    @Test("Agrees with a scan of all routes", arguments: 0..<8, [false, true])
    func property(seed: UInt64, isLabelled: Bool) {
        var draw = Draw(random: SeededGenerator(seed: seed), isLabelled: isLabelled)
        var matched = 0
        for round in 0..<300 {
            let routes = draw.table(atMost: round % 5 == 0 ? 6 : 80)
            let table = RouteTable(CompiledRoutes(routes, listeners: ["one": [0], "two": [1]]))
            for _ in 0..<25 {
                let request = draw.request()
                let listener = draw.one([0, 1])
                let expected = Oracle.match(
                    routes, request, listener: listener == 0 ? "one" : "two")
                let found = table.match(request, listener: listener)
                if expected != nil { matched += 1 }
                guard found == expected else {
                    let list = routes.map { "\($0.host) \($0.path) \($0.methods) \($0.headers)" }
                    Issue.record(
                        """
                        seed \(seed): \(request) leads to \(found.map { "\($0)" } ?? "-"), not \
                        \(expected.map { "\($0)" } ?? "-") of:
                        \(list.enumerated().map { "\($0.0) \($0.1)" }.joined(separator: "\n"))
                        """)
                    return
                }
            }
        }
        // The draw is worth something: neither all nor none of the requests match.
        #expect(matched > 1_000)
        #expect(matched < 7_000)
    }
}
