import Memory

/// The punctuation of one JSON object that is appended to a line, field by field. Names and
/// words are written as they are: they contain nothing to escape.
struct JSONObject {
    private var isEmpty = true

    init(into line: inout Buffer) { line.append(UInt8(ascii: "{")) }

    mutating func key(_ name: StaticString, to line: inout Buffer) {
        if !isEmpty { line.append(UInt8(ascii: ",")) }
        isEmpty = false
        line.append(UInt8(ascii: "\""))
        line.append(name)
        line.append(UInt8(ascii: "\""))
        line.append(UInt8(ascii: ":"))
    }

    mutating func field(_ name: StaticString, word: StaticString, to line: inout Buffer) {
        key(name, to: &line)
        line.append(UInt8(ascii: "\""))
        line.append(word)
        line.append(UInt8(ascii: "\""))
    }

    mutating func field(_ name: StaticString, decimal: UInt64, to line: inout Buffer) {
        key(name, to: &line)
        line.append(decimal: decimal)
    }

    /// Milliseconds with one digit after the point, which is left out when it is 0.
    mutating func field(_ name: StaticString, microseconds: UInt64, to line: inout Buffer) {
        key(name, to: &line)
        let tenths = microseconds / 100 + (microseconds % 100 >= 50 ? 1 : 0)
        line.append(decimal: tenths / 10)
        guard tenths % 10 > 0 else { return }
        line.append(UInt8(ascii: "."))
        line.append(decimal: tenths % 10)
    }

    /// A name of ours; nothing when it is `nil`.
    mutating func field(_ name: StaticString, _ text: String?, to line: inout Buffer) {
        guard let text else { return }
        key(name, to: &line)
        line.append(UInt8(ascii: "\""))
        JSONText.append(text, to: &line)
        line.append(UInt8(ascii: "\""))
    }

    consuming func end(_ line: inout Buffer) { line.append(UInt8(ascii: "}")) }
}
