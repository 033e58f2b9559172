public import Configuration
public import Timing

/// Services and routes that labels make: each container with `staithe.enable=true` names its
/// service, and the hosts and paths that lead there.
///
/// ## Invariants
/// - A service, and each of its routes, stays for an hour after the last container that asked for
///   it, unless another service asks: between two containers of one name, and after a slip of the
///   pen, requests are served or get 503, and not 404.
/// - Of settings that differ, the newest container's count; of two services that want the same
///   host and path, the one that had it first keeps it.
public struct ServiceCatalogue: Equatable, Sendable {
    /// How long what no container asks for any more is kept.
    public static let memory = Interval.seconds(3600)

    private typealias Pattern = ContainerLabels.Pattern

    private struct Wish: Equatable {
        var pattern: Pattern
        /// `nil` while a container asks for it.
        var abandonedAt: LoopInstant?
    }

    private struct Entry: Equatable {
        var configuration: ServiceConfiguration
        var patterns: [Wish] = []
        var stripsPrefix = false
        /// Its containers say neither host nor path.
        var takesAll = false
        /// The order in which services came.
        var order: Int
        /// `nil` while it has containers.
        var abandonedAt: LoopInstant?

        /// Nobody asks for its patterns now; those for which nobody has asked for long go.
        mutating func abandonPatterns(now: LoopInstant) {
            for index in patterns.indices where patterns[index].abandonedAt == nil {
                patterns[index].abandonedAt = now
            }
            patterns.removeAll { now - ($0.abandonedAt ?? now) >= ServiceCatalogue.memory }
        }
    }

    private var entries: [String: Entry] = [:]
    private var nextOrder = 0
    public private(set) var services: [ServiceConfiguration] = []
    public private(set) var routes: [RouteConfiguration] = []
    public private(set) var warnings: [SourceWarning] = []

    public init() {}

    /// A container of the catalogue.
    public struct Listing: Sendable {
        public var title: String
        public var service: String
        public var generation: Int
        public var reading: ContainerReader.Reading

        public init(
            title: String, service: String, generation: Int, reading: ContainerReader.Reading
        ) {
            self.title = title
            self.service = service
            self.generation = generation
            self.reading = reading
        }
    }

    /// Makes services and routes of the containers that there are.
    ///
    /// - Parameter listings: in any order.
    public mutating func update(_ listings: [Listing], now: LoopInstant) {
        warnings = []
        let groups = Dictionary(grouping: listings) { $0.service }
        for name in groups.keys.sorted() {
            let group = groups[name, default: []].sorted { $0.generation < $1.generation }
            adopt(group, name: name, now: now)
        }
        for name in entries.keys where groups[name] == nil {
            let since = entries[name]?.abandonedAt ?? now
            entries[name]?.abandonedAt = since
            entries[name]?.abandonPatterns(now: now)
            if now - since >= Self.memory { entries[name] = nil }
        }
        let ordered = entries.values.sorted { $0.order < $1.order }
        services = ordered.map(\.configuration)
        makeRoutes(ordered)
    }

    private mutating func adopt(_ group: [Listing], name: String, now: LoopInstant) {
        guard let newest = group.last else { return }
        var entry =
            entries[name]
            ?? Entry(configuration: newest.reading.service, order: nextOrder)
        if entries[name] == nil { nextOrder += 1 }
        entry.abandonedAt = nil
        entry.configuration = newest.reading.service
        entry.configuration.name = name
        entry.stripsPrefix = newest.reading.labels.stripsPrefix
        warnOfDifferences(group, newest, name)
        // The union: while one release takes the other's place, both are asked for.
        var wanted: [Pattern] = []
        entry.takesAll = false
        for listing in group {
            let labels = listing.reading.labels
            for pattern in labels.patterns where !wanted.contains(pattern) {
                wanted.append(pattern)
            }
            if labels.hosts.isEmpty, labels.paths.isEmpty {
                if labels.patterns.isEmpty { entry.takesAll = true }
                continue
            }
            for host in labels.hosts.isEmpty ? [.any] : labels.hosts {
                for path in labels.paths.isEmpty ? [.any] : labels.paths {
                    let pattern = Pattern(host: host, path: path)
                    if !wanted.contains(pattern) { wanted.append(pattern) }
                }
            }
        }
        entry.patterns = entry.patterns.filter { !wanted.contains($0.pattern) }
        entry.abandonPatterns(now: now)
        entry.patterns = wanted.map { Wish(pattern: $0, abandonedAt: nil) } + entry.patterns
        entries[name] = entry
    }

    private mutating func warnOfDifferences(_ group: [Listing], _ newest: Listing, _ name: String) {
        var wanted = newest.reading.service
        wanted.name = name
        for listing in group.dropLast() {
            var other = listing.reading.service
            other.name = name
            guard
                other != wanted || listing.reading.labels.hosts != newest.reading.labels.hosts
                    || listing.reading.labels.paths != newest.reading.labels.paths
                    || listing.reading.labels.patterns != newest.reading.labels.patterns
            else { continue }
            warnings.append(
                SourceWarning(
                    listing.title,
                    "its labels say another thing about service '\(name)' than those of "
                        + "\(newest.title), which is newer and counts",
                    help: "give all containers of a service the same labels"))
        }
    }

    private mutating func makeRoutes(_ entries: [Entry]) {
        var owners: [Pattern: String] = [:]
        var made: [RouteConfiguration] = []
        func add(_ pattern: Pattern, _ entry: Entry) -> String? {
            if let owner = owners[pattern] { return owner }
            owners[pattern] = entry.configuration.name
            var route = RouteConfiguration(action: .service(entry.configuration.name))
            route.host = pattern.host
            route.path = pattern.path
            route.timeouts = entry.configuration.timeouts
            route.retries = entry.configuration.retries
            if entry.stripsPrefix, case .prefix = pattern.path { route.stripsPrefix = true }
            made.append(route)
            return nil
        }
        for entry in entries {
            for wish in entry.patterns where wish.abandonedAt == nil {
                let pattern = wish.pattern
                guard let owner = add(pattern, entry), owner != entry.configuration.name else {
                    continue
                }
                var route = RouteConfiguration(action: .service(owner))
                route.host = pattern.host
                route.path = pattern.path
                let text = RouteConfiguration.inOrder([route])[0].label
                warnings.append(
                    SourceWarning(
                        "service '\(entry.configuration.name)'",
                        "service '\(owner)' has the requests for '\(text)' already",
                        help: "give them different hosts or paths"))
            }
        }
        for entry in entries where entry.takesAll {
            guard let owner = add(Pattern(host: .any, path: .any), entry),
                owner != entry.configuration.name
            else { continue }
            warnings.append(
                SourceWarning(
                    "service '\(entry.configuration.name)'",
                    "no host or path leads to it, and service '\(owner)' has all other requests",
                    help: "add the label '\(ContainerReader.prefix)host'"))
        }
        for entry in entries {
            for wish in entry.patterns where wish.abandonedAt != nil {
                _ = add(wish.pattern, entry)
            }
        }
        routes = RouteConfiguration.inOrder(made)
    }
}
