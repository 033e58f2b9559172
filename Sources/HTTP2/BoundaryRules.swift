import HTTP
import Memory

/// What HTTP/2 lets into a field, and what it may not let through into HTTP/1.1: the place where
/// requests are smuggled (RFC 9113 §8.2, §8.3, §10.3).
enum BoundaryRules {
    /// A name in lower case, of token characters.
    static func isName(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount > 0 else { return false }
        for index in 0..<bytes.byteCount {
            let byte = bytes.byte(index)
            guard Bytewise.isTokenByte(byte), byte < 0x41 || byte > 0x5A else { return false }
        }
        return true
    }

    /// No NUL, CR or LF, and no whitespace at either end (§8.2.1); no other control either, as
    /// in HTTP/1.1.
    static func isValue(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount > 0 else { return true }
        guard !Bytewise.isWhitespace(bytes.byte(0)),
            !Bytewise.isWhitespace(bytes.byte(bytes.byteCount - 1))
        else { return false }
        for index in 0..<bytes.byteCount {
            let byte = bytes.byte(index)
            guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { return false }
        }
        return true
    }

    /// Visible characters: nothing that would end a part of a start line.
    static func isVisible(_ bytes: RawSpan) -> Bool {
        for index in 0..<bytes.byteCount {
            let byte = bytes.byte(index)
            guard byte > 0x20 && byte != 0x7F else { return false }
        }
        return true
    }

    /// Fields of a connection, which HTTP/2 does not know (§8.2.2).
    static func isConnectionSpecific(_ name: RawSpan) -> Bool {
        switch name.byteCount {
        case 7: name.isText("upgrade")
        case 10: name.isText("connection") || name.isText("keep-alive")
        case 16: name.isText("proxy-connection")
        case 17: name.isText("transfer-encoding")
        default: false
        }
    }
}

extension RawSpan {
    /// Whether these bytes are `text`, exactly.
    func isText(_ text: StaticString) -> Bool {
        guard byteCount == text.utf8CodeUnitCount else { return false }
        for index in 0..<byteCount {
            let other = unsafe text.utf8Start[index]
            guard byte(index) == other else { return false }
        }
        return true
    }

    /// Whether the bytes from `lower` up to `upper` are `word`, which is in lower case, in any
    /// case.
    func isWord(_ lower: Int, _ upper: Int, _ word: StaticString) -> Bool {
        guard upper - lower == word.utf8CodeUnitCount else { return false }
        for index in 0..<(upper - lower) {
            let letter = unsafe word.utf8Start[index]
            let byte = byte(lower + index)
            guard byte == letter || (Bytewise.isLetter(byte) && byte | 0x20 == letter) else {
                return false
            }
        }
        return true
    }
}
