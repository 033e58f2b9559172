import Linux
import Memory
import Reactor
import Synchronization
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// The most connections that are accepted in one turn: what is left over is reported again.
    private var acceptBudget: Int { 64 }

    /// - Returns: whether there may be more to accept.
    @discardableResult
    mutating func accept(_ listener: Place<ListenerState>) -> Bool {
        let id = listener.value.id
        let limit = plan.value.listeners[id].connectionLimit
        for _ in 0..<acceptBudget {
            let bound = min(limit, connectionCapacity)
            if isShakingEnough(id) {
                // The queue of the kernel holds them until those who were first are done.
                pause(listener)
                say(.handshakes(listener: id, count: handshakeCount))
                return false
            }
            if clients.isFull
                || listenerCells[id].connections.load(ordering: .relaxed) >= bound
            {
                pause(listener)
                say(.bound(listener: id, connections: bound))
                return false
            }
            switch kernel.accept(listener.value.socket) {
            case .none:
                // Nobody waits any more.
                if hasSaidPaused {
                    hasSaidPaused = false
                    control.post(.acceptingResumed(loop: loop))
                }
                return false
            case .failed(let error):
                // Keeps serving what it has. The socket stays readable: without the rest, the
                // loop would spin.
                pause(listener)
                listener.value.restsUntil = now + .milliseconds(100)
                if error.isExhaustion { say(.descriptors) }
                return false
            case .connection(let socket, let peer):
                admit(socket, from: peer, listener: id)
            }
        }
        return true
    }

    private mutating func say(_ cause: LoopNotice.PauseCause) {
        guard !hasSaidPaused else { return }
        hasSaidPaused = true
        control.post(.acceptingPaused(loop: loop, cause))
    }

    private mutating func admit(
        _ socket: consuming FileDescriptor, from peer: SocketAddress, listener: Int
    ) {
        counters.acceptedConnections &+= 1
        // Whoever connects to a listener with PROXY headers is a balancer, not a client.
        let announces = !plan.value.listeners[listener].proxyHeaders.isEmpty
        // Nobody has an address there, so nobody is told apart.
        let isNameless = announces || peer.isUnix
        let bound = isNameless ? .max : plan.value.listeners[listener].connectionsPerClient
        if bound != .max, !clientCounts.enter(peer, bound: bound) {
            counters.refusedConnections &+= 1
            kernel.resetOnClose(socket)
            kernel.close(socket)
            return
        }
        listenerCells[listener].connections.wrappingAdd(1, ordering: .relaxed)
        let client = clients.insert(
            Downstream(socket: socket, peer: peer, listener: UInt16(listener)))
        client.value.isCounted = bound != .max
        do throws(Errno) {
            try kernel.watch(
                client.value.socket, key: WatchedKind.client.key(client.token), .edges)
        } catch {
            close(client)
            return
        }
        if announces {
            beginAnnouncement(client, listener)
        } else {
            beginTalking(client, listener)
        }
    }

    /// The client is known: what it has to say comes next.
    mutating func beginTalking(_ client: Client, _ listener: Int) {
        if beginHandshake(client, listener) { return }
        if plan.value.listeners[listener].passesTLS {
            client.value.phase = .naming
            setDeadline(client, now + plan.value.listeners[listener].handshakeTimeout)
            return
        }
        let tunnel = plan.value.listeners[listener].tunnelRoute
        if tunnel >= 0 {
            beginTunnel(client, tunnel)
            return
        }
        client.value.phase = .idle
        setDeadline(client, now + plan.value.listeners[listener].headerTimeout)
    }

    private mutating func pause(_ listener: Place<ListenerState>) {
        guard !listener.value.isPaused else { return }
        listener.value.isPaused = true
        pausedListenerCount += 1
        kernel.unwatch(listener.value.socket)
    }

    mutating func resumeListeners() {
        for index in 0..<listeners.usedSlotCount {
            guard let listener = listeners.place(at: index), listener.value.isPaused,
                now >= listener.value.restsUntil
            else { continue }
            let id = listener.value.id
            let limit = min(
                plan.value.listeners[id].connectionLimit, connectionCapacity)
            guard !clients.isFull, !isShakingEnough(id),
                listenerCells[id].connections.load(ordering: .relaxed) < limit
            else { continue }
            // After exhaustion, one more try each time round: accept says if it is over.
            do throws(Errno) {
                try kernel.watch(
                    listener.value.socket, key: WatchedKind.listener.key(listener.token), .level)
                listener.value.isPaused = false
                pausedListenerCount -= 1
            } catch {
                // Still no memory for the registration: looked at again in the next turn.
            }
        }
    }

    mutating func listen(_ id: Int, on socket: consuming FileDescriptor) {
        // There are no more of them than numbers: each has closed before its number is free.
        let listener = listeners.insert(ListenerState(socket: socket, id: id))
        listenerTokens[id] = listener.token
        do throws(Errno) {
            try kernel.watch(
                listener.value.socket, key: WatchedKind.listener.key(listener.token), .level)
        } catch {
            listener.value.isPaused = true
            pausedListenerCount += 1
        }
    }

    /// Accepts what waits in the queue, so that nobody who has connected is turned away, then
    /// closes the listening socket.
    mutating func stopListening(_ id: Int) {
        guard let listener = listeners.place(of: listenerTokens[id]) else { return }
        ListeningSocket.stopQueueing(listener.value.socket)
        while accept(listener) {}
        if listener.value.isPaused {
            pausedListenerCount -= 1
        } else {
            kernel.unwatch(listener.value.socket)
        }
        let state = listeners.remove(listener)
        kernel.close(state.socket)
    }

    // MARK: - Closing

    /// Ends a connection whose exchange, if any, has ended. The descriptor is closed at the
    /// end of the turn.
    ///
    /// - Parameter isClean: what the client got is all that it was to get; with TLS, it is told.
    mutating func close(_ client: Client, isClean: Bool = true) {
        guard client.value.phase != .closed else { return }
        precondition(client.value.exchange == nil, "its exchange ends first")
        if client.value.link.kind == .stream {
            client.value.phase = .closed
            wheel.cancel(timer(of: client))
            streamClientCount -= 1
            discardStream(client.value.link, isDone: false)
            closedClients.push(client.token)
            return
        }
        if client.value.phase == .multiplexing {
            dropSession(client)
            guard client.value.phase != .closed else { return }
        }
        if client.value.link.kind == .secure {
            if client.value.phase == .handshaking { leaveHandshake(secure(client.value.link)) }
            if isClean { sayGoodbye(client.value.socket, secure(client.value.link)) }
        }
        client.value.phase = .closed
        wheel.cancel(timer(of: client))
        let id = Int(client.value.listener)
        listenerCells[id].connections.wrappingSubtract(1, ordering: .relaxed)
        if client.value.isCounted { clientCounts.leave(client.value.peer) }
        closedClients.push(client.token)
    }

    /// Ends a connection so that the client sees a reset: what it got must not look complete.
    mutating func abort(_ client: Client) {
        guard client.value.phase != .closed else { return }
        if client.value.link.kind != .stream { kernel.resetOnClose(client.value.socket) }
        close(client, isClean: false)
    }

    /// Stops sending and discards what the client still sends until it finishes, so that an answer
    /// on its way is not destroyed by a reset for bytes that nobody read (RFC 9112 §9.6).
    mutating func closeGently(_ client: Client) {
        guard client.value.phase != .closed else { return }
        if client.value.ready.contains(.broken) || client.value.link.kind == .stream {
            close(client)
            return
        }
        finishSending(client.value.socket, client.value.link)
        client.value.phase = .lingering
        setLingering(client)
        linger(client)
    }

    /// How long a client that is being left may pause between two pieces of what it still sends.
    private var lingerPause: Interval { .seconds(5) }
    /// How long it may go on.
    private var lingerTotal: Interval { .seconds(30) }

    /// Sets the bounds of an end that begins, or has made progress: first that of a write, while
    /// there is something to be written, then those of what is discarded.
    mutating func setLingering(_ client: Client) {
        if hasPending(client) {
            let listener = Int(client.value.listener)
            setDeadline(client, now + plan.value.listeners[listener].writeTimeout)
        } else {
            client.value.lingersUntil = now + lingerTotal
            setDeadline(client, now + lingerPause)
        }
    }

    /// Reads and forgets, as much as one turn allows.
    mutating func linger(_ client: Client) {
        if client.value.ready.contains(.broken) {
            close(client)
            return
        }
        if !client.value.input.hasBlock {
            guard let block = blocks.take(.small) else {
                close(client)
                return
            }
            client.value.input = block
        }
        var hasRead = false
        for _ in 0..<16 {
            guard client.value.ready.contains(.readable) else { break }
            client.value.input.reset()
            // What nobody will look at is not decrypted.
            switch receive(
                client.value.socket, Link(), &client.value.ready, into: &client.value.input,
                atMost: .max)
            {
            case .bytes:
                hasRead = true
            case .wouldBlock: break
            case .endOfStream, .failed:
                close(client)
                return
            }
        }
        if hasRead, !hasPending(client) {
            setDeadline(client, min(now + lingerPause, client.value.lingersUntil))
        }
        if client.value.ready.contains(.readable) {
            enqueue(client)
        } else {
            blocks.recycle(exchange(&client.value.input, with: Buffer()))
        }
    }
}
