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
///   requests, the one with the greater priority has them, else the one that had them first.
/// - A route for listeners that there are not is none: it is told, and what led to the service
///   before stays as if nobody asked for it any more.
public struct ServiceCatalogue: Equatable, Sendable {
    /// As many as a file may have.
    public static let routeBound = 10_000
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
    private var listeners: [String] = []
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
    /// - Parameters:
    ///   - listings: in any order.
    ///   - listeners: those that there are, by name.
    public mutating func update(
        _ listings: [Listing], listeners: [String] = [], now: LoopInstant
    ) {
        warnings = []
        self.listeners = listeners
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
            let patterns = listing.reading.labels.wanted
            if patterns.isEmpty, !listing.reading.labels.isClosed { entry.takesAll = true }
            for pattern in patterns {
                guard let pattern = known(pattern, of: listing) else { continue }
                // The newer one's priority.
                if let place = wanted.firstIndex(where: { $0.matchesSame(as: pattern) }) {
                    wanted[place] = pattern
                } else if wanted.count < ContainerLabels.patternBound {
                    wanted.append(pattern)
                }
            }
        }
        entry.patterns = entry.patterns.filter { old in
            !wanted.contains { $0.matchesSame(as: old.pattern) }
        }
        entry.abandonPatterns(now: now)
        let old = entry.patterns.prefix(ContainerLabels.patternBound)
        entry.patterns = wanted.map { Wish(pattern: $0, abandonedAt: nil) } + old
        entries[name] = entry
    }

    /// With the listeners that there are; `nil` when it names others only.
    private mutating func known(_ pattern: Pattern, of listing: Listing) -> Pattern? {
        var pattern = pattern
        let unknown = pattern.listeners.filter { !listeners.contains($0) }
        guard !unknown.isEmpty else { return pattern }
        for name in unknown {
            let warning = SourceWarning(
                listing.title, "its labels name the listener '\(name)', which there is not",
                help: listeners.isEmpty
                    ? "remove the label"
                    : "the listeners are \(listeners.joined(separator: ", "))")
            if !warnings.contains(warning) { warnings.append(warning) }
        }
        pattern.listeners.removeAll { unknown.contains($0) }
        return pattern.listeners.isEmpty ? nil : pattern
    }

    private mutating func warnOfDifferences(_ group: [Listing], _ newest: Listing, _ name: String) {
        var wanted = newest.reading.service
        wanted.name = name
        for listing in group.dropLast() {
            var other = listing.reading.service
            other.name = name
            guard other != wanted || listing.reading.labels.wanted != newest.reading.labels.wanted
            else { continue }
            warnings.append(
                SourceWarning(
                    listing.title,
                    "its labels say another thing about service '\(name)' than those of "
                        + "\(newest.title), which is newer and counts",
                    help: "give all containers of a service the same labels"))
        }
    }

    // MARK: - Routes

    private struct Place: Hashable {
        var host: RouteConfiguration.Host
        var path: RouteConfiguration.Path
    }

    private func route(_ pattern: Pattern, of entry: Entry) -> RouteConfiguration {
        var route = RouteConfiguration(action: .service(entry.configuration.name))
        route.host = pattern.host
        route.path = pattern.path
        route.methods = pattern.methods
        route.headers = pattern.headers
        route.listeners = pattern.listeners
        route.priority = pattern.priority
        route.timeouts = entry.configuration.timeouts
        route.retries = entry.configuration.retries
        if entry.stripsPrefix, case .prefix = pattern.path { route.stripsPrefix = true }
        return route
    }

    private mutating func makeRoutes(_ entries: [Entry]) {
        var made: [RouteConfiguration] = []
        var places: [Place: [Int]] = [:]
        var isFull = false
        /// - Returns: the service that has these requests already.
        func add(_ route: RouteConfiguration) -> String? {
            let place = Place(host: route.host, path: route.path)
            for other in places[place, default: []].map({ made[$0] })
            where other.ties(with: route) {
                guard case .service(let owner) = other.action else { continue }
                if other.action != route.action { return owner }
                if other.asksTheSame(as: route) { return nil }
            }
            guard made.count < Self.routeBound else {
                isFull = true
                return nil
            }
            places[place, default: []].append(made.count)
            made.append(route)
            return nil
        }
        let asked = entries.flatMap { entry in
            entry.patterns.filter { $0.abandonedAt == nil }.map { (entry, $0.pattern) }
        }
        // Stable: of equal ones the first keeps it.
        let inOrder = asked.enumerated().sorted { a, b in
            let (first, second) = (a.element.1.priority, b.element.1.priority)
            return first == second ? a.offset < b.offset : first > second
        }
        for (entry, pattern) in inOrder.map(\.element) {
            let route = route(pattern, of: entry)
            guard let owner = add(route) else { continue }
            let text = RouteConfiguration.inOrder([route])[0].label
            warnings.append(
                SourceWarning(
                    "service '\(entry.configuration.name)'",
                    "service '\(owner)' has the requests for '\(text)' already",
                    help: "give them different hosts or paths"))
        }
        for entry in entries where entry.takesAll {
            guard let owner = add(route(Pattern(host: .any, path: .any), of: entry))
            else { continue }
            warnings.append(
                SourceWarning(
                    "service '\(entry.configuration.name)'",
                    "no host or path leads to it, and service '\(owner)' has all other requests",
                    help: "add the label '\(ContainerReader.prefix)host'"))
        }
        for entry in entries {
            for wish in entry.patterns where wish.abandonedAt != nil {
                _ = add(route(wish.pattern, of: entry))
            }
        }
        if isFull {
            warnings.append(
                SourceWarning(
                    "labels",
                    "they ask for more than \(Self.routeBound) routes: the others are left out",
                    help: "use wildcards: '*.example.com', '/api'"))
        }
        routes = RouteConfiguration.inOrder(made)
    }
}
