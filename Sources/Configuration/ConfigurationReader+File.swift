import YAML

/// The file as a whole.
extension ConfigurationReader {
    private static let shortKeys = ["listen", "servers", "health", "balance"]
    private static let longKeys = ["listeners", "services", "routes", "defaults", "discover"]

    func readFile(_ root: YAMLNode) {
        var fields: [String: Field] = [:]
        eachField(of: root, as: .named(.root), at: []) { fields[$0.key] = $0 }
        guard case .map = root.content else { return }
        if let field = fields["version"] {
            _ = value(field, example: "1") { text -> Parsed<Bool> in
                text == "1"
                    ? .success(true)
                    : .failure(
                        ValueMistake(
                            .notSupported, "is not a version of this format that is known here",
                            help: "write 'version: 1'"))
            }
        }
        if let field = fields["process"] { readProcess(field) }
        if let field = fields["log"] { readLog(field) }
        if let field = fields["access_log"] { readAccessLog(field) }
        if let field = fields["admin"] { readAdmin(field) }

        let short = Self.shortKeys.compactMap { fields[$0] }
        let long = Self.longKeys.compactMap { fields[$0] }
        if let first = long.first {
            for field in short { reportMixture(field, with: first) }
            readLongForm(fields, root: root)
        } else if short.isEmpty {
            reportNothing(root)
        } else {
            readShortForm(fields, root: root)
        }
    }

    private func reportNothing(_ root: YAMLNode) {
        guard isComplete else { return }
        report(
            .missingKey, "the file has no listener and no servers",
            at: YAMLPlace(line: 1, column: 1, endLine: 1, endColumn: 2),
            help: "the smallest file has two lines: 'listen: 8080' and 'servers: [3001, 3002]'")
    }

    func reportEmptyFile() {
        report(
            .missingKey, "the file is empty",
            at: YAMLPlace(line: 1, column: 1, endLine: 1, endColumn: 2),
            help: "the smallest file has two lines: 'listen: 8080' and 'servers: [3001, 3002]'")
    }

    private func reportMixture(_ field: Field, with long: Field) {
        let instead =
            switch field.key {
            case "listen": "write 'listeners: { main: { address: … } }' instead of 'listen'"
            case "servers": "write 'services: { app: { servers: … } }' instead of 'servers'"
            default: "move '\(field.key)' under 'defaults' or under one of the services"
            }
        report(
            .mixedForms,
            "'\(field.key)' is of the short form, and '\(long.key)' of the long form: a file has "
                + "one of them", at: field.keyPlace, path: field.path, help: instead,
            notes: [Diagnostic.Note("the long form is used", at: location(long.keyPlace))])
    }

    /// The short form without a file.
    func readCommand(listen: Field, servers: Field) {
        readShortForm(
            ["listen": listen, "servers": servers],
            root: YAMLNode(.map([]), at: listen.value.place))
    }

    /// Stands for a listener `main`, a service `app`, and the route between them.
    private func readShortForm(_ fields: [String: Field], root: YAMLNode) {
        if let field = fields["listen"] {
            if let address = value(field, example: "8080", Value.listenAddress) {
                configuration.listeners = [ListenerConfiguration(name: "main", address: address)]
                places.listeners = [
                    ConfigurationPlaces.Place(
                        location: location(field.value.place), keyPath: field.path)
                ]
            }
        } else {
            missingKey(
                "listen", in: root, path: [], at: short(fields).keyPlace, help: "add 'listen: 8080'"
            )
        }
        var service = ServiceConfiguration(name: "app")
        if let field = fields["balance"] {
            readBalance(field, into: &service.balance)
            checkBalance(of: service.balance, at: [], place: field.value.place)
        }
        if let field = fields["health"] { readHealth(field, into: &service.health) }
        checkOrder(of: service, at: [])
        if let field = fields["servers"] {
            let (servers, serverPlaces) = readServers(field, version: nil)
            service.servers = servers
            places.servers = [serverPlaces]
        } else {
            missingKey(
                "servers", in: root, path: [], at: short(fields).keyPlace,
                help: "add 'servers: [3001, 3002]'")
        }
        configuration.services = [service]
        addCatchAll(to: service, at: fields["servers"]?.value.place ?? root.place)
    }

    private func short(_ fields: [String: Field]) -> Field {
        Self.shortKeys.compactMap { fields[$0] }[0]
    }

    private func readLongForm(_ fields: [String: Field], root: YAMLNode) {
        let anyPlace = Self.longKeys.compactMap { fields[$0] }[0].keyPlace
        if let field = fields["listeners"] {
            readListeners(field)
        } else if fields["listen"] == nil {
            missingKey(
                "listeners", in: root, path: [], at: anyPlace,
                help: "add 'listeners: { main: { address: 8080 } }'")
        }
        if let field = fields["discover"] { readCatalogue(field) }
        var template = ServiceConfiguration(name: "")
        if let field = fields["defaults"] { readDefaults(field, into: &template) }
        if let field = fields["services"] {
            if case .map(let entries) = field.value.content {
                for entry in entries { serviceKeyPlaces[entry.key] = entry.keyPlace }
            }
            readServices(field, over: template)
        } else if fields["servers"] == nil, fields["discover"] == nil {
            missingKey(
                "services", in: root, path: [], at: anyPlace,
                help: "add 'services: { app: { servers: [3001, 3002] } }'")
        }
        for tunnel in tunnels { checkService(tunnel.name, at: tunnel.place, path: tunnel.path) }
        let needsRoutes =
            configuration.listeners.isEmpty
            || configuration.listeners.contains { !$0.isTunnel }
        if let field = fields["routes"] {
            readRoutes(field)
            arrangeRoutes()
        } else if !needsRoutes || fields["services"] == nil {
            arrangeRoutes()
        } else if configuration.services.count > 1, let field = fields["services"], isComplete {
            let names = configuration.services.map(\.name)
            report(
                .missingRoutes,
                "with \(names.count) services, 'routes' must say which requests go to which",
                at: field.keyPlace, path: field.path,
                help: "add 'routes:' with a line '- service: \(names[0])' for all requests, and "
                    + "routes with host or path for "
                    + "\(Spelling.list(Array(names.dropFirst()), "and"))"
            )
        } else if let service = configuration.services.first, let field = fields["services"] {
            addCatchAll(to: service, at: field.value.place)
        }
        warnWithoutListener()
        if let field = fields["services"] { checkCounts(field, fields["listeners"] ?? field) }
    }

    /// What a process holds at once.
    private func checkCounts(_ services: Field, _ listeners: Field) {
        func check(_ count: Int, _ bound: Int, _ what: String, _ field: Field) {
            guard count > bound else { return }
            report(
                .tooLarge, "the file has \(count) \(what), and a process has at most \(bound)",
                at: field.keyPlace, path: field.path,
                help: "divide them between several processes")
        }
        check(configuration.services.count, Bounds.services, "services", services)
        check(
            configuration.services.reduce(0) { $0 + $1.servers.count }, Bounds.servers, "servers",
            services)
        check(configuration.listeners.count, Bounds.listeners, "listeners", listeners)
    }

    /// A listener that redirects asks no route.
    private func warnWithoutListener() {
        guard !configuration.listeners.isEmpty, isComplete,
            configuration.listeners.allSatisfy(\.redirectsToHTTPS),
            let last = places.listeners.last
        else { return }
        warn(
            .noTraffic, "every listener redirects to https, so no request reaches a service",
            at: YAMLPlace(
                line: last.location.line, column: last.location.column,
                endLine: last.location.endLine, endColumn: last.location.endColumn),
            path: last.keyPath, help: "add a listener without 'redirect'")
    }

    private func addCatchAll(to service: ServiceConfiguration, at place: YAMLPlace) {
        var route = RouteConfiguration(action: .service(service.name))
        route.timeouts = service.timeouts
        route.retries = service.retries
        configuration.routes = [route]
        places.routes = [location(place)]
    }

    // MARK: - After a syntax error

    /// Looks for unknown top-level keys in the lines that were not read: words at the beginning
    /// of a line with a colon behind them.
    func scanTopLevel(_ source: [UInt8], below line: Int) {
        let lines = String(decoding: source, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let shape = Shape.named(.root)
        for (index, text) in lines.enumerated() where index + 1 > line {
            let key = text.prefix {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-")
            }
            let after = text.dropFirst(key.count)
            guard !key.isEmpty, after.hasPrefix(":"), !key.hasPrefix("x-"), !key.hasPrefix("-"),
                after.count == 1 || after.dropFirst().first?.isWhitespace == true,
                shape.key(String(key)) == nil
            else { continue }
            let place = YAMLPlace(
                line: index + 1, column: 1, endLine: index + 1, endColumn: key.count + 1)
            report(
                .unknownKey, "unknown key '\(key)'", at: place, path: [String(key)],
                help: shape.suggestion(for: String(key), parent: nil))
        }
    }
}
