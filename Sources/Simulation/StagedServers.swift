import Memory
import Numerics

/// The servers of a scenario with nobody before them: what they do with the requests that they
/// are given, and what happens to them and when. The live bench puts sockets before them.
///
/// Time is an argument, in mean service times, and never goes back. Everything happens at its
/// exact time, however late the caller asks: an answer that is taken late has not made the
/// server's next request begin late.
public struct StagedServers: ~Copyable {
    /// What the caller is to do about it.
    public enum Action: Sendable, Equatable {
        /// The request with this tag has its answer: 503 when it fails.
        case answer(tag: UInt64, fails: Bool)
        /// From now on the server refuses connections; the ones that it has end when they are
        /// idle.
        case refuse(Int)
        /// It takes connections again.
        case accept(Int)
        /// It ends without a word: it refuses connections, and those that it has are reset,
        /// with these requests.
        case die(Int, tags: [UInt64])
        /// A new server has started: the proxy is to be told of it.
        case join(Int)
        /// The proxy is to be told that the server finishes what it has and leaves.
        case drain(Int)
        /// The proxy is to be told that the server has left.
        case leave(Int)
        /// The proxy is to let the server finish what it has, and to send it nothing until it
        /// is brought back. When it has: ``StagedServers/finished(_:at:)``.
        case takeOut(Int)
        case bringBack(Int)
    }

    public struct Happening: Sendable, Equatable {
        public var time: Double
        public var action: Action

        public init(time: Double, action: Action) {
            self.time = time
            self.action = action
        }
    }

    /// How a check fares.
    public enum CheckOutcome: Sendable, Equatable { case passes, fails, hangs }

    private struct State {
        var group: ServerGroup
        var fault: Fault?
        var isThere = false
        var isRefusing = false
        /// The rolling restart that it is waiting to be stopped for.
        var rolling: Int?
    }

    private let scenario: Scenario
    private let countedTime: ClosedRange<Double>
    private var pool = RequestPool()
    private var servers: FixedArray<SimulatedServer>
    private var earliest: EarliestEvent
    private var agenda = Agenda()
    private var states: [State]
    private var caches: [KeyCache] = []
    private var failing: SeededRandom
    private var antagonising: [SeededRandom]
    /// By place in the pool.
    private var tags: [UInt64] = []
    private var happenings: [Happening] = []
    private var happeningIndex = 0
    private var now = 0.0
    private var serverCount = 0

    /// Slot times in use when counting began, and when it ended, by server.
    public private(set) var busyAtStart: [Double]
    public private(set) var busyAtEnd: [Double]
    private var hasBegunCounting = false
    private var hasEndedCounting = false

    /// - Parameter countedTime: between the first request that counts and the last; for what
    ///   the servers were busy with.
    public init(
        _ scenario: Scenario, countedTime: ClosedRange<Double>, seed: UInt64, repetition: Int
    ) {
        self.scenario = scenario
        self.countedTime = countedTime
        let capacity = scenario.largestServerCount
        let groups = scenario.groups.flatMap { Array(repeating: $0, count: $0.count) }
        let streams = RandomStreams(seed: seed, repetition: repetition)
        failing = streams[.failures]
        antagonising = (0..<capacity).map { streams.antagonists(of: $0) }
        servers = FixedArray(count: capacity) {
            SimulatedServer($0 < groups.count ? groups[$0] : groups[0])
        }
        earliest = EarliestEvent(count: capacity)
        states = (0..<capacity).map { State(group: $0 < groups.count ? groups[$0] : groups[0]) }
        busyAtStart = Array(repeating: 0, count: capacity)
        busyAtEnd = busyAtStart
        if let law = scenario.keys, let cache = law.cache {
            caches = Array(
                repeating: KeyCache(keys: law.count, capacity: cache.capacity), count: capacity)
        }
        for group in groups {
            let server = serverCount
            place(group)
            // A warm server: what is cold is what joins or is started again.
            servers[server].coldStart = nil
        }
        for (index, disturbance) in scenario.disturbances.enumerated() {
            agenda.plan(.begin(disturbance: index), at: scenario.beginning(of: disturbance))
            if let end = scenario.end(of: disturbance) {
                agenda.plan(.end(disturbance: index), at: end)
            }
        }
    }

    /// By server, those included that join later.
    public var slots: [Int] { states.map(\.group.slots) }
    public func group(of server: Int) -> ServerGroup { states[server].group }

    /// Whether the server has nothing to do.
    public func isIdle(_ server: Int) -> Bool { servers[server].isIdle }

    // MARK: - Requests

    /// Takes a request.
    ///
    /// - Parameter tag: what the answer is called by.
    /// - Returns: whether its key was remembered.
    public mutating func take(
        _ request: TrafficPlan.Request, tag: UInt64, at server: Int, now time: Double
    ) -> Bool {
        advance(to: time)
        let place = pool.take()
        while tags.count <= Int(place) { tags.append(0) }
        tags[Int(place)] = tag
        pool[place].server = Int32(server)
        pool[place].fails = false
        pool[place].isAtServer = true
        pool[place].work = request.size
        switch states[server].fault {
        case .failFast(let after):
            pool[place].isAtServer = false
            agenda.plan(.answer(request: place, stamp: pool[place].stamp), at: now + after)
            return false
        case .errors(let share):
            pool[place].fails = failing.unit() <= share
        default:
            break
        }
        var isHit = false
        if !caches.isEmpty, request.key >= 0, let cost = scenario.keys?.cache?.hitCost {
            isHit = caches[server].touch(Int(request.key))
            if isHit { pool[place].work *= cost }
        }
        servers[server].advance(to: now)
        servers[server].add(place, now: now, in: &pool)
        earliest.set(server, to: servers[server].nextCompletion)
        return isHit
    }

    /// How the server would answer a check now.
    public func check(_ server: Int) -> CheckOutcome {
        switch states[server].fault {
        case .hang: .hangs
        case .failFast, .errors: scenario.proxy.checks?.seeErrors == true ? .fails : .passes
        default: .passes
        }
    }

    /// A server that was taken out has finished what it had.
    public mutating func finished(_ server: Int, at time: Double) {
        advance(to: time)
        guard let rolling = states[server].rolling else { return }
        states[server].rolling = nil
        stop(server, rolling)
    }

    // MARK: - Time

    /// When the next thing happens, if nothing else comes; ∞ for never.
    public var nextTime: Double {
        happeningIndex < happenings.count ? now : min(earliest.time, agenda.time)
    }

    /// What has happened next, up to `time`; `nil` when that is all.
    public mutating func next(until time: Double) -> Happening? {
        advance(to: time)
        guard happeningIndex < happenings.count else {
            happenings.removeAll(keepingCapacity: true)
            happeningIndex = 0
            return nil
        }
        happeningIndex += 1
        return happenings[happeningIndex - 1]
    }

    private mutating func advance(to time: Double) {
        while true {
            let next = min(earliest.time, agenda.time)
            guard next <= time else { break }
            count(until: next)
            now = max(now, next)
            if earliest.time == next {
                complete(earliest.index)
            } else if let event = agenda.next() {
                happen(event)
            }
        }
        count(until: time)
        now = max(now, time)
    }

    /// Notes how busy everybody was when counting began and ended.
    private mutating func count(until time: Double) {
        if !hasBegunCounting, time >= countedTime.lowerBound {
            hasBegunCounting = true
            busyAtStart = busy(at: countedTime.lowerBound)
        }
        if !hasEndedCounting, time >= countedTime.upperBound {
            hasEndedCounting = true
            busyAtEnd = busy(at: countedTime.upperBound)
        }
    }

    private mutating func busy(at time: Double) -> [Double] {
        (0..<servers.count).map { server in
            servers[server].advance(to: max(now, time))
            return servers[server].busyTime
        }
    }

    private mutating func note(_ action: Action) {
        happenings.append(Happening(time: now, action: action))
    }

    private mutating func complete(_ server: Int) {
        servers[server].advance(to: now)
        let place = servers[server].removeFinished(now: now, in: pool)
        earliest.set(server, to: servers[server].nextCompletion)
        note(.answer(tag: tags[Int(place)], fails: pool[place].fails))
        pool.free(place)
    }

    private mutating func happen(_ event: Agenda.Event) {
        switch event {
        case .begin(let index): beginDisturbance(index)
        case .end(let index): endDisturbance(index)
        case .turn(let server, let rolling): beginTurn(server, rolling)
        case .restart(let server, let rolling): restart(server, rolling)
        case .flap(let server): flap(server)
        case .antagonistComes(let server): antagonist(server, comes: true)
        case .antagonistLeaves(let server): antagonist(server, comes: false)
        case .answer(let place, let stamp):
            guard pool[place].stamp == stamp else { return }
            note(.answer(tag: tags[Int(place)], fails: true))
            pool.free(place)
        case .retry, .check, .verdict, .warm, .look, .heldSlots, .waitOver:
            break  // The proxy's own.
        }
    }

    // MARK: - What happens to servers

    private mutating func place(_ group: ServerGroup) {
        let server = serverCount
        serverCount += 1
        states[server].group = group
        states[server].isThere = true
        servers[server] = SimulatedServer(group, startedAt: now)
        if let antagonist = group.antagonist {
            agenda.plan(
                antagonist, of: server, isThere: false, now: now, random: &antagonising[server])
        }
    }

    private mutating func beginDisturbance(_ index: Int) {
        switch scenario.disturbances[index].kind {
        case .join(let group):
            for _ in 0..<group.count {
                place(group)
                note(.join(serverCount - 1))
            }
        case .drain(let list):
            for server in list where states[server].isThere { note(.drain(server)) }
        case .leave(let list):
            for server in list where states[server].isThere {
                states[server].isThere = false
                die(server)
                note(.leave(server))
            }
        case .fault(let list, let fault):
            for server in list where states[server].isThere { begin(fault, server) }
        case .rolling:
            beginTurn(0, index)
        case .load:
            break
        }
    }

    private mutating func endDisturbance(_ index: Int) {
        guard case .fault(let list, _) = scenario.disturbances[index].kind else { return }
        for server in list where states[server].isThere {
            states[server].fault = nil
            setRefusing(server, false)
            setSpeed(server) { $0.faultSpeed = 1 }
        }
    }

    private mutating func begin(_ fault: Fault, _ server: Int) {
        states[server].fault = fault
        setSpeed(server) { $0.faultSpeed = fault.speed }
        switch fault {
        case .refuse: setRefusing(server, true)
        case .flapping: flap(server)
        case .failFast, .errors, .hang, .slow: break
        }
    }

    private mutating func setRefusing(_ server: Int, _ refuses: Bool) {
        guard states[server].isRefusing != refuses else { return }
        states[server].isRefusing = refuses
        note(refuses ? .refuse(server) : .accept(server))
    }

    private mutating func flap(_ server: Int) {
        guard case .flapping(let down, let up) = states[server].fault else { return }
        setRefusing(server, !states[server].isRefusing)
        agenda.plan(.flap(server: server), at: now + (states[server].isRefusing ? down : up))
    }

    private mutating func antagonist(_ server: Int, comes: Bool) {
        guard let antagonist = servers[server].antagonist else { return }
        setSpeed(server) { $0.antagonistSpeed = comes ? antagonist.speed : 1 }
        agenda.plan(
            antagonist, of: server, isThere: comes, now: now, random: &antagonising[server])
    }

    private mutating func setSpeed(_ server: Int, _ change: (inout SimulatedServer) -> Void) {
        servers[server].advance(to: now)
        change(&servers[server])
        servers[server].setPace()
        earliest.set(server, to: servers[server].nextCompletion)
    }

    private mutating func die(_ server: Int) {
        servers[server].advance(to: now)
        let places = servers[server].removeAll(in: pool)
        earliest.set(server, to: .infinity)
        note(.die(server, tags: places.map { tags[Int($0)] }))
        for place in places { pool.free(place) }
    }

    // MARK: - Restarts, one after another

    private mutating func beginTurn(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index), server < scenario.serverCount else { return }
        guard rolling.drains else {
            stop(server, index)
            return
        }
        states[server].rolling = index
        note(.takeOut(server))
    }

    private mutating func stop(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index) else { return }
        die(server)
        agenda.plan(.restart(server: server, rolling: index), at: now + rolling.down)
    }

    private mutating func restart(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index) else { return }
        servers[server].restart(rolling.coldStart, now: now)
        if !caches.isEmpty { caches[server].clear() }
        note(.accept(server))
        if rolling.drains { note(.bringBack(server)) }
        agenda.plan(.turn(server: server + 1, rolling: index), at: now + rolling.pause)
    }
}
