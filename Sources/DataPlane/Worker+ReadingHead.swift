import HTTP1
import HTTP2
import Linux
import Memory
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// Reads from a client between exchanges, and begins an exchange when a head is complete.
    mutating func readHead(_ client: Client) {
        // What the client sent ahead is looked at before more is read.
        if !client.value.input.isEmpty, client.value.phase == .idle {
            if parseHead(client) { return }
        }
        while client.value.ready.contains(.readable) {
            guard makeRoom(client) else { return }
            switch receive(client) {
            case .bytes:
                if parseHead(client) { return }
            case .wouldBlock:
                break
            case .endOfStream, .failed:
                // Nothing was asked, or not to its end: there is nobody to answer.
                close(client)
                return
            }
        }
        if client.value.input.isEmpty { releaseInput(client) }
    }

    /// Whether the client begins with the preface of HTTP/2 (RFC 9113 §3.4), and the listener
    /// takes it; then a session has begun. A part of it is looked at again.
    private mutating func speaksHTTP2(_ client: Client) -> Bool {
        let listener = Int(client.value.listener)
        let isHTTP1 = plan.value.listeners[listener].speaksHTTP1
        guard plan.value.listeners[listener].speaksH2C else { return false }
        let seen = HTTP2Preface.match(client.value.input.bytes)
        if seen == HTTP2Preface.byteCount {
            beginSession(client)
            return true
        }
        if !isHTTP1, seen < client.value.input.count {
            refuse(client, .badRequest, status: 505, rule: "http1-not-spoken")
            return true
        }
        return false
    }

    private mutating func releaseInput(_ client: Client) {
        guard client.value.input.hasBlock else { return }
        blocks.recycle(exchange(&client.value.input, with: Buffer()))
    }

    /// - Returns: `false` when the connection has been closed or refused.
    private mutating func makeRoom(_ client: Client) -> Bool {
        if !client.value.input.hasBlock {
            guard let block = blocks.take(.small) else {
                // The bound on memory: a connection that has sent nothing we kept goes first.
                counters.refusedConnections &+= 1
                close(client)
                return false
            }
            client.value.input = block
            return true
        }
        guard client.value.input.room == 0 else { return true }
        if client.value.input.start > 0 {
            client.value.input.slide()
            return true
        }
        guard client.value.input.capacity == BufferPool.smallByteCount, growInput(client) else {
            refuse(client, .headerTooLarge)
            return false
        }
        return true
    }

    /// Moves the input into a large block; positions are then counted from 0.
    mutating func growInput(_ client: Client) -> Bool {
        guard var block = blocks.take(.large) else { return false }
        block.append(client.value.input.bytes)
        blocks.recycle(exchange(&client.value.input, with: block))
        return true
    }

    /// - Returns: whether the caller must stop: an exchange has begun, or the head was refused.
    private mutating func parseHead(_ client: Client) -> Bool {
        if client.value.requestCount == 0, client.value.link.kind == .plain,
            speaksHTTP2(client)
        {
            return true
        }
        let isFirstLook = client.value.phase == .idle
        if isFirstLook {
            client.value.phase = .readingHead
            client.value.scanned = 0
            // It bounds the whole head, so that a client sending one byte at a time cannot
            // hold the connection for ever.
            setDeadline(
                client, now + plan.value.listeners[Int(client.value.listener)].headerTimeout)
        } else {
            // A head that was incomplete is not parsed again for every byte that comes in.
            var scanned = Int(client.value.scanned)
            let isComplete = HeadParser.hasCompleteHead(
                client.value.input.bytes, scanned: &scanned)
            client.value.scanned = Int32(truncatingIfNeeded: scanned)
            let limits = plan.value.listeners[Int(client.value.listener)].headLimits
            guard
                isComplete
                    || client.value.input.count > limits.requestLineBytes + limits.headerBytes
            else { return false }
        }
        fieldsOwner = Token(slot: 0, generation: 0)
        do throws(HeadError) {
            let parsed = try HeadParser.parseRequest(
                client.value.input.bytes,
                limits: plan.value.listeners[Int(client.value.listener)].headLimits, fields: &fields
            )
            switch parsed {
            case .incomplete:
                return false
            case .complete(let head, byteCount: _):
                begin(head, from: client)
            }
        } catch {
            refuse(client, error)
        }
        return true
    }
}
