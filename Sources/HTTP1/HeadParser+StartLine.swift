import HTTP
import Memory

/// A request line (RFC 9112 §3), before the fields have their say.
struct RequestLine: BitwiseCopyable {
    var method: Method
    var form: TargetForm
    var minorVersion: UInt8
    var methodRange: ByteRange
    var target: ByteRange
    var path: ByteRange
    var pathAndQuery: ByteRange
    /// In absolute form only.
    var authorityRange: ByteRange
    var authority: Authority
    var end: Int
}

/// A status line (RFC 9112 §4).
struct StatusLine: BitwiseCopyable {
    var minorVersion: UInt8
    var status: Int
    var reasonRange: ByteRange
    var end: Int
}

extension HeadParser {
    /// Skips one empty line before a request (RFC 9112 §2.2).
    ///
    /// - Returns: where the request line begins, or `nil` before its first byte.
    static func startOfRequest(_ input: RawSpan) throws(HeadError) -> Int? {
        guard input.byteCount > 0 else { return nil }
        let first = input.byte(0)
        if first > 0x20 { return 0 }
        if first == 0x16 { throw .tlsHandshake }
        guard try endOfLine(input, 0, otherwise: .invalidMethod) != nil else { return nil }
        guard input.byteCount > 2 else { return nil }
        if input.byte(2) == 0x0D || input.byte(2) == 0x0A { throw .repeatedEmptyLine }
        return 2
    }

    /// The offset behind the CRLF at `cursor`, or `nil` when it is cut.
    ///
    /// - Parameter refusal: thrown when another byte stands there.
    static func endOfLine(
        _ input: RawSpan, _ cursor: Int, otherwise refusal: HeadError
    ) throws(HeadError) -> Int? {
        guard cursor < input.byteCount else { return nil }
        let byte = input.byte(cursor)
        guard byte == 0x0D else { throw byte == 0x0A ? .bareLineFeed : refusal }
        guard cursor &+ 1 < input.byteCount else { return nil }
        guard input.byte(cursor &+ 1) == 0x0A else { throw .bareCarriageReturn }
        return cursor &+ 2
    }

    // MARK: - Requests

    /// - Returns: `nil` when the line is cut.
    static func requestLine(_ input: RawSpan, from start: Int) throws(HeadError) -> RequestLine? {
        let methodEnd: Int
        if UInt32(truncatingIfNeeded: input.wordOrZeros(start)) == 0x2054_4547 {
            methodEnd = start &+ 3  // "GET "
        } else {
            methodEnd = input.endOfToken(from: start)
        }
        guard methodEnd < input.byteCount else { return nil }
        guard input.byte(methodEnd) == 0x20, methodEnd > start else { throw .invalidMethod }
        let methodRange = ByteRange(start, methodEnd)
        let method = Method(input, methodRange)
        if method == .connect { throw .connectMethod }

        let targetStart = methodEnd &+ 1
        var queryStart = -1
        let targetEnd = try endOfTarget(input, targetStart, &queryStart)
        guard targetEnd < input.byteCount else { return nil }
        guard input.byte(targetEnd) == 0x20, targetEnd > targetStart else { throw .invalidTarget }

        let target = ByteRange(targetStart, targetEnd)
        var line = RequestLine(
            method: method, form: .origin, minorVersion: 0, methodRange: methodRange,
            target: target,
            path: ByteRange(targetStart, queryStart < 0 ? targetEnd : queryStart),
            pathAndQuery: target, authorityRange: .empty, authority: .none, end: 0)
        if input.byte(targetStart) != UInt8(ascii: "/") {
            try readOtherForm(input, queryStart, &line)
        }

        guard let minorVersion = try version(input, targetEnd &+ 1) else { return nil }
        line.minorVersion = minorVersion
        guard let end = try endOfLine(input, targetEnd &+ 9, otherwise: .invalidVersion) else {
            return nil
        }
        line.end = end
        return line
    }

    /// The first offset whose byte cannot be in a target: any visible ASCII byte can, except
    /// the number sign. Servers and clients agree on that much, not on RFC 3986 to the letter.
    private static func endOfTarget(
        _ input: RawSpan, _ start: Int, _ queryStart: inout Int
    ) throws(HeadError) -> Int {
        var cursor = start
        while cursor < input.byteCount {
            let word = input.wordOrZeros(cursor)
            let stops =
                Bytewise.notVisible(word)
                | Bytewise.occurrences(of: UInt8(ascii: "?"), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: "#"), in: word)
            if stops == 0 {
                cursor &+= 8
                continue
            }
            cursor &+= stops.trailingZeroBitCount &>> 3
            guard cursor < input.byteCount else { return cursor }
            let byte = input.byte(cursor)
            if byte == UInt8(ascii: "#") { throw .fragmentInTarget }
            guard byte == UInt8(ascii: "?") else { return cursor }
            if queryStart < 0 { queryStart = cursor }
            cursor &+= 1
        }
        return cursor
    }

    /// Absolute form (RFC 9112 §3.2.2) and asterisk form (§3.2.4).
    private static func readOtherForm(
        _ input: RawSpan, _ queryStart: Int, _ line: inout RequestLine
    ) throws(HeadError) {
        let target = line.target
        if target.count == 1, input.byte(target.lower) == UInt8(ascii: "*") {
            guard line.method == .options else {
                // The preface of HTTP/2, `PRI * HTTP/2.0` (RFC 9113 §3.4).
                let isPreface = input.wordOrZeros(line.methodRange.lower) & 0xFF_FFFF == 0x49_5250
                throw isPreface ? .unsupportedVersion : .asteriskWithoutOptions
            }
            line.form = .asterisk
            return
        }
        let authorityStart: Int
        if Spelling.httpScheme.begins(input, target) {
            authorityStart = target.lower &+ 7
        } else if Spelling.httpsScheme.begins(input, target) {
            authorityStart = target.lower &+ 8
        } else {
            throw hasScheme(input, target) ? .unsupportedScheme : .invalidTarget
        }
        let hierarchyEnd = queryStart < 0 ? target.upper : queryStart
        var authorityEnd = authorityStart
        while authorityEnd < hierarchyEnd, input.byte(authorityEnd) != UInt8(ascii: "/") {
            authorityEnd &+= 1
        }
        line.form = .absolute
        line.authorityRange = ByteRange(authorityStart, authorityEnd)
        guard let authority = Authority(input, line.authorityRange), !authority.hostRange.isEmpty
        else { throw .invalidTargetAuthority }
        line.authority = authority
        line.path = ByteRange(authorityEnd, hierarchyEnd)
        line.pathAndQuery = ByteRange(authorityEnd, target.upper)
    }

    private static func hasScheme(_ input: RawSpan, _ target: ByteRange) -> Bool {
        var cursor = target.lower
        while cursor < target.upper, Bytewise.isLetter(input.byte(cursor)) { cursor &+= 1 }
        return cursor > target.lower && cursor < target.upper
            && input.byte(cursor) == UInt8(ascii: ":")
    }

    // MARK: - Responses

    /// - Returns: `nil` when the line is cut.
    static func statusLine(_ input: RawSpan) throws(HeadError) -> StatusLine? {
        guard let minorVersion = try version(input, 0) else { return nil }
        guard input.byteCount > 8 else { return nil }
        guard input.byte(8) == 0x20 else { throw .invalidVersion }
        var status = 0
        var cursor = 9
        while cursor < 12 {
            guard cursor < input.byteCount else { return nil }
            guard Bytewise.isDigit(input.byte(cursor)) else { throw .invalidStatus }
            status = status &* 10 &+ Int(input.byte(cursor) &- 0x30)
            cursor &+= 1
        }
        guard status >= 100, status <= 599 else { throw .invalidStatus }
        guard cursor < input.byteCount else { return nil }
        // The space before the reason must be there, but some servers leave out both.
        switch input.byte(cursor) {
        case 0x20: cursor &+= 1
        case 0x0D, 0x0A: break
        default: throw .invalidStatus
        }
        let reasonEnd = input.endOfFieldValue(from: cursor)
        guard let end = try endOfLine(input, reasonEnd, otherwise: .invalidReason) else {
            return nil
        }
        return StatusLine(
            minorVersion: minorVersion, status: status, reasonRange: ByteRange(cursor, reasonEnd),
            end: end)
    }

    // MARK: - Both

    /// Reads `HTTP/1.0` or `HTTP/1.1` (RFC 9112 §2.3).
    ///
    /// - Returns: the minor version, or `nil` when it is cut.
    private static func version(_ input: RawSpan, _ start: Int) throws(HeadError) -> UInt8? {
        let word = input.wordOrZeros(start)
        if word == 0x312E_312F_5054_5448 { return 1 }
        if word == 0x302E_312F_5054_5448 { return 0 }
        let name: UInt64 = 0x2F_5054_5448  // "HTTP/"
        var index = 0
        while index < 8 {
            guard start &+ index < input.byteCount else { return nil }
            let byte = UInt8(truncatingIfNeeded: word &>> UInt64(index &* 8))
            switch index {
            case 5, 7: guard Bytewise.isDigit(byte) else { throw .invalidVersion }
            case 6: guard byte == UInt8(ascii: ".") else { throw .invalidVersion }
            default:
                guard byte == UInt8(truncatingIfNeeded: name &>> UInt64(index &* 8)) else {
                    throw .invalidVersion
                }
            }
            index &+= 1
        }
        throw .unsupportedVersion
    }
}
