import Configuration

/// The part of Traefik's labels that has a meaning here: routers with their rules, priorities and
/// entry points, the port, scheme and health check of a service. Each other label is warned of,
/// one by one.
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
        var routers: [String: Router] = [:]
        var middlewares: [String: Middleware] = [:]
        var services: Set<String> = []
        for label in labels {
            let parts = label.key.split(separator: ".").map { String($0) }
            if label.key == "enable" { continue }
            if label.key == "docker.network" {
                translation.set("network", label.value)
            } else if parts.count == 4, parts[0] == "http", parts[1] == "routers" {
                read(router: parts[2], parts[3], label, &routers, &translation)
            } else if parts.count >= 5, parts[0] == "http", parts[1] == "services",
                parts[3] == "loadbalancer"
            {
                services.insert(parts[2])
                read(service: parts[4...].joined(separator: "."), label, &translation)
            } else {
                if parts.count >= 4, parts[0] == "http", parts[1] == "middlewares" {
                    let key = Array(parts[3...])
                    middlewares[parts[2], default: Middleware()].add(key, label.value)
                    if key == ["stripprefix", "prefixes"] { continue }
                }
                warn(label.original, &translation)
            }
        }
        for (name, router) in routers.sorted(by: { $0.key < $1.key }) {
            add(router, name, middlewares, &translation)
        }
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

    /// What the labels of one router say.
    private struct Router {
        var patterns: [ContainerLabels.Pattern] = []
        var ruleByteCount = 0
        var priority: Int?
        var listeners: [String] = []
        var middlewares: [String] = []
    }

    /// What the labels of one middleware say, as far as it matters here.
    private struct Middleware {
        /// Of these a server can do without; the others decide who may come.
        private static let harmless: Set<String> = [
            "addprefix", "buffering", "circuitbreaker", "compress", "contenttype", "errors",
            "headers", "inflightreq", "ratelimit", "redirectregex", "redirectscheme", "retry",
            "stripprefix",
        ]

        var isHarmless = true
        var strippedPrefix: String?

        mutating func add(_ key: [String], _ value: String) {
            if !Self.harmless.contains(key[0]) { isHarmless = false }
            if key == ["stripprefix", "prefixes"], value.hasPrefix("/"), !value.contains(",") {
                strippedPrefix = String(value.reversed().drop { $0 == "/" }.reversed())
            }
        }
    }

    private static func names(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.filter { !$0.isWhitespace } }.filter { !$0.isEmpty }
    }

    private static func read(
        router: String, _ key: String, _ label: (key: String, original: String, value: String),
        _ routers: inout [String: Router], _ translation: inout Translation
    ) {
        switch key {
        case "rule":
            routers[router, default: Router()].ruleByteCount = label.value.utf8.count
            switch RouteRule.patterns(label.value) {
            case .success(let found): routers[router, default: Router()].patterns = found
            case .failure(let mistake):
                translation.isClosed = true
                translation.warn(
                    "the rule of router '\(router)' cannot be taken over: \(mistake.reason)",
                    help: "add the labels '\(ContainerReader.prefix)host' and "
                        + "'\(ContainerReader.prefix)path'")
            }
        case "priority":
            guard let priority = Int(label.value) else {
                return translation.warn(
                    "label '\(label.original)': '\(label.value)' is not a whole number")
            }
            // Traefik's own for a router that has none.
            if priority != 0 { routers[router, default: Router()].priority = priority }
        case "entrypoints":
            routers[router, default: Router()].listeners = names(label.value)
        case "middlewares":
            routers[router, default: Router()].middlewares = names(label.value)
        // A container with one service is its routers'.
        case "service": break
        default: warn(label.original, &translation)
        }
    }

    private static func add(
        _ router: Router, _ name: String, _ middlewares: [String: Middleware],
        _ translation: inout Translation
    ) {
        for used in router.middlewares {
            guard let middleware = middlewares[used], middleware.isHarmless else {
                // It may be what keeps people out: to take the router over without it would let
                // them in.
                translation.isClosed = true
                return translation.warn(
                    "router '\(name)' has the middleware '\(used)', which is not supported by "
                        + "this version and may keep people out, so it is left out",
                    help: "if it may be reached without that, say so with "
                        + "'\(ContainerReader.prefix)rule'")
            }
        }
        let strips = router.middlewares.compactMap { middlewares[$0]?.strippedPrefix }
        if let prefix = strips.first {
            if router.patterns.allSatisfy({ $0.path == .prefix(prefix) }) {
                translation.set("strip-prefix", "true")
            } else {
                translation.warn(
                    "router '\(name)' strips '\(prefix)', which is not the prefix that it asks "
                        + "for, so nothing is stripped")
            }
        }
        for var pattern in router.patterns {
            pattern.listeners = router.listeners
            pattern.priority = priority(of: router)
            translation.patterns.append(pattern)
        }
    }

    /// Traefik compares a priority with the lengths of the rules that have none; here those are 0.
    private static func priority(of router: Router) -> Int {
        guard let priority = router.priority else { return 0 }
        let bounded = min(max(priority, -1_000_000), 1_000_000)
        return priority < router.ruleByteCount ? bounded - 2_000_000 : max(bounded, 1)
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
