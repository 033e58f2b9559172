import Memory

/// Bytes from strangers as the inside of a JSON string (RFC 8259 §7), fit for a terminal too.
///
/// Quotes, backslashes and control characters are escaped, those of Unicode's second set (U+0080
/// to U+009F) and U+007F among them, so that no log line can steer a terminal. What is not UTF-8
/// is replaced by U+FFFD, one for each maximal part of a character, as Unicode 3.9 recommends.
enum JSONText {
    static func append(_ bytes: RawSpan, _ range: ByteRange, to line: inout Buffer) {
        var position = range.lower
        while position < range.upper {
            let byte = bytes.byte(position)
            if byte < 0x80 {
                append(ascii: byte, to: &line)
                position += 1
                continue
            }
            let (length, isWhole) = character(in: bytes, at: position, end: range.upper)
            if !isWhole {
                line.append("\u{FFFD}")
            } else if byte == 0xC2, bytes.byte(position + 1) < 0xA0 {
                append(control: UInt64(bytes.byte(position + 1)), to: &line)
            } else {
                for offset in 0..<length { line.append(bytes.byte(position + offset)) }
            }
            position += length
        }
    }

    /// The most bytes of a name that are written.
    private static let nameByteBound = 256

    /// Appends a name, cut to 256 bytes.
    static func append(_ name: String, to line: inout Buffer) {
        var rest = nameByteBound
        for scalar in name.unicodeScalars {
            let bytes = UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            rest -= bytes.count
            guard rest >= 0 else { return }
            if scalar.value < 0x80 {
                append(ascii: UInt8(scalar.value), to: &line)
            } else if scalar.value < 0xA0 {
                append(control: UInt64(scalar.value), to: &line)
            } else {
                for byte in bytes { line.append(byte) }
            }
        }
    }

    private static func append(control number: UInt64, to line: inout Buffer) {
        line.append("\\u")
        line.append(hexadecimal: number, width: 4)
    }

    private static func append(ascii byte: UInt8, to line: inout Buffer) {
        switch byte {
        case UInt8(ascii: "\""): line.append("\\\"")
        case UInt8(ascii: "\\"): line.append("\\\\")
        case 0x0A: line.append("\\n")
        case 0x0D: line.append("\\r")
        case 0x09: line.append("\\t")
        case 0x20..<0x7F: line.append(byte)
        default:
            append(control: UInt64(byte), to: &line)
        }
    }

    /// The character that begins at `position` with a byte above 0x7F, or the longest part of
    /// one; at least one byte.
    private static func character(
        in bytes: RawSpan, at position: Int, end: Int
    ) -> (length: Int, isWhole: Bool) {
        // The second byte's range excludes overlong forms, surrogates, and what is above
        // U+10FFFF (RFC 3629 §4).
        let length: Int
        var allowed: ClosedRange<UInt8> = 0x80...0xBF
        switch bytes.byte(position) {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, allowed) = (3, 0xA0...0xBF)
        case 0xED: (length, allowed) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, allowed) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, allowed) = (4, 0x80...0x8F)
        default: return (1, false)
        }
        for offset in 1..<length {
            guard position + offset < end, allowed.contains(bytes.byte(position + offset)) else {
                return (offset, false)
            }
            allowed = 0x80...0xBF
        }
        return (length, true)
    }
}
