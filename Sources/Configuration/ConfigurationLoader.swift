import YAML

/// Reads a configuration and finds everything that is wrong with it.
///
/// Pure: it opens nothing, asks no name server and binds no port. What only the machine can
/// tell is told with ``Diagnostic/unresolvable(host:reason:at:keyPath:)`` and its neighbours at
/// the places of the result.
public enum ConfigurationLoader {
    /// What became of a text.
    public struct Outcome: Equatable, Sendable {
        /// `nil` when there is an error.
        public var configuration: ProxyConfiguration?
        /// Sorted by place; warnings are here with a configuration, too.
        public var diagnostics: [Diagnostic]
        public var places: ConfigurationPlaces
        /// What the places refer to, for rendering.
        public var source: [UInt8]

        /// The diagnostics as text.
        public func report(colour: Bool = false) -> String {
            Diagnostic.render(diagnostics, source: source, colour: colour)
        }
    }

    /// - Parameters:
    ///   - file: the name that stands in messages.
    ///   - environment: the value of an environment variable.
    ///   - readFile: the content of a file named by `${file:/path}`; `nil` when it cannot be
    ///     read.
    public static func load(
        text: [UInt8], file: String, environment: @escaping (String) -> String? = { _ in nil },
        readFile: @escaping (String) -> String? = { _ in nil }
    ) -> Outcome {
        let document = YAMLDocument.read(text)
        let reader = ConfigurationReader(file: file, environment: environment, readFile: readFile)
        reader.isComplete = document.isComplete
        for problem in document.problems { reader.report(problem) }
        if let root = document.root {
            reader.readFile(root)
        } else if document.isComplete {
            reader.reportEmptyFile()
        }
        if let stop = document.problems.last, stop.kind == .syntax, !document.isComplete {
            reader.scanTopLevel(text, below: stop.place.line)
        }
        return outcome(of: reader, source: text)
    }

    /// The servers of a file that holds nothing but a list of them.
    static func loadServers(
        text: [UInt8], file: String, version: String?
    ) -> (servers: [ServerConfiguration], diagnostics: [Diagnostic]) {
        let document = YAMLDocument.read(text)
        let reader = ConfigurationReader(
            file: file, environment: { _ in nil }, readFile: { _ in nil })
        reader.isComplete = document.isComplete
        for problem in document.problems { reader.report(problem) }
        var servers: [ServerConfiguration] = []
        if let root = document.root {
            let field = Field(
                key: "servers", keyPlace: root.place, value: root, path: ["servers"])
            servers = reader.readServers(field, version: version).0
        } else if document.isComplete {
            reader.reportEmptyFile()
        }
        // In the order in which they were found: what is misspelt goes before what is missing.
        return (servers, reader.diagnostics)
    }

    static func outcome(of reader: ConfigurationReader, source: [UInt8]) -> Outcome {
        let diagnostics = reader.diagnostics.sorted { $0.location < $1.location }
        let hasError = diagnostics.contains { $0.severity == .error }
        return Outcome(
            configuration: hasError ? nil : reader.configuration, diagnostics: diagnostics,
            places: reader.places, source: source)
    }
}

extension ConfigurationReader {
    fileprivate func report(_ problem: YAMLProblem) {
        let code: Diagnostic.Code =
            switch problem.kind {
            case .syntax: .syntax
            case .encoding: .badEncoding
            case .tooLarge: .tooLarge
            case .duplicateKey: .duplicateKey
            case .refusedFeature: .notUsedHere
            }
        var notes: [Diagnostic.Note] = []
        if let first = problem.firstPlace {
            notes.append(Diagnostic.Note("first used", at: location(first)))
        }
        if problem.kind == .syntax {
            notes.append(
                Diagnostic.Note(
                    "below this line only top-level keys were looked at, so there may be more "
                        + "mistakes"))
        }
        report(code, problem.sentence, at: problem.place, help: problem.help, notes: notes)
    }
}

extension ProxyConfiguration {
    /// What the one-line command `staithe 8080 3001 3002` means: a listener `main`, a service
    /// `app`, and the route between them. Messages point into the command itself.
    public static func shortForm(
        listen: String, servers: [String], command: String = "staithe"
    ) -> ConfigurationLoader.Outcome {
        let reader = ConfigurationReader(
            file: "command line", environment: { _ in nil }, readFile: { _ in nil })
        var line = CommandLine(command)
        let listenField = line.argument(listen, path: ["listen"])
        let nodes = servers.enumerated().map { index, text in
            line.argument(text, path: ["servers", String(index)]).value
        }
        let serversField = Field(
            key: "servers", keyPlace: listenField.value.place,
            value: YAMLNode(.list(nodes), at: nodes.first?.place ?? listenField.value.place),
            path: ["servers"])
        reader.readCommand(listen: listenField, servers: serversField)
        return ConfigurationLoader.outcome(of: reader, source: Array(line.text.utf8))
    }

    /// What `staithe 8080 --docker` means: a listener `main`; services and routes come from the
    /// labels of the engine's containers.
    ///
    /// - Parameters:
    ///   - engine: its socket; `nil` for the usual one.
    ///   - dialects: the words behind `--labels`.
    public static func dockerForm(
        listen: String, engine: String?, dialects: [String], command: String = "staithe"
    ) -> ConfigurationLoader.Outcome {
        let reader = ConfigurationReader(
            file: "command line", environment: { _ in nil }, readFile: { _ in nil })
        var line = CommandLine(command)
        let listenField = line.argument(listen, path: ["listen"])
        line.add("--docker")
        var endpoint: Field?
        if let engine {
            line.add("--engine")
            endpoint = line.argument(engine, path: ["socket"])
        }
        if !dialects.isEmpty { line.add("--labels") }
        let words = dialects.map { line.argument($0, path: ["labels"]) }
        reader.readDockerCommand(listen: listenField, endpoint: endpoint, dialects: words)
        return ConfigurationLoader.outcome(of: reader, source: Array(line.text.utf8))
    }

    /// A command as it was typed, for messages that point into it.
    private struct CommandLine {
        private(set) var text: String

        init(_ command: String) { text = command }

        mutating func add(_ word: String) { text += " " + word }

        mutating func argument(_ word: String, path: [String]) -> Field {
            text += " "
            let start = text.unicodeScalars.count + 1
            text += word
            let place = YAMLPlace(
                line: 1, column: start, endLine: 1, endColumn: text.unicodeScalars.count + 1)
            // Quoted, so that an empty argument is a wrong value and not a missing one.
            let node = YAMLNode(.scalar(word, isPlain: false), at: place)
            return Field(key: path.last ?? "", keyPlace: place, value: node, path: path)
        }
    }
}
