import TestSupport
import Testing

@Suite("What can be changed while it runs", .onStage)
struct LiveChangeTests {
    static let quickChecks =
        "{ interval: 300ms, timeout: 150ms, up_after: 1, down_after: 2 }"

    @Test("add returns when the server has served, and says why when it cannot")
    func add() throws {
        let servers = try ["a", "b"].map { try ScriptedServer(text: $0) }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [servers[0].port], health: Self.quickChecks))
        #expect(proxy.waitUntilServing(1))
        let load = LoadClient(port: proxy.port, rate: 200)
        let result = try proxy.command("add", servers[1].address)
        #expect(result.status == 0, "\(result)")
        #expect(result.output.contains("up"), "\(result)")
        #expect(servers[1].requestCount > 0)
        #expect(proxy.serverStates().count == 2)
        let again = try proxy.command("add", servers[1].address)
        #expect(again.status != 0, "a duplicate was accepted")
        let nobody = "127.0.0.1:\(Machine.freePort())"
        let refused = try proxy.command("add", nobody, "--timeout", "2s")
        #expect(refused.status == 1, "\(refused)")
        #expect(refused.errors.contains("refused"), "\(refused)")
        #expect(!proxy.serverStates().keys.contains(nobody), "it was left behind half-added")
        let outcome = load.finish()
        #expect(outcome.failureCount == 0, "\(outcome)\n\(proxy.log)")
    }

    @Test(
        "A drained server finishes what it has and gets nothing new; remove takes it off the list")
    func drainAndRemove() throws {
        let gate = Gate()
        let slow = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target == "/slow" { gate.wait() }
                try peer.send(ok("slow"))
            }
        }
        let other = try ScriptedServer(text: "other")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [slow.port, other.port], service: "balance: round-robin"))
        // Until the slow one has it.
        var clients: [ScriptedClient] = []
        while !slow.received.joined().contains("/slow") {
            let client = try proxy.client()
            try client.send(get("/slow"))
            clients.append(client)
            Thread.sleep(milliseconds: 100)
        }
        let drain = try ChildProcess(
            ProxyProcess.executable, ["drain", slow.address, "--socket", proxy.socket])
        #expect(eventually { proxy.serverStates()[slow.address] == "draining" })
        for _ in 0..<20 { #expect(try proxy.ask(get()).text == "other") }
        gate.open()
        let last = try #require(clients.last)
        #expect(try last.readResponse().text == "slow")
        #expect(drain.waitForEnd(seconds: 10) == .exited(0), "\(drain.log)")
        let removed = try proxy.command("remove", other.address)
        #expect(removed.status == 0, "\(removed)")
        #expect(eventually { proxy.serverStates()[other.address] == nil })
        #expect(try proxy.command("remove", "127.0.0.1:1").status != 0)
    }

    @Test("set changes a weight; 0 takes a server out, and back in")
    func set() throws {
        let servers = try ["a", "b"].map { try ScriptedServer(text: $0) }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: servers.map(\.port), service: "balance: round-robin"))
        let client = try proxy.client()
        func counts() throws -> [String: Int] {
            var counts: [String: Int] = [:]
            for _ in 0..<40 { counts[try client.ask(get()).text, default: 0] += 1 }
            return counts
        }
        #expect(try counts() == ["a": 20, "b": 20])
        #expect(try proxy.command("set", servers[0].address, "weight=3").status == 0)
        #expect(try eventually { try counts() == ["a": 30, "b": 10] })
        #expect(try proxy.command("set", servers[0].address, "weight=0").status == 0)
        #expect(try eventually { try counts() == ["b": 40] })
        #expect(try proxy.command("set", servers[0].address, "weight=1").status == 0)
        #expect(try eventually { try (counts()["a"] ?? 0) > 10 })
        #expect(try proxy.command("set", servers[0].address, "weight=-1").status != 0)
        #expect(try proxy.command("set", servers[0].address, "wieght=1").errors.contains("weight"))
    }

    @Test("The admin interface speaks HTTP and JSON")
    func admin() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let status = try proxy.admin("/v1/status")
        #expect(status.status == 200)
        #expect(status["Content-Type"]?.hasPrefix("application/json") ?? false)
        #expect(try proxy.admin("/v1/nothing").status == 404)
        let bad = try proxy.admin(
            "/v1/services/app/servers", method: "POST",
            content: "{\"address\":\"127.0.0.1:99999\"}")
        #expect((400...422).contains(bad.status), "\(bad)")
        let none = try proxy.admin(
            "/v1/services/none/servers", method: "POST",
            content: "{\"address\":\"127.0.0.1:3001\"}")
        #expect(none.status == 404, "\(none)")
        #expect(try proxy.ask(get("/v1/status")).text == "x")
    }

    @Test("The file is watched: written in place, renamed over, switched by a link")
    func fileChanges() throws {
        let servers = try ["a", "b", "c", "d"].map { try ScriptedServer(text: $0) }
        var plan = ProxyPlan(servers: [servers[0].port])
        let proxy = try ProxyProcess(plan)
        #expect(try proxy.ask(get()).text == "a")
        func serve(_ index: Int) { plan.servers = [servers[index].address] }
        serve(1)
        try proxy.rewrite(plan)
        #expect(
            eventually { (try? proxy.ask(get()).text) == "b" }, "written in place: \(proxy.log)")
        serve(2)
        try proxy.replace(plan)
        #expect(eventually { (try? proxy.ask(get()).text) == "c" }, "renamed over: \(proxy.log)")
        serve(3)
        try proxy.replace(plan)
        #expect(
            eventually { (try? proxy.ask(get()).text) == "d" }, "renamed over again: \(proxy.log)")
    }

    @Test("A symbolic link that is switched is a change (Kubernetes)")
    func symbolicLink() throws {
        let servers = try ["a", "b"].map { try ScriptedServer(text: $0) }
        let directory = TemporaryDirectory()
        let port = Machine.freePort()
        for (index, server) in servers.enumerated() {
            let plan = ProxyPlan(port: port, servers: [server.port])
            _ = try TestSupport.run("/bin/mkdir", [directory.file("v\(index)")])
            try directory.write(
                plan.text(socket: directory.file("s")), to: "v\(index)/staithe.yaml")
        }
        _ = try TestSupport.run("/bin/ln", ["-s", "v0", directory.file("..data")])
        _ = try TestSupport.run(
            "/bin/ln", ["-s", "..data/staithe.yaml", directory.file("staithe.yaml")])
        let process = try ChildProcess(
            ProxyProcess.executable, ["run", "-c", directory.file("staithe.yaml")])
        #expect(eventually { (try? ask(port: port, get()).text) == "a" }, "\(process.log)")
        _ = try TestSupport.run("/bin/ln", ["-s", "v1", directory.file("..next")])
        _ = try TestSupport.run(
            "/bin/mv", ["-T", directory.file("..next"), directory.file("..data")])
        #expect(eventually { (try? ask(port: port, get()).text) == "b" }, "\(process.log)")
    }

    @Test("A broken file changes nothing, and says so with its place")
    func brokenFile() throws {
        let server = try ScriptedServer(text: "x")
        let plan = ProxyPlan(servers: [server.port])
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        #expect(try client.ask(get()).text == "x")
        try proxy.directory.write(
            plan.text(socket: proxy.socket) + "servcies: {}\n", to: ProxyProcess.fileName)
        #expect(proxy.waitForLog("servcies"))
        #expect(try client.ask(get()).text == "x")
        let result = try proxy.command("reload")
        #expect(result.status == 78, "\(result)")
        #expect((result.output + result.errors).contains("servcies"), "\(result)")
        #expect(try client.ask(get()).text == "x")
        // Repaired, it counts again.
        let other = try ScriptedServer(text: "y")
        try proxy.rewrite(ProxyPlan(port: plan.port, servers: [other.port]))
        #expect(eventually { (try? client.ask(get()).text) == "y" })
    }

    @Test("SIGHUP and reload apply the file; unchanged servers keep their connections")
    func reload() throws {
        let kept = try ScriptedServer(text: "kept")
        let added = try ScriptedServer(text: "added")
        var plan = ProxyPlan(servers: [kept.port], service: "balance: round-robin")
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        #expect(try client.ask(get()).text == "kept")
        plan.servers.append(added.address)
        try proxy.rewrite(plan)
        let result = try proxy.command("reload")
        #expect(result.status == 0, "\(result)")
        proxy.process.hangUp()
        #expect(eventually { (try? client.ask(get()).text) == "added" })
        for _ in 0..<10 { #expect(try client.ask(get()).status == 200) }
        #expect(kept.connectionCount == 1)
    }

    @Test("Listeners come and go without touching the others")
    func listeners() throws {
        let server = try ScriptedServer(text: "x")
        let second = Machine.freePort()
        let plan = ProxyPlan(servers: [server.port])
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        #expect(try client.ask(get()).text == "x")
        let text = plan.text(socket: proxy.socket).replacing(
            "services:\n", with: "  second:\n    address: 127.0.0.1:\(second)\nservices:\n",
            maxReplacements: 1)
        try proxy.directory.write(text, to: ProxyProcess.fileName)
        #expect(eventually { (try? ask(port: second, get()).text) == "x" })
        try proxy.rewrite(plan)
        #expect(eventually { (try? ScriptedClient(port: second)) == nil })
        #expect(try client.ask(get()).text == "x")
    }

    @Test("A server that joins serves only after its first passed check")
    func firstCheck() throws {
        let healthy = Tally()
        let server = try ScriptedServer { request in
            if request.target == "/up" {
                return healthy.count == 0
                    ? "HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n" : ok("up")
            }
            return ok("served")
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                health: "{ path: /up, interval: 200ms, timeout: 100ms }"))
        #expect(eventually { server.requestCount > 2 })
        #expect(try proxy.ask(get()).status == 503)
        #expect(server.requests.allSatisfy { $0.target == "/up" })
        healthy.add()
        #expect(eventually { (try? proxy.ask(get()).text) == "served" })
    }

    @Test("HTTP checks look at status and body, and ask with their own Host")
    func httpChecks() throws {
        let server = try ScriptedServer { request in
            request.target == "/up" ? ok("all is well") : ok("served")
        }
        let checks =
            "path: /up, host: check.internal, interval: 200ms, timeout: 100ms, down_after: 1"
        let good = try ProxyProcess(
            ProxyPlan(servers: [server.port], health: "{ \(checks), body: is well }"))
        #expect(eventually { (try? good.ask(get()).text) == "served" })
        #expect(server.requests.first { $0.target == "/up" }?["Host"] == "check.internal")
        let bad = try ProxyProcess(
            ProxyPlan(servers: [server.port], health: "{ \(checks), body: not there }"))
        Thread.sleep(milliseconds: 600)
        #expect(try bad.ask(get()).status == 503)
    }
}
