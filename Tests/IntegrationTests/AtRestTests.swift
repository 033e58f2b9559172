import Foundation
import TestSupport
import Testing

/// Whatever is done a thousand times, descriptors, threads and memory are afterwards where they
/// were. Operations that wait for something by their nature are done less often; each says so.
@Suite("What is done again and again leaves nothing behind", .serialized, .onStage)
struct AtRestTests {
    private struct Rest {
        var descriptors: Int
        var threads: Int
        /// Resident bytes that are no file's.
        var memory: Int

        init(_ proxy: ProxyProcess) {
            descriptors = proxy.process.descriptorCount
            threads = proxy.process.threadCount
            memory = proxy.process.anonymousBytes
        }
    }

    /// Of one operation, on the average: less than any object with a buffer, and more than what
    /// an allocator moves about.
    private static let byteBound = 600
    /// What a heap may grow by in the course of things, however often they are done.
    private static let slack = 192 << 10

    /// Does it a quarter as often first, so that what is made once has been made. A heap grows now
    /// and then by more than it needs; what stays behind each time is there in every round.
    private func expectNothingLeft(
        _ what: String, _ proxy: ProxyProcess, count: Int = 1000,
        sourceLocation: SourceLocation = #_sourceLocation,
        _ operation: (Int) throws -> Void
    ) throws {
        for index in 0..<count / 4 { try operation(index) }
        var growths: [Int] = []
        while growths.count < 3 {
            let before = rest(proxy)
            for index in 0..<count { try operation(index) }
            let isBack = eventually { Rest(proxy).descriptors <= before.descriptors }
            let after = rest(proxy)
            #expect(
                isBack, "\(what): from \(before) to \(after) descriptors",
                sourceLocation: sourceLocation)
            #expect(after.threads == before.threads, "\(what)", sourceLocation: sourceLocation)
            if Machine.isAddressSanitized || Machine.isThreadSanitized { return }
            growths.append(after.memory - before.memory)
            if growths.last ?? 0 <= Self.slack + count * Self.byteBound { return }
        }
        Issue.record(
            "\(what): \(growths) bytes, each after \(count) times", sourceLocation: sourceLocation)
    }

    /// Once the number of its descriptors is the same for a moment: all that is under way is over.
    private func rest(_ proxy: ProxyProcess) -> Rest {
        var last = -1
        var since = now()
        eventually(timeout: 5) {
            let count = proxy.process.descriptorCount
            if count != last { since = now() }
            last = count
            return now() - since > 0.1
        }
        return Rest(proxy)
    }

    private func ask(
        _ proxy: ProxyProcess, _ method: String, _ path: String, _ content: String = "",
        status: Int = 200, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let answer = try proxy.admin(path, method: method, content: content)
        #expect(
            answer.status == status, "\(method) \(path): \(answer.text)",
            sourceLocation: sourceLocation)
    }

    private let directory = TemporaryDirectory()

    // MARK: - The admin socket

    @Test("Questions to the admin socket, whole and broken ones")
    func questions() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let one = "/v1/services/app/servers/\(server.address)"
        for path in [
            "/healthz", "/readyz", "/metrics", "/v1/status", "/v1/services", "/v1/services/app",
            "/v1/services/app/servers", one,
        ] {
            try expectNothingLeft(path, proxy) { _ in try ask(proxy, "GET", path) }
        }
        try expectNothingLeft("nothing there", proxy) { _ in
            try ask(proxy, "GET", "/v1/nothing", status: 404)
        }
        for text in ["", "GET /v1/status HT", "rubbish\r\n\r\n"] {
            try expectNothingLeft("'\(text)'", proxy) { _ in
                let client = try ScriptedClient(path: proxy.socket)
                // Of more than 64 at once, some are turned away.
                if !text.isEmpty { try? client.send(text) }
                client.close()
            }
        }
        let file = contents(ofFile: proxy.directory.file(ProxyProcess.fileName))
        try expectNothingLeft("check", proxy) { _ in
            try ask(proxy, "POST", "/v1/config/check", file)
        }
        try expectNothingLeft("check of rubbish", proxy) { _ in
            try ask(proxy, "POST", "/v1/config/check", "a: [")
        }
    }

    @Test("Changes over the admin socket")
    func changes() throws {
        let server = try ScriptedServer(text: "x")
        let other = try ScriptedServer(text: "y")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port, other.port]))
        let servers = "/v1/services/app/servers"
        let one = "\(servers)/\(server.address)"
        // Names of the last 256 generations are kept for the access log.
        for index in 0..<300 { try ask(proxy, "PATCH", one, "{\"weight\":\(index % 5 + 1)}") }
        try expectNothingLeft("weight", proxy) {
            try ask(proxy, "PATCH", one, "{\"weight\":\($0 % 5 + 1)}")
        }
        try expectNothingLeft("drain and back", proxy) {
            try ask(proxy, "PATCH", one, "{\"state\":\"\($0 % 2 == 0 ? "drain" : "up")\"}")
        }
        try expectNothingLeft("a wrong weight", proxy) { _ in
            try ask(proxy, "PATCH", one, "{\"weight\":9999}", status: 422)
        }
        // One that was removed is looked after every 20 ms until it is gone.
        let added = try ScriptedServer(text: "z")
        for (wait, query, status) in [
            ("none", "now", 202), ("checked", "drain=1s", 201), ("serving", "now", 201),
        ] {
            let content =
                "{\"address\":\"\(added.address)\",\"wait\":\"\(wait)\",\"timeout\":\"5ms\"}"
            try expectNothingLeft("add, wait for \(wait), and remove", proxy, count: 200) { _ in
                try ask(proxy, "POST", servers, content, status: status)
                try ask(proxy, "DELETE", "\(servers)/\(added.address)?\(query)")
            }
        }
        try expectNothingLeft("add what is there", proxy) { _ in
            try ask(
                proxy, "POST", servers, "{\"address\":\"\(server.address)\"}", status: 422)
        }
        // Who asks, and does not wait for the answer.
        try expectNothingLeft("gone before the answer", proxy, count: 200) { _ in
            let client = try ScriptedClient(path: proxy.socket)
            let content = "{\"address\":\"\(added.address)\",\"timeout\":\"20ms\"}"
            try client.send(
                "POST \(servers) HTTP/1.1\r\nHost: x\r\nContent-Length: \(content.utf8.count)"
                    + "\r\n\r\n\(content)")
            client.close()
            #expect(eventually { proxy.serverStates()[added.address] != nil })
            try ask(proxy, "DELETE", "\(servers)/\(added.address)?now")
        }
    }

    @Test("Reloads: of the same file, of another one, of a wrong one, with other certificates")
    func reloads() throws {
        let server = try ScriptedServer(text: "x")
        let authority = try Authority()
        let pairs = try (0..<2).map { _ in try authority.certificate(["a.test"]) }
        let live = PairOfFiles(
            certificate: directory.file("live.pem"), key: directory.file("live.key"))
        func install(_ pair: PairOfFiles) throws {
            try directory.write(contents(ofFile: pair.key), to: "live.key")
            try directory.write(contents(ofFile: pair.certificate), to: "live.pem")
        }
        try install(pairs[0])
        var plan = ProxyPlan(
            servers: [server.port],
            listener: "tls: { certificates: [\(live.entry)], watch: false }")
        let proxy = try ProxyProcess(plan)
        let reload = "/v1/config/reload"
        try expectNothingLeft("the same file", proxy) { _ in try ask(proxy, "POST", reload) }
        func change(_ index: Int) throws {
            plan.service = "balance: \(index % 2 == 0 ? "random" : "round-robin")"
            try proxy.replace(plan)
            try ask(proxy, "POST", reload)
        }
        // Names of the last 256 generations are kept for the access log.
        for index in 0..<300 { try change(index) }
        try expectNothingLeft("another file", proxy, count: 300, change)
        func leave(_ index: Int) throws {
            plan.services = index % 2 == 0 ? "" : "extra: { servers: [127.0.0.1:9] }"
            plan.listeners =
                index % 2 == 0 ? "" : "more: { address: \"127.0.0.1:\(Self.morePort)\" }"
            plan.rest =
                index % 2 == 0 ? "" : "routes: [{ service: app }, { host: x, service: extra }]"
            try proxy.replace(plan)
            try ask(proxy, "POST", reload)
        }
        // An odd number of times, so that it ends as it began.
        try expectNothingLeft("services and listeners", proxy, count: 301) { try leave($0) }
        try proxy.directory.write("a: [", to: ProxyProcess.fileName)
        try expectNothingLeft("a wrong file", proxy) { _ in
            try ask(proxy, "POST", reload, status: 422)
        }
        try proxy.replace(plan)
        try ask(proxy, "POST", reload)
        // A listener that is changed has its certificates read again.
        try expectNothingLeft("other certificates", proxy, count: 300) {
            try install(pairs[$0 % 2])
            plan.listener =
                "limits: { connections: \(100 + $0 % 2) }\n"
                + "tls: { certificates: [\(live.entry)], watch: false }"
            try proxy.replace(plan)
            try ask(proxy, "POST", reload)
        }
    }

    private static let morePort = Machine.freePort()

    // MARK: - Connections of the control plane

    @Test("Checks that pass, that are refused, that hang and that have TLS")
    func checks() throws {
        let authority = try Authority()
        let pair = try authority.certificate(["127.0.0.1"])
        let well = try ScriptedServer(isRecording: false) { _ in ok("well") }
        let secure = try ProxyProcess(
            {
                var plan = ProxyPlan(listener: "tls: { certificates: [\(pair.entry)] }")
                plan.servers = [well.address]
                return plan
            }())
        let hung = try ScriptedServer(isRecording: false) { peer, _ in _ = try peer.readToEnd() }
        var plan = ProxyPlan(
            services: """
                secure:
                  servers: [127.0.0.1:\(secure.port)]
                  tls: { ca: \(authority.file) }
                  health: { path: /, interval: 20ms, timeout: 19ms }
                """,
            rest: "routes: [{ service: app }, { host: s.test, service: secure }]",
            health: "{ path: /, interval: 20ms, timeout: 10ms }")
        plan.servers = [well.address, hung.address, "127.0.0.1:\(Machine.freePort())"]
        let proxy = try ProxyProcess(plan)
        // 250 first, then 1,000 of each, as time goes by.
        try expectNothingLeft("checks", proxy, count: 4) { index in
            let goal = well.connectionCount + 250
            #expect(eventually(timeout: 60) { well.connectionCount >= goal }, "\(index)")
        }
    }

    @Test("An engine, etcd and name servers that fail and come back")
    func sources() throws {
        let engine = try FakeEngine(path: directory.file("d.sock"))
        let app = try ScriptedServer(text: "x")
        engine.show([FakeContainer("one", app.port)])
        // No etcd: what it says is refused, and the next endpoint is asked at once.
        let etcd = try ScriptedServer(isRecording: false) { request in
            "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        }
        // Nobody listens at the others.
        let endpoints = (1...16).map { "\"http://127.0.0.\($0):\(etcd.port)\"" }
        let round = Tally()
        let name = try ScriptedNameServer { question in
            round.add()
            return round.count % 3 == 0
                ? .failure(2) : .answers([.a("127.0.0.1", seconds: 1)])
        }
        var plan = ProxyPlan(
            service: """
                discover:
                  docker: { socket: \(engine.path) }
                  etcd: { endpoints: [\(endpoints.joined(separator: ", "))], snapshot: off }
                  dns: { name: a.test, port: 9, refresh: 1s, nameservers: ["\(name.address)"] }
                """)
        plan.hasServers = false
        let proxy = try ProxyProcess(plan)
        #expect(eventually { engine.streamCount == 1 })
        // The engine is asked again after a tenth of a second, etcd and names after seconds.
        try expectNothingLeft("sources", proxy, count: 12) { _ in
            let goal = engine.requests.count { $0.hasSuffix("/events") } + 2
            #expect(
                eventually(timeout: 20) {
                    if engine.streamCount > 0 { engine.cutStreams(after: "{\"Ty") }
                    return engine.requests.count { $0.hasSuffix("/events") } >= goal
                }, "\(proxy.log)")
        }
        #expect(etcd.connectionCount >= 2)
        #expect(round.count >= 3)
    }

    // MARK: - Clients

    @Test("Connections of clients: with TLS, resumed, with HTTP/2")
    func clients() throws {
        let authority = try Authority()
        let pair = try authority.certificate(["a.test"])
        let server = try ScriptedServer(text: "x")
        var plan = ProxyPlan(listener: "tls: { certificates: [\(pair.entry)] }")
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        // 250 connections each time, as one program makes them.
        try expectNothingLeft("TLS, resumed", proxy, count: 4) { index in
            let result = try run(
                "/usr/bin/env",
                [
                    "python3", Machine.support("tls_resume.py"), "\(proxy.port)", authority.file,
                    "250", index % 2 == 0 ? "1.3" : "1.2",
                ], seconds: 60)
            #expect(result.status == 0, "\(result)")
        }
        try expectNothingLeft("HTTP/2", proxy, count: 200) { _ in
            let result = try run(
                "/usr/bin/curl",
                [
                    "-sS", "--http2", "--cacert", authority.file, "--connect-to",
                    "::127.0.0.1:\(proxy.port)", "https://a.test:\(proxy.port)/",
                ])
            #expect(result.output == "x", "\(result)")
        }
    }
}
