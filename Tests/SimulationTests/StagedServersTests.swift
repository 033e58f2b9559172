import Balancing
import Simulation
import Statistics
import Testing
import Timing

private typealias Request = TrafficPlan.Request

/// Servers of one group, without chance.
private func stage(
    _ group: ServerGroup = ServerGroup(), _ disturbances: [Disturbance] = [], load: Double = 0.5
) -> StagedServers {
    var scenario = Scenario(name: "test", groups: [group], load: load, requestCount: 1000)
    scenario.disturbances = disturbances
    return StagedServers(scenario, countedTime: 0...1000, seed: 1, repetition: 0)
}

/// Everything that happens up to `time`.
private func happenings(
    _ servers: inout StagedServers, until time: Double
) -> [StagedServers.Happening] {
    var list: [StagedServers.Happening] = []
    while let next = servers.next(until: time) { list.append(next) }
    return list
}

private func answers(_ list: [StagedServers.Happening]) -> [UInt64: Double] {
    var times: [UInt64: Double] = [:]
    for happening in list {
        if case .answer(let tag, false) = happening.action { times[tag] = happening.time }
    }
    return times
}

@Suite("Staged servers")
struct StagedServersTests {
    /// Three requests of sizes 1, 1 and 0.5 that come at 0, 0.25 and 0.5.
    private func answerTimes(_ group: ServerGroup) -> [Double?] {
        var servers = stage(group)
        for (tag, size) in [1, 1, 0.5].enumerated() {
            let time = Double(tag) / 4
            _ = servers.take(
                Request(time: time, size: size), tag: UInt64(tag), at: 0, now: time)
        }
        let times = answers(happenings(&servers, until: 100))
        return (0..<3).map { times[$0] }
    }

    @Test("queue first come, first served, and never begin late because somebody looks late")
    func queue() {
        var group = ServerGroup()
        #expect(answerTimes(group) == [1, 2, 2.5])
        group.slots = 2
        #expect(answerTimes(group) == [1, 1.25, 1.5])
        group.speed = 2
        #expect(answerTimes(group) == [0.5, 0.75, 0.75])
    }

    @Test("share their speed, or only delay")
    func disciplines() {
        var group = ServerGroup()
        group.discipline = .sharing
        // 0.25 alone, then two share, then three.
        #expect(answerTimes(group) == [2.25, 2.5, 2])
        group.discipline = .delay
        #expect(answerTimes(group) == [1, 1.25, 1])
    }

    @Test("fail at once without doing the work")
    func failFast() {
        var servers = stage(
            ServerGroup(), [Disturbance(.fault([0], .failFast(after: 0.01)), at: .time(0))])
        _ = servers.take(Request(time: 1, size: 5), tag: 7, at: 0, now: 1)
        let isIdle = servers.isIdle(0)
        #expect(isIdle)
        let list = happenings(&servers, until: 100)
        #expect(
            list
                == [.init(time: 1.01, action: .answer(tag: 7, fails: true))])
    }

    @Test("hang, and go on when it is over")
    func hang() {
        var servers = stage(
            ServerGroup(),
            [Disturbance(.fault([0], .hang), at: .time(2), until: .time(10))])
        _ = servers.take(Request(time: 1.5, size: 1), tag: 1, at: 0, now: 1.5)
        let before = servers.check(0)
        let meanwhile = happenings(&servers, until: 9)
        let during = servers.check(0)
        let times = answers(happenings(&servers, until: 100))
        #expect(before == .passes && during == .hangs)
        #expect(meanwhile.isEmpty && times == [1: 10.5])
    }

    @Test("refuse connections for a time, and again and again when they flap")
    func refusals() {
        var servers = stage(
            ServerGroup(count: 2),
            [
                Disturbance(.fault([0], .refuse), at: .time(1), until: .time(3)),
                Disturbance(
                    .fault([1], .flapping(down: 1, up: 2)), at: .time(4), until: .time(9)),
            ])
        let list = happenings(&servers, until: 20)
        #expect(
            list == [
                .init(time: 1, action: .refuse(0)), .init(time: 3, action: .accept(0)),
                .init(time: 4, action: .refuse(1)), .init(time: 5, action: .accept(1)),
                .init(time: 7, action: .refuse(1)), .init(time: 8, action: .accept(1)),
            ])
    }

    @Test("join, drain and leave in the instants of the scenario")
    func membership() {
        var servers = stage(
            ServerGroup(count: 2),
            [
                Disturbance(.join(ServerGroup(count: 1, speed: 2)), at: .time(1)),
                Disturbance(.drain([0]), at: .time(2)),
                Disturbance(.leave([1]), at: .time(3)),
            ])
        _ = servers.take(Request(time: 0, size: 9), tag: 4, at: 1, now: 0)
        let list = happenings(&servers, until: 2.5)
        #expect(list.map(\.action) == [.join(2), .drain(0)])
        _ = servers.take(Request(time: 2.5, size: 0.5), tag: 5, at: 2, now: 2.5)
        let rest = happenings(&servers, until: 20)
        #expect(
            rest == [
                .init(time: 2.75, action: .answer(tag: 5, fails: false)),
                .init(time: 3, action: .die(1, tags: [4])),
                .init(time: 3, action: .leave(1)),
            ])
        let speed = servers.group(of: 2).speed
        #expect(speed == 2)
    }

    @Test("are restarted one after another, each when it has finished")
    func rolling() {
        var servers = stage(
            ServerGroup(count: 2),
            [
                Disturbance(
                    .rolling(
                        Rolling(
                            down: 2, pause: 3, drains: true,
                            coldStart: ColdStart(factor: 3, requests: 10))), at: .time(1))
            ])
        _ = servers.take(Request(time: 0.5, size: 1), tag: 1, at: 0, now: 0.5)
        let first = happenings(&servers, until: 1.4)
        let isIdle = servers.isIdle(0)
        let times = answers(happenings(&servers, until: 1.6))
        #expect(first == [.init(time: 1, action: .takeOut(0))])
        #expect(!isIdle && times == [1: 1.5])
        servers.finished(0, at: 2)
        let rest = happenings(&servers, until: 10)
        #expect(
            rest == [
                .init(time: 2, action: .die(0, tags: [])),
                .init(time: 4, action: .accept(0)),
                .init(time: 4, action: .bringBack(0)),
                .init(time: 7, action: .takeOut(1)),
            ])
        // Cold: its first request takes three times as long.
        _ = servers.take(Request(time: 10, size: 1), tag: 2, at: 0, now: 10)
        let cold = answers(happenings(&servers, until: 20))
        #expect(cold == [2: 13])
    }

    /// One server has no balancer's choice in it: what is left is the engine.
    @Test("give the response times and the utilisation of the simulator, for the same seed")
    func sameAsSimulator() throws {
        var scenario = Scenario(
            name: "test", groups: [ServerGroup(count: 1)], load: 0.7, requestCount: 5000)
        scenario.groups[0].antagonist = Antagonist(every: 50, lasts: 5, speed: 0.3)
        let simulated = Simulator.run(scenario, Contender(.roundRobin), seed: 5, repetition: 2)
        let plan = TrafficPlan(scenario, seed: 5, repetition: 2)
        #expect(plan.counted == 500..<5000)
        var servers = StagedServers(
            scenario, countedTime: plan.countedTime, seed: 5, repetition: 2)
        var transcript = RunTranscript()
        func note(_ happening: StagedServers.Happening) {
            guard case .answer(let tag, _) = happening.action else { return }
            let came = plan.requests[Int(tag)].time
            transcript.note(
                .answered(request: Int32(tag), server: 0, after: happening.time - came),
                at: happening.time)
        }
        for (number, request) in plan.requests.enumerated() {
            while let happening = servers.next(until: request.time) { note(happening) }
            transcript.note(.arrived(request: Int32(number)), at: request.time)
            transcript.note(.picked(request: Int32(number), server: 0), at: request.time)
            _ = servers.take(request, tag: UInt64(number), at: 0, now: request.time)
        }
        while let happening = servers.next(until: 1e9) { note(happening) }
        let result = transcript.result(
            of: scenario, plan: plan, busyAtStart: servers.busyAtStart,
            busyAtEnd: servers.busyAtEnd, slots: servers.slots, weights: [1])
        #expect(result.requestCount == 4500 && result.durations.count == 4500)
        #expect(result.failureCount == 0)
        #expect(abs(result.durations.sum - simulated.durations.sum) < 1e-6)
        #expect(abs(result.durations.longest - simulated.durations.longest) < 1e-9)
        let utilisation = try #require(result.servers.first?.utilisation)
        let expected = try #require(simulated.servers.first?.utilisation)
        #expect(abs(utilisation - expected) < 1e-9)
    }
}
