import Balancing
import Configuration
import HTTP
import HTTP1
import Health
import Linux
import Memory
import Reactor
import Routing
import Synchronization
import TLS
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// Turns a complete head into an exchange and finds out who answers it.
    mutating func begin(_ head: RequestHead, from client: Client) {
        client.value.phase = .exchanging
        client.value.requestCount &+= 1
        let turn = exchanges.insert(
            Exchange(
                client: client, plan: plan, head: head, headStart: client.value.input.start,
                now: now))
        client.value.exchange = turn
        plan.value.leaseCount += 1
        fieldsOwner = turn.token
        turn.value.requestID = identifiers.next()
        if drainDeadline != nil || client.value.link.kind == .stream {
            // A stream carries one exchange.
            turn.value.clientPersists = false
        }

        let listener = Int(client.value.listener)
        if plan.value.listeners[listener].trustsSomebody {
            turn.value.isTrusted = plan.value.trusts(client.value.peer, listener: listener)
            turn.value.keepsRequestID =
                turn.value.isTrusted && findRequestID(turn, listener: listener)
        }
        if isMisdirected(turn, listener) {
            answer(turn, .misdirected)
            return
        }
        if head.hasViaField, isOwnVia(turn) {
            answer(turn, .forwardingLoop)
            return
        }
        if case .contentLength(let byteCount) = head.framing,
            byteCount > plan.value.listeners[listener].bodyLimit
        {
            answer(turn, .bodyTooLarge)
            return
        }
        if plan.value.listeners[listener].redirectsToHTTPS {
            redirectToHTTPS(turn)
            return
        }
        let route: Int
        switch findRoute(turn) {
        case .route(let index): route = index
        case .noRoute:
            answer(turn, .noRoute)
            return
        case .ambiguous:
            answer(turn, .ambiguousPath)
            return
        }
        turn.value.route = Int32(route)
        let total = plan.value.routePlans[route].totalTimeout
        if total != .forever { turn.value.totalDeadline = now + total }
        switch plan.value.routePlans[route].action {
        case .service(let id):
            let service = services.place(of: serviceTokens[Int(id)])!
            turn.value.service = service
            service.value.exchangeCount += 1
            service.value.requestCount += 1
            service.value.retryBudget.requestStarted(now: now)
            choose(turn)
        case .redirect:
            answerRedirect(turn, route: route)
        case .respond:
            answerFixed(turn, route: route)
        }
    }

    // MARK: - Routing

    /// Whether one of the Via fields names this process: the request has come round
    /// (RFC 9110 §7.6.3).
    private func isOwnVia(_ turn: Turn) -> Bool {
        let start = turn.value.headStart
        let bytes = turn.value.client.value.input
            .span(from: start, to: start + turn.value.head.headByteCount)
        let length = pseudonym.value.count
        for index in 0..<fields.count where fields[index].name == .via {
            let value = fields[index].valueRange
            guard Int(value.count) >= length else { continue }
            var position = value.lower
            while position + length <= value.upper {
                var matched = 0
                while matched < length, bytes.byte(position + matched) == pseudonym.value[matched] {
                    matched += 1
                }
                if matched == length { return true }
                position += 1
            }
        }
        return false
    }

    /// Whether the request brings an identifier of its own, from someone whose word counts.
    private func findRequestID(_ turn: Turn, listener: Int) -> Bool {
        let name = plan.value.listeners[listener].requestIDName
        guard !name.isEmpty else { return false }
        let start = turn.value.headStart
        let bytes = turn.value.client.value.input
            .span(from: start, to: start + turn.value.head.headByteCount)
        for index in 0..<fields.count {
            let line = fields[index]
            if Self.isKeepable(line.valueRange),
                plan.value.isName(bytes, line.nameRange, name)
            {
                return true
            }
        }
        return false
    }

    // MARK: - Choosing a server

    /// Picks a server for the next attempt of the exchange and begins it; or has the exchange
    /// wait; or answers that there is nobody.
    mutating func choose(_ turn: Turn) {
        guard let service = turn.value.service else { return }
        if service.value.isHolding, !turn.value.isReleased {
            // First come, first served.
            hold(turn)
            return
        }
        if service.value.isWaking, !turn.value.isWoken {
            // Something has become possible for those who wait, and they come first.
            service.value.wakesFurther = true
            waitForSlot(turn)
            return
        }
        let comesBack = turn.value.isWoken && turn.value.hasQueued
        turn.value.isWoken = false
        service.value.prepare(
            now: now, tried: turn.value.tried, triedCount: triedCount(of: turn))
        let request = pickRequest(turn, of: service)
        switch service.value.choose(for: request, random: &random) {
        case .server(let index):
            let isUsual = !service.value.roster.pick.ignoresWarmCap
            if service.value.hasShadow, isUsual, turn.value.attemptCount == 0 {
                compare(index, request, of: service)
            }
            attempt(turn, member: index)
            return
        case .allFull:
            waitForSlot(turn, comesBack: comesBack)
            return
        case .nobody:
            break
        }
        if service.value.holdsWhenDown {
            hold(turn)
            return
        }
        if turn.value.attemptCount > 0 {
            turn.value.whyNoRetry = .noOtherServer
            answer(turn, turn.value.tried[min(7, turn.value.attemptCount - 1)].reason)
        } else {
            answer(turn, service.value.roster.count == 0 ? .noServer : .noHealthyServer)
        }
    }

    private mutating func attempt(_ turn: Turn, member index: Int) {
        let service = turn.value.service!
        let member = service.value.roster.members[index]
        let cell = Int(member.cell)
        let before = cells[cell].inFlight.wrappingAdd(1, ordering: .relaxed).oldValue
        if before >= service.value.roster.requestsPerServer,
            !service.value.roster.pick.ignoresLimit
        {
            // Another loop took the last slot between the look and the step.
            cells[cell].inFlight.wrappingSubtract(1, ordering: .relaxed)
            waitForSlot(turn)
            return
        }
        turn.value.heldCell = Int32(cell)
        turn.value.memberIndex = Int32(index)
        turn.value.attemptBegan = now
        if service.value.recordsAges {
            turn.value.countsAge = true
            cells[cell].ages.wrappingAdd(InFlightAges.one(since: now), ordering: .relaxed)
        }
        if service.value.recordsTimesByLoad {
            let load = before &+ service.value.roster.foreignLoad(index, now: now)
            turn.value.loadClass = UInt8(LoadClass(of: load).number)
        }
        if service.value.countsTotal {
            turn.value.countsTotal = true
            serviceCells[service.value.id].inFlight.wrappingAdd(1, ordering: .relaxed)
        }
        if turn.value.attemptCount < 8 {
            turn.value.tried[turn.value.attemptCount] = AttemptNote(cell: member.cell)
        }
        turn.value.attemptCount += 1
        connect(turn, to: member)
    }

    /// Gives the exchange a connection to the server and sends the request on it.
    private mutating func connect(_ turn: Turn, to member: Member) {
        let cell = Int(member.cell)
        let spoken = turn.value.isRaw ? .http1 : turn.value.service?.value.spoken ?? .http1
        if spoken != .http1, !turn.value.mustConnectAnew, !turn.value.head.isUpgrade,
            let session = sessionWithRoom(cell), openStream(turn, on: session)
        {
            sendOnStream(turn)
            return
        }
        if !turn.value.mustConnectAnew, !turn.value.isRaw, !spoken.isHTTP2Only,
            turn.value.service?.value.proxyHeader.isEmpty == true
        {
            // What must not be sent twice is not sent on a connection that has just ended.
            let mustBeQuiet = !turn.value.head.method.isIdempotent
            while let server = checkOut(cell) {
                if mustBeQuiet, !kernel.isQuiet(server.value.socket) {
                    retire(server)
                    continue
                }
                lease(server, to: turn)
                sendRequest(turn)
                return
            }
        }
        turn.value.mustConnectAnew = false
        let client = turn.value.client
        if client.value.link.kind == .stream {
            // In two steps: with the thread sanitizer, the compiler fails at one.
            let session = stream(client.value.link).value.session
            session.value.share.spend(TurnShare.connectionCost, in: turnNumber)
        }
        guard !servers.isFull || closeSomeIdle() else {
            attemptFailed(turn, .queueFull, nothingSent: true)
            return
        }
        switch openConnection(to: member.address) {
        case .failed(let error):
            attemptFailed(turn, connectReason(error), nothingSent: true)
        case .started(let socket):
            let server = servers.insert(
                Upstream(
                    socket: socket, cell: cell, since: now, trust: tlsSessions[cell].generation))
            server.value.owesAnnouncement =
                turn.value.service?.value.proxyHeader.isEmpty == false
            secure(server, for: turn)
            do throws(Errno) {
                try kernel.watch(
                    server.value.socket, key: WatchedKind.server.key(server.token), .edges)
            } catch {
                retire(server)
                attemptFailed(turn, .queueFull, nothingSent: true)
                return
            }
            if spoken.isHTTP2Only, let service = turn.value.service {
                if turn.value.head.isUpgrade {
                    // Other protocols need HTTP/1.1 (RFC 9113 §8.6).
                    retire(server)
                    attemptFailed(turn, .upgradeFailed, nothingSent: true)
                    return
                }
                beginSession(server, for: service)
                guard openStream(turn, on: session(of: server)) else {
                    attemptFailed(turn, .queueFull, nothingSent: true)
                    return
                }
                server.value.deadline =
                    now + turn.value.plan.value.routePlans[Int(turn.value.route)].connectTimeout
                wheel.ensure(timer(of: server), by: server.value.deadline)
                sendOnStream(turn)
                return
            }
            lease(server, to: turn)
            turn.value.stage = .connecting
            setExchangeDeadline(
                turn, now + turn.value.plan.value.routePlans[Int(turn.value.route)].connectTimeout)
            // On the loopback, and wherever the handshake is quick, this succeeds at once;
            // elsewhere it answers wouldBlock and the edge comes.
            sendRequest(turn)
        }
    }

    private mutating func sendOnStream(_ turn: Turn) {
        turn.value.mustConnectAnew = false
        turn.value.stage = .connecting
        setExchangeDeadline(
            turn, now + turn.value.plan.value.routePlans[Int(turn.value.route)].connectTimeout)
        sendRequest(turn)
    }

    /// The server has chosen HTTP/2: the connection becomes a session, and the exchange that
    /// made it is its first stream.
    mutating func adoptHTTP2(_ turn: Turn, _ server: Server) {
        guard let service = turn.value.service else { return }
        turn.value.connectNanoseconds += (now - turn.value.attemptBegan).nanoseconds
        turn.value.server = nil
        server.value.exchange = nil
        keepSession(server)
        beginSession(server, for: service)
        let session = session(of: server)
        session.value.isOpen = true
        guard openStream(turn, on: session) else {
            attemptFailed(turn, .queueFull, nothingSent: true)
            return
        }
        sendOnStream(turn)
    }

    /// Begins a connection; when descriptors have run out, in the place of an idle one.
    private mutating func openConnection(to address: SocketAddress) -> Connecting {
        switch kernel.connect(to: address) {
        case .started(let socket):
            return .started(socket)
        case .failed(let error):
            guard error.isExhaustion, closeSomeIdle() else { return .failed(error) }
            return kernel.connect(to: address)
        }
    }

    private mutating func lease(_ server: Server, to turn: Turn) {
        server.value.exchange = turn
        server.value.requestCount &+= 1
        server.value.hasSentAnything = false
        turn.value.server = server
    }

    func connectReason(_ error: Errno) -> Reason {
        switch error {
        case .connectionRefused: .serverRefused
        case .timedOut: .connectTimeout
        case .connectionReset, .brokenPipe: .serverClosedEarly
        default: error.isExhaustion ? .queueFull : .serverUnreachable
        }
    }

    // MARK: - Waiting for a slot

    /// Puts the exchange into the bounded queue of its service, first come first served.
    ///
    /// - Parameter comesBack: it has had its place there, and tried in vain: the bound is for
    ///   those who come. While others of the queue are about to try, it is not known yet whether
    ///   there is room: ``refuseSurplus(_:)`` decides when they have.
    private mutating func waitForSlot(_ turn: Turn, comesBack: Bool = false) {
        let service = turn.value.service!
        guard
            comesBack || service.value.isWaking
                || service.value.waitingCount < service.value.queueCapacity
        else {
            answer(turn, .queueFull)
            return
        }
        turn.value.stage = .queued
        turn.value.isWoken = false
        let slot = turn.token.slot
        turn.value.previousWaiting = service.value.lastWaiting
        turn.value.nextWaiting = .max
        if service.value.lastWaiting == .max {
            service.value.firstWaiting = slot
        } else if let last = exchanges.place(at: Int(service.value.lastWaiting)) {
            last.value.nextWaiting = slot
        }
        service.value.lastWaiting = slot
        service.value.waitingCount += 1
        waitingCount += 1
        serviceCells[service.value.id].waiting.wrappingAdd(1, ordering: .relaxed)
        if !turn.value.hasQueued {
            turn.value.hasQueued = true
            turn.value.queuedAt = now
            let timeout =
                turn.value.plan.value.routePlans[Int(turn.value.route)].queueTimeout
            turn.value.queueDeadline = now + timeout
        }
        setExchangeDeadline(turn, turn.value.queueDeadline)
    }

    /// Takes the exchange out of whichever list it waits in.
    mutating func leaveQueue(_ turn: Turn) {
        if turn.value.stage == .choosing {
            leaveChoosing(turn)
            return
        }
        guard turn.value.stage == .queued, let service = turn.value.service else { return }
        let next = turn.value.nextWaiting
        let previous = turn.value.previousWaiting
        if previous == .max {
            service.value.firstWaiting = next
        } else if let place = exchanges.place(at: Int(previous)) {
            place.value.nextWaiting = next
        }
        if next == .max {
            service.value.lastWaiting = previous
        } else if let place = exchanges.place(at: Int(next)) {
            place.value.previousWaiting = previous
        }
        service.value.waitingCount -= 1
        service.value.wakeCount = min(service.value.wakeCount, service.value.waitingCount)
        waitingCount -= 1
        serviceCells[service.value.id].waiting.wrappingSubtract(1, ordering: .relaxed)
        turn.value.queuedNanoseconds = (now - turn.value.queuedAt).nanoseconds
        turn.value.stage = .connecting
    }

    // MARK: - Marks

    /// Choices that one turn makes for those who have waited: each may cost a connection.
    private var choicesPerTurn: Int { 128 }

    /// An attempt has ended, and the exchange is to have another one: not from here, where it
    /// may be the hundredth to fail in a row, but when the turn comes to it.
    mutating func chooseLater(_ turn: Turn) {
        turn.value.stage = .choosing
        turn.value.isWoken = true
        let slot = turn.token.slot
        turn.value.previousWaiting = lastChoosing
        turn.value.nextWaiting = .max
        if lastChoosing == .max {
            firstChoosing = slot
        } else if let last = exchanges.place(at: Int(lastChoosing)) {
            last.value.nextWaiting = slot
        }
        lastChoosing = slot
        setExchangeDeadline(turn, .never)
    }

    private mutating func leaveChoosing(_ turn: Turn) {
        let next = turn.value.nextWaiting
        let previous = turn.value.previousWaiting
        if previous == .max {
            firstChoosing = next
        } else if let place = exchanges.place(at: Int(previous)) {
            place.value.nextWaiting = next
        }
        if next == .max {
            lastChoosing = previous
        } else if let place = exchanges.place(at: Int(next)) {
            place.value.previousWaiting = previous
        }
        turn.value.stage = .connecting
    }

    /// Something has become possible for the longest waiting exchanges of the service.
    private mutating func wake(_ service: Place<ServiceState>, _ count: Int) {
        service.value.wakeCount = min(
            service.value.wakeCount + count, service.value.waitingCount)
        guard service.value.wakeCount > 0 || service.value.wakesFurther,
            !service.value.isWaking
        else { return }
        service.value.isWaking = true
        wakingServices.push(service.token)
    }

    /// New servers, or more slots: all who wait look again.
    mutating func wakeAll(_ service: Place<ServiceState>) {
        wake(service, service.value.waitingCount)
    }

    /// Goes on with those for whom something has become possible; what they bring about is done
    /// in the same turn, as far as its budget goes.
    mutating func goThroughMarks() {
        var budget = choicesPerTurn
        while budget > 0 {
            if firstChoosing != .max, let turn = exchanges.place(at: Int(firstChoosing)) {
                budget -= 1
                leaveChoosing(turn)
                choose(turn)
            } else if let token = wakingServices.pop() {
                guard let service = services.place(of: token) else { continue }
                wakeWaiting(service, &budget)
            } else {
                return
            }
        }
    }

    /// Lets those who wait try again, in their order, a few of one service at a time.
    private mutating func wakeWaiting(_ service: Place<ServiceState>, _ budget: inout Int) {
        for _ in 0..<8 {
            guard budget > 0, service.value.wakeCount > 0 || service.value.wakesFurther,
                !service.value.isHolding, service.value.firstWaiting != .max,
                let turn = exchanges.place(at: Int(service.value.firstWaiting))
            else { break }
            budget -= 1
            let count = service.value.wakeCount
            leaveQueue(turn)
            turn.value.isWoken = true
            choose(turn)
            if turn.isValid, turn.value.stage == .queued {
                // Still full: it went to the end of the queue, so it goes back to the front.
                moveToFront(turn, of: service)
                service.value.forgetWakes()
            } else if turn.isValid, turn.value.heldCell >= 0 {
                service.value.wakeCount = min(max(0, count - 1), service.value.waitingCount)
            }
            // Who was answered, or has failed at once, has taken nothing: the next one may try.
            guard services.place(of: service.token) != nil else { return }
        }
        service.value.isWaking = false
        if service.value.isHolding || service.value.waitingCount == 0 {
            service.value.forgetWakes()
        }
        wake(service, 0)
        guard !service.value.isWaking else { return }
        // What has become possible is used up here, or is of no use here.
        refuseSurplus(service)
        guard services.place(of: service.token) != nil, service.value.waitingCount == 0 else {
            return
        }
        tellSiblings(service)
    }

    /// Those who came while others of the queue were about to try, and are too many now: the
    /// newest first.
    private mutating func refuseSurplus(_ service: Place<ServiceState>) {
        let token = service.token
        while services.place(of: token) != nil,
            service.value.waitingCount > service.value.queueCapacity,
            let newest = exchanges.place(at: Int(service.value.lastWaiting))
        {
            leaveQueue(newest)
            answer(newest, .queueFull)
        }
    }

    private mutating func moveToFront(_ turn: Turn, of service: Place<ServiceState>) {
        guard service.value.firstWaiting != turn.token.slot else { return }
        let previous = turn.value.previousWaiting
        if let place = exchanges.place(at: Int(previous)) { place.value.nextWaiting = .max }
        service.value.lastWaiting = previous
        let first = service.value.firstWaiting
        if let place = exchanges.place(at: Int(first)) {
            place.value.previousWaiting = turn.token.slot
        }
        turn.value.nextWaiting = first
        turn.value.previousWaiting = .max
        service.value.firstWaiting = turn.token.slot
    }

    /// Takes a request off a server's count, and marks that someone who waits for it may go on.
    mutating func releaseSlot(_ slot: SlotNote) {
        let cell = slot.cell
        cells[cell].inFlight.wrappingSubtract(1, ordering: .relaxed)
        if slot.countsTotal {
            serviceCells[slot.service].inFlight.wrappingSubtract(1, ordering: .relaxed)
        }
        if slot.wantsEnd, let service = services.place(of: serviceTokens[slot.service]) {
            service.value.ended(cell: cell, hint: slot.hint)
        }
        guard limitedServiceCount > 0,
            let service = services.place(of: serviceTokens[slot.service]),
            service.value.roster.requestsPerServer != .max
        else { return }
        releasedSlot(of: service)
    }

    /// A slot of one of the service's servers is free: the longest waiting exchange of this
    /// loop may have it, or another loop hears of it.
    private mutating func releasedSlot(of service: Place<ServiceState>) {
        if service.value.waitingCount > 0 {
            // What its own waiters leave is told to the others when they have tried.
            wake(service, 1)
        } else {
            tellSiblings(service)
        }
    }

    /// Nothing of this loop waits for a slot of the service, and one may be free: those of other
    /// loops look. They tell nobody when they find none, so that it ends.
    private mutating func tellSiblings(_ service: Place<ServiceState>) {
        guard service.value.roster.requestsPerServer != .max,
            serviceCells[service.value.id].waiting.load(ordering: .relaxed) > 0
        else { return }
        for (index, sibling) in siblings.enumerated() where index != loop {
            sibling.post(.slotFreed(service: service.value.id))
        }
    }

    // MARK: - Waiting for a server

    /// How many of its attempts speak against their servers.
    func triedCount(of turn: Turn) -> Int {
        let count = turn.value.attemptCount
        return count == turn.value.forgivenCount ? 0 : min(8, count)
    }

    /// Nobody can be picked: the exchange waits in the queue until somebody can.
    private mutating func hold(_ turn: Turn) {
        guard let service = turn.value.service else { return }
        turn.value.isReleased = false
        turn.value.isHeld = true
        if !service.value.isHolding {
            service.value.isHolding = true
            service.value.releaseCount = 1
        }
        if holdAt == .never { holdAt = now + holdPace }
        waitForSlot(turn)
    }

    /// How often it is seen whether there is a server for those who wait. Then one of them goes
    /// on, at the next time two, four, and so on: a server that has just started is not met by
    /// all of them at once, and 1,024 have gone on after a quarter of a second.
    private var holdPace: Interval { .milliseconds(20) }
    /// The most that go on at once: each may cost a connection, and the loop's other clients
    /// wait meanwhile.
    private var mostReleased: Int { 256 }

    /// For each service with held requests: lets some go on, when somebody can be picked.
    mutating func releaseHeldRequests() {
        holdAt = .never
        for index in 0..<services.usedSlotCount {
            guard let service = services.place(at: index), service.value.isHolding else { continue }
            releaseHeldRequests(of: service)
            if service.value.isHolding { holdAt = now + holdPace }
        }
    }

    private mutating func releaseHeldRequests(of service: Place<ServiceState>) {
        service.value.prepare(now: now, tried: .init(repeating: AttemptNote()), triedCount: 0)
        service.value.roster.pick.ignoresWarmCap = true
        guard service.value.roster.hasEligible else {
            service.value.emptyAt = now
            service.value.releaseCount = 1
            if service.value.waitingCount == 0 { service.value.isHolding = false }
            return
        }
        let count = min(service.value.releaseCount, service.value.waitingCount)
        service.value.releaseCount = min(service.value.releaseCount * 2, mostReleased)
        for _ in 0..<count {
            guard service.value.firstWaiting != .max,
                let turn = exchanges.place(at: Int(service.value.firstWaiting))
            else { break }
            leaveQueue(turn)
            if turn.value.queuedAt <= service.value.emptyAt {
                turn.value.forgivenCount = turn.value.attemptCount
            }
            turn.value.isReleased = true
            turn.value.isWoken = true
            choose(turn)
        }
        if service.value.waitingCount == 0 { service.value.isHolding = false }
    }

    // MARK: - The pool

    /// The freshest idle connection to a server; `nil` when a new one must be made.
    private mutating func checkOut(_ cell: Int) -> Server? {
        while pools[cell].freshest != .max {
            guard let server = servers.place(at: Int(pools[cell].freshest)) else {
                preconditionFailure("the pool lists live connections only")
            }
            unlink(server)
            // An idle connection that is readable has been heard and closed before this turn's
            // requests (``hearIdle(_:)``).
            if server.value.ready.isDisjoint(with: [.readable, .peerFinished, .broken]) {
                server.value.phase = .leased
                return server
            }
            retire(server)
        }
        return nil
    }

    /// Takes a connection back for another exchange, or closes it when it has served enough.
    mutating func checkIn(_ server: Server, of service: Place<ServiceState>) {
        let cell = Int(server.value.cell)
        blocks.recycle(exchange(&server.value.input, with: Buffer()))
        server.value.exchange = nil
        let isSilent = isSilent(server)
        if server.value.link.kind == .secure, server.value.requestCount == 1 {
            keepSession(server)
        }
        let limits = service.value.connections
        let flags = ServerFlags(rawValue: cells[cell].flags.load(ordering: .relaxed))
        guard isSilent, server.value.trust == tlsSessions[cell].generation, drainDeadline == nil,
            !flags.isDraining, limits.idlePerServer > 0,
            Int(server.value.requestCount) < limits.maximumRequests ?? .max,
            now - server.value.since < limits.maximumAge
        else {
            retire(server)
            return
        }
        server.value.phase = .idle
        server.value.older = pools[cell].freshest
        server.value.fresher = .max
        if pools[cell].freshest == .max {
            pools[cell].oldest = server.token.slot
        } else if let next = servers.place(at: Int(pools[cell].freshest)) {
            next.value.fresher = server.token.slot
        }
        pools[cell].freshest = server.token.slot
        pools[cell].idleCount += 1
        // What exceeds the limit is closed when nobody has wanted it for a while, not at once:
        // under a wave of requests it is wanted in the next turn, and a new connection costs
        // more than the request it carries (measured with 2,000 clients: 72 of 100 requests
        // opened one).
        let isSurplus = Int(pools[cell].idleCount) > limits.idlePerServer
        server.value.deadline = now + (isSurplus ? min(limits.idle, surplusIdle) : limits.idle)
        wheel.ensure(timer(of: server), by: server.value.deadline)
    }

    /// Whether a server whose answer has been read whole has said nothing since, and has not
    /// ended: what it says before it is asked again is no answer (RFC 9112 §6.3), and would be
    /// taken for one by the next request.
    ///
    /// A read that stopped at the end of what there was has taken note of that, so this is a
    /// system call only behind a read that took exactly as much as it asked for, as the last of a
    /// splice does.
    mutating func isSilent(_ server: Server) -> Bool {
        guard server.value.ready.isDisjoint(with: [.peerFinished, .broken]) else { return false }
        guard server.value.ready.contains(.readable) else { return true }
        guard server.value.link.kind == .plain else { return isSecureSilent(server) }
        guard kernel.isQuiet(server.value.socket) else { return false }
        server.value.ready.remove(.readable)
        return true
    }

    /// With TLS, records that carry no content may come at any time: tickets, new keys.
    private mutating func isSecureSilent(_ server: Server) -> Bool {
        guard let block = blocks.take(.small) else { return false }
        server.value.input = block
        let result = receive(server)
        blocks.recycle(exchange(&server.value.input, with: Buffer()))
        // Nor is a part of a record silence: content may be in it.
        return result == .wouldBlock && !server.value.ready.contains(.readable)
            && !secure(server.value.link).value.tls.hasPending
    }

    /// An edge of a connection that nobody uses: a ticket at best, else its end or nonsense.
    mutating func hearIdle(_ server: Server) {
        guard !server.value.ready.isDisjoint(with: [.readable, .peerFinished, .broken]) else {
            return
        }
        guard isSilent(server) else {
            closeIdle(server)
            return
        }
        // A ticket is good for the next connection.
        if server.value.link.kind == .secure { keepSession(server) }
    }

    /// How long a connection beyond `idle_per_server` waits for another request.
    private var surplusIdle: Interval { .seconds(1) }

    private mutating func unlink(_ server: Server) {
        let cell = Int(server.value.cell)
        let older = server.value.older
        let fresher = server.value.fresher
        if fresher == .max {
            pools[cell].freshest = older
        } else if let place = servers.place(at: Int(fresher)) {
            place.value.older = older
        }
        if older == .max {
            pools[cell].oldest = fresher
        } else if let place = servers.place(at: Int(older)) {
            place.value.fresher = fresher
        }
        server.value.older = .max
        server.value.fresher = .max
        pools[cell].idleCount -= 1
    }

    mutating func closeIdle(_ server: Server) {
        unlink(server)
        retire(server)
    }

    /// Closes an idle connection, whosever it is, at once and not with the turn: its place and
    /// its descriptor are wanted now. Events that still name it find its token retired.
    ///
    /// - Returns: `false` when there is none. O(servers), off the common path.
    private mutating func closeSomeIdle() -> Bool {
        for cell in 0..<pools.count where pools[cell].idleCount > 0 {
            guard let server = servers.place(at: Int(pools[cell].oldest)) else { continue }
            unlink(server)
            wheel.cancel(timer(of: server))
            let closed = servers.remove(server)
            discard(closed)
            return true
        }
        return false
    }

    mutating func closeIdle(cell: Int) {
        while pools[cell].oldest != .max {
            guard let server = servers.place(at: Int(pools[cell].oldest)) else { return }
            closeIdle(server)
        }
    }

    /// Ends a connection that must not be used again; its descriptor goes with the turn.
    ///
    /// - Parameter isDone: of a stream: the exchange has all it wanted.
    mutating func retire(_ server: Server, isDone: Bool = false) {
        guard server.value.phase != .closed else { return }
        if server.value.link.kind == .stream { discardStream(server.value.link, isDone: isDone) }
        server.value.phase = .closed
        server.value.exchange = nil
        wheel.cancel(timer(of: server))
        closedServers.push(server.token)
    }
}
