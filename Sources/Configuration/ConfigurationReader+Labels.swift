import Timing
import YAML

extension ConfigurationReader {
    /// Labels that say something about one container, and not about its service.
    private static let ownKeys: Set<String> = [
        "enable", "service", "port", "network", "address", "weight", "backup", "version",
        "docker_health", "stop_signal",
    ]

    /// - Returns: the keys of labels that are there, and of which nothing can be used.
    func readLabels(
        _ root: YAMLNode, into labels: inout ContainerLabels,
        _ service: inout ServiceConfiguration
    ) -> Set<String> {
        var unusable: Set<String> = []
        var tls = service.tls ?? ServiceConfiguration.TLS()
        eachField(of: root, as: .named(.labels), at: []) { field in
            if !Self.ownKeys.contains(field.key) {
                labels.serviceSettings += Self.paths(of: field.value, at: field.path)
            }
            switch field.key {
            case "host", "path", "route", "rule":
                labels.namesRequests = true
                if !readRequests(field, into: &labels) { unusable.insert(field.key) }
            case "listener":
                labels.listeners = words(of: field, Value.listenerName)
                if labels.listeners.isEmpty { unusable.insert(field.key) }
            case "priority":
                labels.priority = value(field) { Value.integer($0, in: -1_000_000...1_000_000) }
                if labels.priority == nil { unusable.insert(field.key) }
            case "strip_prefix": read(field, into: &labels.stripsPrefix, Value.boolean)
            case "scheme":
                labels.scheme = value(field) {
                    Value.word($0, of: ContainerLabels.Scheme.self)
                }
                if labels.scheme == nil { unusable.insert(field.key) }
            case "port":
                labels.port = value(field, Value.port)
                if labels.port == nil { unusable.insert(field.key) }
            case "enable":
                labels.isEnabled = value(field, Value.boolean)
                if labels.isEnabled == nil { unusable.insert(field.key) }
            case "drain":
                read(field, into: &service.timeouts.drain) {
                    Value.duration($0, allowsZero: true)
                }
            case "slow_start":
                read(field, into: &service.balance.slowStart) { text in
                    Value.orOff(text) { Value.duration($0, allowsZero: true) }.map { $0 ?? .zero }
                }
            case "tls": readLabelTLS(field, into: &tls)
            default:
                readOwnLabel(field, into: &labels)
                readShared(field, into: &service)
            }
        }
        switch labels.scheme {
        // Only this label makes TLS of it: what is said about TLS besides may be a slip.
        case .https: service.tls = tls
        case .h2c: service.spoken = .h2c
        case .http, nil: break
        }
        checkOrder(of: service, at: [], isFromLabels: true)
        return unusable
    }

    /// - Returns: whether the label says anything that can be used.
    private func readRequests(_ field: Field, into labels: inout ContainerLabels) -> Bool {
        switch field.key {
        case "host":
            labels.hosts = words(of: field, Value.routeHost)
            return !labels.hosts.isEmpty
        case "path":
            labels.paths = words(of: field, Value.labelPath)
            return !labels.paths.isEmpty
        case "route":
            let patterns = words(of: field, Value.labelPattern)
            labels.patterns += patterns
            return !patterns.isEmpty
        default:
            let patterns = value(field, Value.labelRule) ?? []
            labels.patterns += patterns
            return !patterns.isEmpty
        }
    }

    /// What a list of a label says, without what is wrong; nothing after a report.
    private func words<Word>(of field: Field, _ parse: (String) -> Parsed<Word>) -> [Word] {
        let items = items(of: field)
        if case .list = field.value.content, items.isEmpty {
            report(
                .missingValue, "it is empty", at: field.value.place, path: field.path,
                help: "write a value, or remove the label")
        }
        return items.compactMap { value($0, parse) }
    }

    private func readOwnLabel(_ field: Field, into labels: inout ContainerLabels) {
        switch field.key {
        case "service":
            if let text = text(of: field)?.text {
                let count = diagnostics.count
                checkName(text, what: "service", at: field.value.place, path: field.path)
                if diagnostics.count == count { labels.service = text }
            }
        case "network": labels.network = text(of: field)?.text
        case "address":
            labels.address = value(field) { text in
                guard
                    let address = NumericAddress.version4(text[...])
                        ?? NumericAddress.version6(text[...])
                else {
                    return .failure(
                        ValueMistake(
                            .badAddress, "is not a numeric address",
                            help: "write an address such as 10.0.0.11, without a port"))
                }
                return .success(address.description)
            }
        case "weight": labels.weight = value(field) { Value.integer($0, in: 0...1000) }
        case "backup": read(field, into: &labels.isBackup, Value.boolean)
        case "version": labels.version = value(field, Self.version)
        case "docker_health":
            read(field, into: &labels.engineHealth) {
                Value.word($0, of: ContainerLabels.EngineHealth.self)
            }
        case "stop_signal": labels.stopSignal = text(of: field)?.text
        default: break
        }
    }

    private func readLabelTLS(_ field: Field, into tls: inout ServiceConfiguration.TLS) {
        eachField(of: field.value, as: .named(.labelTLS), at: field.path) { field in
            switch field.key {
            case "server_name": tls.serverName = value(field, Value.fixedHost)
            default: break
            }
        }
    }

    private static func paths(of node: YAMLNode, at path: [String]) -> [String] {
        guard case .map(let entries) = node.content else { return [path.joined(separator: ".")] }
        return entries.flatMap { paths(of: $0.value, at: path + [$0.key]) }
    }
}

extension Value {
    /// Labels name prefixes: `/api` is what a file writes as `/api/*`.
    static func labelPath(_ text: String) -> Parsed<RouteConfiguration.Path> {
        if text == "/" { return .success(.any) }
        var path = text
        while path.hasSuffix("/") { path.removeLast() }
        return routePath(path.hasSuffix("/*") ? path : path + "/*")
    }

    static func listenerName(_ text: String) -> Parsed<String> {
        guard (1...63).contains(text.utf8.count),
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            return .failure(
                ValueMistake(
                    .badName, "is not the name of a listener", help: "write it as the file does"))
        }
        return .success(text)
    }

    /// `app.example.com`, `*.example.com/api/*`, `*/healthz`: a host, and a path as in a file.
    static func labelPattern(_ text: String) -> Parsed<ContainerLabels.Pattern> {
        let slash = text.firstIndex(of: "/") ?? text.endIndex
        let host = slash == text.startIndex ? "*" : String(text[..<slash])
        return routeHost(host).flatMap { host in
            guard slash < text.endIndex else {
                return .success(ContainerLabels.Pattern(host: host, path: .any))
            }
            return routePath(String(text[slash...])).map {
                ContainerLabels.Pattern(host: host, path: $0)
            }
        }
    }
}
