import Linux
import LiveBench
import Simulation
import Statistics
import Synchronization
import Testing
import Timing

private func scenario(
    servers: Int = 1, load: Double = 0.3, requests: Int = 100,
    _ change: (inout Scenario) -> Void = { _ in }
) -> Scenario {
    var scenario = Scenario(
        name: "test", groups: [ServerGroup(count: servers)], load: load, requestCount: requests)
    scenario.service = .constant
    change(&scenario)
    return scenario
}

/// A clock that is now and then ahead of the real one: whoever reads it finds that time has
/// passed in which it did nothing.
private final class StallingClock: Sendable {
    private let start = Clock.monotonic()
    private let stall: Interval
    private let period: Interval

    init(_ stall: Interval, every period: Interval) {
        self.stall = stall
        self.period = period
    }

    /// Stands still for `stall` at the end of each period.
    func now() -> LoopInstant {
        let elapsed = (Clock.monotonic() - start).nanoseconds
        let phase = elapsed % period.nanoseconds
        let open = period.nanoseconds - stall.nanoseconds
        return start + Interval(nanoseconds: elapsed - phase + min(phase, open))
    }
}

/// Straight from the generator to the servers, without a proxy between them: each worker of the
/// plan has a server.
private func play(
    _ scenario: Scenario, unit: Interval = .milliseconds(2),
    readClock: @escaping () -> LoopInstant = Clock.monotonic
) throws -> (outcome: Generator.Outcome, account: LiveServers.Account, result: RunResult) {
    let plan = TrafficPlan(scenario, seed: 1, repetition: 0)
    let servers = try LiveServers(scenario, plan: plan, seed: 1, repetition: 0, unit: unit)
    let origin = Clock.monotonic() + .milliseconds(50)
    servers.begin(at: origin)
    let outcome = try Generator(
        plan, to: servers.addresses, over: .one, unit: unit, from: origin,
        patience: .seconds(5), readClock: readClock
    ).run()
    let account = servers.stop()
    var transcript = outcome.transcript
    transcript.add(account.transcript)
    let result = transcript.result(
        of: scenario, plan: plan, busyAtStart: account.busyAtStart,
        busyAtEnd: account.busyAtEnd, slots: account.slots, weights: account.weights)
    return (outcome, account, result)
}

@Suite("The generator and the servers of the live bench")
struct GeneratorTests {
    @Test("play every request: none is answered before its work is done, and all is told")
    func wholeRun() throws {
        let (outcome, account, result) = try play(scenario())
        #expect(outcome.failure == nil && account.failure == nil && !outcome.isPartial)
        #expect(outcome.endedCount == 90 && result.requestCount == 90, "the first tenth is warm-up")
        #expect(result.durations.count == 90 && result.failureCount == 0)
        #expect(result.servers.map(\.picks) == [90] && result.servers.map(\.answers) == [90])
        // Sizes are all 1, and one is served at a time.
        #expect(result.durations.quantiles([0.01])[0].map { $0 >= 0.999 } ?? false)
        #expect((0.15...0.45).contains(result.servers[0].utilisation))
        #expect(outcome.lateness.count == 90 && account.lateness.count >= 90)
        #expect(outcome.connectionCount >= 16)
    }

    @Test("have the response times of the queue that the scenario describes")
    func queue() throws {
        // What arrives faster than it can be served is served one by one.
        let (_, _, result) = try play(
            scenario(load: 5, requests: 100) { $0.arrivals = .constant })
        // The k-th of them comes after k / 5, and leaves after k units.
        let longest = result.durations.longest
        #expect((79.9...200).contains(longest), "\(longest)")
        let median = try #require(result.durations.quantile(0.5))
        #expect((42...120).contains(median), "\(median)")
    }

    @Test("count from the time that a request was due, and tell how late it was sent")
    func stalls() throws {
        let clock = StallingClock(.milliseconds(40), every: .milliseconds(100))
        let (outcome, _, result) = try play(
            scenario(requests: 200), unit: .milliseconds(2), readClock: clock.now)
        #expect(outcome.failure == nil && result.durations.count == 180)
        // Forty of a hundred milliseconds: what was due in them was sent at their end.
        #expect(outcome.lateness.longest >= .milliseconds(5), "\(outcome.lateness.longest)")
        let run = LiveRun(
            result, sendLateness: outcome.lateness, answerLateness: Lateness(),
            clientConnections: 1, serverConnections: 1)
        #expect(throws: LiveFailure.self) { try run.checkTimes(unit: .milliseconds(2)) }
        let failure = #expect(throws: LiveFailure.self) {
            try run.checkTimes(unit: .milliseconds(2))
        }
        #expect(failure?.kind == .late)
        #expect(
            failure?.sentence.hasPrefix("the generator sent too late: one in a thousand") ?? false)
    }

    @Test("tell errors from answers, with their times")
    func failFast() throws {
        let (_, account, result) = try play(
            scenario {
                $0.disturbances = [Disturbance(.fault([0], .failFast(after: 0.1)), at: .time(0))]
            })
        #expect(account.failure == nil)
        #expect(result.failures == [.errorAnswer: 90])
        #expect(result.servers.map(\.failures) == [90] && result.servers.map(\.answers) == [0])
        #expect(result.servers[0].utilisation == 0)
    }

    @Test("let a hanging server hang, and answer what has waited when it is over")
    func hang() throws {
        let (_, _, result) = try play(
            scenario(load: 0.2, requests: 100) {
                $0.disturbances = [
                    Disturbance(.fault([0], .hang), at: .share(0.5), until: .share(0.7))
                ]
            })
        // The run lasts 500 units, and the server hangs for 100.
        #expect(result.durations.count == 90 && result.failureCount == 0)
        #expect((80...160).contains(result.durations.longest), "\(result.durations.longest)")
    }

    @Test("end early when they are asked to")
    func stopping() throws {
        let scenario = scenario(requests: 100_000)
        let plan = TrafficPlan(scenario, seed: 1, repetition: 0)
        let servers = try LiveServers(
            scenario, plan: plan, seed: 1, repetition: 0, unit: .milliseconds(2))
        let progress = RunProgress()
        let origin = Clock.monotonic()
        servers.begin(at: origin)
        try Thread.start(name: "stopper") {
            while progress.sentCount < 10 { ThisProcess.sleep(.milliseconds(1)) }
            progress.stop()
        }
        let outcome = try Generator(
            plan, to: servers.addresses, over: .one, unit: .milliseconds(2), from: origin,
            patience: .seconds(5), progress: progress
        ).run()
        _ = servers.stop()
        #expect(outcome.isPartial)
        #expect((10..<1000).contains(progress.sentCount))
    }

    @Test("refuse a target where nobody listens with a sentence")
    func nobody() throws {
        let scenario = scenario()
        let plan = TrafficPlan(scenario, seed: 1, repetition: 0)
        let place = try ListeningSocket.reserve(SocketAddress.ipv4(0x7F00_0001, port: 0))
        let address = try ListeningSocket.address(of: place)
        let outcome = try Generator(
            plan, to: [address], over: .one, unit: .milliseconds(2), from: Clock.monotonic(),
            patience: .milliseconds(100)
        ).run()
        #expect(outcome.failure?.contains("cannot be connected to") ?? false)
    }
}
