import TestSupport
import Testing

@Suite("Servers behind a name", .onStage)
struct DNSTests {
    private func discover(_ server: ScriptedNameServer, _ rest: String) -> String {
        "discover:\n  dns: { name: api.test, nameservers: [\"\(server.address)\"], \(rest) }"
    }

    /// Servers on one port of several addresses of this host.
    private func serve(_ names: [String: String]) throws -> UInt16 {
        let port = Machine.freePort()
        for (address, text) in names { try AddressedServer.start(address, port: port, text: text) }
        return port
    }

    private func answers(_ proxy: ProxyProcess, _ count: Int = 20) throws -> Set<String> {
        var answers: Set<String> = []
        for _ in 0..<count { answers.insert(try proxy.ask(get()).text) }
        return answers
    }

    @Test("Addresses come and go with the answers; what stays keeps its connection")
    func changing() throws {
        let port = try serve(["127.0.0.41": "a", "127.0.0.42": "b", "127.0.0.43": "c"])
        let name = try ScriptedNameServer { question in
            question.type == 1
                ? .answers([.a("127.0.0.41", seconds: 0), .a("127.0.0.42", seconds: 0)])
                : .failure(3)
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                service: discover(name, "port: \(port)") + "\nbalance: round-robin\n"
                    + "connections: { idle: 60s }"))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        #expect(try answers(proxy) == ["a", "b"])
        let b = "127.0.0.42:\(port)"
        let before = try #require(try proxy.status().servers[b])
        let load = LoadClient(port: proxy.port, rate: 100, threadCount: 4)
        // Another answer with every question, in turns and in other orders; `b` is in all of them.
        let round = Tally()
        name.play { question in
            guard question.type == 1 else { return .failure(3) }
            round.add()
            let other = round.count % 2 == 0 ? "127.0.0.41" : "127.0.0.43"
            let records: [ScriptedNameServer.Record] = [
                .a("127.0.0.42", seconds: 0), .a(other, seconds: 0),
            ]
            return .answers(round.count % 3 == 0 ? records : records.reversed())
        }
        #expect(eventually(timeout: 20) { round.count >= 6 })
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
        #expect((result.answers["c"] ?? 0) > 0, "\(result)")
        let after = try #require(try proxy.status().servers[b])
        #expect(after.since == before.since, "b was put anew")
        #expect(after.answers > before.answers)
    }

    @Test("Addresses of IPv6 only")
    func six() throws {
        let port = Machine.freePort()
        try AddressedServer.start("::1", port: port, text: "six")
        let loopback: [UInt8] = Array(repeating: 0, count: 15) + [1]
        let name = try ScriptedNameServer { question in
            question.type == 28 ? .answers([.aaaa(loopback, seconds: 1)]) : .failure(3)
        }
        let proxy = try ProxyProcess(
            ProxyPlan(service: discover(name, "type: aaaa, port: \(port)")))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try answers(proxy, 3) == ["six"])
        #expect(proxy.serverStates().keys.sorted() == ["[::1]:\(port)"])
        #expect(name.questions.allSatisfy { $0.type == 28 }, "nobody asks for what is not wanted")
        // No address any more is no reason to have nobody, at once.
        name.play { _ in .failure(3) }
        #expect(proxy.waitForLog("api.test: the name is not known", seconds: 20), "\(proxy.log)")
        #expect(try answers(proxy, 3) == ["six"])
    }

    @Test("A failure keeps the last answer, and is told; TTL bounds the questions")
    func failures() throws {
        let port = try serve(["127.0.0.44": "a"])
        let name = try ScriptedNameServer { _ in .answers([.a("127.0.0.44", seconds: 0)]) }
        let proxy = try ProxyProcess(ProxyPlan(service: discover(name, "port: \(port)")))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        for code: UInt8 in [2, 5] {
            let before = name.questions.count
            name.play { _ in .failure(code) }
            #expect(proxy.waitForLog("dns is lost", seconds: 20), "\(proxy.log)")
            #expect(eventually(timeout: 20) { name.questions.count > before })
            #expect(try answers(proxy, 3) == ["a"])
            name.play { _ in .answers([.a("127.0.0.44", seconds: 0)]) }
            #expect(proxy.waitForLog("dns is back", seconds: 20), "\(proxy.log)")
        }
        // No more than one question a second, whatever the answers say.
        let start = (now(), name.questions.count)
        #expect(eventually(timeout: 20) { name.questions.count >= start.1 + 3 })
        #expect(now() - start.0 > 1.5)
    }

    @Test("That there is no such name, or no address, is believed in the end; a failure never is")
    func absent() throws {
        let port = try serve(["127.0.0.48": "a"])
        func plan(_ name: ScriptedNameServer, isFile: Bool) -> ProxyPlan {
            var plan = ProxyPlan(service: isFile ? "" : discover(name, "port: \(port)"))
            if isFile { plan.servers = ["api.test:\(port)"] }
            plan.process = "nameservers: [\(name.address)]\nabsent_after: 2s"
            return plan
        }
        for (isFile, reply) in [
            (false, ScriptedNameServer.Reply.failure(3)), (true, .failure(3)), (true, .answers([])),
        ] {
            let name = try ScriptedNameServer { question in
                question.type == 1 ? .answers([.a("127.0.0.48", seconds: 0)]) : .answers([])
            }
            let proxy = try ProxyProcess(plan(name, isFile: isFile))
            #expect(proxy.waitUntilServing(1), "\(proxy.log)")
            // What fails to tell tells nothing, however long.
            name.play { _ in .failure(2) }
            let before = name.questions.count
            #expect(eventually(timeout: 30) { name.questions.count >= before + 4 })
            #expect(try answers(proxy, 3) == ["a"], "\(proxy.log)")
            name.play { _ in reply }
            #expect(
                eventually(timeout: 40) { (try? proxy.ask(get()).status) == 503 },
                "\(isFile) \(proxy.log)")
            // It has an address again, the same one.
            name.play { question in
                question.type == 1 ? .answers([.a("127.0.0.48", seconds: 0)]) : .answers([])
            }
            #expect(
                eventually(timeout: 40) { (try? proxy.ask(get()).text) == "a" },
                "\(isFile) \(proxy.log)")
        }
    }

    @Test("SRV: ports, weights, and a worse priority as a backup")
    func services() throws {
        let ports = Machine.freePorts(3)
        for (index, text) in ["a", "b", "c"].enumerated() {
            try AddressedServer.start("127.0.0.45", port: ports[index], text: text)
        }
        let name = try ScriptedNameServer { question in
            switch (question.name, question.type) {
            case ("_http._tcp.api.test", 33):
                return .answers([
                    .srv(priority: 1, weight: 30, port: ports[0], target: "x.test", seconds: 1),
                    .srv(priority: 1, weight: 10, port: ports[1], target: "x.test", seconds: 1),
                    .srv(priority: 2, weight: 0, port: ports[2], target: "x.test", seconds: 1),
                ])
            case ("x.test", 1): return .answers([.a("127.0.0.45", seconds: 1)])
            default: return .answers([])
            }
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                service: """
                    discover:
                      dns: { name: _http._tcp.api.test, type: srv, nameservers: [\(name.address)] }
                    balance: round-robin
                    """))
        #expect(proxy.waitUntilServing(3), "\(proxy.log)")
        #expect(
            try Set(proxy.status().servers.keys) == Set(ports.map { "x.test:\($0)" }))
        var counts: [String: Int] = [:]
        for _ in 0..<40 { counts[try proxy.ask(get()).text, default: 0] += 1 }
        #expect(counts == ["a": 30, "b": 10])
    }

    @Test("A file's server with a name follows it, without a reload")
    func named() throws {
        let port = try serve(["127.0.0.46": "a", "127.0.0.47": "b"])
        let name = try ScriptedNameServer { question in
            question.type == 1 ? .answers([.a("127.0.0.46", seconds: 0)]) : .answers([])
        }
        var plan = ProxyPlan(rest: "")
        plan.servers = ["web.test:\(port)"]
        plan.process = "nameservers: [\(name.address)]"
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try answers(proxy, 3) == ["a"])
        let load = LoadClient(port: proxy.port, rate: 100, threadCount: 4)
        name.play { question in
            question.type == 1 ? .answers([.a("127.0.0.47", seconds: 0)]) : .answers([])
        }
        #expect(eventually(timeout: 20) { (load.result.answers["b"] ?? 0) > 10 }, "\(proxy.log)")
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
        #expect(try answers(proxy, 5) == ["b"])
    }

    @Test("What cannot be is refused with its place and a way out")
    func mistakes() throws {
        func check(_ dns: String) throws -> String {
            let directory = TemporaryDirectory()
            try directory.write(
                "listeners: { web: { address: \":8080\" } }\n"
                    + "services:\n  app:\n    discover:\n      dns: \(dns)\n",
                to: "a.yaml")
            let result = try ProxyProcess.command(["check", directory.file("a.yaml")])
            #expect(result.status == 78, "\(dns): \(result)")
            return result.output
        }
        #expect(try check("{ port: 1 }").contains("must have 'name'"))
        #expect(try check("{ name: a }").contains("must have 'port'"))
        #expect(try check("{ name: a, port: 1, type: srv }").contains("'port' has no meaning"))
        #expect(try check("{ name: a, port: 1, type: mx }").contains("write a, aaaa or srv"))
        #expect(try check("{ name: a, port: 1, refresh: 2h }").contains("'1s' to '60s'"))
        #expect(try check("{ name: a, port: 1, nameservers: [ns1] }").contains("must be numeric"))
        #expect(try check("{ nmae: a, port: 1 }").contains("did you mean 'name'?"))
    }
}
