import Balancing
import Health
import Simulation
import Statistics
import Testing
import Timing

private func scenario(
    servers: Int = 5, load: Double = 0.7, requests: Int = 6000,
    _ change: (inout Scenario) -> Void = { _ in }
) -> Scenario {
    var scenario = Scenario(
        name: "test", groups: [ServerGroup(count: servers)], load: load, requestCount: requests)
    change(&scenario)
    return scenario
}

private func play(
    _ name: String, _ scenario: Scenario, seed: UInt64 = 1, repetition: Int = 0
) throws -> RunResult {
    Simulator.run(
        scenario, try #require(Contender(name: name)), seed: seed, repetition: repetition)
}

@Suite("A run")
struct RunTests {
    private static let busy = scenario(servers: 4) {
        $0.proxy = ProxySettings()
        $0.proxy.checks = ProxySettings.Checks()
        $0.workers = 2
        $0.disturbances = [
            Disturbance(.fault([0], .errors(0.3)), at: .share(0.2), until: .share(0.5)),
            Disturbance(.join(ServerGroup(count: 1)), at: .share(0.4)),
            Disturbance(.drain([1]), at: .share(0.6)),
        ]
    }

    @Test("of the same seed is the same to the last bit; of another it is not")
    func determinism() throws {
        let first = try play("least-requests", Self.busy)
        let second = try play("least-requests", Self.busy)
        let third = try play("least-requests", Self.busy, seed: 2)
        let fourth = try play("least-requests", Self.busy, repetition: 1)
        #expect(first.durations.sum == second.durations.sum)
        #expect(first.durations.longest == second.durations.longest)
        #expect(first.servers.map(\.picks) == second.servers.map(\.picks))
        #expect(first.stretches.map(\.picks) == second.stretches.map(\.picks))
        #expect(first.failures == second.failures)
        #expect(first.durations.sum != third.durations.sum)
        #expect(first.durations.sum != fourth.durations.sum)
    }

    @Test("accounts for every request, whatever happens", arguments: Strategy.allCases)
    func accounting(strategy: Strategy) throws {
        var scenario = Self.busy
        scenario.keys = KeyLaw(count: 100, exponent: 1)
        let result = Simulator.run(scenario, Contender(strategy), seed: 3)
        #expect(result.requestCount == 5400, "the first tenth does not count")
        #expect(result.durations.count + result.failureCount == result.requestCount)
        #expect(result.attemptCount == result.servers.reduce(0) { $0 + $1.picks })
        let answers = result.servers.reduce(0) { $0 + $1.answers }
        #expect(answers == result.durations.count)
    }

    @Test("gives every strategy the same requests")
    func commonNumbers() throws {
        // With one server there is nothing to choose: all must agree.
        let alone = scenario(servers: 1)
        let first = try play("random", alone)
        for name in ["round-robin", "least-requests", "p2c", "least-time", "join-idle-queue"] {
            #expect(try play(name, alone).durations.sum == first.durations.sum, "\(name)")
        }
    }

    @Test("of twice the speed takes half the time, to rounding")
    func scaling() throws {
        let slow = try play("least-requests", scenario())
        let fast = try play("least-requests", scenario { $0.groups[0].speed = 2 })
        let slowMean = try #require(slow.durations.mean)
        let fastMean = try #require(fast.durations.mean)
        #expect(abs(fastMean * 2 - slowMean) < 1e-6 * slowMean)
    }

    @Test("does not depend on the length of a service time in seconds, without timers")
    func units() throws {
        let short = try play("least-requests", scenario { $0.meanService = .milliseconds(1) })
        let long = try play("least-requests", scenario { $0.meanService = .seconds(1) })
        #expect(short.durations.sum == long.durations.sum)
    }

    @Test("of a slot for each of c requests is one server with c slots, when one serves")
    func stages() throws {
        let queue = try play("first", scenario(servers: 1, load: 0.5) { $0.groups[0].slots = 3 })
        let sharing = try play(
            "first",
            scenario(servers: 1, load: 0.5) {
                $0.groups[0].slots = 3
                $0.groups[0].discipline = .sharing
            })
        // Where nobody waits both are alike; where somebody does, sharing begins at once.
        #expect(queue.requestCount == sharing.requestCount)
        #expect(abs((queue.durations.mean ?? 0) / (sharing.durations.mean ?? 1) - 1) < 0.1)
    }

    @Test("at an unstable load says that it is")
    func unstable() throws {
        let over = scenario(load: 1.3)
        #expect(over.isUnstable && !scenario(load: 0.99).isUnstable)
        let result = try play("least-requests", over)
        #expect(result.durations.count + result.failureCount == result.requestCount)
        #expect((result.durations.mean ?? 0) > 50, "queues grow")
    }
}

@Suite("Arrivals")
struct ArrivalTests {
    private func rate(_ process: ArrivalProcess) throws -> (rate: Double, result: RunResult) {
        let scenario = scenario(load: 0.5, requests: 20_000) { $0.arrivals = process }
        let result = try play("round-robin", scenario)
        let utilisation = result.servers.reduce(0) { $0 + $1.utilisation } / 5
        return (utilisation / 0.5, result)
    }

    @Test(
        "keep the rate that the load asks for",
        arguments: [
            ArrivalProcess.poisson, .constant, .bursty(peak: 3, length: 5, share: 0.2),
            .gaps([1, 2, 3, 4, 0.5]),
        ])
    func rates(process: ArrivalProcess) throws {
        let rate = try rate(process).rate
        #expect(abs(rate - 1) < 0.08, "\(rate)")
    }

    @Test("that come in bursts wait longer than those that come evenly")
    func bursts() throws {
        let even = try #require(try rate(.constant).result.durations.mean)
        let poisson = try #require(try rate(.poisson).result.durations.mean)
        let bursty = try #require(
            try rate(.bursty(peak: 5, length: 20, share: 0.1)).result.durations.mean)
        #expect(even < poisson && poisson < bursty, "\(even) \(poisson) \(bursty)")
    }

    @Test("on a ramp are few at first and many at the end")
    func ramp() throws {
        let result = try rate(.ramp(from: 0.2, to: 1.8)).result
        let picks = result.stretches.map { $0.picks.reduce(0, +) }
        let first = picks[..<50].reduce(0, +)
        let last = picks[150...].reduce(0, +)
        #expect(last > 3 * first, "\(first) \(last)")
    }

    @Test("grow with a disturbance of the load, for its time")
    func load() throws {
        let scenario = scenario(load: 0.3, requests: 10_000) {
            $0.disturbances = [
                Disturbance(.load(3), at: .share(0.25), until: .share(0.5))
            ]
        }
        let result = try play("least-requests", scenario)
        let picks = result.stretches.map { $0.picks.reduce(0, +) }
        let before = picks[10..<50].reduce(0, +)
        let during = picks[50..<90].reduce(0, +)
        #expect(abs(Double(during) / Double(before) - 3) < 0.5, "\(before) \(during)")
    }
}

@Suite("Faults")
struct FaultTests {
    private func failing(
        _ fault: Fault, _ strategy: String = "least-requests",
        _ change: (inout Scenario) -> Void = { _ in }
    ) throws -> RunResult {
        try play(
            strategy,
            scenario(servers: 10, load: 0.8, requests: 30_000) {
                $0.disturbances = [Disturbance(.fault([0], fault), at: .time(0))]
                change(&$0)
            })
    }

    @Test("the default loses at most its fair share to a server that fails at once")
    func failFast() throws {
        let share = try failing(.failFast(after: 0.01)).failureShare
        #expect(share <= 0.105, "a tenth is fair: \(share)")
        #expect(share > 0.08)
        let without = try failing(.failFast(after: 0.01)) { $0.proxy.holdsFailedSlots = false }
        #expect(without.failureShare > 0.2, "the trap must be there to be avoided")
    }

    @Test("ejection ends the loss, and a retry hides what is left")
    func ejection() throws {
        let ejected = try failing(.failFast(after: 0.01)) { $0.proxy.outliers = OutlierLimits() }
        #expect(ejected.failureShare < 0.01 && ejected.ejectionCount > 0)
        let retried = try failing(.failFast(after: 0.01)) {
            $0.proxy = ProxySettings()
            $0.proxy.retries.onErrorAnswer = true
        }
        #expect(retried.failureCount == 0)
    }

    @Test("retries spend their budget and no more")
    func budget() throws {
        let result = try failing(.failFast(after: 0.01), "random") {
            $0.proxy.retries.attempts = 2
            $0.proxy.retries.onErrorAnswer = true
            $0.proxy.retries.budget = 5
            // So that the floor of ten per second does not count.
            $0.meanService = .microseconds(100)
        }
        let share = Double(result.retryCount) / Double(result.requestCount)
        #expect(share > 0.03 && share < 0.056, "\(share)")
        #expect(result.failures[.errorAnswer, default: 0] > 0)
    }

    @Test("a server that hangs is left after the timeout, and its requests fail")
    func hang() throws {
        let result = try failing(.hang) {
            $0.proxy.responseTimeout = .milliseconds(500)
            $0.proxy.outliers = OutlierLimits()
        }
        #expect(result.failures[.timeout, default: 0] > 0)
        #expect(result.failures[.unanswered, default: 0] == 0)
        #expect(result.failureShare < 0.02, "\(result.failureShare)")
    }

    @Test("without a timeout they are counted as unanswered, and the run ends")
    func hangForEver() throws {
        let result = try failing(.hang, "round-robin")
        #expect(abs(result.failureShare - 0.1) < 0.01)
        #expect(result.failures[.unanswered] == result.failureCount)
    }

    @Test("refused connections are tried elsewhere")
    func refuse() throws {
        let result = try failing(.refuse) { $0.proxy = ProxySettings() }
        #expect(result.failureCount == 0)
        #expect(result.ejectionCount > 0)
    }

    @Test("a flapping server loses what it is sent while it is down")
    func flapping() throws {
        let result = try failing(.flapping(down: 20, up: 20), "round-robin")
        #expect(abs(result.failureShare - 0.05) < 0.015, "\(result.failureShare)")
    }

    @Test("a slow server has more of the time and less of the requests")
    func slow() throws {
        let result = try failing(.slow(0.2))
        #expect(result.failureCount == 0)
        #expect(result.pickShares[0] < 0.06, "\(result.pickShares)")
    }

    @Test("active checks find a server that refuses, and its return")
    func checks() throws {
        let scenario = scenario(servers: 5, load: 0.5, requests: 20_000) {
            $0.proxy = ProxySettings()
            $0.proxy.outliers = nil
            $0.proxy.checks = ProxySettings.Checks()
            $0.disturbances = [
                Disturbance(.fault([0], .refuse), at: .share(0.2), until: .share(0.6))
            ]
        }
        let result = try play("round-robin", scenario)
        #expect(result.failureCount == 0)
        let picks = result.stretches.map { $0.picks[0] }
        #expect(picks[90..<115].allSatisfy { $0 == 0 }, "out of rotation")
        #expect(picks[180...].reduce(0, +) > 0, "and back")
    }

    @Test("a neighbour slows servers down at times of its own")
    func antagonist() throws {
        let calm = try play("round-robin", scenario(load: 0.4, requests: 20_000))
        let disturbed = try play(
            "round-robin",
            scenario(load: 0.4, requests: 20_000) {
                $0.groups[0].antagonist = Antagonist(every: 50, lasts: 10, speed: 0.2)
            })
        #expect((disturbed.durations.mean ?? 0) > 1.2 * (calm.durations.mean ?? 0))
    }

    @Test("a neighbour disturbs a server that joins, too")
    func antagonistOfNewcomer() throws {
        func utilisation(_ antagonist: Antagonist?) throws -> Double {
            var group = ServerGroup(count: 1)
            group.antagonist = antagonist
            let result = try play(
                "round-robin",
                scenario(load: 0.4, requests: 20_000) {
                    $0.disturbances = [Disturbance(.join(group), at: .time(1))]
                })
            return try #require(result.servers.last).utilisation
        }
        let disturbed = try utilisation(Antagonist(every: 50, lasts: 50, speed: 0.5))
        #expect(disturbed > 1.2 * (try utilisation(nil)))
    }
}

@Suite("Membership")
struct MembershipTests {
    @Test("a newcomer is not overrun while it warms, and gets its share")
    func scaleOut() throws {
        let scenario = scenario(servers: 4, load: 0.9, requests: 30_000) {
            $0.proxy = ProxySettings()
            $0.disturbances = [
                Disturbance(.join(ServerGroup(count: 1)), at: .share(0.3))
            ]
        }
        let result = try play("least-requests", scenario)
        let newcomer = try #require(result.newcomers.first)
        #expect(newcomer.server == 4 && abs(newcomer.fairShare - 0.2) < 1e-9)
        #expect(Double(newcomer.peakBurst) / 50 <= 0.2 + 1.0 / 3)
        #expect(newcomer.windows[0] < 40, "less than its share at first: \(newcomer.windows[0])")
        let later = newcomer.windows[25..<50].reduce(0, +)
        #expect(abs(Double(later) / 5000 - 0.2) < 0.03, "\(later)")
    }

    @Test("a cold one is slow at first")
    func cold() throws {
        func mean(_ cold: ColdStart?) throws -> Double {
            let scenario = scenario(servers: 1, load: 0.3, requests: 4000) {
                var group = ServerGroup(count: 1)
                group.coldStart = cold
                $0.disturbances = [Disturbance(.join(group), at: .time(100))]
            }
            return try #require(try play("round-robin", scenario).durations.mean)
        }
        #expect(try mean(ColdStart(factor: 5, requests: 1500)) > 1.2 * (try mean(nil)))
    }

    @Test("a drained server finishes what it has; a killed one does not")
    func leaving() throws {
        func result(_ kind: Disturbance.Kind) throws -> RunResult {
            try play(
                "round-robin",
                scenario(servers: 5, load: 0.7, requests: 10_000) {
                    $0.disturbances = [Disturbance(kind, at: .share(0.5))]
                })
        }
        let drained = try result(.drain([4]))
        #expect(drained.failureCount == 0)
        #expect(drained.stretches[120...].allSatisfy { $0.picks[4] == 0 })
        let killed = try result(.leave([1, 2, 3, 4]))
        #expect(killed.failures[.reset, default: 0] > 0)
    }

    @Test("a rolling restart that drains loses nothing, and one that does not does")
    func rolling() throws {
        func failures(drains: Bool) throws -> Int {
            try play(
                "least-requests",
                scenario(servers: 4, load: 0.5, requests: 10_000) {
                    $0.disturbances = [
                        Disturbance(
                            .rolling(Rolling(down: 50, pause: 200, drains: drains)),
                            at: .share(0.2))
                    ]
                }
            ).failureCount
        }
        #expect(try failures(drains: true) == 0)
        #expect(try failures(drains: false) > 0)
    }

    @Test("strategies with a key move what they must, and rendezvous no more")
    func keys() throws {
        func result(_ name: String) throws -> RunResult {
            try play(
                name,
                scenario(servers: 4, load: 0.5, requests: 4000) {
                    $0.keys = KeyLaw(count: 2000, exponent: 0.5)
                    $0.disturbances = [
                        Disturbance(.join(ServerGroup(count: 1)), at: .share(0.5))
                    ]
                })
        }
        for name in ["rendezvous", "ring-hash"] {
            let moved = try result(name)
            let share = try #require(moved.movedKeyShare)
            #expect(share == moved.neededKeyShare, "\(name)")
            #expect(abs(share - 0.2) < 0.05, "\(name): \(share)")
        }
        let maglev = try result("maglev")
        let moved = try #require(maglev.movedKeyShare)
        let needed = try #require(maglev.neededKeyShare)
        #expect(moved >= needed && moved < needed + 0.1)
        #expect(try result("random").movedKeyShare == nil)
    }

    @Test("a key on its server makes hits")
    func cache() throws {
        func result(_ name: String) throws -> RunResult {
            try play(
                name,
                scenario(servers: 5, load: 0.6, requests: 10_000) {
                    $0.keys = KeyLaw(
                        count: 500, exponent: 0.8,
                        cache: KeyLaw.Cache(capacity: 60, hitCost: 0.2))
                })
        }
        let kept = try result("rendezvous")
        let spread = try result("random")
        #expect(kept.cacheHits > spread.cacheHits * 5 / 4)
    }
}

@Suite("Several balancers")
struct WorkerTests {
    private func mean(workers: Int, shared: Bool, age: Double = 0) throws -> Double {
        let result = try play(
            "least-requests",
            scenario(servers: 10, load: 0.9, requests: 40_000) {
                $0.workers = workers
                $0.sharesCounts = shared
                $0.countAge = age
            })
        return try #require(result.durations.mean)
    }

    @Test("lose by counting alone, and nothing by sharing their counts")
    func counts() throws {
        let one = try mean(workers: 1, shared: true)
        let shared = try mean(workers: 4, shared: true)
        let own = try mean(workers: 4, shared: false)
        #expect(abs(shared / one - 1) < 0.1, "\(one) \(shared)")
        #expect(own / one > 1.2 && own / one < 1.8, "about 44 %: \(one) \(own)")
    }

    @Test("herd on old counts: worse than random once they are some service times old")
    func staleness() throws {
        let fresh = try mean(workers: 1, shared: true)
        let old = try mean(workers: 1, shared: true, age: 8)
        #expect(old > 3 * fresh && old > 10, "\(fresh) \(old)")
    }
}

@Suite("The proxy around the pick")
struct ProxyRuleTests {
    @Test("a limit per server keeps the line in the proxy: one queue for all servers")
    func limit() throws {
        func mean(_ strategy: String, limit: Int?) throws -> Double {
            let result = try play(
                strategy,
                scenario(servers: 4, load: 0.9, requests: 40_000) {
                    $0.proxy.requestsPerServer = limit
                    $0.proxy.queue = 100_000
                    $0.proxy.queueTimeout = .seconds(3600)
                })
            #expect(result.failureCount == 0)
            return try #require(result.durations.mean)
        }
        // One at a time on each server is M/M/4, whatever the strategy: 2.97 at load 0.9.
        let central = try mean("random", limit: 1)
        #expect(abs(central / 2.969 - 1) < 0.1, "\(central)")
        #expect(abs(try mean("round-robin", limit: 1) / central - 1) < 0.02)
        #expect(try mean("random", limit: nil) > 2 * central)
    }

    @Test("who finds the line full, or waits in it for too long, is told so")
    func line() throws {
        func failures(queue: Int, timeout: Interval) throws -> [RunResult.Failure: Int] {
            let result = try play(
                "least-requests",
                scenario(servers: 3, load: 1.5) {
                    $0.proxy.requestsPerServer = 2
                    $0.proxy.queue = queue
                    $0.proxy.queueTimeout = timeout
                    $0.workers = 3
                })
            #expect(result.durations.count + result.failureCount == result.requestCount)
            // At most two wait at the server, and as many in the line as may.
            let longest = try #require(result.durations.quantile(0.5))
            #expect(longest < 2 * 3 + Double(queue), "\(longest)")
            return result.failures
        }
        let full = try failures(queue: 6, timeout: .seconds(3600))
        #expect((full[.queueFull] ?? 0) > 1000 && full[.queueTimeout] == nil, "\(full)")
        // A tenth of a second is ten service times.
        let late = try failures(queue: 1_000_000, timeout: .milliseconds(100))
        #expect((late[.queueTimeout] ?? 0) > 1000 && late[.queueFull] == nil, "\(late)")
        let none = try failures(queue: 0, timeout: .seconds(3600))
        #expect((none[.queueFull] ?? 0) > 1000, "\(none)")
    }

    @Test("a slot that a failed request holds is given back to who waits")
    func heldSlots() throws {
        let result = try play(
            "least-requests",
            scenario(servers: 2, load: 0.8, requests: 4000) {
                $0.proxy.requestsPerServer = 1
                $0.disturbances = [Disturbance(.fault([0], .failFast(after: 0.01)), at: .time(0))]
            })
        #expect(result.durations.count + result.failureCount == result.requestCount)
        #expect(result.failures[.unanswered] == nil)
        #expect(result.failureShare > 0.3 && result.failureShare < 0.6, "\(result.failures)")
    }

    @Test("below the panic threshold health is ignored")
    func panic() throws {
        func result(_ percent: Int) throws -> RunResult {
            try play(
                "round-robin",
                scenario(servers: 4, load: 0.5, requests: 10_000) {
                    $0.proxy = ProxySettings()
                    $0.proxy.retries.attempts = 0
                    $0.proxy.checks = ProxySettings.Checks()
                    $0.proxy.checks?.seeErrors = true
                    $0.proxy.outliers = nil
                    $0.proxy.panicPercent = percent
                    // Three of four fail their checks, and half of the requests.
                    $0.disturbances = [
                        Disturbance(.fault([0, 1, 2], .errors(0.5)), at: .share(0.3))
                    ]
                })
        }
        let calm = try result(0)
        let panicking = try result(50)
        #expect(calm.pickShares[3] > 0.4, "one server has what three had: \(calm.pickShares)")
        #expect(abs(panicking.pickShares[3] - 0.25) < 0.1, "\(panicking.pickShares)")
        #expect(panicking.failureCount > 3 * calm.failureCount)
    }

    @Test("closed clients wait for their answers, so there are never more requests than clients")
    func closed() throws {
        let result = try play(
            "least-requests",
            scenario(servers: 2, requests: 8000) { $0.arrivals = .closed(clients: 6) })
        #expect(result.requestCount == 7200 && result.failureCount == 0)
        #expect(result.stretches.allSatisfy { $0.inFlight <= 6 })
        // Always three on each: each request waits for two others and itself.
        let mean = try #require(result.durations.mean)
        #expect(abs(mean - 3) < 0.15, "\(mean)")
    }

    @Test("a newcomer has at most its fair share and a third of any fifty picks while it warms")
    func pacing() throws {
        for name in ["least-requests", "p2c", "least-time", "peak-ewma", "hot-cold"] {
            var windows = 0
            for repetition in 0..<4 {
                let result = try play(
                    name,
                    scenario(servers: 4, load: 0.9, requests: 15_000) {
                        $0.proxy.slowStart = .seconds(10)
                        $0.disturbances = [
                            Disturbance(.join(ServerGroup(count: 1)), at: .share(0.4))
                        ]
                    }, repetition: repetition)
                let newcomer = try #require(result.newcomers.first)
                #expect(newcomer.fairShare == 0.2)
                #expect(newcomer.peakWarmingBurst <= 13, "\(name): 0.2 · 4/3 of 50 is 13.3")
                #expect(newcomer.excessiveBursts == 0)
                windows += newcomer.warmingBursts
                let share = Double(newcomer.windows[20..<40].reduce(0, +)) / 4000
                #expect(abs(share - 0.2) < 0.03, "\(name): \(share) when it is warm")
            }
            #expect(windows > 10_000)
        }
    }

    @Test("hot-cold stays stable near capacity, whatever requests cost")
    func hotColdIsStable() throws {
        let laws: [(ServiceLaw, Double)] = [
            (.exponential, 0.95), (.constant, 0.95), (.bimodal(share: 0.01, ratio: 50), 0.8),
            (.lognormal(scv: 4), 0.9),
        ]
        for (law, load) in laws {
            func mean(_ name: String) throws -> Double {
                let result = try play(
                    name, scenario(servers: 10, load: load, requests: 40_000) { $0.service = law })
                return try #require(result.durations.mean)
            }
            let own = try mean("hot-cold")
            let other = try mean("p2c")
            #expect(own < other, "\(law) at \(load): \(own) and \(other)")
        }
    }

    @Test("hot-cold leaves slow servers and busy neighbours alone, better than two choices")
    func hotColdAvoids() throws {
        func tail(_ name: String, _ groups: [ServerGroup], workers: Int = 1) throws -> Double {
            let result = try play(
                name,
                scenario(load: 0.65, requests: 40_000) {
                    $0.groups = groups
                    $0.workers = workers
                    $0.sharesCounts = workers == 1
                })
            return try #require(result.durations.quantile(0.99))
        }
        var disturbed = ServerGroup(count: 10)
        disturbed.antagonist = Antagonist(every: 50, lasts: 10, speed: 0.3)
        let slow = [ServerGroup(count: 1, speed: 0.1), ServerGroup(count: 9)]
        #expect(try tail("hot-cold", slow) < 0.4 * tail("p2c", slow))
        #expect(try tail("hot-cold", [disturbed]) < 0.8 * tail("p2c", [disturbed]))
        // Several proxies that know nothing of each other: times tell of the others' load.
        #expect(
            try tail("hot-cold", [disturbed], workers: 10)
                < 0.8 * tail("least-requests", [disturbed], workers: 10))
    }

    @Test("servers that tell their load are better known than by one's own counts")
    func reports() throws {
        func mean(_ reports: Bool) throws -> Double {
            let result = try play(
                "hot-cold",
                scenario(servers: 20, load: 0.8, requests: 40_000) {
                    $0.groups[0].slots = 16
                    $0.groups[0].discipline = .sharing
                    $0.workers = 5
                    $0.sharesCounts = false
                    $0.proxy.reportsLoad = reports
                })
            return try #require(result.durations.mean)
        }
        #expect(try mean(true) < mean(false))
    }
}
