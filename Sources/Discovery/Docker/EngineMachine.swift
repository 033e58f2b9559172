public import Timing

/// What is believed of the containers of an engine: the state machine behind lists, events and
/// the answers about single containers.
///
///                start            a check of ours, or the engine's
///     (unknown) ──────▶ pending ─────────────────────────────▶ (serving)
///                         ▲  ▲                                 │  │  ▲
///                unpause  │  │ survived its signal    pause,   │  │  │ healthy
///                       paused◀──────────────────────── ───────┘  │  │
///                                                    unhealthy    ▼  │
///                                                             unhealthy
///     any ── kill, with a signal that stops ──▶ draining ── die ──▶ gone
///
/// Docker says nothing at the moment that counts but `kill`: until `die` comes, after the whole
/// drain, lists and answers call the container running and healthy. So what drains is remembered
/// here, by its id, and neither a list nor a `healthy` puts it back.
///
/// ## Invariants
/// - A lost stream changes nothing. After it, the first list that names no container of
///   interest, where there were some, is not believed until a second one agrees.
/// - A container that a list does not name has left; when the next list does not name it either,
///   it has ended. One whose address another container of the list has, has ended at once: what
///   is sent there reaches somebody else.
/// - Inputs may be repeated: events that a list has told already change nothing more.
/// - A container that starts again has another ``Container/generation``.
public struct EngineMachine {
    /// What is to be done about an input, in order.
    public enum Action: Equatable, Sendable {
        /// Ask about one container.
        case describe(String)
        /// Ask for the list after this time; ``listed(_:now:)`` or ``listFailed()`` follow.
        case list(after: Interval)
        /// Something about a container is another thing now, or it is new.
        case changed(String)
        /// It has ended for certain: the engine saw it, or two lists do not name it, or its
        /// address is another one's. Also for one that has ``left(_:)`` before.
        case ended(Container)
        /// A list no longer names it, for the first time.
        case left(Container)
        /// It should be checked.
        case check(String)
        /// Everything that was listed has been described.
        case settled
        /// The list cannot be believed. A sentence.
        case doubted(String)
        /// It got a signal and went on: for the log.
        case survived(String)
    }

    public enum Standing: Equatable, Sendable {
        /// Not known to listen yet.
        case pending
        case healthy
        case unhealthy
        case paused
        case draining
    }

    public struct Container: Equatable, Sendable {
        public var facts: ContainerFacts
        /// Another one for each start.
        public var generation: Int
        public var standing: Standing
        /// When it was seen to start, in nanoseconds since 1970; `nil` when it ran before.
        public var startedAt: Int64?
        /// A list told of it first, and the one before had not: it has started meanwhile, and the
        /// engine knows when.
        var isNew = false
        /// The engine has told what can be told of it.
        public var isDescribed = false
        /// Until its next event, what the engine says of its health is what it was before a
        /// pause.
        var ignoresHealth = false
        var drainedAt: LoopInstant?
        /// Our checks that it has passed since it should have been gone; `nil` before.
        var passesAfterDrain: Int?

        public init(
            facts: ContainerFacts, generation: Int, standing: Standing, startedAt: Int64? = nil,
            isDescribed: Bool = false
        ) {
            self.facts = facts
            self.generation = generation
            self.standing = standing
            self.startedAt = startedAt
            self.isDescribed = isDescribed
        }
    }

    private enum Phase: Equatable, Sendable {
        case disconnected
        /// Events are kept for later: the list comes first.
        case listing
        case live
    }

    /// How long the engine lets a container end, when nobody says.
    private static let stopTimeout = 10
    private static let survivalGrace = 5
    /// Whoever starts a container chooses its stop timeout: no more than this is waited for.
    private static let longestStopTimeout = 86_400
    private static let survivalPasses = 3
    private static let secondLook = Interval.seconds(2)
    /// A stream that is listed for longer than it can be heard is started again by its driver.
    public static let eventBound = 65_536

    public private(set) var containers: [String: Container] = [:]
    private var phase = Phase.disconnected
    private var waiting: [EngineEvent] = []
    /// What is to be described before everything is known.
    private var undescribed: Set<String> = []
    private var hasSettled = false
    /// A list has been believed since the stream began.
    private var hasList = false
    private var doubtsNextEmptyList = false
    /// Those that the last list did not name, of which ``Action/left(_:)`` was told.
    private var left: [String: Container] = [:]
    /// Those that a list which was not believed did not name.
    private var absent: Set<String> = []
    /// Containers of which events came while a list was on its way: it may be older than those.
    private var touched: Set<String> = []
    private var isAfterReconnect = false
    private var nextGeneration = 1
    /// Whether somebody is interested in a container with these labels and this name; what
    /// nobody wants is never asked about.
    private let isWanted: ([String: String]) -> Bool
    /// False: lists tell everything that will be known.
    private let inspects: Bool

    public init(
        inspects: Bool = true, isWanted: @escaping ([String: String]) -> Bool
    ) {
        self.inspects = inspects
        self.isWanted = isWanted
    }

    /// Containers for which somebody waits.
    public var wantedCount: Int { containers.values.count { isWanted($0.facts.labels) } }

    public var isSettled: Bool { phase == .live && hasList && undescribed.isEmpty }

    // MARK: - The stream

    /// The stream of events has begun: from here on nothing is missed, so the list is asked for
    /// now and not earlier.
    public mutating func subscribed() -> [Action] {
        phase = .listing
        waiting = []
        undescribed = []
        hasSettled = false
        hasList = false
        isAfterReconnect = wantedCount > 0
        doubtsNextEmptyList = isAfterReconnect
        absent = []
        return [.list(after: .zero)]
    }

    /// The stream has ended, however it did.
    public mutating func streamLost() {
        phase = .disconnected
        waiting = []
        undescribed = []
    }

    public mutating func happened(_ event: EngineEvent, now: LoopInstant) -> [Action] {
        switch phase {
        case .disconnected: return []
        case .listing:
            guard waiting.count < Self.eventBound else { return [] }
            waiting.append(event)
            return []
        case .live:
            var actions: [Action] = []
            apply(event, now: now, &actions)
            settle(&actions)
            return actions
        }
    }

    private mutating func apply(
        _ event: EngineEvent, now: LoopInstant, _ actions: inout [Action]
    ) {
        touched.insert(event.id)
        switch event.action {
        case .start: started(event, &actions)
        case .kill(let signal): killed(event.id, signal, now: now, &actions)
        case .die: ended(event.id, &actions)
        case .destroy: ended(event.id, &actions)
        case .pause: change(event.id, to: .paused, &actions)
        case .unpause: unpaused(event.id, &actions)
        case .rename:
            guard !event.name.isEmpty, containers[event.id] != nil else { return }
            containers[event.id]?.facts.name = event.name
            actions.append(.changed(event.id))
        case .health(let health): checkedByEngine(event.id, health, &actions)
        case .network:
            guard containers[event.id] != nil else { return }
            actions.append(.describe(event.id))
        case .other: break
        }
    }

    private mutating func started(_ event: EngineEvent, _ actions: inout [Action]) {
        // The list has told of it already; it did not end in between, or `die` had come.
        guard containers[event.id] == nil else { return }
        left[event.id] = nil
        var facts = ContainerFacts(id: event.id)
        facts.name = event.name
        facts.image = event.image
        facts.labels = event.attributes
        for key in ["name", "image", "exitCode", "execDuration", "signal"] {
            facts.labels[key] = nil
        }
        add(facts, startedAt: event.time, isDescribed: false)
        // What nobody wants is not asked about, but may be close to being wanted.
        guard isWanted(facts.labels) else { return actions.append(.changed(event.id)) }
        undescribed.insert(event.id)
        actions.append(.describe(event.id))
    }

    private mutating func add(_ facts: ContainerFacts, startedAt: Int64?, isDescribed: Bool) {
        var container = Container(
            facts: facts, generation: nextGeneration, standing: .pending, startedAt: startedAt,
            isDescribed: isDescribed)
        nextGeneration += 1
        if facts.status == .paused {
            container.standing = .paused
        } else if facts.health == .healthy {
            container.standing = .healthy
        } else if facts.health == .unhealthy {
            container.standing = .unhealthy
        }
        containers[facts.id] = container
    }

    private mutating func killed(
        _ id: String, _ signal: Int?, now: LoopInstant, _ actions: inout [Action]
    ) {
        guard let container = containers[id] else { return }
        guard let signal else { return actions.append(.check(id)) }
        guard signal == 15 || signal == 9 || signal == container.facts.ownStopSignal,
            container.standing != .draining
        else { return }
        containers[id]?.drainedAt = now
        containers[id]?.passesAfterDrain = nil
        change(id, to: .draining, &actions)
        actions.append(.list(after: Self.endPatience(with: container.facts)))
    }

    private mutating func ended(_ id: String, _ actions: inout [Action]) {
        undescribed.remove(id)
        let departed = left.removeValue(forKey: id)
        guard let container = containers.removeValue(forKey: id) ?? departed else { return }
        actions.append(.ended(container))
    }

    private mutating func unpaused(_ id: String, _ actions: inout [Action]) {
        guard containers[id]?.standing == .paused else { return }
        containers[id]?.ignoresHealth = true
        change(id, to: .pending, &actions)
    }

    private mutating func checkedByEngine(
        _ id: String, _ health: ContainerFacts.Health?, _ actions: inout [Action]
    ) {
        guard let container = containers[id] else { return }
        guard let health else { return actions.append(.describe(id)) }
        containers[id]?.ignoresHealth = false
        containers[id]?.facts.health = health
        guard container.standing != .paused else { return }
        switch health {
        case .healthy: change(id, to: .healthy, &actions)
        case .unhealthy: change(id, to: .unhealthy, &actions)
        case .starting: break
        }
    }

    /// What drains stays so: only its end, or that it survives, is another thing.
    private mutating func change(
        _ id: String, to standing: Standing, _ actions: inout [Action]
    ) {
        guard let old = containers[id]?.standing, old != .draining, old != standing else { return }
        containers[id]?.standing = standing
        actions.append(.changed(id))
    }

    // MARK: - Lists

    /// The list is asked for in this moment.
    public mutating func listBegan() { touched = [] }

    /// A list of all containers that run or are paused.
    public mutating func listed(_ list: [ContainerFacts], now: LoopInstant) -> [Action] {
        guard phase != .disconnected else { return [] }
        var actions: [Action] = []
        let isNewer = phase == .listing
        let ids = Set(list.map(\.id))
        let missing = containers.keys.sorted().filter {
            !ids.contains($0) && (isNewer || !touched.contains($0))
        }
        endWhatIsTaken(missing, by: list, &actions)
        endWhatHasLeft(ids, isNewer, &actions)
        if doubtsNextEmptyList, wantedCount > 0, !list.contains(where: { isWanted($0.labels) }) {
            doubtsNextEmptyList = false
            absent = Set(missing)
            actions.append(
                .doubted(
                    "the first list after the connection came back is empty, where there were "
                        + "\(wantedCount) containers; it is asked for again"))
            actions.append(.list(after: Self.secondLook))
            goLive(now: now, &actions)
            return actions
        }
        doubtsNextEmptyList = false
        for id in missing {
            undescribed.remove(id)
            guard let container = containers.removeValue(forKey: id) else { continue }
            guard !absent.contains(id), isWanted(container.facts.labels) else {
                actions.append(.ended(container))
                continue
            }
            left[id] = container
            actions.append(.left(container))
        }
        absent = []
        if !left.isEmpty { actions.append(.list(after: Self.secondLook)) }
        for facts in list where isNewer || !touched.contains(facts.id) {
            compare(facts, now: now, &actions)
        }
        isAfterReconnect = false
        hasList = true
        hasSettled = false
        goLive(now: now, &actions)
        return actions
    }

    /// Those whose address another container has now.
    private mutating func endWhatIsTaken(
        _ missing: [String], by list: [ContainerFacts], _ actions: inout [Action]
    ) {
        guard !missing.isEmpty || !left.isEmpty else { return }
        let taken = Set(list.flatMap(\.places))
        for id in missing + left.keys.sorted() {
            guard let container = containers[id] ?? left[id],
                container.facts.places.contains(where: { taken.contains($0) })
            else { continue }
            ended(id, &actions)
        }
    }

    /// Those that the list before this one did not name, and this one does not either.
    private mutating func endWhatHasLeft(
        _ ids: Set<String>, _ isNewer: Bool, _ actions: inout [Action]
    ) {
        for (id, container) in left.sorted(by: { $0.key < $1.key }) {
            if !ids.contains(id) {
                guard isNewer || !touched.contains(id) else { continue }
                actions.append(.ended(container))
            }
            left[id] = nil
        }
    }

    /// What was heard before the list counts now.
    private mutating func goLive(now: LoopInstant, _ actions: inout [Action]) {
        phase = .live
        let events = waiting
        waiting = []
        for event in events { apply(event, now: now, &actions) }
        settle(&actions)
    }

    /// The list could not be had: everything stays as it is known, and events go on.
    public mutating func listFailed(now: LoopInstant) -> [Action] {
        guard phase != .disconnected else { return [] }
        var actions: [Action] = [.list(after: Self.secondLook)]
        // Without anything known there is nothing that events could change.
        if phase == .listing, !containers.isEmpty { goLive(now: now, &actions) }
        return actions
    }

    private mutating func compare(
        _ facts: ContainerFacts, now: LoopInstant, _ actions: inout [Action]
    ) {
        guard let container = containers[facts.id] else {
            switch facts.status {
            case .running, .paused: break
            case .other: return
            }
            add(facts, startedAt: nil, isDescribed: !inspects)
            containers[facts.id]?.isNew = hasList
            guard isWanted(facts.labels) else { return }
            if inspects { describe(facts.id, &actions) } else { actions.append(.changed(facts.id)) }
            return
        }
        if case .other = facts.status {
            // It does not run, and nobody has said so.
            return ended(facts.id, &actions)
        }
        var updated = container.facts
        updated.name = facts.name.isEmpty ? updated.name : facts.name
        if !facts.networks.isEmpty { updated.networks = facts.networks }
        updated.status = facts.status
        if updated != container.facts {
            containers[facts.id]?.facts = updated
            actions.append(.changed(facts.id))
        }
        if inspects, isAfterReconnect || !container.isDescribed, isWanted(facts.labels) {
            describe(facts.id, &actions)
        } else if !inspects, !container.isDescribed {
            containers[facts.id]?.isDescribed = true
            actions.append(.changed(facts.id))
        }
        if container.standing == .draining { return survive(facts.id, now: now) }
        if facts.status == .paused { return change(facts.id, to: .paused, &actions) }
        if container.standing == .paused { return unpaused(facts.id, &actions) }
        guard !container.ignoresHealth else { return }
        adopt(facts.health, of: facts.id, &actions)
    }

    private mutating func adopt(
        _ health: ContainerFacts.Health?, of id: String, _ actions: inout [Action]
    ) {
        switch health {
        case .healthy: change(id, to: .healthy, &actions)
        case .unhealthy: change(id, to: .unhealthy, &actions)
        case .starting, nil: break
        }
    }

    private mutating func describe(_ id: String, _ actions: inout [Action]) {
        undescribed.insert(id)
        actions.append(.describe(id))
    }

    /// From the signal to the moment by which it should be gone.
    private static func endPatience(with facts: ContainerFacts) -> Interval {
        let time = facts.stopTimeout.flatMap { $0 > 0 ? $0 : nil } ?? stopTimeout
        return .seconds(min(time, longestStopTimeout) + survivalGrace)
    }

    /// It should be gone by now, and runs: our own checks may put it back.
    private mutating func survive(_ id: String, now: LoopInstant) {
        guard let container = containers[id], let drainedAt = container.drainedAt,
            container.passesAfterDrain == nil
        else { return }
        guard now >= drainedAt + Self.endPatience(with: container.facts) else { return }
        containers[id]?.passesAfterDrain = 0
    }

    /// A check of ours has ended.
    public mutating func checked(_ id: String, hasPassed: Bool) -> [Action] {
        guard let passes = containers[id]?.passesAfterDrain else { return [] }
        containers[id]?.passesAfterDrain = hasPassed ? passes + 1 : 0
        guard hasPassed, passes + 1 >= Self.survivalPasses else { return [] }
        containers[id]?.standing = .healthy
        containers[id]?.drainedAt = nil
        containers[id]?.passesAfterDrain = nil
        return [.changed(id), .survived(id)]
    }

    // MARK: - Single containers

    /// The answer to ``Action/describe(_:)``.
    ///
    /// - Parameter facts: `nil`: the engine knows it no more, or would not say.
    public mutating func described(_ id: String, _ facts: ContainerFacts?) -> [Action] {
        guard phase != .disconnected else { return [] }
        var actions: [Action] = []
        undescribed.remove(id)
        if let facts, let container = containers[id], facts.id == id {
            switch facts.status {
            case .running, .paused: describe(container, facts, &actions)
            // Its end is told by an event, or by the next list.
            case .other: break
            }
        }
        settle(&actions)
        return actions
    }

    private mutating func describe(
        _ container: Container, _ facts: ContainerFacts, _ actions: inout [Action]
    ) {
        let id = facts.id
        if let before = container.facts.startedAt, let now = facts.startedAt, before != now,
            container.isDescribed
        {
            // It has ended and begun while nobody looked.
            containers[id] = nil
            actions.append(.ended(container))
            add(facts, startedAt: now, isDescribed: true)
            return actions.append(.changed(id))
        }
        var updated = facts
        // Only the answer about one has them all, and a list with a filter is no such answer.
        if !facts.isComplete {
            updated.environment = container.facts.environment
            updated.stopSignal = container.facts.stopSignal
            updated.stopTimeout = container.facts.stopTimeout
            updated.startedAt = container.facts.startedAt
        }
        containers[id]?.facts = updated
        containers[id]?.isDescribed = true
        if let startedAt = facts.startedAt, container.startedAt != nil || container.isNew {
            containers[id]?.startedAt = startedAt
        }
        actions.append(.changed(id))
        if facts.status == .paused { return change(id, to: .paused, &actions) }
        guard !container.ignoresHealth, container.standing != .paused else { return }
        adopt(facts.health, of: id, &actions)
    }

    private mutating func settle(_ actions: inout [Action]) {
        guard isSettled, !hasSettled else { return }
        hasSettled = true
        actions.append(.settled)
    }
}
