import HTTP
import HTTP1
import Linux
import Memory
import Telemetry
import Timing

// Answers of our own. The body is one sentence and the identifier of the request, as text,
// JSON or HTML by what the client accepts; never the address of a server.
extension Worker where Kernel: ~Copyable {
    private enum BodyForm { case text, json, html }

    /// Answers the exchange with a reason, which says the status.
    mutating func answer(_ turn: Turn, _ reason: Reason) {
        turn.value.reason = reason
        if turn.value.isRaw {
            // There is no word for it in a protocol that we do not know but the end.
            let client = turn.value.client
            dropServer(turn)
            settle(turn)
            abort(client)
            return
        }
        turn.value.status = UInt16(reason.status)
        prepareAnswer(turn)
        let client = turn.value.client
        let listener = Int(client.value.listener)
        let form = bodyForm(turn)
        beginHead(reason.status)
        if reason.invitesRetry { scratch.value.append("Retry-After: 1\r\n") }
        appendIdentifier(turn, listener)
        appendProxyStatus(reason, on: turn.value.plan.value.listeners[listener].sendsProxyStatus)
        appendErrorBody(
            reason, form, id: turn.value.requestID, isHead: turn.value.head.method == .head,
            persistence: turn.value.clientPersists ? nil : true,
            minorVersion: turn.value.head.minorVersion)
        sendAnswer(turn)
    }

    /// Refuses a head that broke a rule or a limit, and closes: what follows it cannot be told.
    mutating func refuse(_ client: Client, _ error: HeadError) {
        switch error.status {
        case 414: refuse(client, .uriTooLong, status: 414, rule: error.rule)
        case 431: refuse(client, .headerTooLarge, status: 431, rule: error.rule)
        default: refuse(client, .badRequest, status: error.status, rule: error.rule)
        }
    }

    mutating func refuse(_ client: Client, _ reason: Reason, status: Int, rule: StaticString) {
        let listener = Int(client.value.listener)
        let id = identifiers.next()
        counters.exchanges.ended(status: status, reason: reason)
        logRefusal(client, reason, status: status, rule: rule, id: id)
        beginHead(status)
        if status == 405 {
            scratch.value.append("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")
        }
        let name = plan.value.listeners[listener].requestIDName
        if !name.isEmpty {
            scratch.value.append(plan.value.text.bytes.extracting(name.lower..<name.upper))
            scratch.value.append(": ")
            scratch.value.append(hexadecimal: id, width: 16)
            scratch.value.append("\r\n")
        }
        appendProxyStatus(reason, on: plan.value.listeners[listener].sendsProxyStatus)
        appendErrorBody(
            reason, .text, id: id, isHead: false, persistence: true, minorVersion: 1)
        // What a client that breaks rules does not take is not kept for it.
        let scratch = scratch
        if client.value.output.isEmpty { _ = send(client, scratch.value.bytes) }
        closeGently(client)
    }

    mutating func redirectToHTTPS(_ turn: Turn) {
        turn.value.status = 308
        prepareAnswer(turn)
        beginHead(308)
        scratch.value.append("Location: https://")
        let client = turn.value.client
        let start = turn.value.headStart
        let head = turn.value.head
        let bytes = client.value.input.span(from: start, to: start + head.headByteCount)
        scratch.value.append(bytes.extracting(head.hostRange.lower..<head.hostRange.upper))
        if head.pathAndQuery.isEmpty { scratch.value.append("/") }
        scratch.value.append(bytes.extracting(head.pathAndQuery.lower..<head.pathAndQuery.upper))
        scratch.value.append("\r\n")
        finishPlainAnswer(turn)
    }

    mutating func answerRedirect(_ turn: Turn, route: Int) {
        let plan = turn.value.plan
        turn.value.status = UInt16(plan.value.routePlans[route].status)
        prepareAnswer(turn)
        beginHead(plan.value.routePlans[route].status)
        scratch.value.append("Location: ")
        let first = plan.value.routePlans[route].first
        scratch.value.append(plan.value.text.bytes.extracting(first.lower..<first.upper))
        if plan.value.routePlans[route].insertsPath {
            let client = turn.value.client
            let start = turn.value.headStart
            let head = turn.value.head
            let range = head.pathAndQuery
            let bytes = client.value.input.span(from: start, to: start + head.headByteCount)
            if range.isEmpty { scratch.value.append("/") }
            scratch.value.append(bytes.extracting(range.lower..<range.upper))
        }
        let second = plan.value.routePlans[route].second
        scratch.value.append(plan.value.text.bytes.extracting(second.lower..<second.upper))
        scratch.value.append("\r\n")
        finishPlainAnswer(turn, route: route)
    }

    mutating func answerFixed(_ turn: Turn, route: Int) {
        let plan = turn.value.plan
        let status = plan.value.routePlans[route].status
        turn.value.status = UInt16(status)
        prepareAnswer(turn)
        beginHead(status)
        let type = plan.value.routePlans[route].first
        let body = plan.value.routePlans[route].second
        let hasContent = status != 204 && status != 304
        if hasContent {
            scratch.value.append("Content-Type: ")
            scratch.value.append(plan.value.text.bytes.extracting(type.lower..<type.upper))
            scratch.value.append("\r\nContent-Length: ")
            scratch.value.append(decimal: UInt64(body.count))
            scratch.value.append("\r\n")
        }
        appendRouteFields(turn, route)
        appendIdentifier(turn, Int(turn.value.client.value.listener))
        appendPersistence(turn)
        scratch.value.append("\r\n")
        if hasContent, turn.value.head.method != .head {
            scratch.value.append(plan.value.text.bytes.extracting(body.lower..<body.upper))
            turn.value.bytesOut = UInt64(body.count)
        }
        sendAnswer(turn)
    }

    private mutating func appendRouteFields(_ turn: Turn, _ route: Int) {
        let plan = turn.value.plan
        let additions = plan.value.routePlans[route].responseEdits.additions
        scratch.value.append(plan.value.text.bytes.extracting(additions.lower..<additions.upper))
    }

    private mutating func finishPlainAnswer(_ turn: Turn, route: Int? = nil) {
        scratch.value.append("Content-Length: 0\r\n")
        if let route { appendRouteFields(turn, route) }
        appendIdentifier(turn, Int(turn.value.client.value.listener))
        appendPersistence(turn)
        scratch.value.append("\r\n")
        sendAnswer(turn)
    }

    // MARK: - Parts

    /// Sees whether the connection can go on after our answer: only if the whole request is
    /// here, since what is left of it would look like the next one.
    private mutating func prepareAnswer(_ turn: Turn) {
        leaveQueue(turn)
        turn.value.stage = .answering
        if !turn.value.isRequestReceived, case .contentLength = turn.value.head.framing,
            !turn.value.head.expectsContinue
        {
            let waiting = turn.value.client.value.input.end - turn.value.rawStart
            if UInt64(max(0, waiting)) >= turn.value.requestRemaining {
                turn.value.rawStart += Int(turn.value.requestRemaining)
                turn.value.requestRemaining = 0
                turn.value.isRequestReceived = true
            }
        }
        if !turn.value.isRequestReceived { turn.value.clientPersists = false }
    }

    private mutating func beginHead(_ status: Int) {
        scratch.value.reset()
        scratch.value.append("HTTP/1.1 ")
        scratch.value.append(decimal: UInt64(status))
        scratch.value.append(" ")
        scratch.value.append(Status.reason(status))
        scratch.value.append("\r\n")
        appendDate()
    }

    private mutating func appendIdentifier(_ turn: Turn, _ listener: Int) {
        if turn.value.keepsRequestID {
            appendKeptRequestID(turn, listener)
        } else {
            appendRequestID(turn, listener)
        }
    }

    /// `Proxy-Status` (RFC 9209 §2).
    private mutating func appendProxyStatus(_ reason: Reason, on: Bool) {
        guard on, let error = reason.proxyError else { return }
        scratch.value.append("Proxy-Status: staithe; error=")
        scratch.value.append(error)
        scratch.value.append("; details=\"")
        scratch.value.append(reason.word)
        scratch.value.append("\"\r\n")
    }

    private mutating func bodyForm(_ turn: Turn) -> BodyForm {
        guard turn.value.savedHead.isEmpty else { return .text }
        recallFields(turn)
        guard let line = fields.first(.accept) else { return .text }
        let client = turn.value.client
        let start = turn.value.headStart
        let bytes = client.value.input
            .span(from: start, to: start + turn.value.head.headByteCount)
        var position = line.valueRange.lower
        while position < line.valueRange.upper {
            // The first form that is named wins; weights are not weighed for a sentence.
            if isWord("json", bytes, position, line.valueRange.upper) { return .json }
            if isWord("html", bytes, position, line.valueRange.upper) { return .html }
            if isWord("text/plain", bytes, position, line.valueRange.upper) { return .text }
            position += 1
        }
        return .text
    }

    private func isWord(_ word: String, _ bytes: RawSpan, _ position: Int, _ end: Int) -> Bool {
        var cursor = position
        for byte in word.utf8 {
            guard cursor < end, bytes.byte(cursor) | 0x20 == byte | 0x20 else { return false }
            cursor += 1
        }
        return true
    }

    /// The rest of the head, and the body. Its length is known once it is written, so it is
    /// written behind the head twice as long as it will be, and moved.
    private mutating func appendErrorBody(
        _ reason: Reason, _ form: BodyForm, id: UInt64, isHead: Bool, persistence: Bool?,
        minorVersion: UInt8
    ) {
        pathScratch.value.reset()
        switch form {
        case .text:
            pathScratch.value.append(reason.sentence)
            pathScratch.value.append("\nreason: ")
            pathScratch.value.append(reason.word)
            pathScratch.value.append("\nrequest: ")
            pathScratch.value.append(hexadecimal: id, width: 16)
            pathScratch.value.append("\n")
            scratch.value.append("Content-Type: text/plain; charset=utf-8\r\n")
        case .json:
            pathScratch.value.append("{\"reason\":\"")
            pathScratch.value.append(reason.word)
            pathScratch.value.append("\",\"message\":\"")
            pathScratch.value.append(reason.sentence)
            pathScratch.value.append("\",\"request\":\"")
            pathScratch.value.append(hexadecimal: id, width: 16)
            pathScratch.value.append("\"}\n")
            scratch.value.append("Content-Type: application/json\r\n")
        case .html:
            pathScratch.value.append(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>")
            pathScratch.value.append(reason.word)
            pathScratch.value.append("</title><p>")
            pathScratch.value.append(reason.sentence)
            pathScratch.value.append("</p><p><small>reason: ")
            pathScratch.value.append(reason.word)
            pathScratch.value.append(", request: ")
            pathScratch.value.append(hexadecimal: id, width: 16)
            pathScratch.value.append("</small></p></html>\n")
            scratch.value.append("Content-Type: text/html; charset=utf-8\r\n")
        }
        scratch.value.append("Content-Length: ")
        scratch.value.append(decimal: UInt64(pathScratch.value.count))
        scratch.value.append("\r\n")
        if persistence == true {
            scratch.value.append("Connection: close\r\n")
        } else if minorVersion == 0 {
            scratch.value.append("Connection: keep-alive\r\n")
        }
        scratch.value.append("\r\n")
        if !isHead { scratch.value.append(pathScratch.value.bytes) }
    }

    // MARK: - On its way

    private mutating func sendAnswer(_ turn: Turn) {
        let client = turn.value.client
        dropServer(turn)
        guard sendScratch(turn, client) else { return }
        if client.value.output.isEmpty, !hasPending(client) {
            finish(turn)
        } else {
            setExchangeDeadline(
                turn,
                now + turn.value.plan.value.listeners[Int(client.value.listener)].writeTimeout)
        }
    }

    mutating func flushAnswer(_ turn: Turn) {
        let client = turn.value.client
        guard client.value.output.isEmpty || flush(client) else { return }
        if !hasPending(client) { finish(turn) }
    }
}
