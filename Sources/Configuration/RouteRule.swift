/// A rule in one line: ``Host(`a.test`) && (PathPrefix(`/api`) || Method(`GET`))``.
///
/// The words are Traefik's, so that its rules can stay where they are. What has no meaning here
/// is refused, and not left out: a rule that lost a condition would match more than it says.
public enum RouteRule {
    public struct Mistake: Error, Equatable, Sendable {
        public var reason: String
    }

    private struct Term: Equatable {
        var host: RouteConfiguration.Host?
        var path: RouteConfiguration.Path?
        /// Empty means all.
        var methods: [String] = []
        var headers: [RouteConfiguration.HeaderCondition] = []

        var pattern: ContainerLabels.Pattern {
            var pattern = ContainerLabels.Pattern(host: host ?? .any, path: path ?? .any)
            pattern.methods = methods
            pattern.headers = headers
            return pattern
        }

        func and(_ other: Term) throws(Mistake) -> Term {
            guard host == nil || other.host == nil, path == nil || other.path == nil else {
                throw Mistake(reason: "it asks for two hosts or two paths at once")
            }
            var joined = self
            joined.host = host ?? other.host
            joined.path = path ?? other.path
            joined.headers += other.headers
            if methods.isEmpty {
                joined.methods = other.methods
            } else if !other.methods.isEmpty {
                joined.methods = methods.filter { other.methods.contains($0) }
                if joined.methods.isEmpty {
                    throw Mistake(reason: "it asks for two methods at once")
                }
            }
            return joined
        }
    }

    private enum Token: Equatable {
        case word(String)
        case text(String)
        case open, close, comma, and, or, not
    }

    /// More alternatives than this are no rule that a person wrote.
    private static let bound = 64
    /// Brackets in brackets: a person loses count before this.
    private static let depth = 16

    /// What a rule stands for: any of these.
    public static func patterns(
        _ rule: String
    ) -> Result<[ContainerLabels.Pattern], Mistake> {
        do throws(Mistake) {
            guard rule.utf8.count <= 8192 else { throw Mistake(reason: "it is too long") }
            var tokens = try tokens(rule)[...]
            let terms = try alternatives(&tokens, depth: 0)
            guard tokens.isEmpty else { throw Mistake(reason: "it does not end where it should") }
            return .success(terms.map(\.pattern))
        } catch {
            return .failure(error)
        }
    }

    private static func tokens(_ text: String) throws(Mistake) -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        while let character = rest.first {
            if character.isWhitespace {
                rest = rest.dropFirst()
            } else if character.isLetter {
                let word = rest.prefix { $0.isLetter }
                tokens.append(.word(String(word)))
                rest = rest.dropFirst(word.count)
            } else if "`\"'".contains(character) {
                let inner = rest.dropFirst()
                guard let end = inner.firstIndex(of: character) else {
                    throw Mistake(reason: "a quote is not closed")
                }
                tokens.append(.text(String(inner[..<end])))
                rest = inner[inner.index(after: end)...]
            } else if rest.hasPrefix("&&") || rest.hasPrefix("||") {
                tokens.append(character == "&" ? .and : .or)
                rest = rest.dropFirst(2)
            } else {
                switch character {
                case "(": tokens.append(.open)
                case ")": tokens.append(.close)
                case ",": tokens.append(.comma)
                case "!": tokens.append(.not)
                default: throw Mistake(reason: "'\(character)' is not understood")
                }
                rest = rest.dropFirst()
            }
        }
        return tokens
    }

    private static func alternatives(
        _ tokens: inout ArraySlice<Token>, depth: Int
    ) throws(Mistake) -> [Term] {
        var terms = try conjunction(&tokens, depth: depth)
        while tokens.first == .or {
            tokens.removeFirst()
            terms += try conjunction(&tokens, depth: depth)
            guard terms.count <= bound else { throw Mistake(reason: "it has too many parts") }
        }
        return terms
    }

    private static func conjunction(
        _ tokens: inout ArraySlice<Token>, depth: Int
    ) throws(Mistake) -> [Term] {
        var terms = try factor(&tokens, depth: depth)
        while tokens.first == .and {
            tokens.removeFirst()
            let more = try factor(&tokens, depth: depth)
            guard terms.count * more.count <= bound else {
                throw Mistake(reason: "it has too many parts")
            }
            var joined: [Term] = []
            for a in terms {
                for b in more { joined.append(try a.and(b)) }
            }
            terms = joined
        }
        return terms
    }

    private static func factor(
        _ tokens: inout ArraySlice<Token>, depth: Int
    ) throws(Mistake) -> [Term] {
        switch tokens.popFirst() {
        case .open:
            guard depth < Self.depth else { throw Mistake(reason: "it has too many brackets") }
            let terms = try alternatives(&tokens, depth: depth + 1)
            guard tokens.popFirst() == .close else { throw Mistake(reason: "a ')' is missing") }
            return terms
        case .word(let name): return try matcher(name, &tokens)
        case .not: throw Mistake(reason: "'!' is not supported by this version")
        default: throw Mistake(reason: "a matcher such as Host(`…`) is missing")
        }
    }

    private static func matcher(
        _ name: String, _ tokens: inout ArraySlice<Token>
    ) throws(Mistake) -> [Term] {
        guard tokens.popFirst() == .open else { throw Mistake(reason: "'\(name)' has no '('") }
        var values: [String] = []
        while case .text(let value)? = tokens.first {
            values.append(value)
            tokens.removeFirst()
            if tokens.first == .comma { tokens.removeFirst() }
        }
        guard tokens.popFirst() == .close, !values.isEmpty else {
            throw Mistake(reason: "'\(name)' has no text between its '(' and ')'")
        }
        switch name.lowercased() {
        case "host":
            return try each(values) { (value) throws(Mistake) in
                Term(host: try right(value.lowercased(), Value.routeHost))
            }
        case "path":
            return try each(values) { (value) throws(Mistake) in
                Term(path: try right(value, Value.routePath))
            }
        case "pathprefix":
            return try each(values) { (value) throws(Mistake) in
                Term(path: try right(prefix(value), Value.routePath))
            }
        case "method":
            var methods: [String] = []
            for value in values {
                let method = try right(value.uppercased(), Value.method)
                if !methods.contains(method) { methods.append(method) }
            }
            return [Term(methods: methods)]
        case "header", "headers":
            guard values.count == 2 else {
                throw Mistake(reason: "'\(name)' must have a name and a value")
            }
            let condition = RouteConfiguration.HeaderCondition(
                name: try right(values[0], Value.headerName).lowercased(),
                value: try right(values[1], Value.headerValue))
            return [Term(headers: [condition])]
        default: throw Mistake(reason: "'\(name)' is not supported by this version")
        }
    }

    private static func each(
        _ values: [String], _ body: (String) throws(Mistake) -> Term
    ) throws(Mistake) -> [Term] {
        guard values.count <= bound else { throw Mistake(reason: "it has too many parts") }
        var terms: [Term] = []
        for value in values { terms.append(try body(value)) }
        return terms
    }

    private static func right<Result>(
        _ text: String, _ parse: (String) -> Parsed<Result>
    ) throws(Mistake) -> Result {
        switch parse(text) {
        case .success(let value): return value
        case .failure(let mistake): throw Mistake(reason: "'\(text)' \(mistake.problem)")
        }
    }

    /// Whole segments only: Traefik's `/api` matches `/apiary` too, which nobody means.
    private static func prefix(_ path: String) -> String {
        var path = path
        while path.hasSuffix("/") { path.removeLast() }
        return path + "/*"
    }
}

extension Value {
    static func labelRule(_ text: String) -> Parsed<[ContainerLabels.Pattern]> {
        RouteRule.patterns(text).mapError { mistake in
            ValueMistake(
                .badWord, "is no rule: \(mistake.reason)",
                help: "write Host(`a.example.com`) && PathPrefix(`/api`), with Path, Method and "
                    + "Header besides")
        }
    }
}
