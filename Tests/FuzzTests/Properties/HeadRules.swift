import HTTP
import HTTP1
import Memory

/// What must be true of every accepted head, by a second reading of its bytes: a plain one,
/// that knows nothing of words and offsets.
struct HeadRules {
    private struct Field {
        /// In lower case.
        var name: String
        var value: String
    }

    private let head: [UInt8]
    private let reading: HeadReading
    private let startLine: String
    private let startLineStart: Int
    private let fields: [Field]
    /// What Connection says, in lower case.
    private let options: Set<String>

    init(
        _ head: [UInt8], _ reading: HeadReading, _ limits: HeadLimits
    ) throws(BrokenProperty) {
        self.head = head
        self.reading = reading
        var lines = try Self.lines(of: head)
        startLineStart = lines.first?.isEmpty ?? false ? 2 : 0
        if startLineStart == 2 { lines.removeFirst() }
        try require(lines.count >= 2, "no empty line at the end")
        try require(lines.removeLast().isEmpty, "does not end in an empty line")
        let first = lines.removeFirst()
        startLine = Self.text(first)
        try require(lines.allSatisfy { !$0.isEmpty }, "an empty line inside")
        let fieldsStart = startLineStart + first.count + 2
        try require(first.count + 2 <= limits.requestLineBytes, "start line over its limit")
        try require(head.count - fieldsStart <= limits.headerBytes, "fields over their limit")
        try require(lines.count <= limits.headerCount, "\(lines.count) lines")
        try require(reading.fieldsStart == fieldsStart, "fields start at \(reading.fieldsStart)")
        try require(reading.headByteCount == head.count, "head of \(reading.headByteCount)")
        try require(reading.lines.count == lines.count, "\(reading.lines.count) fields")

        var fields: [Field] = []
        var position = fieldsStart
        for (line, found) in zip(lines, reading.lines) {
            let field = try Self.field(line)
            try require(
                found.lineRange == ByteRange(position, position + line.count + 2),
                "line range of \(field.name)")
            try require(
                Self.text(head[found.nameRange.lower..<found.nameRange.upper]).lowercased()
                    == field.name && found.nameRange.lower == position,
                "name range of \(field.name)")
            try require(
                Self.text(head[found.valueRange.lower..<found.valueRange.upper]) == field.value
                    && found.valueRange.upper < found.lineRange.upper,
                "value range of \(field.name)")
            fields.append(field)
            position += line.count + 2
        }
        self.fields = fields
        options = Set(Self.elements(fields.filter { $0.name == "connection" }.map(\.value)))
    }

    // MARK: - Both

    private func values(_ name: String) -> [String] {
        fields.filter { $0.name == name }.map(\.value)
    }

    /// RFC 9112 §6.3: one way to tell where the content ends, and no more.
    private func length() throws(BrokenProperty) -> HeadReading.Length {
        let lengths = values("content-length")
        let codings = values("transfer-encoding")
        try require(lengths.count + codings.count <= 1, "two lengths: \(lengths) \(codings)")
        if let length = lengths.first {
            try require(
                !length.isEmpty && length.utf8.allSatisfy { 0x30...0x39 ~= $0 },
                "Content-Length: \(length)")
            guard let count = Int64(length) else {
                throw BrokenProperty(description: "Content-Length: \(length)")
            }
            return .exactly(UInt64(count))
        }
        if let coding = codings.first {
            try require(coding.lowercased() == "chunked", "Transfer-Encoding: \(coding)")
            try require(reading.minorVersion == 1, "Transfer-Encoding in HTTP/1.0")
            return .chunked
        }
        return .none
    }

    /// RFC 9110 §7.6.1.
    private func checkHopByHop(removesFraming: Bool) throws(BrokenProperty) {
        let always: Set = [
            "connection", "transfer-encoding", "upgrade", "te", "keep-alive",
            "proxy-connection", "proxy-authenticate", "proxy-authorization", "http2-settings",
        ]
        for (field, line) in zip(fields, reading.lines) {
            // `close` is reserved: there is no such field.
            guard field.name != "close" else { continue }
            let isFraming = field.name == "content-length" || field.name == "transfer-encoding"
            let isHopByHop =
                always.contains(field.name) || options.contains(field.name)
                || removesFraming && isFraming
            try require(
                line.isHopByHop == isHopByHop, "\(field.name) is hop-by-hop: \(line.isHopByHop)")
        }
        try require(
            reading.hasHopByHopLines == reading.lines.contains(where: \.isHopByHop),
            "hasHopByHopLines is \(reading.hasHopByHopLines)")
        for name in ["host", "content-length", "content-type", "via", "cookie"] {
            try require(!options.contains(name), "Connection: \(name)")
        }
    }

    private func checkNames() throws(BrokenProperty) {
        for (field, line) in zip(fields, reading.lines) {
            if line.name != .other {
                try require(reading.names.contains(line.name), "\(field.name) is not noted")
            }
        }
        let known: [(String, FieldName)] = [
            ("host", .host), ("connection", .connection), ("content-length", .contentLength),
            ("transfer-encoding", .transferEncoding), ("expect", .expect),
            ("upgrade", .upgrade), ("via", .via), ("te", .te), ("date", .date),
            ("server", .server), ("forwarded", .forwarded),
            ("x-forwarded-for", .xForwardedFor),
        ]
        for (text, name) in known {
            try require(
                reading.names.contains(name) == fields.contains { $0.name == text },
                "\(text) is noted: \(reading.names.contains(name))")
        }
    }

    private func check(_ range: ByteRange, is text: String) throws(BrokenProperty) {
        try require(
            range.upper <= head.count && Self.text(head[range.lower..<range.upper]) == text,
            "not '\(text)': \(range)")
    }

    // MARK: - Requests

    func checkRequest() throws(BrokenProperty) {
        let parts = startLine.split(separator: " ", omittingEmptySubsequences: false)
            .map(String.init)
        try require(parts.count == 3, "request line '\(startLine)'")
        let (method, target) = (parts[0], parts[1])
        try require(Self.isToken(method) && method != "CONNECT", "method '\(method)'")
        try require(parts[2] == "HTTP/1.\(reading.minorVersion)", "version '\(parts[2])'")
        try require(
            !target.isEmpty && target.unicodeScalars.allSatisfy { "!"..."~" ~= $0 && $0 != "#" },
            "target '\(target)'")
        try check(reading.ranges[0], is: method)
        try require(reading.ranges[0].lower == startLineStart, "method range")
        try check(reading.ranges[1], is: target)
        let isOptions = method == "OPTIONS"
        try require((reading.method == .options) == isOptions, "method \(reading.method)")
        try require((reading.method == .head) == (method == "HEAD"), "method \(reading.method)")

        try checkAddress(target)
        try checkNames()
        let length = try length()
        try require(reading.length == length, "\(reading.length), not \(length)")
        try require(!options.contains("transfer-encoding"), "Connection: transfer-encoding")
        try checkHopByHop(removesFraming: false)
        let isVersion11 = reading.minorVersion == 1
        let persists =
            !options.contains("close") && (isVersion11 || options.contains("keep-alive"))
        try require(reading.persists == persists, "persists: \(reading.persists)")

        let hasContent = length != .none && length != .exactly(0)
        let expectations = Self.elements(values("expect"))
        try require(expectations.allSatisfy { $0 == "100-continue" }, "Expect: \(expectations)")
        try require(
            reading.expectsContinue == (!expectations.isEmpty && isVersion11 && hasContent),
            "expects: \(reading.expectsContinue)")
        if reading.isUpgrade {
            let protocols = Self.elements(values("upgrade"))
            try require(
                !hasContent && isVersion11 && options.contains("upgrade") && !protocols.isEmpty
                    && !protocols.contains { $0.hasPrefix("h2c") || $0.hasPrefix("http") },
                "upgrade to \(protocols)")
        }
        if reading.teTrailers { try require(!values("te").isEmpty, "no TE") }
    }

    /// RFC 9112 §3.2: for whom the request is.
    private func checkAddress(_ target: String) throws(BrokenProperty) {
        let hosts = values("host")
        try require(hosts.count <= 1, "Host: \(hosts)")
        if reading.minorVersion == 1 { try require(hosts.count == 1, "no Host") }
        var authority = hosts.first ?? ""
        var pathAndQuery = target
        switch reading.form {
        case .origin: try require(target.hasPrefix("/"), "origin form '\(target)'")
        case .asterisk:
            try require(target == "*" && reading.method == .options, "asterisk form '\(target)'")
        case .absolute:
            let scheme = ["http://", "https://"].first { target.lowercased().hasPrefix($0) }
            guard let scheme else {
                throw BrokenProperty(description: "absolute form '\(target)'")
            }
            let rest = target.dropFirst(scheme.count)
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            authority = String(rest[..<end])
            pathAndQuery = String(rest[end...])
            try require(!authority.isEmpty, "no authority in '\(target)'")
        }
        try check(reading.authority, is: authority)
        try check(reading.ranges[3], is: pathAndQuery)
        try check(reading.ranges[2], is: String(pathAndQuery.prefix { $0 != "?" }))
        try require(
            authority.utf8.allSatisfy { Self.nameBytes.contains($0) || ":[]".utf8.contains($0) },
            "authority '\(authority)'")
        let host = Self.text(head[reading.hostRange.lower..<reading.hostRange.upper])
        try require(authority.hasPrefix(host), "host '\(host)' of '\(authority)'")
        var rest = authority.dropFirst(host.count)
        if rest.hasPrefix(".") { rest = rest.dropFirst() }
        try require(!host.hasSuffix("."), "host '\(host)'")
        if rest.isEmpty || rest == ":" {
            try require(reading.port == 0, "port \(reading.port)")
        } else {
            try require(
                rest.hasPrefix(":") && UInt16(rest.dropFirst()) == reading.port
                    && reading.port > 0,
                "port \(reading.port) of '\(authority)'")
        }
    }

    // MARK: - Responses

    func checkResponse(to method: Method) throws(BrokenProperty) {
        try require(startLineStart == 0, "an empty line before a response")
        let start = "HTTP/1.\(reading.minorVersion) \(reading.status)"
        try require(startLine.hasPrefix(start), "status line '\(startLine)'")
        try require(100...599 ~= reading.status, "status \(reading.status)")
        let rest = startLine.dropFirst(start.count)
        try require(rest.isEmpty || rest.hasPrefix(" "), "status line '\(startLine)'")
        try check(reading.ranges[0], is: String(rest.dropFirst()))

        try checkNames()
        let length = try length()
        let isBare = reading.status < 200 || reading.status == 204
        if isBare || reading.status == 304 || method == .head {
            try require(reading.length == .none, "content in \(reading.status)")
        } else {
            let expected = length == .none ? .untilClose : length
            try require(reading.length == expected, "\(reading.length), not \(expected)")
        }
        try checkHopByHop(removesFraming: isBare)
        let isVersion11 = reading.minorVersion == 1
        let announces = isBare && length != .none && length != .exactly(0)
        let persists =
            !options.contains("close") && (isVersion11 || options.contains("keep-alive"))
            && reading.length != .untilClose && !announces
        try require(reading.persists == persists, "persists: \(reading.persists)")
        let isUpgrade =
            reading.status == 101 && options.contains("upgrade") && !values("upgrade").isEmpty
        try require(reading.isUpgrade == isUpgrade, "upgrade: \(reading.isUpgrade)")
    }

    // MARK: - The plain reading

    private static let nameBytes = Set(
        "-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    private static let tokenBytes = nameBytes.union("!#$%&'*+^`|".utf8)

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(tokenBytes.contains)
    }

    /// Bytes as Latin-1, so that none is lost. CRLF would be one character; there is none.
    private static func text(_ bytes: some Sequence<UInt8>) -> String {
        var scalars = String.UnicodeScalarView()
        for byte in bytes { scalars.append(Unicode.Scalar(byte)) }
        return String(scalars)
    }

    /// Every line ends in CRLF, and no CR, LF or NUL stands elsewhere.
    private static func lines(of head: [UInt8]) throws(BrokenProperty) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        var index = 0
        while index < head.count {
            switch head[index] {
            case 0x0D:
                try require(index + 1 < head.count && head[index + 1] == 0x0A, "bare CR")
                lines.append(line)
                line = []
                index += 2
            case 0x0A, 0: throw BrokenProperty(description: "byte \(head[index]) at \(index)")
            default:
                line.append(head[index])
                index += 1
            }
        }
        try require(line.isEmpty, "the last line is cut")
        return lines
    }

    /// RFC 9112 §5.
    private static func field(_ line: [UInt8]) throws(BrokenProperty) -> Field {
        let text = text(line)
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw BrokenProperty(description: "no colon in '\(text)'")
        }
        let name = Self.text(line[..<colon])
        try require(isToken(name), "name '\(name)'")
        let blank: Set<UInt8> = [0x20, 0x09]
        let value = line[(colon + 1)...].drop(while: blank.contains)
        let end = value.lastIndex { !blank.contains($0) }.map { $0 + 1 } ?? value.startIndex
        for byte in value[..<end] {
            try require(byte >= 0x20 && byte != 0x7F || byte == 0x09, "byte \(byte) in a value")
        }
        return Field(name: name.lowercased(), value: Self.text(value[..<end]))
    }

    /// The elements of lists, in lower case.
    private static func elements(_ values: [String]) -> [String] {
        values.flatMap { $0.split(separator: ",") }.map { element in
            let blank: Set<Character> = [" ", "\t"]
            let start = element.drop(while: blank.contains)
            let end = start.lastIndex { !blank.contains($0) }.map { start.index(after: $0) }
            return start[..<(end ?? start.startIndex)].lowercased()
        }.filter { !$0.isEmpty }
    }
}
