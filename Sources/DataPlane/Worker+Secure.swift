import HTTP1
import Linux
import Memory
import Reactor
import TLS
import Telemetry
import Timing

// TLS between sockets and exchanges. Ciphertext is read into one block of the loop and written
// from another, so that a quiet connection owns neither; only what OpenSSL or the socket does
// not take at once is kept with the connection.
extension Worker where Kernel: ~Copyable {
    /// Steps of handshakes in one turn: each may cost a signature, some hundred microseconds,
    /// and the exchanges of this loop wait meanwhile.
    var handshakeStepsPerTurn: Int { 16 }
    /// Handshakes under way at once: beyond this, new connections wait in the kernel's queue.
    private var handshakeBound: Int { 1024 }
    /// Connections that have not begun one: beyond this, the oldest makes room for the next.
    /// It costs nothing to be silent, so that whoever is must not keep others out; nor may all
    /// of them take more than their share of the places for connections.
    private var silentBound: Int { min(1024, max(8, connectionCapacity / (4 * loopCount))) }

    func secure(_ link: Link) -> Place<Secure> {
        guard let place = secures.place(at: Int(link.slot)) else {
            preconditionFailure("what is secure has its state as long as it lives")
        }
        return place
    }

    mutating func discardSecure(_ link: Link) {
        let state = secures.remove(secure(link))
        blocks.recycle(state.received)
        blocks.recycle(state.pending)
    }

    // MARK: - Bytes

    mutating func receiveSecure(
        _ socket: borrowing FileDescriptor, _ secure: Place<Secure>, _ ready: inout Readiness,
        into buffer: inout Buffer, atMost limit: Int
    ) -> Transfer {
        guard !secure.value.isCut else { return .failed(.brokenPipe) }
        // What TLS holds comes before what the socket has, and before the socket's end.
        var needsMore = !secure.value.holdsMore
        // A record at least, or one more call than there are bytes; then the next turn's.
        for _ in 0..<8 {
            if needsMore, secure.value.received.isEmpty {
                switch fetch(socket, secure, &ready, about: min(buffer.room, limit)) {
                case .bytes: break
                case .wouldBlock: return .wouldBlock
                case .endOfStream:
                    return secure.value.tls.end == .endOfStream
                        ? .endOfStream : .failed(.connectionReset)
                case .failed(let error): return .failed(error)
                }
            }
            let output = cipherOut
            output.value.reset()
            let result = secure.value.tls.receive(
                &secure.value.received, into: &buffer, atMost: limit, &output.value)
            let isHungry = secure.value.received.isEmpty
            if isHungry { giveBack(&secure.value.received) }
            let isSent = transmit(socket, secure)
            switch result {
            case .bytes(let count):
                // A connection that takes nothing more is met by the next call, also when it is
                // our memory that took nothing.
                if !isSent { secure.value.isCut = true }
                noteHeld(secure, &ready)
                return .bytes(count)
            case .needsMore:
                guard isSent else { return .failed(.brokenPipe) }
                secure.value.holdsMore = false
                needsMore = true
                // What woke us may have been inside alone.
                if secure.value.isSocketDrained { ready.remove(.readable) }
                guard ready.contains(.readable) else { return .wouldBlock }
            case .endOfStream: return .endOfStream
            case .failed: return .failed(.connectionReset)
            }
        }
        return .wouldBlock
    }

    /// Takes note of what the last call has left inside: no edge will announce it.
    func noteHeld(_ secure: Place<Secure>, _ ready: inout Readiness) {
        secure.value.holdsMore =
            !secure.value.received.isEmpty || secure.value.tls.hasPending
            || secure.value.tls.hasEnded || secure.value.isCut
        if secure.value.holdsMore {
            ready.insert(.readable)
        } else if secure.value.isSocketDrained {
            ready.remove(.readable)
        }
    }

    /// Reads ciphertext; it stands in `received` afterwards.
    private mutating func fetch(
        _ socket: borrowing FileDescriptor, _ secure: Place<Secure>, _ ready: inout Readiness,
        about wanted: Int
    ) -> Transfer {
        guard ready.contains(.readable) else { return .wouldBlock }
        if !secure.value.received.hasBlock {
            let size: BufferPool.Size = wanted > BufferPool.smallByteCount ? .large : .small
            guard let block = blocks.take(size) ?? blocks.take(.small) else {
                return .failed(.connectionReset)
            }
            secure.value.received = block
        }
        secure.value.received.reset()
        let result = receive(
            socket, Link(), &ready, into: &secure.value.received, atMost: .max)
        secure.value.isSocketDrained = !ready.contains(.readable)
        if case .bytes = result { return result }
        giveBack(&secure.value.received)
        return result
    }

    private mutating func giveBack(_ buffer: inout Buffer) {
        guard buffer.hasBlock else { return }
        blocks.recycle(exchange(&buffer, with: Buffer()))
    }

    mutating func sendSecure(
        _ socket: borrowing FileDescriptor, _ secure: Place<Secure>, _ first: RawSpan,
        _ second: RawSpan?
    ) -> Transfer {
        guard !secure.value.isCut else { return .failed(.brokenPipe) }
        if !secure.value.mayWait {
            guard flushPending(socket, secure) else { return .failed(.brokenPipe) }
        }
        let output = cipherOut
        let firstCount = first.byteCount
        let total = firstCount + (second?.byteCount ?? 0)
        var count = 0
        // Whoever sends less than was asked for waits for an edge: so it must be the socket
        // that stopped, and not the room of our block.
        while count < total, secure.value.pending.isEmpty || secure.value.mayWait {
            output.value.reset()
            if count < firstCount {
                guard
                    let sent = secure.value.tls.send(
                        first.extracting(count..<firstCount), &output.value)
                else { return .failed(.brokenPipe) }
                count += sent
            }
            if let second, count >= firstCount, count < total {
                let from = count - firstCount
                guard
                    let sent = secure.value.tls.send(
                        second.extracting(from..<second.byteCount), &output.value)
                else { return .failed(.brokenPipe) }
                count += sent
            }
            guard transmit(socket, secure) else { return .failed(.brokenPipe) }
        }
        return count > 0 ? .bytes(count) : .wouldBlock
    }

    /// Sends what stands in the loop's block, and keeps what the socket does not take.
    ///
    /// - Returns: `false` when the connection is broken.
    private mutating func transmit(
        _ socket: borrowing FileDescriptor, _ secure: Place<Secure>
    ) -> Bool {
        let output = cipherOut
        guard !output.value.isEmpty else { return true }
        guard secure.value.pending.isEmpty else {
            secure.value.mayWait = false
            return keepPending(secure) && flushPending(socket, secure)
        }
        switch kernel.send(socket, output.value.bytes) {
        case .bytes(let count): output.value.consume(count)
        case .wouldBlock: break
        case .failed, .endOfStream: return false
        }
        return keepPending(secure)
    }

    /// Puts what stands in the loop's block behind what is pending.
    ///
    /// - Returns: `false` when there is no memory for it.
    private mutating func keepPending(_ secure: Place<Secure>) -> Bool {
        let output = cipherOut
        guard !output.value.isEmpty else { return true }
        if secure.value.pending.room < output.value.count {
            let needed = secure.value.pending.count + output.value.count
            guard needed <= BufferPool.largeByteCount,
                var block = blocks.take(needed <= BufferPool.smallByteCount ? .small : .large)
            else { return false }
            block.append(secure.value.pending.bytes)
            blocks.recycle(exchange(&secure.value.pending, with: block))
        }
        secure.value.pending.append(output.value.bytes)
        return true
    }

    /// - Returns: `false` when the connection is broken.
    private mutating func flushPending(
        _ socket: borrowing FileDescriptor, _ secure: Place<Secure>
    ) -> Bool {
        while !secure.value.pending.isEmpty {
            switch kernel.send(socket, secure.value.pending.bytes) {
            case .bytes(let count): secure.value.pending.consume(count)
            case .wouldBlock: return true
            case .failed, .endOfStream: return false
            }
        }
        giveBack(&secure.value.pending)
        if secure.value.isFinished { kernel.shutdownSending(socket) }
        return true
    }

    /// Sends what a client has not taken yet.
    ///
    /// - Returns: `false` when it is gone.
    mutating func flushPending(_ client: Client) -> Bool {
        let state = secure(client.value.link)
        guard !state.value.pending.isEmpty, !state.value.mayWait,
            client.value.ready.contains(.writable)
        else {
            return true
        }
        guard flushPending(client.value.socket, state) else {
            if let turn = client.value.exchange {
                clientGone(turn)
            } else {
                close(client, isClean: false)
            }
            return false
        }
        if client.value.phase == .multiplexing { session(of: client).value.progressAt = now }
        if !state.value.pending.isEmpty { client.value.ready.remove(.writable) }
        if client.value.phase == .lingering { setLingering(client) }
        return true
    }

    /// New bytes: the socket is no longer known to be empty.
    func noteEdge(_ link: Link, _ readiness: Readiness) {
        guard link.kind == .secure, readiness.contains(.readable) else { return }
        secure(link).value.isSocketDrained = false
    }

    /// Ciphertext that the socket has not taken: what was handed over has not been sent yet.
    func hasPending(_ client: Client) -> Bool {
        client.value.link.kind == .secure && !secure(client.value.link).value.pending.isEmpty
    }

    func hasPending(_ server: Server) -> Bool {
        server.value.link.kind == .secure && !secure(server.value.link).value.pending.isEmpty
    }

    /// Tells the peer that nothing more will come (RFC 8446 §6.1), and then TCP's end says so, too.
    mutating func finishSending(_ socket: borrowing FileDescriptor, _ secure: Place<Secure>) {
        sayGoodbye(socket, secure)
        secure.value.isFinished = true
        if secure.value.pending.isEmpty { kernel.shutdownSending(socket) }
    }

    /// Tells the peer that nothing more will come, on a connection that is closed at once.
    mutating func sayGoodbye(_ socket: borrowing FileDescriptor, _ secure: Place<Secure>) {
        let output = cipherOut
        output.value.reset()
        secure.value.tls.close(&output.value)
        _ = transmit(socket, secure)
    }

    // MARK: - Handshakes of clients

    func isShakingEnough(_ listener: Int) -> Bool {
        handshakeCount >= handshakeBound && plan.value.serverTLS[listener] != nil
    }

    /// - Returns: `false` when the listener is a plain one.
    mutating func beginHandshake(_ client: Client, _ listener: Int) -> Bool {
        guard let tls = plan.value.serverTLS[listener] else { return false }
        if silentCount >= silentBound { closeOldestSilent() }
        let state = secures.insert(Secure(TLSConnection(server: tls)))
        client.value.link = Link(kind: .secure, slot: state.token.slot)
        client.value.phase = .handshaking
        state.value.isSilent = true
        state.value.client = client.token.slot
        state.value.older = newestSilent
        if silentCount > 0, let newest = secures.place(at: Int(newestSilent)) {
            newest.value.newer = state.token.slot
        } else {
            oldestSilent = state.token.slot
        }
        newestSilent = state.token.slot
        silentCount += 1
        // A client speaks first: half of the time is for that.
        let timeout = plan.value.listeners[listener].handshakeTimeout
        let patience =
            timeout == .forever ? timeout : Interval(nanoseconds: timeout.nanoseconds / 2)
        setDeadline(client, now + patience)
        return true
    }

    private mutating func closeOldestSilent() {
        guard let state = secures.place(at: Int(oldestSilent)),
            let client = clients.place(at: Int(state.value.client))
        else { return }
        counters.refusedConnections &+= 1
        if now >= silentSayableAt {
            silentSayableAt = now + .seconds(60)
            control.post(
                .silentClosed(listener: Int(client.value.listener), connections: silentCount))
        }
        close(client, isClean: false)
    }

    /// The ClientHello has come: from here on the handshake counts, and has its time.
    private mutating func helloCame(_ client: Client, _ state: Place<Secure>) {
        noLongerSilent(state)
        handshakeCount += 1
        let listener = Int(client.value.listener)
        setDeadline(client, now + plan.value.listeners[listener].handshakeTimeout)
    }

    private mutating func noLongerSilent(_ state: Place<Secure>) {
        let older = state.value.older
        let newer = state.value.newer
        if older == .max {
            oldestSilent = newer
        } else if let place = secures.place(at: Int(older)) {
            place.value.newer = newer
        }
        if newer == .max {
            newestSilent = older
        } else if let place = secures.place(at: Int(newer)) {
            place.value.older = older
        }
        state.value.older = .max
        state.value.newer = .max
        state.value.isSilent = false
        silentCount -= 1
    }

    /// The handshake is over, well or badly, or given up.
    mutating func leaveHandshake(_ state: Place<Secure>) {
        if state.value.isSilent {
            noLongerSilent(state)
        } else {
            handshakeCount -= 1
        }
    }

    mutating func advanceHandshake(_ client: Client) {
        let state = secure(client.value.link)
        if client.value.ready.contains(.broken) {
            close(client, isClean: false)
            return
        }
        while true {
            if state.value.received.isEmpty {
                switch fetch(client.value.socket, state, &client.value.ready, about: 1) {
                case .bytes: break
                case .wouldBlock: return
                case .endOfStream, .failed:
                    close(client, isClean: false)
                    return
                }
            }
            if state.value.isSilent, state.value.hasRecord { helloCame(client, state) }
            let isItsTurn =
                isRunningQueue || !hasWaitingHandshakes || state.value.isUnderWay
            guard handshakeBudget > 0, isItsTurn else {
                postponesHandshakes = true
                enqueue(client)
                return
            }
            handshakeBudget -= 1
            let output = cipherOut
            output.value.reset()
            let step = state.value.tls.handshake(&state.value.received, &output.value)
            if state.value.received.isEmpty { giveBack(&state.value.received) }
            if !output.value.isEmpty {
                state.value.isUnderWay = true
                // Said in pieces.
                if state.value.isSilent { helloCame(client, state) }
            }
            // What comes with the end is a ticket: it goes out with the first answer if that is
            // near, for one system call less. (In TLS 1.2 it is our Finished, for which the
            // client waits.)
            let isTicket =
                step == .done && state.value.pending.isEmpty && state.value.tls.version == .tls13
            let isSent =
                isTicket ? holdTicket(state) : transmit(client.value.socket, state)
            guard isSent else {
                close(client, isClean: false)
                return
            }
            switch step {
            case .needsMore: continue
            case .done:
                handshakeDone(client, state)
                return
            case .failed(let failure):
                handshakeFailed(client, failure)
                return
            }
        }
    }

    private mutating func holdTicket(_ state: Place<Secure>) -> Bool {
        guard keepPending(state) else { return false }
        state.value.mayWait = !state.value.pending.isEmpty
        return true
    }

    private mutating func handshakeDone(_ client: Client, _ state: Place<Secure>) {
        leaveHandshake(state)
        if state.value.tls.hasVerifiedPeer, let identity = state.value.tls.peerIdentity() {
            let name = "X-Client-Cert-Subject: "
            let text =
                name + "\(identity.subject)\r\n"
                + "X-Client-Cert-Fingerprint: \(identity.fingerprint)\r\n"
            state.value.identity = Buffer(capacity: text.utf8.count)
            state.value.identity.append(text: text)
            state.value.subject = ByteRange(
                name.utf8.count, name.utf8.count + identity.subject.utf8.count)
        }
        client.value.phase = .idle
        let listener = Int(client.value.listener)
        setDeadline(client, now + plan.value.listeners[listener].headerTimeout)
        noteHeld(state, &client.value.ready)
        let tunnel = plan.value.listeners[listener].tunnelRoute
        guard tunnel < 0 else {
            // Whoever waits for the server's first word may never say one.
            if releaseTicket(client, state) { beginTunnel(client, tunnel) }
            return
        }
        if state.value.tls.alpn == .http2 {
            beginSession(client)
            return
        }
        guard plan.value.listeners[listener].speaksHTTP1 else {
            refuse(client, .badRequest, status: 505, rule: "http1-not-spoken")
            return
        }
        readHead(client)
        // A client with Nagle's algorithm sends nothing more before we say something: then the
        // ticket goes now, and goes with the answer only where the request has come already.
        if client.value.phase == .idle || client.value.phase == .readingHead {
            _ = releaseTicket(client, state)
        }
    }

    private mutating func releaseTicket(_ client: Client, _ state: Place<Secure>) -> Bool {
        state.value.mayWait = false
        return flushPending(client)
    }

    private mutating func handshakeFailed(_ client: Client, _ failure: TLSFailure) {
        counters.refusedConnections &+= 1
        logRefusal(client, .badRequest, status: 0, rule: failure.sentence, id: identifiers.next())
        if failure == .notTLS {
            // Somebody typed http:// with the port of https://, and is told in their language.
            let scratch = scratch
            scratch.value.reset()
            scratch.value.append("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n")
            scratch.value.append("Content-Type: text/plain\r\nContent-Length: 44\r\n\r\n")
            scratch.value.append("This port speaks HTTPS: write https:// here\n")
            _ = kernel.send(client.value.socket, scratch.value.bytes)
        }
        // The alert must not be destroyed by a reset for what nobody reads.
        leaveHandshake(secure(client.value.link))
        client.value.phase = .idle
        closeGently(client)
    }

    /// Whether the request is for a host that does not belong to the name which TLS was asked
    /// for (RFC 9110 §15.5.20).
    func isMisdirected(_ turn: Turn, _ listener: Int) -> Bool {
        guard plan.value.listeners[listener].isStrictAboutNames else { return false }
        let client = turn.value.client
        let link = carrier(client).value.link
        guard link.kind == .secure, let tls = plan.value.serverTLS[listener] else { return false }
        let start = turn.value.headStart
        let host = client.value.input.span(
            from: start + turn.value.head.hostRange.lower,
            to: start + turn.value.head.hostRange.upper)
        return !secure(link).value.tls.isNamed(host) && !tls.covers(host)
    }

    /// Who has shown a certificate, for the server.
    mutating func appendIdentity(_ client: Client) {
        let link = carrier(client).value.link
        guard link.kind == .secure else { return }
        let state = secure(link)
        guard !state.value.identity.isEmpty else { return }
        scratch.value.append(state.value.identity.bytes)
    }

    // MARK: - Handshakes with servers

    func isEstablished(_ server: Server) -> Bool {
        secure(server.value.link).value.tls.isEstablished
    }

    /// Gives a new connection TLS, if the service asks for it.
    mutating func secure(_ server: Server, for turn: Turn) {
        guard let service = turn.value.service, let tls = service.value.tls else { return }
        let name = service.value.roster.tlsNames[Int(turn.value.memberIndex)]
        let state = secures.insert(
            Secure(
                TLSConnection(
                    client: tls, name: name, session: tlsSessions[Int(server.value.cell)].session,
                    onlyHTTP1: turn.value.head.isUpgrade)))
        server.value.link = Link(kind: .secure, slot: state.token.slot)
    }

    enum HandshakeStep {
        case done
        /// An edge will come.
        case waiting
        case failed(Reason, rule: StaticString)
    }

    /// - Returns: whether the request may be sent now; when not, an edge will come, or the
    ///   attempt has failed.
    mutating func advanceHandshake(_ turn: Turn, _ server: Server) -> Bool {
        switch advanceHandshake(server) {
        case .waiting: return false
        case .failed(let reason, let rule):
            turn.value.rule = rule
            attemptFailed(turn, reason, nothingSent: true)
            return false
        case .done:
            if secure(server.value.link).value.tls.alpn == .http2 {
                adoptHTTP2(turn, server)
                return false
            }
            server.value.phase = .leased
            turn.value.connectNanoseconds += (now - turn.value.attemptBegan).nanoseconds
            return true
        }
    }

    mutating func advanceHandshake(_ server: Server) -> HandshakeStep {
        let state = secure(server.value.link)
        for _ in 0..<16 {
            guard flushPending(server.value.socket, state) else { return handshakeBroken(server) }
            let output = cipherOut
            output.value.reset()
            let step = state.value.tls.handshake(&state.value.received, &output.value)
            if state.value.received.isEmpty { giveBack(&state.value.received) }
            guard transmit(server.value.socket, state) else { return handshakeBroken(server) }
            switch step {
            case .done:
                noteHeld(state, &server.value.ready)
                return .done
            case .failed(let failure):
                return .failed(.serverTLSFailed, rule: failure.sentence)
            case .needsMore:
                switch fetch(server.value.socket, state, &server.value.ready, about: 1) {
                case .bytes: continue
                case .wouldBlock: return .waiting
                case .endOfStream, .failed: return handshakeBroken(server)
                }
            }
        }
        return .waiting
    }

    private mutating func handshakeBroken(_ server: Server) -> HandshakeStep {
        var reason = Reason.serverTLSFailed
        if let error = kernel.takeError(server.value.socket) { reason = connectReason(error) }
        return .failed(reason, rule: "")
    }

    /// Sends what a server has not taken yet.
    mutating func flushPending(_ server: Server) {
        let state = secure(server.value.link)
        guard !state.value.pending.isEmpty, server.value.ready.contains(.writable) else { return }
        if !flushPending(server.value.socket, state) {
            // A broken connection is met by the next read.
            server.value.ready.insert(.readable)
        }
        if !state.value.pending.isEmpty { server.value.ready.remove(.writable) }
    }

    /// The server is verified by other rules, or another name, from now on: requests go on
    /// connections that are made by them.
    mutating func renewTrust(cell: Int) {
        closeIdle(cell: cell)
        endSessions(cell: cell)
    }

    mutating func keepSession(_ server: Server) {
        guard server.value.trust == tlsSessions[Int(server.value.cell)].generation else { return }
        let session = secure(server.value.link).value.tls.session()
        tlsSessions[Int(server.value.cell)].session = consume session
    }
}
