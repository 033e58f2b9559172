public import Memory

/// What a path holds beside plain segments, as ``PathNormalizer/traits(_:_:mergesSlashes:)`` finds.
public struct PathTraits: OptionSet, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Its normal form is another.
    public static let isNotNormal = PathTraits(rawValue: 1)
    /// `%2F`, `%5C` or a backslash, which some servers take for a slash.
    public static let hasOtherSlashes = PathTraits(rawValue: 2)
    /// A semicolon: some servers leave out what stands from there to the next slash.
    public static let hasParameters = PathTraits(rawValue: 4)

    public static let isAmbiguous: PathTraits = [.hasOtherSlashes, .hasParameters]
}

/// One way to read a path.
public struct PathReading: OptionSet, Sendable, BitwiseCopyable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A slash behind a slash is none.
    public static let mergesSlashes = PathReading(rawValue: 1)
    /// `%2F`, `%5C` and backslashes are slashes.
    public static let decodesSlashes = PathReading(rawValue: 2)
    /// Parameters are left out: from a semicolon to the next slash as it was sent.
    public static let dropsParameters = PathReading(rawValue: 4)
    /// Parameters end at what was decoded to a slash, too.
    public static let endsParametersAtDecoded = PathReading(rawValue: 8)
}

/// Brings a path into its normal form (RFC 3986 §6.2.2), in which routes compare it.
///
/// Percent-encoded unreserved bytes are decoded, slashes merged if so wanted, then dot segments
/// removed, so that `/%61//./b` is `/a/b`. Everything else stays: `%2F` is not a slash, an invalid
/// percent-encoding is not repaired.
public enum PathNormalizer {
    /// What the path in `range` holds. The same for a path and its normal form, but for
    /// ``PathTraits/isNotNormal``, which may be said of a path that is normal.
    ///
    /// - Complexity: O(n), eight bytes at a time where they are letters, digits and hyphens.
    public static func traits(
        _ bytes: RawSpan, _ range: ByteRange, mergesSlashes: Bool
    ) -> PathTraits {
        var traits = PathTraits()
        var cursor = range.lower
        while cursor < range.upper {
            let word = bytes.wordOrZeros(cursor)
            var stops =
                Bytewise.occurrences(of: UInt8(ascii: "%"), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: "."), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: ";"), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: "\\"), in: word)
            if mergesSlashes {
                let next = bytes.wordOrZeros(cursor &+ 1)
                stops |=
                    Bytewise.occurrences(of: UInt8(ascii: "/"), in: word)
                    & Bytewise.occurrences(of: UInt8(ascii: "/"), in: next)
            }
            if stops == 0 {
                cursor &+= 8
                continue
            }
            cursor &+= stops.trailingZeroBitCount &>> 3
            guard cursor < range.upper else { return traits }
            switch bytes.byte(cursor) {
            case UInt8(ascii: "%"): traits.formUnion(encoding(bytes, cursor, range.upper))
            case UInt8(ascii: ";"): traits.insert(.hasParameters)
            case UInt8(ascii: "\\"): traits.insert(.hasOtherSlashes)
            case UInt8(ascii: "."):
                if isDotSegment(bytes, cursor, range) { traits.insert(.isNotNormal) }
            default:
                // Two slashes, or a slash and what only looked like one.
                if cursor &+ 1 < range.upper, bytes.byte(cursor) == UInt8(ascii: "/"),
                    bytes.byte(cursor &+ 1) == UInt8(ascii: "/")
                {
                    traits.insert(.isNotNormal)
                }
            }
            cursor &+= 1
        }
        return traits
    }

    private static func encoding(_ bytes: RawSpan, _ percent: Int, _ end: Int) -> PathTraits {
        guard let decoded = decoded(bytes, percent, end) else { return [] }
        if Bytewise.isUnreserved(decoded) { return .isNotNormal }
        return isSlash(decoded) ? .hasOtherSlashes : []
    }

    private static func isSlash(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "/") || byte == UInt8(ascii: "\\")
    }

    private static func isDotSegment(_ bytes: RawSpan, _ dot: Int, _ range: ByteRange) -> Bool {
        guard dot > range.lower, bytes.byte(dot &- 1) == UInt8(ascii: "/") else { return false }
        var next = dot &+ 1
        if next < range.upper, bytes.byte(next) == UInt8(ascii: ".") { next &+= 1 }
        return next >= range.upper || bytes.byte(next) == UInt8(ascii: "/")
    }

    /// Appends the path in `range` as `reading` has it: with ``PathReading/mergesSlashes`` at
    /// most, its normal form.
    ///
    /// - Parameters:
    ///   - range: without the query; an absolute path, so it begins with a slash.
    ///   - buffer: gets at most as many bytes as `range` has.
    /// - Returns: `false`, with nothing appended, when `buffer` has no room for them.
    public static func append(
        _ bytes: RawSpan, _ range: ByteRange, _ reading: PathReading, to buffer: inout Buffer
    ) -> Bool {
        guard buffer.room >= Int(range.count) else { return false }
        let base = buffer.end
        var cursor = range.lower
        var segmentStart = base
        while cursor < range.upper {
            if reading.contains(.dropsParameters), bytes.byte(cursor) == UInt8(ascii: ";") {
                cursor = endOfParameters(bytes, cursor, range.upper, reading)
                continue
            }
            let byte = nextByte(bytes, &cursor, range.upper, reading)
            guard byte == UInt8(ascii: "/") else {
                buffer.append(byte)
                continue
            }
            removeDotSegment(&buffer, base, segmentStart, isLast: false)
            let isRepeated = buffer.end > base && buffer[buffer.end &- 1] == UInt8(ascii: "/")
            if !isRepeated || !reading.contains(.mergesSlashes) { buffer.append(byte) }
            segmentStart = buffer.end
        }
        removeDotSegment(&buffer, base, segmentStart, isLast: true)
        return true
    }

    private static func endOfParameters(
        _ bytes: RawSpan, _ semicolon: Int, _ end: Int, _ reading: PathReading
    ) -> Int {
        let endsAtDecoded = reading.contains(.endsParametersAtDecoded)
        var cursor = semicolon
        while cursor < end {
            var next = cursor
            let byte =
                endsAtDecoded ? nextByte(bytes, &next, end, reading) : bytes.byte(cursor)
            if byte == UInt8(ascii: "/") { return cursor }
            cursor = endsAtDecoded ? next : cursor &+ 1
        }
        return end
    }

    /// The byte that the percent sign and what follows it stand for; `nil` when they are no
    /// encoding.
    private static func decoded(_ bytes: RawSpan, _ percent: Int, _ end: Int) -> UInt8? {
        guard end &- percent >= 3,
            let high = Bytewise.hexadecimalDigit(bytes.byte(percent &+ 1)),
            let low = Bytewise.hexadecimalDigit(bytes.byte(percent &+ 2))
        else { return nil }
        return high &<< 4 | low
    }

    /// One byte of the path, decoded if it is the encoding of an unreserved one.
    private static func nextByte(
        _ bytes: RawSpan, _ cursor: inout Int, _ end: Int, _ reading: PathReading
    ) -> UInt8 {
        let byte = bytes.byte(cursor)
        let decodesSlashes = reading.contains(.decodesSlashes)
        if byte == UInt8(ascii: "%"), let decoded = decoded(bytes, cursor, end),
            Bytewise.isUnreserved(decoded) || decodesSlashes && isSlash(decoded)
        {
            cursor &+= 3
            return isSlash(decoded) ? UInt8(ascii: "/") : decoded
        }
        cursor &+= 1
        return decodesSlashes && isSlash(byte) ? UInt8(ascii: "/") : byte
    }

    /// RFC 3986 §5.2.4, for the segment that ends where the buffer does.
    ///
    /// The slash before the segment stays and the one behind it is not written yet, so for a
    /// dot segment inside the path that slash is taken back.
    private static func removeDotSegment(
        _ buffer: inout Buffer, _ base: Int, _ segmentStart: Int, isLast: Bool
    ) {
        let count = buffer.end &- segmentStart
        guard segmentStart > base, count == 1 || count == 2,
            buffer[segmentStart] == UInt8(ascii: "."),
            buffer[buffer.end &- 1] == UInt8(ascii: ".")
        else { return }
        // Behind the slash that begins the segment, or the one of the segment before.
        var end = segmentStart
        if count == 2, end &- 1 > base {
            end &-= 1
            while buffer[end &- 1] != UInt8(ascii: "/") {
                end &-= 1
                if end == base { break }
            }
        }
        buffer.setBounds(start: buffer.start, end: isLast || end == base ? end : end &- 1)
    }
}
