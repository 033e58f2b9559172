import HTTP
import HTTP1
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
            tunnelEnded(turn)
            return
        }
        if moved || turn.value.deadline == .never || !turn.value.isTunnelTimed {
            turn.value.isTunnelTimed = true
            let timeout = turn.value.plan.value.routePlans[Int(turn.value.route)].tunnelTimeout
            setExchangeDeadline(turn, timeout == .forever ? .never : now + timeout)
        }
    }

    private mutating func tunnelEnded(_ turn: Turn) {
        let client = turn.value.client
        dropServer(turn)
        settle(turn)
        close(client)
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
        from source: borrowing FileDescriptor, _ sourceLink: Link, _ input: inout Buffer,
        _ ready: inout Readiness,
        to target: borrowing FileDescriptor, _ targetLink: Link, _ targetReady: inout Readiness,
        isClosed: inout Bool
    ) -> TunnelStep {
        var step = TunnelStep()
        guard !isClosed else { return step }
        if !input.isEmpty {
            switch send(target, targetLink, input.bytes) {
            case .bytes(let count):
                input.consume(count)
                step.sentCount = count
                step.moved = true
                guard input.isEmpty else {
                    targetReady.remove(.writable)
                    return step
                }
            case .wouldBlock:
                targetReady.remove(.writable)
                return step
            case .failed, .endOfStream:
                step.isBroken = true
                return step
            }
        }
        guard ready.contains(.readable) else {
            blocks.recycle(exchange(&input, with: Buffer()))
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
            // Sent in the next round.
            step.moved = true
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
}
