import Balancing
import Testing

@Suite("Deadline round robin")
struct DeadlineTests {
    private func sequence(_ weights: [Int], picks: Int) -> String {
        var random = ZeroGenerator()
        var balancer = Balancer(strategy: .deadline, weights: weights, random: &random)
        let names = Array("abcdefgh")
        let indices = balancer.sequence(Servers(weights: weights), picks: picks)
        return String(indices.map { names[$0] })
    }

    @Test("gives the sequences of earliest deadline first")
    func sequences() {
        #expect(sequence([5, 1, 1], picks: 14) == "aaaabcaaaaabca")
        #expect(sequence([1, 1, 1], picks: 6) == "abcabc")
        // Due at 1/3, 1/2, 2/3, and both at 1, where b has waited longer.
        #expect(sequence([3, 2], picks: 5) == "ababa")
    }

    @Test("is never a whole turn away from exact shares, however long", arguments: 0..<40)
    func exact(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let count = Int.random(in: 1...20, using: &random)
        let weights = (0..<count).map { _ in Int.random(in: 1...1000, using: &random) }
        let total = weights.reduce(0, +)
        var balancer = Balancer(strategy: .deadline, weights: weights, random: &random)
        let servers = Servers(weights: weights)
        var tally = Array(repeating: 0, count: count)
        for pick in 1...20_000 {
            guard let index = balancer.pick(servers, random: &random) else { continue }
            tally[index] += 1
            guard pick % 997 == 0 else { continue }
            for index in 0..<count {
                let exact = Double(pick) * Double(weights[index]) / Double(total)
                // A random first deadline, and the others' random first deadlines.
                #expect(abs(Double(tally[index]) - exact) <= 2, "at \(pick): \(tally)")
            }
        }
    }

    @Test("an ejected server loses its turns, and has no claim when it returns")
    func returning() {
        var random = SeededGenerator(seed: 3)
        var balancer = Balancer(strategy: .deadline, count: 4, random: &random)
        var servers = Servers(count: 4)
        servers.weights[1] = 0
        #expect(balancer.tally(servers, picks: 300, random: &random) == [100, 0, 100, 100])
        servers.weights[1] = 256
        let after = balancer.tally(servers, picks: 40, random: &random)
        for count in after { #expect((9...11).contains(count), "\(after)") }
    }

    @Test("a warming server takes its part of its turns, evenly")
    func warming() {
        var random = SeededGenerator(seed: 4)
        var balancer = Balancer(strategy: .deadline, count: 5, random: &random)
        var servers = Servers(count: 5)
        servers.weights[2] = 64
        let tally = balancer.tally(servers, picks: 1700, random: &random)
        for (count, expected) in zip(tally, [400, 400, 100, 400, 400]) {
            #expect(abs(count - expected) <= 2, "\(tally)")
        }
    }

    @Test("follows servers to new indices, and a newcomer gets no burst")
    func identity() {
        var random = SeededGenerator(seed: 5)
        for picksBefore in 0..<12 {
            var balancer = Balancer(strategy: .deadline, count: 4, random: &random)
            _ = balancer.tally(Servers(count: 4), picks: picksBefore, random: &random)
            balancer.rebuild(count: 5) { $0 == 0 ? nil : $0 - 1 }
            let picks = balancer.sequence(Servers(count: 5), picks: 50)
            for server in 0..<5 {
                #expect((9...11).contains(picks.count { $0 == server }), "\(picks)")
            }
            for (one, next) in zip(picks, picks.dropFirst()) { #expect(one != 0 || next != 0) }
        }
    }

    @Test("one of a thousand is found when all others are out")
    func rare() {
        var random = SeededGenerator(seed: 6)
        var servers = Servers(weights: Array(repeating: 0, count: 1000))
        servers.weights[617] = 1
        var balancer = Balancer(strategy: .deadline, count: 1000, random: &random)
        for _ in 0..<200 { #expect(balancer.pick(servers, random: &random) == 617) }
        servers = Servers(count: 1000)
        let after = balancer.tally(servers, picks: 10_000, random: &random)
        #expect((after.max() ?? 0) <= 12 && (after.min() ?? 0) >= 8)
    }
}

@Suite("Round robin of large pools")
struct LargeRotationTests {
    /// The sequence as nginx makes it.
    private func reference(_ weights: [Int], picks: Int) -> [Int] {
        var credits = Array(repeating: 0, count: weights.count)
        let total = weights.reduce(0, +)
        return (0..<picks).map { _ in
            var best = -1
            for index in weights.indices where weights[index] > 0 {
                credits[index] += weights[index]
                if best < 0 || credits[index] > credits[best] { best = index }
            }
            credits[best] -= total
            return best
        }
    }

    @Test("has the very sequence that a look at all servers gives", arguments: [65, 100, 400])
    func sameSequence(count: Int) {
        for kinds in [1, 2, 5, 40] {
            let weights = (0..<count).map { 1 + ($0 * 7) % kinds }
            var random = ZeroGenerator()
            var balancer = Balancer(strategy: .roundRobin, weights: weights, random: &random)
            let picks = 3 * count
            #expect(
                balancer.sequence(Servers(weights: weights), picks: picks)
                    == reference(weights, picks: picks), "\(kinds) kinds")
        }
    }

    @Test("a server that is out leaves its turns to all, and a warming one takes part of its own")
    func guards() {
        var random = SeededGenerator(seed: 7)
        var balancer = Balancer(strategy: .roundRobin, count: 100, random: &random)
        var servers = Servers(count: 100)
        servers.weights[50] = 0
        servers.weights[51] = 128
        let tally = balancer.tally(servers, picks: 9850, random: &random)
        for (index, count) in tally.enumerated() {
            let expected = index == 50 ? 0 : index == 51 ? 50 : 100
            #expect(abs(count - expected) <= 1, "\(index): \(count)")
        }
    }

    @Test("follows servers to new indices and weights")
    func identity() {
        var random = SeededGenerator(seed: 8)
        let weights = (0..<100).map { 1 + $0 % 3 }
        var balancer = Balancer(strategy: .roundRobin, weights: weights, random: &random)
        _ = balancer.tally(Servers(weights: weights), picks: 77, random: &random)
        let reversed = Array(weights.reversed()) + [2]
        balancer.rebuild(
            balancer.settings, servers: ServerIdentity.some(weights: reversed),
            oldIndex: { $0 < 100 ? 99 - $0 : nil }, random: &random)
        let total = reversed.reduce(0, +)
        let tally = balancer.tally(Servers(weights: reversed), picks: total, random: &random)
        for (count, weight) in zip(tally, reversed) {
            #expect(abs(count - weight) <= 1, "\(tally)")
        }
    }

    @Test("most servers out: turns go on, by weight")
    func mostOut() {
        var random = SeededGenerator(seed: 9)
        var balancer = Balancer(strategy: .roundRobin, count: 1000, random: &random)
        var servers = Servers(weights: Array(repeating: 0, count: 1000))
        for index in [3, 500, 999] { servers.weights[index] = 256 }
        let tally = balancer.tally(servers, picks: 3000, random: &random)
        for index in [3, 500, 999] { #expect(abs(tally[index] - 1000) <= 60, "\(tally[index])") }
    }
}
