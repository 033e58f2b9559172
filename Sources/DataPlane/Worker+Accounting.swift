import Configuration
import HTTP
import HTTP1
import Linux
import Memory
import Telemetry
import Timing

extension Worker where Kernel: ~Copyable {
    /// Counts a finished exchange and writes its line, if it is to have one.
    mutating func account(_ turn: Turn) {
        let total = now - turn.value.began
        let reason = turn.value.reason
        counters.exchanges.ended(status: Int(turn.value.status), reason: reason)
        counters.exchanges.receivedBytes &+= turn.value.bytesIn
        counters.exchanges.sentBytes &+= turn.value.bytesOut
        if let service = turn.value.service {
            if reason.isFailure {
                // How fast we say no is no latency of the service.
                service.value.failures.ended(status: Int(turn.value.status), reason: reason)
                service.value.failedCount += 1
            } else {
                if turn.value.stage != .tunnel { service.value.latencies.record(total) }
                if turn.value.status >= 500 { service.value.failedCount += 1 }
            }
        }
        switch turn.value.terms?.value.logMode ?? turn.value.plan.value.logMode {
        case .off:
            return
        case .failures:
            let slow = turn.value.terms?.value.slow ?? turn.value.plan.value.slow
            guard reason.isFailure || (total >= slow && turn.value.stage != .tunnel)
            else { return }
        case .all:
            break
        }
        writeLine(turn, total)
    }

    private mutating func writeLine(_ turn: Turn, _ total: Interval) {
        var record = AccessRecord()
        let client = turn.value.client
        record.endedAtNanoseconds = UInt64(max(0, wallNow()))
        record.client = clientAddress(client.value.peer)
        if !turn.value.isRaw {
            record.version =
                client.value.link.kind == .stream
                ? .http2 : turn.value.head.minorVersion == 0 ? .http10 : .http11
        }
        record.method = turn.value.head.methodRange
        record.host = turn.value.head.authority
        record.path = turn.value.head.path
        record.listener = UInt32(client.value.listener)
        if turn.value.route >= 0, !turn.value.isRaw {
            record.route = UInt32(turn.value.route)
        }
        if let service = turn.value.service { record.service = UInt32(service.value.id) }
        record.status = turn.value.status
        record.reason = turn.value.reason
        record.retried = turn.value.whyNoRetry
        let attempts = min(AccessRecord.attemptCapacity, turn.value.attemptCount)
        for index in 0..<attempts {
            let note = turn.value.tried[index]
            record.append(
                AccessRecord.Attempt(
                    server: note.cell, reason: note.reason,
                    duration: .microseconds(Int(note.microseconds))))
        }
        let last = min(8, turn.value.attemptCount) - 1
        if last >= 0 { record.server = turn.value.tried[last].cell }
        record.queue = Interval(nanoseconds: turn.value.queuedNanoseconds)
        record.connect = Interval(nanoseconds: turn.value.connectNanoseconds)
        if turn.value.answeredAt != .zero {
            record.wait = turn.value.answeredAt - turn.value.sentAt
        }
        record.total = total
        record.receivedBytes = turn.value.bytesIn
        record.sentBytes = turn.value.bytesOut
        record.generation = UInt64(turn.value.generation)

        identify(client)
        if turn.value.isRaw {
            log.write(
                record, head: client.value.input.span(from: 0, to: 0), id: turn.value.requestID,
                rule: turn.value.rule)
        } else if turn.value.savedHead.isEmpty {
            recallFields(turn)
            if let agent = fields.first(.userAgent) { record.agent = agent.valueRange }
            if turn.value.keepsRequestID { record.id = idRange(turn) }
            let start = turn.value.headStart
            log.write(
                record,
                head: client.value.input.span(
                    from: start, to: start + turn.value.head.headByteCount),
                id: turn.value.requestID, rule: turn.value.rule)
        } else {
            log.write(
                record, head: turn.value.savedHead.bytes, id: turn.value.requestID,
                rule: turn.value.rule)
        }
    }

    /// Tells the log who has shown a certificate.
    private mutating func identify(_ client: Client) {
        let link = carrier(client).value.link
        guard link.kind == .secure else { return }
        let state = secure(link)
        guard state.value.identity.count > 0 else { return }
        let range = state.value.subject
        log.identify(state.value.identity.span(from: range.lower, to: range.upper))
    }

    /// The line of a request whose head was refused: nothing in it can be trusted to be a
    /// method, a host or a path.
    mutating func logRefusal(
        _ client: Client, _ reason: Reason, status: Int, rule: StaticString, id: UInt64
    ) {
        guard plan.value.logMode != .off else { return }
        var record = AccessRecord()
        record.endedAtNanoseconds = UInt64(max(0, wallNow()))
        record.client = clientAddress(client.value.peer)
        record.listener = UInt32(client.value.listener)
        record.status = UInt16(status)
        record.reason = reason
        record.generation = UInt64(plan.value.generation)
        log.write(record, head: client.value.input.span(from: 0, to: 0), id: id, rule: rule)
    }

    /// Where the client's own identifier stands in its head.
    func idRange(_ turn: Turn) -> ByteRange {
        if let terms = turn.value.terms { return terms.value.idRange }
        let listener = Int(turn.value.client.value.listener)
        let name = turn.value.plan.value.listeners[listener].requestIDName
        let start = turn.value.headStart
        let bytes = turn.value.client.value.input
            .span(from: start, to: start + turn.value.head.headByteCount)
        for index in 0..<fields.count
        where Self.isKeepable(fields[index].valueRange)
            && turn.value.plan.value.isName(bytes, fields[index].nameRange, name)
        {
            return fields[index].valueRange
        }
        return .empty
    }

    private func clientAddress(_ peer: SocketAddress) -> AccessRecord.Client {
        if peer.isUnix { return .unixSocket }
        return peer.isIPv4
            ? .v4(UInt32(truncatingIfNeeded: peer.low)) : .v6(high: peer.high, low: peer.low)
    }
}
