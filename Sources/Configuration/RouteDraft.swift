import YAML

/// A route as it was written, with the places that messages about it point to.
struct RouteDraft {
    var route: RouteConfiguration
    var place: YAMLPlace
    var path: [String]
}

extension RouteConfiguration {
    /// How many things besides host and path a request must have.
    var conditionCount: Int { (methods.isEmpty ? 0 : 1) + headers.count }
    private var valueCount: Int { headers.count { $0.value != nil } }

    /// Whether this route is asked before `other`: exact host, then the longest wildcard, then
    /// any; exact path, then the longest prefix, then any; then one for some listeners; then more
    /// conditions, and among those more that ask for a value. Routes that could both match and
    /// stand equal are refused; the alphabet keeps routes of one host and path together.
    func precedes(_ other: RouteConfiguration) -> Bool {
        if host != other.host { return Self.rank(host) < Self.rank(other.host) }
        if path != other.path { return Self.rank(path) < Self.rank(other.path) }
        if listeners.isEmpty != other.listeners.isEmpty { return other.listeners.isEmpty }
        if conditionCount != other.conditionCount { return conditionCount > other.conditionCount }
        return valueCount > other.valueCount
    }

    private struct Rank: Comparable {
        var kind: Int
        var length: Int
        var text: String
        static func < (a: Rank, b: Rank) -> Bool {
            if a.kind != b.kind { return a.kind < b.kind }
            if a.length != b.length { return a.length > b.length }
            return a.text < b.text
        }
    }

    private static func rank(_ host: Host) -> Rank {
        switch host {
        case .exact(let name): Rank(kind: 0, length: 0, text: name)
        case .suffix(let suffix): Rank(kind: 1, length: suffix.utf8.count, text: suffix)
        case .any: Rank(kind: 2, length: 0, text: "")
        }
    }

    private static func rank(_ path: Path) -> Rank {
        switch path {
        case .exact(let text): Rank(kind: 0, length: 0, text: text)
        case .prefix(let text): Rank(kind: 1, length: text.utf8.count, text: text)
        case .any: Rank(kind: 2, length: 0, text: "")
        }
    }

    /// Whether neither route is asked first although one request can match both.
    public func ties(with other: RouteConfiguration) -> Bool {
        guard host == other.host, path == other.path,
            listeners.isEmpty == other.listeners.isEmpty,
            conditionCount == other.conditionCount, valueCount == other.valueCount
        else { return false }
        if !methods.isEmpty, !other.methods.isEmpty,
            Set(methods).isDisjoint(with: other.methods)
        {
            return false
        }
        if !listeners.isEmpty, !other.listeners.isEmpty,
            Set(listeners).isDisjoint(with: other.listeners)
        {
            return false
        }
        for condition in headers {
            for second in other.headers where second.name == condition.name {
                if let value = condition.value, let otherValue = second.value, value != otherValue {
                    return false
                }
            }
        }
        return true
    }

    /// Whether both ask the same of a request besides host and path.
    public func asksTheSame(as other: RouteConfiguration) -> Bool {
        methods == other.methods && headers == other.headers && listeners == other.listeners
    }

    /// Whether a route of the file has what this one of a label wants.
    public func yields(to route: RouteConfiguration) -> Bool {
        host == route.host && path == route.path
            && (route.conditionCount == 0 && route.listeners.isEmpty || ties(with: route))
    }

    /// `app.example.com/api/*`; `*` for a route that takes all.
    var patternText: String {
        let hostText =
            switch host {
            case .any: ""
            case .exact(let name): name
            case .suffix(let suffix): "*" + suffix
            }
        let pathText =
            switch path {
            case .any: ""
            case .exact(let text): text
            case .prefix(let text): text + "/*"
            }
        return hostText.isEmpty && pathText.isEmpty ? "*" : hostText + pathText
    }
}

extension RouteConfiguration {
    /// Routes in the order in which they are asked, and a label for each.
    public static func inOrder(_ routes: [RouteConfiguration]) -> [RouteConfiguration] {
        var routes = routes
        for index in routes.indices { routes[index].label = routes[index].patternText }
        // Stable, so that equal ones keep the order in which they came.
        return routes.enumerated().sorted { a, b in
            if a.element.precedes(b.element) { return true }
            if b.element.precedes(a.element) { return false }
            return a.offset < b.offset
        }.map(\.element)
    }
}
