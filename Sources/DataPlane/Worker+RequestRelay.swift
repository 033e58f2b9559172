import Configuration
import HTTP
import HTTP1
import Linux
import Memory
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// From this much known content on, `splice(2)` moves it without copying: better than
    /// large blocks by 10 % at 256 KiB and 2.5 times at 10 MiB (`measured.md` 4).
    var spliceFloor: UInt64 { 256 << 10 }

    /// Content up to this size is copied behind the head, so that one `send` takes both.
    var joinLimit: Int { Bounds.joinedContent }

    /// Sets when the exchange is looked at again, `total` allowing.
    mutating func setExchangeDeadline(_ turn: Turn, _ deadline: LoopInstant) {
        let earliest = min(deadline, turn.value.totalDeadline)
        turn.value.deadline = earliest
        setDeadline(turn.value.client, earliest)
    }

    /// Sends the head, and what there is of the content, on a fresh lease.
    mutating func sendRequest(_ turn: Turn) {
        guard let server = turn.value.server else { return }
        if server.value.owesAnnouncement {
            guard announce(turn, server) else { return }
        }
        if server.value.link.kind == .secure, !isEstablished(server) {
            guard advanceHandshake(turn, server) else { return }
        }
        if turn.value.isRaw {
            openTunnel(turn, server)
            return
        }
        // What came in with the head is content that goes out with it.
        if !turn.value.isRequestReceived {
            guard takeRequestContent(turn) else { return }
        }
        turn.value.sentEnd = turn.value.contentStart
        guard composeRequestHead(turn) else {
            attemptFailed(turn, .internalError, nothingSent: true)
            return
        }
        let scratch = scratch
        let client = turn.value.client
        let contentCount = turn.value.validEnd - turn.value.sentEnd
        let isJoined = contentCount > 0 && contentCount <= joinLimit
        if isJoined {
            scratch.value.append(
                client.value.input.span(from: turn.value.sentEnd, to: turn.value.validEnd))
        }
        let headCount = scratch.value.count
        let result =
            contentCount > 0 && !isJoined
            ? send(
                server, scratch.value.bytes,
                client.value.input.span(from: turn.value.sentEnd, to: turn.value.validEnd))
            : send(server, scratch.value.bytes)
        switch result {
        case .wouldBlock:
            // Still connecting: composed again when the edge comes.
            server.value.ready.remove(.writable)
            if server.value.phase == .leased { turn.value.stage = .connecting }
            return
        case .failed(let error):
            attemptFailed(
                turn,
                server.value.phase == .connecting ? connectReason(error) : .serverClosedEarly,
                nothingSent: true)
            return
        case .endOfStream:
            preconditionFailure("sending meets no end of stream")
        case .bytes(let count):
            if server.value.phase == .connecting {
                server.value.phase = .leased
                turn.value.connectNanoseconds += (now - turn.value.attemptBegan).nanoseconds
            }
            server.value.hasSentAnything = true
            turn.value.stage = .relaying
            turn.value.sentAt = now
            if isJoined { turn.value.sentEnd = turn.value.validEnd }
            if count < headCount {
                scratch.value.consume(count)
                guard keep(&server.value.output) else {
                    attemptFailed(turn, .internalError, nothingSent: false)
                    return
                }
            } else if !isJoined {
                turn.value.sentEnd += count - headCount
            }
        }
        pumpRequest(turn)
    }

    /// Moves what is left in the scratch block into a block of its own, for later. It fits
    /// (``Bounds/block``).
    ///
    /// - Returns: `false` when there is no block.
    mutating func keep(_ output: inout Buffer) -> Bool {
        let size: BufferPool.Size =
            scratch.value.count <= BufferPool.smallByteCount ? .small : .large
        guard scratch.value.count <= BufferPool.largeByteCount, var block = blocks.take(size)
        else { return false }
        block.append(scratch.value.bytes)
        blocks.recycle(exchange(&output, with: block))
        return true
    }

    /// Moves the request's content towards the server, as far as both sides allow.
    mutating func pumpRequest(_ turn: Turn) {
        guard turn.value.stage == .relaying, let server = turn.value.server else { return }
        let client = turn.value.client
        for _ in 0..<32 {
            if !server.value.output.isEmpty {
                switch send(server, server.value.output.bytes) {
                case .bytes(let count):
                    server.value.output.consume(count)
                    guard server.value.output.isEmpty else {
                        requestStalled(turn, server)
                        return
                    }
                    blocks.recycle(exchange(&server.value.output, with: Buffer()))
                case .wouldBlock:
                    requestStalled(turn, server)
                    return
                case .failed, .endOfStream:
                    requestRefused(turn)
                    return
                }
            }
            if turn.value.sentEnd < turn.value.validEnd {
                let result = send(
                    server,
                    client.value.input.span(from: turn.value.sentEnd, to: turn.value.validEnd))
                switch result {
                case .bytes(let count):
                    turn.value.sentEnd += count
                    if turn.value.sentEnd < turn.value.validEnd {
                        requestStalled(turn, server)
                        return
                    }
                case .wouldBlock:
                    requestStalled(turn, server)
                    return
                case .failed, .endOfStream:
                    requestRefused(turn)
                    return
                }
            }
            if turn.value.requestPipe != nil {
                guard spliceRequest(turn, server) else { return }
                continue
            }
            if turn.value.isRequestReceived {
                if hasPending(server) {
                    requestStalled(turn, server)
                } else {
                    requestSent(turn)
                }
                return
            }
            if turn.value.rawStart < client.value.input.end, !turn.value.isDecoderHungry {
                guard takeRequestContent(turn) else { return }
                continue
            }
            guard client.value.ready.contains(.readable) else {
                awaitClient(turn)
                return
            }
            guard readRequestContent(turn) else { return }
        }
        // The budget of this turn is used up: the run queue brings it back.
        enqueue(client)
    }

    private mutating func requestSent(_ turn: Turn) {
        guard !turn.value.isRequestSent else { return }
        turn.value.isRequestSent = true
        turn.value.sentAt = now
        if turn.value.responseStage == .awaitingHead {
            let timeout =
                turn.value.plan.value.routePlans[Int(turn.value.route)].responseTimeout
            setExchangeDeadline(turn, now + timeout)
        }
    }

    /// The server takes no more for now; it must within the idle time.
    private mutating func requestStalled(_ turn: Turn, _ server: Server) {
        server.value.ready.remove(.writable)
        guard turn.value.responseStage == .awaitingHead else { return }
        let timeout = turn.value.plan.value.routePlans[Int(turn.value.route)].idleTimeout
        setExchangeDeadline(turn, now + timeout)
    }

    private mutating func awaitClient(_ turn: Turn) {
        guard turn.value.responseStage == .awaitingHead else { return }
        let listener = Int(turn.value.client.value.listener)
        setExchangeDeadline(turn, now + turn.value.plan.value.listeners[listener].readTimeout)
    }

    /// The server stopped taking the request. It may have answered before: then that counts.
    private mutating func requestRefused(_ turn: Turn) {
        guard let server = turn.value.server else { return }
        server.value.ready.insert(.readable)
        turn.value.isSendingRefused = true
        pumpResponse(turn)
    }

    /// Validates raw bytes that were received, in place.
    ///
    /// - Returns: `false` when the content was refused, and the exchange has ended.
    private mutating func takeRequestContent(_ turn: Turn) -> Bool {
        let client = turn.value.client
        let end = client.value.input.end
        switch turn.value.head.framing {
        case .noContent:
            return true
        case .contentLength:
            let count = Int(
                min(UInt64(end - turn.value.rawStart), turn.value.requestRemaining))
            turn.value.requestRemaining -= UInt64(count)
            turn.value.bytesIn += UInt64(count)
            turn.value.rawStart += count
            turn.value.validEnd = turn.value.rawStart
            turn.value.isRequestReceived = turn.value.requestRemaining == 0
            return true
        case .chunked:
            do throws(ChunkedError) {
                let from = turn.value.rawStart
                let decoded = try turn.value.requestDecoder.decode(
                    &client.value.input, from: from, to: end, keepsFraming: true)
                if turn.value.validEnd < from {
                    // Extensions were dropped before: what follows closes up to what is valid.
                    client.value.input.copy(
                        from: from, to: turn.value.validEnd, count: decoded.outputEnd - from)
                }
                turn.value.validEnd += decoded.outputEnd - from
                turn.value.rawStart = decoded.consumedEnd
                turn.value.bytesIn += UInt64(decoded.contentByteCount)
                turn.value.isRequestReceived = decoded.isComplete
                turn.value.isDecoderHungry =
                    !decoded.isComplete && decoded.consumedEnd < end
            } catch {
                turn.value.rule = error.rule
                requestBroken(turn, .badRequest)
                return false
            }
            let limit =
                turn.value.terms?.value.bodyLimit
                ?? turn.value.plan.value.listeners[Int(client.value.listener)].bodyLimit
            if turn.value.bytesIn > limit {
                requestBroken(turn, .bodyTooLarge)
                return false
            }
            return true
        }
    }

    /// The client broke a rule, or left, in the middle of its content.
    private mutating func requestBroken(_ turn: Turn, _ reason: Reason) {
        turn.value.clientPersists = false
        dropServer(turn)
        if turn.value.hasAnswered {
            cut(turn, reason)
        } else {
            answer(turn, reason)
        }
    }

    /// Reads more content from the client; room is made first, which may give up the right to
    /// a second attempt.
    ///
    /// - Returns: `false` when there is nothing more to do now.
    private mutating func readRequestContent(_ turn: Turn) -> Bool {
        let client = turn.value.client
        if turn.value.canReplay,
            turn.value.validEnd - turn.value.contentStart
                > turn.value.plan.value.routePlans[Int(turn.value.route)].replayBytes
        {
            turn.value.canReplay = false
        }
        if case .contentLength = turn.value.head.framing, !turn.value.canReplay,
            turn.value.requestRemaining >= spliceFloor,
            turn.value.sentEnd == turn.value.validEnd,
            client.value.link.kind == .plain, turn.value.server?.value.link.kind == .plain,
            let pipe = pipes.take(&kernel)
        {
            turn.value.requestPipe = pipe
            return true
        }
        guard makeContentRoom(turn) else { return false }
        let room = client.value.input.room
        let limit: Int
        if case .contentLength = turn.value.head.framing {
            limit = Int(min(UInt64(room), turn.value.requestRemaining))
        } else {
            limit = room
        }
        switch receive(client, atMost: limit) {
        case .bytes:
            turn.value.isDecoderHungry = false
            return true
        case .wouldBlock:
            awaitClient(turn)
            return false
        case .endOfStream, .failed:
            clientGone(turn)
            return false
        }
    }

    private mutating func makeContentRoom(_ turn: Turn) -> Bool {
        let client = turn.value.client
        let isLarge = client.value.input.capacity == BufferPool.largeByteCount
        // Content that is longer than what came with its head gets a large block.
        let isWorthIt: Bool
        switch turn.value.head.framing {
        case .contentLength:
            isWorthIt = turn.value.requestRemaining > UInt64(client.value.input.room)
        default:
            isWorthIt = client.value.input.room < BufferPool.smallByteCount / 2
        }
        if !isLarge, isWorthIt {
            if mayForget(turn) { dropSentContent(turn) }
            let shift = client.value.input.start
            if growInput(client) {
                turn.value.headStart -= shift
                turn.value.validEnd -= shift
                turn.value.sentEnd -= shift
                turn.value.rawStart -= shift
            }
        }
        if turn.value.canReplay, client.value.input.room >= 1024 { return true }
        // All that is valid has been sent: only the head, and raw bytes that cannot be
        // decoded yet, are still needed.
        if !turn.value.canReplay || client.value.input.room == 0 { dropSentContent(turn) }
        guard client.value.input.room > 0 else {
            turn.value.rule = "chunk-too-large"
            requestBroken(turn, .badRequest)
            return false
        }
        return true
    }

    /// Whether content that has been sent will not be sent again: the request must not be
    /// repeated, or there is too much of it to be kept.
    private func mayForget(_ turn: Turn) -> Bool {
        guard turn.value.sentEnd == turn.value.validEnd,
            turn.value.server?.value.hasSentAnything == true
        else { return false }
        if !mayRepeat(turn) { return true }
        guard case .contentLength = turn.value.head.framing else { return false }
        let known = turn.value.validEnd - turn.value.contentStart
        let route = Int(turn.value.route)
        return turn.value.requestRemaining + UInt64(known)
            > UInt64(turn.value.plan.value.routePlans[route].replayBytes)
    }

    /// Makes room by forgetting content that has been sent, and with it the right to a second
    /// attempt; what cannot be decoded yet moves up behind the head.
    private mutating func dropSentContent(_ turn: Turn) {
        let client = turn.value.client
        turn.value.canReplay = false
        let rawCount = client.value.input.end - turn.value.rawStart
        let start = turn.value.contentStart
        client.value.input.copy(from: turn.value.rawStart, to: start, count: rawCount)
        client.value.input.setBounds(start: client.value.input.start, end: start + rawCount)
        turn.value.validEnd = start
        turn.value.sentEnd = start
        turn.value.rawStart = start
    }

    /// Moves content from socket to socket through a pipe.
    ///
    /// - Returns: whether to go on in this turn.
    private mutating func spliceRequest(_ turn: Turn, _ server: Server) -> Bool {
        guard let pipe = turn.value.requestPipe else { return true }
        let client = turn.value.client
        if pipe.value.fill > 0 {
            switch kernel.splice(from: &pipe.value, to: server.value.socket) {
            case .bytes:
                guard pipe.value.fill == 0 else {
                    requestStalled(turn, server)
                    return false
                }
            case .wouldBlock:
                requestStalled(turn, server)
                return false
            case .failed, .endOfStream:
                requestRefused(turn)
                return false
            }
        }
        if turn.value.requestRemaining == 0 {
            turn.value.isRequestReceived = true
            pipes.put(pipe)
            turn.value.requestPipe = nil
            return true
        }
        guard client.value.ready.contains(.readable) else {
            awaitClient(turn)
            return false
        }
        let limit = Int(min(UInt64(pipe.value.capacity), turn.value.requestRemaining))
        switch kernel.splice(from: client.value.socket, into: &pipe.value, atMost: limit) {
        case .bytes(let count):
            turn.value.requestRemaining -= UInt64(count)
            turn.value.bytesIn += UInt64(count)
            return true
        case .wouldBlock:
            // A pipe that was empty had room: it is the socket that has nothing.
            client.value.ready.remove(.readable)
            awaitClient(turn)
            return false
        case .endOfStream, .failed:
            clientGone(turn)
            return false
        }
    }
}
