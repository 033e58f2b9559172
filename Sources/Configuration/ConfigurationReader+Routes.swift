import HTTP
import YAML

extension ConfigurationReader {
    /// A list of hosts and a list of paths multiply; past this many it is a mistake.
    static var routeLimit: Int { 10_000 }

    func readRoutes(_ field: Field) {
        let items = items(of: field)
        if items.isEmpty, case .list = field.value.content, isComplete {
            report(
                .missingValue, "'routes' is empty", at: field.value.place, path: field.path,
                help: "write '- service: name' below it, or remove the line")
        }
        for item in items {
            readRoute(item)
            if routeDrafts.count > Self.routeLimit {
                report(
                    .tooLarge, "there are more than \(Self.routeLimit) routes",
                    at: item.value.place, path: item.path,
                    help: "use wildcards: '*.example.com', '/api/*'")
                return
            }
        }
    }

    /// What a route says, by key; the order of the keys does not matter.
    private func readRoute(_ item: Field) {
        var fields: [String: Field] = [:]
        eachField(of: item.value, as: .named(.route), at: item.path) { fields[$0.key] = $0 }
        guard case .map = item.value.content else { return }

        var action: RouteConfiguration.Action?
        let actions = ["service", "redirect", "respond"].compactMap { fields[$0] }
        if let field = fields["service"], let name = text(of: field, example: "app") {
            action = .service(name.text)
            usedServices.insert(name.text)
            checkService(name.text, at: name.place, path: field.path)
        }
        if let field = fields["redirect"] { action = readRedirect(field) ?? action }
        if let field = fields["respond"] { action = readRespond(field) ?? action }
        if actions.count > 1 {
            report(
                .conflict,
                "a route does one thing, and this one has "
                    + Spelling.list(actions.map { "'\($0.key)'" }, "and"),
                at: actions[1].keyPlace, path: item.path, help: "keep one of them",
                notes: [Diagnostic.Note("the other", at: location(actions[0].keyPlace))])
        }
        if actions.isEmpty {
            missingKey(
                "service", in: item.value, path: item.path, at: item.value.place,
                help: "add 'service: name', 'redirect: { to: … }' or 'respond: { status: … }'")
        }

        var route = RouteConfiguration(action: action ?? .service(""))
        if let field = fields["methods"] { route.methods = readMethods(field) }
        if let field = fields["headers"] { route.headers = readConditions(field) }
        if let field = fields["strip_prefix"] {
            read(field, into: &route.stripsPrefix, Value.boolean)
        }
        if let field = fields["set_headers"] { readHeaderChanges(field, into: &route) }
        if let field = fields["remove_headers"] { readHeaderRemovals(field, into: &route) }
        readOverrides(fields, into: &route, item: item)

        let hosts = fields["host"].map { patterns($0, example: "app.example.com", Value.routeHost) }
        let paths = fields["path"].map { patterns($0, example: "/api/*", Value.routePath) }
        if route.stripsPrefix, let field = fields["strip_prefix"] {
            let arePrefixes = (paths ?? [.any]).allSatisfy {
                if case .prefix = $0 { true } else { false }
            }
            if !arePrefixes {
                report(
                    .conflict, "'strip_prefix' needs a path that ends in '/*'",
                    at: field.keyPlace, path: field.path,
                    help: "write 'path: /api/*', or remove 'strip_prefix'")
            }
        }
        for host in hosts ?? [.any] {
            for path in paths ?? [.any] {
                route.host = host
                route.path = path
                route.label = route.patternText
                routeDrafts.append(
                    RouteDraft(route: route, place: item.value.place, path: item.path))
                if routeDrafts.count > Self.routeLimit { return }
            }
        }
    }

    private func patterns<Pattern: Hashable>(
        _ field: Field, example: String, _ parse: (String) -> Parsed<Pattern>
    ) -> [Pattern] {
        var first: [Pattern: YAMLPlace] = [:]
        return items(of: field, allowsOne: true).compactMap { item in
            guard let pattern = value(item, example: example, parse) else { return nil }
            if let place = first.updateValue(item.value.place, forKey: pattern) {
                report(
                    .duplicateName, "the same \(field.key) is listed twice", at: item.value.place,
                    path: item.path, help: "remove one of them",
                    notes: [Diagnostic.Note("first used", at: location(place))])
                return nil
            }
            return pattern
        }
    }

    // MARK: - Conditions

    private func readMethods(_ field: Field) -> [String] {
        let items = items(of: field, allowsOne: true)
        if items.isEmpty, case .list = field.value.content {
            report(
                .missingValue, "\(title(field.path)) is empty, so the route would match nothing",
                at: field.value.place, path: field.path,
                help: "write the methods, or remove the line for all of them")
        }
        var methods: [String] = []
        for item in items {
            if let method = value(item, Value.method), !methods.contains(method) {
                methods.append(method)
            }
        }
        return methods
    }

    private func readConditions(_ field: Field) -> [RouteConfiguration.HeaderCondition] {
        headerFields(of: field, Value.headerName).map { field in
            RouteConfiguration.HeaderCondition(
                name: field.name.lowercased(), value: field.value == "*" ? nil : field.value)
        }
    }

    /// A map from names of headers to values.
    private func headerFields(
        of field: Field, _ parseName: (String) -> Parsed<String>
    ) -> [RouteConfiguration.HeaderField] {
        guard case .map(let entries) = field.value.content else {
            report(
                isMissing(field.value) ? .missingValue : .wrongType,
                isMissing(field.value)
                    ? "\(title(field.path)) has no value"
                    : "\(title(field.path)) must be a map from names of headers to values, and "
                        + "this is \(kind(of: field.value))",
                at: field.value.place, path: field.path, help: "write '{ X-Name: value }'")
            return []
        }
        var first: [String: YAMLPlace] = [:]
        return entries.compactMap { entry in
            let path = field.path + [entry.key]
            let isEmpty = isMissing(entry.value)
            let value = isEmpty ? YAMLNode(entry.value.content, at: entry.keyPlace) : entry.value
            let item = Field(key: entry.key, keyPlace: entry.keyPlace, value: value, path: path)
            guard headerNameIsRight(entry.key, parseName, at: entry.keyPlace, path: path),
                let text = self.value(item, example: "value", Value.headerValue)
            else { return nil }
            if let place = first.updateValue(entry.keyPlace, forKey: entry.key.lowercased()) {
                report(
                    .duplicateName,
                    "header '\(entry.key)' is used twice: the case of its letters "
                        + "does not matter", at: entry.keyPlace, path: path,
                    help: "remove one of them",
                    notes: [Diagnostic.Note("first used", at: location(place))])
                return nil
            }
            return RouteConfiguration.HeaderField(name: entry.key, value: text)
        }
    }

    private func headerNameIsRight(
        _ name: String, _ parse: (String) -> Parsed<String>, at place: YAMLPlace, path: [String]
    ) -> Bool {
        guard case .failure(let mistake) = parse(name) else { return true }
        report(
            mistake.code, "'\(name)' \(mistake.problem)", at: place, path: path,
            help: mistake.help)
        return false
    }

    // MARK: - Actions

    private func readRedirect(_ field: Field) -> RouteConfiguration.Action? {
        var target: String?
        var status: Int? = 308
        var hasTarget = false
        eachField(of: field.value, as: .named(.redirect), at: field.path) { field in
            switch field.key {
            case "to":
                hasTarget = true
                target = value(
                    field, example: "\"https://example.com${path}\"", keeping: ["path"],
                    Value.redirectTarget)
            case "status": status = value(field, Value.redirectStatus)
            default: break
            }
        }
        if !hasTarget, case .map = field.value.content {
            missingKey(
                "to", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'to: \"https://example.com${path}\"'")
        }
        guard let target, let status else { return nil }
        return .redirect(target: target, status: status)
    }

    private func readRespond(_ field: Field) -> RouteConfiguration.Action? {
        var status: Int?
        var hasStatus = false
        var body: FilledText?
        var type = "text/plain"
        eachField(of: field.value, as: .named(.respond), at: field.path) { field in
            switch field.key {
            case "status":
                hasStatus = true
                status = value(field, example: "200") { Value.integer($0, in: 200...599) }
            case "body":
                body = text(of: field)
                if let body, body.text.utf8.count > Bounds.respondBody { refuse(body, field) }
            case "type": read(field, into: &type, Value.headerValue)
            default: break
            }
        }
        if !hasStatus, case .map = field.value.content {
            missingKey(
                "status", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'status: 200'")
        }
        guard let status else { return nil }
        if let body, !body.text.isEmpty, [204, 205, 304].contains(status) {
            report(
                .conflict, "a response with status \(status) has no body", at: body.place,
                path: field.path + ["body"], help: "remove the body, or use status 200")
        }
        return .respond(status: status, body: body?.text ?? "", type: type)
    }

    private func refuse(_ body: FilledText, _ field: Field) {
        report(
            .outOfRange,
            "the body has \(body.text.utf8.count) bytes, and a fixed answer has at most "
                + "\(Bounds.respondBody)", at: body.place, path: field.path,
            help: "shorten it, or let a server answer with the file")
    }

    // MARK: - Changes

    private func readHeaderChanges(_ field: Field, into route: inout RouteConfiguration) {
        eachField(of: field.value, as: .named(.headerChanges), at: field.path) { field in
            let fields = headerFields(of: field, Value.changeableHeaderName)
            let byteCount = fields.reduce(0) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
            if byteCount > Bounds.headerChanges {
                report(
                    .outOfRange,
                    "these headers take \(byteCount) bytes, and a route may set at most "
                        + "\(Bounds.headerChanges)", at: field.value.place, path: field.path,
                    help: "set fewer or shorter headers")
            }
            if field.key == "request" {
                route.requestHeaders.setting = fields
            } else {
                route.responseHeaders.setting = fields
            }
        }
    }

    private func readHeaderRemovals(_ field: Field, into route: inout RouteConfiguration) {
        eachField(of: field.value, as: .named(.headerNames), at: field.path) { field in
            let names = items(of: field).compactMap { value($0, Value.changeableHeaderName) }
            if field.key == "request" {
                route.requestHeaders.removing = names
            } else {
                route.responseHeaders.removing = names
            }
        }
    }

    /// The service's timeouts and retries with the route's own over them.
    private func readOverrides(
        _ fields: [String: Field], into route: inout RouteConfiguration, item: Field
    ) {
        guard case .service(let name) = route.action else {
            for key in ["timeouts", "retries", "strip_prefix"] {
                if let field = fields[key] {
                    report(
                        .conflict, "'\(key)' has no effect on a route without a service",
                        at: field.keyPlace, path: field.path, help: "remove it")
                }
            }
            return
        }
        if let service = configuration.services.first(where: { $0.name == name }) {
            route.timeouts = service.timeouts
            route.retries = service.retries
        }
        if let field = fields["timeouts"] {
            readTimeouts(field, into: &route.timeouts)
            checkTimeouts(route.timeouts, at: item.path)
        }
        if let field = fields["retries"] { readRetries(field, into: &route.retries) }
    }

    func checkService(_ name: String, at place: YAMLPlace, path: [String]) {
        let names = configuration.services.map(\.name)
        guard isComplete, !names.contains(name) else { return }
        let near = Spelling.nearest(to: name, among: names)
        report(
            .undefinedService, "service '\(name)' is not defined", at: place, path: path,
            help: near.map { "did you mean '\($0)'?" }
                ?? (names.isEmpty
                    ? "add it under 'services:'"
                    : "add it under 'services:', or use \(Spelling.list(names))"))
    }

    // MARK: - All routes together

    /// Puts the routes in order, and reports ties and services that no route reaches.
    func arrangeRoutes() {
        let order = routeDrafts.indices.sorted { a, b in
            if routeDrafts[a].route.precedes(routeDrafts[b].route) { return true }
            if routeDrafts[b].route.precedes(routeDrafts[a].route) { return false }
            return a < b
        }
        let drafts = order.map { routeDrafts[$0] }
        reportTies(drafts)
        configuration.routes = drafts.map(\.route)
        places.routes = drafts.map { location($0.place) }
        if isComplete { reportUnusedServices() }
    }

    /// Routes of one host and path stand side by side, so each is compared with those alone.
    private func reportTies(_ drafts: [RouteDraft]) {
        var runStart = 0
        for index in drafts.indices {
            let route = drafts[index].route
            if drafts[runStart].route.host != route.host
                || drafts[runStart].route.path != route.path
            {
                runStart = index
            }
            guard let other = drafts[runStart..<index].first(where: { $0.route.ties(with: route) })
            else { continue }
            let (first, second) =
                other.place.line <= drafts[index].place.line
                ? (other, drafts[index]) : (drafts[index], other)
            let subject = route.label == "*" ? "all requests" : "requests for '\(route.label)'"
            let firstName = first.path.joined(separator: ".")
            report(
                .routeTie,
                "this route and \(firstName) match the same \(subject), and neither is more "
                    + "specific", at: second.place, path: second.path,
                help: "remove one of them, or give one a condition that the other does not have: "
                    + "host, path, methods or headers",
                notes: [Diagnostic.Note("the other route", at: location(first.place))])
        }
    }

    private func reportUnusedServices() {
        for service in configuration.services where !usedServices.contains(service.name) {
            guard let place = serviceKeyPlaces[service.name] else { continue }
            warn(
                .unusedService, "no route leads to service '\(service.name)'", at: place,
                path: ["services", service.name],
                help: "add a route with 'service: \(service.name)', or remove the service")
        }
    }
}

extension Value {
    static func redirectTarget(_ text: String) -> Parsed<String> {
        let isURL = ["http://", "https://", "/", "${path}"].contains { text.hasPrefix($0) }
        let isClean = text.utf8.allSatisfy {
            $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`".utf8.contains($0)
        }
        guard isURL, isClean, text.utf8.count <= Bounds.redirectTarget else {
            return .failure(
                ValueMistake(
                    .badAddress, "is not a URL to redirect to",
                    help: "write 'https://host/path', or 'https://host${path}' to keep path and "
                        + "query"))
        }
        guard text.split(separator: "${path}", omittingEmptySubsequences: false).count <= 2 else {
            return .failure(
                ValueMistake(
                    .badAddress, "has '${path}' more than once", help: "write it once"))
        }
        return .success(text)
    }

    static func redirectStatus(_ text: String) -> Parsed<Int> {
        let known = ["301", "302", "303", "307", "308"]
        guard known.contains(text), let status = Int(text) else {
            return .failure(
                ValueMistake(
                    .badStatus, "is not the status of a redirect",
                    help: "write \(Spelling.list(known))"))
        }
        return .success(status)
    }
}
