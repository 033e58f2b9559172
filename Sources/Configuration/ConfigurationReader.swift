import YAML

/// One `key: value` on its way into the model.
struct Field {
    var key: String
    var keyPlace: YAMLPlace
    var value: YAMLNode
    var path: [String]
}

/// A scalar with its variables filled in.
struct FilledText {
    var text: String
    /// What messages show: never the content of a file, which may be a secret.
    var shown: String
    var place: YAMLPlace
    /// The variable or file that the text came from.
    var origin: String?
}

/// Walks the tree and builds the model, collecting everything that is wrong.
///
/// Chapters: this file has the walk and the scalars, and each section of the file has its own.
final class ConfigurationReader {
    let file: String
    let environment: (String) -> String?
    let readFile: (String) -> String?
    /// False when a part of the text is missing, so that nothing can be said about what is
    /// absent.
    var isComplete = true

    private(set) var diagnostics: [Diagnostic] = []
    private var reported: Set<String> = []
    /// Where each value stands, by its path.
    private var valuePlaces: [[String]: YAMLPlace] = [:]
    /// Values that were refused; what depends on them is not looked at.
    private(set) var failedPaths: Set<[String]> = []

    var configuration = ProxyConfiguration()
    var places = ConfigurationPlaces()
    /// Routes as written, before they are put in order.
    var routeDrafts: [RouteDraft] = []
    var serviceKeyPlaces: [String: YAMLPlace] = [:]
    var usedServices: Set<String> = []
    /// Services that listeners name: they are looked for once all services are known.
    var tunnels: [(name: String, place: YAMLPlace, path: [String])] = []

    init(
        file: String, environment: @escaping (String) -> String?,
        readFile: @escaping (String) -> String?
    ) {
        self.file = file
        self.environment = environment
        self.readFile = readFile
    }

    // MARK: - Reporting

    func location(_ place: YAMLPlace) -> SourceLocation {
        SourceLocation(
            file: file, line: place.line, column: place.column, endLine: place.endLine,
            endColumn: place.endColumn)
    }

    func report(
        _ code: Diagnostic.Code, _ sentence: String, at place: YAMLPlace, path: [String] = [],
        help: String? = nil, notes: [Diagnostic.Note] = [],
        severity: Diagnostic.Severity = .error
    ) {
        // A default that several services share is one mistake.
        let identity = "\(place.line):\(place.column) \(code.rawValue) \(sentence)"
        guard reported.insert(identity).inserted else { return }
        diagnostics.append(
            Diagnostic(
                severity, code, sentence, at: location(place), keyPath: path, help: help,
                notes: notes))
    }

    func warn(
        _ code: Diagnostic.Code, _ sentence: String, at place: YAMLPlace, path: [String] = [],
        help: String? = nil, notes: [Diagnostic.Note] = []
    ) {
        report(
            code, sentence, at: place, path: path, help: help, notes: notes, severity: .warning)
    }

    /// The place of the value at a path, when the text has one.
    func place(of path: [String]) -> YAMLPlace? { valuePlaces[path] }

    func remember(_ place: YAMLPlace, of path: [String]) { valuePlaces[path] = place }

    // MARK: - Maps and lists

    /// Calls `body` with every key of a map that is known and built; reports the others.
    func eachField(
        of node: YAMLNode, as shape: Shape, at path: [String], _ body: (Field) -> Void
    ) {
        guard case .map(let entries) = node.content else {
            let names = shape.keys.prefix(3).map(\.name).joined(separator: ", ")
            report(
                isMissing(node) ? .missingValue : .wrongType,
                isMissing(node)
                    ? "\(title(path)) has no value"
                    : "\(title(path)) must be a map of keys, and this is \(kind(of: node))",
                at: node.place, path: path,
                help: "write its keys on the lines below, indented by two spaces: \(names), …")
            return
        }
        for entry in entries where !entry.key.hasPrefix("x-") {
            let path = path + [entry.key]
            guard let key = shape.key(entry.key) else {
                reportUnknown(entry.key, at: entry.keyPlace, in: shape, path: path)
                continue
            }
            remember(entry.value.place, of: path)
            let field = Field(
                key: entry.key, keyPlace: entry.keyPlace, value: visible(entry), path: path)
            switch key.support {
            case .full: body(field)
            case .none(let accepted): refuse(field, unlessIn: accepted)
            case .fileOnly:
                report(
                    .notSupported,
                    "it decides about security or about files of this host, so it is not taken "
                        + "from labels", at: field.keyPlace, path: field.path,
                    help: "remove it, and say it in the file, in a service that discovers its "
                        + "containers")
            }
        }
    }

    /// Calls `body` with every entry of a map whose keys are names given by the writer.
    func eachNamed(
        of node: YAMLNode, at path: [String], what: String, _ body: (Field) -> Void
    ) {
        guard case .map(let entries) = node.content else {
            report(
                isMissing(node) ? .missingValue : .wrongType,
                isMissing(node)
                    ? "\(title(path)) has no value"
                    : "\(title(path)) must be a map from names, and this is \(kind(of: node))",
                at: node.place, path: path,
                help: "write each \(what) under its own name, such as 'web:'")
            return
        }
        if entries.isEmpty {
            report(
                .missingValue, "\(title(path)) is empty", at: node.place, path: path,
                help: "write at least one \(what)")
        }
        for entry in entries {
            let path = path + [entry.key]
            checkName(entry.key, what: what, at: entry.keyPlace, path: path)
            remember(entry.value.place, of: path)
            body(
                Field(
                    key: entry.key, keyPlace: entry.keyPlace, value: visible(entry), path: path))
        }
    }

    /// The members of a list; one value stands for a list of one where `allowsOne` says so.
    func items(of field: Field, allowsOne: Bool = false) -> [Field] {
        switch field.value.content {
        case .list(let nodes):
            return nodes.enumerated().map { index, node in
                let path = field.path + [String(index)]
                remember(node.place, of: path)
                return Field(key: String(index), keyPlace: node.place, value: node, path: path)
            }
        case .scalar where allowsOne && !isMissing(field.value):
            return [field]
        default:
            report(
                isMissing(field.value) ? .missingValue : .wrongType,
                isMissing(field.value)
                    ? "\(title(field.path)) has no value"
                    : "\(title(field.path)) must be a list, and this is "
                        + kind(of: field.value),
                at: field.value.place, path: field.path,
                help: "write '\(field.key): [first, second]', or one '- item' per line")
            return []
        }
    }

    func missingKey(
        _ key: String, in node: YAMLNode, path: [String], at place: YAMLPlace, help: String
    ) {
        guard isComplete else { return }
        report(.missingKey, "\(title(path)) must have '\(key)'", at: place, path: path, help: help)
    }

    private func reportUnknown(
        _ key: String, at place: YAMLPlace, in shape: Shape, path: [String]
    ) {
        let parent = path.dropLast().joined(separator: ".")
        report(
            .unknownKey, "unknown key '\(key)'" + (parent.isEmpty ? "" : " in \(parent)"),
            at: place, path: path, help: shape.suggestion(for: key, parent: path.dropLast().last))
    }

    private func refuse(_ field: Field, unlessIn accepted: [String]) {
        if case .scalar(let text, _) = field.value.content {
            if accepted.contains(text) { return }
            if accepted.contains("off"), Value.isOff(text) { return }
        }
        let way =
            Shape.wayOut(without: field.key)
            ?? accepted.first.map { "remove it, or write '\(field.key): \($0)'" }
        report(
            .notSupported, "'\(field.key)' is not supported by this version", at: field.keyPlace,
            path: field.path, help: way ?? "remove this key and what stands below it")
    }

    func checkName(_ name: String, what: String, at place: YAMLPlace, path: [String]) {
        let isName =
            (1...63).contains(name.utf8.count)
            && name.utf8.enumerated().allSatisfy { index, byte in
                (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
                    || index > 0 && [0x2D, 0x2E, 0x5F].contains(byte)
            }
        if !isName {
            report(
                .badName, "'\(name)' cannot name a \(what)", at: place, path: path,
                help: "use up to 63 letters, digits, '-', '_' and '.', and begin with a letter or "
                    + "digit")
        }
    }

    /// `services.app`, quoted for a sentence.
    func title(_ path: [String]) -> String {
        path.isEmpty ? "the file" : "'\(path.joined(separator: "."))'"
    }

    func isMissing(_ node: YAMLNode) -> Bool {
        node.content == .scalar("", isPlain: true)
    }

    func kind(of node: YAMLNode) -> String {
        switch node.content {
        case .scalar: "one value"
        case .list: "a list"
        case .map: "a map"
        }
    }

    /// A value that is missing has no width; its key is what can be pointed at.
    func visible(_ entry: YAMLEntry) -> YAMLNode {
        isMissing(entry.value) ? YAMLNode(entry.value.content, at: entry.keyPlace) : entry.value
    }

    // MARK: - Scalars

    /// The text of a scalar with its variables filled in; `nil` after a report.
    ///
    /// - Parameter kept: variables that belong to somebody else and stay as they are.
    func text(of field: Field, example: String? = nil, keeping kept: Set<String> = [])
        -> FilledText?
    {
        guard case .scalar(let raw, _) = field.value.content, !isMissing(field.value) else {
            let help =
                (only(field.value) ?? example).map { "write '\(field.key): \($0)'" }
                ?? "write one value behind '\(field.key):'"
            failedPaths.insert(field.path)
            report(
                isMissing(field.value) ? .missingValue : .wrongType,
                isMissing(field.value)
                    ? "\(title(field.path)) has no value"
                    : "\(title(field.path)) must be one value, and this is "
                        + kind(of: field.value),
                at: field.value.place, path: field.path,
                help: isMissing(field.value) ? "\(help), or remove the line" : help)
            return nil
        }
        return fill(raw, of: field, keeping: kept)
    }

    /// The member of a list that has one.
    private func only(_ node: YAMLNode) -> String? {
        guard case .list(let items) = node.content, items.count == 1,
            case .scalar(let text, _) = items[0].content
        else { return nil }
        return text
    }

    /// A value of any type; `nil` after a report.
    func value<Result>(
        _ field: Field, example: String? = nil, keeping kept: Set<String> = [],
        _ parse: (String) -> Parsed<Result>
    ) -> Result? {
        guard let filled = text(of: field, example: example, keeping: kept) else { return nil }
        switch parse(filled.text) {
        case .success(let value):
            return value
        case .failure(let mistake):
            failedPaths.insert(field.path)
            let origin = filled.origin.map { [Diagnostic.Note("the value comes from \($0)")] }
            let isHidden = filled.shown != filled.text
            report(
                mistake.code, "'\(filled.shown)' \(mistake.problem)", at: filled.place,
                path: field.path, help: isHidden ? "correct the content of the file" : mistake.help,
                notes: origin ?? [])
            return nil
        }
    }

    /// Reads a value over the one that stands there; leaves it alone after a report.
    func read<Result>(
        _ field: Field, into target: inout Result, _ parse: (String) -> Parsed<Result>
    ) {
        if let value = value(field, parse) { target = value }
    }

    /// Replaces `${NAME}`, `${NAME:-fallback}` and `${file:/path}`; `$${` is a plain `${`.
    private func fill(_ raw: String, of field: Field, keeping kept: Set<String>) -> FilledText? {
        var filled = FilledText(text: "", shown: "", place: field.value.place)
        guard raw.contains("${") else {
            filled.text = raw
            filled.shown = raw
            return filled
        }
        var rest = raw[...]
        var isWhole = true
        while let range = rest.firstRange(of: "${") {
            let before = rest[..<range.lowerBound]
            if before.hasSuffix("$") {
                append(String(before.dropLast()) + "${", to: &filled)
                rest = rest[range.upperBound...]
                continue
            }
            append(String(before), to: &filled)
            guard let end = rest[range.upperBound...].firstIndex(of: "}") else {
                report(
                    .undefinedVariable, "'\(rest[range.lowerBound...])' has no '}'",
                    at: field.value.place, path: field.path,
                    help: "write '${NAME}', or '$${' for the characters themselves")
                return nil
            }
            let name = String(rest[range.upperBound..<end])
            rest = rest[rest.index(after: end)...]
            if kept.contains(name) {
                append("${\(name)}", to: &filled)
            } else if !fillVariable(name, of: field, into: &filled) {
                isWhole = false
            }
        }
        append(String(rest), to: &filled)
        return isWhole ? filled : nil
    }

    private func append(_ text: String, to filled: inout FilledText) {
        filled.text += text
        filled.shown += text
    }

    private func fillVariable(
        _ expression: String, of field: Field, into filled: inout FilledText
    ) -> Bool {
        if expression.hasPrefix("file:") {
            let path = String(expression.dropFirst(5))
            guard var content = readFile(path) else {
                report(
                    .unreadableFile, "file '\(path)' cannot be read", at: field.value.place,
                    path: field.path,
                    help: "correct the path, or let the user that runs staithe read the file")
                return false
            }
            while content.hasSuffix("\n") || content.hasSuffix("\r\n") { content.removeLast() }
            filled.text += content
            filled.shown += "${\(expression)}"
            filled.origin = "the file \(path)"
            return true
        }
        let separator = expression.firstRange(of: ":-")
        let name = String(expression[..<(separator?.lowerBound ?? expression.endIndex)])
        let isName =
            name.utf8.first.map { !(0x30...0x39).contains($0) } ?? false
            && name.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == 0x5F
            }
        guard isName else {
            report(
                .undefinedVariable, "'${\(expression)}' is not a variable",
                at: field.value.place, path: field.path,
                help: "write '${NAME}', '${NAME:-fallback}' or '${file:/path}', or '$${' for the "
                    + "characters themselves")
            return false
        }
        var content = environment(name)
        // As in a shell: the fallback of `:-` also stands for an empty value.
        if let separator, content?.isEmpty ?? true {
            content = String(expression[separator.upperBound...])
        }
        guard let content else {
            report(
                .undefinedVariable, "the environment has no variable '\(name)'",
                at: field.value.place, path: field.path,
                help: "set it, or give a fallback: '${\(name):-value}'")
            return false
        }
        append(content, to: &filled)
        filled.origin = "the variable \(name)"
        return true
    }
}
