import Foundation
import TestSupport
import Testing

/// What the strategies do with real requests; what they do in detail is tested by themselves.
@Suite("Strategies choose the server of a request", .onStage)
struct StrategyPlays {
    private func servers(_ count: Int) throws -> [ScriptedServer] {
        try (0..<count).map { number in try ScriptedServer(text: "s\(number)") }
    }

    @Test(
        "Every strategy serves, and none leaves a server out for ever",
        arguments: [
            "deadline", "random", "p2c", "least-time", "peak-ewma", "hot-cold", "join-idle-queue",
            "{ strategy: ring-hash, key: path }", "{ strategy: maglev, key: path }",
            "{ strategy: rendezvous, key: path }",
        ])
    func all(balance: String) throws {
        let servers = try servers(3)
        let proxy = try ProxyProcess(
            ProxyPlan(servers: servers.map(\.port), service: "balance: \(balance)"))
        let client = try proxy.client()
        var answers: [String: Int] = [:]
        for number in 0..<300 {
            let answer = try client.ask(get("/\(number)"))
            #expect(answer.status == 200)
            answers[answer.text, default: 0] += 1
        }
        #expect(answers.keys.sorted() == ["s0", "s1", "s2"], "\(answers)")
    }

    @Test(
        "Requests with the same key go to the same server, from every connection and worker",
        arguments: ["ring-hash", "maglev", "rendezvous"],
        ["header:X-User", "cookie:session", "query:id", "path"])
    func sticky(strategy: String, key: String) throws {
        let servers = try servers(4)
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                // A bound would send on what comes while the one before is not settled yet.
                service: """
                    balance: { strategy: \(strategy), key: "\(key)", bounded_load: off }
                    """, workers: 2))
        func request(_ user: Int, _ decoy: Int) -> String {
            switch key {
            case "path": get("/user/\(user)?\(decoy)")
            case "query:id": get("/?xid=\(decoy)&id=\(user)&other=\(decoy)")
            case "cookie:session":
                get("/\(decoy)", fields: "Cookie: a=\(decoy); session=\(user); xsession=9\r\n")
            default: get("/\(decoy)", fields: "x-user: \(user)\r\n")
            }
        }
        var homes: [Int: String] = [:]
        for round in 0..<4 {
            let client = try proxy.client()
            for user in 0..<30 {
                let answer = try client.ask(request(user, round)).text
                #expect(homes[user] == nil || homes[user] == answer, "user \(user)")
                homes[user] = answer
            }
        }
        #expect(Set(homes.values).count >= 3, "\(homes)")
    }

    @Test("A client's address is a key; requests without a key are spread")
    func addresses() throws {
        let servers = try servers(4)
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: "balance: { strategy: maglev, key: client-ip }"))
        var homes = Set<String>()
        for _ in 0..<10 { homes.insert(try proxy.ask(get()).text) }
        #expect(homes.count == 1)
        let other = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: "balance: { strategy: maglev, key: \"cookie:session\" }"))
        let client = try other.client()
        homes = []
        for _ in 0..<60 { homes.insert(try client.ask(get()).text) }
        #expect(homes.count == 4)
    }

    @Test("The keys of a server that is drained go elsewhere, and those of others stay")
    func drained() throws {
        let servers = try servers(4)
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: "balance: { strategy: rendezvous, key: path }"))
        let client = try proxy.client()
        func homes() throws -> [String] {
            try (0..<60).map { try client.ask(get("/\($0)")).text }
        }
        let before = try homes()
        let drained = try proxy.command("drain", servers[1].address)
        #expect(drained.status == 0, "\(drained.errors)")
        let during = try homes()
        for (old, new) in zip(before, during) {
            #expect(new != "s1")
            #expect(old == "s1" || old == new)
        }
    }

    @Test("A hot key is sent on when its server has more than its bound")
    func bound() throws {
        // Servers that answer when they are told to.
        let isOpen = Locked(false)
        let servers = try (0..<3).map { number in
            try ScriptedServer(answering: { _ in
                _ = eventually { isOpen.withLock { $0 } }
                return ok("s\(number)")
            })
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: """
                    balance: { strategy: ring-hash, key: path, bounded_load: 150% }
                    """))
        let clients = try (0..<9).map { _ in try proxy.client() }
        for client in clients { try client.send(get("/hot")) }
        // 9 requests, 3 on average, times 1.5: at most 5 on one.
        #expect(eventually { servers.reduce(0) { $0 + $1.requestCount } == 9 })
        let counts = servers.map(\.requestCount).sorted()
        #expect((counts.last ?? 9) <= 5, "\(counts)")
        isOpen.withLock { $0 = true }
        for client in clients { #expect(try client.readResponse().status == 200) }
    }

    @Test("A shadow chooses beside: its shares and agreement stand in status")
    func shadow() throws {
        let servers = try servers(2)
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: "balance: { strategy: first, shadow: round-robin }"))
        let client = try proxy.client()
        for _ in 0..<40 { #expect(try client.ask(get()).text == "s0") }
        let status = try proxy.command("status")
        #expect(status.output.contains("shadow round-robin"), "\(status.output)")
        #expect(status.output.contains("agrees in 50 % of 40"), "\(status.output)")
        let json = try proxy.command("status", "--json").output
        for part in ["\"agreement\":0.5", "\"picks\":40", "\"shadow\":0.5", "\"share\":1"] {
            #expect(json.contains(part), "\(part) in \(json)")
        }
        let metrics = try proxy.admin("/metrics").text
        let labels = "service=\"app\",strategy=\"round-robin\""
        #expect(metrics.contains("staithe_shadow_picks_total{\(labels)} 40"), "\(metrics)")
        #expect(metrics.contains("staithe_shadow_agreement_ratio{\(labels)} 0.5"), "\(metrics)")
        let shares = metrics.split(separator: "\n").filter {
            $0.hasPrefix("staithe_shadow_server_share_ratio{")
        }
        #expect(shares.count == 4, "two servers, twice: \(shares)")
        #expect(shares.count { $0.contains("by=\"shadow\"") && $0.hasSuffix(" 0.5") } == 2)
        #expect(shares.count { $0.contains("by=\"balance\"") && $0.hasSuffix(" 1.0") } == 1)
    }

    @Test("With too few healthy servers, health is ignored and status says so")
    func panic() throws {
        let good = try ScriptedServer(text: "good")
        let ports = [good.port, Machine.freePort(), Machine.freePort()]
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: ports,
                service: """
                    balance: { strategy: round-robin, panic_threshold: 60% }
                    outliers: off
                    retries: off
                    """,
                health: "{ interval: 100ms, timeout: 50ms, down_after: 1, up_after: 1 }"))
        #expect(eventually { (try? proxy.command("status").output.contains("panic")) == true })
        let client = try proxy.client()
        var statuses = Set<Int>()
        for _ in 0..<12 { statuses.insert(try client.ask(get()).status) }
        #expect(statuses.contains(200))
        #expect(statuses.contains { $0 >= 500 }, "servers that are down are asked too")
    }

    @Test("hot-cold leaves a server alone that reports a high load")
    func reported() throws {
        let idle = try ScriptedServer(text: "idle")
        let busy = try ScriptedServer(answering: { _ in ok("busy", fields: "X-Load: 50\r\n") })
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [idle.port, busy.port],
                service: "balance: { strategy: hot-cold, load_header: x-load }"))
        let client = try proxy.client()
        var answers: [String] = []
        for _ in 0..<120 { answers.append(try client.ask(get()).text) }
        #expect(answers.contains("busy"), "it must be asked to be known")
        #expect(answers.suffix(60).count { $0 == "busy" } <= 6, "\(answers)")
    }
}
