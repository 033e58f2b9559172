import HTTP
import Memory

/// What Connection asks for (RFC 9110 §7.6.1).
private struct ConnectionOptions {
    var closes = false
    var keepsAlive = false
    var upgrades = false
}

extension HeadParser {
    /// Draws the conclusions from a whole request head.
    static func decide(
        _ input: RawSpan, _ line: RequestLine, fields: inout FieldSection,
        facts: inout HeadFacts, end: Int
    ) throws(HeadError) -> RequestHead {
        var authorityRange = facts.hostRange
        guard var authority = Authority(input, facts.hostRange) else { throw .hostInvalid }
        if line.minorVersion >= 1, !facts.names.contains(.host) { throw .hostMissing }
        if line.form == .absolute {
            authorityRange = line.authorityRange
            authority = line.authority
        }

        let options = try connectionOptions(input, &fields, &facts)
        let framing: Framing =
            if facts.isChunked { .chunked } else if let byteCount = facts.contentLength {
                .contentLength(byteCount)
            } else { .noContent }
        let isVersion11 = line.minorVersion >= 1
        let isUpgrade =
            options.upgrades && isVersion11 && !framing.hasContent
            && facts.names.contains(.upgrade) && mayUpgrade(input, fields)
        return RequestHead(
            method: line.method, form: line.form, minorVersion: line.minorVersion,
            methodRange: line.methodRange, target: line.target, path: line.path,
            pathAndQuery: line.pathAndQuery, authority: authorityRange,
            hostRange: authority.hostRange, port: authority.port, framing: framing,
            persists: !options.closes && (isVersion11 || options.keepsAlive),
            expectsContinue: facts.expectsContinue && isVersion11 && framing.hasContent,
            isUpgrade: isUpgrade,
            teTrailers: facts.names.contains(.te) && takesTrailers(input, fields),
            hasHopByHopLines: facts.hasHopByHopLines, names: facts.names, fieldsStart: line.end,
            headByteCount: end)
    }

    /// Draws the conclusions from a whole response head.
    static func decide(
        _ input: RawSpan, _ line: StatusLine, requestMethod: Method,
        fields: inout FieldSection, facts: inout HeadFacts, end: Int
    ) throws(HeadError) -> ResponseHead {
        let options = try connectionOptions(input, &fields, &facts)
        var framing: ResponseFraming =
            if facts.isChunked { .chunked } else if let byteCount = facts.contentLength {
                .contentLength(byteCount)
            } else { .untilClose }
        var announcesImpossible = false
        if line.status < 200 || line.status == 204 {
            announcesImpossible = facts.isChunked || facts.contentLength ?? 0 > 0
            framing = .noContent
            if facts.contentLength != nil || facts.isChunked {
                markFramingFields(&fields)
                facts.hasHopByHopLines = true
            }
        } else if line.status == 304 || requestMethod == .head {
            framing = .noContent
        }
        let isVersion11 = line.minorVersion >= 1
        return ResponseHead(
            status: line.status, minorVersion: line.minorVersion, reasonRange: line.reasonRange,
            framing: framing,
            persists: !options.closes && (isVersion11 || options.keepsAlive)
                && framing != .untilClose && !announcesImpossible,
            isUpgrade: line.status == 101 && options.upgrades && facts.names.contains(.upgrade),
            hasHopByHopLines: facts.hasHopByHopLines, names: facts.names, fieldsStart: line.end,
            headByteCount: end)
    }

    private static func markFramingFields(_ fields: inout FieldSection) {
        var index = 0
        while index < fields.count {
            switch fields[index].name {
            case .contentLength, .transferEncoding: fields[index].isHopByHop = true
            default: break
            }
            index &+= 1
        }
    }

    // MARK: - Connection

    /// Reads every Connection field and marks the lines that it names.
    private static func connectionOptions(
        _ input: RawSpan, _ fields: inout FieldSection, _ facts: inout HeadFacts
    ) throws(HeadError) -> ConnectionOptions {
        var options = ConnectionOptions()
        guard facts.names.contains(.connection) else { return options }
        var namedCount = 0
        var index = 0
        while index < fields.count {
            if fields[index].name == .connection {
                var elements = ListElements(fields[index].valueRange)
                while let option = elements.next(input) {
                    if Spelling.keepAlive.matches(input, option) {
                        options.keepsAlive = true
                    } else if Spelling.close.matches(input, option) {
                        options.closes = true
                    } else if Spelling.upgrade.matches(input, option) {
                        options.upgrades = true
                    } else {
                        namedCount &+= 1
                        guard namedCount <= maximumConnectionOptionCount else {
                            throw .tooManyConnectionOptions
                        }
                        try markNamed(input, option, &fields, &facts)
                    }
                }
            }
            index &+= 1
        }
        return options
    }

    private static func markNamed(
        _ input: RawSpan, _ option: ByteRange, _ fields: inout FieldSection,
        _ facts: inout HeadFacts
    ) throws(HeadError) {
        guard input.endOfToken(from: option.lower) >= option.upper else {
            throw .invalidConnectionOption
        }
        let name = FieldName(input, option)
        // Some servers name Transfer-Encoding in responses; it is hop-by-hop in any case, and
        // its meaning is taken before it goes. A request has no such excuse.
        if name == .transferEncoding, !facts.isRequest { return }
        if name.isProtectedFromConnection { throw .connectionNamesFramingField }
        var index = 0
        while index < fields.count {
            let line = fields[index]
            if line.name == name,
                name.isOneName || input.equalsIgnoringCase(line.nameRange, input, option)
            {
                fields[index].isHopByHop = true
                facts.hasHopByHopLines = true
            }
            index &+= 1
        }
    }

    // MARK: - Upgrade and TE

    /// Whether every protocol that Upgrade offers may be relayed unseen.
    private static func mayUpgrade(_ input: RawSpan, _ fields: borrowing FieldSection) -> Bool {
        var count = 0
        var index = 0
        while index < fields.count {
            if fields[index].name == .upgrade {
                var elements = ListElements(fields[index].valueRange)
                while let element = elements.next(input) {
                    count &+= 1
                    if Spelling.h2c.begins(input, element)
                        || Spelling.httpProtocol.begins(input, element)
                        || Spelling.tlsProtocol.begins(input, element)
                    {
                        return false
                    }
                }
            }
            index &+= 1
        }
        return count > 0
    }

    private static func takesTrailers(
        _ input: RawSpan, _ fields: borrowing FieldSection
    ) -> Bool {
        var index = 0
        while index < fields.count {
            if fields[index].name == .te {
                var elements = ListElements(fields[index].valueRange)
                while let element = elements.next(input) {
                    if Spelling.trailers.matches(input, element) { return true }
                }
            }
            index &+= 1
        }
        return false
    }
}
