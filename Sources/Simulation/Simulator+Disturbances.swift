import Balancing
import Health
import Memory
import Numerics
import Timing

/// What happens to servers: joins, drains, faults, restarts, neighbours, checks.
extension Simulator {
    /// The servers of the start, up and warm, as after the start of the proxy.
    mutating func begin(_ groups: [ServerGroup]) {
        for (server, group) in groups.enumerated() {
            place(server, group)
            for roster in 0..<rosters.count {
                rosters[roster].records[server].flags.isUp = true
            }
            if let thresholds = scenario.proxy.checks?.thresholds {
                while !states[server].health.isServing {
                    _ = states[server].health.checkPassed(thresholds)
                }
            }
            // A warm server: what is cold is what joins or is started again.
            servers[server].coldStart = nil
        }
        adopt((0..<groups.count).map { Int32($0) })
        for (index, disturbance) in scenario.disturbances.enumerated() {
            agenda.plan(.begin(disturbance: index), at: scenario.beginning(of: disturbance))
            if let end = scenario.end(of: disturbance) {
                agenda.plan(.end(disturbance: index), at: end)
            }
        }
        if scenario.countAge > 0 { agenda.plan(.look, at: scenario.countAge) }
    }

    private mutating func place(_ server: Int, _ group: ServerGroup) {
        serverCount = max(serverCount, server + 1)
        servers[server] = SimulatedServer(group, startedAt: now)
        for roster in 0..<rosters.count {
            rosters[roster].records[server].flags = ServerFlags(weight: group.weight, isUp: false)
            rosters[roster].records[server].isBackup = group.isBackup
        }
        if let antagonist = group.antagonist {
            agenda.plan(
                antagonist, of: server, isThere: false, now: now, random: &antagonising[server])
        }
        if scenario.proxy.checks != nil {
            states[server].checks = CheckSchedule(now: instant)
            agenda.plan(.check(server: server), at: now)
        }
    }

    /// Every balancer learns who its servers are.
    private mutating func adopt(_ places: [Int32]) {
        for roster in 0..<rosters.count {
            let old = rosters[roster].adopt(places)
            let identities = identities(of: places)
            for worker in 0..<balancers.count where scenario.sharesCounts || worker == roster {
                balancers[worker].rebuild(
                    contender.settings, servers: identities, oldIndex: { old[$0] },
                    random: &picking)
            }
        }
    }

    private func identities(of places: [Int32]) -> [ServerIdentity] {
        places.map { place in
            let record = rosters[0].records[Int(place)]
            return ServerIdentity(
                name: "s\(place + 1)", weight: record.flags.weight, isBackup: record.isBackup)
        }
    }

    /// A change of membership while the run is on, with the keys that it moves.
    private mutating func change(to places: [Int32]) {
        guard contender.strategy.usesKey, !keyHashes.isEmpty else {
            adopt(places)
            return
        }
        let old = identities(of: rosters[0].memberPlaces)
        let new = identities(of: places)
        let before = KeyMovement.homes(of: keyHashes, contender, among: old)
        let after = KeyMovement.homes(of: keyHashes, contender, among: new)
        let shares = KeyMovement.shares(before: before, after: after, old: old, new: new)
        recorder.movedKeys(moved: shares.moved, needed: shares.needed)
        adopt(places)
    }

    mutating func happen(_ event: Agenda.Event) {
        switch event {
        case .begin(let index): beginDisturbance(index)
        case .end(let index): endDisturbance(index)
        case .turn(let server, let rolling): beginTurn(server, rolling)
        case .restart(let server, let rolling): restart(server, rolling)
        case .flap(let server): flap(server)
        case .antagonistComes(let server): antagonist(server, comes: true)
        case .antagonistLeaves(let server): antagonist(server, comes: false)
        case .answer(let request, let stamp):
            if pool[request].stamp == stamp { answeredWithError(request) }
        case .retry(let request): choose(request)
        case .check(let server): check(server)
        case .verdict(let server, let passed): verdict(server, passed)
        case .warm(let server): warm(server)
        case .heldSlots: releaseHeld(instant)
        case .waitOver(let request, let stamp):
            if pool[request].isWaiting, pool[request].stamp == stamp { waitOver(request) }
        case .look:
            for roster in 0..<rosters.count { rosters[roster].look() }
            agenda.plan(.look, at: now + scenario.countAge)
        }
    }

    private mutating func beginDisturbance(_ index: Int) {
        switch scenario.disturbances[index].kind {
        case .join(let group):
            for _ in 0..<group.count { join(group) }
        case .drain(let list):
            for server in list { drain(server) }
        case .leave(let list):
            for server in list {
                resetAll(server)
                remove(server)
            }
        case .fault(let list, let fault):
            for server in list { begin(fault, server) }
        case .rolling:
            beginTurn(0, index)
        case .load:
            break
        }
    }

    private mutating func endDisturbance(_ index: Int) {
        guard case .fault(let list, _) = scenario.disturbances[index].kind else { return }
        for server in list {
            states[server].fault = nil
            states[server].isRefusing = false
            setSpeed(server) { $0.faultSpeed = 1 }
        }
    }

    // MARK: - Faults

    private mutating func begin(_ fault: Fault, _ server: Int) {
        guard server < serverCount, !states[server].isGone else { return }
        states[server].fault = fault
        setSpeed(server) { $0.faultSpeed = fault.speed }
        switch fault {
        case .refuse: states[server].isRefusing = true
        case .flapping: flap(server)
        case .failFast, .errors, .hang, .slow: break
        }
    }

    private mutating func flap(_ server: Int) {
        guard case .flapping(let down, let up) = states[server].fault else { return }
        states[server].isRefusing.toggle()
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

    /// All that the server has ends without an answer.
    private mutating func resetAll(_ server: Int) {
        servers[server].advance(to: now)
        let requests = servers[server].removeAll(in: pool)
        earliest.set(server, to: .infinity)
        for request in requests {
            if pool[request].isAbandoned {
                pool.free(request)
            } else {
                attemptFailed(request, .reset)
            }
        }
    }

    // MARK: - Membership

    private mutating func join(_ group: ServerGroup) {
        let server = serverCount
        place(server, group)
        var members = rosters[0].memberPlaces
        members.append(Int32(server))
        change(to: members)
        if scenario.proxy.checks == nil { rise(server) }
    }

    private mutating func drain(_ server: Int) {
        guard server < serverCount, !states[server].isGone else { return }
        for roster in 0..<rosters.count { rosters[roster].records[server].flags.isDraining = true }
        states[server].isDraining = true
        if servers[server].isIdle { drained(server) }
    }

    /// A draining server has finished what it had.
    mutating func drained(_ server: Int) {
        states[server].isDraining = false
        if let rolling = states[server].rolling {
            states[server].rolling = nil
            stop(server, rolling)
        } else {
            remove(server)
        }
    }

    private mutating func remove(_ server: Int) {
        states[server].isGone = true
        recorder.left(server, now: now)
        let members = rosters[0].memberPlaces.filter { Int($0) != server }
        change(to: members)
    }

    /// The server may be picked from now on; with a small share, if there are others.
    private mutating func rise(_ server: Int) {
        let window = scenario.proxy.slowStart
        var isWarming = false
        for roster in 0..<rosters.count {
            var hasOthers = false
            for index in 0..<rosters[roster].count
            where rosters[roster].member(index) != server
                && rosters[roster].flags(index).isInRotation
            {
                hasOthers = true
            }
            rosters[roster].records[server].flags.isUp = true
            guard hasOthers, window > .zero else { continue }
            rosters[roster].records[server].warmth.since = instant
            rosters[roster].records[server].answersBeforeWarming =
                rosters[roster].records[server].answers
            rosters[roster].records[server].flags.isWarming = true
            isWarming = true
        }
        if isWarming {
            agenda.plan(.warm(server: server), at: now + Double(window.nanoseconds) / unit)
        }
        noteNewcomer(server, isWarming: isWarming)
        wakeAll()
    }

    private mutating func noteNewcomer(_ server: Int, isWarming: Bool) {
        var total = 0
        for index in 0..<rosters[0].count where rosters[0].flags(index).isInRotation {
            total += rosters[0].flags(index).weight
        }
        let own = rosters[0].records[server].flags.weight
        recorder.joined(
            server, now: now, fairShare: total > 0 ? Double(own) / Double(total) : 0,
            isWarming: isWarming, countsFromStart: now > 0)
    }

    /// Ends a server's warming when its share has grown to all, and looks again until then.
    private mutating func warm(_ server: Int) {
        var isWarming = false
        for roster in 0..<rosters.count {
            guard let index = rosters[roster].index(of: server),
                rosters[roster].flags(index).isWarming
            else { continue }
            let warmth = rosters[roster].warmth(index)
            if rosters[roster].slowStart.isOver(
                now: instant, since: warmth.since, answered: warmth.answered)
            {
                rosters[roster].records[server].flags.isWarming = false
            } else {
                isWarming = true
            }
        }
        guard isWarming else {
            recorder.warmed(server)
            return
        }
        let window = Double(scenario.proxy.slowStart.nanoseconds) / unit
        agenda.plan(.warm(server: server), at: now + window / 8)
    }

    // MARK: - Restarts, one after another

    private mutating func beginTurn(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index), server < scenario.serverCount else { return }
        guard rolling.drains else {
            stop(server, index)
            return
        }
        states[server].rolling = index
        drain(server)
    }

    private mutating func stop(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index) else { return }
        states[server].isStopped = true
        resetAll(server)
        agenda.plan(.restart(server: server, rolling: index), at: now + rolling.down)
    }

    private mutating func restart(_ server: Int, _ index: Int) {
        guard let rolling = scenario.rolling(index) else { return }
        states[server].isStopped = false
        servers[server].restart(rolling.coldStart, now: now)
        if !caches.isEmpty { caches[server].clear() }
        if rolling.drains {
            for roster in 0..<rosters.count {
                rosters[roster].records[server].flags.isDraining = false
            }
            rise(server)
        }
        agenda.plan(.turn(server: server + 1, rolling: index), at: now + rolling.pause)
    }

    // MARK: - Active checks

    private mutating func check(_ server: Int) {
        guard let checks = scenario.proxy.checks, !states[server].isGone else { return }
        states[server].checks.checkStarted(
            now: instant, interval: checks.interval, random: &proxying)
        agenda.plan(.check(server: server), at: time(of: states[server].checks.next))
        let state = states[server]
        if state.isStopped || state.isRefusing {
            verdict(server, false)
            return
        }
        switch state.fault {
        case .hang:
            let timeout = Double(checks.timeout.nanoseconds) / unit
            agenda.plan(.verdict(server: server, passed: false), at: now + timeout)
        case .failFast, .errors:
            verdict(server, !checks.seeErrors)
        default:
            verdict(server, true)
        }
    }

    private mutating func verdict(_ server: Int, _ passed: Bool) {
        guard let thresholds = scenario.proxy.checks?.thresholds, !states[server].isGone else {
            return
        }
        if passed {
            if states[server].health.checkPassed(thresholds) == .becameUp { rise(server) }
            return
        }
        guard case .becameDown = states[server].health.checkFailed(.serverRefused, thresholds)
        else { return }
        for roster in 0..<rosters.count {
            rosters[roster].records[server].flags.isUp = false
            rosters[roster].records[server].flags.isWarming = false
        }
    }
}
