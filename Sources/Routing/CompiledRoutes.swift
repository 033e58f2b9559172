public import Configuration
import Memory

/// The contents of a ``RouteTable``, made once for a configuration; each loop copies them into
/// a table of its own, which is a matter of a few large arrays.
public struct CompiledRoutes: Sendable {
    private struct PathKey: Hashable {
        var host: Int32
        var path: RouteConfiguration.Path
    }

    private(set) var entries: [RouteTable.Entry] = []
    private(set) var methods: [ByteRange] = []
    private(set) var conditions: [RouteTable.Condition] = []
    /// The numbers of listeners, by route.
    private(set) var listeners: [UInt32] = []
    private(set) var text: [UInt8] = []
    private(set) var hosts: [RouteTable.HostGroup] = []
    private(set) var paths: [RouteTable.PathGroup] = []
    private(set) var hostSlots: [RouteTable.Slot] = []
    private(set) var pathSlots: [RouteTable.Slot] = []
    private(set) var longestHost = -1
    private(set) var hasPriorities = false

    private var hostNumbers: [RouteConfiguration.Host: Int32] = [:]
    private var pathNumbers: [PathKey: Int32] = [:]

    var anyHost: Int32 { hostNumbers[.any] ?? -1 }

    /// - Parameters:
    ///   - routes: sorted by precedence, as the loader leaves them.
    ///   - listeners: the numbers of the listeners of a name.
    /// - Complexity: O(n) in the bytes of the routes.
    public init(_ routes: [RouteConfiguration], listeners: [String: [Int]] = [:]) {
        for route in routes { add(route, listeners) }
        hasPriorities = routes.contains { $0.priority ?? 0 != 0 }
        link()
    }

    // MARK: - Collecting

    private mutating func add(_ route: RouteConfiguration, _ numbers: [String: [Int]]) {
        let firstMethod = methods.count
        for method in route.methods { methods.append(add(method)) }
        let firstCondition = conditions.count
        for header in route.headers {
            conditions.append(
                RouteTable.Condition(
                    name: add(header.name), value: add(header.value ?? ""),
                    asksForValue: header.value != nil))
        }
        let hostNumber = number(of: route.host)
        let hostText = hosts[Int(hostNumber)].text
        let host: RouteTable.Host =
            switch route.host {
            case .any: .any
            case .exact: .exact(hostText)
            case .suffix: .suffix(hostText)
            }
        let pathNumber = number(of: PathKey(host: hostNumber, path: route.path))
        let pathText = paths[Int(pathNumber)].text
        let path: RouteTable.Path =
            switch route.path {
            case .any: .any
            case .exact: .exact(pathText)
            case .prefix: .prefix(pathText)
            }
        let firstListener = listeners.count
        for name in route.listeners { listeners += (numbers[name] ?? []).map { UInt32($0) } }
        let routes = paths[Int(pathNumber)].routes
        precondition(
            routes.upper == entries.count, "routes of one host and path stand side by side")
        paths[Int(pathNumber)].routes = ByteRange(routes.lower, entries.count + 1)
        entries.append(
            RouteTable.Entry(
                host: host, path: path, methods: ByteRange(firstMethod, methods.count),
                conditions: ByteRange(firstCondition, conditions.count),
                listeners: ByteRange(firstListener, listeners.count),
                isForAll: route.listeners.isEmpty,
                priority: route.priority.map { Int32(clamping: min($0, Int(Int32.max) - 1)) }
                    ?? RouteTable.fixedPriority))
    }

    private mutating func add(_ string: String) -> ByteRange {
        let start = text.count
        text += Array(string.utf8)
        return ByteRange(start, text.count)
    }

    private mutating func number(of host: RouteConfiguration.Host) -> Int32 {
        if let known = hostNumbers[host] { return known }
        let number = Int32(hosts.count)
        hostNumbers[host] = number
        let range: ByteRange =
            switch host {
            case .any: .empty
            case .exact(let name), .suffix(let name): add(name)
            }
        if host != .any { longestHost = max(longestHost, Int(range.count)) }
        hosts.append(
            RouteTable.HostGroup(text: range, next: -1, anyPath: -1, longestPath: -1))
        return number
    }

    private mutating func number(of key: PathKey) -> Int32 {
        if let known = pathNumbers[key] { return known }
        let number = Int32(paths.count)
        pathNumbers[key] = number
        let host = Int(key.host)
        var range = ByteRange.empty
        switch key.path {
        case .any: hosts[host].anyPath = number
        case .exact(let path), .prefix(let path):
            range = add(path)
            hosts[host].longestPath = max(hosts[host].longestPath, Int(range.count))
        }
        paths.append(
            RouteTable.PathGroup(
                host: key.host, text: range, next: -1,
                routes: ByteRange(entries.count, entries.count)))
        return number
    }

    // MARK: - Linking

    /// Ties each pattern to the one that covers it, and fills the hash tables.
    private mutating func link() {
        hostSlots = Self.freeSlots(for: hosts.count)
        for (host, number) in hostNumbers { link(host, Int(number)) }
        pathSlots = Self.freeSlots(for: paths.count)
        for (key, number) in pathNumbers { link(key, Int(number)) }
    }

    private mutating func link(_ host: RouteConfiguration.Host, _ number: Int) {
        let name: [UInt8]
        switch host {
        case .any: return
        case .exact(let text), .suffix(let text): name = Array(text.utf8)
        }
        hosts[number].next = anyHost
        // From the longest: the first that is there covers the host.
        for index in name.indices.dropFirst() where name[index] == UInt8(ascii: ".") {
            let suffix = String(decoding: name[index...], as: UTF8.self)
            if let next = hostNumbers[.suffix(suffix)] {
                hosts[number].next = next
                break
            }
        }
        var hash = RouteHash(seed: 0)
        for byte in name.reversed() { hash.add(byte) }
        let isExact = if case .exact = host { true } else { false }
        Self.insert(hash.value, isExact: isExact, number, into: &hostSlots)
    }

    private mutating func link(_ key: PathKey, _ number: Int) {
        let path: [UInt8]
        let isExact: Bool
        switch key.path {
        case .any: return
        case .exact(let text): (path, isExact) = (Array(text.utf8), true)
        case .prefix(let text): (path, isExact) = (Array(text.utf8), false)
        }
        paths[number].next = hosts[Int(key.host)].anyPath
        // A prefix covers the path that is its text, and what follows it after a slash.
        let ends = (isExact ? [path.count] : []) + path.indices.reversed()
        for end in ends where end == path.count || path[end] == UInt8(ascii: "/") {
            let prefix = String(decoding: path[..<end], as: UTF8.self)
            if let next = pathNumbers[PathKey(host: key.host, path: .prefix(prefix))] {
                paths[number].next = next
                break
            }
        }
        var hash = RouteHash(seed: UInt64(key.host) &+ 1)
        for byte in path { hash.add(byte) }
        Self.insert(hash.value, isExact: isExact, number, into: &pathSlots)
    }

    /// At most half of the slots are ever used, so a search for what is not there is short.
    private static func freeSlots(for count: Int) -> [RouteTable.Slot] {
        var capacity = 1
        while capacity < 2 * count { capacity *= 2 }
        return Array(repeating: RouteTable.Slot(hash: 0, group: -1), count: capacity)
    }

    private static func insert(
        _ hash: UInt64, isExact: Bool, _ number: Int, into slots: inout [RouteTable.Slot]
    ) {
        let hash = isExact ? hash ^ RouteHash.exact : hash
        let mask = slots.count - 1
        var index = RouteHash.slot(hash) & mask
        while slots[index].group >= 0 { index = (index + 1) & mask }
        slots[index] = RouteTable.Slot(hash: hash, group: Int32(number))
    }
}
