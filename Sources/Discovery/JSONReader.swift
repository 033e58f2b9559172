/// Reads JSON (RFC 8259) step by step, in the order of the text: the caller takes what it knows
/// and skips the rest, so that a document of megabytes costs no more memory than what is taken.
///
/// ## Invariants
/// - Strict: what is not JSON is refused at the byte where it ends to be, also in what is skipped.
///   Invalid UTF-8 in strings is replaced, as the texts are for people.
/// - Nesting deeper than `maximumDepth` is refused, so no document exhausts the stack.
/// - Every value that is begun is read to its end by the function that began it.
public struct JSONReader {
    public enum Mistake: Error, Equatable, Sendable {
        /// It ends in the middle.
        case cut
        /// Not JSON, from this byte on.
        case malformed(Int)
        /// Nested deeper than there is room for.
        case tooDeep(Int)
    }

    private let bytes: [UInt8]
    private var position: Int
    private let end: Int
    private var depth = 0
    private let maximumDepth: Int

    public init(_ bytes: [UInt8], maximumDepth: Int = 64) {
        self.bytes = bytes
        position = 0
        end = bytes.count
        self.maximumDepth = maximumDepth
    }

    // MARK: - Containers

    /// Calls `body` for each member; it must read or skip the value. `null` has no members, and
    /// so has anything that is no object.
    public mutating func readObject(
        _ body: (inout JSONReader, String) throws(Mistake) -> Void
    ) throws(Mistake) {
        guard try peek() == 0x7B else { return try skipValue() }
        try enter()
        if try peek() == 0x7D { return leave() }
        while true {
            guard try peek() == 0x22 else { throw .malformed(position) }
            let key = try string()
            guard try peek() == 0x3A else { throw .malformed(position) }
            position += 1
            try body(&self, key)
            guard try continues(until: 0x7D) else { return leave() }
        }
    }

    /// Calls `body` for each element, which it must read or skip. `null` has none, and so has
    /// anything that is no array.
    public mutating func readArray(
        _ body: (inout JSONReader) throws(Mistake) -> Void
    ) throws(Mistake) {
        guard try peek() == 0x5B else { return try skipValue() }
        try enter()
        if try peek() == 0x5D { return leave() }
        while true {
            try body(&self)
            guard try continues(until: 0x5D) else { return leave() }
        }
    }

    /// All of an object whose values are texts; other values are left out.
    public mutating func readTexts() throws(Mistake) -> [String: String] {
        var texts: [String: String] = [:]
        try readObject { (reader, key) throws(Mistake) in
            if let text = try reader.readText() { texts[key] = text }
        }
        return texts
    }

    private mutating func enter() throws(Mistake) {
        depth += 1
        guard depth <= maximumDepth else { throw .tooDeep(position) }
        position += 1
    }

    private mutating func leave() {
        depth -= 1
        position += 1
    }

    /// Whether a comma follows, and another member.
    private mutating func continues(until close: UInt8) throws(Mistake) -> Bool {
        switch try peek() {
        case 0x2C:
            position += 1
            guard try peek() != close else { throw .malformed(position) }
            return true
        case close: return false
        default: throw .malformed(position)
        }
    }

    // MARK: - Values

    /// A string; `nil` for anything else, which is skipped.
    public mutating func readText() throws(Mistake) -> String? {
        guard try peek() == 0x22 else {
            try skipValue()
            return nil
        }
        return try string()
    }

    /// A whole number; `nil` for anything else, which is skipped, and for one that is too large.
    public mutating func readInteger() throws(Mistake) -> Int? {
        let first = try peek()
        guard first == 0x2D || (0x30...0x39).contains(first) else {
            try skipValue()
            return nil
        }
        let start = position
        try skipNumber()
        return Int(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    /// `true` or `false`; `nil` for anything else, which is skipped.
    public mutating func readBoolean() throws(Mistake) -> Bool? {
        let first = try peek()
        try skipValue()
        return first == 0x74 ? true : first == 0x66 ? false : nil
    }

    public mutating func skipValue() throws(Mistake) {
        switch try peek() {
        case 0x7B: try readObject { (reader, _) throws(Mistake) in try reader.skipValue() }
        case 0x5B: try readArray { (reader) throws(Mistake) in try reader.skipValue() }
        case 0x22: try skipString()
        case 0x74: try skipWord("true")
        case 0x66: try skipWord("false")
        case 0x6E: try skipWord("null")
        case 0x2D, 0x30...0x39: try skipNumber()
        default: throw .malformed(position)
        }
    }

    /// Nothing but white space may follow.
    public mutating func finish() throws(Mistake) {
        skipSpace()
        guard position == end else { throw .malformed(position) }
    }

    // MARK: - Parts

    private mutating func skipSpace() {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// The next byte that is no white space.
    private mutating func peek() throws(Mistake) -> UInt8 {
        skipSpace()
        guard position < end else { throw .cut }
        return bytes[position]
    }

    private mutating func skipWord(_ word: StaticString) throws(Mistake) {
        for byte in "\(word)".utf8 {
            guard position < end else { throw .cut }
            guard bytes[position] == byte else { throw .malformed(position) }
            position += 1
        }
    }

    private mutating func skipNumber() throws(Mistake) {
        if bytes[position] == 0x2D { position += 1 }
        let first = position
        try skipDigits()
        if bytes[first] == 0x30, position > first + 1 { throw .malformed(first) }
        if position < end, bytes[position] == 0x2E {
            position += 1
            try skipDigits()
        }
        if position < end, bytes[position] | 0x20 == 0x65 {
            position += 1
            if position < end, bytes[position] == 0x2B || bytes[position] == 0x2D { position += 1 }
            try skipDigits()
        }
    }

    private mutating func skipDigits() throws(Mistake) {
        let start = position
        while position < end, (0x30...0x39).contains(bytes[position]) { position += 1 }
        guard position > start else { throw position == end ? .cut : .malformed(position) }
    }

    /// - Returns: whether there are escapes.
    @discardableResult
    private mutating func skipString() throws(Mistake) -> Bool {
        var hasEscapes = false
        position += 1
        while position < end {
            let byte = bytes[position]
            switch byte {
            case 0x22:
                position += 1
                return hasEscapes
            case 0x5C:
                hasEscapes = true
                position += 1
                try skipEscape()
            case 0x00..<0x20: throw .malformed(position)
            default: position += 1
            }
        }
        throw .cut
    }

    private mutating func skipEscape() throws(Mistake) {
        guard position < end else { throw .cut }
        switch bytes[position] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: position += 1
        case 0x75:
            for offset in 1...4 {
                guard position + offset < end else { throw .cut }
                guard Self.hexadecimal(bytes[position + offset]) != nil else {
                    throw .malformed(position + offset)
                }
            }
            position += 5
        default: throw .malformed(position)
        }
    }

    private mutating func string() throws(Mistake) -> String {
        let start = position + 1
        let hasEscapes = try skipString()
        let content = bytes[start..<position - 1]
        return hasEscapes ? Self.unescaped(content) : String(decoding: content, as: UTF8.self)
    }

    /// The escapes have been checked.
    private static func unescaped(_ content: ArraySlice<UInt8>) -> String {
        var units: [UInt16] = []
        var text = ""
        var plain: [UInt8] = []
        func flushUnits() {
            text += String(decoding: units, as: UTF16.self)
            units = []
        }
        func flushPlain() {
            text += String(decoding: plain, as: UTF8.self)
            plain = []
        }
        var rest = content
        while let byte = rest.popFirst() {
            guard byte == 0x5C, let escape = rest.popFirst() else {
                if !units.isEmpty { flushUnits() }
                plain.append(byte)
                continue
            }
            flushPlain()
            if escape == 0x75 {
                var unit: UInt16 = 0
                for _ in 0..<4 {
                    unit = unit << 4 | UInt16(rest.popFirst().flatMap { hexadecimal($0) } ?? 0)
                }
                units.append(unit)
            } else {
                units.append(UInt16(escapes[escape] ?? escape))
            }
        }
        flushPlain()
        flushUnits()
        return text
    }

    private static let escapes: [UInt8: UInt8] = [
        0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
    ]

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}
