/// Looks for bytes that are not UTF-8, and for characters that would make the lines of a
/// message and the lines of an editor differ.
enum EncodingCheck {
    static func firstProblem(in bytes: [UInt8]) -> YAMLProblem? {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        var line = 1
        var column = 1
        var previous: Unicode.Scalar = " "
        var isFirst = true
        while true {
            switch decoder.decode(&iterator) {
            case .emptyInput:
                return nil
            case .error:
                return YAMLProblem(
                    .encoding, "the file is not UTF-8 text",
                    at: place(line, column), help: "save the file as UTF-8")
            case .scalarValue(let scalar):
                // A byte order mark is tolerated, and has no width.
                if isFirst, scalar == "\u{FEFF}" {
                    isFirst = false
                    continue
                }
                isFirst = false
                if scalar == "\n" || scalar == "\r" {
                    if !(scalar == "\n" && previous == "\r") { line += 1 }
                    column = 1
                } else if isInvisible(scalar) {
                    let digits = String(scalar.value, radix: 16, uppercase: true)
                    let padding = String(repeating: "0", count: max(0, 4 - digits.utf8.count))
                    return YAMLProblem(
                        .encoding, "the invisible character U+\(padding)\(digits) is not allowed",
                        at: place(line, column),
                        help: "remove it; inside double quotes it can be written as an escape")
                } else {
                    column += 1
                }
                previous = scalar
            }
        }
    }

    private static func isInvisible(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09: false
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF: true
        default: false
        }
    }

    private static func place(_ line: Int, _ column: Int) -> YAMLPlace {
        YAMLPlace(line: line, column: column, endLine: line, endColumn: column + 1)
    }
}
