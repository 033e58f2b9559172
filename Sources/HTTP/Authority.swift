public import Memory

/// The host and port a request is for: `uri-host [ ":" port ]` (RFC 9110 §7.2).
///
/// Stricter than RFC 3986 §3.2.2, because routes compare hosts byte by byte: a name consists of
/// letters, digits, `-`, `.`, `_` and `~`, so neither percent-encoding nor sub-delims; no label
/// is empty; an address in brackets is IPv6 without a zone. No user information. A name has at
/// most 255 bytes (RFC 1035 §2.3.4).
public struct Authority: Sendable, BitwiseCopyable, Equatable {
    /// The name or the address, with the brackets of an IPv6 address, without the dot that may
    /// end a name. Empty when the value is.
    public var hostRange: ByteRange
    /// 0 when there is none.
    public var port: UInt16

    /// In bytes: no name is longer (RFC 1035 §2.3.4), and no port than five digits.
    public static let maximumByteCount = 255 + 6

    private init() {
        hostRange = .empty
        port = 0
    }

    /// Neither host nor port.
    public static var none: Authority { Authority() }

    /// - Returns: `nil` when `range` holds no authority. An empty range is one: the host is
    ///   then empty (RFC 9112 §3.2); the caller decides whether it may be.
    public init?(_ bytes: RawSpan, _ range: ByteRange) {
        hostRange = range
        port = 0
        guard !range.isEmpty else { return }
        guard range.count <= Self.maximumByteCount else { return nil }
        var cursor: Int
        if bytes.byte(range.lower) == UInt8(ascii: "[") {
            guard let end = Self.endOfAddress(bytes, range) else { return nil }
            cursor = end
            hostRange = ByteRange(range.lower, cursor)
        } else {
            cursor = Self.endOfName(bytes, range)
            guard cursor > range.lower else { return nil }
            let endsInDot = bytes.byte(cursor &- 1) == UInt8(ascii: ".")
            hostRange = ByteRange(range.lower, endsInDot ? cursor &- 1 : cursor)
            guard !hostRange.isEmpty, hostRange.count <= 255 else { return nil }
        }
        guard cursor < range.upper else { return }
        guard bytes.byte(cursor) == UInt8(ascii: ":") else { return nil }
        cursor &+= 1
        // RFC 3986 §3.2.3: the port may be missing after its colon.
        guard range.upper &- cursor <= 5 else { return nil }
        var number = 0
        let hasPort = cursor < range.upper
        while cursor < range.upper {
            let byte = bytes.byte(cursor)
            guard Bytewise.isDigit(byte) else { return nil }
            number = number &* 10 &+ Int(byte &- 0x30)
            cursor &+= 1
        }
        guard number <= 65535, number > 0 || !hasPort else { return nil }
        port = UInt16(truncatingIfNeeded: number)
    }

    /// The first offset whose byte cannot be in a name, or the start when a label is empty.
    private static func endOfName(_ bytes: RawSpan, _ range: ByteRange) -> Int {
        var cursor = range.lower
        var isAfterDot = true
        while cursor < range.upper {
            let stops = Bytewise.neitherLettersNorHyphens(bytes.wordOrZeros(cursor))
            let skipped = stops == 0 ? 8 : stops.trailingZeroBitCount &>> 3
            if skipped > 0 { isAfterDot = false }
            cursor &+= skipped
            if stops == 0 { continue }
            guard cursor < range.upper else { break }
            let byte = bytes.byte(cursor)
            if byte == UInt8(ascii: ".") {
                if isAfterDot { return range.lower }
                isAfterDot = true
            } else {
                guard Bytewise.isUnreserved(byte) else { return cursor }
                isAfterDot = false
            }
            cursor &+= 1
            // Digits come in numbers.
            while cursor < range.upper, Bytewise.isDigit(bytes.byte(cursor)) {
                isAfterDot = false
                cursor &+= 1
            }
        }
        return min(cursor, range.upper)
    }

    /// The offset behind the bracket that closes an IPv6 address (RFC 3986 §3.2.2).
    private static func endOfAddress(_ bytes: RawSpan, _ range: ByteRange) -> Int? {
        var cursor = range.lower &+ 1
        var groupCount = 0
        var hasGap = false
        if cursor &+ 1 < range.upper, bytes.byte(cursor) == UInt8(ascii: ":") {
            guard bytes.byte(cursor &+ 1) == UInt8(ascii: ":") else { return nil }
            hasGap = true
            cursor &+= 2
            if cursor < range.upper, bytes.byte(cursor) == UInt8(ascii: "]") { return cursor &+ 1 }
        }
        while cursor < range.upper {
            let start = cursor
            while cursor < range.upper, Bytewise.hexadecimalDigit(bytes.byte(cursor)) != nil {
                cursor &+= 1
            }
            guard cursor > start, cursor &- start <= 4, cursor < range.upper else { return nil }
            switch bytes.byte(cursor) {
            case UInt8(ascii: "."):
                guard let end = endOfDottedAddress(bytes, start, range.upper) else { return nil }
                cursor = end
                groupCount &+= 2
                guard cursor < range.upper, bytes.byte(cursor) == UInt8(ascii: "]") else {
                    return nil
                }
                return isWhole(groupCount, hasGap) ? cursor &+ 1 : nil
            case UInt8(ascii: "]"):
                return isWhole(groupCount &+ 1, hasGap) ? cursor &+ 1 : nil
            case UInt8(ascii: ":"):
                groupCount &+= 1
                cursor &+= 1
                if cursor < range.upper, bytes.byte(cursor) == UInt8(ascii: ":") {
                    guard !hasGap else { return nil }
                    hasGap = true
                    cursor &+= 1
                    if cursor < range.upper, bytes.byte(cursor) == UInt8(ascii: "]") {
                        return isWhole(groupCount, hasGap) ? cursor &+ 1 : nil
                    }
                }
            default: return nil
            }
        }
        return nil
    }

    private static func isWhole(_ groupCount: Int, _ hasGap: Bool) -> Bool {
        hasGap ? groupCount < 8 : groupCount == 8
    }

    private static func endOfDottedAddress(_ bytes: RawSpan, _ start: Int, _ end: Int) -> Int? {
        var cursor = start
        var part = 0
        while part < 4 {
            let first = cursor
            var number = 0
            while cursor < end, Bytewise.isDigit(bytes.byte(cursor)), cursor &- first < 4 {
                number = number &* 10 &+ Int(bytes.byte(cursor) &- 0x30)
                cursor &+= 1
            }
            guard cursor > first, number <= 255 else { return nil }
            // RFC 3986 §3.2.2: a dec-octet has no leading zeros.
            guard cursor &- first == 1 || bytes.byte(first) != 0x30 else { return nil }
            part &+= 1
            guard part < 4 else { break }
            guard cursor < end, bytes.byte(cursor) == UInt8(ascii: ".") else { return nil }
            cursor &+= 1
        }
        return cursor
    }
}
