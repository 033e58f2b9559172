import Balancing
import Testing

@Suite("The hash of names and keys")
struct StableHashTests {
    @Test(
        "is XXH64 with the seed 0",
        arguments: [
            ("", 0xef46_db37_51d8_e999), ("a", 0xd24e_c4f1_a98c_6e5b),
            ("abc", 0x44bc_2cf5_ad77_0999), ("server-0", 0xaacf_8117_9db3_e56f),
            ("Nobody inspects the spammish repetition", 0xfbce_a83c_8a37_8bf1),
            (String(repeating: "x", count: 32), 0xe2df_261f_c2ec_30eb),
            (String(repeating: "0123456789abcdef", count: 7) + "xyz12", 0x6219_ccf8_9677_37c1),
        ] as [(String, UInt64)])
    func vectors(text: String, hash: UInt64) {
        #expect(StableHash.hash(text) == hash)
    }

    @Test("of two numbers is that of their sixteen bytes")
    func numbers() {
        #expect(StableHash.hash(1, 2) == 0x4b18_0fec_3ef3_d4ac)
    }
}

/// A pool with a key strategy, its servers, and who has which of some keys.
private struct Keyed: ~Copyable {
    static let keyCount = 20_000
    var servers: [ServerIdentity]
    var view: Servers
    var balancer: Balancer
    var random = SeededGenerator(seed: 1)

    init(_ strategy: Strategy, _ servers: [ServerIdentity], boundedLoad: Int? = nil) {
        self.servers = servers
        view = Servers(weights: servers.map(\.weight))
        view.tiers = servers.map { $0.isBackup ? 1 : 0 }
        balancer = Balancer(
            BalanceSettings(strategy, boundedLoad: boundedLoad), servers: servers,
            random: &random)
    }

    init(_ strategy: Strategy, count: Int) {
        self.init(strategy, ServerIdentity.some(weights: Array(repeating: 1, count: count)))
    }

    static func key(_ number: Int) -> UInt64 { StableHash.hash("key-\(number)") }

    mutating func server(of key: UInt64) -> Int {
        balancer.pick(view, for: PickRequest(key: key), random: &random) ?? -1
    }

    /// The names of the servers of all keys.
    mutating func owners() -> [String] {
        (0..<Self.keyCount).map {
            let index = server(of: Self.key($0))
            return index < 0 ? "nobody" : servers[index].name
        }
    }
}

private let keyed: [Strategy] = [.ringHash, .maglev, .rendezvous]

@Suite("Strategies with a key")
struct KeyTests {
    @Test("all proxies agree, whatever the order of their servers", arguments: keyed, [3, 40])
    func agreement(strategy: Strategy, count: Int) {
        let servers = ServerIdentity.some(weights: (0..<count).map { 1 + $0 % 3 })
        var one = Keyed(strategy, servers)
        var other = Keyed(strategy, servers.shuffled())
        #expect(one.owners() == other.owners())
    }

    @Test(
        "who leaves takes only its keys along", arguments: [Strategy.ringHash, .rendezvous],
        [5, 40])
    func leaving(strategy: Strategy, count: Int) {
        let servers = ServerIdentity.some(weights: (0..<count).map { 1 + $0 % 2 })
        var before = Keyed(strategy, servers)
        var after = Keyed(strategy, Array(servers.dropFirst()))
        var moved = 0
        for (old, new) in zip(before.owners(), after.owners()) {
            #expect(old == new || old == servers[0].name)
            if old != new { moved += 1 }
        }
        #expect(moved > 0)
    }

    @Test("maglev moves few keys besides: less than three in a hundred of forty servers")
    func maglevLeaving() {
        let servers = ServerIdentity.some(weights: Array(repeating: 1, count: 40))
        var before = Keyed(.maglev, servers)
        var after = Keyed(.maglev, Array(servers.dropFirst()))
        var besides = 0
        for (old, new) in zip(before.owners(), after.owners())
        where old != new && old != servers[0].name {
            besides += 1
        }
        #expect(besides > 0, "the test must see what maglev does")
        #expect(Double(besides) / Double(Keyed.keyCount) < 0.03, "\(besides)")
    }

    @Test(
        "an ejected server is passed over and gets the same keys back", arguments: keyed, [5, 40])
    func ejection(strategy: Strategy, count: Int) {
        var pool = Keyed(strategy, count: count)
        let before = pool.owners()
        pool.view.weights[2] = 0
        let during = pool.owners()
        for (old, new) in zip(before, during) {
            #expect(new != "server-2")
            #expect(old == new || old == "server-2")
        }
        // Its keys are spread, not given to one neighbour.
        let heirs = Set(zip(before, during).filter { $0 != $1 }.map { $1 })
        #expect(heirs.count >= min(count - 1, 4), "\(heirs)")
        pool.view.weights[2] = 256
        #expect(pool.owners() == before)
    }

    @Test("a retry takes the next in the key's order, the same each time", arguments: keyed)
    func retries(strategy: Strategy) {
        var pool = Keyed(strategy, count: 6)
        for number in 0..<50 {
            var orders: [[Int]] = []
            for _ in 0..<2 {
                pool.view = Servers(count: 6)
                var order: [Int] = []
                for _ in 0..<6 {
                    let index = pool.server(of: Keyed.key(number))
                    order.append(index)
                    if index >= 0 { pool.view.weights[index] = 0 }
                }
                orders.append(order)
            }
            #expect(Set(orders[0]) == Set(0..<6))
            #expect(orders[0] == orders[1])
        }
    }

    @Test("shares follow weights", arguments: keyed)
    func weights(strategy: Strategy) {
        let weights = [1, 2, 3, 4]
        var pool = Keyed(strategy, ServerIdentity.some(weights: weights))
        var tally: [String: Int] = [:]
        for owner in pool.owners() { tally[owner, default: 0] += 1 }
        for (index, weight) in weights.enumerated() {
            let share = Double(tally["server-\(index)"] ?? 0) / Double(Keyed.keyCount)
            let fair = Double(weight) / 10
            let tolerance = strategy == .ringHash ? 0.3 : 0.08
            #expect(abs(share / fair - 1) < tolerance, "\(index): \(share)")
        }
    }

    @Test("weight 0 has no keys, backups none while a primary is in", arguments: keyed)
    func outOfIt(strategy: Strategy) {
        var servers = ServerIdentity.some(weights: [1, 0, 1, 1])
        servers[3].isBackup = true
        var pool = Keyed(strategy, servers)
        #expect(Set(pool.owners()) == ["server-0", "server-2"])
        pool.view.weights[0] = 0
        pool.view.weights[2] = 0
        #expect(Set(pool.owners()) == ["server-3"])
    }

    @Test("without a key, requests go by weight", arguments: keyed)
    func withoutKey(strategy: Strategy) {
        var random = SeededGenerator(seed: 2)
        var balancer = Balancer(strategy: strategy, weights: [1, 2, 5], random: &random)
        let tally = balancer.tally(
            Servers(weights: [1, 2, 5]), picks: 8000, random: &random)
        #expect(fits(tally, weights: [1, 2, 5]), "\(tally)")
    }

    @Test("keys come to a warming server once each, as its share grows", arguments: keyed)
    func warming(strategy: Strategy) {
        var pool = Keyed(strategy, count: 5)
        let full = pool.owners()
        var last = Set<Int>()
        for share in [26, 64, 128, 200, 256] {
            pool.view.weights[1] = share
            let owners = pool.owners()
            let mine = Set(owners.indices.filter { owners[$0] == "server-1" })
            #expect(last.isSubset(of: mine))
            for (key, owner) in owners.enumerated() where owner != "server-1" {
                #expect(full[key] == "server-1" || full[key] == owner)
            }
            let expected = Double(share) / 256 * Double(full.count { $0 == "server-1" })
            #expect(abs(Double(mine.count) - expected) < expected * 0.3 + 30, "\(share)")
            last = mine
        }
        #expect(last.count == full.count { $0 == "server-1" })
    }

    @Test(
        "no server exceeds its bound, and few keys move", arguments: [Strategy.ringHash, .maglev])
    func bounds(strategy: Strategy) {
        for percent in [110, 125, 200] {
            let servers = ServerIdentity.some(weights: [1, 2, 3, 1, 2, 3, 1, 2])
            var pool = Keyed(strategy, servers, boundedLoad: percent)
            var random = SeededGenerator(seed: 3)
            var line: [Int] = []
            for _ in 0..<4000 {
                // A hot key: half of all requests.
                let key = Bool.random(using: &random) ? 7 : Int.random(in: 0..<5000, using: &random)
                let index = pool.server(of: Keyed.key(key))
                pool.view.inFlight[index] += 1
                line.append(index)
                let total = pool.view.inFlight.reduce(0, +)
                let bound = Double(percent * total * servers[index].weight) / 1500
                #expect(Double(pool.view.inFlight[index]) <= bound.rounded(.up))
                if line.count > 300 { pool.view.inFlight[line.removeFirst()] -= 1 }
            }
        }
    }

    @Test("the bound counts those that are in: when half are out, the rest may take all")
    func boundsWithout() {
        var pool = Keyed(
            .maglev, ServerIdentity.some(weights: Array(repeating: 1, count: 8)), boundedLoad: 125)
        for index in 0..<4 { pool.view.weights[index] = 0 }
        for number in 0..<400 {
            let index = pool.server(of: Keyed.key(number))
            #expect(index >= 4)
            pool.view.inFlight[index] += 1
        }
        #expect((pool.view.inFlight.max() ?? 0) <= 126, "\(pool.view.inFlight)")
    }
}

@Suite("Tables of keys")
struct HashTableTests {
    @Test("maglev's slots differ by one at most among equals, and follow weights")
    func slots() {
        for count in [1, 2, 3, 10, 100, 1000] {
            let table = MaglevTable(
                ServerIdentity.some(weights: Array(repeating: 1, count: count)))
            let tally = Self.tally(table, count)
            #expect(tally.reduce(0, +) == MaglevTable.slotCount)
            #expect((tally.max() ?? 0) - (tally.min() ?? 0) <= 1, "\(count)")
        }
        let weights = [10, 1, 5, 0, 3]
        let tally = Self.tally(MaglevTable(ServerIdentity.some(weights: weights)), 5)
        for (slots, weight) in zip(tally, weights) {
            let fair = Double(MaglevTable.slotCount * weight) / 19
            #expect(abs(Double(slots) - fair) <= 10, "\(tally)")
        }
        #expect(MaglevTable([]).server(of: 7) == nil)
    }

    private static func tally(_ table: MaglevTable, _ count: Int) -> [Int] {
        var tally = Array(repeating: 0, count: count)
        for slot in 0..<MaglevTable.slotCount {
            if let server = table.server(at: slot) { tally[server] += 1 }
        }
        return tally
    }

    @Test("the ring is as even as theory says: sd √((n − 1) / (nk + 1))")
    func ring() {
        var random = SeededGenerator(seed: 4)
        let count = 50
        var sum = 0.0
        let rounds = 8
        for round in 0..<rounds {
            let servers = (0..<count).map { ServerIdentity(name: "r\(round)-\($0)") }
            let ring = HashRing(servers)
            #expect(ring.pointCount == count * HashRing.pointsPerWeight)
            var tally = Array(repeating: 0.0, count: count)
            let keys = 200_000
            for _ in 0..<keys { tally[ring.server(of: random.next()) ?? 0] += 1 }
            let mean = Double(keys) / Double(count)
            // Less what the draw of the keys adds.
            sum +=
                tally.reduce(0) { $0 + ($1 - mean) * ($1 - mean) - mean } / Double(count)
                / (mean * mean)
        }
        let measured = (sum / Double(rounds)).squareRoot()
        let theory = (Double(count - 1) / Double(count * HashRing.pointsPerWeight + 1)).squareRoot()
        #expect(abs(measured / theory - 1) < 0.15, "\(measured) against \(theory)")
    }

    @Test("the ring has an end: heavy weights have fewer points each")
    func ringLimit() {
        let ring = HashRing(ServerIdentity.some(weights: Array(repeating: 1000, count: 50)))
        #expect(ring.pointCount <= HashRing.pointLimit)
        #expect(ring.pointCount > HashRing.pointLimit / 4)
        #expect(HashRing([]).server(of: 1) == nil)
    }

    @Test("what rendezvous remembers is what it would compute, through every change")
    func memory() {
        var random = SeededGenerator(seed: 5)
        var names = (0..<40).map { "n\($0)" }
        var weights: [String: Int] = [:]
        func identities() -> [ServerIdentity] {
            names.map { ServerIdentity(name: $0, weight: weights[$0] ?? 2) }
        }
        var balancer = Balancer(
            BalanceSettings(.rendezvous), servers: identities(), random: &random)
        for step in 0..<12 {
            let before = names
            switch step % 4 {
            case 0: names.insert("new\(step)", at: 3)
            case 1: names.remove(at: 7)
            case 2: weights[names[5], default: 2] = step % 8 == 2 ? 5 : 1
            default: names.shuffle(using: &random)
            }
            balancer.rebuild(
                balancer.settings, servers: identities(),
                oldIndex: { before.firstIndex(of: names[$0]) }, random: &random)
            var fresh = Balancer(
                BalanceSettings(.rendezvous), servers: identities(), random: &random)
            let view = Servers(weights: identities().map(\.weight))
            for _ in 0..<3000 {
                let request = PickRequest(key: random.next())
                let remembered = balancer.pick(view, for: request, random: &random)
                #expect(remembered == fresh.pick(view, for: request, random: &random))
            }
        }
    }
}

@Suite("Explanations")
struct ExplanationTests {
    @Test("there is one for every strategy, and all of it", arguments: Strategy.allCases)
    func complete(strategy: Strategy) {
        let text = strategy.explanation
        let parts = [
            text.choice, text.source, text.pickCost, text.changeCost, text.goodAt, text.brokenBy,
        ]
        for part in parts { #expect(part.count > 3) }
        #expect(text.choice.hasSuffix(".") && text.goodAt.hasSuffix("."))
        #expect(text.source.hasSuffix(".") && text.brokenBy.hasSuffix("."))
        for other in Strategy.allCases where other != strategy {
            #expect(other.explanation.choice != text.choice)
        }
    }
}
