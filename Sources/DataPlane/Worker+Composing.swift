import HTTP
import HTTP1
import Linux
import Memory
import Routing
import Telemetry
import Timing

// Heads are composed into the loop's scratch block: the start line, then the field lines that
// stay, copied in runs, then ours. What came in is left as it was, so that a second attempt and
// the log find it whole. (Editing in place was measured 3 % cheaper in instructions and equal
// in time; it would have cost both of these.)
extension Worker where Kernel: ~Copyable {
    /// Fills the field section with the exchange's request again, if another head was parsed
    /// since: by the limits that it was admitted with, whatever is configured now.
    ///
    /// - Returns: `false`, with an empty section, when the head cannot be read again. A request
    ///   whose fields are not known must not go to a server: nothing would be taken out of it.
    @discardableResult
    mutating func recallFields(_ turn: Turn) -> Bool {
        guard fieldsOwner != turn.token else { return true }
        fieldsOwner = Token(slot: 0, generation: 0)
        let client = turn.value.client
        let start = turn.value.headStart
        do throws(HeadError) {
            let parsed = try HeadParser.parseRequest(
                client.value.input.span(from: start, to: start + turn.value.head.headByteCount),
                limits: turn.value.terms?.value.headLimits
                    ?? turn.value.plan.value.listeners[Int(client.value.listener)].headLimits,
                fields: &fields)
            if case .complete = parsed {
                fieldsOwner = turn.token
                return true
            }
        } catch {
            // It was read before, by the same limits.
        }
        fields.removeAll()
        return false
    }

    /// Puts the request head for the chosen server into the scratch block.
    ///
    /// - Returns: `false` when there is none that may be sent: the exchange is to be refused.
    mutating func composeRequestHead(_ turn: Turn) -> Bool {
        guard recallFields(turn), isServerNamed(turn) else { return false }
        let client = turn.value.client
        let start = turn.value.headStart
        scratch.value.reset()
        composeRequestHead(
            client.value.input.span(from: start, to: start + turn.value.head.headByteCount),
            turn, client)
        return true
    }

    /// Whether the name of the attempt's server is known, if it is to be sent.
    private func isServerNamed(_ turn: Turn) -> Bool {
        switch turn.value.plan.value.routePlans[Int(turn.value.route)].hostMode {
        case .fixed: return true
        case .keep where !turn.value.head.authority.isEmpty: return true
        case .keep, .server: break
        }
        return turn.value.service?.value.hasAuthority(
            ofCell: Int(turn.value.heldCell), hint: Int(turn.value.memberIndex)) == true
    }

    private mutating func composeRequestHead(_ bytes: RawSpan, _ turn: Turn, _ client: Client) {
        let head = turn.value.head
        let listener = Int(client.value.listener)
        let plan = turn.value.plan
        let route = Int(turn.value.route)

        let stripped = plan.value.routePlans[route].stripByteCount
        if stripped == 0, head.form == .origin {
            // As it came, but for the version.
            append(bytes, from: head.methodRange.lower, to: head.pathAndQuery.upper)
        } else {
            append(bytes, head.methodRange)
            scratch.value.append(UInt8(ascii: " "))
            appendTarget(bytes, head, stripping: stripped)
        }
        scratch.value.append(" HTTP/1.1\r\nHost: ")
        appendHost(bytes, turn)
        scratch.value.append("\r\n")

        let replaced =
            turn.value.isTrusted
            ? plan.value.listeners[listener].replacedTrustedFields
            : plan.value.listeners[listener].replacedRequestFields
        let edits = plan.value.routePlans[route].requestEdits
        var runStart = head.fieldsStart
        for index in 0..<fields.count {
            let line = fields[index]
            let isDropped =
                line.isHopByHop || replaced.contains(line.name)
                || (!turn.value.keepsRequestID
                    && plan.value.listeners[listener].isRequestID(
                        line, bytes, plan.value.text.bytes))
                || (edits.hasRemovals
                    && plan.value.isRemoved(
                        bytes, line.nameRange, edits, foldsSeparators: true))
            guard isDropped else { continue }
            append(bytes, from: runStart, to: line.lineRange.lower)
            runStart = line.lineRange.upper
        }
        // The empty line that ends the head is written below.
        append(bytes, from: runStart, to: head.headByteCount - 2)

        if case .chunked = head.framing { scratch.value.append("Transfer-Encoding: chunked\r\n") }
        if head.isUpgrade {
            scratch.value.append("Connection: upgrade\r\n")
            for index in 0..<fields.count where fields[index].name == .upgrade {
                append(bytes, fields[index].lineRange)
            }
        }
        appendVia(head, client)
        appendForwarding(bytes, turn, client, listener)
        appendRequestID(turn, listener)
        appendIdentity(client)
        appendEdits(plan, edits)
        scratch.value.append("\r\n")
    }

    private mutating func append(_ bytes: RawSpan, _ range: ByteRange) {
        append(bytes, from: range.lower, to: range.upper)
    }

    private mutating func append(_ bytes: RawSpan, from lower: Int, to upper: Int) {
        guard upper > lower else { return }
        scratch.value.append(bytes.extracting(lower..<upper))
    }

    private mutating func appendTarget(
        _ bytes: RawSpan, _ head: RequestHead, stripping byteCount: Int
    ) {
        if head.isServerWide {
            scratch.value.append("*")
            return
        }
        var range = head.pathAndQuery
        if byteCount > 0, head.path.count >= byteCount {
            range.start += UInt32(byteCount)
            range.count -= UInt32(byteCount)
        }
        // Both an absolute target without a path and a path that was stripped to nothing.
        if range.isEmpty || bytes.byte(range.lower) != UInt8(ascii: "/") {
            scratch.value.append("/")
        }
        append(bytes, range)
    }

    private mutating func appendHost(_ bytes: RawSpan, _ turn: Turn) {
        let plan = turn.value.plan
        let route = Int(turn.value.route)
        switch plan.value.routePlans[route].hostMode {
        case .keep:
            // An HTTP/1.0 client may send none; a server must get one.
            if turn.value.head.authority.isEmpty {
                appendMemberAuthority(turn)
            } else {
                append(bytes, turn.value.head.authority)
            }
        case .server:
            appendMemberAuthority(turn)
        case .fixed(let range):
            scratch.value.append(plan.value.text.bytes.extracting(range.lower..<range.upper))
        }
    }

    private mutating func appendMemberAuthority(_ turn: Turn) {
        guard let service = turn.value.service else { return }
        let cell = Int(turn.value.heldCell)
        // The roster may be another one by now than that in which the server was chosen.
        let hint = Int(turn.value.memberIndex)
        if let index = service.value.roster.index(ofCell: cell, hint: hint) {
            let range = service.value.roster.members[index].authority
            scratch.value.append(
                service.value.roster.text.bytes.extracting(range.lower..<range.upper))
        } else if let bytes = service.value.authorityOfLeft(cell: cell) {
            for byte in bytes { scratch.value.append(byte) }
        }
    }

    private mutating func appendVia(_ head: RequestHead, _ client: Client) {
        if client.value.link.kind == .stream {
            scratch.value.append("Via: 2.0 ")
        } else {
            scratch.value.append(head.minorVersion == 0 ? "Via: 1.0 " : "Via: 1.1 ")
        }
        scratch.value.append(pseudonym.value.bytes)
        scratch.value.append("\r\n")
    }

    /// `X-Forwarded-*` and `Forwarded` (RFC 7239). What a client without trust said of itself
    /// has been dropped with the replaced fields.
    private mutating func appendForwarding(
        _ bytes: RawSpan, _ turn: Turn, _ client: Client, _ listener: Int
    ) {
        let plan = turn.value.plan
        let mode = plan.value.listeners[listener].forwarding
        let isTrusted = turn.value.isTrusted
        if mode.contains(.xForwarded) {
            scratch.value.append("X-Forwarded-For: ")
            if isTrusted { appendValues(of: .xForwardedFor, bytes, separated: true) }
            appendPeer(client, isQuoted: false)
            if isTrusted {
                appendTrustedForwarding(bytes, turn)
            } else if turn.value.head.authority.isEmpty {
                scratch.value.append("\r\nX-Forwarded-Proto: ")
                appendScheme(client)
                scratch.value.append("\r\n")
            } else {
                scratch.value.append("\r\nX-Forwarded-Proto: ")
                appendScheme(client)
                scratch.value.append("\r\nX-Forwarded-Host: ")
                append(bytes, turn.value.head.authority)
                scratch.value.append("\r\n")
            }
        }
        if mode.contains(.rfc7239) {
            scratch.value.append("Forwarded: ")
            if isTrusted { appendValues(of: .forwarded, bytes, separated: true) }
            scratch.value.append("for=")
            appendPeer(client, isQuoted: true)
            if !turn.value.head.authority.isEmpty {
                scratch.value.append(";host=\"")
                append(bytes, turn.value.head.authority)
                scratch.value.append("\"")
            }
            scratch.value.append(";proto=")
            appendScheme(client)
            scratch.value.append("\r\n")
        }
    }

    /// The client's address; who came through a Unix socket has none (RFC 7239 §6.2).
    ///
    /// - Parameter isQuoted: an IPv6 address stands in brackets and quotes.
    private mutating func appendPeer(_ client: Client, isQuoted: Bool) {
        let peer = client.value.peer
        guard !peer.isUnix else {
            scratch.value.append("unknown")
            return
        }
        let hasQuotes = isQuoted && !peer.isIPv4
        if hasQuotes { scratch.value.append("\"[") }
        AddressText.append(high: peer.high, low: peer.low, to: &scratch.value)
        if hasQuotes { scratch.value.append("]\"") }
    }

    private mutating func appendScheme(_ client: Client) {
        scratch.value.append("http")
        if carrier(client).value.link.kind == .secure { scratch.value.append("s") }
    }

    /// What a trusted proxy says of its client goes on as it is.
    private mutating func appendTrustedForwarding(_ bytes: RawSpan, _ turn: Turn) {
        scratch.value.append("\r\nX-Forwarded-Proto: ")
        if !appendValues(of: .xForwardedProto, bytes, separated: false) {
            appendScheme(turn.value.client)
        }
        scratch.value.append("\r\n")
        let hasHost = fields.first(.xForwardedHost) != nil
        guard hasHost || !turn.value.head.authority.isEmpty else { return }
        scratch.value.append("X-Forwarded-Host: ")
        if !(hasHost && appendValues(of: .xForwardedHost, bytes, separated: false)) {
            append(bytes, turn.value.head.authority)
        }
        scratch.value.append("\r\n")
    }

    /// Appends the values of all lines of one name.
    ///
    /// - Parameter separated: whether each is followed by a comma, for ours to come behind;
    ///   otherwise the first alone counts.
    /// - Returns: whether there was one.
    @discardableResult
    private mutating func appendValues(
        of name: FieldName, _ bytes: RawSpan, separated: Bool
    ) -> Bool {
        var found = false
        for index in 0..<fields.count where fields[index].name == name {
            guard !fields[index].valueRange.isEmpty else { continue }
            found = true
            append(bytes, fields[index].valueRange)
            guard separated else { return true }
            scratch.value.append(", ")
        }
        return found
    }

    /// The identifier of the exchange under the name that the listener gives it; in requests
    /// only when the client's own is not kept.
    mutating func appendRequestID(_ turn: Turn, _ listener: Int) {
        guard !turn.value.keepsRequestID else { return }
        let name = turn.value.plan.value.listeners[listener].requestIDName
        guard !name.isEmpty else { return }
        let plan = turn.value.plan
        scratch.value.append(plan.value.text.bytes.extracting(name.lower..<name.upper))
        scratch.value.append(": ")
        scratch.value.append(hexadecimal: turn.value.requestID, width: 16)
        scratch.value.append("\r\n")
    }

    private mutating func appendEdits(_ plan: Place<Plan>, _ edits: HeadEdits) {
        guard !edits.additions.isEmpty else { return }
        scratch.value.append(
            plan.value.text.bytes.extracting(edits.additions.lower..<edits.additions.upper))
    }

    // MARK: - Responses

    /// Puts the head of a response into the scratch block, for the client.
    mutating func composeResponseHead(_ turn: Turn, _ server: Server, _ head: ResponseHead) {
        scratch.value.reset()
        let start = server.value.input.start
        composeResponseHead(
            server.value.input.span(from: start, to: start + head.headByteCount), turn, head)
    }

    private mutating func composeResponseHead(
        _ bytes: RawSpan, _ turn: Turn, _ head: ResponseHead
    ) {
        let client = turn.value.client
        let listener = Int(client.value.listener)
        let plan = turn.value.plan
        let route = Int(turn.value.route)
        let isInterim = head.status < 200

        // A status line of our version, with the space before the reason, goes on as it is.
        var runStart = 0
        if head.minorVersion != 1 || head.reasonRange.lower != 13 {
            scratch.value.append("HTTP/1.1 ")
            scratch.value.append(decimal: UInt64(head.status))
            scratch.value.append(" ")
            append(bytes, head.reasonRange)
            scratch.value.append("\r\n")
            runStart = head.fieldsStart
        }

        let replaced = plan.value.listeners[listener].replacedResponseFields
        let edits = plan.value.routePlans[route].responseEdits
        let dropsLength = turn.value.responseRewrite == .addChunks
        for index in 0..<fields.count {
            let line = fields[index]
            let isDropped =
                line.isHopByHop || replaced.contains(line.name)
                || (dropsLength && line.name == .contentLength)
                || (!isInterim
                    && plan.value.listeners[listener].isRequestID(
                        line, bytes, plan.value.text.bytes))
                || (edits.hasRemovals
                    && plan.value.isRemoved(
                        bytes, line.nameRange, edits, foldsSeparators: false))
            guard isDropped else { continue }
            append(bytes, from: runStart, to: line.lineRange.lower)
            runStart = line.lineRange.upper
        }
        append(bytes, from: runStart, to: head.headByteCount - 2)

        if isInterim {
            if head.status == 101 {
                scratch.value.append("Connection: upgrade\r\n")
                for index in 0..<fields.count where fields[index].name == .upgrade {
                    append(bytes, fields[index].lineRange)
                }
            }
            scratch.value.append("\r\n")
            return
        }
        if turn.value.responseStage != .complete || head.status == 200 {
            switch turn.value.responseFraming {
            case .chunked where turn.value.responseRewrite == .none:
                scratch.value.append("Transfer-Encoding: chunked\r\n")
            case .untilClose where turn.value.responseRewrite == .addChunks:
                scratch.value.append("Transfer-Encoding: chunked\r\n")
            default: break
            }
        }
        if !head.hasDate { appendDate() }
        if turn.value.keepsRequestID {
            appendKeptRequestID(turn, listener)
        } else {
            appendRequestID(turn, listener)
        }
        appendListenerFields(turn, listener, status: head.status)
        appendEdits(plan, edits)
        appendPersistence(turn)
        scratch.value.append("\r\n")
    }

    /// Whether a client's identifier is short enough to be kept; a longer one is replaced.
    static func isKeepable(_ identifier: ByteRange) -> Bool {
        identifier.count > 0 && identifier.count <= 128
    }

    /// The identifier that the client brought, back to it.
    mutating func appendKeptRequestID(_ turn: Turn, _ listener: Int) {
        let client = turn.value.client
        recallFields(turn)
        let name = turn.value.plan.value.listeners[listener].requestIDName
        let start = turn.value.headStart
        for index in 0..<fields.count {
            let line = fields[index]
            guard Self.isKeepable(line.valueRange),
                turn.value.plan.value.isName(
                    client.value.input.span(
                        from: start, to: start + turn.value.head.headByteCount),
                    line.nameRange, name)
            else { continue }
            scratch.value.append(
                client.value.input.span(
                    from: start + line.lineRange.lower, to: start + line.lineRange.upper))
            return
        }
    }

    mutating func appendDate() {
        date.update(secondsSinceEpoch: wallNow() / 1_000_000_000)
        scratch.value.append("Date: ")
        date.append(to: &scratch.value)
        scratch.value.append("\r\n")
    }

    mutating func appendPersistence(_ turn: Turn) {
        if !turn.value.clientPersists {
            scratch.value.append("Connection: close\r\n")
        } else if turn.value.head.minorVersion == 0 {
            scratch.value.append("Connection: keep-alive\r\n")
        }
    }

    /// What the listener is told to add to every answer of a server.
    private mutating func appendListenerFields(_ turn: Turn, _ listener: Int, status: Int) {
        let plan = turn.value.plan
        let server = plan.value.listeners[listener].serverText
        if !server.isEmpty {
            scratch.value.append("Server: ")
            scratch.value.append(plan.value.text.bytes.extracting(server.lower..<server.upper))
            scratch.value.append("\r\n")
        }
        if plan.value.listeners[listener].alwaysSendsProxyStatus {
            scratch.value.append("Proxy-Status: staithe; received-status=")
            scratch.value.append(decimal: UInt64(status))
            scratch.value.append("\r\n")
        }
        if plan.value.listeners[listener].sendsServerTiming {
            scratch.value.append("Server-Timing: queue;dur=")
            appendMilliseconds(turn.value.queuedNanoseconds)
            scratch.value.append(", connect;dur=")
            appendMilliseconds(turn.value.connectNanoseconds)
            scratch.value.append(", wait;dur=")
            appendMilliseconds((now - turn.value.sentAt).nanoseconds)
            scratch.value.append(", total;dur=")
            appendMilliseconds((now - turn.value.began).nanoseconds)
            scratch.value.append("\r\n")
        }
    }

    /// With one decimal.
    private mutating func appendMilliseconds(_ nanoseconds: UInt64) {
        let tenths = nanoseconds / 100_000
        scratch.value.append(decimal: tenths / 10)
        scratch.value.append(".")
        scratch.value.append(decimal: tenths % 10)
    }
}
