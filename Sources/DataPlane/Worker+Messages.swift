import Configuration
import Linux
import Memory
import Reactor
import Synchronization
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    mutating func receive(_ message: LoopMessage) {
        switch message {
        case .adopt(let snapshot):
            adopt(snapshot)
        case .listen(let id, let socket):
            listen(id, on: FileDescriptor(owning: socket))
        case .stopListening(let id):
            stopListening(id)
        case .drain(let deadline):
            beginDraining(until: deadline)
        case .closeIdle(let cell):
            closeIdle(cell: cell)
            endSessions(cell: cell)
        case .abandon(let cell):
            abandon(cell)
        case .slotFreed(let id):
            // The other loop may know a service of which this one has not heard yet.
            if id < serviceTokens.count, let service = services.place(of: serviceTokens[id]) {
                wakeAll(service)
            }
        case .report:
            report()
        }
    }

    // MARK: - Configuration

    /// Takes over a snapshot. Exchanges under way keep the plan they began with, or what they
    /// still need of it.
    private mutating func adopt(_ snapshot: Snapshot) {
        if snapshot.hasSamePlan(as: self.snapshot) {
            plan.value.generation = snapshot.generation
        } else {
            let previous = plan
            plan = plans.insert(Plan(snapshot))
            previous.value.isCurrent = false
            if previous.value.leaseCount == 0 { _ = plans.remove(previous) }
            leaveOldPlans()
        }
        self.snapshot = snapshot
        adoptServices(of: snapshot)
    }

    /// Exchanges whose answer has begun let go of the plan they began with.
    private mutating func leaveOldPlans() {
        for index in 0..<exchanges.usedSlotCount {
            guard let turn = exchanges.place(at: index), !(turn.value.plan == plan) else {
                continue
            }
            if turn.value.terms == nil {
                guard turn.value.hasAnswered || turn.value.stage == .answering else { continue }
                turn.value.terms = lateTerms.insert(terms(of: turn))
                // Only a request that may be repeated asks the plan how much of it is kept.
                turn.value.canReplay = false
            }
            release(turn.value.plan)
            turn.value.plan = plan
            plan.value.leaseCount += 1
        }
    }

    private mutating func terms(of turn: Turn) -> LateTerms {
        let plan = turn.value.plan
        let listener = Int(turn.value.client.value.listener)
        let route = Int(turn.value.route)
        var idRange = ByteRange.empty
        if turn.value.keepsRequestID, turn.value.savedHead.isEmpty, recallFields(turn) {
            idRange = self.idRange(turn)
        }
        let hasRoute = route >= 0
        return LateTerms(
            idleTimeout: hasRoute ? plan.value.routePlans[route].idleTimeout : .forever,
            tunnelTimeout: hasRoute ? plan.value.routePlans[route].tunnelTimeout : .forever,
            writeTimeout: plan.value.listeners[listener].writeTimeout,
            bodyLimit: plan.value.listeners[listener].bodyLimit,
            headLimits: plan.value.listeners[listener].headLimits, logMode: plan.value.logMode,
            slow: plan.value.slow, generation: plan.value.generation, idRange: idRange)
    }

    /// An exchange needs its plan no more.
    mutating func release(_ plan: Place<Plan>) {
        plan.value.leaseCount -= 1
        if plan.value.leaseCount == 0, !plan.value.isCurrent { _ = plans.remove(plan) }
    }

    mutating func adoptServices(of snapshot: Snapshot) {
        growTables(snapshot.counts)
        var isNamed = [Bool](repeating: false, count: serviceTokens.count)
        limitedServiceCount = 0
        // First, so that nothing below sends a request on a connection of before.
        for service in snapshot.services {
            for member in service.members
            where tlsSessions[member.cell].adopt(service.tls, name: member.tlsName) {
                renewTrust(cell: member.cell)
            }
        }
        for service in snapshot.services {
            isNamed[service.id] = true
            if service.configuration.limits.requestsPerServer != nil { limitedServiceCount += 1 }
            if let state = stateOfService(service) {
                state.value.adopt(service, random: &random)
                // New servers, or more slots: those who wait look again.
                wakeAll(state)
            } else {
                let state = services.insert(
                    ServiceState(
                        service, cells: cells, serviceCells: serviceCells, loopCount: loopCount,
                        random: &random))
                serviceTokens[service.id] = state.token
            }
        }
        for id in 0..<serviceTokens.count where !isNamed[id] {
            guard let state = services.place(of: serviceTokens[id]) else { continue }
            retire(state)
        }
    }

    /// The service is gone: who waits for it is answered, and its state ends with its last
    /// exchange.
    private mutating func retire(_ state: Place<ServiceState>) {
        serviceTokens[state.value.id] = Token(slot: 0, generation: 0)
        if state.value.exchangeCount == 0 {
            _ = services.remove(state)
        } else {
            state.value.retire(random: &random)
            wakeAll(state)
        }
    }

    /// What this loop has of a service; also when it was removed, has come back, and something
    /// of before is still under way. By its name: numbers may be given to others.
    private mutating func stateOfService(
        _ service: Snapshot.Service
    ) -> Place<ServiceState>? {
        let name = service.configuration.name
        if let state = services.place(of: serviceTokens[service.id]) {
            if state.value.name == name { return state }
            retire(state)
        }
        for index in 0..<services.usedSlotCount {
            guard let state = services.place(at: index), state.value.isRetired,
                state.value.name == name, state.value.id == service.id
            else { continue }
            serviceTokens[service.id] = state.token
            return state
        }
        return nil
    }

    /// Makes the tables that are read by number long enough. Numbers reach a loop in a
    /// snapshot before anything else speaks of them.
    private mutating func growTables(_ counts: Snapshot.Counts) {
        tlsSessions.grow(to: counts.servers) { _ in SessionSlot() }
        sessionsOfCell.grow(to: counts.servers) { _ in .max }
        pools.grow(to: counts.servers) { _ in ServerPool() }
        serviceTokens.grow(to: counts.services) { _ in Token(slot: 0, generation: 0) }
        listenerTokens.grow(to: counts.listeners) { _ in Token(slot: 0, generation: 0) }
    }

    /// The server was removed and its time to drain is over.
    private mutating func abandon(_ cell: Int) {
        closeIdle(cell: cell)
        endSessions(cell: cell)
        for index in 0..<exchanges.usedSlotCount {
            guard let turn = exchanges.place(at: index), turn.value.heldCell == Int32(cell) else {
                continue
            }
            cutCount += 1
            switch turn.value.stage {
            case .tunnel:
                clientGone(turn)
            default:
                if turn.value.hasAnswered {
                    cut(turn, .serverClosedMidway)
                } else {
                    attemptFailed(turn, .serverClosedEarly, nothingSent: false)
                }
            }
        }
    }

    // MARK: - Draining

    private mutating func beginDraining(until deadline: LoopInstant) {
        drainDeadline = deadline
        for id in 0..<listenerTokens.count where listeners.place(of: listenerTokens[id]) != nil {
            stopListening(id)
        }
        for index in 0..<clients.usedSlotCount {
            guard let client = clients.place(at: index) else { continue }
            if client.value.phase == .multiplexing {
                announceEnd(client)
            } else if client.value.phase == .idle, client.value.input.isEmpty,
                !client.value.ready.contains(.readable)
            {
                closeWhenQuiet(client)
            } else if let turn = client.value.exchange, !turn.value.hasAnswered,
                turn.value.stage != .answering
            {
                // A head that has gone out without a word of closing is a promise: that client
                // hears of it with its next answer.
                turn.value.clientPersists = false
            }
        }
        for cell in 0..<pools.count {
            if pools[cell].idleCount > 0 { closeIdle(cell: cell) }
            if sessionsOfCell[cell] != .max { endSessions(cell: cell) }
        }
    }

    /// A connection between two requests may be closed at any time (RFC 9112 §9.3), but its
    /// client may be sending the next one right now, and would lose it. So one that was in use
    /// a moment ago has another moment: to be told with its next answer, or to fall silent.
    private mutating func closeWhenQuiet(_ client: Client) {
        let listener = Int(client.value.listener)
        let patience =
            client.value.requestCount == 0
            ? plan.value.listeners[listener].headerTimeout
            : plan.value.listeners[listener].idleTimeout
        // What is left of its patience tells how long it has been silent.
        if client.value.deadline + drainQuiet > now + patience {
            setDeadline(client, min(client.value.deadline, now + drainQuiet))
        } else {
            close(client)
        }
    }

    /// How long a connection must have been silent before a drain closes it.
    var drainQuiet: Interval { .seconds(1) }

    mutating func continueDraining(until deadline: LoopInstant) {
        if clients.count > 0, now >= deadline {
            for index in 0..<clients.usedSlotCount {
                guard let client = clients.place(at: index), client.value.phase != .closed,
                    client.value.phase != .multiplexing
                else { continue }
                if let turn = client.value.exchange {
                    cutCount += 1
                    turn.value.reason = .shuttingDown
                    dropServer(turn)
                    settle(turn)
                }
                close(client)
            }
            // Their streams have been accounted for.
            for index in 0..<clients.usedSlotCount {
                guard let client = clients.place(at: index),
                    client.value.phase == .multiplexing
                else { continue }
                close(client)
            }
            return
        }
        guard clients.count == 0 else { return }
        isStopped = true
        control.post(.finished(loop: loop, cutCount: cutCount))
    }

    // MARK: - Reporting

    private mutating func report() {
        var report = LoopReport(
            counters: counters, connections: clients.count - streamClientCount,
            exchanges: exchanges.count,
            idleServerConnections: 0, services: [], waiting: waitingCount)
        report.counters.droppedAccessRecords = log.droppedCount
        for index in 0..<services.usedSlotCount {
            guard let service = services.place(at: index) else { continue }
            report.services.append(
                ServiceReport(
                    service: service.value.id, requests: service.value.requestCount,
                    failed: service.value.failedCount, failures: service.value.failures,
                    latencies: service.value.latencies))
        }
        for cell in 0..<pools.count {
            report.idleServerConnections += Int(pools[cell].idleCount)
        }
        control.post(.report(loop: loop, report))
    }
}
