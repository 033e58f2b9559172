import HTTP
import HTTP1
import Linux
import Memory
import Synchronization
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// Goes on with an exchange after an edge on either side.
    mutating func drive(_ turn: Turn) {
        let client = turn.value.client
        if client.value.ready.contains(.broken) {
            clientGone(turn)
            return
        }
        switch turn.value.stage {
        case .queued, .choosing, .backingOff, .finished:
            break
        case .connecting:
            guard let server = turn.value.server else { return }
            if server.value.ready.contains(.broken) {
                let error = kernel.takeError(server.value.socket)
                attemptFailed(
                    turn,
                    server.value.phase == .connecting
                        ? connectReason(error ?? .connectionRefused) : .serverClosedEarly,
                    nothingSent: true)
            } else if server.value.ready.contains(.writable)
                || server.value.link.kind == .secure
            {
                sendRequest(turn)
            }
        case .relaying:
            guard hasShare(client) else { return }
            if !turn.value.isRequestSent, !turn.value.isSendingRefused { pumpRequest(turn) }
            if turn.isValid, turn.value.stage == .relaying { pumpResponse(turn) }
        case .tunnel:
            pumpTunnel(turn)
        case .answering:
            flushAnswer(turn)
        }
    }

    /// Whether the client may cost more in this turn; a stream whose connection has had its share
    /// goes on in the next.
    private mutating func hasShare(_ client: Client) -> Bool {
        guard client.value.link.kind == .stream,
            stream(client.value.link).value.session.value.share.isSpent(in: turnNumber)
        else { return true }
        enqueue(client)
        return false
    }

    /// Moves the response towards the client, as far as both sides allow.
    mutating func pumpResponse(_ turn: Turn) {
        guard turn.value.stage == .relaying, let server = turn.value.server else { return }
        let client = turn.value.client
        for _ in 0..<32 {
            if !client.value.output.isEmpty {
                guard flush(client) else {
                    guard client.value.phase != .closed else { return }
                    responseStalled(turn, client)
                    return
                }
            }
            if turn.value.responseStage == .awaitingHead {
                guard server.value.ready.contains(.readable) else { return }
                guard receiveResponseHead(turn, server) else { return }
                continue
            }
            if server.value.input.start < turn.value.responseValidEnd {
                guard sendContent(turn, server, client) else { return }
            }
            if turn.value.responsePipe != nil {
                guard spliceResponse(turn, server, client) else { return }
                continue
            }
            if turn.value.responseStage == .complete {
                if hasPending(client) {
                    responseStalled(turn, client)
                } else {
                    finish(turn)
                }
                return
            }
            if turn.value.responseRawStart < server.value.input.end,
                !turn.value.isResponseDecoderHungry
            {
                guard takeResponseContent(turn, server) else { return }
                continue
            }
            guard server.value.ready.contains(.readable) else {
                awaitServer(turn)
                return
            }
            guard readResponseContent(turn, server) else { return }
            guard hasShare(client) else { return }
        }
        enqueue(client)
    }

    /// Sends what the client has not taken yet.
    ///
    /// - Returns: whether all of it is gone. When not, either an edge will come, or the
    ///   exchange has ended because the client left.
    mutating func flush(_ client: Client) -> Bool {
        switch send(client, client.value.output.bytes) {
        case .bytes(let count):
            client.value.output.consume(count)
            guard client.value.output.isEmpty else {
                client.value.ready.remove(.writable)
                return false
            }
            blocks.recycle(exchange(&client.value.output, with: Buffer()))
            return true
        case .wouldBlock:
            client.value.ready.remove(.writable)
            return false
        case .failed, .endOfStream:
            if let turn = client.value.exchange { clientGone(turn) } else { close(client) }
            return false
        }
    }

    /// Sends the scratch block to the client, keeping what it does not take.
    ///
    /// - Returns: `false` when the client is gone, and with it the exchange.
    mutating func sendScratch(_ turn: Turn, _ client: Client) -> Bool {
        guard client.value.output.isEmpty else {
            // An interim response is still on its way out: ours comes behind it.
            guard client.value.output.room >= scratch.value.count else {
                cut(turn, .clientSlow)
                return false
            }
            client.value.output.append(scratch.value.bytes)
            return true
        }
        let scratch = scratch
        switch send(client, scratch.value.bytes) {
        case .bytes(let count):
            scratch.value.consume(count)
            if scratch.value.isEmpty { return true }
        case .wouldBlock:
            break
        case .failed, .endOfStream:
            clientGone(turn)
            return false
        }
        client.value.ready.remove(.writable)
        guard keep(&client.value.output) else {
            cut(turn, .internalError)
            return false
        }
        return true
    }

    /// The client takes no more for now; it must within the write timeout.
    private mutating func responseStalled(_ turn: Turn, _ client: Client) {
        let listener = Int(client.value.listener)
        turn.value.isAwaitingClient = true
        let timeout =
            turn.value.terms?.value.writeTimeout
            ?? turn.value.plan.value.listeners[listener].writeTimeout
        setExchangeDeadline(turn, now + timeout)
    }

    private mutating func awaitServer(_ turn: Turn) {
        turn.value.isAwaitingClient = false
        let timeout =
            turn.value.terms?.value.idleTimeout
            ?? turn.value.plan.value.routePlans[Int(turn.value.route)].idleTimeout
        setExchangeDeadline(turn, now + timeout)
    }

    // MARK: - The head

    /// Reads and parses the head of a response; interim ones are passed on.
    ///
    /// - Returns: whether to go on: a final head has been handled, or more may be read.
    private mutating func receiveResponseHead(_ turn: Turn, _ server: Server) -> Bool {
        if !server.value.input.hasBlock {
            guard let block = blocks.take(.small) else {
                attemptFailed(turn, .internalError, nothingSent: false)
                return false
            }
            server.value.input = block
        } else if server.value.input.room == 0 {
            guard growInput(server) else {
                attemptFailed(turn, .serverHeaderTooLarge, nothingSent: false)
                return false
            }
        }
        switch receive(server) {
        case .bytes:
            break
        case .wouldBlock:
            if turn.value.isSendingRefused {
                attemptFailed(turn, .serverClosedEarly, nothingSent: false)
            }
            return false
        case .endOfStream, .failed:
            attemptFailed(turn, .serverClosedEarly, nothingSent: !server.value.hasSentAnything)
            return false
        }
        return parseResponseHeads(turn, server)
    }

    private mutating func growInput(_ server: Server) -> Bool {
        if server.value.input.start > 0 {
            server.value.input.slide()
            return true
        }
        guard server.value.input.capacity == BufferPool.smallByteCount,
            var block = blocks.take(.large)
        else { return false }
        block.append(server.value.input.bytes)
        blocks.recycle(exchange(&server.value.input, with: block))
        return true
    }

    private mutating func parseResponseHeads(_ turn: Turn, _ server: Server) -> Bool {
        let client = turn.value.client
        for _ in 0..<64 {
            guard !server.value.input.isEmpty else { return true }
            fieldsOwner = Token(slot: 0, generation: 0)
            do throws(HeadError) {
                let limits =
                    turn.value.plan.value.listeners[Int(client.value.listener)].responseHeadLimits
                let parsed = try HeadParser.parseResponse(
                    server.value.input.bytes, limits: limits,
                    requestMethod: turn.value.head.method, fields: &fields)
                guard case .complete(let head, byteCount: _) = parsed else { return true }
                if head.status >= 200 { return finalHead(head, turn, server) }
                if head.status == 101 { return switchProtocols(head, turn, server) }
                guard passInterim(head, turn, server) else { return false }
            } catch {
                turn.value.rule = error.rule
                let isTooLarge = error == .headerTooLarge || error == .tooManyFields
                attemptFailed(
                    turn, isTooLarge ? .serverHeaderTooLarge : .serverBadAnswer,
                    nothingSent: false)
                return false
            }
        }
        turn.value.rule = "too-many-interim-responses"
        attemptFailed(turn, .serverBadAnswer, nothingSent: false)
        return false
    }

    /// Passes a 1xx on, to clients that know what it is (RFC 9110 §15.2).
    private mutating func passInterim(
        _ head: ResponseHead, _ turn: Turn, _ server: Server
    ) -> Bool {
        if turn.value.head.minorVersion >= 1 {
            composeResponseHead(turn, server, head)
            server.value.input.consume(head.headByteCount)
            return sendScratch(turn, turn.value.client)
        }
        server.value.input.consume(head.headByteCount)
        return true
    }

    private mutating func finalHead(
        _ head: ResponseHead, _ turn: Turn, _ server: Server
    ) -> Bool {
        noteLoad(turn, server)
        if turn.value.attemptCount > 0, retriesStatus(head.status, turn) { return false }
        let client = turn.value.client
        turn.value.status = UInt16(head.status)
        turn.value.answeredAt = now
        turn.value.serverPersists = head.persists
        turn.value.responseFraming = head.framing
        turn.value.responseStage = .content
        noteAnswer(turn, status: head.status)
        if turn.value.head.minorVersion == 0 {
            if head.framing == .chunked { turn.value.responseRewrite = .removeChunks }
            switch head.framing {
            case .chunked, .untilClose: turn.value.clientPersists = false
            default: break
            }
        } else if head.framing == .untilClose {
            turn.value.responseRewrite = .addChunks
        }
        switch head.framing {
        case .noContent: turn.value.responseStage = .complete
        case .contentLength(let byteCount):
            turn.value.responseRemaining = byteCount
            if byteCount == 0 { turn.value.responseStage = .complete }
        case .chunked, .untilClose: break
        }
        // An answer before the end of the request: the client's connection ends after it, because
        // nothing more of the request may be wanted, and what is left of it cannot be told from
        // the next one cheaply.
        if !turn.value.isRequestReceived { turn.value.clientPersists = false }

        composeResponseHead(turn, server, head)
        let start = server.value.input.start + head.headByteCount
        server.value.input.consume(head.headByteCount)
        turn.value.responseValidEnd = start
        turn.value.responseRawStart = start
        if turn.value.responseStage == .content, start < server.value.input.end {
            if turn.value.responseRewrite == .addChunks {
                scratch.value.append(hexadecimal: UInt64(server.value.input.end - start))
                scratch.value.append("\r\n")
                turn.value.hasOpenChunk = true
            }
            guard takeResponseContent(turn, server) else { return false }
        }
        return sendHead(turn, server, client)
    }

    /// Sends the composed head, with the content that came with it if it is short.
    private mutating func sendHead(_ turn: Turn, _ server: Server, _ client: Client) -> Bool {
        turn.value.hasAnswered = true
        let count = turn.value.responseValidEnd - server.value.input.start
        if count > 0, count <= joinLimit, client.value.output.isEmpty {
            scratch.value.append(
                server.value.input.span(
                    from: server.value.input.start, to: turn.value.responseValidEnd))
            server.value.input.consume(count)
            return sendScratch(turn, client)
        }
        guard count > 0, client.value.output.isEmpty else { return sendScratch(turn, client) }
        let scratch = scratch
        let headCount = scratch.value.count
        let result = send(
            client, scratch.value.bytes,
            server.value.input.span(
                from: server.value.input.start, to: turn.value.responseValidEnd))
        switch result {
        case .bytes(let sent):
            if sent >= headCount {
                server.value.input.consume(sent - headCount)
                return true
            }
            scratch.value.consume(sent)
        case .wouldBlock:
            break
        case .failed, .endOfStream:
            clientGone(turn)
            return false
        }
        client.value.ready.remove(.writable)
        guard keep(&client.value.output) else {
            cut(turn, .internalError)
            return false
        }
        return true
    }

    // MARK: - The content

    private mutating func sendContent(
        _ turn: Turn, _ server: Server, _ client: Client
    ) -> Bool {
        let start = server.value.input.start
        switch send(
            client,
            server.value.input.span(from: start, to: turn.value.responseValidEnd))
        {
        case .bytes(let count):
            server.value.input.consume(count)
            guard server.value.input.start < turn.value.responseValidEnd else { return true }
            client.value.ready.remove(.writable)
            responseStalled(turn, client)
            return false
        case .wouldBlock:
            client.value.ready.remove(.writable)
            responseStalled(turn, client)
            return false
        case .failed, .endOfStream:
            clientGone(turn)
            return false
        }
    }

    /// Validates raw bytes from the server, in place.
    private mutating func takeResponseContent(_ turn: Turn, _ server: Server) -> Bool {
        let end = server.value.input.end
        let from = turn.value.responseRawStart
        switch turn.value.responseFraming {
        case .noContent:
            break
        case .contentLength:
            let count = Int(min(UInt64(end - from), turn.value.responseRemaining))
            turn.value.responseRemaining -= UInt64(count)
            turn.value.bytesOut += UInt64(count)
            turn.value.responseRawStart = from + count
            turn.value.responseValidEnd = turn.value.responseRawStart
            if turn.value.responseRemaining == 0 { turn.value.responseStage = .complete }
        case .untilClose:
            turn.value.bytesOut += UInt64(end - from)
            turn.value.responseRawStart = end
            turn.value.responseValidEnd = end
        case .chunked:
            do throws(ChunkedError) {
                let decoded = try turn.value.responseDecoder.decode(
                    &server.value.input, from: from, to: end,
                    keepsFraming: turn.value.responseRewrite != .removeChunks)
                if turn.value.responseValidEnd < from {
                    server.value.input.copy(
                        from: from, to: turn.value.responseValidEnd,
                        count: decoded.outputEnd - from)
                }
                turn.value.responseValidEnd += decoded.outputEnd - from
                turn.value.responseRawStart = decoded.consumedEnd
                turn.value.bytesOut += UInt64(decoded.contentByteCount)
                if decoded.isComplete { turn.value.responseStage = .complete }
                turn.value.isResponseDecoderHungry =
                    !decoded.isComplete && decoded.consumedEnd < end
            } catch {
                turn.value.rule = error.rule
                serverBroken(turn, .serverBadAnswer)
                return false
            }
        }
        return true
    }

    /// The server's answer cannot be finished.
    mutating func serverBroken(_ turn: Turn, _ reason: Reason) {
        if turn.value.hasAnswered {
            noteFailure(turn, reason)
            cut(turn, reason)
        } else {
            attemptFailed(turn, reason, nothingSent: false)
        }
    }

    private mutating func readResponseContent(_ turn: Turn, _ server: Server) -> Bool {
        let isLong: Bool
        switch turn.value.responseFraming {
        case .contentLength:
            if turn.value.responseRemaining >= spliceFloor, server.value.input.isEmpty,
                server.value.link.kind == .plain,
                turn.value.client.value.link.kind == .plain,
                let pipe = pipes.take(&kernel)
            {
                turn.value.responsePipe = pipe
                return true
            }
            isLong = turn.value.responseRemaining > UInt64(BufferPool.smallByteCount)
        default:
            isLong = true
        }
        if isLong, server.value.input.capacity == BufferPool.smallByteCount,
            server.value.input.isEmpty, let block = blocks.take(.large)
        {
            blocks.recycle(exchange(&server.value.input, with: block))
            turn.value.responseValidEnd = 0
            turn.value.responseRawStart = 0
        }
        return turn.value.responseRewrite == .addChunks
            ? readAndAddChunk(turn, server) : readMore(turn, server)
    }

    private mutating func readMore(_ turn: Turn, _ server: Server) -> Bool {
        // All that is valid has been sent; raw bytes that cannot be decoded yet move up.
        let rawCount = server.value.input.end - turn.value.responseRawStart
        if rawCount == 0 {
            server.value.input.reset()
        } else {
            server.value.input.setBounds(
                start: turn.value.responseRawStart, end: server.value.input.end)
            server.value.input.slide()
        }
        turn.value.responseValidEnd = 0
        turn.value.responseRawStart = 0
        turn.value.isResponseDecoderHungry = false
        guard server.value.input.room > 0 else {
            turn.value.rule = "chunk-too-large"
            serverBroken(turn, .serverBadAnswer)
            return false
        }
        switch receive(server) {
        case .bytes:
            return true
        case .wouldBlock:
            awaitServer(turn)
            return false
        case .endOfStream:
            return serverFinished(turn)
        case .failed:
            serverBroken(turn, .serverClosedMidway)
            return false
        }
    }

    /// Reads content that ends with the connection, and makes a chunk of it (RFC 9112 §7.1).
    ///
    /// The line end behind a chunk is written with what follows it, so that the content never
    /// moves: the size line goes into the room left before it.
    private mutating func readAndAddChunk(_ turn: Turn, _ server: Server) -> Bool {
        let headroom = 24
        server.value.input.reset(to: headroom)
        turn.value.responseValidEnd = headroom
        turn.value.responseRawStart = headroom
        switch receive(server) {
        case .bytes(let count):
            turn.value.bytesOut += UInt64(count)
            let start = prependSizeLine(
                count, to: &server.value.input, afterChunk: turn.value.hasOpenChunk)
            turn.value.hasOpenChunk = true
            server.value.input.setBounds(start: start, end: server.value.input.end)
            turn.value.responseValidEnd = server.value.input.end
            turn.value.responseRawStart = server.value.input.end
            return true
        case .wouldBlock:
            awaitServer(turn)
            return false
        case .endOfStream:
            server.value.input.append(
                turn.value.hasOpenChunk ? "\r\n0\r\n\r\n" : "0\r\n\r\n")
            turn.value.responseValidEnd = server.value.input.end
            turn.value.responseRawStart = server.value.input.end
            return serverFinished(turn)
        case .failed:
            serverBroken(turn, .serverClosedMidway)
            return false
        }
    }

    /// Writes a size line directly before the bytes of `buffer`.
    ///
    /// - Returns: where it starts.
    private func prependSizeLine(
        _ count: Int, to buffer: inout Buffer, afterChunk: Bool
    ) -> Int {
        var position = buffer.start - 2
        buffer[position] = UInt8(ascii: "\r")
        buffer[position + 1] = UInt8(ascii: "\n")
        var rest = count
        repeat {
            position -= 1
            let digit = UInt8(rest & 0xF)
            buffer[position] = digit < 10 ? digit + 0x30 : digit + 0x57
            rest >>= 4
        } while rest > 0
        if afterChunk {
            position -= 2
            buffer[position] = UInt8(ascii: "\r")
            buffer[position + 1] = UInt8(ascii: "\n")
        }
        return position
    }

    /// The end of the server's connection: the end of the content, or the loss of its rest.
    private mutating func serverFinished(_ turn: Turn) -> Bool {
        guard turn.value.responseFraming == .untilClose else {
            serverBroken(turn, .serverClosedMidway)
            return false
        }
        turn.value.responseStage = .complete
        turn.value.serverPersists = false
        return true
    }

    private mutating func spliceResponse(
        _ turn: Turn, _ server: Server, _ client: Client
    ) -> Bool {
        guard let pipe = turn.value.responsePipe else { return true }
        if pipe.value.fill > 0 {
            switch kernel.splice(from: &pipe.value, to: client.value.socket) {
            case .bytes:
                guard pipe.value.fill == 0 else {
                    client.value.ready.remove(.writable)
                    responseStalled(turn, client)
                    return false
                }
            case .wouldBlock:
                client.value.ready.remove(.writable)
                responseStalled(turn, client)
                return false
            case .failed, .endOfStream:
                clientGone(turn)
                return false
            }
        }
        if turn.value.responseRemaining == 0 {
            turn.value.responseStage = .complete
            pipes.put(pipe)
            turn.value.responsePipe = nil
            return true
        }
        guard server.value.ready.contains(.readable) else {
            awaitServer(turn)
            return false
        }
        let limit = Int(min(UInt64(pipe.value.capacity), turn.value.responseRemaining))
        switch kernel.splice(from: server.value.socket, into: &pipe.value, atMost: limit) {
        case .bytes(let count):
            turn.value.responseRemaining -= UInt64(count)
            turn.value.bytesOut += UInt64(count)
            return true
        case .wouldBlock:
            server.value.ready.remove(.readable)
            awaitServer(turn)
            return false
        case .endOfStream, .failed:
            serverBroken(turn, .serverClosedMidway)
            return false
        }
    }
}
