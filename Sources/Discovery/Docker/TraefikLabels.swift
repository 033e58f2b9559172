import Configuration

/// The part of Traefik's labels that has a meaning here: routers with their rules, priorities and
/// entry points, the port, scheme and health check of a service. Each other label is warned of,
/// one by one.
enum TraefikLabels {
    private static let prefix = "traefik."

    private typealias Label = (key: String, original: String, value: String)

    /// Those of Traefik, without their prefix, by name. Names are written in any case.
    private static func labels(of labels: [String: String]) -> [Label] {
        var found: [Label] = []
        for (label, value) in labels {
            let name = label.lowercased()
            guard name.hasPrefix(prefix) else { continue }
            found.append((String(name.dropFirst(prefix.count)), label, value))
        }
        // Of two spellings of one name, the same one each time.
        return found.sorted { ($0.key, $0.original) < ($1.key, $1.original) }
    }

    /// As Go's `strconv.ParseBool` reads it; `nil` for anything else, with which Traefik leaves
    /// the whole container out.
    static func boolean(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }

    /// Whether Traefik would take a container with these labels, if it takes what does not say
    /// that it should not; `nil` when none of them is Traefik's.
    static func isEnabled(_ labels: [String: String]) -> Bool? {
        let found = self.labels(of: labels)
        guard !found.isEmpty else { return nil }
        return found.allSatisfy { $0.key != "enable" || boolean($0.value) == true }
    }

    /// What is wrong with the label that enables it.
    static func hint(about facts: ContainerFacts) -> SourceWarning? {
        guard
            let label = labels(of: facts.labels).first(where: {
                $0.key == "enable" && boolean($0.value) == nil
            })
        else { return nil }
        return SourceWarning(
            facts.title,
            "label '\(label.original)': '\(label.value.prefix(40))' is neither true nor false, so "
                + "it is left out", help: "write 'true'")
    }

    /// What a container says, in our words; nothing when it does not speak to Traefik.
    static func translated(_ facts: ContainerFacts) -> Translation {
        var translation = Translation()
        let labels = labels(of: facts.labels)
        // One that says nothing but that Traefik is to leave it alone.
        guard let isEnabled = isEnabled(facts.labels),
            isEnabled || labels.contains(where: { $0.key != "enable" })
        else { return translation }
        translation.set("enable", isEnabled ? "true" : "false")
        var routers: [String: Router] = [:]
        var middlewares: [String: Middleware] = [:]
        let services = services(in: labels)
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
                // What another one says may be for a port that is not meant for clients.
                guard parts[2] == services.first else { continue }
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
            guard leads(router, name, to: services, facts, &translation) else { continue }
            add(router, name, middlewares, &translation)
        }
        if let name = services.first { translation.set("service", ContainerReader.plain(name)) }
        if services.count > 1 {
            translation.warn(
                "it has several services (\(services.joined(separator: ", "))), and "
                    + "'\(services[0])' is used")
        }
        if translation.patterns.isEmpty, !translation.isClosed {
            translation.closedBecause = Translation.Warning(
                sentence: "none of its labels makes a router of Traefik's for HTTP that has a "
                    + "rule, so no route leads to this container",
                help: "add the label '\(ContainerReader.prefix)host'")
        }
        return translation
    }

    /// The services for HTTP that the labels make, by name.
    private static func services(in labels: [Label]) -> [String] {
        var names: Set<String> = []
        for label in labels {
            let parts = label.key.split(separator: ".")
            if parts.count >= 5, parts[0] == "http", parts[1] == "services",
                parts[3] == "loadbalancer"
            {
                names.insert(String(parts[2]))
            }
        }
        return names.sorted()
    }

    /// Whether a router leads to the service that is used; one that leads elsewhere is for a port
    /// that is not this one, or for no container at all, as `api@internal`.
    private static func leads(
        _ router: Router, _ name: String, to services: [String], _ facts: ContainerFacts,
        _ translation: inout Translation
    ) -> Bool {
        guard let wanted = router.service else {
            guard services.count > 1 else { return true }
            translation.isClosed = true
            translation.warn(
                "router '\(name)' does not say to which of its services it leads, so it is left "
                    + "out", help: "add the label 'traefik.http.routers.\(name).service'")
            return false
        }
        let plain = wanted.hasSuffix("@docker") ? String(wanted.dropLast(7)) : wanted
        guard plain != (services.first ?? defaultService(facts)) else { return true }
        translation.isClosed = true
        translation.warn(
            "router '\(name)' leads to the service '\(wanted.prefix(100))', which is not the one "
                + "of this container that is used, so it is left out")
        return false
    }

    /// As Traefik calls the service of a container whose labels make none.
    private static func defaultService(_ facts: ContainerFacts) -> String {
        var name = facts.labels["com.docker.swarm.service.name"] ?? facts.name
        if let service = facts.labels["com.docker.compose.service"],
            let project = facts.labels["com.docker.compose.project"]
        {
            name = "\(service)_\(project)"
        }
        return name.split { !$0.isLetter && !$0.isNumber }.joined(separator: "-").lowercased()
    }

    private static func warn(_ label: String, _ translation: inout Translation) {
        translation.warn("label '\(label)' has no meaning here")
    }

    /// What the labels of one router say.
    private struct Router {
        var patterns: [ContainerLabels.Pattern] = []
        var ruleByteCount = 0
        var priority: Int?
        var isUnreadable = false
        /// In lower case; `nil` when no label says.
        var service: String?
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
        router: String, _ key: String, _ label: Label,
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
                // To go on without it would give it what others come before.
                routers[router, default: Router()].isUnreadable = true
                translation.isClosed = true
                return translation.warn(
                    "label '\(label.original)': '\(label.value.prefix(40))' is not a whole number, "
                        + "so the router is left out")
            }
            // Traefik's own for a router that has none.
            if priority != 0 { routers[router, default: Router()].priority = priority }
        case "entrypoints":
            routers[router, default: Router()].listeners = names(label.value)
        case "middlewares":
            routers[router, default: Router()].middlewares = names(label.value)
        case "service":
            let name = label.value.filter { !$0.isWhitespace }.lowercased()
            routers[router, default: Router()].service = name.isEmpty ? nil : name
        default: warn(label.original, &translation)
        }
    }

    private static func add(
        _ router: Router, _ name: String, _ middlewares: [String: Middleware],
        _ translation: inout Translation
    ) {
        guard !router.isUnreadable else { return }
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
        service key: String, _ label: Label, _ translation: inout Translation
    ) {
        if let ours = serviceKeys[key] { return translation.set(ours, label.value) }
        // What it says is what is done anyway.
        if key == "passhostheader", boolean(label.value) == true { return }
        warn(label.original, &translation)
    }
}
