import Balancing
import Linux
import Memory
import Synchronization
import Timing

/// What all loops share of a server, laid out as the data plane lays it out: what requests
/// write, and what picks read, in lines of their own.
struct PickCell: ~Copyable, Sendable {
    let inFlight: Atomic<Int>
    let ages: Atomic<UInt64>
    let time: Atomic<UInt64>
    let timesByLoad: [8 of Atomic<UInt64>]
    private let busyPadding: [5 of Int]
    let flags: Atomic<UInt64>
    let ejectedUntil: Atomic<UInt64>
    private let calmPadding: [14 of Int]
}

/// Servers as a pick reads them in the data plane: from shared atomics, with the questions that
/// are asked there.
struct PickView: ServerView {
    let cells: SharedTable<PickCell>
    let count: Int
    var now = LoopInstant.zero

    func weight(_ index: Int) -> Int {
        let flags = cells[index].flags.load(ordering: .relaxed)
        guard flags & 7 << 16 == 1 << 16,
            cells[index].ejectedUntil.load(ordering: .relaxed) <= now.nanoseconds
        else { return 0 }
        return Int(flags & 0xFFFF) << 8
    }
    func inFlight(_ index: Int) -> Int {
        max(0, cells[index].inFlight.load(ordering: .relaxed))
    }
    func answerTime(_ index: Int) -> ServerTime {
        ServerTime(bits: cells[index].time.load(ordering: .relaxed))
    }
    func answerTime(_ index: Int, in load: LoadClass) -> ServerTime {
        ServerTime(bits: cells[index].timesByLoad[load.number].load(ordering: .relaxed))
    }
    func ages(_ index: Int) -> InFlightAges {
        InFlightAges(bits: cells[index].ages.load(ordering: .relaxed))
    }
    /// As many as the bench keeps in flight.
    var totalInFlight: Int { outstanding }
    var outstanding = 0
}

/// Measures what a pick costs: one thread, one balancer, four requests in flight for every five
/// servers, each ended in the order of the picks.
struct PickBench {
    struct Result {
        var strategy: Strategy
        var servers: Int
        /// The best of the measurements, and the middle one.
        var pickNanoseconds: Double
        var medianNanoseconds: Double
        var changeNanoseconds: Double
        /// Calls of the allocator; `nil` where they cannot be counted.
        var allocationsPerPick: Double?
        var allocationsPerChange: Double?
        /// What the picks have allocated and not freed.
        var heapBytesPerPick: Double
    }

    /// Weights are 1, or 1 to 4 in turns.
    var hasMixedWeights = false
    var seed: UInt64 = 1
    /// Picks per measurement, and measurements; the best one counts, because other work of the
    /// machine only ever adds.
    var picks = 20_000
    var rounds = 60

    /// Round by round, all strategies in each: so that each of them has its share of the
    /// machine's good moments.
    func measure(_ strategies: [Strategy], servers count: Int) -> [Result] {
        let subjects = strategies.map { Subject($0, servers: count, self) }
        for _ in 0..<rounds {
            for subject in subjects { subject.playRound(picks: picks) }
        }
        return subjects.map { $0.result(picks: picks) }
    }

    /// One strategy among servers of its own.
    private final class Subject {
        private let strategy: Strategy
        private let identities: [ServerIdentity]
        private var balancer: Balancer
        private var view: PickView
        private var random: BenchRandom
        private var measured: [Double] = []
        private var bestEmpty = Double.infinity

        init(_ strategy: Strategy, servers count: Int, _ bench: PickBench) {
            self.strategy = strategy
            random = BenchRandom(seed: bench.seed)
            let cells = SharedTable<PickCell>(zeroed: count)
            let weights = (0..<count).map { bench.hasMixedWeights ? 1 + $0 % 4 : 1 }
            for index in 0..<count {
                cells[index].flags.store(UInt64(weights[index]) | 1 << 16, ordering: .relaxed)
                let time = ServerTime().answered(
                    after: .microseconds(Int(500 + random.next() % 1000)), now: .zero)
                cells[index].time.store(time.bits, ordering: .relaxed)
                for load in 0..<LoadClass.count {
                    cells[index].timesByLoad[load].store(time.bits, ordering: .relaxed)
                }
            }
            identities = (0..<count).map {
                ServerIdentity(name: "server-\($0)", weight: weights[$0])
            }
            balancer = Balancer(BalanceSettings(strategy), servers: identities, random: &random)
            view = PickView(cells: cells, count: count)
            view.outstanding = max(1, count * 4 / 5)
            // Rendezvous remembers what it has seen: the steady state is what is asked for.
            let warmUp = strategy == .rendezvous ? 2_000_000 : 200_000
            _ = PickBench.run(&balancer, &view, picks: warmUp, random: &random)
        }

        func playRound(picks: Int) {
            measured.append(PickBench.run(&balancer, &view, picks: picks, random: &random))
            bestEmpty = min(bestEmpty, PickBench.runEmpty(&view, picks: picks, random: &random))
        }

        func result(picks: Int) -> Result {
            measured.sort()
            let heap = Heap.usedBytes()
            let allocations = PickBench.allocations {
                _ = PickBench.run(&balancer, &view, picks: picks, random: &random)
            }
            let surrounding = PickBench.allocations {
                _ = PickBench.runEmpty(&view, picks: picks, random: &random)
            }
            let grown = Double(Heap.usedBytes() - heap) / Double(picks)
            let change = PickBench.change(&balancer, identities, random: &random)
            var perPick: Double?
            if let allocations, let surrounding {
                perPick = Double(allocations - surrounding) / Double(picks)
            }
            return Result(
                strategy: strategy, servers: identities.count,
                pickNanoseconds: max(0, measured[0] - bestEmpty),
                medianNanoseconds: max(0, measured[measured.count / 2] - bestEmpty),
                changeNanoseconds: change.nanoseconds, allocationsPerPick: perPick,
                allocationsPerChange: change.allocations, heapBytesPerPick: grown)
        }
    }

    /// Calls of the allocator in `work`; `nil` where they cannot be counted.
    fileprivate static func allocations(in work: () -> Void) -> Int? {
        guard let counter = AllocationCount() else {
            work()
            return nil
        }
        let before = counter.value
        work()
        return counter.value - before
    }

    /// Nanoseconds per pick, with what surrounds it.
    fileprivate static func run(
        _ balancer: inout Balancer, _ view: inout PickView, picks: Int,
        random: inout BenchRandom
    ) -> Double {
        var line = FixedArray<UInt32>(repeating: .max, count: view.outstanding)
        var place = 0
        let wantsEnds = balancer.wantsEnds
        let start = Clock.monotonic()
        for _ in 0..<picks {
            view.now.nanoseconds &+= 10_000
            let request = PickRequest(now: view.now, key: random.next())
            let index = balancer.pick(view, for: request, random: &random) ?? 0
            let ended = exchange(&line, place, with: index, view)
            if wantsEnds, ended >= 0 {
                balancer.ended(ended, inFlight: view.inFlight(ended))
            }
            place = place + 1 == line.count ? 0 : place + 1
        }
        let elapsed = Clock.monotonic() - start
        for place in 0..<line.count { _ = exchange(&line, place, with: nil, view) }
        return Double(elapsed.nanoseconds) / Double(picks)
    }

    /// The same without a pick.
    fileprivate static func runEmpty(
        _ view: inout PickView, picks: Int, random: inout BenchRandom
    ) -> Double {
        var line = FixedArray<UInt32>(repeating: .max, count: view.outstanding)
        var place = 0
        let start = Clock.monotonic()
        for _ in 0..<picks {
            view.now.nanoseconds &+= 10_000
            let number = random.next().multipliedFullWidth(by: UInt64(view.count)).high
            _ = exchange(&line, place, with: Int(number), view)
            place = place + 1 == line.count ? 0 : place + 1
        }
        let elapsed = Clock.monotonic() - start
        for place in 0..<line.count { _ = exchange(&line, place, with: nil, view) }
        return Double(elapsed.nanoseconds) / Double(picks)
    }

    /// Begins a request and ends the oldest one; the server of that, or −1.
    private static func exchange(
        _ line: inout FixedArray<UInt32>, _ place: Int, with index: Int?, _ view: PickView
    ) -> Int {
        let ended = line[place]
        line[place] = index.map { UInt32($0) } ?? .max
        if let index {
            view.cells[index].inFlight.wrappingAdd(1, ordering: .relaxed)
        }
        guard ended != .max else { return -1 }
        view.cells[Int(ended)].inFlight.wrappingSubtract(1, ordering: .relaxed)
        // An answer of the usual length, as it is recorded when it comes.
        let time = view.answerTime(Int(ended))
        view.cells[Int(ended)].time.store(
            time.answered(after: time.average, now: view.now).bits, ordering: .relaxed)
        return Int(ended)
    }

    /// A server leaves, and another one comes.
    fileprivate static func change(
        _ balancer: inout Balancer, _ servers: [ServerIdentity], random: inout BenchRandom
    ) -> (nanoseconds: Double, allocations: Double?) {
        var changed = servers
        changed[0].name = "newcomer"
        let rounds = servers.count > 1000 ? 2 : 5
        var best = Double.infinity
        for round in 0..<2 * rounds {
            let next = round % 2 == 0 ? changed : servers
            let start = Clock.monotonic()
            balancer.rebuild(
                balancer.settings, servers: next, oldIndex: { $0 == 0 ? nil : $0 },
                random: &random)
            best = min(best, Double((Clock.monotonic() - start).nanoseconds))
        }
        let allocations = allocations {
            balancer.rebuild(
                balancer.settings, servers: changed, oldIndex: { $0 == 0 ? nil : $0 },
                random: &random)
        }
        return (best, allocations.map { Double($0) })
    }
}

/// Numbers that repeat with the seed (xorshift64*).
struct BenchRandom: RandomNumberGenerator, BitwiseCopyable {
    private var state: UInt64

    init(seed: UInt64) { state = (seed &* 0x9E37_79B9_7F4A_7C15) | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
