/// What libyaml says about a text it cannot read.
struct SyntaxError {
    var problem: String
    var line: Int
    var column: Int
    /// What was being read, and where that began.
    var contextLine: Int?
    var contextColumn: Int?
}

/// The sentences for the mistakes that people make; libyaml's own words name the states of its
/// parser.
struct SyntaxSentences {
    let lines: SourceLines

    func problem(for error: SyntaxError) -> YAMLProblem {
        switch error.problem {
        case "did not find expected key", "did not find expected <document start>":
            strayLine(error, neighbours: "its neighbours")
        case "did not find expected '-' indicator":
            strayLine(error, neighbours: "the other items of its list")
        case "did not find expected ',' or ']'":
            unclosed(error, opening: "[", closing: "]", what: "list")
        case "did not find expected ',' or '}'":
            unclosed(error, opening: "{", closing: "}", what: "map")
        case "did not find expected node content":
            missingContent(error)
        case "mapping values are not allowed in this context":
            secondColon(error)
        case "block sequence entries are not allowed in this context":
            YAMLProblem(
                .syntax, "a list in lines must begin on the line below its key",
                at: word(error), help: "move '- …' to the next line, or write [first, second]")
        case "could not find expected ':'":
            missingColon(error)
        case "found unexpected end of stream", "found unexpected document indicator":
            openQuote(error)
        case "found unknown escape character", "did not find expected hexdecimal number":
            YAMLProblem(
                .syntax, "this backslash does not begin a known escape",
                at: place(error.line, error.column, 1),
                help: "write '\\\\' for a backslash, or use single quotes")
        case "found character that cannot start any token":
            strangeStart(error)
        case "did not find expected alphabetic or numeric character":
            mustBeQuoted(line: error.contextLine ?? error.line, column: error.contextColumn ?? 1)
        case "found a tab character where an indentation space is expected",
            "found a tab character that violates indentation":
            tab(error)
        case "found undefined tag handle", "did not find expected tag URI",
            "did not find expected whitespace or line break":
            YAMLProblem(
                .syntax, "a value that begins with '!' must be quoted", at: word(error),
                help: "put the value in quotes; tags are not used here")
        case "did not find expected comment or line break":
            YAMLProblem(
                .syntax, "a value that begins with '|' or '>' continues on the lines below it",
                at: word(error), help: "move the text to the next line, or quote the value")
        default:
            YAMLProblem(
                .syntax, "this is not YAML: \(error.problem)", at: word(error),
                help: "look at the quotes, colons and spaces of this line and the one above it")
        }
    }

    // MARK: - The common ones

    private func strayLine(_ error: SyntaxError, neighbours: String) -> YAMLProblem {
        if let indentation = lines.indentation(of: error.line), indentation < error.column {
            return YAMLProblem(
                .syntax,
                "nothing may follow the value on this line, but '\(wordText(error))' does",
                at: word(error),
                help: "put the whole value in one pair of quotes, or remove what follows it")
        }
        var neighbour = error.contextLine ?? lines.neighbour(above: error.line) ?? error.line
        if neighbour >= error.line { neighbour = lines.neighbour(above: error.line) ?? neighbour }
        let column = lines.indentation(of: neighbour) ?? 1
        return YAMLProblem(
            .syntax,
            "this line is indented differently from \(neighbours) at line \(neighbour)",
            at: wholeLine(error),
            help: "begin it in column \(column), as line \(neighbour) does")
    }

    private func unclosed(
        _ error: SyntaxError, opening: String, closing: String, what: String
    ) -> YAMLProblem {
        if let line = error.contextLine, let column = error.contextColumn, line != error.line {
            return YAMLProblem(
                .syntax, "this '\(opening)' is never closed", at: place(line, column, 1),
                help: "add '\(closing)' at the end of the \(what)")
        }
        return YAMLProblem(
            .syntax, "a ',' or '\(closing)' must stand before '\(wordText(error))'",
            at: word(error),
            help: "separate the items with ',', close the \(what) with '\(closing)', and quote "
                + "a value that holds one of these characters")
    }

    private func missingContent(_ error: SyntaxError) -> YAMLProblem {
        let text = wordText(error)
        if text.hasPrefix(":"), text.utf8.count > 1 {
            let rest = text.dropFirst()
            return YAMLProblem(
                .syntax, "a value that begins with ':' must be quoted inside brackets",
                at: word(error), help: "quote it, \"\(text)\", or write \(rest)")
        }
        if text.hasPrefix(",") || text.isEmpty {
            return YAMLProblem(
                .syntax, "a value is missing here", at: word(error),
                help: "write a value, or remove the ',' or ':' in front of it")
        }
        return mustBeQuoted(line: error.line, column: error.column)
    }

    private func secondColon(_ error: SyntaxError) -> YAMLProblem {
        let indentation = lines.indentation(of: error.line) ?? error.column
        if let above = lines.neighbour(above: error.line),
            let aboveIndentation = lines.indentation(of: above), indentation > aboveIndentation,
            !lines.rest(line: above, column: 1).hasSuffix(":")
        {
            let key = lines.rest(line: error.line, column: indentation)
            return YAMLProblem(
                .syntax,
                "this line is indented deeper than line \(above), which already has a value",
                at: place(error.line, indentation, key.unicodeScalars.count),
                help: "begin it in column \(aboveIndentation), as line \(above) does")
        }
        return YAMLProblem(
            .syntax, "a second ':' on the same line", at: place(error.line, error.column, 1),
            help: "put the value in quotes, or begin a new line")
    }

    private func missingColon(_ error: SyntaxError) -> YAMLProblem {
        let line = error.contextLine ?? error.line
        let column = error.contextColumn ?? error.column
        let text = lines.rest(line: line, column: column)
        let spot = place(line, column, text.unicodeScalars.count)
        if let colon = text.firstIndex(of: ":") {
            let after = text[text.index(after: colon)...]
            return YAMLProblem(
                .syntax, "a space must follow the ':' of a key", at: spot,
                help: "write '\(text[..<colon]): \(after)'")
        }
        return YAMLProblem(
            .syntax, "'\(text)' must be a key with a ':' after it", at: spot,
            help: "write '\(text): value', or '- \(text)' for an item of a list")
    }

    private func openQuote(_ error: SyntaxError) -> YAMLProblem {
        let line = error.contextLine ?? error.line
        let column = error.contextColumn ?? error.column
        return YAMLProblem(
            .syntax, "this quote is never closed",
            at: place(line, column, 1), help: "add the closing quote at the end of the value")
    }

    private func strangeStart(_ error: SyntaxError) -> YAMLProblem {
        wordText(error).isEmpty
            ? tab(error) : mustBeQuoted(line: error.line, column: error.column)
    }

    private func tab(_ error: SyntaxError) -> YAMLProblem {
        YAMLProblem(
            .syntax, "tabs cannot indent a line", at: place(error.line, error.column, 1),
            help: "use spaces; most editors can replace the tabs of a file")
    }

    private func mustBeQuoted(line: Int, column: Int) -> YAMLProblem {
        let text = lines.word(line: line, column: column)
        let first = text.first.map(String.init) ?? ""
        return YAMLProblem(
            .syntax, "a value that begins with '\(first)' must be quoted",
            at: place(line, column, text.unicodeScalars.count), help: "write \"\(text)\"")
    }

    // MARK: - Places

    private func wordText(_ error: SyntaxError) -> String {
        let text = lines.word(line: error.line, column: error.column)
        if !text.isEmpty { return text }
        return lines[error.line].dropFirst(error.column - 1).first.flatMap {
            $0 == " " || $0 == "\t" ? nil : String(Character($0))
        } ?? ""
    }

    private func word(_ error: SyntaxError) -> YAMLPlace {
        place(error.line, error.column, wordText(error).unicodeScalars.count)
    }

    private func wholeLine(_ error: SyntaxError) -> YAMLPlace {
        let text = lines.rest(line: error.line, column: error.column)
        return place(error.line, error.column, text.unicodeScalars.count)
    }

    private func place(_ line: Int, _ column: Int, _ width: Int) -> YAMLPlace {
        YAMLPlace(
            line: line, column: column, endLine: line, endColumn: column + max(1, width))
    }
}
