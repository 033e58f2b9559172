import TestSupport
import Testing

@Suite("Requests are spread over the servers", .onStage)
struct SpreadTests {
    @Test(
        "10,000 requests fall evenly on two servers", arguments: ["least-requests", "round-robin"])
    func twoServers(strategy: String) throws {
        let servers = [try NginxServer(text: "a"), try NginxServer(text: "b")]
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port), service: "balance: \(strategy)", workers: nil))
        let load = LoadClient(port: proxy.port, rate: 1_000_000, threadCount: 8)
        load.waitForRequests(10_000, seconds: 60)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect(result.successCount >= 10_000)
        let share = Double(result.answers["a"] ?? 0) / Double(result.successCount)
        #expect((0.45...0.55).contains(share), "\(result)")
    }

    @Test("staithe PORT SERVER SERVER spreads 10,000 requests evenly")
    func oneLineEvenly() throws {
        let servers = [try NginxServer(text: "a"), try NginxServer(text: "b")]
        let proxy = try ProxyProcess(oneLine: servers.map(\.port))
        let load = LoadClient(
            port: proxy.port, rate: 1_000_000, threadCount: 8, requests: LoadClient.mixed)
        load.waitForRequests(10_000, seconds: 60)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        let share = Double(result.answers["a"] ?? 0) / Double(result.successCount)
        #expect((0.45...0.55).contains(share), "\(result)")
    }

    @Test("Round robin takes turns exactly")
    func turns() throws {
        let servers = try ["a", "b", "c"].map { try ScriptedServer(text: $0) }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: servers.map(\.port), service: "balance: round-robin"))
        let client = try proxy.client()
        var answers: [String] = []
        for _ in 0..<30 { answers.append(try client.ask(get()).text) }
        for start in stride(from: 0, to: 30, by: 3) {
            #expect(Set(answers[start..<start + 3]) == ["a", "b", "c"])
        }
    }

    @Test("A server of weight 3 takes three quarters, and one of weight 0 nothing")
    func weights() throws {
        let servers = try ["a", "b", "c"].map { try ScriptedServer(text: $0) }
        var plan = ProxyPlan(service: "balance: round-robin")
        plan.servers = [
            "{ address: \(servers[0].address), weight: 3 }",
            "{ address: \(servers[1].address), weight: 1 }",
            "{ address: \(servers[2].address), weight: 0 }",
        ]
        let client = try ProxyProcess(plan).client()
        var counts: [String: Int] = [:]
        for _ in 0..<40 { counts[try client.ask(get()).text, default: 0] += 1 }
        #expect(counts == ["a": 30, "b": 10])
    }

    @Test("A backup serves only when the others are gone")
    func backup() throws {
        let first = try NginxServer(text: "first")
        let spare = try ScriptedServer(text: "spare")
        var plan = ProxyPlan(
            health: "{ interval: 200ms, timeout: 100ms, down_after: 1, up_after: 1 }")
        plan.servers = [
            "127.0.0.1:\(first.port)", "{ address: \(spare.address), backup: true }",
        ]
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitUntilServing(2))
        for _ in 0..<20 { #expect(try proxy.ask(get()).text == "first") }
        first.process.killAtOnce()
        #expect(eventually { (try? proxy.ask(get()).text) == "spare" })
    }

    @Test("staithe PORT SERVER SERVER is enough")
    func oneLine() throws {
        let servers = try ["a", "b"].map { try ScriptedServer(text: $0) }
        let proxy = try ProxyProcess(oneLine: servers.map(\.port))
        #expect(eventually { (try? proxy.ask(get()).status) == 200 })
        var seen: Set<String> = []
        #expect(
            eventually {
                seen.insert((try? proxy.ask(get()).text) ?? "")
                return seen.isSuperset(of: ["a", "b"])
            })
    }
}
