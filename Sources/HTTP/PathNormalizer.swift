public import Memory

/// Brings a path into the form that routes are compared with (RFC 3986 §6.2.2).
///
/// Percent-encoded unreserved bytes are decoded, then dot segments removed, so that `/%61/./b`
/// is matched as `/a/b`. Everything else stays: `%2F` is not a slash, double slashes are two,
/// an invalid percent-encoding is not repaired. The request goes on with the path as it came;
/// this form is for matching.
public enum PathNormalizer {
    /// Whether ``append(_:_:to:)`` would change the path; may be true for one that it would not.
    ///
    /// - Complexity: O(n), eight bytes at a time up to the first `%` or dot.
    public static func needsNormalizing(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
        var cursor = range.lower
        while cursor < range.upper {
            let word = bytes.wordOrZeros(cursor)
            let stops =
                Bytewise.occurrences(of: UInt8(ascii: "%"), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: "."), in: word)
            if stops == 0 {
                cursor &+= 8
                continue
            }
            cursor &+= stops.trailingZeroBitCount &>> 3
            guard cursor < range.upper else { return false }
            if bytes.byte(cursor) == UInt8(ascii: "%") { return true }
            if beginsDotSegment(bytes, cursor, range) { return true }
            cursor &+= 1
        }
        return false
    }

    private static func beginsDotSegment(
        _ bytes: RawSpan, _ dot: Int, _ range: ByteRange
    ) -> Bool {
        guard dot == range.lower || bytes.byte(dot &- 1) == UInt8(ascii: "/") else { return false }
        var next = dot &+ 1
        if next < range.upper, bytes.byte(next) == UInt8(ascii: ".") { next &+= 1 }
        return next >= range.upper || bytes.byte(next) == UInt8(ascii: "/")
            || bytes.byte(next) == UInt8(ascii: "%")
    }

    /// Appends the normal form of the path in `range`.
    ///
    /// - Parameters:
    ///   - range: without the query; an absolute path, so it begins with a slash.
    ///   - buffer: gets at most as many bytes as `range` has.
    /// - Returns: `false`, with nothing appended, when `buffer` has no room for them.
    public static func append(
        _ bytes: RawSpan, _ range: ByteRange, to buffer: inout Buffer
    ) -> Bool {
        guard buffer.room >= Int(range.count) else { return false }
        let base = buffer.end
        var cursor = range.lower
        var segmentStart = base
        while cursor < range.upper {
            let byte = decodedByte(bytes, &cursor, range.upper)
            // An encoded slash stays encoded, so this one ends a segment.
            if byte == UInt8(ascii: "/") {
                removeDotSegment(&buffer, base, segmentStart, isLast: false)
                buffer.append(byte)
                segmentStart = buffer.end
            } else {
                buffer.append(byte)
            }
        }
        removeDotSegment(&buffer, base, segmentStart, isLast: true)
        return true
    }

    /// One byte of the path, decoded if it is the encoding of an unreserved one.
    private static func decodedByte(_ bytes: RawSpan, _ cursor: inout Int, _ end: Int) -> UInt8 {
        let byte = bytes.byte(cursor)
        cursor &+= 1
        guard byte == UInt8(ascii: "%"), end &- cursor >= 2,
            let high = Bytewise.hexadecimalDigit(bytes.byte(cursor)),
            let low = Bytewise.hexadecimalDigit(bytes.byte(cursor &+ 1))
        else { return byte }
        let decoded = high &<< 4 | low
        guard Bytewise.isUnreserved(decoded) else { return byte }
        cursor &+= 2
        return decoded
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
