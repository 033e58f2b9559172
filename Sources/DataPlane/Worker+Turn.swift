import Balancing
import Linux
import Memory
import Reactor
import Timing

/// What a watched key names.
enum WatchedKind: UInt64 {
    case listener = 0
    case bell = 1
    case client = 2
    case server = 3

    func key(_ token: Token) -> UInt64 {
        UInt64(token.generation) << 32 | rawValue << 30 | UInt64(token.slot)
    }

    static func token(_ key: UInt64) -> Token {
        Token(
            slot: UInt32(truncatingIfNeeded: key & 0x3FFF_FFFF),
            generation: UInt32(truncatingIfNeeded: key >> 32))
    }
}

// The turn of a loop:
//
//     wait → read clock → events → run queue → due timers → held slots → marks → HTTP/2 output
//          → close
//
// What ends does not start something else by calling it: it marks what has become possible, and
// the turn goes through the marks, so many of them and the rest in the next turn. A server that
// dies with thousands of requests waiting for it costs many turns, and no stack.
//
// Work per event is bounded; a connection that stopped early is put into the run queue: that,
// not a new edge, is what brings it back. Closing last means that a descriptor number cannot
// be reused while the batch may still mention it; the generation in the token covers the rest.
extension Worker where Kernel: ~Copyable {
    /// Runs until the loop has drained.
    mutating func run() {
        do throws(Errno) {
            try mailbox.attach(
                to: &kernel, key: WatchedKind.bell.key(Token(slot: 0, generation: 0)))
        } catch {
            preconditionFailure("a new epoll instance takes a new eventfd")
        }
        while !isStopped { turn() }
    }

    mutating func turn() {
        let count = kernel.wait(timeToWait())
        now = kernel.now()
        turnNumber &+= 1
        handshakeBudget = handshakeStepsPerTurn
        hasWaitingHandshakes = postponesHandshakes
        postponesHandshakes = false
        if count > 1 { hearIdle(count) }
        for index in 0..<count {
            let event = kernel.event(index)
            dispatch(event.key, event.readiness)
        }
        runQueued()
        runTimers()
        releaseHeldSlots()
        if holdAt <= now { releaseHeldRequests() }
        goThroughMarks()
        if !dirtySessions.isEmpty { flushSessions() }
        reap()
        trimBlocks()
        if pausedListenerCount > 0 { resumeListeners() }
        if let drainDeadline { continueDraining(until: drainDeadline) }
    }

    private func timeToWait() -> Interval? {
        guard runQueue.isEmpty, dirtySessions.isEmpty, closedClients.isEmpty,
            closedServers.isEmpty, firstChoosing == .max, wakingServices.isEmpty
        else { return .zero }
        var wait = wheel.timeToNext(now: now) ?? .forever
        if held.next != .never { wait = min(wait, held.next - now) }
        // Another loop may have closed the connection that makes room here.
        if pausedListenerCount > 0 { wait = min(wait, .milliseconds(100)) }
        if holdAt != .never { wait = min(wait, max(holdAt - now, .milliseconds(1))) }
        if trimAt != .never { wait = min(wait, max(trimAt - now, .milliseconds(1))) }
        if let drainDeadline { wait = min(wait, max(drainDeadline - now, .milliseconds(1))) }
        return wait == .forever ? nil : wait
    }

    /// Gives back, a second later, the blocks that a burst has left behind.
    private mutating func trimBlocks() {
        guard blocks.hasSurplus else {
            trimAt = .never
            return
        }
        if trimAt == .never {
            trimAt = now + .seconds(1)
        } else if trimAt <= now {
            blocks.trim()
            trimAt = now + .seconds(1)
        }
    }

    /// Hears what idle connections have to say before a request of the same batch can be sent on
    /// one of them: it was said before that request was made, and must not become its answer.
    private mutating func hearIdle(_ count: Int) {
        for index in 0..<count {
            let event = kernel.event(index)
            guard event.key >> 30 & 3 == WatchedKind.server.rawValue,
                let server = servers.place(of: WatchedKind.token(event.key)),
                server.value.phase == .idle
            else { continue }
            server.value.ready.formUnion(event.readiness)
            noteEdge(server.value.link, event.readiness)
            hearIdle(server)
        }
    }

    private mutating func dispatch(_ key: UInt64, _ readiness: Readiness) {
        let token = WatchedKind.token(key)
        switch key >> 30 & 3 {
        case WatchedKind.client.rawValue:
            guard let client = clients.place(of: token), client.value.phase != .closed else {
                return
            }
            client.value.ready.formUnion(readiness)
            noteEdge(client.value.link, readiness)
            drive(client)
        case WatchedKind.server.rawValue:
            guard let server = servers.place(of: token), server.value.phase != .closed else {
                return
            }
            server.value.ready.formUnion(readiness)
            noteEdge(server.value.link, readiness)
            drive(server)
        case WatchedKind.listener.rawValue:
            if let listener = listeners.place(of: token) { accept(listener) }
        default:
            for message in mailbox.collect() { receive(message) }
        }
    }

    /// Goes on with whatever the client's connection can do now.
    mutating func drive(_ client: Client) {
        if client.value.link.kind == .secure, !flushPending(client) { return }
        switch client.value.phase {
        case .announcing:
            readProxyHeader(client)
        case .naming:
            readName(client)
        case .handshaking:
            advanceHandshake(client)
        case .idle, .readingHead:
            if client.value.ready.contains(.broken) {
                close(client)
            } else {
                readHead(client)
            }
        case .exchanging:
            guard let turn = client.value.exchange else { return }
            drive(turn)
        case .multiplexing:
            driveSession(client)
        case .lingering:
            linger(client)
        case .closed:
            break
        }
    }

    private mutating func drive(_ server: Server) {
        if server.value.link.kind == .secure { flushPending(server) }
        if let turn = server.value.exchange {
            drive(turn)
        } else if server.value.phase == .multiplexing {
            driveSession(server)
        } else if server.value.phase == .idle {
            hearIdle(server)
        }
    }

    mutating func enqueue(_ client: Client) {
        guard !client.value.isQueued else { return }
        client.value.isQueued = true
        runQueue.push(client.token)
    }

    private mutating func runQueued() {
        isRunningQueue = true
        defer { isRunningQueue = false }
        // Only what was there at the start: who queues itself again waits for the next turn.
        for _ in 0..<runQueue.count {
            guard let token = runQueue.pop(), let client = clients.place(of: token) else {
                continue
            }
            client.value.isQueued = false
            if client.value.phase != .closed { drive(client) }
        }
    }

    private mutating func releaseHeldSlots() {
        while let number = held.popDue(now: now) { releaseSlot(SlotNote(number: number)) }
    }

    /// Frees what was closed during the turn; of very many, the rest in the next ones: the end of
    /// a connection with unread content costs the kernel some 20 µs.
    private mutating func reap() {
        for _ in 0..<Self.reaped(of: closedClients.count) {
            guard let token = closedClients.pop() else { break }
            guard let place = clients.place(of: token) else { continue }
            let client = clients.remove(place)
            discard(client)
        }
        for _ in 0..<Self.reaped(of: closedServers.count) {
            guard let token = closedServers.pop() else { break }
            guard let place = servers.place(of: token) else { continue }
            let server = servers.remove(place)
            discard(server)
        }
    }

    /// A quarter, so that no more ever wait than three turns have closed, however many that is.
    private static func reaped(of count: Int) -> Int { min(count, max(32, count / 4)) }

    private mutating func discard(_ client: consuming Downstream) {
        blocks.recycle(client.input)
        blocks.recycle(client.output)
        if client.link.kind == .secure { discardSecure(client.link) }
        kernel.close(client.socket)
    }

    mutating func discard(_ server: consuming Upstream) {
        blocks.recycle(server.input)
        blocks.recycle(server.output)
        if server.link.kind == .secure { discardSecure(server.link) }
        kernel.close(server.socket)
    }

    // MARK: - Timers

    /// Makes sure that the client's timer fires soon after `deadline`. Costs nothing when the
    /// wheel is armed for an earlier moment already.
    mutating func setDeadline(_ client: Client, _ deadline: LoopInstant) {
        client.value.deadline = deadline
        if deadline != .never { wheel.ensure(timer(of: client), by: deadline) }
    }

    private mutating func runTimers() {
        wheel.advance(to: now)
        while let number = wheel.takeDue() {
            if number < clients.capacity {
                guard let client = clients.place(at: number), client.value.phase != .closed
                else { continue }
                if client.value.deadline > now {
                    setDeadline(client, client.value.deadline)
                } else {
                    timeUp(client)
                }
            } else {
                guard let server = servers.place(at: number - clients.capacity),
                    server.value.phase != .closed
                else { continue }
                if server.value.deadline > now {
                    if server.value.deadline != .never {
                        wheel.ensure(number, by: server.value.deadline)
                    }
                } else if server.value.phase == .idle {
                    closeIdle(server)
                } else if server.value.phase == .multiplexing {
                    sessionTimeUp(server)
                }
            }
        }
    }

    // MARK: - The time of day

    /// Nanoseconds since 1970. The clock is read once a second; in between it is the loop's
    /// own.
    mutating func wallNow() -> Int64 {
        if now - wallReadAt >= .seconds(1) {
            wallReadAt = now
            wallOffset = kernel.wallClock() - Int64(now.nanoseconds)
        }
        return wallOffset + Int64(now.nanoseconds)
    }
}
