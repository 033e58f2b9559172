import Balancing
import Configuration
import HTTP
import HTTP1
import Health
import Linux
import Memory
import Reactor
import Synchronization
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    // MARK: - The good end

    /// The response has gone out whole: settles the account and goes on with the client.
    mutating func finish(_ turn: Turn) {
        let client = turn.value.client
        if let server = turn.value.server {
            turn.value.server = nil
            if server.value.link.kind == .stream {
                retire(server, isDone: true)
            } else if turn.value.serverPersists, turn.value.isRequestSent,
                !turn.value.isSendingRefused,
                turn.value.responseRawStart == server.value.input.end,
                let service = turn.value.service, service.value.proxyHeader.isEmpty
            {
                checkIn(server, of: service)
            } else {
                retire(server)
            }
        }
        releaseHold(turn, failed: turn.value.status >= 500)
        let persists = turn.value.clientPersists && turn.value.isRequestReceived
        let used = turn.value.rawStart
        let isWhole = turn.value.isRequestReceived
        settle(turn)

        let input = client.value.input.count - (used - client.value.input.start)
        guard persists else {
            // A client that still sends would be answered by a reset, which destroys the answer.
            if !isWhole || input > 0 || client.value.ready.contains(.readable)
                || hasPending(client)
            {
                closeGently(client)
            } else {
                close(client)
            }
            return
        }
        client.value.input.consume(used - client.value.input.start)
        client.value.phase = .idle
        client.value.scanned = 0
        if client.value.input.isEmpty {
            blocks.recycle(exchange(&client.value.input, with: Buffer()))
        }
        if !client.value.input.isEmpty || client.value.ready.contains(.readable) {
            enqueue(client)
        }
        let idle = plan.value.listeners[Int(client.value.listener)].idleTimeout
        setDeadline(client, now + (drainDeadline == nil ? idle : drainQuiet))
    }

    /// Frees the exchange: what it held, its account, its lease on the configuration.
    mutating func settle(_ turn: Turn) {
        let client = turn.value.client
        leaveQueue(turn)
        account(turn)
        if let pipe = turn.value.requestPipe { pipes.put(pipe) }
        if let pipe = turn.value.responsePipe { pipes.put(pipe) }
        let place = turn.value.plan
        let terms = turn.value.terms
        let service = turn.value.service
        client.value.exchange = nil
        _ = exchanges.remove(turn)
        if let service {
            service.value.exchangeCount -= 1
            if service.value.isRetired, service.value.exchangeCount == 0 {
                _ = services.remove(service)
            }
        }
        if let terms { _ = lateTerms.remove(terms) }
        release(place)
    }

    // MARK: - Bad ends

    /// The client went away: the work for it stops at once.
    mutating func clientGone(_ turn: Turn) {
        let client = turn.value.client
        if turn.value.reason == .ok {
            turn.value.reason = turn.value.stage == .tunnel ? .ok : .clientClosed
        }
        if turn.value.status == 0, !turn.value.isRaw { turn.value.status = 499 }
        dropServer(turn)
        settle(turn)
        close(client)
    }

    /// A response that cannot be finished: the client must see that it was cut.
    mutating func cut(_ turn: Turn, _ reason: Reason) {
        let client = turn.value.client
        turn.value.reason = reason
        // Counted and chunked content is known to be short when the connection ends. Content
        // that ends with the connection looks whole, unless the end is a reset.
        let endsWithClose =
            turn.value.responseFraming == .untilClose
            || turn.value.responseRewrite == .removeChunks
        let mustReset = endsWithClose && turn.value.responseRewrite != .addChunks
        dropServer(turn)
        settle(turn)
        if mustReset {
            abort(client)
        } else {
            close(client, isClean: false)
        }
    }

    /// Ends the attempt's connection, if there is one, and its place in the server's count.
    mutating func dropServer(_ turn: Turn) {
        if let server = turn.value.server {
            turn.value.server = nil
            retire(server)
        }
        releaseHold(turn, failed: false)
    }

    /// Takes the exchange off its server's count. A failed one may keep its place a while, so
    /// that a server that fails fast does not look idle (`algorithms.md` 1.7).
    private mutating func releaseHold(_ turn: Turn, failed: Bool) {
        let cell = Int(turn.value.heldCell)
        guard cell >= 0, let service = turn.value.service else { return }
        turn.value.heldCell = -1
        let duration = now - turn.value.attemptBegan
        if turn.value.countsAge {
            turn.value.countsAge = false
            cells[cell].ages.wrappingSubtract(
                InFlightAges.one(since: turn.value.attemptBegan), ordering: .relaxed)
        }
        let slot = SlotNote(
            cell: cell, service: service.value.id, countsTotal: turn.value.countsTotal,
            wantsEnd: service.value.wantsEnds, hint: Int(turn.value.memberIndex))
        turn.value.countsTotal = false
        if failed {
            if let hold = service.value.successes.holdInterval(failedAfter: duration),
                held.hold(server: slot.number, until: now + hold)
            {
                return
            }
        } else if turn.value.responseStage == .complete {
            service.value.successes.succeeded(after: duration)
        }
        releaseSlot(slot)
    }

    // MARK: - Attempts that fail

    /// An attempt has failed before its response could begin: another one, or our answer.
    ///
    /// - Parameter nothingSent: the server provably saw no byte of the request.
    mutating func attemptFailed(_ turn: Turn, _ reason: Reason, nothingSent: Bool) {
        let microseconds = (now - turn.value.attemptBegan).nanoseconds / 1000
        let index = min(7, turn.value.attemptCount - 1)
        if index >= 0 {
            turn.value.tried[index].reason = reason
            turn.value.tried[index].microseconds = UInt32(clamping: microseconds)
        }
        let server = turn.value.server
        let isStale =
            reason == .serverClosedEarly && server?.value.isReused == true
            && server?.value.input.isEmpty == true
        let isUnsent = nothingSent && server?.value.hasSentAnything != true
        let ending = server?.value.ending ?? .unknown
        turn.value.server = nil
        if let server { retire(server) }

        if isStale, turn.value.canReplay, isUnsent || mayRepeat(turn) {
            // The connection had ended while it was idle: no sign of a bad server.
            turn.value.mustConnectAnew = true
            repeatAttempt(turn)
            return
        }
        if ending == .passedOver, mayRepeatFreely(turn) {
            repeatAttempt(turn)
            return
        }
        noteFailure(turn, reason)
        releaseHold(turn, failed: true)
        if mayRetry(turn, reason, isUnsent: isUnsent, isRefused: ending == .refused) {
            retry(turn)
        } else {
            answer(turn, reason)
        }
    }

    /// Whether a request that provably was not looked at may go on elsewhere without this
    /// counting as a retry. A server that does nothing but pass requests over ends it soon.
    func mayRepeatFreely(_ turn: Turn) -> Bool {
        turn.value.canReplay && !turn.value.hasAnswered && turn.value.freeRepeatCount < 2
    }

    /// Sends the request once more, as if the attempt that has ended had never been one. Its
    /// server is chosen anew.
    mutating func repeatAttempt(_ turn: Turn) {
        turn.value.freeRepeatCount = min(turn.value.freeRepeatCount, 254) + 1
        turn.value.attemptCount -= 1
        if turn.value.attemptCount < 8 {
            turn.value.tried[turn.value.attemptCount] = AttemptNote()
        }
        releaseHold(turn, failed: false)
        rewind(turn)
        chooseLater(turn)
    }

    /// Whether a request that a server may have seen can be sent again.
    func mayRepeat(_ turn: Turn) -> Bool {
        let route = Int(turn.value.route)
        return turn.value.canReplay && isRepeatable(turn, route)
    }

    /// Whether repeating the request does no harm (RFC 9110 §9.2.2), or is allowed all the same.
    private func isRepeatable(_ turn: Turn, _ route: Int) -> Bool {
        turn.value.head.method.isIdempotent
            || turn.value.plan.value.routePlans[route].retriesAllMethods
    }

    /// - Parameters:
    ///   - isUnsent: the server provably did nothing of the request.
    ///   - isRefused: it said so itself (REFUSED_STREAM), and may be asked again.
    private mutating func mayRetry(
        _ turn: Turn, _ reason: Reason, isUnsent: Bool, isRefused: Bool
    ) -> Bool {
        guard let service = turn.value.service, !turn.value.hasAnswered else { return false }
        let route = Int(turn.value.route)
        let plan = turn.value.plan
        let condition: RetryConditions
        switch reason {
        case .serverRefused, .serverUnreachable, .connectTimeout, .serverTLSFailed:
            condition = .connect
        case .serverClosedEarly:
            condition = isRefused ? .refusedStream : isUnsent ? .connect : .reset
        case .serverSlow, .serverStalled: condition = .timeout
        default: return false
        }
        guard plan.value.routePlans[route].retryConditions.contains(condition),
            turn.value.attemptCount <= plan.value.routePlans[route].retryCount
        else { return false }
        guard isUnsent || isRepeatable(turn, route) else {
            turn.value.whyNoRetry = .methodNotIdempotent
            return false
        }
        // Whatever the server did or did not do: what is no longer here cannot be sent.
        guard turn.value.canReplay else {
            turn.value.whyNoRetry = .bodyTooLargeToReplay
            return false
        }
        guard hasAnotherServer(turn) || isRefused && mayAskAgain(turn) else {
            turn.value.whyNoRetry = .noOtherServer
            return false
        }
        guard service.value.retryBudget.tryTake(now: now) else {
            turn.value.whyNoRetry = .budgetSpent
            return false
        }
        return true
    }

    private mutating func hasAnotherServer(_ turn: Turn) -> Bool {
        guard let service = turn.value.service else { return false }
        if service.value.holdsWhenDown { return true }
        service.value.prepare(
            now: now, tried: turn.value.tried, triedCount: triedCount(of: turn))
        service.value.roster.pick.ignoresLimit = true
        service.value.roster.pick.ignoresHealth = service.value.triesAllWhenDown
        return service.value.roster.hasEligible
    }

    /// Lets the servers that were tried be tried again, because the last of them has refused
    /// the stream and no other is left.
    private mutating func mayAskAgain(_ turn: Turn) -> Bool {
        let forgiven = turn.value.forgivenCount
        turn.value.forgivenCount = turn.value.attemptCount
        if hasAnotherServer(turn) { return true }
        turn.value.forgivenCount = forgiven
        return false
    }

    /// Whether an answer with this status is thrown away for another try; begins that try.
    mutating func retriesStatus(_ status: Int, _ turn: Turn) -> Bool {
        let condition: RetryConditions
        switch status {
        case 429: condition = .status429
        case 502: condition = .status502
        case 503: condition = .status503
        case 504: condition = .status504
        default: return false
        }
        let route = Int(turn.value.route)
        let plan = turn.value.plan
        guard plan.value.routePlans[route].retryConditions.contains(condition),
            turn.value.attemptCount <= plan.value.routePlans[route].retryCount,
            let service = turn.value.service, mayRepeat(turn), hasAnotherServer(turn),
            service.value.retryBudget.tryTake(now: now)
        else { return false }
        let index = min(7, turn.value.attemptCount - 1)
        turn.value.tried[index].reason = .ok
        turn.value.tried[index].microseconds = UInt32(
            clamping: (now - turn.value.attemptBegan).nanoseconds / 1000)
        noteAnswer(turn, status: status)
        if let server = turn.value.server {
            turn.value.server = nil
            retire(server)
        }
        releaseHold(turn, failed: true)
        retry(turn)
        return true
    }

    private mutating func retry(_ turn: Turn) {
        counters.exchanges.retries &+= 1
        turn.value.whyNoRetry = .yes
        rewind(turn)
        let backoff = RetryBackoff(
            base: turn.value.plan.value.routePlans[Int(turn.value.route)].retryBackoff)
        let delay = backoff.delay(retry: max(1, turn.value.attemptCount), random: &random)
        guard delay > .zero else {
            chooseLater(turn)
            return
        }
        turn.value.stage = .backingOff
        setExchangeDeadline(turn, now + delay)
    }

    /// Puts the request back to its beginning, for another attempt. Only for a request of which
    /// everything is still here (``Exchange/canReplay``).
    private mutating func rewind(_ turn: Turn) {
        assert(turn.value.canReplay, "a request is sent whole or not at all")
        turn.value.stage = .connecting
        turn.value.responseStage = .awaitingHead
        turn.value.sentEnd = turn.value.contentStart
        turn.value.isRequestSent = false
        turn.value.isSendingRefused = false
    }

    // MARK: - What is learned of a server

    /// A final head came: good or bad news about the server.
    mutating func noteAnswer(_ turn: Turn, status: Int) {
        let cell = Int(turn.value.heldCell)
        guard cell >= 0 else { return }
        cells[cell].answers.wrappingAdd(1, ordering: .relaxed)
        if cells[cell].firstAnswer.load(ordering: .relaxed) == 0 {
            let microseconds = min(
                (now - turn.value.attemptBegan).nanoseconds / 1000, 1 << 48 - 1)
            cells[cell].firstAnswer.store(
                UInt64(status) << 48 | microseconds, ordering: .relaxed)
        }
        if status >= 500 { cells[cell].failures.wrappingAdd(1, ordering: .relaxed) }
        if turn.value.service?.value.recordsTimes == true {
            recordTime(turn, cell, failed: status >= 500)
        }
        switch status {
        case 502, 503, 504: noteOutlier(turn, cell)
        default:
            let bits = cells[cell].outlier.load(ordering: .relaxed)
            var state = OutlierState(bits: bits)
            guard state.hasErrors else { return }
            state.succeeded()
            // Another loop may have been faster: then its news counts.
            _ = cells[cell].outlier.compareExchange(
                expected: bits, desired: state.bits, ordering: .relaxed)
        }
    }

    /// The server refused, broke off, stalled or sent nonsense.
    mutating func noteFailure(_ turn: Turn, _ reason: Reason) {
        let cell = Int(turn.value.heldCell)
        guard cell >= 0 else { return }
        switch reason {
        case .queueFull, .internalError, .clientClosed, .clientSlow: return
        default: break
        }
        cells[cell].failures.wrappingAdd(1, ordering: .relaxed)
        if turn.value.service?.value.recordsTimes == true { recordTime(turn, cell, failed: true) }
        noteOutlier(turn, cell)
    }

    private mutating func noteOutlier(_ turn: Turn, _ cell: Int) {
        guard let service = turn.value.service, let limits = service.value.outliers else { return }
        let total = service.value.roster.count
        var ejected = 0
        for index in 0..<total {
            let other = Int(service.value.roster.members[index].cell)
            if cells[other].ejectedUntil.load(ordering: .relaxed) > now.nanoseconds {
                ejected += 1
            }
        }
        let mayEject = limits.mayEject(alreadyEjected: ejected, of: total)
        for _ in 0..<8 {
            let bits = cells[cell].outlier.load(ordering: .relaxed)
            var state = OutlierState(bits: bits)
            let ejects = state.failed(limits, now: now, mayEject: mayEject)
            let (isDone, _) = cells[cell].outlier.compareExchange(
                expected: bits, desired: state.bits, ordering: .relaxed)
            guard isDone else { continue }
            if ejects {
                cells[cell].ejectedUntil.store(
                    state.ejectedUntil.nanoseconds, ordering: .relaxed)
                control.post(
                    .ejected(
                        cell: cell, service: service.value.id, failures: limits.errors,
                        interval: state.ejectedUntil - now))
            }
            return
        }
    }

    // MARK: - Timers

    mutating func timeUp(_ client: Client) {
        switch client.value.phase {
        case .announcing, .naming, .handshaking:
            counters.refusedConnections &+= 1
            close(client, isClean: false)
        case .idle where hasPending(client):
            // Its last answer is still on its way: it has the time of any write.
            closeGently(client)
        case .idle, .lingering:
            // A new connection that never said anything is idle too.
            close(client)
        case .readingHead:
            refuse(client, .clientSlow, status: 408, rule: "header-timeout")
        case .exchanging:
            if let turn = client.value.exchange { timeUp(turn) }
        case .multiplexing:
            sessionTimeUp(client)
        case .closed:
            break
        }
    }

    /// Why the exchange has waited in vain.
    private func reasonForWaiting(_ turn: Turn) -> Reason {
        guard turn.value.isHeld, let service = turn.value.service else { return .queueTimeout }
        return service.value.roster.count == 0 ? .noServer : .noHealthyServer
    }

    private mutating func timeUp(_ turn: Turn) {
        guard turn.value.deadline <= now else {
            setDeadline(turn.value.client, turn.value.deadline)
            return
        }
        let isTotal = turn.value.totalDeadline <= now
        switch turn.value.stage {
        case .finished:
            break
        case .choosing:
            if isTotal {
                answer(turn, .totalTimeout)
            } else {
                setExchangeDeadline(turn, .never)
            }
        case .queued:
            leaveQueue(turn)
            answer(turn, isTotal ? .totalTimeout : reasonForWaiting(turn))
        case .backingOff:
            if isTotal {
                answer(turn, .totalTimeout)
            } else {
                turn.value.stage = .connecting
                turn.value.isWoken = true
                choose(turn)
            }
        case .connecting:
            if isTotal {
                dropServer(turn)
                answer(turn, .totalTimeout)
            } else {
                attemptFailed(turn, .connectTimeout, nothingSent: true)
            }
        case .relaying:
            relayTimeUp(turn, isTotal: isTotal)
        case .tunnel:
            clientGone(turn)
        case .answering:
            // The client does not take what it asked for.
            if turn.value.reason == .ok { turn.value.reason = .clientSlow }
            let client = turn.value.client
            settle(turn)
            abort(client)
        }
    }

    private func owesServer(_ turn: Turn) -> Bool {
        guard let server = turn.value.server else { return false }
        return hasPending(server)
    }

    private mutating func relayTimeUp(_ turn: Turn, isTotal: Bool) {
        if turn.value.responseStage == .awaitingHead {
            if isTotal {
                noteFailure(turn, .totalTimeout)
                dropServer(turn)
                answer(turn, .totalTimeout)
            } else if turn.value.isRequestSent {
                if let link = turn.value.server?.value.link, link.kind == .stream {
                    doubt(stream(link), silentSince: turn.value.sentAt)
                }
                attemptFailed(turn, .serverSlow, nothingSent: false)
            } else if turn.value.sentEnd == turn.value.validEnd,
                turn.value.server?.value.output.isEmpty == true,
                !owesServer(turn),
                (turn.value.requestPipe?.value.fill ?? 0) == 0
            {
                // All that came has gone: it is the client who does not go on.
                dropServer(turn)
                turn.value.clientPersists = false
                answer(turn, .clientSlow)
            } else {
                attemptFailed(turn, .serverStalled, nothingSent: false)
            }
            return
        }
        if isTotal {
            serverBroken(turn, .totalTimeout)
        } else if turn.value.isAwaitingClient {
            cut(turn, .clientSlow)
        } else {
            serverBroken(turn, .serverStalled)
        }
    }
}
