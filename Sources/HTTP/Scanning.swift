public import Memory

/// Reading eight bytes at a time, which is worth a quarter of the instructions of a request
/// (`measured.md` 1).
extension RawSpan {
    /// Eight bytes from `offset`, the first in the lowest place; zeros beyond the end.
    ///
    /// A zero stops every scan here, so a scan needs no separate loop for the last bytes: it
    /// stops at the end, and the caller sees that the offset is the end.
    @inline(__always)
    public func wordOrZeros(_ offset: Int) -> UInt64 {
        byteCount &- offset >= 8 ? word(offset) : lastWord(offset)
    }

    private func lastWord(_ offset: Int) -> UInt64 {
        let left = byteCount &- offset
        if left <= 0 { return 0 }
        if byteCount >= 8 { return word(byteCount &- 8) &>> UInt64((8 &- left) &* 8) }
        var word: UInt64 = 0
        var index = left
        while index > 0 {
            index &-= 1
            word = word &<< 8 | UInt64(byte(offset &+ index))
        }
        return word
    }

    /// The same with bit 5 set in every byte, which makes letters lower-case.
    ///
    /// It also maps other bytes: compare only bytes that are known to be above 0x1F.
    public func lowered(_ offset: Int) -> UInt64 { wordOrZeros(offset) | 0x2020_2020_2020_2020 }

    /// The first offset at or after `start` whose byte is no `tchar` (RFC 9110 §5.6.2), or the
    /// byte count.
    public func endOfToken(from start: Int) -> Int {
        var cursor = start
        while cursor < byteCount {
            let stops = Bytewise.neitherLettersNorHyphens(wordOrZeros(cursor))
            if stops == 0 {
                cursor &+= 8
                continue
            }
            cursor &+= stops.trailingZeroBitCount &>> 3
            // Digits, underscores and the rare others, and the end.
            guard cursor < byteCount, Bytewise.isTokenByte(byte(cursor)) else { return cursor }
            cursor &+= 1
        }
        return cursor
    }

    /// The first offset at or after `start` whose byte is a control other than HTAB, or the
    /// byte count: where a field value ends (RFC 9110 §5.5).
    public func endOfFieldValue(from start: Int) -> Int {
        var cursor = start
        while cursor < byteCount {
            let stops = Bytewise.controls(wordOrZeros(cursor))
            if stops == 0 {
                cursor &+= 8
                continue
            }
            cursor &+= stops.trailingZeroBitCount &>> 3
            guard cursor < byteCount, byte(cursor) == 0x09 else { return cursor }
            cursor &+= 1
        }
        return cursor
    }

    /// `range` without spaces and tabs at its ends (RFC 9110 §5.6.3).
    public func withoutOuterWhitespace(_ lower: Int, _ upper: Int) -> ByteRange {
        var start = lower
        var end = upper
        while start < end, Bytewise.isWhitespace(byte(start)) { start &+= 1 }
        while end > start, Bytewise.isWhitespace(byte(end &- 1)) { end &-= 1 }
        return ByteRange(start, end)
    }

    /// Whether two stretches are the same but for the case of ASCII letters.
    public func equalsIgnoringCase(
        _ range: ByteRange, _ other: RawSpan, _ otherRange: ByteRange
    ) -> Bool {
        guard range.count == otherRange.count else { return false }
        var offset = 0
        var left = Int(range.count)
        while left >= 8 {
            let a = Bytewise.lowercased(word(range.lower &+ offset))
            let b = Bytewise.lowercased(other.word(otherRange.lower &+ offset))
            guard a == b else { return false }
            offset &+= 8
            left &-= 8
        }
        guard left > 0 else { return true }
        let mask = (1 &<< UInt64(left &* 8)) &- 1
        let a = Bytewise.lowercased(wordOrZeros(range.lower &+ offset))
        let b = Bytewise.lowercased(other.wordOrZeros(otherRange.lower &+ offset))
        return (a ^ b) & mask == 0
    }
}

/// Questions about bytes, one at a time and eight at a time.
///
/// The answers for eight are high bits, one per byte; each is exact at least up to the first.
public enum Bytewise {
    private static let highBits: UInt64 = 0x8080_8080_8080_8080
    private static let lowBits: UInt64 = 0x7F7F_7F7F_7F7F_7F7F

    public static func neitherLettersNorHyphens(_ word: UInt64) -> UInt64 {
        let low = (word | 0x2020_2020_2020_2020) & lowBits
        let letter = (low &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(low &+ 0x0505_0505_0505_0505)
        let hyphen = ~((word ^ 0x2D2D_2D2D_2D2D_2D2D) &+ lowBits)
        return (~(letter | hyphen) | word) & highBits
    }

    /// Bytes below 0x20, and 0x7F.
    public static func controls(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let visible = low &+ 0x6060_6060_6060_6060
        let delete = low &+ 0x0101_0101_0101_0101
        return (~visible | delete) & ~word & highBits
    }

    /// Bytes outside 0x21...0x7E.
    public static func notVisible(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let visible = low &+ 0x5F5F_5F5F_5F5F_5F5F
        let delete = low &+ 0x0101_0101_0101_0101
        return (~visible | delete | word) & highBits
    }

    /// Bytes that are `byte`.
    public static func occurrences(of byte: UInt8, in word: UInt64) -> UInt64 {
        let difference = word ^ (UInt64(byte) &* 0x0101_0101_0101_0101)
        return (difference &- 0x0101_0101_0101_0101) & ~difference & highBits
    }

    /// Exact for every byte: nothing but the letters A to Z changes.
    public static func lowercased(_ word: UInt64) -> UInt64 {
        let low = word & lowBits
        let fromA = low &+ 0x3F3F_3F3F_3F3F_3F3F
        let afterZ = low &+ 0x2525_2525_2525_2525
        let capital = fromA & ~afterZ & ~word & highBits
        return word | capital &>> 2
    }

    public static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    public static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    public static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }

    /// The value of a hexadecimal digit, or `nil`.
    public static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        if byte &- 0x30 < 10 { return byte &- 0x30 }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter &+ 10 : nil
    }

    /// RFC 9110 §5.6.2.
    public static func isTokenByte(_ byte: UInt8) -> Bool {
        // Bit n of the pair stands for byte n: !#$%&'*+-. digits, letters ^_`|~
        let half: UInt64 = byte < 64 ? 0x03FF_6CFA_0000_0000 : 0x57FF_FFFF_C7FF_FFFE
        return byte < 128 && half &>> UInt64(byte & 63) & 1 == 1
    }

    /// RFC 3986 §2.3.
    public static func isUnreserved(_ byte: UInt8) -> Bool {
        isLetter(byte) || isDigit(byte)
            || byte == 0x2D || byte == 0x2E || byte == 0x5F || byte == 0x7E
    }
}
