import Configuration
import Simulation
import YAML

/// Walks the tree of a scenario file and collects everything that is wrong with it.
///
/// A variant is the file with some of its keys replaced; each is read as a whole, so a mistake
/// that several share is reported once.
final class ScenarioReader {
    private let path: String
    private let name: String
    private(set) var diagnostics: [Diagnostic] = []
    private var reported: Set<String> = []

    /// What may stand at the top, and in a variant.
    private static let keys = [
        "title", "about", "strategies", "servers", "load", "service", "mean", "arrivals",
        "requests", "workers", "counts", "count_age", "keys", "proxy", "events", "deadline",
        "variants",
    ]

    init(path: String, name: String) {
        self.path = path
        self.name = name
    }

    // MARK: - Reporting

    func report(
        _ code: Diagnostic.Code, _ sentence: String, at place: YAMLPlace, key: [String] = [],
        help: String? = nil
    ) {
        guard reported.insert("\(place) \(sentence)").inserted else { return }
        diagnostics.append(
            Diagnostic(
                .error, code, sentence,
                at: SourceLocation(
                    file: path, line: place.line, column: place.column, endLine: place.endLine,
                    endColumn: place.endColumn),
                keyPath: key, help: help))
    }

    // MARK: - The file

    func read(_ bytes: [UInt8]) -> ScenarioFile {
        var file = ScenarioFile(name: name)
        file.hash = ScenarioFile.hash(of: bytes)
        let document = YAMLDocument.read(bytes)
        for problem in document.problems {
            let code: Diagnostic.Code =
                switch problem.kind {
                case .syntax: .syntax
                case .encoding: .badEncoding
                case .tooLarge: .tooLarge
                case .duplicateKey: .duplicateKey
                case .refusedFeature: .notUsedHere
                }
            report(code, problem.sentence, at: problem.place, help: problem.help)
        }
        guard document.isComplete else { return file }
        guard let root = document.root, case .map(let entries) = root.content else {
            let start = YAMLPlace(line: 1, column: 1, endLine: 1, endColumn: 2)
            report(
                .missingKey, "a scenario is a map of keys, and this is none",
                at: document.root?.place ?? start,
                help: "begin with 'servers: 10', 'load: 0.9' and 'requests: 100000'")
            return file
        }
        refuseUnknown(entries, known: Self.keys, in: [])
        for entry in entries {
            switch entry.key {
            case "title": file.title = text(entry, []) ?? ""
            case "about": file.about = text(entry, []) ?? ""
            case "strategies": file.strategies = contenders(entry)
            default: break
            }
        }
        readVariants(entries, of: root, into: &file)
        return file
    }

    private func readVariants(
        _ entries: [YAMLEntry], of root: YAMLNode, into file: inout ScenarioFile
    ) {
        guard let variants = entries.first(where: { $0.key == "variants" }) else {
            file.variants = [scenario(entries, at: root.place, variant: "", of: file)]
            return
        }
        guard case .list(let items) = variants.value.content, !items.isEmpty else {
            report(
                .wrongType, "'variants' must be a list with at least one variant",
                at: variants.keyPlace, key: ["variants"],
                help: "write '- {name: load 0.9, load: 0.9}' for each, or remove the key")
            return
        }
        var names: Set<String> = []
        for (index, item) in items.enumerated() {
            let path = ["variants", String(index)]
            guard case .map(let changes) = item.content else {
                report(
                    .wrongType, "a variant is a map of the keys that it changes", at: item.place,
                    key: path, help: "write '- {name: load 0.9, load: 0.9}'")
                continue
            }
            let known = Self.keys.filter {
                !["title", "about", "strategies", "variants"].contains($0)
            }
            refuseUnknown(changes, known: ["name"] + known, in: path)
            guard let named = changes.first(where: { $0.key == "name" }),
                let variant = text(named, path)
            else {
                report(
                    .missingKey, "a variant must have a 'name'", at: item.place, key: path,
                    help: "write 'name: ' and a few words that tell it from the others")
                continue
            }
            if !names.insert(variant).inserted {
                report(
                    .duplicateName, "two variants are called '\(variant)'", at: named.value.place,
                    key: path, help: "give each its own name")
            }
            var merged = entries.filter { entry in !changes.contains { $0.key == entry.key } }
            merged += changes.filter { $0.key != "name" }
            file.variants.append(scenario(merged, at: root.place, variant: variant, of: file))
        }
    }

    private func scenario(
        _ entries: [YAMLEntry], at place: YAMLPlace, variant: String, of file: ScenarioFile
    ) -> Scenario {
        var scenario = Scenario(name: name, groups: [], load: 0, requestCount: 0)
        scenario.title = file.title
        scenario.variant = variant
        for entry in entries {
            switch entry.key {
            case "servers": scenario.groups = groups(entry)
            case "load": read(entry, into: &scenario.load) { Value.number($0, in: 0.001...100) }
            case "service": read(entry, into: &scenario.service, ServiceLaw.parse)
            case "mean": read(entry, into: &scenario.meanService) { Value.duration($0) }
            case "arrivals": if let arrivals = arrivals(entry) { scenario.arrivals = arrivals }
            case "requests":
                read(entry, into: &scenario.requestCount) {
                    Value.integer($0, in: 100...1_000_000_000)
                }
            case "workers":
                read(entry, into: &scenario.workers) { Value.integer($0, in: 1...1024) }
            case "counts": scenario.sharesCounts = word(entry, ["shared", "own"]) != "own"
            case "count_age":
                read(entry, into: &scenario.countAge) { Value.number($0, in: 0...1_000_000) }
            case "keys": scenario.keys = keys(entry)
            case "proxy": scenario.proxy = proxy(entry)
            case "deadline":
                var deadline = 0.0
                read(entry, into: &deadline) { Value.number($0, in: 0.001...1_000_000_000) }
                scenario.deadline = deadline
            default: break
            }
        }
        for (key, example) in [
            ("servers", "10"), ("load", "0.9"), ("requests", "100000"),
        ] where !entries.contains(where: { $0.key == key }) {
            report(
                .missingKey, "the scenario must have '\(key)'", at: place, key: [key],
                help: "write '\(key): \(example)'")
        }
        if let events = entries.first(where: { $0.key == "events" }) {
            scenario.disturbances = disturbances(events, servers: scenario.serverCount)
        }
        return scenario
    }

    // MARK: - Parts

    /// Calls `body` for every key of a map; reports what is not known.
    func each(
        _ node: YAMLNode, known: [String], in path: [String], _ body: (YAMLEntry) -> Void
    ) {
        guard case .map(let entries) = node.content else {
            report(
                .wrongType, "'\(path.joined(separator: "."))' must be a map of keys",
                at: node.place, key: path,
                help: "write '{\(known[0]): …}'; the keys are \(Spelling.list(known, "and"))")
            return
        }
        refuseUnknown(entries, known: known, in: path)
        for entry in entries where known.contains(entry.key) { body(entry) }
    }

    private func refuseUnknown(_ entries: [YAMLEntry], known: [String], in path: [String]) {
        for entry in entries where !known.contains(entry.key) && !entry.key.hasPrefix("x-") {
            let parent = path.joined(separator: ".")
            let near = Spelling.nearest(to: entry.key, among: known)
            report(
                .unknownKey,
                "unknown key '\(entry.key)'" + (parent.isEmpty ? "" : " in \(parent)"),
                at: entry.keyPlace, key: path + [entry.key],
                help: near.map { "did you mean '\($0)'?" }
                    ?? "the keys here are \(Spelling.list(known, "and"))")
        }
    }

    func text(_ entry: YAMLEntry, _ path: [String]) -> String? {
        if case .scalar(let text, let isPlain) = entry.value.content, !(text.isEmpty && isPlain) {
            return text
        }
        report(
            .missingValue, "'\((path + [entry.key]).joined(separator: "."))' must be one value",
            at: entry.keyPlace, key: path + [entry.key],
            help: "write one value behind '\(entry.key):'")
        return nil
    }

    /// Reads a value over the one that stands there; leaves it alone after a report.
    func read<Result>(
        _ entry: YAMLEntry, in path: [String] = [], into target: inout Result,
        _ parse: (String) -> Parsed<Result>
    ) {
        guard let text = text(entry, path) else { return }
        switch parse(text) {
        case .success(let value): target = value
        case .failure(let mistake):
            report(
                mistake.code, "'\(text)' \(mistake.problem)", at: entry.value.place,
                key: path + [entry.key], help: mistake.help)
        }
    }

    func word(_ entry: YAMLEntry, _ known: [String], in path: [String] = []) -> String? {
        guard let text = text(entry, path) else { return nil }
        if known.contains(text) { return text }
        let mistake = Value.wordMistake(text, known: known)
        report(
            mistake.code, "'\(text)' \(mistake.problem)", at: entry.value.place,
            key: path + [entry.key], help: mistake.help)
        return nil
    }

    private func contenders(_ entry: YAMLEntry) -> [Contender] {
        guard case .list(let items) = entry.value.content else {
            report(
                .wrongType, "'strategies' must be a list", at: entry.value.place,
                key: [entry.key], help: "write 'strategies: [least-requests, p2c]'")
            return []
        }
        return items.compactMap { item in
            guard case .scalar(let text, _) = item.content else { return nil }
            if let contender = Contender(name: text) { return contender }
            let known = Contender.knownNames
            let near = Spelling.nearest(to: text, among: known)
            report(
                .badWord, "'\(text)' is not a strategy", at: item.place, key: [entry.key],
                help: near.map { "did you mean '\($0)'?" } ?? "write \(Spelling.list(known))")
            return nil
        }
    }
}
