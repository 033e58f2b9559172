import HTTP
import Memory

/// The fields of one HTTP/2 head as they come out of HPACK, on their way to become the text of
/// an HTTP/1.1 head: checked one by one, so that nothing which is written means something else
/// there than it did here.
struct HeadDraft: ~Copyable {
    enum Kind: UInt8 {
        case request
        case response
        case trailers
        /// The head of a final response, if it begins as one.
        case trailersOrFinal
    }

    var stream: Int32 = 0
    var kind = Kind.request
    /// What a field broke; the first counts.
    var rule: StaticString?
    /// More than may be kept: what comes is counted and forgotten.
    var isTooLarge = false
    private var byteCount = 0
    private var limit = 0
    /// Complete field lines.
    private var lines = GrowingText()
    /// The values of pseudo-header fields, and of Host.
    private var values = GrowingText()
    private var cookies = GrowingText()
    private var method = ByteRange.empty
    private var path = ByteRange.empty
    private var authority = ByteRange.empty
    private var scheme = ByteRange.empty
    private var host = ByteRange.empty
    private var hasHost = false
    private var isWebSocket = false
    private var isOtherProtocol = false
    private(set) var status = 0
    private(set) var hasContentLength = false

    /// Begins a head; `limit` bounds its size (RFC 9113 §6.5.2).
    mutating func begin(_ stream: Int32, _ kind: Kind, limit: Int) {
        self.stream = stream
        self.kind = kind
        self.limit = limit
        rule = nil
        isTooLarge = false
        byteCount = 0
        lines.removeAll()
        values.removeAll()
        cookies.removeAll()
        method = .empty
        path = .empty
        authority = .empty
        scheme = .empty
        host = .empty
        hasHost = false
        isWebSocket = false
        isOtherProtocol = false
        status = 0
        hasContentLength = false
    }

    var isTrailers: Bool { kind == .trailers || kind == .trailersOrFinal }

    /// Gives the memory back, between two heads.
    mutating func release() {
        lines = GrowingText()
        values = GrowingText()
        cookies = GrowingText()
    }

    /// - Returns: `false` when it is not worth going on with this head.
    mutating func add(
        _ name: RawSpan, _ value: RawSpan
    ) -> Bool {
        byteCount += name.byteCount + value.byteCount + 32
        guard byteCount <= limit else {
            isTooLarge = true
            return byteCount <= limit * 4
        }
        guard BoundaryRules.isValue(value) else {
            refuse("h2-field-value")
            return true
        }
        if name.byteCount > 0, name.byte(0) == UInt8(ascii: ":") {
            addPseudo(name, value)
        } else {
            addField(name, value)
        }
        return true
    }

    private mutating func refuse(_ rule: StaticString) {
        if self.rule == nil { self.rule = rule }
    }

    private mutating func addPseudo(
        _ name: RawSpan, _ value: RawSpan
    ) {
        if kind == .trailersOrFinal { kind = .response }
        guard kind != .trailers, lines.count == 0, cookies.count == 0, !hasHost else {
            refuse("h2-pseudo-misplaced")
            return
        }
        if kind == .response {
            guard name.isText(":status"), status == 0, value.byteCount == 3 else {
                refuse("h2-pseudo-unknown")
                return
            }
            for index in 0..<3 {
                let digit = value.byte(index) &- 0x30
                guard digit < 10 else {
                    refuse("h2-status")
                    return
                }
                status = status * 10 + Int(digit)
            }
            // Nobody changes the protocol of a stream (§8.6).
            if status < 100 || status == 101 { refuse("h2-status") }
            return
        }
        guard BoundaryRules.isVisible(value), value.byteCount > 0 else {
            refuse("h2-pseudo-value")
            return
        }
        if name.isText(":method") {
            if !method.isEmpty { refuse("h2-pseudo-repeated") }
            method = keep(value)
        } else if name.isText(":path") {
            if !path.isEmpty { refuse("h2-pseudo-repeated") }
            path = keep(value)
        } else if name.isText(":authority") {
            if !authority.isEmpty { refuse("h2-pseudo-repeated") }
            authority = keep(value)
        } else if name.isText(":scheme") {
            if !scheme.isEmpty { refuse("h2-pseudo-repeated") }
            scheme = keep(value)
        } else if name.isText(":protocol"), !isWebSocket, !isOtherProtocol {
            isWebSocket = value.isText("websocket")
            isOtherProtocol = !isWebSocket
        } else {
            refuse("h2-pseudo-unknown")
        }
    }

    private mutating func keep(_ value: RawSpan) -> ByteRange {
        let start = values.count
        values.append(value)
        return ByteRange(start, values.count)
    }

    private mutating func addField(
        _ name: RawSpan, _ value: RawSpan
    ) {
        guard BoundaryRules.isName(name) else {
            refuse("h2-field-name")
            return
        }
        guard !BoundaryRules.isConnectionSpecific(name) else {
            refuse("h2-connection-field")
            return
        }
        if kind == .request {
            if name.isText("te"), !value.isText("trailers") {
                refuse("h2-te")
                return
            }
            if name.isText("host") {
                addHost(value)
                return
            }
            if name.isText("cookie") {
                if cookies.count > 0 { cookies.append("; ") }
                cookies.append(value)
                return
            }
            if isWebSocket, name.isText("sec-websocket-key") { return }
        }
        if name.isText("content-length") {
            guard !isTrailers else { return }
            if hasContentLength { refuse("h2-content-length") }
            hasContentLength = true
        }
        lines.append(name)
        lines.append(": ")
        lines.append(value)
        lines.append("\r\n")
    }

    private mutating func addHost(_ value: RawSpan) {
        guard !hasHost, value.byteCount > 0, BoundaryRules.isVisible(value) else {
            refuse("h2-host")
            return
        }
        hasHost = true
        host = keep(value)
    }

    /// What the fields must be together; after the last of them.
    mutating func close() {
        guard rule == nil, !isTooLarge else { return }
        switch kind {
        case .trailers, .trailersOrFinal: break
        case .response:
            if status == 0 { refuse("h2-pseudo-missing") }
        case .request:
            guard !method.isEmpty else {
                refuse("h2-pseudo-missing")
                return
            }
            let isConnect = values.isEqual(method, "CONNECT")
            if isWebSocket || isOtherProtocol {
                // RFC 8441 §4.
                guard isConnect, !scheme.isEmpty, !path.isEmpty else {
                    refuse("h2-protocol")
                    return
                }
            } else if isConnect {
                guard scheme.isEmpty, path.isEmpty, !authority.isEmpty else {
                    refuse("h2-connect")
                    return
                }
            } else {
                guard !scheme.isEmpty, !path.isEmpty else {
                    refuse("h2-pseudo-missing")
                    return
                }
            }
            if !scheme.isEmpty, !values.isScheme(scheme) { refuse("h2-scheme") }
            // Who reads one and who reads the other must see the same (§8.3.1).
            if hasHost, !authority.isEmpty, !values.isSame(host, authority) {
                refuse("h2-authority-host-mismatch")
            }
        }
    }

    // MARK: - The text

    /// How much room the text takes, at most.
    var textByteCount: Int { lines.count + values.count + cookies.count + 320 }

    /// A protocol over CONNECT that nobody here speaks.
    var isUnknownProtocol: Bool { isOtherProtocol }
    var isTunnel: Bool { isWebSocket }
    var isHead: Bool { values.isEqual(method, "HEAD") }

    /// - Parameter key: random, for the server's end of a WebSocket handshake.
    func appendRequest(
        to buffer: inout Buffer, isLast: Bool, key: (UInt64, UInt64)
    ) {
        if isWebSocket {
            buffer.append("GET")
        } else {
            buffer.append(values.buffer.bytes.extracting(method.lower..<method.upper))
        }
        buffer.append(" ")
        let target = path.isEmpty ? authority : path
        buffer.append(values.buffer.bytes.extracting(target.lower..<target.upper))
        buffer.append(" HTTP/1.1\r\n")
        let name = authority.isEmpty ? host : authority
        if !name.isEmpty {
            buffer.append("host: ")
            buffer.append(values.buffer.bytes.extracting(name.lower..<name.upper))
            buffer.append("\r\n")
        }
        buffer.append(lines.buffer.bytes)
        if cookies.count > 0 {
            buffer.append("cookie: ")
            buffer.append(cookies.buffer.bytes)
            buffer.append("\r\n")
        }
        if isWebSocket {
            buffer.append("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ")
            Self.appendKey(key, to: &buffer)
            buffer.append("\r\n")
        } else if !isLast, !hasContentLength {
            buffer.append("transfer-encoding: chunked\r\n")
        }
        buffer.append("\r\n")
    }

    /// Sixteen bytes in base64 (RFC 6455 §4.1).
    private static func appendKey(_ key: (UInt64, UInt64), to buffer: inout Buffer) {
        // 128 bits are 21 digits of six bits, and one of two bits with four zeros behind it.
        var high = key.0
        var low = key.1
        for _ in 0..<21 {
            buffer.append(Self.digit(high >> 58))
            high = high << 6 | low >> 58
            low <<= 6
        }
        buffer.append(Self.digit(high >> 58))
        buffer.append("==")
    }

    private static func digit(_ value: UInt64) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: value)
        return switch value {
        case 0..<26: value + UInt8(ascii: "A")
        case 26..<52: value - 26 + UInt8(ascii: "a")
        case 52..<62: value - 52 + UInt8(ascii: "0")
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }

    /// - Parameter isEmpty: it ended with its head, and did not say so with a length.
    func appendResponse(to buffer: inout Buffer, isChunked: Bool, isEmpty: Bool) {
        buffer.append("HTTP/1.1 ")
        buffer.append(decimal: UInt64(status))
        buffer.append(" \r\n")
        buffer.append(lines.buffer.bytes)
        if isChunked { buffer.append("transfer-encoding: chunked\r\n") }
        if isEmpty { buffer.append("content-length: 0\r\n") }
        buffer.append("\r\n")
    }

    func appendTrailers(to buffer: inout Buffer) { buffer.append(lines.buffer.bytes) }
    var trailerByteCount: Int { lines.count }
}

/// Text that grows as it must; its owner bounds it.
struct GrowingText: ~Copyable {
    private(set) var buffer = Buffer()

    init() {}

    var count: Int { buffer.count }

    mutating func removeAll() { buffer.reset() }

    private mutating func makeRoom(_ count: Int) {
        guard buffer.room < count else { return }
        var wider = Buffer(capacity: max(512, (buffer.count + count) * 2))
        wider.append(buffer.bytes)
        buffer = wider
    }

    mutating func append(_ bytes: RawSpan) {
        makeRoom(bytes.byteCount)
        buffer.append(bytes)
    }

    mutating func append(_ text: StaticString) {
        makeRoom(text.utf8CodeUnitCount)
        buffer.append(text)
    }

    func isEqual(_ range: ByteRange, _ text: StaticString) -> Bool {
        buffer.bytes.extracting(range.lower..<range.upper).isText(text)
    }

    func isScheme(_ range: ByteRange) -> Bool {
        // In any case (RFC 3986 §3.1).
        guard range.count == 4 || range.count == 5 else { return false }
        for (index, letter) in "https".utf8.enumerated().prefix(Int(range.count)) {
            guard buffer[range.lower + index] | 0x20 == letter else { return false }
        }
        return true
    }

    /// Whether two stretches are the same, but for the case of letters.
    func isSame(_ a: ByteRange, _ b: ByteRange) -> Bool {
        guard a.count == b.count else { return false }
        for index in 0..<Int(a.count) {
            let x = buffer[a.lower + index]
            let y = buffer[b.lower + index]
            guard x == y || (Bytewise.isLetter(x) && x | 0x20 == y | 0x20) else { return false }
        }
        return true
    }
}
