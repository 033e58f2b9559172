/// The part of Traefik's labels that has a meaning here: routers with hosts and paths, the port,
/// scheme and health check of a service. Each other label is warned of, one by one.
enum TraefikLabels {
    private static let prefix = "traefik."

    /// What a container says, in our words; nothing when it does not speak to Traefik.
    static func translated(_ facts: ContainerFacts) -> Translation {
        var translation = Translation()
        // Names are written in any case.
        var labels: [(key: String, original: String, value: String)] = []
        for (label, value) in facts.labels where label.lowercased().hasPrefix(prefix) {
            labels.append((String(label.lowercased().dropFirst(prefix.count)), label, value))
        }
        guard !labels.isEmpty else { return translation }
        labels.sort { $0.key < $1.key }
        translation.set("enable", "true")
        var routes: [String] = []
        var services: Set<String> = []
        for label in labels {
            let parts = label.key.split(separator: ".").map { String($0) }
            if label.key == "enable" { continue }
            if label.key == "docker.network" {
                translation.set("network", label.value)
            } else if parts.count == 4, parts[0] == "http", parts[1] == "routers" {
                read(router: parts[2], parts[3], label, &routes, &translation)
            } else if parts.count >= 5, parts[0] == "http", parts[1] == "services",
                parts[3] == "loadbalancer"
            {
                services.insert(parts[2])
                read(service: parts[4...].joined(separator: "."), label, &translation)
            } else {
                warn(label.original, &translation)
            }
        }
        if !routes.isEmpty { translation.set("route", routes.joined(separator: ",")) }
        if let name = services.min() { translation.set("service", ContainerReader.plain(name)) }
        if services.count > 1 {
            translation.warn(
                "it has several services (\(services.sorted().joined(separator: ", "))), and "
                    + "'\(services.min() ?? "")' is used")
        }
        return translation
    }

    private static func warn(_ label: String, _ translation: inout Translation) {
        translation.warn("label '\(label)' has no meaning here")
    }

    private static func read(
        router: String, _ key: String, _ label: (key: String, original: String, value: String),
        _ routes: inout [String], _ translation: inout Translation
    ) {
        switch key {
        case "rule":
            switch TraefikRule.routes(label.value) {
            case .success(let found): routes += found
            case .failure(let mistake):
                translation.warn(
                    "the rule of router '\(router)' cannot be taken over: \(mistake.reason)",
                    help: "add the labels '\(ContainerReader.prefix)host' and "
                        + "'\(ContainerReader.prefix)path'")
            }
        // A container with one service is its routers'.
        case "service": break
        default: warn(label.original, &translation)
        }
    }

    private static let serviceKeys = [
        "server.port": "port", "server.scheme": "scheme", "healthcheck.path": "health.path",
        "healthcheck.interval": "health.interval", "healthcheck.timeout": "health.timeout",
        "healthcheck.port": "health.port", "healthcheck.status": "health.status",
        "healthcheck.hostname": "health.host",
    ]

    private static func read(
        service key: String, _ label: (key: String, original: String, value: String),
        _ translation: inout Translation
    ) {
        if let ours = serviceKeys[key] { return translation.set(ours, label.value) }
        // What it says is what is done anyway.
        if key == "passhostheader", label.value == "true" { return }
        warn(label.original, &translation)
    }
}

/// A rule of Traefik's, as far as it is hosts and paths.
enum TraefikRule {
    struct Mistake: Error, Equatable {
        var reason: String
    }

    private struct Term: Equatable {
        var host: String?
        var path: String?
    }

    private enum Token: Equatable {
        case word(String)
        case text(String)
        case open, close, comma, and, or, not
    }

    /// More alternatives than this are no rule that a person wrote.
    private static let bound = 64

    /// The patterns of routes that a rule stands for: `a.test/api/*`.
    static func routes(_ rule: String) -> Result<[String], Mistake> {
        do throws(Mistake) {
            var tokens = try tokens(rule)[...]
            let terms = try alternatives(&tokens)
            guard tokens.isEmpty else { throw Mistake(reason: "it does not end where it should") }
            return .success(terms.map { ($0.host ?? "*") + ($0.path ?? "") })
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

    private static func alternatives(_ tokens: inout ArraySlice<Token>) throws(Mistake) -> [Term] {
        var terms = try conjunction(&tokens)
        while tokens.first == .or {
            tokens.removeFirst()
            terms += try conjunction(&tokens)
            guard terms.count <= bound else { throw Mistake(reason: "it has too many parts") }
        }
        return terms
    }

    private static func conjunction(_ tokens: inout ArraySlice<Token>) throws(Mistake) -> [Term] {
        var terms = try factor(&tokens)
        while tokens.first == .and {
            tokens.removeFirst()
            let more = try factor(&tokens)
            var joined: [Term] = []
            for a in terms {
                for b in more {
                    guard a.host == nil || b.host == nil, a.path == nil || b.path == nil else {
                        throw Mistake(reason: "it asks for two hosts or two paths at once")
                    }
                    joined.append(Term(host: a.host ?? b.host, path: a.path ?? b.path))
                }
            }
            terms = joined
            guard terms.count <= bound else { throw Mistake(reason: "it has too many parts") }
        }
        return terms
    }

    private static func factor(_ tokens: inout ArraySlice<Token>) throws(Mistake) -> [Term] {
        switch tokens.popFirst() {
        case .open:
            let terms = try alternatives(&tokens)
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
        case "host": return values.map { Term(host: $0.lowercased()) }
        case "path": return values.map { Term(path: $0) }
        case "pathprefix": return values.map { Term(path: prefix($0)) }
        default: throw Mistake(reason: "'\(name)' is not supported by this version")
        }
    }

    /// Whole segments only: Traefik's `/api` matches `/apiary` too, which nobody means.
    private static func prefix(_ path: String) -> String {
        var path = path
        while path.hasSuffix("/") { path.removeLast() }
        return path + "/*"
    }
}
