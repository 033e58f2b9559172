import HTTP2
import Linux
import Memory

// The two directions of one stream, in the words of a socket: what an exchange reads is the text
// of HTTP/1.1 messages made of frames, and what it sends becomes frames.
extension Worker where Kernel: ~Copyable {
    func stream(_ link: Link) -> Place<Stream> {
        guard let place = streams.place(at: Int(link.slot)) else {
            preconditionFailure("a stream has its state as long as it lives")
        }
        return place
    }

    /// The connection under the bytes: of a stream, that of its session.
    func carrier(_ client: Client) -> Client {
        guard client.value.link.kind == .stream,
            case .client(let carrier) = stream(client.value.link).value.session.value.owner
        else { return client }
        return carrier
    }

    // MARK: - Coming in

    mutating func receiveStream(
        _ stream: Place<Stream>, _ ready: inout Readiness, into buffer: inout Buffer,
        atMost limit: Int
    ) -> Transfer {
        var total = 0
        if !stream.value.head.isEmpty {
            let count = min(stream.value.head.count, buffer.room)
            let start = stream.value.head.start
            buffer.append(stream.value.head.span(from: start, to: start + count))
            stream.value.head.consume(count)
            total = count
            guard stream.value.head.isEmpty else { return .bytes(count) }
            blocks.recycle(exchange(&stream.value.head, with: Buffer()))
        }
        if stream.value.isGone, !stream.value.isReceived { return .failed(.connectionReset) }
        total += takeContent(stream, into: &buffer, atMost: limit - total)
        if stream.value.pending.isEmpty, stream.value.isReceived {
            switch stream.value.incoming {
            case .chunked:
                if !stream.value.hasToldEnd { total += takeEnd(stream, into: &buffer) }
            case .plain:
                if total == 0 {
                    stream.value.hasToldEnd = true
                    return .endOfStream
                }
                return .bytes(total)
            }
        }
        if stream.value.pending.isEmpty, !stream.value.isReceived || stream.value.hasToldEnd {
            ready.remove(.readable)
        }
        return total > 0 ? .bytes(total) : .wouldBlock
    }

    private mutating func takeContent(
        _ stream: Place<Stream>, into buffer: inout Buffer, atMost limit: Int
    ) -> Int {
        guard !stream.value.pending.isEmpty else { return 0 }
        let framing = stream.value.incoming == .chunked ? 16 : 0
        let count = min(stream.value.pending.count, min(buffer.room, limit) - framing)
        guard count > 0 else { return 0 }
        let before = buffer.end
        let start = stream.value.pending.start
        if framing > 0 {
            buffer.append(hexadecimal: UInt64(count))
            buffer.append("\r\n")
        }
        buffer.append(stream.value.pending.span(from: start, to: start + count))
        if framing > 0 { buffer.append("\r\n") }
        stream.value.pending.consume(count)
        if stream.value.pending.isEmpty {
            blocks.recycle(exchange(&stream.value.pending, with: Buffer()))
        }
        openWindow(stream, count)
        return buffer.end - before
    }

    /// What was taken may come again: this, and nothing else, lets the peer go on.
    private mutating func openWindow(_ stream: Place<Stream>, _ count: Int) {
        let session = stream.value.session
        if !stream.value.isReceived, !stream.value.isGone {
            session.value.http2.consumed(stream.value.id, count)
        }
        // The connection's window was opened when it came, as a rule: one stream that is not read
        // must not stop the others.
        let held = min(count, stream.value.heldWindow)
        if held > 0 {
            stream.value.heldWindow -= held
            session.value.http2.consumed(held)
        }
        markDirty(session)
    }

    /// The last chunk, and the trailers.
    private mutating func takeEnd(_ stream: Place<Stream>, into buffer: inout Buffer) -> Int {
        let needed = 5 + stream.value.trailers.count
        guard buffer.room >= needed else { return 0 }
        buffer.append("0\r\n")
        buffer.append(stream.value.trailers.bytes)
        buffer.append("\r\n")
        blocks.recycle(exchange(&stream.value.trailers, with: Buffer()))
        stream.value.hasToldEnd = true
        return needed
    }

    // MARK: - Going out

    mutating func sendStream(
        _ stream: Place<Stream>, _ first: RawSpan, _ second: RawSpan?
    ) -> Transfer {
        let session = stream.value.session
        guard !stream.value.isGone else { return .failed(.brokenPipe) }
        guard session.value.isOpen else { return .wouldBlock }
        if case .client = stream.value.owner {
            // Also for what the stream does not take: it has been read.
            session.value.share.spend(
                bytes: first.byteCount + (second?.byteCount ?? 0), in: turnNumber)
        }
        guard makeOutputRoom(session, first.byteCount + (second?.byteCount ?? 0)) else {
            return .wouldBlock
        }
        session.value.http2.lastSeen = now
        markDirty(session)
        var count = 0
        if stream.value.outgoing == .interim {
            if case .server = stream.value.owner, !mayBegin(on: session) { return .wouldBlock }
            let end = endOfHead(first)
            guard begin(stream, session, first.extracting(0..<end)) else {
                return .failed(.brokenPipe)
            }
            count = end
        }
        if count < first.byteCount {
            let pushed = push(
                stream, session, first.extracting(count..<first.byteCount))
            count += pushed
            guard count == first.byteCount else { return count > 0 ? .bytes(count) : .wouldBlock }
        }
        if let second {
            count += push(stream, session, second)
        }
        return count > 0 ? .bytes(count) : .wouldBlock
    }

    /// Behind the empty line. A head is composed as a whole, so it is here as a whole.
    private func endOfHead(_ bytes: RawSpan) -> Int {
        var position = 3
        while position < bytes.byteCount {
            switch bytes.byte(position) {
            case 0x0A:
                if bytes.byte(position - 2) == 0x0A { return position + 1 }
                position += 1
            case 0x0D: position += 1
            default: position += 2
            }
        }
        return bytes.byteCount
    }

    /// - Returns: `false` when the stream can take no head.
    private mutating func begin(
        _ stream: Place<Stream>, _ session: Place<Session>, _ text: RawSpan
    ) -> Bool {
        switch stream.value.owner {
        case .client:
            guard
                let kind = session.value.http2.respond(
                    stream.value.id, text, answersHead: stream.value.answersHead,
                    isTunnel: stream.value.isTunnel, &fieldScratch)
            else { return false }
            stream.value.outgoing = kind
        case .server(let server):
            guard
                let (id, kind) = session.value.http2.request(
                    text, isSecure: session.value.isSecure, tag: stream.token.slot,
                    &fieldScratch)
            else {
                session.value.isEnding = true
                server.value.ending = .passedOver
                return false
            }
            stream.value.id = id
            stream.value.outgoing = kind
            session.value.streamTotal += 1
            session.value.begunCount += 1
        }
        if stream.value.outgoing == .none {
            stream.value.hasEnded = true
            // Written before the stream can be ended in another way.
            return session.value.http2.write(to: &session.value.output)
        }
        return true
    }

    /// - Returns: how many bytes of the text were taken.
    private mutating func push(
        _ stream: Place<Stream>, _ session: Place<Session>, _ text: RawSpan
    ) -> Int {
        switch stream.value.outgoing {
        case .none, .interim:
            // Nothing belongs behind such a head.
            return text.byteCount
        case .raw:
            return write(stream, session, text, isLast: false)
        case .counted(let remaining):
            let most = Int(min(UInt64(text.byteCount), remaining))
            let isLast = UInt64(most) == remaining
            let count = write(stream, session, text.extracting(0..<most), isLast: isLast)
            stream.value.outgoing = .counted(remaining - UInt64(count))
            return count
        case .chunked:
            return pushChunks(stream, session, text)
        }
    }

    private mutating func write(
        _ stream: Place<Stream>, _ session: Place<Session>, _ content: RawSpan, isLast: Bool
    ) -> Int {
        let sent = session.value.http2.send(
            stream.value.id, content, isLast: isLast, trailers: nil, to: &session.value.output,
            &fieldScratch)
        if sent.hasEnded { stream.value.hasEnded = true }
        return sent.count
    }

    private mutating func pushChunks(
        _ stream: Place<Stream>, _ session: Place<Session>, _ text: RawSpan
    ) -> Int {
        var position = 0
        while position < text.byteCount {
            var reader = stream.value.reader
            switch reader.next(text, from: position) {
            case .used(let count):
                stream.value.reader = reader
                position += count
                if count == 0 { return text.byteCount }
            case .content(let count):
                let taken = write(
                    stream, session, text.extracting(position..<(position + count)),
                    isLast: false)
                position += taken
                if taken > 0 {
                    reader.took(taken)
                    stream.value.reader = reader
                }
                if taken < count { return position }
            case .trailer(let count):
                stream.value.reader = reader
                keepTrailer(stream, text.extracting(position..<(position + count)))
                position += count
            case .end(let count):
                guard finish(stream, session) else { return position }
                stream.value.reader = reader
                position += count
            }
        }
        return position
    }

    private mutating func keepTrailer(_ stream: Place<Stream>, _ line: RawSpan) {
        if !stream.value.outgoingTrailers.hasBlock {
            guard let block = blocks.take(.small) else { return }
            stream.value.outgoingTrailers = block
        }
        guard stream.value.outgoingTrailers.room >= line.byteCount + 2 else { return }
        stream.value.outgoingTrailers.append(line)
    }

    /// Ends our side.
    ///
    /// - Returns: `false` when the peer's windows do not allow it yet.
    private mutating func finish(_ stream: Place<Stream>, _ session: Place<Session>) -> Bool {
        var trailers = exchange(&stream.value.outgoingTrailers, with: Buffer())
        if trailers.hasBlock { trailers.append("\r\n") }
        let nothing = RawSpan()
        let sent = session.value.http2.send(
            stream.value.id, nothing, isLast: true, trailers: trailers.bytes,
            to: &session.value.output, &fieldScratch)
        if sent.hasEnded {
            stream.value.hasEnded = true
            blocks.recycle(trailers)
        } else {
            if trailers.hasBlock {
                trailers.setBounds(start: trailers.start, end: trailers.end - 2)
            }
            stream.value.outgoingTrailers = trailers
        }
        return sent.hasEnded
    }

    /// Half-close of a tunnel.
    mutating func finishSending(_ stream: Place<Stream>) {
        guard !stream.value.hasEnded, !stream.value.isGone, stream.value.id != 0 else { return }
        let session = stream.value.session
        guard makeOutputRoom(session, 0) else {
            stream.value.owesEnd = true
            return
        }
        stream.value.owesEnd = !finish(stream, session)
        markDirty(session)
    }

    /// Gives the session a block for what it is to send; a large one for much.
    private mutating func makeOutputRoom(_ session: Place<Session>, _ count: Int) -> Bool {
        let wantsLarge = count > BufferPool.smallByteCount / 2
        if !session.value.output.hasBlock {
            guard let block = blocks.take(wantsLarge ? .large : .small) ?? blocks.take(.small)
            else { return false }
            session.value.output = block
        } else if session.value.output.room < min(count + 1024, BufferPool.smallByteCount) {
            if session.value.output.start > 0 { session.value.output.slide() }
            if session.value.output.room < count + 1024,
                session.value.output.capacity == BufferPool.smallByteCount,
                var block = blocks.take(.large)
            {
                block.append(session.value.output.bytes)
                blocks.recycle(exchange(&session.value.output, with: block))
            }
        }
        return true
    }

    // MARK: - The end

    /// Takes a stream off its session; the peer is told when something is missing.
    ///
    /// - Parameter isDone: the exchange has all it wanted: what is still to come is the empty
    ///   end of the stream.
    mutating func discardStream(_ link: Link, isDone: Bool) {
        let place = stream(link)
        let session = place.value.session
        if !place.value.isGone, place.value.id != 0 {
            if !place.value.hasEnded {
                let code: HTTP2ErrorCode =
                    if case .server = place.value.owner { .cancel } else { .internalError }
                session.value.http2.reset(place.value.id, code)
            } else if !place.value.isReceived, !isDone {
                // RFC 9113 §8.1: the answer is complete, and no more of the request is wanted.
                if case .client = place.value.owner {
                    session.value.http2.reset(place.value.id, .noError)
                } else {
                    session.value.http2.reset(place.value.id, .cancel)
                }
            }
            session.value.http2.setTag(.max, of: place.value.id)
        }
        if place.value.heldWindow > 0 { session.value.http2.consumed(place.value.heldWindow) }
        let next = place.value.next
        let previous = place.value.previous
        if previous == .max {
            session.value.firstStream = next
        } else if let other = streams.place(at: Int(previous)) {
            other.value.next = next
        }
        if next != .max, let other = streams.place(at: Int(next)) {
            other.value.previous = previous
        }
        session.value.streamCount -= 1
        if case .server = place.value.owner, place.value.id != 0 { session.value.begunCount -= 1 }
        let state = streams.remove(place)
        blocks.recycle(state.head)
        blocks.recycle(state.pending)
        blocks.recycle(state.trailers)
        blocks.recycle(state.outgoingTrailers)
        markDirty(session)
        if session.value.streamCount == 0 { rest(session) }
    }

    mutating func insertStream(
        _ session: Place<Session>, owner: Stream.Owner, id: Int32
    ) -> Place<Stream> {
        let stream = streams.insert(Stream(session: session, owner: owner, id: id))
        stream.value.next = session.value.firstStream
        if session.value.firstStream != .max,
            let other = streams.place(at: Int(session.value.firstStream))
        {
            other.value.previous = stream.token.slot
        }
        session.value.firstStream = stream.token.slot
        session.value.streamCount += 1
        return stream
    }
}
