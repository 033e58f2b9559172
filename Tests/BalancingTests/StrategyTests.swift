import Balancing
import Testing

@Suite("Every strategy")
struct EveryStrategyTests {
    @Test(
        "picks nobody of weight 0, and nobody at all when all have it",
        arguments: Strategy.allCases, [3, 16, 17, 64, 65, 300])
    func eligibility(strategy: Strategy, count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        var balancer = Balancer(strategy: strategy, choices: 3, count: count, random: &random)
        var servers = Servers(count: count)
        for _ in 0..<40 {
            for index in 0..<count {
                servers.weights[index] = Bool.random(using: &random) ? 0 : 256
                servers.inFlight[index] = Int.random(in: 0...5, using: &random)
            }
            for _ in 0..<20 {
                let index = balancer.pick(servers, random: &random)
                let isAnyEligible = servers.weights.contains { $0 > 0 }
                #expect((index != nil) == isAnyEligible)
                if let index { #expect(servers.weights[index] > 0) }
            }
        }
        servers.weights = Array(repeating: 0, count: count)
        #expect(balancer.pick(servers, random: &random) == nil)
        servers.weights[count - 1] = 1
        #expect(balancer.pick(servers, random: &random) == count - 1)
    }

    @Test("takes backups only when no primary is eligible", arguments: Strategy.allCases, [4, 80])
    func tiers(strategy: Strategy, count: Int) {
        var random = SeededGenerator(seed: 8)
        var balancer = Balancer(strategy: strategy, count: count, random: &random)
        var servers = Servers(count: count)
        servers.tiers[0] = 1
        servers.tiers[1] = 1
        servers.inFlight = Array(repeating: 9, count: count)
        servers.inFlight[0] = 0
        var tally = balancer.tally(servers, picks: 100, random: &random)
        #expect(tally[0] + tally[1] == 0)
        for index in 2..<count { servers.weights[index] = 0 }
        tally = balancer.tally(servers, picks: 100, random: &random)
        #expect(tally[0] + tally[1] == 100)
        servers.weights[2] = 256
        tally = balancer.tally(servers, picks: 100, random: &random)
        #expect(tally[2] == 100)
    }

    @Test("follows a change of the membership", arguments: Strategy.allCases)
    func membership(strategy: Strategy) {
        var random = SeededGenerator(seed: 2)
        var balancer = Balancer(strategy: strategy, count: 100, random: &random)
        #expect(balancer.pick(Servers(count: 100), random: &random) != nil)
        balancer.rebuild(count: 2) { $0 }
        #expect(balancer.count == 2)
        for _ in 0..<20 {
            let index = balancer.pick(Servers(weights: [0, 1]), random: &random)
            #expect(index == 1)
        }
    }
}

@Suite("Random")
struct RandomTests {
    @Test("follows the weights, in small pools and large", arguments: [2, 5, 16, 17, 40, 400])
    func shares(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        let weights = (0..<count).map { $0 % 4 }
        var balancer = Balancer(strategy: .random, weights: weights, random: &random)
        let tally = balancer.tally(
            Servers(weights: weights), picks: 300 * count, random: &random)
        #expect(fits(tally, weights: weights), "\(tally)")
    }

    @Test("finds the one server that is eligible among many")
    func rare() {
        var random = SeededGenerator(seed: 6)
        var servers = Servers(weights: Array(repeating: 0, count: 1000))
        servers.weights[617] = 1
        var balancer = Balancer(strategy: .random, count: 1000, random: &random)
        for _ in 0..<20 {
            #expect(balancer.pick(servers, random: &random) == 617)
        }
    }
}

@Suite("Best of d draws")
struct BestOfDrawsTests {
    @Test("draws distinct servers: of two, the loaded one is never picked", arguments: [2, 10])
    func distinct(choices: Int) {
        var random = SeededGenerator(seed: 11)
        var servers = Servers(count: choices)
        servers.inFlight = (0..<choices).map { choices - $0 }
        var balancer = Balancer(
            strategy: .powerOfTwoChoices, choices: choices, count: choices, random: &random)
        for _ in 0..<2000 {
            #expect(balancer.pick(servers, random: &random) == choices - 1)
        }
    }

    @Test("with distinct draws the r-th best of n is picked with its binomial share")
    func closedForm() {
        // The server with r better ones is the best of two with probability
        // (n − 1 − r) / C(n, 2).
        for count in [6, 30] {
            var random = SeededGenerator(seed: 12)
            var servers = Servers(count: count)
            servers.inFlight = (0..<count).map { $0 }
            var balancer = Balancer(
                strategy: .powerOfTwoChoices, count: count, random: &random)
            let tally = balancer.tally(servers, picks: 60_000, random: &random)
            #expect(fits(tally, weights: (0..<count).map { count - 1 - $0 }), "\(tally)")
        }
    }

    @Test("an idle service is balanced by weight", arguments: [3, 33])
    func idle(count: Int) {
        var random = SeededGenerator(seed: 13)
        let weights = (0..<count).map { 1 + $0 % 3 }
        var balancer = Balancer(strategy: .powerOfTwoChoices, weights: weights, random: &random)
        let tally = balancer.tally(
            Servers(weights: weights), picks: 1000 * count, random: &random)
        #expect(fits(tally, weights: weights), "\(tally)")
    }

    @Test("compares requests in flight by weight")
    func weighted() {
        var random = SeededGenerator(seed: 14)
        var servers = Servers(weights: [4, 1])
        var balancer = Balancer(strategy: .powerOfTwoChoices, weights: [4, 1], random: &random)
        servers.inFlight = [6, 1]  // 7/4 against 2/1
        #expect(balancer.tally(servers, picks: 50, random: &random) == [50, 0])
        servers.inFlight = [8, 1]  // 9/4 against 2/1
        #expect(balancer.tally(servers, picks: 50, random: &random) == [0, 50])
    }
}

@Suite("Least requests")
struct LeastRequestsTests {
    @Test("takes the least loaded of all")
    func least() {
        var random = SeededGenerator(seed: 20)
        for count in 1...64 {
            var balancer = Balancer(strategy: .leastRequests, count: count, random: &random)
            var servers = Servers(count: count)
            servers.inFlight = (0..<count).map { _ in Int.random(in: 1...50, using: &random) }
            guard let index = balancer.pick(servers, random: &random) else {
                Issue.record("no server picked")
                continue
            }
            #expect(servers.inFlight[index] == servers.inFlight.min())
        }
    }

    @Test("breaks ties uniformly at random", arguments: [0, 3])
    func ties(load: Int) {
        var random = SeededGenerator(seed: 21)
        var servers = Servers(count: 10)
        servers.inFlight = [9, load, load, 9, load, 9, 9, load, 9, load]
        var balancer = Balancer(strategy: .leastRequests, count: 10, random: &random)
        let tally = balancer.tally(servers, picks: 20_000, random: &random)
        let isTied = servers.inFlight.map { $0 == load ? 1 : 0 }
        #expect(fits(tally, weights: isTied), "\(tally)")
    }

    @Test("an idle server goes before a busy one of any weight; idle ones share by weight")
    func idle() {
        var random = SeededGenerator(seed: 22)
        var servers = Servers(weights: [1000, 1, 1])
        servers.inFlight = [1, 0, 1]
        var balancer = Balancer(strategy: .leastRequests, count: 3, random: &random)
        #expect(balancer.tally(servers, picks: 20, random: &random) == [0, 20, 0])
        servers = Servers(weights: [5, 1, 1])
        let tally = balancer.tally(servers, picks: 20_000, random: &random)
        #expect(fits(tally, weights: [5, 1, 1]), "\(tally)")
    }

    @Test("busy servers fill up in proportion to their weights")
    func proportion() {
        var random = SeededGenerator(seed: 23)
        var servers = Servers(weights: [5, 2, 1])
        var balancer = Balancer(strategy: .leastRequests, count: 3, random: &random)
        for _ in 0..<800 {
            if let index = balancer.pick(servers, random: &random) { servers.inFlight[index] += 1 }
        }
        for (count, expected) in zip(servers.inFlight, [500, 200, 100]) {
            #expect(abs(count - expected) <= 3, "\(servers.inFlight)")
        }
    }

    @Test("a pool beyond 64 stays level: no server far above the mean", arguments: [65, 300, 2000])
    func manyServers(count: Int) {
        var random = SeededGenerator(seed: UInt64(count))
        var servers = Servers(count: count)
        var balancer = Balancer(strategy: .leastRequests, count: count, random: &random)
        for _ in 0..<10 * count {
            if let index = balancer.pick(servers, random: &random) { servers.inFlight[index] += 1 }
        }
        #expect(servers.inFlight.reduce(0, +) == 10 * count)
        // Azar et al. 1994: mean + ln ln n / ln d + O(1); random alone would reach 20 and more.
        #expect((servers.inFlight.max() ?? 0) <= 14)
    }
}

@Suite("First")
struct FirstTests {
    @Test("takes the lowest index that is not full")
    func lowest() {
        var random = SeededGenerator(seed: 30)
        var servers = Servers(weights: [1, 1, 9])
        var balancer = Balancer(strategy: .first, count: 3, random: &random)
        #expect(balancer.pick(servers, random: &random) == 0)
        servers.weights[0] = 0
        #expect(balancer.pick(servers, random: &random) == 1)
        servers.weights[1] = 0
        #expect(balancer.pick(servers, random: &random) == 2)
    }
}
