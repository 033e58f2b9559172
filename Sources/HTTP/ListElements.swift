public import Memory

/// The elements of a comma-separated list, without the whitespace around them; empty elements
/// are skipped (RFC 9110 §5.6.1).
///
/// For lists of tokens: it does not know quoted strings.
public struct ListElements: Sendable, BitwiseCopyable {
    private var cursor: Int
    private let end: Int

    public init(_ range: ByteRange) {
        cursor = range.lower
        end = range.upper
    }

    /// The next element of the list in `bytes`, or `nil` at its end.
    public mutating func next(_ bytes: RawSpan) -> ByteRange? {
        while cursor < end {
            let start = cursor
            while cursor < end, bytes.byte(cursor) != UInt8(ascii: ",") { cursor &+= 1 }
            let element = bytes.withoutOuterWhitespace(start, cursor)
            cursor &+= 1
            if !element.isEmpty { return element }
        }
        return nil
    }
}
