import Balancing
import Health
import Memory
import Numerics
import Statistics
import Timing

/// Plays one scenario with one strategy, in virtual time.
///
/// Who gets a request is decided by the code that serves traffic: ``Balancing/Balancer``,
/// ``Balancing/GuardedView``, ``Balancing/SlowStart``, ``Balancing/FailedSlotHold``,
/// ``Health/OutlierState``, ``Health/ServerHealth``, ``Health/RetryBudget`` and
/// ``Health/RetryBackoff``. What is simulated is what surrounds it: clients, servers and time.
///
/// The same scenario, seed and repetition give the same result to the last bit, on every
/// machine; arrivals, sizes, keys and accidents are the same for every strategy.
///
/// Cost per request: about 0.2 µs for cheap strategies on ten servers.
public struct Simulator: ~Copyable {
    let scenario: Scenario
    let contender: Contender
    /// Nanoseconds of the proxy's clock in a mean service time.
    let unit: Double

    var now = 0.0
    var pool = RequestPool()
    var servers: FixedArray<SimulatedServer>
    var earliest: EarliestEvent
    var agenda = Agenda()
    var timeouts = TimeoutQueue()
    let timeout: Double

    /// One that all workers share, or one for each.
    var rosters: FixedArray<SimulatedRoster>
    /// By worker.
    var heldSlots: FixedArray<HeldSlots>
    /// Slots held by all workers.
    var heldCount = 0
    var balancers: FixedArray<Balancer>
    var holds: [FailedSlotHold]
    var budgets: [RetryBudget]
    /// By worker: who waits for a slot.
    var lines: [WaitingLine]
    /// By roster.
    var panicChecks: [LoopInstant]
    var isPanicking: [Bool]

    var arrivals: ArrivalClock
    let sampler: ServiceSampler
    let keyLottery: AliasTable?
    let keyHashes: [UInt64]
    var sizing: SeededRandom
    var assigning: SeededRandom
    var keying: SeededRandom
    var failing: SeededRandom
    var picking: SeededRandom
    var proxying: SeededRandom
    var antagonising: [SeededRandom]

    /// By server.
    var states: [ServerState]
    var serverCount = 0
    var caches: [KeyCache] = []

    var recorder: RunRecorder
    /// Requests that count and are under way.
    var countedUnderWay = 0
    /// All that clients wait for.
    var underWay = 0
    var arrivedCount = 0

    /// What the scenario has done to a server.
    struct ServerState {
        var fault: Fault?
        var isStopped = false
        var isGone = false
        var isDraining = false
        /// The rolling restart that it is waiting to be stopped for.
        var rolling: Int?
        var isRefusing = false
        var health: ServerHealth
        var checks: CheckSchedule
    }

    /// - Parameters:
    ///   - seed: of the experiment.
    ///   - repetition: another one is another, independent run.
    public static func run(
        _ scenario: Scenario, _ contender: Contender, seed: UInt64, repetition: Int = 0
    ) -> RunResult {
        var simulator = Simulator(scenario, contender, seed: seed, repetition: repetition)
        return simulator.play()
    }

    private init(_ scenario: Scenario, _ contender: Contender, seed: UInt64, repetition: Int) {
        self.scenario = scenario
        self.contender = contender
        unit = Double(scenario.meanService.nanoseconds)
        let limit = scenario.proxy.responseTimeout
        timeout = limit == .forever ? .infinity : Double(limit.nanoseconds) / unit

        let capacity = scenario.largestServerCount
        let groups = scenario.groups.flatMap { Array(repeating: $0, count: $0.count) }
        servers = FixedArray(count: capacity) {
            SimulatedServer($0 < groups.count ? groups[$0] : groups[0])
        }
        earliest = EarliestEvent(count: capacity)

        let streams = RandomStreams(seed: seed, repetition: repetition)
        arrivals = ArrivalClock(
            scenario, random: streams[.arrivals], switching: streams[.switching])
        sampler = ServiceSampler(scenario.service)
        sizing = streams[.sizes]
        assigning = streams[.workers]
        keying = streams[.keys]
        failing = streams[.failures]
        picking = streams[.picks]
        proxying = streams[.proxy]
        antagonising = (0..<capacity).map { streams.antagonists(of: $0) }
        keyLottery = scenario.keys.map { $0.lottery }

        keyHashes = (0..<(scenario.keys?.count ?? 0)).map { StableHash.hash(KeyLaw.path(of: $0)) }

        let workers = scenario.workers
        let rosterCount = scenario.sharesCounts ? 1 : workers
        let hasTiers = scenario.groups.contains { $0.isBackup }
        rosters = FixedArray(count: rosterCount) { _ in
            SimulatedRoster(
                capacity: capacity, proxy: scenario.proxy, hasTiers: hasTiers,
                isStale: scenario.countAge > 0)
        }
        lines = Array(repeating: WaitingLine(), count: workers)
        panicChecks = Array(repeating: .zero, count: rosterCount)
        isPanicking = Array(repeating: false, count: rosterCount)
        heldSlots = FixedArray(count: workers) { _ in HeldSlots() }
        var picking = picking
        balancers = FixedArray(count: workers) { _ in
            Balancer(contender.settings, servers: [], random: &picking)
        }
        self.picking = picking
        holds = Array(repeating: FailedSlotHold(), count: workers)
        budgets = Array(
            repeating: RetryBudget(percent: scenario.proxy.retries.budget, loops: workers),
            count: workers)
        let thresholds = scenario.proxy.checks?.thresholds ?? HealthThresholds()
        states = Array(
            repeating: ServerState(
                health: ServerHealth(thresholds), checks: CheckSchedule(now: .zero)),
            count: capacity)
        recorder = RunRecorder(scenario, capacity: capacity)
        if let law = scenario.keys, let cache = law.cache {
            caches = Array(
                repeating: KeyCache(keys: law.count, capacity: cache.capacity), count: capacity)
        }
        begin(groups)
    }

    /// The proxy's clock; it does not begin at zero, which its tables keep for "never".
    var instant: LoopInstant {
        LoopInstant(nanoseconds: 1_000_000_000_000 + UInt64(now * unit))
    }

    func time(of instant: LoopInstant) -> Double {
        Double(instant.nanoseconds - 1_000_000_000_000) / unit
    }

    // MARK: - The turn

    private mutating func play() -> RunResult {
        if case .closed = scenario.arrivals { return playClosed() }
        var nextArrival = arrivals.next()
        let extra = scenario.extraRequestCount
        var lastMoment = Double.infinity
        while true {
            let nextCompletion = earliest.time
            let nextPlanned = min(agenda.time, timeouts.first?.time ?? .infinity)
            let next = min(nextArrival, nextCompletion, nextPlanned)
            guard next.isFinite, next <= lastMoment else { break }
            now = next
            if nextCompletion == next {
                complete(earliest.index)
            } else if nextPlanned == next {
                doPlanned()
            } else {
                arrive()
                if arrivedCount == scenario.requestCount { endCounting() }
                let isLast = arrivedCount >= scenario.requestCount + extra
                nextArrival = isLast ? .infinity : arrivals.next()
                if arrivedCount == scenario.requestCount {
                    lastMoment = now + scenario.horizon + 4 * (timeout.isFinite ? timeout : 0)
                }
            }
            if arrivedCount >= scenario.requestCount, countedUnderWay == 0 { break }
        }
        if countedUnderWay > 0 { recorder.fail(.unanswered, count: countedUnderWay) }
        return recorder.result(names: (0..<serverCount).map { "s\($0 + 1)" })
    }

    /// A request comes when another one has ended, until all have come.
    private mutating func playClosed() -> RunResult {
        guard case .closed(let clients) = scenario.arrivals else { return RunResult() }
        while true {
            while underWay < clients, arrivedCount < scenario.requestCount {
                arrive()
                if arrivedCount == scenario.requestCount { endCounting() }
            }
            let nextCompletion = earliest.time
            let next = min(nextCompletion, min(agenda.time, timeouts.first?.time ?? .infinity))
            guard underWay > 0, next.isFinite else { break }
            now = next
            if nextCompletion == next { complete(earliest.index) } else { doPlanned() }
        }
        if countedUnderWay > 0 { recorder.fail(.unanswered, count: countedUnderWay) }
        return recorder.result(names: (0..<serverCount).map { "s\($0 + 1)" })
    }

    private mutating func arrive() {
        let request = pool.take()
        pool[request].arrival = now
        pool[request].size = sampler.draw(&sizing)
        pool[request].attemptCount = 0
        pool[request].isAbandoned = false
        pool[request].queuedAt = .infinity
        pool[request].worker =
            scenario.workers > 1 ? Int32(assigning.below(scenario.workers)) : 0
        if let keyLottery { pool[request].key = UInt64(keyLottery.draw(&keying)) }
        let isCounted = recorder.arrived(arrivedCount)
        if isCounted {
            if countedUnderWay == 0, recorder.countsFrom.isInfinite { beginCounting() }
            countedUnderWay += 1
        }
        pool[request].isCounted = isCounted
        arrivedCount += 1
        underWay += 1
        budgets[Int(pool[request].worker)].requestStarted(now: instant)
        choose(request)
    }

    private mutating func beginCounting() {
        for server in 0..<serverCount { servers[server].advance(to: now) }
        recorder.beginCounting(now: now, busy: (0..<serverCount).map { servers[$0].busyTime })
    }

    private mutating func endCounting() {
        for server in 0..<serverCount { servers[server].advance(to: now) }
        recorder.endCounting(
            now: now, busy: (0..<serverCount).map { servers[$0].busyTime },
            slots: (0..<serverCount).map { servers[$0].slots })
    }

    private mutating func complete(_ server: Int) {
        servers[server].advance(to: now)
        let request = servers[server].removeFinished(now: now, in: pool)
        earliest.set(server, to: servers[server].nextCompletion)
        if pool[request].isAbandoned {
            pool.free(request)
        } else if pool[request].fails {
            answeredWithError(request)
        } else {
            answered(request)
        }
        if states[server].isDraining, servers[server].isIdle { drained(server) }
    }

    private mutating func doPlanned() {
        if let entry = timeouts.first, entry.time <= agenda.time {
            timeouts.removeFirst()
            if pool[entry.request].stamp == entry.stamp { timedOut(entry.request) }
            return
        }
        guard let event = agenda.next() else { return }
        happen(event)
    }
}
