import HTTP
import HTTP1
import Memory

/// What the parser says of a head that it accepts.
struct HeadReading: Equatable {
    enum Length: Equatable {
        case none
        case exactly(UInt64)
        case chunked
        case untilClose
    }

    struct Line: Equatable {
        var name: FieldName
        var isHopByHop: Bool
        var nameRange: ByteRange
        var valueRange: ByteRange
        var lineRange: ByteRange
    }

    var byteCount = 0
    var headByteCount = 0
    var fieldsStart = 0
    var minorVersion = 0
    var length = Length.none
    var persists = false
    var isUpgrade = false
    var hasHopByHopLines = false
    var names = FieldNameSet()
    var lines: [Line] = []

    /// Of requests.
    var method = Method.other
    var form = TargetForm.origin
    var ranges: [ByteRange] = []
    var authority = ByteRange.empty
    var hostRange = ByteRange.empty
    var port: UInt16 = 0
    var expectsContinue = false
    var teTrailers = false

    /// Of responses.
    var status = 0

    init(_ head: RequestHead, byteCount: Int, _ fields: borrowing FieldSection) {
        self.byteCount = byteCount
        headByteCount = head.headByteCount
        fieldsStart = head.fieldsStart
        minorVersion = Int(head.minorVersion)
        length =
            switch head.framing {
            case .noContent: .none
            case .contentLength(let count): .exactly(count)
            case .chunked: .chunked
            }
        persists = head.persists
        isUpgrade = head.isUpgrade
        hasHopByHopLines = head.hasHopByHopLines
        names = head.names
        method = head.method
        form = head.form
        ranges = [head.methodRange, head.target, head.path, head.pathAndQuery]
        authority = head.authority
        hostRange = head.hostRange
        port = head.port
        expectsContinue = head.expectsContinue
        teTrailers = head.teTrailers
        take(fields)
    }

    init(_ head: ResponseHead, byteCount: Int, _ fields: borrowing FieldSection) {
        self.byteCount = byteCount
        headByteCount = head.headByteCount
        fieldsStart = head.fieldsStart
        minorVersion = Int(head.minorVersion)
        length =
            switch head.framing {
            case .noContent: .none
            case .contentLength(let count): .exactly(count)
            case .chunked: .chunked
            case .untilClose: .untilClose
            }
        persists = head.persists
        isUpgrade = head.isUpgrade
        hasHopByHopLines = head.hasHopByHopLines
        names = head.names
        status = head.status
        ranges = [head.reasonRange]
        take(fields)
    }

    private mutating func take(_ fields: borrowing FieldSection) {
        for index in 0..<fields.count {
            let line = fields[index]
            lines.append(
                Line(
                    name: line.name, isHopByHop: line.isHopByHop, nameRange: line.nameRange,
                    valueRange: line.valueRange, lineRange: line.lineRange))
        }
    }
}

/// What the parser says of the bytes so far.
enum HeadVerdict: Equatable {
    case complete(HeadReading)
    case incomplete
    case refused(HeadError)
}

/// The properties of ``HeadParser``: it never changes its mind, and what it accepts is what a
/// plain reading of the same bytes says.
enum HeadCheck {
    static func run(_ input: FuzzInput, isRequest: Bool) throws(BrokenProperty) {
        let isNarrow = input.variant & 1 == 1
        let limits =
            isNarrow
            ? HeadLimits(requestLineBytes: 48, headerBytes: 96, headerCount: 4) : HeadLimits()
        let requestMethod = input.variant & 2 == 2 ? Method.head : .get
        let message = FixedArray(input.message)
        // As in the proxy, one section is used for every head.
        var fields = FieldSection()

        func verdict(
            _ bytes: RawSpan, _ fields: inout FieldSection
        ) -> HeadVerdict {
            do throws(HeadError) {
                if isRequest {
                    let parsed = try HeadParser.parseRequest(
                        bytes, limits: limits, fields: &fields)
                    guard case .complete(let head, let count) = parsed else { return .incomplete }
                    return .complete(HeadReading(head, byteCount: count, fields))
                }
                let parsed = try HeadParser.parseResponse(
                    bytes, limits: limits, requestMethod: requestMethod, fields: &fields)
                guard case .complete(let head, let count) = parsed else { return .incomplete }
                return .complete(HeadReading(head, byteCount: count, fields))
            } catch {
                return .refused(error)
            }
        }

        let whole = verdict(message.bytes, &fields)
        var places = input.places
        if case .complete(let reading) = whole {
            try require(
                reading.byteCount > 0 && reading.byteCount <= message.count,
                "uses \(reading.byteCount) of \(message.count) bytes")
            places += [reading.byteCount - 1, reading.byteCount]
            places.sort()
        }

        var scanned = 0
        var isDecided = false
        for place in places + [message.count] {
            let part = message.bytes.extracting(first: place)
            let soFar = verdict(part, &fields)
            if soFar == .incomplete {
                try require(!isDecided, "undecided again after \(place) bytes")
            } else {
                isDecided = true
                try require(soFar == whole, "after \(place) bytes \(soFar), then \(whole)")
            }
            if case .complete(let reading) = whole {
                try require(
                    (soFar == whole) == (place >= reading.byteCount),
                    "after \(place) of \(reading.byteCount) bytes: \(soFar)")
            }
            let isThere = HeadParser.hasCompleteHead(part, scanned: &scanned)
            switch soFar {
            case .complete: try require(isThere, "the search overlooks the end")
            case .incomplete: try require(!isThere, "the search stops before the end")
            case .refused: break
            }
        }

        guard case .complete(let reading) = whole else { return }
        let rules = try HeadRules(Array(input.message[..<reading.byteCount]), reading, limits)
        if isRequest {
            try rules.checkRequest()
        } else {
            try rules.checkResponse(to: requestMethod)
        }
    }
}
