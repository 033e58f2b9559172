import Foundation
import TestSupport
import Testing

/// A check that is under way ends with a verdict, and nothing begins it again: a found server
/// serves as soon as its own check has passed, however long that takes.
@Suite("Checks that take their time", .onStage)
struct SlowCheckTests {
    private static let delays = [1, 50, 300, 900]
    /// The interval is longer than anybody waits here: what serves has passed its first check.
    private static let health = "{ path: /up, interval: 30s, timeout: 3s }"
    private static let patience = 5.0
    private let directory = TemporaryDirectory()

    /// A server whose health check takes that long, and whose other answers do not.
    private func server(_ milliseconds: Int) throws -> ScriptedServer {
        try ScriptedServer { request in
            if request.target == "/up" { Thread.sleep(milliseconds: milliseconds) }
            return ok("\(milliseconds)")
        }
    }

    private func servers() throws -> [ScriptedServer] { try Self.delays.map { try server($0) } }

    /// A service that lists nobody.
    private func plan(_ discover: String, _ more: String = "", health: String = Self.health)
        -> ProxyPlan
    {
        var plan = ProxyPlan(service: "discover: \(discover)\n" + more, health: health)
        plan.hasServers = false
        return plan
    }

    /// Each of them serves, after one check.
    private func expectAll(
        _ servers: [ScriptedServer], _ proxy: ProxyProcess,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            proxy.waitUntilServing(servers.count, seconds: Self.patience),
            "\(proxy.serverStates())\n\(proxy.log)", sourceLocation: sourceLocation)
        for (server, delay) in zip(servers, Self.delays) {
            #expect(
                server.requests.count { $0.target == "/up" } == 1, "\(delay) ms",
                sourceLocation: sourceLocation)
        }
    }

    // MARK: - Sources

    @Test("Servers of a file serve after answers of 1, 50, 300 and 900 ms")
    func file() throws {
        let servers = try servers()
        try directory.write("[]", to: "app.yaml")
        let file = directory.file("app.yaml")
        let proxy = try ProxyProcess(plan("{ file: { path: \(file) } }"))
        try directory.replace(
            "app.yaml", with: "[\(servers.map(\.address).joined(separator: ", "))]")
        expectAll(servers, proxy)
    }

    @Test("So do containers")
    func containers() throws {
        let servers = try servers()
        let engine = try FakeEngine(path: directory.file("d.sock"))
        let proxy = try ProxyProcess(plan("{ docker: { socket: \(engine.path) } }"))
        let containers = servers.enumerated().map {
            FakeContainer("c\($0)", $1.port, seed: Character("\($0)"))
        }
        engine.show(containers)
        #expect(eventually { engine.streamCount == 1 })
        for container in containers { engine.tell(container.event("start")) }
        expectAll(servers, proxy)
    }

    @Test("So do the targets of a name")
    func name() throws {
        let servers = try servers()
        let ports = servers.map(\.port)
        let name = try ScriptedNameServer { question in
            switch (question.name, question.type) {
            case ("app.test", 33):
                .answers(
                    ports.map {
                        .srv(
                            priority: 1, weight: 1, port: $0, target: "host.test", seconds: 60)
                    })
            case ("host.test", 1): .answers([.a("127.0.0.1", seconds: 60)])
            default: .answers([])
            }
        }
        let proxy = try ProxyProcess(
            plan("{ dns: { name: app.test, type: srv, nameservers: [\"\(name.address)\"] } }"))
        expectAll(servers, proxy)
    }

    @Test(
        "So do the keys of etcd",
        .enabled(if: EtcdCluster.program != nil, "etcd is not installed"))
    func etcd() throws {
        let servers = try servers()
        let etcd = try EtcdCluster()
        let proxy = try ProxyProcess(
            plan("{ etcd: { endpoints: \(etcd.list), snapshot: off } }"))
        for (index, server) in servers.enumerated() {
            try etcd.put("/staithe/services/app/s\(index)", server.address)
        }
        expectAll(servers, proxy)
    }

    @Test("TLS handshakes may take as long", arguments: [50, 300, 900])
    func handshake(milliseconds: Int) throws {
        let authority = try Authority()
        let pair = try authority.certificate(["127.0.0.1"])
        let port = Machine.freePort()
        let process = try ChildProcess(
            "/usr/bin/env",
            [
                "python3", Machine.support("tls_server.py"), "\(port)", pair.certificate, pair.key,
            ], environment: ["HANDSHAKE_DELAY": "\(Double(milliseconds) / 1000)"])
        try waitUntilListening(process, port)
        try directory.write("[127.0.0.1:\(port)]", to: "app.yaml")
        let file = directory.file("app.yaml")
        let proxy = try ProxyProcess(
            plan("{ file: { path: \(file) } }", "tls: { ca: \(authority.file) }"))
        #expect(proxy.waitUntilServing(1, seconds: Self.patience), "\(proxy.log)")
        #expect(try proxy.ask(get("/x")).text == "secure /x")
    }

    @Test("So may connections: a SYN that is lost is sent again, within the timeout")
    func connect() throws {
        let listener = try CrowdedListener()
        try directory.write("[127.0.0.1:\(listener.port)]", to: "app.yaml")
        let file = directory.file("app.yaml")
        let proxy = try ProxyProcess(plan("{ file: { path: \(file) } }"))
        #expect(
            eventually { listener.waitingCount > 0 }, "no SYN was lost: \(proxy.serverStates())")
        let server = try listener.serve("late")
        #expect(proxy.waitUntilServing(1, seconds: Self.patience), "\(proxy.log)")
        #expect(server.requests.count { $0.target == "/up" } == 1, "begun once")
    }

    // MARK: - What becomes of one

    @Test("A container that runs serves the first request after a restart of the proxy")
    func restart() throws {
        let server = try server(60)
        let engine = try FakeEngine(path: directory.file("d.sock"))
        engine.show([FakeContainer("one", server.port)])
        let plan = plan("{ docker: { socket: \(engine.path) } }")
        for round in 1...2 {
            let proxy = try ProxyProcess(plan)
            let answer = try proxy.ask(get())
            #expect(answer.status == 200, "round \(round): \(proxy.log)")
            proxy.process.terminate()
            #expect(proxy.process.waitForEnd() == .exited(0))
        }
    }

    @Test("A container refuses, then hangs, then answers slowly, and serves")
    func phases() throws {
        let engine = try FakeEngine(path: directory.file("d.sock"))
        let port = Machine.freePort()
        engine.show([FakeContainer("one", port)])
        let proxy = try ProxyProcess(
            plan(
                "{ docker: { socket: \(engine.path) } }",
                health: "{ path: /up, interval: 30s, timeout: 400ms }"))
        // Its first checks are refused: nobody listens.
        #expect(eventually { proxy.lastFailure(of: "one") == "server_refused" })
        let answers = Gate()
        let hung = Tally()
        let server = try ScriptedServer(port: port) { peer, _ in
            let request = try peer.readRequest()
            guard answers.isOpened else {
                hung.add()
                // The check ends it, at its timeout.
                _ = try? peer.readToEnd()
                return
            }
            if request.target == "/up" { Thread.sleep(milliseconds: 250) }
            try peer.send(ok("late"))
        }
        #expect(eventually { proxy.lastFailure(of: "one") == "server_slow" }, "\(proxy.log)")
        answers.open()
        #expect(proxy.waitUntilServing(1, seconds: Self.patience), "\(proxy.log)")
        #expect(hung.count <= 3, "\(hung.count) checks hung: one begins when the other has ended")
        #expect(try proxy.ask(get()).text == "late")
        #expect(server.problems.isEmpty, "\(server.problems)")
    }

    @Test("A label may give a check more time than its interval; an app that hangs is found down")
    func labels() throws {
        let isHung = Gate()
        let release = Gate()
        defer { release.open() }
        let server = try ScriptedServer { request in
            if request.target == "/up" {
                if isHung.isOpened { release.wait() } else { Thread.sleep(milliseconds: 300) }
            }
            return ok("app")
        }
        let engine = try FakeEngine(path: directory.file("d.sock"))
        var container = FakeContainer("one", server.port)
        container.labels.merge(
            [
                "staithe.enable": "true", "staithe.host": "a.test", "staithe.health.path": "/up",
                "staithe.health.interval": "200ms", "staithe.health.timeout": "500ms",
                "staithe.health.down-after": "2", "staithe.health.up-after": "1",
            ]
        ) { $1 }
        engine.show([container])
        let port = Machine.freePort()
        let socket = directory.file("a.sock")
        let process = try ChildProcess(
            ProxyProcess.executable,
            ["127.0.0.1:\(port)", "--docker", "--engine", engine.path, "--socket", socket],
            environment: ["XDG_RUNTIME_DIR": directory.path])
        func says(_ words: String) -> Bool {
            eventually(timeout: Self.patience) { process.log.contains(words) }
        }
        #expect(says("one up: check passed"), "\(process.log)")
        #expect(
            process.log.contains(
                "label 'staithe.health.timeout': health.timeout (500ms) is not shorter than "
                    + "health.interval (200ms), so a check that takes longer puts off the next one"
            ), "\(process.log)")
        isHung.open()
        #expect(says("one down: check failed 2 times, last server_slow"), "\(process.log)")
        release.open()
    }
}

extension ProxyProcess {
    /// Why the last check of a server failed; `nil` when none has, or it passed.
    fileprivate func lastFailure(of server: String) -> String? {
        struct Server: Decodable {
            struct Check: Decodable { var reason: String? }
            var check: Check?
        }
        guard let answer = try? admin("/v1/services/app/servers/\(server)") else { return nil }
        return try? JSONDecoder().decode(Server.self, from: Data(answer.content)).check?.reason
    }
}
