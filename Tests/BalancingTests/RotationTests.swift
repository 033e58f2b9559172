import Balancing
import Testing

@Suite("Round robin")
struct RotationTests {
    private func sequence(_ weights: [Int], picks: Int) -> String {
        var random = ZeroGenerator()
        var balancer = Balancer(strategy: .roundRobin, weights: weights, random: &random)
        let servers = Servers(weights: weights)
        let names = Array("abcdefgh")
        var text = ""
        for _ in 0..<picks {
            if let index = balancer.pick(servers, random: &random) { text.append(names[index]) }
        }
        return text
    }

    @Test("gives the sequences of nginx")
    func sequences() {
        #expect(sequence([5, 1, 1], picks: 14) == "aabacaaaabacaa")
        #expect(sequence([10, 1, 1], picks: 12) == "aaaabaaacaaa")
        #expect(sequence([1, 1, 1, 1], picks: 8) == "abcdabcd")
        #expect(sequence([4, 2, 1], picks: 7) == "abacaba")
    }

    @Test("every window of W picks has each server exactly its weight times", arguments: 0..<200)
    func windows(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let count = Int.random(in: 1...12, using: &random)
        let weights = (0..<count).map { _ in Int.random(in: 0...20, using: &random) }
        let total = weights.reduce(0, +)
        guard total > 0 else { return }
        var balancer = Balancer(strategy: .roundRobin, weights: weights, random: &random)
        let servers = Servers(weights: weights)
        var picks: [Int] = []
        for _ in 0..<3 * total {
            guard let index = balancer.pick(servers, random: &random) else {
                Issue.record("no server picked")
                return
            }
            picks.append(index)
        }
        var tally = Array(repeating: 0, count: count)
        for (position, index) in picks.enumerated() {
            tally[index] += 1
            if position >= total { tally[picks[position - total]] -= 1 }
            if position >= total - 1 { #expect(tally == weights, "at \(position)") }
        }
    }

    @Test("loops begin at different servers, each as likely as the others")
    func starts() {
        var random = SeededGenerator(seed: 1)
        for weights in [[1, 1, 1, 1, 1], [5, 1, 1]] {
            let servers = Servers(weights: weights)
            var tally = Array(repeating: 0, count: weights.count)
            for _ in 0..<7000 {
                var balancer = Balancer(
                    strategy: .roundRobin, weights: weights, random: &random)
                guard let index = balancer.pick(servers, random: &random) else { continue }
                tally[index] += 1
            }
            #expect(fits(tally, weights: weights), "\(weights): \(tally)")
        }
    }

    @Test("a large pool starts at a random place and is exact from there")
    func largePool() {
        var random = SeededGenerator(seed: 5)
        let weights = (0..<3000).map { 1 + $0 % 7 }
        var balancer = Balancer(strategy: .roundRobin, weights: weights, random: &random)
        let total = weights.reduce(0, +)
        #expect(balancer.tally(Servers(weights: weights), picks: total, random: &random) == weights)
    }

    @Test("a server that is out leaves its turns to all, and gets no more than its share back")
    func returning() {
        var random = ZeroGenerator()
        var balancer = Balancer(strategy: .roundRobin, count: 4, random: &random)
        var servers = Servers(count: 4)
        _ = balancer.tally(servers, picks: 2, random: &random)
        servers.weights[1] = 0
        let without = balancer.tally(servers, picks: 300, random: &random)
        for (count, share) in zip(without, [100, 0, 100, 100]) {
            #expect(abs(count - share) <= 1, "\(without)")
        }
        servers.weights[1] = 256
        let after = balancer.tally(servers, picks: 40, random: &random)
        for count in after { #expect((9...11).contains(count), "\(after)") }
    }

    @Test("a newcomer gets its share and no burst; the others keep their places")
    func newcomer() {
        var random = SeededGenerator(seed: 9)
        for picksBefore in 0..<12 {
            var balancer = Balancer(strategy: .roundRobin, count: 4, random: &random)
            _ = balancer.tally(Servers(count: 4), picks: picksBefore, random: &random)
            // The newcomer stands first, the others move up by one.
            balancer.rebuild(count: 5) { $0 == 0 ? nil : $0 - 1 }
            var picks: [Int] = []
            for _ in 0..<50 {
                picks.append(balancer.pick(Servers(count: 5), random: &random) ?? -1)
            }
            #expect((9...11).contains(picks.count { $0 == 0 }), "\(picks)")
            #expect(picks.prefix(10).count { $0 == 0 } <= 3, "\(picks)")
            for (one, next) in zip(picks, picks.dropFirst()) { #expect(one != 0 || next != 0) }
        }
    }

    @Test("the rotation follows a server to its new index")
    func identity() {
        var random = ZeroGenerator()
        var balancer = Balancer(strategy: .roundRobin, count: 3, random: &random)
        _ = balancer.pick(Servers(count: 3), random: &random)  // a
        // Reversed: a is now the last, and c and b are still due before the next round.
        balancer.rebuild(count: 3) { 2 - $0 }
        #expect(balancer.tally(Servers(count: 3), picks: 2, random: &random) == [1, 1, 0])
        #expect(balancer.tally(Servers(count: 3), picks: 3, random: &random) == [1, 1, 1])
    }

    @Test("a weight that falls leaves no long debt behind")
    func fallenWeight() {
        var random = SeededGenerator(seed: 3)
        var balancer = Balancer(strategy: .roundRobin, count: 2, random: &random)
        for step in 0..<7 {
            _ = balancer.tally(Servers(weights: [1000, 999]), picks: 1 + step, random: &random)
            balancer.rebuild(count: 2) { $0 }
            let tally = balancer.tally(Servers(weights: [1, 1]), picks: 10, random: &random)
            #expect(abs(tally[0] - tally[1]) <= 4, "\(tally)")
            balancer.rebuild(count: 2) { $0 }
        }
    }

    @Test("an empty service has nobody to pick, before and after it had servers")
    func empty() {
        var random = SeededGenerator(seed: 4)
        var balancer = Balancer(strategy: .roundRobin, count: 0, random: &random)
        #expect(balancer.pick(Servers(count: 0), random: &random) == nil)
        balancer.rebuild(count: 2) { _ in nil }
        #expect(balancer.tally(Servers(count: 2), picks: 10, random: &random) == [5, 5])
        balancer.rebuild(count: 0) { _ in nil }
        #expect(balancer.pick(Servers(count: 0), random: &random) == nil)
    }
}
