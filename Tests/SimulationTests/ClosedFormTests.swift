import Balancing
import Simulation
import Statistics
import Testing
import Theory

/// The simulator against what is known exactly. Few requests, so that an ordinary test run stays
/// short: tolerances are stated, in percent of the mean, and seeds are fixed. The long table is
/// `make theory`.
@Suite("The simulator and theory")
struct ClosedFormTests {
    private func mean(
        _ name: String, servers: Int, load: Double, requests: Int, repetitions: Int = 2,
        _ change: (inout Scenario) -> Void = { _ in }
    ) throws -> Double {
        var scenario = Scenario(
            name: "base", groups: [ServerGroup(count: servers)], load: load,
            requestCount: requests)
        change(&scenario)
        let contender = try #require(Contender(name: name))
        var all = Durations()
        for repetition in 0..<repetitions {
            let result = Simulator.run(scenario, contender, seed: 2, repetition: repetition)
            #expect(result.failureCount == 0)
            all.add(result.durations)
        }
        return try #require(all.mean)
    }

    private func expect(
        _ value: Double, near exact: Double, percent: Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(
            abs(value - exact) <= percent / 100 * exact,
            "\(value) for \(exact): \((value / exact - 1) * 100) %",
            sourceLocation: sourceLocation)
    }

    @Test("random is M/M/1", arguments: [(0.5, 3.0), (0.7, 5.0), (0.8, 6.0)])
    func random(_ entry: (load: Double, percent: Double)) throws {
        let value = try mean("random", servers: 10, load: entry.load, requests: 40_000)
        expect(value, near: Queueing.singleServerMean(load: entry.load), percent: entry.percent)
    }

    @Test("round robin is E_n/M/1", arguments: [(2, 0.5, 3.0), (10, 0.7, 3.0), (100, 0.5, 3.0)])
    func rotation(_ entry: (servers: Int, load: Double, percent: Double)) throws {
        let value = try mean(
            "round-robin", servers: entry.servers, load: entry.load, requests: 20_000)
        let exact = Queueing.rotationMean(servers: entry.servers, load: entry.load)
        expect(value, near: exact, percent: entry.percent)
    }

    @Test(
        "one server is M/G/1, whatever the law",
        arguments: [
            (ServiceLaw.constant, 3.0), (.exponential, 4), (.lognormal(scv: 0.5), 4),
            (.bimodal(share: 0.1, ratio: 5), 5), (.pareto(shape: 4), 6),
            (.histogram([.init(value: 1, count: 3), .init(value: 5, count: 1)]), 5),
        ])
    func generalService(_ entry: (law: ServiceLaw, percent: Double)) throws {
        let value = try mean("first", servers: 1, load: 0.5, requests: 40_000) {
            $0.service = entry.law
        }
        let exact = Queueing.generalServiceMean(load: 0.5, scv: entry.law.scv)
        expect(value, near: exact, percent: entry.percent)
    }

    @Test(
        "processor sharing does not care for the law",
        arguments: [
            ServiceLaw.constant, .exponential, .bimodal(share: 0.1, ratio: 5),
        ])
    func sharing(law: ServiceLaw) throws {
        let value = try mean("first", servers: 1, load: 0.6, requests: 40_000) {
            $0.service = law
            $0.groups[0].discipline = .sharing
        }
        expect(value, near: Queueing.processorSharingMean(load: 0.6), percent: 5)
    }

    @Test("one server with n slots is M/M/n", arguments: [(2, 0.7), (10, 0.8)])
    func centralQueue(_ entry: (slots: Int, load: Double)) throws {
        let value = try mean("first", servers: 1, load: entry.load, requests: 40_000) {
            $0.groups[0].slots = entry.slots
        }
        let exact = Queueing.centralQueueMean(servers: entry.slots, load: entry.load)
        expect(value, near: exact, percent: 4)
    }

    @Test("a server that only delays takes the mean service time")
    func delay() throws {
        let value = try mean("first", servers: 1, load: 5, requests: 40_000) {
            $0.groups[0].discipline = .delay
        }
        expect(value, near: 1, percent: 2)
    }

    @Test(
        "least requests over few servers is the exact shortest queue",
        arguments: [
            (2, 0.5, 1.426321, 2.0), (2, 0.7, 2.108197, 4.0), (3, 0.5, 1.244836, 2.0),
            (3, 0.8, 2.285548, 6.0),
        ])
    func shortestQueue(_ entry: (servers: Int, load: Double, exact: Double, percent: Double)) throws
    {
        let value = try mean(
            "least-requests", servers: entry.servers, load: entry.load, requests: 40_000)
        expect(value, near: entry.exact, percent: entry.percent)
    }

    @Test(
        "best of d among 100 is what other simulators found",
        arguments: [
            ("p2c", 0.5, 1.267, 2.0), ("p2c", 0.8, 1.955, 4.0), ("p2c:3", 0.5, 1.128, 2.0),
            ("p2c:3", 0.8, 1.590, 4.0),
        ])
    func bestOf(_ entry: (name: String, load: Double, expected: Double, percent: Double)) throws {
        let value = try mean(entry.name, servers: 100, load: entry.load, requests: 40_000)
        expect(value, near: entry.expected, percent: entry.percent)
    }

    @Test("the percentiles of M/M/1 are those of an exponential")
    func percentiles() {
        let scenario = Scenario(
            name: "base", groups: [ServerGroup(count: 10)], load: 0.5, requestCount: 80_000)
        let result = Simulator.run(scenario, Contender(.random), seed: 4)
        for share in [0.5, 0.9, 0.99] {
            let exact = Queueing.quantile(share) { Queueing.singleServerTail($0, load: 0.5) }
            expect(result.durations.quantile(share) ?? 0, near: exact, percent: 6)
        }
    }

    @Test("utilisation is the load, and evenly spread over equal servers")
    func utilisation() {
        let scenario = Scenario(
            name: "base", groups: [ServerGroup(count: 10)], load: 0.6, requestCount: 60_000)
        let result = Simulator.run(scenario, Contender(.leastRequests), seed: 5)
        let mean = result.servers.reduce(0) { $0 + $1.utilisation } / 10
        expect(mean, near: 0.6, percent: 2)
        #expect(result.jainIndex > 0.999)
    }
}
