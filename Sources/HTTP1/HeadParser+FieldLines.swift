import HTTP
import Memory

/// What stands at the beginning of a line, as ``HeadParser/fieldLine(_:_:isFirst:into:)`` finds.
enum LineKind {
    case field
    /// The line that ends the section.
    case empty
    /// Valid so far, but cut.
    case incomplete
}

/// What the fields say about the message, gathered while they are read.
struct HeadFacts {
    let minorVersion: UInt8
    let isRequest: Bool
    var names = FieldNameSet()
    var contentLength: UInt64?
    var isChunked = false
    var expectsContinue = false
    var hasHopByHopLines = false
    var hostRange = ByteRange.empty

    init(minorVersion: UInt8, isRequest: Bool) {
        self.minorVersion = minorVersion
        self.isRequest = isRequest
    }
}

extension HeadParser {
    /// Reads field lines up to the empty line (RFC 9112 §5).
    ///
    /// - Returns: the offset behind the empty line; `nil` when the section is cut.
    static func parseFields(
        _ whole: RawSpan, from start: Int, limits: HeadLimits, fields: inout FieldSection,
        facts: inout HeadFacts
    ) throws(HeadError) -> Int? {
        let limit = start &+ limits.headerBytes
        let input = whole.extracting(first: limit)
        let maximumCount = min(limits.headerCount, fields.capacity)
        var cursor = start
        while true {
            var line = FieldLine(
                name: .other, isHopByHop: false, nameRange: .empty, valueRange: .empty,
                lineRange: .empty)
            switch try fieldLine(input, cursor, isFirst: cursor == start, into: &line) {
            case .field: break
            case .empty: return cursor &+ 2
            case .incomplete:
                guard whole.byteCount < limit else { throw .headerTooLarge }
                return nil
            }
            guard fields.count < maximumCount else { throw .tooManyFields }
            if line.name != .other { try note(input, line, &facts) }
            _ = fields.append(line)
            cursor = line.lineRange.upper
        }
    }

    /// Reads the line at `start`: `field-name ":" OWS field-value OWS CRLF`, or an empty one.
    ///
    /// - Parameters:
    ///   - isFirst: whether there is no line before it that it could continue.
    ///   - line: is set when the answer is ``LineKind/field``.
    static func fieldLine(
        _ input: RawSpan, _ start: Int, isFirst: Bool, into line: inout FieldLine
    ) throws(HeadError) -> LineKind {
        let nameEnd = input.endOfToken(from: start)
        guard nameEnd < input.byteCount else { return .incomplete }
        guard input.byte(nameEnd) == UInt8(ascii: ":"), nameEnd > start else {
            return try otherLine(input, start, nameEnd, isFirst)
        }

        var valueStart = nameEnd &+ 1
        while valueStart < input.byteCount, Bytewise.isWhitespace(input.byte(valueStart)) {
            valueStart &+= 1
        }
        let end = input.endOfFieldValue(from: valueStart)
        guard let next = try endOfLine(input, end, otherwise: .invalidFieldValue) else {
            return .incomplete
        }
        var valueEnd = end
        while valueEnd > valueStart, Bytewise.isWhitespace(input.byte(valueEnd &- 1)) {
            valueEnd &-= 1
        }

        let nameRange = ByteRange(start, nameEnd)
        let name = FieldName(input, nameRange)
        line = FieldLine(
            name: name, isHopByHop: name.isHopByHop, nameRange: nameRange,
            valueRange: ByteRange(valueStart, valueEnd), lineRange: ByteRange(start, next))
        return .field
    }

    /// A line without a name and a colon: the empty one, or a mistake.
    private static func otherLine(
        _ input: RawSpan, _ start: Int, _ nameEnd: Int, _ isFirst: Bool
    ) throws(HeadError) -> LineKind {
        let byte = input.byte(nameEnd)
        if nameEnd > start {
            switch byte {
            case 0x20, 0x09: throw .spaceBeforeColon
            case 0x0A: throw .bareLineFeed
            case 0x0D: throw .missingColon
            default: throw .invalidFieldName
            }
        }
        switch byte {
        case 0x20, 0x09: throw isFirst ? .whitespaceBeforeFields : .foldedLine
        case UInt8(ascii: ":"): throw .emptyFieldName
        default:
            let end = try endOfLine(input, start, otherwise: .invalidFieldName)
            return end == nil ? .incomplete : .empty
        }
    }

    /// Takes note of a field that the proxy itself must understand.
    private static func note(
        _ input: RawSpan, _ line: FieldLine, _ facts: inout HeadFacts
    ) throws(HeadError) {
        let isRepeated = facts.names.contains(line.name)
        facts.names.insert(line.name)
        if line.isHopByHop { facts.hasHopByHopLines = true }
        switch line.name {
        case .contentLength:
            if isRepeated { throw .conflictingLengths }
            if facts.isChunked { throw .bothLengthAndCoding }
            facts.contentLength = try length(input, line.valueRange)
        case .transferEncoding:
            if facts.minorVersion == 0 { throw .codingBeforeVersion11 }
            if isRepeated { throw .repeatedCoding }
            if facts.contentLength != nil { throw .bothLengthAndCoding }
            guard Spelling.chunked.matches(input, line.valueRange) else {
                throw codingError(input, line.valueRange)
            }
            facts.isChunked = true
        case .host:
            guard facts.isRequest else { return }
            if isRepeated { throw .hostRepeated }
            facts.hostRange = line.valueRange
        case .expect:
            guard facts.isRequest else { return }
            var elements = ListElements(line.valueRange)
            while let element = elements.next(input) {
                guard Spelling.hundredContinue.matches(input, element) else {
                    throw .unknownExpectation
                }
                facts.expectsContinue = true
            }
        default: break
        }
    }

    /// Exactly digits (RFC 9110 §8.6): no sign, no list, no whitespace inside.
    private static func length(
        _ input: RawSpan, _ range: ByteRange
    ) throws(HeadError) -> UInt64 {
        guard !range.isEmpty else { throw .invalidLength }
        var number: Int64 = 0
        var cursor = range.lower
        while cursor < range.upper {
            let byte = input.byte(cursor)
            guard Bytewise.isDigit(byte) else { throw .invalidLength }
            let (product, overflows) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = product.addingReportingOverflow(Int64(byte &- 0x30))
            guard !overflows, !overflowsToo else { throw .invalidLength }
            number = sum
            cursor &+= 1
        }
        return UInt64(number)
    }

    /// Which rule a Transfer-Encoding other than `chunked` breaks (RFC 9112 §6.1, §6.3 item 4).
    private static func codingError(_ input: RawSpan, _ range: ByteRange) -> HeadError {
        var elements = ListElements(range)
        var chunkedCount = 0
        var endsInChunked = false
        var count = 0
        while let element = elements.next(input) {
            count &+= 1
            endsInChunked = Spelling.chunked.matches(input, element)
            if endsInChunked { chunkedCount &+= 1 }
        }
        if count == 0 { return .invalidCoding }
        if chunkedCount == 0 { return .unknownCoding }
        if chunkedCount > 1 || !endsInChunked { return .chunkedNotFinal }
        return count == 1 ? .invalidCoding : .unknownCoding
    }
}
