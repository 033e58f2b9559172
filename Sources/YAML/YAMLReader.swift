import CLibYAML

extension YAMLDocument {
    /// The largest text that is read.
    public static var byteCountLimit: Int { 16 << 20 }
    /// How deep lists and maps may stand in each other.
    public static var nestingLimit: Int { 64 }
    /// The most values of one text: a tree is some hundred times larger than its text.
    public static var nodeCountLimit: Int { 500_000 }

    /// Reads the one document of a text, and goes on after every problem except a syntax error.
    public static func read(_ bytes: [UInt8]) -> YAMLDocument {
        let start = YAMLPlace(line: 1, column: 1, endLine: 1, endColumn: 2)
        guard bytes.count <= byteCountLimit else {
            let problem = YAMLProblem(
                .tooLarge, "the file is larger than \(byteCountLimit >> 20) MiB", at: start,
                help: "split the work between several processes")
            return YAMLDocument(root: nil, problems: [problem], isComplete: false)
        }
        if let problem = EncodingCheck.firstProblem(in: bytes) {
            return YAMLDocument(root: nil, problems: [problem], isComplete: false)
        }
        let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        return unsafe content.withUnsafeBufferPointer { input in
            var reader = unsafe YAMLReader(input)
            return reader.readDocument()
        }
    }
}

/// Builds the tree from libyaml's events.
///
/// ## Invariants
/// - `parser` is initialised from `init` to `deinit`, at one address: libyaml keeps a pointer to
///   it as the argument of its read handler.
/// - The input outlives the reader: both live inside one call of `withUnsafeBufferPointer`.
/// - An event is deleted by the function that received it, after its text has been copied.
@safe private struct YAMLReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeBufferPointer<UInt8>
    private var problems: [YAMLProblem] = []
    private var nodeCount = 0
    /// Set by the problem that ends the reading; the tree is closed where it stands.
    private var hasStopped = false

    init(_ input: UnsafeBufferPointer<UInt8>) {
        unsafe self.input = unsafe input
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        let isReady = unsafe yaml_parser_initialize(parser) != 0
        precondition(isReady, "no memory for the YAML reader")
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    deinit {
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
    }

    mutating func readDocument() -> YAMLDocument {
        var root: YAMLNode?
        var documentCount = 0
        loop: while !hasStopped, let event = next() {
            switch event.kind {
            case .documentStart:
                documentCount += 1
                if documentCount > 1 {
                    stop(
                        YAMLProblem(
                            .refusedFeature, "a file holds one document, and a second begins here",
                            at: event.place, help: "remove the line '---', or use a second file"))
                } else if event.hasDirective {
                    problems.append(
                        YAMLProblem(
                            .refusedFeature, "directives are not used here", at: event.place,
                            help: "remove the line that begins with '%'"))
                }
            case .streamEnd:
                break loop
            case .streamStart, .documentEnd:
                break
            default:
                root = node(from: event, depth: 0)
            }
        }
        if documentCount == 1, case .scalar("", isPlain: true)? = root?.content { root = nil }
        return YAMLDocument(root: root, problems: problems, isComplete: !hasStopped)
    }

    // MARK: - The tree

    /// The node that begins with `event`. After a stop it is what was read of it.
    private mutating func node(from event: Event, depth: Int) -> YAMLNode {
        nodeCount += 1
        if nodeCount > YAMLDocument.nodeCountLimit {
            stop(
                YAMLProblem(
                    .tooLarge, "the file holds more than \(YAMLDocument.nodeCountLimit) values",
                    at: event.place, help: "split the work between several processes"))
        } else if depth > YAMLDocument.nestingLimit {
            stop(
                YAMLProblem(
                    .tooLarge,
                    "lists and maps are nested more than \(YAMLDocument.nestingLimit) "
                        + "deep", at: event.place, help: "close a bracket that is open"))
        }
        refuseExtras(of: event)
        switch event.kind {
        case .listStart: return list(from: event, depth: depth)
        case .mapStart: return map(from: event, depth: depth)
        default:
            return YAMLNode(.scalar(event.text, isPlain: event.isPlain), at: event.place)
        }
    }

    private mutating func list(from start: Event, depth: Int) -> YAMLNode {
        var items: [YAMLNode] = []
        var place = start.place
        while !hasStopped, let event = next() {
            if event.kind == .listEnd {
                place.endLine = event.place.endLine
                place.endColumn = event.place.endColumn
                break
            }
            items.append(node(from: event, depth: depth + 1))
        }
        return YAMLNode(.list(items), at: place)
    }

    private mutating func map(from start: Event, depth: Int) -> YAMLNode {
        var entries: [YAMLEntry] = []
        var firstPlaces: [String: YAMLPlace] = [:]
        var place = start.place
        while !hasStopped, let event = next() {
            if event.kind == .mapEnd {
                place.endLine = event.place.endLine
                place.endColumn = event.place.endColumn
                break
            }
            let key = node(from: event, depth: depth + 1)
            guard !hasStopped, let valueEvent = next() else { break }
            let value = node(from: valueEvent, depth: depth + 1)
            guard case .scalar(let name, _) = key.content else {
                problems.append(
                    YAMLProblem(
                        .refusedFeature, "a key must be a word", at: key.place,
                        help: "quote it, when it was meant as text"))
                continue
            }
            if name == "<<" {
                problems.append(
                    YAMLProblem(
                        .refusedFeature, "merge keys are not used here", at: key.place,
                        help: "put what several services share under 'defaults:'"))
            } else if let first = firstPlaces[name] {
                problems.append(
                    YAMLProblem(
                        .duplicateKey, "'\(name)' is used twice", at: key.place,
                        help: "remove one of them, or give it another name",
                        firstPlace: first))
            } else {
                firstPlaces[name] = key.place
                entries.append(YAMLEntry(key: name, keyPlace: key.place, value: value))
            }
        }
        return YAMLNode(.map(entries), at: place)
    }

    private mutating func refuseExtras(of event: Event) {
        if event.kind == .alias {
            problems.append(
                YAMLProblem(
                    .refusedFeature, "aliases are not used here", at: event.place,
                    help: "write the value itself, quote it when it is text, or put what several "
                        + "services share under 'defaults:'"))
        }
        if event.hasAnchor {
            problems.append(
                YAMLProblem(
                    .refusedFeature, "anchors are not used here", at: event.place,
                    help: "quote the value when it is text, or put what several services share "
                        + "under 'defaults:'"))
        }
        if event.hasTag {
            problems.append(
                YAMLProblem(
                    .refusedFeature, "tags are not used here", at: event.place,
                    help: "remove the word that begins with '!': every key knows its own type"))
        }
    }

    private mutating func stop(_ problem: YAMLProblem) {
        guard !hasStopped else { return }
        problems.append(problem)
        hasStopped = true
    }

    // MARK: - Events

    /// One event, copied out of libyaml's memory.
    private struct Event {
        enum Kind {
            case streamStart, streamEnd, documentStart, documentEnd
            case alias, scalar, listStart, listEnd, mapStart, mapEnd
        }
        var kind: Kind
        var place: YAMLPlace
        var text = ""
        var isPlain = false
        var hasAnchor = false
        var hasTag = false
        var hasDirective = false
    }

    /// The next event; `nil` when the text is not YAML from here on, which is then a problem.
    private mutating func next() -> Event? {
        var raw = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &raw) != 0 else {
            stopAtSyntaxError()
            return nil
        }
        defer { unsafe yaml_event_delete(&raw) }
        let place = unsafe YAMLPlace(
            line: Int(raw.start_mark.line) + 1, column: Int(raw.start_mark.column) + 1,
            endLine: Int(raw.end_mark.line) + 1, endColumn: Int(raw.end_mark.column) + 1)
        switch unsafe raw.type {
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, place: place)
        case YAML_DOCUMENT_START_EVENT:
            let document = unsafe raw.data.document_start
            return unsafe Event(
                kind: .documentStart, place: place,
                hasDirective: document.version_directive != nil
                    || document.tag_directives.start != document.tag_directives.end)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, place: place)
        case YAML_ALIAS_EVENT: return Event(kind: .alias, place: place, isPlain: true)
        case YAML_SCALAR_EVENT:
            let scalar = unsafe raw.data.scalar
            // Safe: libyaml owns `length` bytes at `value` until the event is deleted.
            let text = unsafe String(
                decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                as: UTF8.self)
            return unsafe Event(
                kind: .scalar, place: place, text: text,
                isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE, hasAnchor: scalar.anchor != nil,
                hasTag: scalar.tag != nil)
        case YAML_SEQUENCE_START_EVENT:
            let list = unsafe raw.data.sequence_start
            return unsafe Event(
                kind: .listStart, place: place, hasAnchor: list.anchor != nil,
                hasTag: list.tag != nil)
        case YAML_SEQUENCE_END_EVENT: return Event(kind: .listEnd, place: place)
        case YAML_MAPPING_START_EVENT:
            let map = unsafe raw.data.mapping_start
            return unsafe Event(
                kind: .mapStart, place: place, hasAnchor: map.anchor != nil,
                hasTag: map.tag != nil)
        case YAML_MAPPING_END_EVENT: return Event(kind: .mapEnd, place: place)
        default: return Event(kind: .streamEnd, place: place)
        }
    }

    private mutating func stopAtSyntaxError() {
        let problem = unsafe parser.pointee.problem.map { unsafe String(cString: $0) } ?? "unknown"
        let hasContext = unsafe parser.pointee.context != nil
        let mark = unsafe parser.pointee.problem_mark
        let contextMark = unsafe parser.pointee.context_mark
        let error = SyntaxError(
            problem: problem, line: Int(mark.line) + 1, column: Int(mark.column) + 1,
            contextLine: hasContext ? Int(contextMark.line) + 1 : nil,
            contextColumn: hasContext ? Int(contextMark.column) + 1 : nil)
        let lines = unsafe SourceLines(input)
        stop(SyntaxSentences(lines: lines).problem(for: error))
    }
}
