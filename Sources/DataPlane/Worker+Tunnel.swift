import HTTP
import HTTP1
import Health
import Linux
import Memory
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// The server agreed to another protocol: from here on, bytes (RFC 9110 §7.8).
    mutating func switchProtocols(
        _ head: ResponseHead, _ turn: Turn, _ server: Server
    ) -> Bool {
        guard turn.value.head.isUpgrade, head.isUpgrade, turn.value.isRequestSent else {
            turn.value.rule = "unexpected-101"
            attemptFailed(turn, .upgradeFailed, nothingSent: false)
            return false
        }
        let client = turn.value.client
        turn.value.status = 101
        turn.value.answeredAt = now
        turn.value.hasAnswered = true
        noteAnswer(turn, status: 101)
        composeResponseHead(turn, server, head)
        server.value.input.consume(head.headByteCount)
        guard sendScratch(turn, client) else { return false }

        // The head is all that the log will want: a tunnel that is silent owns no block.
        let start = turn.value.headStart
        let headCount = turn.value.head.headByteCount
        var saved = Buffer(capacity: headCount)
        saved.append(client.value.input.span(from: start, to: start + headCount))
        turn.value.savedHead = saved
        client.value.input.consume(turn.value.rawStart - client.value.input.start)
        turn.value.stage = .tunnel
        turn.value.clientPersists = false
        turn.value.totalDeadline = .never
        pumpTunnel(turn)
        return false
    }

    /// A connection of a listener for bytes: it goes to one server, whole.
    mutating func beginTunnel(_ client: Client, _ route: Int32) {
        guard case .service(let id) = plan.value.routePlans[Int(route)].action,
            let service = services.place(of: serviceTokens[Int(id)])
        else { preconditionFailure("a listener for bytes has a service") }
        client.value.phase = .exchanging
        client.value.requestCount &+= 1
        let turn = exchanges.insert(
            Exchange(client: client, plan: plan, head: .none, headStart: 0, now: now))
        client.value.exchange = turn
        plan.value.leaseCount += 1
        turn.value.isRaw = true
        turn.value.requestID = identifiers.next()
        turn.value.clientPersists = false
        turn.value.route = route
        turn.value.service = service
        service.value.exchangeCount += 1
        service.value.requestCount += 1
        service.value.retryBudget.requestStarted(now: now)
        choose(turn)
    }

    /// The server's connection is there, or will be: from then on, bytes.
    mutating func openTunnel(_ turn: Turn, _ server: Server) {
        // Before its first edge a connection is still being made.
        guard server.value.phase == .leased || server.value.ready.contains(.writable) else {
            return
        }
        if server.value.phase == .connecting {
            server.value.phase = .leased
            turn.value.connectNanoseconds += (now - turn.value.attemptBegan).nanoseconds
        }
        server.value.hasSentAnything = true
        turn.value.hasAnswered = true
        turn.value.isRequestSent = true
        turn.value.sentAt = now
        turn.value.answeredAt = now
        turn.value.stage = .tunnel
        turn.value.totalDeadline = .never
        noteAnswer(turn, status: 200)
        pumpTunnel(turn)
    }

    /// Moves what both sides have, as far as both sides allow; each direction ends alone.
    mutating func pumpTunnel(_ turn: Turn) {
        guard let server = turn.value.server else { return }
        let client = turn.value.client
        var moved = false
        for round in 0..<17 {
            if round == 16 {
                enqueue(client)
                break
            }
            var progress = false
            if !client.value.output.isEmpty {
                let before = client.value.output.count
                _ = flush(client)
                guard turn.isValid else { return }
                progress = client.value.output.count < before
            }
            if client.value.output.isEmpty {
                let step = tunnelStep(
                    &turn.value.responsePipe,
                    from: server.value.socket, server.value.link, &server.value.input,
                    &server.value.ready,
                    to: client.value.socket, client.value.link, &client.value.ready,
                    isClosed: &turn.value.closesTunnelToClient)
                turn.value.bytesOut += UInt64(step.sentCount)
                if step.isBroken {
                    tunnelEnded(turn)
                    return
                }
                progress = progress || step.moved
            }
            let step = tunnelStep(
                &turn.value.requestPipe,
                from: client.value.socket, client.value.link, &client.value.input,
                &client.value.ready,
                to: server.value.socket, server.value.link, &server.value.ready,
                isClosed: &turn.value.closesTunnelToServer)
            turn.value.bytesIn += UInt64(step.sentCount)
            if step.isBroken {
                tunnelEnded(turn)
                return
            }
            progress = progress || step.moved
            guard progress else { break }
            moved = true
        }
        if turn.value.closesTunnelToClient, turn.value.closesTunnelToServer {
            let isOwedToServer = hasPending(server) && !server.value.ready.contains(.broken)
            guard isOwedToServer || hasPending(client) else {
                tunnelEnded(turn)
                return
            }
            // Both have finished; what one of them has not taken yet is still owed.
            let listener = Int(client.value.listener)
            setExchangeDeadline(
                turn, now + turn.value.plan.value.listeners[listener].writeTimeout)
            return
        }
        if moved || turn.value.deadline == .never || !turn.value.isTunnelTimed {
            turn.value.isTunnelTimed = true
            let timeout =
                turn.value.terms?.value.tunnelTimeout
                ?? turn.value.plan.value.routePlans[Int(turn.value.route)].tunnelTimeout
            setExchangeDeadline(turn, timeout == .forever ? .never : now + timeout)
        }
    }

    private mutating func tunnelEnded(_ turn: Turn) {
        let client = turn.value.client
        dropServer(turn)
        settle(turn)
        if hasPending(client) { closeGently(client) } else { close(client) }
    }

    /// What one step of one direction did.
    private struct TunnelStep {
        /// Handed to the kernel for the other side.
        var sentCount = 0
        /// Something was sent or read: another step may go on from there.
        var moved = false
        var isBroken = false
    }

    /// Sends what `input` holds, then reads once more.
    private mutating func tunnelStep(
        _ pipe: inout Place<Pipe>?,
        from source: borrowing FileDescriptor, _ sourceLink: Link, _ input: inout Buffer,
        _ ready: inout Readiness,
        to target: borrowing FileDescriptor, _ targetLink: Link, _ targetReady: inout Readiness,
        isClosed: inout Bool
    ) -> TunnelStep {
        var step = TunnelStep()
        guard !isClosed else { return step }
        if let full = pipe {
            let result = tunnelSplice(
                full, from: source, &ready, to: target, &targetReady)
            // A stream that pauses gives its pipe to others.
            if full.value.fill == 0, !result.moved, !result.isBroken {
                pipes.put(full)
                pipe = nil
                if !ready.contains(.readable) { return result }
            } else {
                return result
            }
        }
        if !input.isEmpty {
            push(&input, to: target, targetLink, &targetReady, &step)
            guard input.isEmpty, !step.isBroken else { return step }
        }
        guard ready.contains(.readable) else {
            blocks.recycle(exchange(&input, with: Buffer()))
            return step
        }
        if input.isEmpty, input.hasBlock, input.end == input.capacity,
            sourceLink.kind == .plain, targetLink.kind == .plain, let empty = pipes.take(&kernel)
        {
            // The last read filled the block: more will come, and need not be copied.
            pipe = empty
            blocks.recycle(exchange(&input, with: Buffer()))
            step.moved = true
            return step
        }
        if !input.hasBlock {
            // No block to be had: the edge is written down, the next turn tries again.
            guard let block = blocks.take(.small) else { return step }
            input = block
        }
        input.reset()
        switch receive(source, sourceLink, &ready, into: &input, atMost: .max) {
        case .bytes:
            step.moved = true
            push(&input, to: target, targetLink, &targetReady, &step)
            return step
        case .wouldBlock:
            blocks.recycle(exchange(&input, with: Buffer()))
            return step
        case .endOfStream:
            isClosed = true
            finishSending(target, targetLink)
            blocks.recycle(exchange(&input, with: Buffer()))
            return step
        case .failed:
            step.isBroken = true
            return step
        }
    }

    /// Sends what `input` holds, as far as the target takes it.
    private mutating func push(
        _ input: inout Buffer, to target: borrowing FileDescriptor, _ link: Link,
        _ ready: inout Readiness, _ step: inout TunnelStep
    ) {
        switch send(target, link, input.bytes) {
        case .bytes(let count):
            input.consume(count)
            step.sentCount += count
            step.moved = true
            if !input.isEmpty { ready.remove(.writable) }
        case .wouldBlock:
            ready.remove(.writable)
        case .failed, .endOfStream:
            step.isBroken = true
        }
    }

    /// One step of one direction through a pipe: what it holds goes out, then more comes in.
    private mutating func tunnelSplice(
        _ pipe: Place<Pipe>, from source: borrowing FileDescriptor, _ ready: inout Readiness,
        to target: borrowing FileDescriptor, _ targetReady: inout Readiness
    ) -> TunnelStep {
        var step = TunnelStep()
        while pipe.value.fill > 0 {
            switch kernel.splice(from: &pipe.value, to: target) {
            case .bytes(let count):
                step.sentCount += count
                step.moved = true
            case .wouldBlock:
                targetReady.remove(.writable)
                return step
            case .failed, .endOfStream:
                step.isBroken = true
                return step
            }
        }
        guard ready.contains(.readable) else { return step }
        switch kernel.splice(from: source, into: &pipe.value, atMost: pipe.value.capacity) {
        case .bytes: step.moved = true
        // The end is met by the next read.
        case .wouldBlock: ready.remove(.readable)
        case .endOfStream: break
        case .failed: step.isBroken = true
        }
        return step
    }
}
