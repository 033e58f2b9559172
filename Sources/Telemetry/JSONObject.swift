import Memory

/// The punctuation of one JSON object that is appended to a line, field by field. Names and
/// words are written as they are: they contain nothing to escape.
struct JSONObject {
    private var isEmpty = true

    init(into line: inout [UInt8]) { line.append(UInt8(ascii: "{")) }

    mutating func key(_ name: StaticString, to line: inout [UInt8]) {
        if !isEmpty { line.append(UInt8(ascii: ",")) }
        isEmpty = false
        line.append(UInt8(ascii: "\""))
        line.append(word: name)
        line.append(UInt8(ascii: "\""))
        line.append(UInt8(ascii: ":"))
    }

    mutating func field(_ name: StaticString, word: StaticString, to line: inout [UInt8]) {
        key(name, to: &line)
        line.append(UInt8(ascii: "\""))
        line.append(word: word)
        line.append(UInt8(ascii: "\""))
    }

    mutating func field(_ name: StaticString, decimal: UInt64, to line: inout [UInt8]) {
        key(name, to: &line)
        line.append(decimal: decimal)
    }

    /// Milliseconds with one digit after the point, which is left out when it is 0.
    mutating func field(_ name: StaticString, microseconds: UInt64, to line: inout [UInt8]) {
        key(name, to: &line)
        let tenths = microseconds / 100 + (microseconds % 100 >= 50 ? 1 : 0)
        line.append(decimal: tenths / 10)
        guard tenths % 10 > 0 else { return }
        line.append(UInt8(ascii: "."))
        line.append(decimal: tenths % 10)
    }

    /// Nothing when `text` is `nil`.
    mutating func field(_ name: StaticString, _ text: String?, to line: inout [UInt8]) {
        guard let text else { return }
        key(name, to: &line)
        line.append(UInt8(ascii: "\""))
        let bytes = Array(text.utf8)
        JSONText.append(bytes.span.bytes, ByteRange(0, bytes.count), to: &line)
        line.append(UInt8(ascii: "\""))
    }

    consuming func end(_ line: inout [UInt8]) { line.append(UInt8(ascii: "}")) }
}

extension [UInt8] {
    mutating func append(word: StaticString) {
        word.withUTF8Buffer { append(contentsOf: $0) }
    }

    mutating func append(decimal number: UInt64) {
        append(decimal: number, width: 1)
    }

    /// - Parameter width: the least number of digits; zeros fill up.
    mutating func append(decimal number: UInt64, width: Int) {
        var divisor: UInt64 = 1
        var digits = 1
        while number / divisor >= 10 {
            divisor *= 10
            digits += 1
        }
        for _ in 0..<Swift.max(0, width - digits) { append(UInt8(ascii: "0")) }
        while divisor > 0 {
            append(UInt8(truncatingIfNeeded: number / divisor % 10) + UInt8(ascii: "0"))
            divisor /= 10
        }
    }

    mutating func append(hexadecimal number: UInt64, width: Int) {
        let digits = Swift.max(width, (67 - number.leadingZeroBitCount) / 4)
        for position in 0..<digits {
            let digit =
                UInt8(truncatingIfNeeded: number >> UInt64((digits - 1 - position) * 4)) & 15
            append(digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a"))
        }
    }
}
