extension Diagnostic {
    /// The text form: per diagnostic the place and the sentence, the line with carets under the
    /// whole word, the help and the notes.
    ///
    ///     bad.yaml:6:5: error: unknown key 'servrs' in services.app [unknown-key]
    ///        |
    ///      6 |     servrs: [3001, 3002]
    ///        |     ^^^^^^
    ///        = help: did you mean 'servers'?
    public static func render(
        _ diagnostics: [Diagnostic], source: [UInt8], colour: Bool = false
    ) -> String {
        let lines = QuotedLines(source)
        let pen = Pen(colour: colour)
        return diagnostics.map { $0.text(quoting: lines, pen: pen) }.joined(separator: "\n")
    }

    /// One JSON object per line.
    public static func renderJSON(_ diagnostics: [Diagnostic]) -> String {
        diagnostics.map { $0.jsonLine + "\n" }.joined()
    }

    /// The workflow commands that GitHub shows beside the lines of a change.
    public static func renderGitHub(_ diagnostics: [Diagnostic]) -> String {
        diagnostics.map { $0.gitHubLine + "\n" }.joined()
    }

    /// `2 errors and 1 warning`; `no mistakes` for an empty list.
    public static func summary(of diagnostics: [Diagnostic]) -> String {
        let errorCount = diagnostics.count { $0.severity == .error }
        let warningCount = diagnostics.count - errorCount
        let parts = [(errorCount, "error"), (warningCount, "warning")]
            .filter { $0.0 > 0 }
            .map { "\($0.0) \($0.1)\($0.0 == 1 ? "" : "s")" }
        return parts.isEmpty ? "no mistakes" : parts.joined(separator: " and ")
    }

    // MARK: - Text

    private func text(quoting lines: QuotedLines, pen: Pen) -> String {
        let number = String(location.line)
        let margin = String(repeating: " ", count: number.utf8.count + 2)
        let mark: Pen.Ink = severity == .error ? .red : .yellow
        var text = pen.bold("\(location.link): ") + pen.write("\(severity.rawValue): ", mark)
        text += pen.bold(sentence) + " [\(code.rawValue)]\n"
        if let line = lines[location.line] {
            let underline = underline(below: line)
            text += pen.write("\(margin)|", .blue) + "\n"
            text += pen.write(" \(number) |", .blue) + " \(String(line))\n"
            text += pen.write("\(margin)|", .blue) + " \(underline.blank)"
            text += pen.write(underline.carets, mark) + "\n"
        }
        if let help { text += pen.write("\(margin)= ", .blue) + "help: \(help)\n" }
        for note in notes {
            let place = note.location.map { " at \($0.link)" } ?? ""
            text += pen.write("\(margin)= ", .blue) + "note: \(note.sentence)\(place)\n"
        }
        return text
    }

    /// Carets under the stretch, cut at the end of its first line; tabs in front are kept, so
    /// that the carets stand right whatever a tab's width.
    private func underline(
        below line: String.UnicodeScalarView
    ) -> (blank: String, carets: String) {
        let scalars = Array(line)
        let start = min(max(0, location.column - 1), scalars.count)
        var end = location.endLine > location.line ? scalars.count : location.endColumn - 1
        end = min(end, scalars.count)
        while end > start + 1, scalars[end - 1] == " " { end -= 1 }
        var blank = ""
        for scalar in scalars[..<start] {
            blank.unicodeScalars.append(scalar == "\t" ? "\t" : " ")
        }
        return (blank, String(repeating: "^", count: max(1, end - start)))
    }

    // MARK: - For machines

    private var jsonLine: String {
        var members = [
            "\"file\":\(Self.quoted(location.file))",
            "\"line\":\(location.line)", "\"column\":\(location.column)",
            "\"end_line\":\(location.endLine)", "\"end_column\":\(location.endColumn)",
            "\"severity\":\"\(severity.rawValue)\"", "\"code\":\"\(code.rawValue)\"",
            "\"message\":\(Self.quoted(sentence))",
        ]
        if !keyPath.isEmpty {
            members.append("\"key\":\(Self.quoted(keyPath.joined(separator: ".")))")
        }
        if let help { members.append("\"help\":\(Self.quoted(help))") }
        if !notes.isEmpty {
            let list = notes.map { note in
                var members = ["\"message\":\(Self.quoted(note.sentence))"]
                if let place = note.location {
                    members.append("\"file\":\(Self.quoted(place.file))")
                    members.append("\"line\":\(place.line)")
                    members.append("\"column\":\(place.column)")
                }
                return "{\(members.joined(separator: ","))}"
            }
            members.append("\"notes\":[\(list.joined(separator: ","))]")
        }
        return "{\(members.joined(separator: ","))}"
    }

    private static func quoted(_ text: String) -> String {
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

    private var gitHubLine: String {
        var text = sentence
        if let help { text += "\nhelp: \(help)" }
        for note in notes {
            text += "\nnote: \(note.sentence)" + (note.location.map { " at \($0.link)" } ?? "")
        }
        let place =
            "file=\(Self.escaped(location.file, isProperty: true)),line=\(location.line),"
            + "col=\(location.column),endLine=\(location.endLine),endColumn=\(location.endColumn)"
        return "::\(severity.rawValue) \(place),title=\(code.rawValue)::"
            + Self.escaped(text, isProperty: false)
    }

    private static func escaped(_ text: String, isProperty: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "%": result += "%25"
            case "\r": result += "%0D"
            case "\n": result += "%0A"
            case ":" where isProperty: result += "%3A"
            case "," where isProperty: result += "%2C"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

/// The lines of a source, found once.
private struct QuotedLines {
    private var lines: [String.UnicodeScalarView] = []

    init(_ source: [UInt8]) {
        let bytes = source.starts(with: [0xEF, 0xBB, 0xBF]) ? source.dropFirst(3) : source[...]
        var line = "".unicodeScalars
        var previous: Unicode.Scalar = " "
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar == "\n" || scalar == "\r" {
                if !(scalar == "\n" && previous == "\r") {
                    lines.append(line)
                    line = "".unicodeScalars
                }
            } else {
                line.append(scalar)
            }
            previous = scalar
        }
        if !line.isEmpty { lines.append(line) }
    }

    /// `nil` behind the last line.
    subscript(line: Int) -> String.UnicodeScalarView? {
        lines.indices.contains(line - 1) ? lines[line - 1] : nil
    }
}

/// Writes in colour, or not.
private struct Pen {
    enum Ink: String {
        case red = "31"
        case yellow = "33"
        case blue = "34"
    }

    let colour: Bool

    func write(_ text: String, _ ink: Ink) -> String {
        colour ? "\u{1B}[1;\(ink.rawValue)m\(text)\u{1B}[0m" : text
    }
    func bold(_ text: String) -> String { colour ? "\u{1B}[1m\(text)\u{1B}[0m" : text }
}
