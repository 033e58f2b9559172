import Configuration
import HTTP
import HTTP1
import HTTP2
import Linux
import Memory
import Reactor
import TLS
import Telemetry
import Timing

// HTTP/2 connections: bytes between their sockets and the library, one frame at a time, and what
// each frame has brought about.
extension Worker where Kernel: ~Copyable {
    /// How long a peer may be silent while it has streams, before it is asked; and as long again
    /// before it is given up.
    private var silence: Interval { .seconds(30) }

    // MARK: - Beginnings

    /// A client speaks HTTP/2: by ALPN, or it has said so.
    mutating func beginSession(_ client: Client) {
        let listener = Int(client.value.listener)
        let session = sessions.insert(
            Session(
                HTTP2Session(role: .server, settings: plan.value.listeners[listener].http2),
                owner: .client(client), cell: -1, now: now))
        session.value.isOpen = true
        session.value.isSecure = client.value.link.kind == .secure
        client.value.session = session.token.slot
        client.value.phase = .multiplexing
        setDeadline(client, now + plan.value.listeners[listener].headerTimeout)
        markDirty(session)
        driveSession(client)
    }

    func session(of client: Client) -> Place<Session> {
        guard let place = sessions.place(at: Int(client.value.session)) else {
            preconditionFailure("who multiplexes has a session")
        }
        return place
    }

    func session(of server: Server) -> Place<Session> {
        guard let place = sessions.place(at: Int(server.value.session)) else {
            preconditionFailure("who multiplexes has a session")
        }
        return place
    }

    // MARK: - Reading

    mutating func driveSession(_ client: Client) {
        let session = session(of: client)
        if client.value.ready.contains(.broken) {
            close(client, isClean: false)
            return
        }
        if client.value.ready.contains(.writable) { unblock(session) }
        if session.value.streamCount == 0 { markDirty(session) }
        if !client.value.input.isEmpty {
            // It came with the beginning of the connection.
            guard digest(session, client) else {
                failSession(session)
                return
            }
            guard client.value.phase == .multiplexing else { return }
        }
        for _ in 0..<4 {
            guard client.value.input.isEmpty, client.value.ready.contains(.readable),
                mayRead(session)
            else { break }
            if !client.value.input.hasBlock {
                guard let block = blocks.take(.small) else {
                    close(client, isClean: false)
                    return
                }
                client.value.input = block
            }
            client.value.input.reset()
            switch receive(client) {
            case .bytes:
                guard digest(session, client) else {
                    failSession(session)
                    return
                }
            case .wouldBlock: break
            case .endOfStream, .failed:
                close(client, isClean: false)
                return
            }
        }
        guard client.value.phase == .multiplexing else { return }
        guard client.value.input.isEmpty else {
            enqueue(client)
            return
        }
        blocks.recycle(exchange(&client.value.input, with: Buffer()))
        if client.value.ready.contains(.readable), mayRead(session) { enqueue(client) }
    }

    /// A peer that does not read what it is owed is not listened to (RFC 9113 §10.5).
    private func mayRead(_ session: Place<Session>) -> Bool {
        !session.value.isBlocked || session.value.output.room > BufferPool.smallByteCount / 4
    }

    private mutating func unblock(_ session: Place<Session>) {
        guard session.value.isBlocked else { return }
        session.value.isBlocked = false
        markDirty(session)
    }

    /// Hands what was read to the library, and deals with each frame before the next. When the
    /// client has had its share of the turn, the rest stays for the next.
    ///
    /// - Returns: `false` when the connection must end.
    private mutating func digest(_ session: Place<Session>, _ client: Client) -> Bool {
        session.value.lastReceived = now
        session.value.silentSince = now
        session.value.pingedAt = .never
        while !client.value.input.isEmpty, !session.value.share.isSpent(in: turnNumber) {
            let used = session.value.http2.receive(client.value.input.bytes, now: now)
            handleEvents(session, client.value.input.start)
            guard client.value.phase == .multiplexing else { return true }
            guard let used else { return false }
            client.value.input.consume(used)
        }
        markDirty(session)
        return true
    }

    private mutating func digest(_ session: Place<Session>, _ server: Server) -> Bool {
        session.value.lastReceived = now
        session.value.silentSince = now
        session.value.pingedAt = .never
        while !server.value.input.isEmpty {
            let used = session.value.http2.receive(server.value.input.bytes, now: now)
            handleEvents(session, server.value.input.start)
            guard server.value.phase == .multiplexing else { return true }
            guard let used else { return false }
            server.value.input.consume(used)
        }
        markDirty(session)
        return true
    }

    // MARK: - Events

    /// - Parameter start: of what was read, in the connection's input.
    private mutating func handleEvents(_ session: Place<Session>, _ start: Int) {
        guard !session.value.isHandling else { return }
        session.value.isHandling = true
        var index = 0
        while session.isValid, let event = session.value.http2.event(index) {
            handle(event, session, start)
            index += 1
        }
        guard session.isValid else { return }
        session.value.http2.clearEvents()
        session.value.isHandling = false
    }

    private mutating func handle(
        _ event: HTTP2Event, _ session: Place<Session>, _ start: Int
    ) {
        if event.kind == .head, case .client(let client) = session.value.owner {
            beginStream(event, session, client)
            return
        }
        guard event.tag != .max, let stream = streams.place(at: Int(event.tag)),
            stream.value.id == event.stream, stream.value.session.token == session.token
        else {
            switch event.kind {
            case .content: session.value.http2.consumed(Int(event.count))
            case .goingAway: serverGoesAway(session)
            case .settings: learnLimit(session)
            case .refused:
                guard case .client(let client) = session.value.owner else { return }
                noteRefusal(client, session.value.http2.refusal)
            default: break
            }
            return
        }
        switch event.kind {
        case .head:
            takeResponse(event, session, stream)
        case .trailers:
            takeTrailers(session, stream)
        case .content:
            takeContent(event, session, stream, start)
        case .end:
            stream.value.isReceived = true
            wake(stream, .readable)
        case .closed:
            if event.code != 0 || !stream.value.isReceived {
                streamBroken(stream, event.code)
            } else {
                // Both sides have finished: there is nothing left to be told.
                stream.value.isGone = stream.value.hasEnded
            }
        case .writable:
            if stream.value.owesEnd { finishSending(stream) }
            wake(stream, .writable)
        case .refused:
            // Of a client's trailers there is nothing to be said: its stream ends.
            guard case .server(let server) = stream.value.owner, let turn = server.value.exchange,
                turn.value.responseStage == .awaitingHead, turn.value.stage != .tunnel
            else { return }
            turn.value.rule = session.value.http2.refusal
            attemptFailed(turn, .serverBadAnswer, nothingSent: false)
        case .goingAway, .pong, .settings:
            break
        }
    }

    private mutating func wake(_ stream: Place<Stream>, _ readiness: Readiness) {
        switch stream.value.owner {
        case .client(let client):
            client.value.ready.formUnion(readiness)
            drive(client)
        case .server(let server):
            server.value.ready.formUnion(readiness)
            if let turn = server.value.exchange { drive(turn) }
        }
    }

    private mutating func takeContent(
        _ event: HTTP2Event, _ session: Place<Session>, _ stream: Place<Stream>, _ start: Int
    ) {
        let count = Int(event.count)
        let lower = start + Int(event.lower)
        guard keepContent(stream, count) else {
            // The bound on memory.
            session.value.http2.reset(event.stream, .enhanceYourCalm)
            session.value.http2.consumed(count)
            return
        }
        switch session.value.owner {
        case .client(let client):
            stream.value.pending.append(
                client.value.input.span(from: lower, to: lower + count))
            // The stream's window holds its upload back. That of the connection opens at once,
            // or uploads that wait for one service would stop those to all others; unless memory
            // is scarce.
            if blocks.isPlentiful {
                session.value.http2.consumed(count)
            } else {
                stream.value.heldWindow += count
            }
        case .server(let server):
            stream.value.pending.append(
                server.value.input.span(from: lower, to: lower + count))
            session.value.http2.consumed(count)
        }
        wake(stream, .readable)
    }

    /// Makes room for content; the window bounds it.
    private mutating func keepContent(_ stream: Place<Stream>, _ count: Int) -> Bool {
        if !stream.value.pending.hasBlock {
            guard let block = blocks.take(count > BufferPool.smallByteCount ? .large : .small)
            else { return false }
            stream.value.pending = block
        }
        guard stream.value.pending.room < count else { return true }
        stream.value.pending.slide()
        guard stream.value.pending.room < count else { return true }
        guard stream.value.pending.capacity == BufferPool.smallByteCount,
            var block = blocks.take(.large)
        else { return false }
        block.append(stream.value.pending.bytes)
        blocks.recycle(exchange(&stream.value.pending, with: block))
        return stream.value.pending.room >= count
    }

    private mutating func takeTrailers(_ session: Place<Session>, _ stream: Place<Stream>) {
        guard stream.value.incoming == .chunked else { return }
        if !stream.value.trailers.hasBlock {
            guard let block = blocks.take(.small) else { return }
            stream.value.trailers = block
        }
        switch session.value.http2.takeTrailers(into: &stream.value.trailers) {
        case .complete where stream.value.trailers.count <= ChunkedDecoder.maximumTrailerByteCount:
            break
        case .complete, .unknownProtocol, .refused, .needsRoom, .tooLarge:
            // Without them the message is not what was sent.
            session.value.http2.reset(stream.value.id, .protocolError)
            stream.value.isReceived = false
            streamBroken(stream, HTTP2ErrorCode.protocolError.rawValue)
        }
    }

    private mutating func streamBroken(_ stream: Place<Stream>, _ code: UInt32) {
        stream.value.isGone = true
        stream.value.isReceived = false
        switch stream.value.owner {
        case .client(let client):
            client.value.ready.insert(.broken)
            drive(client)
        case .server(let server):
            guard let turn = server.value.exchange else {
                retire(server)
                return
            }
            // Whoever ends a stream is alive: its connection was no stale one.
            server.value.requestCount = 1
            if code == HTTP2ErrorCode.refusedStream.rawValue,
                turn.value.responseStage == .awaitingHead, !turn.value.hasAnswered
            {
                // It was told that nothing was done (RFC 9113 §8.7): for streams beyond the last
                // one of a GOAWAY, the library says so.
                server.value.hasSentAnything = false
                server.value.ending =
                    stream.value.session.value.hasGoneAway ? .passedOver : .refused
                attemptFailed(turn, .serverClosedEarly, nothingSent: true)
                return
            }
            server.value.ready.insert(.readable)
            drive(turn)
        }
    }

    // MARK: - Streams of clients

    private mutating func beginStream(
        _ event: HTTP2Event, _ session: Place<Session>, _ carrier: Client
    ) {
        let isLast = event.code == 1
        guard !clients.isFull, !streams.isFull, !exchanges.isFull, var block = blocks.take(.small)
        else {
            session.value.http2.reset(event.stream, .refusedStream)
            return
        }
        let key = (identifiers.next(), identifiers.next())
        var taken = session.value.http2.takeRequest(into: &block, isLast: isLast, key: key)
        if case .needsRoom(let room) = taken, room <= BufferPool.largeByteCount,
            let large = blocks.take(.large)
        {
            blocks.recycle(exchange(&block, with: large))
            taken = session.value.http2.takeRequest(into: &block, isLast: isLast, key: key)
        }
        if case .refused(let rule) = taken {
            blocks.recycle(block)
            noteRefusal(carrier, rule)
            return
        }
        let listener = Int(carrier.value.listener)
        let client = clients.insert(
            Downstream(
                socket: .none, peer: carrier.value.peer, listener: carrier.value.listener))
        let stream = insertStream(session, owner: .client(client), id: event.stream)
        streamClientCount += 1
        client.value.link = Link(kind: .stream, slot: stream.token.slot)
        client.value.input = block
        client.value.ready = [.writable]
        stream.value.incoming =
            session.value.http2.isTunnelRequest || session.value.http2.hasContentLength
            ? .plain : .chunked
        stream.value.answersHead = session.value.http2.isHeadRequest
        stream.value.isTunnel = session.value.http2.isTunnelRequest
        // The event that says so was noted before the stream had its number.
        stream.value.isReceived = isLast
        session.value.http2.setTag(stream.token.slot, of: event.stream)
        session.value.streamTotal += 1
        session.value.share.spend(TurnShare.streamCost, in: turnNumber)
        setDeadline(client, now + plan.value.listeners[listener].headerTimeout)
        if carrier.value.deadline != .never { setDeadline(carrier, .never) }
        watchSilence(session, carrier)
        switch taken {
        case .complete:
            readHead(client)
        case .unknownProtocol:
            refuse(client, .badRequest, status: 501, rule: "h2-unknown-protocol")
        default:
            refuse(client, .headerTooLarge, status: 431, rule: "header-too-large")
        }
    }

    /// A request that never became one.
    private mutating func noteRefusal(_ carrier: Client, _ rule: StaticString) {
        counters.exchanges.ended(status: 400, reason: .badRequest)
        logRefusal(carrier, .badRequest, status: 400, rule: rule, id: identifiers.next())
    }

    // MARK: - Streams to servers

    private mutating func takeResponse(
        _ event: HTTP2Event, _ session: Place<Session>, _ stream: Place<Stream>
    ) {
        if !stream.value.head.hasBlock {
            guard let block = blocks.take(.small) else {
                session.value.http2.reset(event.stream, .enhanceYourCalm)
                return
            }
            stream.value.head = block
        }
        var kind = HTTP2Session.ResponseKind.interim
        let isLast = event.code == 1
        let mayHaveContent = !stream.value.answersHead
        var taken = session.value.http2.takeResponse(
            into: &stream.value.head, isLast: isLast, mayHaveContent: mayHaveContent,
            framing: &kind)
        if case .needsRoom(let room) = taken,
            stream.value.head.count + room <= BufferPool.largeByteCount,
            var large = blocks.take(.large)
        {
            large.append(stream.value.head.bytes)
            blocks.recycle(exchange(&stream.value.head, with: large))
            taken = session.value.http2.takeResponse(
                into: &stream.value.head, isLast: isLast, mayHaveContent: mayHaveContent,
                framing: &kind)
        }
        guard case .complete = taken else {
            if case .server(let server) = stream.value.owner, let turn = server.value.exchange {
                if case .refused(let rule) = taken { turn.value.rule = rule }
                let isBad = if case .refused = taken { true } else { false }
                attemptFailed(
                    turn, isBad ? .serverBadAnswer : .serverHeaderTooLarge, nothingSent: false)
            }
            return
        }
        if kind != .interim {
            stream.value.incoming = kind == .chunked ? .chunked : .plain
        }
        // With an end behind it, both are read together.
        if !isLast { wake(stream, .readable) }
    }

    /// A session to the server on which a stream can be opened now, or as soon as it stands.
    func sessionWithRoom(_ cell: Int) -> Place<Session>? {
        var slot = sessionsOfCell[cell]
        while slot != .max, let session = sessions.place(at: Int(slot)) {
            if !session.value.isEnding, session.value.pingedAt == .never {
                let bound =
                    session.value.knowsLimit ? limit(of: session) : expectedLimit(cell) ?? 100
                if session.value.streamCount < bound { return session }
            }
            slot = session.value.next
        }
        return nil
    }

    /// Streams that a server has said it takes on this connection at once.
    private func limit(of session: Place<Session>) -> Int {
        min(session.value.http2.peerConcurrentStreams, 1 << 16)
    }

    /// What the server has said on another connection; `nil` if there is none that knows.
    private func expectedLimit(_ cell: Int) -> Int? {
        var slot = sessionsOfCell[cell]
        while slot != .max, let session = sessions.place(at: Int(slot)) {
            if session.value.knowsLimit { return limit(of: session) }
            slot = session.value.next
        }
        return nil
    }

    /// Whether another stream may begin. Before the server's SETTINGS have come, only a few may:
    /// what is beyond its limit would be refused (RFC 9113 §5.1.2). The others wait for them.
    func mayBegin(on session: Place<Session>) -> Bool {
        let few = 8
        let bound =
            session.value.knowsLimit
            ? limit(of: session) : expectedLimit(Int(session.value.cell)) ?? few
        return session.value.begunCount < bound
    }

    /// The server's SETTINGS have come. Streams that waited for them begin, and those for which
    /// there is no room go to other connections.
    private mutating func learnLimit(_ session: Place<Session>) {
        guard case .server = session.value.owner, !session.value.knowsLimit else { return }
        session.value.knowsLimit = true
        guard session.value.isOpen, session.value.streamCount > session.value.begunCount else {
            return
        }
        var room = limit(of: session) - session.value.begunCount
        forEachStream(of: session) { worker, stream in
            guard stream.value.id == 0, !stream.value.isGone,
                case .server(let server) = stream.value.owner, let turn = server.value.exchange
            else { return }
            if room > 0 {
                room -= 1
                server.value.ready.insert(.writable)
                worker.drive(turn)
            } else {
                worker.moveElsewhere(turn, server)
            }
        }
        if limit(of: session) == 0, session.value.streamCount == 0 {
            session.value.isEnding = true
            markDirty(session)
        }
    }

    /// No more streams begin on the session: those that have not go to other connections.
    private mutating func leaveUnbegun(_ session: Place<Session>) {
        guard case .server = session.value.owner,
            session.value.streamCount > session.value.begunCount
        else { return }
        forEachStream(of: session) { worker, stream in
            guard stream.value.id == 0, !stream.value.isGone,
                case .server(let server) = stream.value.owner, let turn = server.value.exchange
            else { return }
            worker.moveElsewhere(turn, server)
        }
    }

    /// Takes a request off a stream that has not begun. It has not been tried yet.
    private mutating func moveElsewhere(_ turn: Turn, _ server: Server) {
        guard mayRepeatFreely(turn) else {
            // A server that allows no streams at all would be asked without end.
            server.value.ending = .refused
            server.value.requestCount = 1
            attemptFailed(turn, .serverClosedEarly, nothingSent: true)
            return
        }
        turn.value.server = nil
        retire(server)
        repeatAttempt(turn)
    }

    /// Makes a session of a connection to a server.
    mutating func beginSession(_ server: Server, for service: Place<ServiceState>) {
        let cell = Int(server.value.cell)
        let session = sessions.insert(
            Session(
                HTTP2Session(role: .client, settings: HTTP2Settings()), owner: .server(server),
                cell: server.value.cell, now: now))
        session.value.isSecure = server.value.link.kind == .secure
        // Verified by rules that have changed meanwhile: for those who wait for it, and no more.
        session.value.isEnding = server.value.trust != tlsSessions[cell].generation
        session.value.streamLimit = service.value.connections.maximumRequests ?? .max
        session.value.idleTimeout = service.value.connections.idle
        session.value.next = sessionsOfCell[cell]
        sessionsOfCell[cell] = session.token.slot
        server.value.session = session.token.slot
        server.value.phase = .multiplexing
    }

    /// Leases a stream of the session to an exchange.
    mutating func openStream(_ turn: Turn, on session: Place<Session>) -> Bool {
        guard !servers.isFull, !streams.isFull else { return false }
        let server = servers.insert(
            Upstream(
                socket: .none, cell: Int(session.value.cell), since: now,
                trust: tlsSessions[Int(session.value.cell)].generation))
        let stream = insertStream(session, owner: .server(server), id: 0)
        stream.value.answersHead = turn.value.head.method == .head
        server.value.link = Link(kind: .stream, slot: stream.token.slot)
        server.value.exchange = turn
        // A session that has served before, and was idle until now, may have ended meanwhile. Of
        // several streams, only the first can tell: the others are requests in flight.
        let wasIdle = session.value.streamTotal > 0 && session.value.streamCount == 1
        server.value.requestCount = wasIdle ? 2 : 1
        if session.value.isOpen { server.value.ready = [.writable] }
        turn.value.server = server
        if session.value.streamCount == 1 {
            // Until now nothing was to be heard from the server.
            session.value.silentSince = now
        }
        if session.value.isOpen, case .server(let carrier) = session.value.owner {
            setSilenceDeadline(session, carrier)
        }
        let age = now - session.value.since
        if let service = turn.value.service,
            session.value.streamTotal + 1 >= session.value.streamLimit
                || age >= service.value.connections.maximumAge
        {
            session.value.isEnding = true
        }
        return true
    }

    mutating func driveSession(_ server: Server) {
        let session = session(of: server)
        if !session.value.isOpen {
            guard openSession(session, server) else { return }
        }
        if server.value.ready.contains(.broken), !server.value.ready.contains(.readable) {
            endSession(session, .serverClosedEarly)
            return
        }
        if server.value.ready.contains(.writable) { unblock(session) }
        for _ in 0..<8 {
            guard server.value.ready.contains(.readable) else { break }
            if !server.value.input.hasBlock {
                // Content comes in long stretches.
                guard let block = blocks.take(.large) ?? blocks.take(.small) else {
                    endSession(session, .internalError)
                    return
                }
                server.value.input = block
            }
            server.value.input.reset()
            switch receive(server) {
            case .bytes:
                guard digest(session, server) else {
                    failSession(session)
                    return
                }
            case .wouldBlock: break
            case .endOfStream, .failed:
                endSession(session, .serverClosedEarly)
                return
            }
            guard server.value.phase == .multiplexing else { return }
        }
        guard server.value.phase == .multiplexing else { return }
        blocks.recycle(exchange(&server.value.input, with: Buffer()))
        if server.value.ready.contains(.readable) { enqueueSession(session) }
    }

    /// Goes on with the connection's handshakes.
    ///
    /// - Returns: whether requests can be sent.
    private mutating func openSession(_ session: Place<Session>, _ server: Server) -> Bool {
        if server.value.ready.contains(.broken) {
            let error = kernel.takeError(server.value.socket)
            endSession(session, connectReason(error ?? .connectionRefused))
            return false
        }
        guard server.value.ready.contains(.writable) || server.value.ready.contains(.readable)
        else { return false }
        if server.value.link.kind == .secure {
            switch advanceHandshake(server) {
            case .waiting: return false
            case .failed(let reason, let rule):
                endSession(session, reason, rule: rule)
                return false
            case .done: break
            }
            guard secure(server.value.link).value.tls.alpn == .http2 else {
                endSession(session, .serverTLSFailed, rule: "h2-not-agreed")
                return false
            }
            keepSession(server)
        }
        sessionIsOpen(session)
        return true
    }

    /// The connection stands: who waits for it goes on.
    mutating func sessionIsOpen(_ session: Place<Session>) {
        session.value.isOpen = true
        session.value.silentSince = now
        if case .server(let server) = session.value.owner { setSilenceDeadline(session, server) }
        markDirty(session)
        forEachStream(of: session) { worker, stream in
            guard case .server(let server) = stream.value.owner,
                let turn = server.value.exchange
            else { return }
            server.value.ready.insert(.writable)
            worker.drive(turn)
        }
        if session.isValid, session.value.streamCount == 0 { rest(session) }
    }

    private mutating func serverGoesAway(_ session: Place<Session>) {
        session.value.isEnding = true
        session.value.hasGoneAway = true
        leaveUnbegun(session)
        guard session.value.streamCount == 0 else { return }
        rest(session)
    }

    /// Calls `body` for every stream, which may end streams.
    private mutating func forEachStream(
        of session: Place<Session>,
        _ body: (inout Worker<Kernel>, Place<Stream>) -> Void
    ) {
        // Collected first: what ends takes itself off the list.
        var tokens: [Token] = []
        var slot = session.value.firstStream
        while slot != .max, let stream = streams.place(at: Int(slot)) {
            tokens.append(stream.token)
            slot = stream.value.next
        }
        // The list has the latest first.
        for token in tokens.reversed() {
            if let stream = streams.place(of: token) { body(&self, stream) }
        }
    }

    // MARK: - Writing

    mutating func markDirty(_ session: Place<Session>) {
        guard !session.value.isDirty else { return }
        session.value.isDirty = true
        dirtySessions.push(session.token)
    }

    private mutating func enqueueSession(_ session: Place<Session>) {
        markDirty(session)
    }

    /// Sends what the turn has brought, for all sessions: one write for each, as a rule.
    mutating func flushSessions() {
        var budget = dirtySessions.count * 2 + 8
        while budget > 0, let token = dirtySessions.pop() {
            budget -= 1
            guard let session = sessions.place(of: token) else { continue }
            session.value.isDirty = false
            flush(session)
        }
    }

    private mutating func flush(_ session: Place<Session>) {
        guard session.value.isOpen, !session.value.isDead else { return }
        for _ in 0..<16 {
            handleEvents(session, 0)
            guard session.isValid else { return }
            if !session.value.output.hasBlock {
                guard let block = blocks.take(.small) else {
                    endSession(session, .internalError)
                    return
                }
                session.value.output = block
            }
            session.value.http2.lastSeen = now
            guard session.value.http2.write(to: &session.value.output) else {
                failSession(session)
                return
            }
            handleEvents(session, 0)
            guard session.isValid else { return }
            guard !session.value.output.isEmpty else { break }
            guard !session.value.isBlocked, transmit(session) else {
                if session.isValid { watchSilence(session) }
                return
            }
        }
        guard session.isValid else { return }
        if session.value.output.isEmpty {
            blocks.recycle(exchange(&session.value.output, with: Buffer()))
        }
        let hasEnded =
            !session.value.http2.isAlive
            || session.value.isEnding && session.value.streamCount == 0
                && session.value.output.isEmpty
        if hasEnded, !owesCiphertext(session) {
            endSession(session, .serverClosedEarly)
            return
        }
        resumeReading(session)
    }

    private func owesCiphertext(_ session: Place<Session>) -> Bool {
        if case .client(let client) = session.value.owner { return hasPending(client) }
        return false
    }

    /// A server's connection that stopped reading for its budget.
    private mutating func resumeReading(_ session: Place<Session>) {
        guard case .server(let server) = session.value.owner, !session.value.isDead,
            server.value.ready.contains(.readable)
        else { return }
        driveSession(server)
    }

    /// - Returns: whether all is gone.
    private mutating func transmit(_ session: Place<Session>) -> Bool {
        let result: Transfer =
            switch session.value.owner {
            case .client(let client): send(client, session.value.output.bytes)
            case .server(let server): send(server, session.value.output.bytes)
            }
        switch result {
        case .bytes(let count):
            session.value.output.consume(count)
            session.value.blockedAt = .never
            session.value.progressAt = now
            if session.value.output.isEmpty {
                session.value.output.reset()
                return true
            }
        case .wouldBlock: break
        case .failed, .endOfStream:
            endSession(session, .serverClosedEarly)
            return false
        }
        session.value.isBlocked = true
        if session.value.blockedAt == .never { session.value.blockedAt = now }
        switch session.value.owner {
        case .client(let client): client.value.ready.remove(.writable)
        case .server(let server): server.value.ready.remove(.writable)
        }
        return false
    }

    // MARK: - Time

    private mutating func watchSilence(_ session: Place<Session>) {
        switch session.value.owner {
        case .client(let client): watchSilence(session, client)
        case .server(let server): watchSilence(session, server)
        }
    }

    private mutating func watchSilence(_ session: Place<Session>, _ client: Client) {
        let bound =
            session.value.isBlocked
            ? min(silence, plan.value.listeners[Int(client.value.listener)].writeTimeout)
            : silence
        if client.value.deadline > now + bound { setDeadline(client, now + bound) }
    }

    private mutating func watchSilence(_ session: Place<Session>, _ server: Server) {
        guard session.value.isOpen, session.value.streamCount > 0 else { return }
        setSilenceDeadline(session, server)
    }

    /// When a server that has streams is asked whether it is there, or given up: counted from
    /// what it has sent last, or from the question. What we send puts nothing off.
    private mutating func setSilenceDeadline(_ session: Place<Session>, _ server: Server) {
        let since =
            session.value.pingedAt == .never ? session.value.silentSince : session.value.pingedAt
        server.value.deadline = since + silence
        wheel.ensure(timer(of: server), by: server.value.deadline)
    }

    /// A request has waited for its answer as long as it may. If the server has sent nothing at
    /// all since then, it is asked at once whether it is there, and new streams go elsewhere until
    /// it has answered.
    mutating func doubt(_ stream: Place<Stream>, silentSince sent: LoopInstant) {
        let session = stream.value.session
        guard case .server(let server) = session.value.owner, session.value.isOpen,
            !session.value.isDead, session.value.pingedAt == .never,
            session.value.lastReceived < sent
        else { return }
        session.value.pingedAt = now
        session.value.http2.ping()
        markDirty(session)
        setSilenceDeadline(session, server)
    }

    /// Nobody uses the session: it waits for the next stream, or ends.
    mutating func rest(_ session: Place<Session>) {
        if session.value.isDead {
            remove(session)
            return
        }
        switch session.value.owner {
        case .client(let client):
            guard client.value.phase == .multiplexing else { return }
            let idle = plan.value.listeners[Int(client.value.listener)].idleTimeout
            setDeadline(client, now + (drainDeadline == nil ? idle : drainQuiet))
        case .server(let server):
            // Before it stands, its time to connect is its bound, whoever has left meanwhile.
            guard server.value.phase == .multiplexing, session.value.isOpen else { return }
            server.value.deadline = now + session.value.idleTimeout
            wheel.ensure(timer(of: server), by: server.value.deadline)
        }
        if session.value.isEnding { markDirty(session) }
    }

    /// Whether the client has not taken all of what it was answered.
    private func isOwed(_ session: Place<Session>, _ client: Client) -> Bool {
        !session.value.output.isEmpty || hasPending(client)
    }

    mutating func sessionTimeUp(_ client: Client) {
        let session = session(of: client)
        guard session.value.streamCount > 0 else {
            if isOwed(session, client) {
                // The tail of an answer is no idle time: its client has the time of any write,
                // from the last time it took something.
                let writeTimeout =
                    plan.value.listeners[Int(client.value.listener)].writeTimeout
                guard now - session.value.progressAt >= writeTimeout else {
                    setDeadline(client, session.value.progressAt + writeTimeout)
                    return
                }
                logRefusal(
                    client, .clientSlow, status: 0, rule: "h2-not-read", id: identifiers.next())
                close(client, isClean: false)
                return
            }
            if !session.value.isEnding {
                // RFC 9113 §9.1: an idle connection is ended with a word.
                session.value.isEnding = true
                session.value.http2.refuseFurther()
            }
            markDirty(session)
            setDeadline(client, now + .seconds(2))
            return
        }
        if drainDeadline != nil, !session.value.isEnding {
            session.value.isEnding = true
            session.value.http2.refuseFurther()
            markDirty(session)
        }
        let writeTimeout = plan.value.listeners[Int(client.value.listener)].writeTimeout
        if session.value.blockedAt != .never, now - session.value.blockedAt >= writeTimeout {
            logRefusal(client, .clientSlow, status: 0, rule: "h2-not-read", id: identifiers.next())
            close(client, isClean: false)
            return
        }
        guard askIfThere(session) else {
            close(client, isClean: false)
            return
        }
        setDeadline(client, now + min(silence, writeTimeout))
    }

    mutating func sessionTimeUp(_ server: Server) {
        let session = session(of: server)
        guard session.value.isOpen else {
            endSession(session, .connectTimeout)
            return
        }
        guard session.value.streamCount > 0 else {
            endSession(session, .serverClosedEarly)
            return
        }
        guard askIfThere(session) else {
            endSession(session, .serverStalled)
            return
        }
        setSilenceDeadline(session, server)
    }

    /// - Returns: `false` when the peer was asked and has not answered.
    private mutating func askIfThere(_ session: Place<Session>) -> Bool {
        guard session.value.pingedAt == .never else {
            return now - session.value.pingedAt < silence
        }
        guard now - session.value.silentSince >= silence else { return true }
        session.value.pingedAt = now
        session.value.http2.ping()
        markDirty(session)
        return true
    }

    // MARK: - Endings

    /// The peer broke a rule for the whole connection: it is told, and left.
    private mutating func failSession(_ session: Place<Session>) {
        let rule = session.value.http2.failure ?? "h2-protocol-error"
        session.value.isOpen = true
        if !session.value.output.hasBlock, let block = blocks.take(.small) {
            session.value.output = block
        }
        if session.value.output.hasBlock, session.value.http2.write(to: &session.value.output),
            !session.value.isBlocked, !session.value.output.isEmpty
        {
            guard transmit(session) || session.isValid else { return }
        }
        endSession(session, .serverBadAnswer, rule: rule)
    }

    /// Ends all streams, then the connection.
    mutating func endSession(
        _ session: Place<Session>, _ reason: Reason, rule: StaticString = ""
    ) {
        switch session.value.owner {
        case .client(let client):
            if let rule = session.value.http2.failure {
                counters.refusedConnections &+= 1
                logRefusal(client, .badRequest, status: 0, rule: rule, id: identifiers.next())
                let isAbused = session.value.http2.isAbused
                dropSession(client)
                if isAbused { close(client, isClean: false) } else { closeGently(client) }
            } else {
                close(client, isClean: session.value.streamCount == 0)
            }
        case .server(let server):
            guard server.value.phase == .multiplexing else { return }
            unlink(session)
            server.value.phase = .closed
            session.value.isDead = true
            wheel.cancel(timer(of: server))
            if server.value.link.kind == .secure {
                sayGoodbye(server.value.socket, secure(server.value.link))
            }
            closedServers.push(server.token)
            if session.value.streamCount == 0 {
                remove(session)
            } else {
                endStreams(session, reason, rule)
            }
        }
    }

    private mutating func remove(_ session: Place<Session>) {
        let state = sessions.remove(session)
        blocks.recycle(state.output)
    }

    /// What a client's connection had beside its socket goes.
    mutating func dropSession(_ client: Client) {
        let session = session(of: client)
        endStreams(session, .clientClosed, "")
        remove(session)
        client.value.session = .max
        client.value.phase = .idle
    }

    private mutating func endStreams(
        _ session: Place<Session>, _ reason: Reason, _ rule: StaticString
    ) {
        forEachStream(of: session) { worker, stream in
            stream.value.isGone = true
            switch stream.value.owner {
            case .client(let client):
                client.value.ready.insert(.broken)
                worker.drive(client)
            case .server(let server):
                guard let turn = server.value.exchange else {
                    worker.retire(server)
                    return
                }
                // Who has all that was to come reads it later; the session waits for that.
                guard !stream.value.isReceived else { return }
                if turn.value.stage != .tunnel, turn.value.responseStage == .awaitingHead,
                    stream.value.head.isEmpty
                {
                    turn.value.rule = rule
                    if reason == .connectTimeout, turn.value.deadline > worker.now,
                        worker.mayRepeatFreely(turn)
                    {
                        // It came later than the connection: its own time is not over.
                        worker.moveElsewhere(turn, server)
                        return
                    }
                    if session.value.lastReceived > turn.value.attemptBegan {
                        // The server was there since: it has left while it had the request.
                        server.value.requestCount = 1
                    }
                    worker.attemptFailed(
                        turn, reason, nothingSent: !server.value.hasSentAnything)
                } else {
                    server.value.ready.insert(.readable)
                    worker.drive(turn)
                }
            }
        }
    }

    private mutating func unlink(_ session: Place<Session>) {
        let cell = Int(session.value.cell)
        if sessionsOfCell[cell] == session.token.slot {
            sessionsOfCell[cell] = session.value.next
            return
        }
        var slot = sessionsOfCell[cell]
        while slot != .max, let other = sessions.place(at: Int(slot)) {
            if other.value.next == session.token.slot {
                other.value.next = session.value.next
                return
            }
            slot = other.value.next
        }
    }

    /// The server takes part no more: its sessions end with their last stream.
    mutating func endSessions(cell: Int) {
        var slot = sessionsOfCell[cell]
        while slot != .max, let session = sessions.place(at: Int(slot)) {
            slot = session.value.next
            session.value.isEnding = true
            if session.value.streamCount == 0 { endSession(session, .serverClosedEarly) }
        }
    }

    /// The process drains: clients are told to take their next requests elsewhere.
    mutating func announceEnd(_ client: Client) {
        let session = session(of: client)
        session.value.http2.announceEnd()
        markDirty(session)
        setDeadline(client, now + drainQuiet)
    }
}
