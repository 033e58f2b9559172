import Balancing
import Health
import Memory
import Numerics
import Timing

/// An attempt from the pick to its end, as the proxy's workers go about it.
extension Simulator {
    func rosterIndex(_ request: Int32) -> Int {
        scenario.sharesCounts ? 0 : Int(pool[request].worker)
    }

    /// Sets what the next pick of a roster sees.
    private mutating func prepare(_ request: Int32, _ roster: Int, _ instant: LoopInstant) {
        if heldCount > 0 { releaseHeld(instant) }
        rosters[roster].pick = PickCircumstances(now: instant)
        rosters[roster].pick.ignoresHealth = panics(roster, instant)
        let attempts = Int(pool[request].attemptCount)
        if attempts > 0 { rosters[roster].tried = pool[request].tried }
        rosters[roster].triedCount = min(8, attempts)
        rosters[roster].tierLoads.forget()
    }

    /// Gives back the slots whose failed requests have lasted long enough.
    mutating func releaseHeld(_ instant: LoopInstant) {
        for worker in 0..<heldSlots.count {
            while let place = heldSlots[worker].popDue(now: instant) {
                heldCount -= 1
                giveBack(Int(place), worker)
            }
        }
    }

    /// A slot of a server is free again.
    private mutating func giveBack(_ server: Int, _ worker: Int) {
        let roster = scenario.sharesCounts ? 0 : worker
        rosters[roster].records[server].inFlight -= 1
        if balancers[worker].wantsEnds, let index = rosters[roster].index(of: server) {
            balancers[worker].ended(index, inFlight: rosters[roster].records[server].inFlight)
        }
        slotFreed(by: worker)
    }

    /// - Returns: whether the request waits for a slot.
    @discardableResult
    mutating func choose(_ request: Int32) -> Bool {
        let roster = rosterIndex(request)
        let instant = instant
        prepare(request, roster, instant)
        var asked = PickRequest(now: instant)
        if !keyHashes.isEmpty {
            asked = PickRequest(now: instant, key: keyHashes[Int(pool[request].key)])
        }
        let choice = balancers[Int(pool[request].worker)].choose(
            from: &rosters[roster], for: asked,
            triesAllWhenDown: scenario.proxy.triesAllWhenDown, random: &picking)
        switch choice {
        case .server(let index):
            attempt(request, rosters[roster].member(index), roster)
        case .allFull:
            return wait(request)
        case .nobody:
            fail(request, .noServer)
        }
        return false
    }

    private mutating func attempt(_ request: Int32, _ server: Int, _ roster: Int) {
        if contender.strategy.usesTimesByLoad {
            pool[request].loadClass = LoadClass(of: rosters[roster].load(of: server, now: instant))
        }
        rosters[roster].records[server].inFlight += 1
        if contender.strategy.usesAges {
            rosters[roster].records[server].ages &+= InFlightAges.one(since: instant)
        }
        pool[request].server = Int32(server)
        pool[request].attemptBegan = now
        let attempts = Int(pool[request].attemptCount)
        if attempts < 8 { pool[request].tried[attempts] = Int32(server) }
        pool[request].attemptCount = UInt8(min(attempts + 1, 255))
        recorder.picked(server, now: now, isCounted: pool[request].isCounted)

        let state = states[server]
        if state.isStopped || state.isGone || state.isRefusing {
            attemptFailed(request, .refused)
            return
        }
        if timeout.isFinite {
            timeouts.append(
                TimeoutQueue.Entry(
                    time: now + timeout, request: request, stamp: pool[request].stamp))
        }
        pool[request].fails = false
        switch state.fault {
        case .failFast(let after):
            pool[request].isAtServer = false
            agenda.plan(.answer(request: request, stamp: pool[request].stamp), at: now + after)
            return
        case .errors(let share):
            pool[request].fails = failing.unit() <= share
        default:
            break
        }
        pool[request].isAtServer = true
        pool[request].work = pool[request].size
        if !caches.isEmpty, let cost = scenario.keys?.cache?.hitCost,
            caches[server].touch(Int(pool[request].key))
        {
            pool[request].work *= cost
            recorder.hit(isCounted: pool[request].isCounted)
        }
        servers[server].advance(to: now)
        servers[server].add(request, now: now, in: &pool)
        earliest.set(server, to: servers[server].nextCompletion)
    }

    // MARK: - Ends

    mutating func answered(_ request: Int32) {
        let server = Int(pool[request].server)
        let roster = rosterIndex(request)
        rosters[roster].records[server].answers += 1
        if rosters[roster].records[server].outlier.hasErrors {
            rosters[roster].records[server].outlier.succeeded()
        }
        if scenario.proxy.reportsLoad { report(server, roster) }
        let duration = duration(request)
        measure(request, duration, failed: false)
        giveBack(server, Int(pool[request].worker))
        holds[Int(pool[request].worker)].succeeded(after: duration)
        recorder.answered(
            server, after: now - pool[request].arrival, now: now,
            isCounted: pool[request].isCounted)
        end(request)
    }

    /// What a server says in an answer: the requests it has, this one included.
    private mutating func report(_ server: Int, _ roster: Int) {
        let reported = servers[server].runningCount + servers[server].waitingCount + 1
        let known = rosters[roster].records[server].reported
        rosters[roster].records[server].reported = known.reported(
            reported, own: rosters[roster].records[server].inFlight, now: instant)
    }

    mutating func answeredWithError(_ request: Int32) {
        let server = Int(pool[request].server)
        let roster = rosterIndex(request)
        rosters[roster].records[server].answers += 1
        noteError(server, roster)
        recorder.failedAttempt(server, isCounted: pool[request].isCounted)
        release(request, failed: true)
        if scenario.proxy.retries.onErrorAnswer, mayRetry(request) {
            retry(request)
        } else {
            fail(request, .errorAnswer)
        }
    }

    mutating func attemptFailed(_ request: Int32, _ reason: RunResult.Failure) {
        let server = Int(pool[request].server)
        noteError(server, rosterIndex(request))
        recorder.failedAttempt(server, isCounted: pool[request].isCounted)
        release(request, failed: true)
        let retries = scenario.proxy.retries
        let isRetryable =
            switch reason {
            case .refused: true
            case .reset: retries.onReset
            case .timeout: retries.onTimeout
            default: false
            }
        if isRetryable, mayRetry(request) {
            retry(request)
        } else {
            fail(request, reason)
        }
    }

    /// The proxy gives up; the server does not know, and goes on.
    mutating func timedOut(_ request: Int32) {
        guard pool[request].isAtServer else { return }
        let rest = pool.take()
        let stamp = pool[rest].stamp
        pool[rest] = pool[request]
        pool[rest].stamp = stamp
        pool[request].isAbandoned = true
        pool[request].stamp &+= 1
        attemptFailed(rest, .timeout)
    }

    private func duration(_ request: Int32) -> Interval {
        Interval(nanoseconds: UInt64((now - pool[request].attemptBegan) * unit))
    }

    /// Takes a request off its server's count, or lets it keep its place a while.
    private mutating func release(_ request: Int32, failed: Bool) {
        let server = Int(pool[request].server)
        let worker = Int(pool[request].worker)
        pool[request].stamp &+= 1
        pool[request].isAtServer = false
        let lasted = duration(request)
        measure(
            request, ServerTime.failure(after: lasted, mean: holds[worker].meanSuccess),
            failed: true)
        if failed, scenario.proxy.holdsFailedSlots,
            let hold = holds[worker].holdInterval(failedAfter: lasted),
            heldSlots[worker].hold(server: UInt64(server), until: instant + hold)
        {
            heldCount += 1
            if hasLimit {
                agenda.plan(.heldSlots, at: now + Double(hold.nanoseconds + 1) / unit)
            }
            return
        }
        giveBack(server, worker)
    }

    /// What strategies that look at times learn of an attempt that has ended.
    private mutating func measure(_ request: Int32, _ duration: Interval, failed: Bool) {
        let server = Int(pool[request].server)
        let roster = rosterIndex(request)
        if contender.strategy.usesAges {
            let began = LoopInstant(
                nanoseconds: 1_000_000_000_000 + UInt64(pool[request].attemptBegan * unit))
            rosters[roster].records[server].ages &-= InFlightAges.one(since: began)
        }
        guard contender.strategy.usesAnswerTimes else { return }
        rosters[roster].records[server].answerTime = rosters[roster].records[server].answerTime
            .measured(duration, by: contender.strategy, now: instant)
        guard contender.strategy.usesTimesByLoad else { return }
        let load = pool[request].loadClass.number
        let time = rosters[roster].records[server].timesByLoad[load]
        rosters[roster].records[server].timesByLoad[load] =
            failed
            ? time.answered(after: duration, now: instant)
            : time.middled(after: duration, now: instant)
    }

    private mutating func noteError(_ server: Int, _ roster: Int) {
        guard let limits = scenario.proxy.outliers else { return }
        let instant = instant
        var ejected = 0
        for index in 0..<rosters[roster].count where rosters[roster].ejectedUntil(index) > instant {
            ejected += 1
        }
        let mayEject = limits.mayEject(alreadyEjected: ejected, of: rosters[roster].count)
        if rosters[roster].records[server].outlier.failed(
            limits, now: instant, mayEject: mayEject)
        {
            rosters[roster].records[server].ejectedUntil =
                rosters[roster].records[server].outlier.ejectedUntil
            recorder.ejected(server, now: now)
        }
    }

    // MARK: - Another try

    private mutating func mayRetry(_ request: Int32) -> Bool {
        guard Int(pool[request].attemptCount) <= scenario.proxy.retries.attempts else {
            return false
        }
        let roster = rosterIndex(request)
        prepare(request, roster, instant)
        rosters[roster].pick.ignoresLimit = true
        if scenario.proxy.triesAllWhenDown { rosters[roster].pick.ignoresHealth = true }
        guard rosters[roster].hasEligible else { return false }
        return budgets[Int(pool[request].worker)].tryTake(now: instant)
    }

    private mutating func retry(_ request: Int32) {
        recorder.retried(isCounted: pool[request].isCounted)
        let delay = scenario.proxy.retries.backoff.delay(
            retry: max(1, Int(pool[request].attemptCount)), random: &proxying)
        if delay == .zero {
            choose(request)
        } else {
            agenda.plan(.retry(request: request), at: now + Double(delay.nanoseconds) / unit)
        }
    }

    mutating func fail(_ request: Int32, _ reason: RunResult.Failure) {
        if pool[request].isCounted { recorder.fail(reason, count: 1) }
        recorder.failed(now: now)
        end(request)
    }

    private mutating func end(_ request: Int32) {
        if pool[request].isCounted { countedUnderWay -= 1 }
        underWay -= 1
        pool.free(request)
    }
}
