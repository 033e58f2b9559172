/// The lines of a text, for messages that quote them.
struct SourceLines {
    private let lines: [[Unicode.Scalar]]

    init(_ bytes: some Sequence<UInt8>) {
        var lines: [[Unicode.Scalar]] = []
        var line: [Unicode.Scalar] = []
        var previous: Unicode.Scalar = " "
        for scalar in String(decoding: Array(bytes), as: UTF8.self).unicodeScalars {
            if scalar == "\n" || scalar == "\r" {
                if !(scalar == "\n" && previous == "\r") {
                    lines.append(line)
                    line = []
                }
            } else {
                line.append(scalar)
            }
            previous = scalar
        }
        lines.append(line)
        self.lines = lines
    }

    var count: Int { lines.count }

    /// Empty for a line that does not exist.
    subscript(line: Int) -> [Unicode.Scalar] {
        lines.indices.contains(line - 1) ? lines[line - 1] : []
    }

    /// The column of the first character that is not a space; `nil` for blank lines and
    /// comments.
    func indentation(of line: Int) -> Int? {
        guard let first = self[line].firstIndex(where: { $0 != " " && $0 != "\t" }) else {
            return nil
        }
        return self[line][first] == "#" ? nil : first + 1
    }

    /// The last line above `line` that is neither blank nor a comment.
    func neighbour(above line: Int) -> Int? {
        var candidate = line - 1
        while candidate >= 1 {
            if indentation(of: candidate) != nil { return candidate }
            candidate -= 1
        }
        return nil
    }

    /// The word that stands at a place, up to a space or a character that ends a value inside
    /// brackets.
    func word(line: Int, column: Int) -> String {
        var text = ""
        for scalar in self[line].dropFirst(column - 1) {
            if " \t,]}".unicodeScalars.contains(scalar) { break }
            text.unicodeScalars.append(scalar)
        }
        return text
    }

    /// From the place to the end of the line, without a comment and trailing blanks.
    func rest(line: Int, column: Int) -> String {
        var text = ""
        var previous: Unicode.Scalar = "x"
        for scalar in self[line].dropFirst(max(0, column - 1)) {
            if scalar == "#", previous == " " || previous == "\t" { break }
            text.unicodeScalars.append(scalar)
            previous = scalar
        }
        while let last = text.unicodeScalars.last, last == " " || last == "\t" {
            text.unicodeScalars.removeLast()
        }
        return text
    }
}
