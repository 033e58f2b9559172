/// Writes JSON with two spaces of indentation and keys in the order given, so that a change of
/// a number is a change of a line.
struct JSONWriter {
    private(set) var text = ""
    private var depth = 0
    private var isFirst = true

    mutating func object(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) {
        nested(key, "{", "}", body)
    }

    mutating func array(_ key: String? = nil, _ body: (inout JSONWriter) -> Void) {
        nested(key, "[", "]", body)
    }

    mutating func string(_ key: String?, _ value: String) { item(key, Self.quoted(value)) }
    mutating func integer(_ key: String?, _ value: Int) { item(key, String(value)) }
    mutating func boolean(_ key: String?, _ value: Bool) { item(key, value ? "true" : "false") }
    /// `null` for what is not finite.
    mutating func number(_ key: String?, _ value: Double) { item(key, Self.text(value)) }
    /// On one line.
    mutating func numbers(_ key: String?, _ values: [Double]) {
        item(key, "[" + values.map(Self.text).joined(separator: ", ") + "]")
    }
    mutating func integers(_ key: String?, _ values: [Int]) {
        item(key, "[" + values.map(String.init).joined(separator: ", ") + "]")
    }

    mutating func strings(_ key: String?, _ values: [String]) {
        item(key, "[" + values.map(Self.quoted).joined(separator: ", ") + "]")
    }
    mutating func null(_ key: String?) { item(key, "null") }

    private mutating func item(_ key: String?, _ value: String) {
        begin(key)
        text += value
    }

    private mutating func begin(_ key: String?) {
        if depth > 0 { text += (isFirst ? "\n" : ",\n") + String(repeating: "  ", count: depth) }
        if let key { text += Self.quoted(key) + ": " }
        isFirst = false
    }

    private mutating func nested(
        _ key: String?, _ open: String, _ close: String, _ body: (inout JSONWriter) -> Void
    ) {
        begin(key)
        text += open
        depth += 1
        isFirst = true
        body(&self)
        depth -= 1
        if !isFirst { text += "\n" + String(repeating: "  ", count: depth) }
        text += close
        isFirst = false
        if depth == 0 { text += "\n" }
    }

    /// Six significant digits or so: more would be noise, and the same everywhere.
    static func text(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        if value == 0 { return "0" }
        var scale = 1.0
        var digits = 0
        while abs(value) * scale < 100_000, digits < 12 {
            scale *= 10
            digits += 1
        }
        let rounded = (value * scale).rounded() / scale
        return rounded == rounded.rounded() && abs(rounded) < 1e15
            ? String(Int(rounded)) : String(rounded)
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{0}"..."\u{1F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
