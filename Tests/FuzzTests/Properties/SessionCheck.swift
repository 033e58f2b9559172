import HTTP
import HTTP1
import HTTP2
import Memory

/// The properties of the boundary between HTTP/2 and HTTP/1.1: where the input is cut makes no
/// difference, what comes out is one message and no more, it says what a plain reading of the
/// fields says, and it comes through a second time as it is.
///
/// The lowest bit of the variant says what the message is: frames, or the fields of one head, its
/// content and its trailers, between bytes that no text has (see ``FieldInput``).
enum SessionCheck {
    static func run(_ input: FuzzInput, isRequest: Bool) throws(BrokenProperty) {
        let isRaw = input.variant & 1 == 1
        let answersHead = !isRequest && input.variant & 2 == 2
        let fields = FieldInput(input.message)
        let frames = isRaw ? input.message : fields.frames
        let start = isRequest ? HTTP2Bytes.preface : HTTP2Bytes.settings
        let bytes = start + frames
        let asking =
            isRequest ? "" : "\(answersHead ? "HEAD" : "GET") / HTTP/1.1\r\nhost: a.test\r\n\r\n"
        func read(_ cuts: [Int]) -> SessionReading {
            SessionReading.read(
                bytes, role: isRequest ? .server : .client, asking: asking, cuts: cuts)
        }
        let whole = read([])
        var plans = [input.cuts.map { $0 + start.count }.filter { $0 < bytes.count }]
        if bytes.count <= 400 { plans.append(Array(1..<bytes.count)) }
        for cuts in plans where !cuts.isEmpty {
            let cut = read(cuts)
            try require(
                cut.settled == whole.settled, "cut at \(cuts): \(cut.settled), not \(whole.settled)"
            )
        }
        // Nobody is made to say much by saying little.
        try require(
            whole.sentByteCount <= 2 * bytes.count + 1024,
            "\(whole.sentByteCount) bytes for \(bytes.count)")
        for message in whole.messages.values {
            for head in message.heads {
                try checkHead(head, isRequest: isRequest, answersHead: answersHead)
            }
        }
        guard !isRaw, whole.first.refusal == nil, let head = whole.first.heads.last else { return }
        try fields.check(whole.first, isRequest: isRequest, answersHead: answersHead)
        if isRequest { try checkAgain(head) }
    }

    /// A head is read as one head, to its last byte, or refused.
    private static func checkHead(
        _ head: String, isRequest: Bool, answersHead: Bool
    ) throws(BrokenProperty) {
        let text = head.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        let bytes = FixedArray(text)
        var lines = FieldSection()
        var end: Int?
        do throws(HeadError) {
            if isRequest {
                if case .complete(_, let byteCount) = try HeadParser.parseRequest(
                    bytes.bytes, limits: HeadLimits(), fields: &lines)
                {
                    end = byteCount
                }
            } else {
                if case .complete(_, let byteCount) = try HeadParser.parseResponse(
                    bytes.bytes, limits: HeadLimits(), requestMethod: answersHead ? .head : .get,
                    fields: &lines)
                {
                    end = byteCount
                }
            }
        } catch {
            return
        }
        try require(end == text.count, "\(text.count) bytes are read as \(end ?? -1): \(head)")
    }

    /// A request that is sent on in HTTP/2 arrives as it was.
    private static func checkAgain(_ head: String) throws(BrokenProperty) {
        // What is added or taken away on purpose.
        for word in ["upgrade: ", "application/grpc", "http2-settings", "sec-websocket-accept"] {
            guard !head.contains(word) else { return }
        }
        guard !head.hasPrefix("CONNECT ") else { return }
        let text = head.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        let bytes = FixedArray(text)
        var client = HTTP2Session(role: .client, settings: HTTP2Settings())
        var scratch = FieldScratch()
        let opened = client.request(bytes.bytes, isSecure: false, tag: 1, &scratch)
        guard opened != nil else { throw BrokenProperty(description: "not sent: \(head)") }
        var output = Buffer(capacity: 256 << 10)
        let isWritten = client.write(to: &output)
        try require(isWritten, "not written: \(head)")
        let sent = (output.start..<output.end).map { output[$0] }
        let again = SessionReading.read(sent, role: .server).first
        try require(again.heads == [head], "\(again) for \(head)")
    }
}

/// The fields of a head, its content and its trailers.
///
/// 0xFD stands between the three, 0xFE between field lines, 0xFF between name and value.
struct FieldInput {
    var fields: [HTTP2Field]
    var content: [UInt8]?
    var trailers: [HTTP2Field]?

    init(_ message: [UInt8]) {
        let parts = message.split(separator: 0xFD, maxSplits: 2, omittingEmptySubsequences: false)
        fields = Self.fields(parts[0])
        if parts.count > 1 { content = Array(parts[1]) }
        if parts.count > 2 { trailers = Self.fields(parts[2]) }
    }

    private static func fields(_ part: ArraySlice<UInt8>) -> [HTTP2Field] {
        var fields: [HTTP2Field] = []
        for line in part.split(separator: 0xFE) {
            let halves = line.split(
                separator: 0xFF, maxSplits: 1, omittingEmptySubsequences: false)
            fields.append(
                HTTP2Field(
                    name: Array(halves[0]), value: halves.count > 1 ? Array(halves[1]) : []))
        }
        return fields
    }

    var isLast: Bool { content == nil && trailers == nil }

    var frames: [UInt8] {
        var frames = HTTP2Bytes.headers(fields, isLast: isLast)
        if let content { frames += HTTP2Bytes.data(content, isLast: trailers == nil) }
        if let trailers { frames += HTTP2Bytes.headers(trailers, isLast: true) }
        return frames
    }

    // MARK: - A plain reading

    private func text(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }

    /// A message that came through: every rule holds, and it says what these fields say.
    func check(
        _ message: SessionReading.Message, isRequest: Bool, answersHead: Bool
    ) throws(BrokenProperty) {
        try checkFields(fields)
        if message.trailers != nil { try checkFields(trailers ?? []) }
        let head = message.heads.last ?? ""
        let names = fields.map { text($0.name) }
        let pseudos = names.prefix { $0.hasPrefix(":") }
        try require(!names.dropFirst(pseudos.count).contains { $0.hasPrefix(":") }, "order")
        try require(Set(pseudos).count == pseudos.count, "twice")
        let lengths = fields.filter { $0.name == Array("content-length".utf8) }
        try require(lengths.count <= 1, "lengths")
        if let length = lengths.first, message.isComplete, !answersHead, !head.contains(" 304 ") {
            try require(
                text(length.value) == "\(content?.count ?? 0)"
                    || UInt64(text(length.value)) == UInt64(content?.count ?? 0), "length")
        }
        try require(
            head == (isRequest ? try request() : try response(answersHead)), "\(head) for \(self)")
        if message.isComplete {
            try require(message.content == content ?? [], "content")
            let lines = (trailers ?? []).map { "\(text($0.name)): \(text($0.value))\r\n" }
            try require((message.trailers ?? "") == lines.joined(), "trailers")
        }
    }

    private func checkFields(_ fields: [HTTP2Field]) throws(BrokenProperty) {
        let signs = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        let forbidden = [
            "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
        ]
        for field in fields {
            let name =
                field.name.first == UInt8(ascii: ":") ? field.name.dropFirst() : field.name[...]
            try require(!name.isEmpty && name.allSatisfy(signs.contains), "name \(field)")
            try require(!forbidden.contains(text(field.name)), "\(field)")
            let ends = [field.value.first, field.value.last]
            try require(!ends.contains(0x20) && !ends.contains(0x09), "ends of \(field)")
            let isPlain = field.value.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
            try require(isPlain, "value of \(field)")
        }
    }

    private func value(_ name: String) -> String? {
        fields.first { text($0.name) == name }.map { text($0.value) }
    }

    private func request() throws(BrokenProperty) -> String {
        guard let method = value(":method") else { throw BrokenProperty(description: "method") }
        let isTunnel = value(":protocol") != nil
        let target = value(":path") ?? value(":authority") ?? ""
        for part in [method, target, value(":authority") ?? ""] {
            let isVisible = part.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
            try require(isVisible, "start line of \(self)")
        }
        if let host = value("host"), let authority = value(":authority") {
            try require(host.lowercased() == authority.lowercased(), "host of \(self)")
        }
        if let te = value("te") { try require(te == "trailers", "te") }
        var head = "\(isTunnel ? "GET" : method) \(target) HTTP/1.1\r\n"
        if let host = value(":authority") ?? value("host") { head += "host: \(host)\r\n" }
        var cookies: [String] = []
        var hasLength = false
        for field in fields where field.name.first != UInt8(ascii: ":") {
            let name = text(field.name)
            if name == "content-length" { hasLength = true }
            switch name {
            case "host": break
            case "cookie": cookies.append(text(field.value))
            case "sec-websocket-key" where isTunnel: break
            default: head += "\(name): \(text(field.value))\r\n"
            }
        }
        let cookie = cookies.joined(separator: "; ")
        if !cookie.isEmpty { head += "cookie: \(cookie)\r\n" }
        if isTunnel {
            head += "connection: upgrade\r\nupgrade: websocket\r\n"
            head += "sec-websocket-key: AAAAAAAAAAEAAAAAAAAAAg==\r\n"
        } else if !isLast, !hasLength {
            head += "transfer-encoding: chunked\r\n"
        }
        return head + "\r\n"
    }

    private func response(_ answersHead: Bool) throws(BrokenProperty) -> String {
        guard let status = value(":status") else { throw BrokenProperty(description: "status") }
        try require(status.utf8.count == 3 && Int(status) != nil && status != "101", "status")
        var head = "HTTP/1.1 \(status) \r\n"
        for field in fields where field.name.first != UInt8(ascii: ":") {
            head += "\(text(field.name)): \(text(field.value))\r\n"
        }
        let hasContent = !answersHead && status != "204" && status != "304"
        if !status.hasPrefix("1"), value("content-length") == nil, hasContent {
            head += isLast ? "content-length: 0\r\n" : "transfer-encoding: chunked\r\n"
        }
        return head + "\r\n"
    }
}
