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
    /// A label says which requests lead here, whether it can be used or not.
    public var namesRequests = false
    /// What leads here was not understood and may have kept people out: the container never
    /// takes what no other route asks for.
    public var isClosed = false
    /// The port, or how it is spoken to, was not understood: it gets no requests, because
    /// another port may not be meant for clients.
    public var isUnreachable = false
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
        if wanted.isEmpty, !isClosed, !listeners.isEmpty || priority != nil {
            wanted = [Pattern(host: .any, path: .any)]
        }
        for index in wanted.indices {
            if !listeners.isEmpty { wanted[index].listeners = listeners }
            if let priority { wanted[index].priority = priority }
        }
        return wanted
    }

    /// Nothing leads to the container.
    mutating func close() {
        hosts = []
        paths = []
        patterns = []
        isClosed = true
    }

    /// What follows when a label is there, and what it says cannot be used. To go on as if it
    /// were not there would open what it was to keep.
    private enum Consequence: String {
        case noRoute = ", so no route leads to this container"
        case noRequests = ", so it gets no requests"
        case leftOut = ", so it is left out"

        /// - Returns: `nil` for what costs itself only.
        init?(of key: String) {
            switch key {
            case "host", "path", "route", "rule", "listener", "priority": self = .noRoute
            case "port", "scheme": self = .noRequests
            case "enable": self = .leftOut
            default: return nil
            }
        }
    }

    /// Words in names of labels that were probably to say which requests lead here.
    private static let routingWords = [
        "host", "domain", "path", "prefix", "rout", "rule", "listen", "entrypoint", "priorit",
    ]

    private static func isAboutRequests(_ key: String) -> Bool {
        if let meant = Shape.named(.labels).meant(by: key), Consequence(of: meant) == .noRoute {
            return true
        }
        return routingWords.contains { key.contains($0) }
    }

    /// A label that is wrong, in the words of messages about files.
    public struct Mistake: Equatable, Sendable {
        /// With its prefix.
        public var label: String
        public var sentence: String
        public var help: String?
    }

    /// Reads the labels that begin with `prefix`, in any case, and puts what concerns the service
    /// over `service`. A label that is wrong is left out and told; the others count.
    ///
    /// Labels say only what may be said from outside: none names a file or a variable of this
    /// process, and none weakens how connections are secured.
    ///
    /// A label that is there and cannot be used never opens what it would have kept: when it says
    /// which requests lead here, none do, whatever other labels say; when it is the port or the
    /// scheme, the container gets no requests; when it is `enable`, the container is not meant.
    public static func read(
        _ labels: [String: String], prefix: String, over service: inout ServiceConfiguration
    ) -> (labels: ContainerLabels, mistakes: [Mistake]) {
        let own = labels.filter { $0.key.prefix(prefix.count).lowercased() == prefix }
        guard !own.isEmpty else { return (ContainerLabels(), []) }
        let reader = ConfigurationReader(
            file: "labels", environment: { _ in nil }, readFile: { _ in nil })
        var spelled: [String: String] = [:]
        var mistakes: [Mistake] = []
        let tree = LabelTree(own, prefix: prefix, &spelled, &mistakes)
        var result = ContainerLabels()
        var unusable = reader.readLabels(tree.node, into: &result, &service)
        for diagnostic in reader.diagnostics where diagnostic.code == .unknownKey {
            guard diagnostic.keyPath.count == 1, let key = diagnostic.keyPath.first else {
                continue
            }
            let names = spelled.keys.filter { $0 == key || $0.hasPrefix("\(key).") }
            if names.contains(where: isAboutRequests) { unusable.insert(key) }
        }
        var consequences: [String: Consequence] = [:]
        for key in unusable { consequences[key] = Consequence(of: key) ?? .noRoute }
        if consequences.values.contains(.noRoute) { result.close() }
        if consequences.values.contains(.noRequests) { result.isUnreachable = true }
        if consequences.values.contains(.leftOut) { result.isEnabled = false }
        let ways = max(1, result.hosts.count) * max(1, result.paths.count) + result.patterns.count
        if ways > patternBound {
            mistakes.append(
                Mistake(
                    label: prefix + (result.hosts.isEmpty ? "path" : "host"),
                    sentence: "more than \(patternBound) ways lead here, so it is left out",
                    help: "use wildcards: '*.example.com', '/api'"))
            result.close()
        }
        mistakes += reader.diagnostics.map { diagnostic in
            let path = diagnostic.keyPath.joined(separator: ".")
            let label = spelled[path] ?? prefix + path
            let isUnknown = diagnostic.code == .unknownKey
            let consequence = diagnostic.keyPath.first.flatMap { consequences[$0] }
            return Mistake(
                label: short(label),
                sentence: (isUnknown ? "there is no such label" : short(diagnostic.sentence))
                    + (consequence?.rawValue ?? ""),
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
