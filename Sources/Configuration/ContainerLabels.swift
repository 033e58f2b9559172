import Timing
import YAML

/// What the labels of a container say about it, and about the service that it belongs to.
public struct ContainerLabels: Equatable, Sendable {
    public enum Scheme: String, Sendable, CaseIterable { case http, https, h2c }
    /// What becomes of the engine's own health check.
    public enum EngineHealth: String, Sendable, CaseIterable {
        /// Ours or the engine's, whichever is first.
        case use
        case ignore
        /// No request before the engine says healthy.
        case require
    }

    public var isEnabled: Bool?
    public var service: String?
    public var port: UInt16?
    public var scheme: Scheme?
    public var network: String?
    /// A numeric address without a port.
    public var address: String?
    public var weight: Int?
    public var isBackup = false
    public var version: String?
    public var engineHealth = EngineHealth.use
    public var stopSignal: String?
    /// For routes; empty for any.
    public var hosts: [RouteConfiguration.Host] = []
    /// For routes; empty for any.
    public var paths: [RouteConfiguration.Path] = []
    /// Hosts with their paths, for where not each host has each path.
    public var patterns: [Pattern] = []
    /// For routes: the listeners that they are for, by name; empty for any.
    public var listeners: [String] = []
    /// For routes.
    public var priority: Int?
    /// What leads here was not understood and may have kept people out: nothing does, unless
    /// something else is said.
    public var isClosed = false
    public var stripsPrefix = false
    /// Labels that configure the service as a whole, without the prefix, sorted.
    public var serviceSettings: [String] = []

    public init() {}

    /// `app.example.com/api/*`: what a route matches.
    public struct Pattern: Equatable, Hashable, Sendable {
        public var host: RouteConfiguration.Host
        public var path: RouteConfiguration.Path
        /// Empty means all.
        public var methods: [String] = []
        public var headers: [RouteConfiguration.HeaderCondition] = []
        /// Empty means any.
        public var listeners: [String] = []
        public var priority = 0

        public init(host: RouteConfiguration.Host, path: RouteConfiguration.Path) {
            self.host = host
            self.path = path
        }

        /// Whether the same requests match.
        public func matchesSame(as other: Pattern) -> Bool {
            var same = self
            same.priority = other.priority
            return same == other
        }
    }

    /// More ways than this are a mistake: hosts and paths multiply.
    public static let patternBound = 1024

    /// Everything that is to lead to the service. Empty when nothing is said about that.
    public var wanted: [Pattern] {
        var wanted = patterns
        if !hosts.isEmpty || !paths.isEmpty {
            for host in hosts.isEmpty ? [.any] : hosts {
                for path in paths.isEmpty ? [.any] : paths {
                    wanted.append(Pattern(host: host, path: path))
                }
            }
        }
        if wanted.isEmpty, !listeners.isEmpty || priority != nil {
            wanted = [Pattern(host: .any, path: .any)]
        }
        for index in wanted.indices {
            if !listeners.isEmpty { wanted[index].listeners = listeners }
            if let priority { wanted[index].priority = priority }
        }
        return wanted
    }

    /// A label that is wrong, in the words of messages about files.
    public struct Mistake: Equatable, Sendable {
        /// With its prefix.
        public var label: String
        public var sentence: String
        public var help: String?
    }

    /// Reads the labels that begin with `prefix`, and puts what concerns the service over
    /// `service`. A label that is wrong is left out and told; the others count.
    ///
    /// Labels say only what may be said from outside: none names a file or a variable of this
    /// process.
    public static func read(
        _ labels: [String: String], prefix: String, over service: inout ServiceConfiguration
    ) -> (labels: ContainerLabels, mistakes: [Mistake]) {
        let own = labels.filter { $0.key.hasPrefix(prefix) }
        guard !own.isEmpty else { return (ContainerLabels(), []) }
        let reader = ConfigurationReader(
            file: "labels", environment: { _ in nil }, readFile: { _ in nil })
        var spelled: [String: String] = [:]
        var mistakes: [Mistake] = []
        let tree = LabelTree(own, prefix: prefix, &spelled, &mistakes)
        var result = ContainerLabels()
        reader.readLabels(tree.node, into: &result, &service)
        let ways = max(1, result.hosts.count) * max(1, result.paths.count) + result.patterns.count
        if ways > patternBound {
            mistakes.append(
                Mistake(
                    label: prefix + (result.hosts.isEmpty ? "path" : "host"),
                    sentence: "more than \(patternBound) ways lead here, so it is left out",
                    help: "use wildcards: '*.example.com', '/api'"))
            result.hosts = []
            result.paths = []
            result.patterns = []
            result.isClosed = true
        }
        mistakes += reader.diagnostics.map { diagnostic in
            let path = diagnostic.keyPath.joined(separator: ".")
            let label = spelled[path] ?? prefix + path
            let isUnknown = diagnostic.code == .unknownKey
            return Mistake(
                label: short(label),
                sentence: isUnknown ? "there is no such label" : short(diagnostic.sentence),
                help: diagnostic.help.map { isUnknown ? prefixed($0, prefix, path) : $0 })
        }
        result.serviceSettings.sort()
        return (result, mistakes)
    }

    /// What others write goes into logs: no more of it than a person reads.
    private static func short(_ text: String) -> String {
        text.utf8.count <= 300 ? text : "\(text.prefix(200))…"
    }

    /// `did you mean 'port'?` as a person writes it into a compose file.
    private static func prefixed(_ help: String, _ prefix: String, _ path: String) -> String {
        guard help.hasPrefix("did you mean '"), let end = help.dropFirst(14).firstIndex(of: "'")
        else { return help }
        let word = help.dropFirst(14)[..<end]
        let outer = path.split(separator: ".").dropLast().map { $0 + "." }.joined()
        return "did you mean '\(prefix)\(outer)\(word)'?"
    }
}

/// Labels as the tree that a file would have: `health.path=/up` is `health: { path: /up }`.
private struct LabelTree {
    private static let place = YAMLPlace(line: 1, column: 1, endLine: 1, endColumn: 1)
    /// No label that means something is as long.
    private static let keyBound = 128
    /// Their values are lists, which labels write with commas.
    private static let lists: Set<String> = [
        "host", "path", "route", "listener", "retries.when",
    ]

    private final class Branch {
        var value: String?
        var branches: [String: Branch] = [:]
    }

    private(set) var node: YAMLNode

    /// - Parameter spelled: receives each label as it was written, by its path.
    init(
        _ labels: [String: String], prefix: String, _ spelled: inout [String: String],
        _ mistakes: inout [ContainerLabels.Mistake]
    ) {
        let root = Branch()
        for (label, value) in labels.sorted(by: { $0.key < $1.key }) {
            guard label.utf8.count <= Self.keyBound else {
                mistakes.append(
                    ContainerLabels.Mistake(
                        label: "\(label.prefix(40))…", sentence: "there is no such label"))
                continue
            }
            let path = label.dropFirst(prefix.count).lowercased()
                .map { $0 == "-" ? "_" : $0 }
                .split(separator: ".", omittingEmptySubsequences: false)
                .map { String($0) }
            var branch = root
            for key in path {
                let next = branch.branches[key] ?? Branch()
                branch.branches[key] = next
                branch = next
            }
            if branch.value != nil {
                mistakes.append(
                    ContainerLabels.Mistake(
                        label: label, sentence: "the same label is there in another spelling",
                        help: "remove one of them"))
            }
            branch.value = value
            spelled[path.joined(separator: ".")] = label
        }
        node = Self.node(root, path: [], spelled, &mistakes)
    }

    private static func node(
        _ branch: Branch, path: [String], _ spelled: [String: String],
        _ mistakes: inout [ContainerLabels.Mistake]
    ) -> YAMLNode {
        if !branch.branches.isEmpty {
            // `balance=p2c` beside `balance.choices=3` is the strategy.
            if let value = branch.value {
                if path == ["balance"] {
                    let strategy = Branch()
                    strategy.value = value
                    branch.branches["strategy"] = branch.branches["strategy"] ?? strategy
                } else if let label = spelled[path.joined(separator: ".")] {
                    mistakes.append(
                        ContainerLabels.Mistake(
                            label: label,
                            sentence: "it has no value of its own beside '\(label).…'",
                            help: "remove it"))
                }
            }
            let entries = branch.branches.sorted { $0.key < $1.key }.map { key, inner in
                YAMLEntry(
                    key: key, keyPlace: place,
                    value: node(inner, path: path + [key], spelled, &mistakes))
            }
            return YAMLNode(.map(entries), at: place)
        }
        let text = branch.value ?? ""
        guard lists.contains(path.joined(separator: ".")) else {
            return YAMLNode(.scalar(text, isPlain: false), at: place)
        }
        let items = text.split(separator: ",").map { part in
            let trimmed = part.drop { $0 == " " }
            return YAMLNode(
                .scalar(String(trimmed.reversed().drop { $0 == " " }.reversed()), isPlain: false),
                at: place)
        }
        return YAMLNode(.list(items), at: place)
    }
}

extension ConfigurationReader {
    /// Labels that say something about one container, and not about its service.
    private static let ownKeys: Set<String> = [
        "enable", "service", "port", "network", "address", "weight", "backup", "version",
        "docker_health", "stop_signal",
    ]

    fileprivate func readLabels(
        _ root: YAMLNode, into labels: inout ContainerLabels,
        _ service: inout ServiceConfiguration
    ) {
        var tls = service.tls ?? ServiceConfiguration.TLS()
        eachField(of: root, as: .named(.labels), at: []) { field in
            if !Self.ownKeys.contains(field.key) {
                labels.serviceSettings += Self.paths(of: field.value, at: field.path)
            }
            switch field.key {
            case "host":
                labels.hosts = items(of: field).compactMap { value($0, Value.routeHost) }
            case "path":
                labels.paths = items(of: field).compactMap { value($0, Value.labelPath) }
            case "route":
                labels.patterns += items(of: field).compactMap { value($0, Value.labelPattern) }
            case "rule":
                let patterns = value(field, Value.labelRule)
                labels.patterns += patterns ?? []
                labels.isClosed = patterns == nil
            case "listener": readListeners(field, into: &labels)
            case "priority":
                labels.priority = value(field) { Value.integer($0, in: -1_000_000...1_000_000) }
            case "strip_prefix": read(field, into: &labels.stripsPrefix, Value.boolean)
            case "scheme":
                labels.scheme = value(field) {
                    Value.word($0, of: ContainerLabels.Scheme.self)
                }
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
    }

    private func readListeners(_ field: Field, into labels: inout ContainerLabels) {
        let items = items(of: field)
        labels.listeners = items.compactMap { value($0, Value.listenerName) }
        guard labels.listeners.isEmpty else { return }
        labels.isClosed = true
        if items.isEmpty {
            report(
                .missingValue, "it names no listener", at: field.value.place, path: field.path,
                help: "write the name of a listener, or remove the label")
        }
    }

    private func readOwnLabel(_ field: Field, into labels: inout ContainerLabels) {
        switch field.key {
        case "enable": labels.isEnabled = value(field, Value.boolean)
        case "service":
            if let text = text(of: field)?.text {
                let count = diagnostics.count
                checkName(text, what: "service", at: field.value.place, path: field.path)
                if diagnostics.count == count { labels.service = text }
            }
        case "port": labels.port = value(field, Value.port)
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
            case "verify": self.read(field, into: &tls.verifies, Value.boolean)
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
