import Configuration
import HTTP
import Memory
import Routing

/// What a request shows to the routes.
struct Request: CustomStringConvertible {
    var method = "GET"
    /// Without port.
    var host = ""
    /// Without query, normalised.
    var path = "/"
    var fields: [(name: String, value: String)] = []

    var description: String {
        "\(method) '\(host)' '\(path)' " + fields.map { "\($0.name): \($0.value)" }.joined()
    }
}

extension RouteTable {
    /// Looks a request up as the relay does: in one block of bytes.
    borrowing func match(_ request: Request, listener: Int = 0) -> Int? {
        var bytes: [UInt8] = []
        func add(_ text: String) -> ByteRange {
            let start = bytes.count
            bytes += Array(text.utf8)
            return ByteRange(start, bytes.count)
        }
        let method = add(request.method)
        // What stands beside the ranges must not matter.
        _ = add(" x.")
        let host = add(request.host)
        _ = add(".y\r\n")
        var fields = FieldSection()
        for field in request.fields {
            let name = add(field.name)
            _ = add(": ")
            let value = add(field.value)
            _ = add("\r\n")
            let line = FieldLine(
                name: .other, isHopByHop: false, nameRange: name, valueRange: value,
                lineRange: ByteRange(name.lower, bytes.count))
            precondition(fields.append(line))
        }
        let block = FixedArray(bytes)
        let path = FixedArray(Array(request.path.utf8))
        return match(
            block: block.bytes, host: host, path: path.bytes, method: method, fields: fields,
            listener: listener)
    }
}

/// A route that is known by its label.
func route(
    _ label: String = "", host: RouteConfiguration.Host = .any,
    path: RouteConfiguration.Path = .any, methods: [String] = [],
    headers: [(String, String?)] = [], listeners: [String] = [], priority: Int? = nil
) -> RouteConfiguration {
    var route = RouteConfiguration(action: .service("app"))
    route.host = host
    route.path = path
    route.methods = methods
    route.headers = headers.map { RouteConfiguration.HeaderCondition(name: $0.0, value: $0.1) }
    route.listeners = listeners
    route.priority = priority
    route.label = label
    return route
}

/// Splitmix64: the same seed gives the same tables and requests.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// The documented rule, written down once more without any cleverness: of all routes that fit,
/// the most specific one.
struct Oracle {
    /// Compared element by element; greater is more specific.
    static func rank(_ route: RouteConfiguration) -> [Int] {
        let host =
            switch route.host {
            case .exact: [2, 0]
            case .suffix(let suffix): [1, suffix.utf8.count]
            case .any: [0, 0]
            }
        let path =
            switch route.path {
            case .exact: [2, 0]
            case .prefix(let prefix): [1, prefix.utf8.count]
            case .any: [0, 0]
            }
        let conditions = (route.methods.isEmpty ? 0 : 1) + route.headers.count
        return host + path + [
            route.listeners.isEmpty ? 0 : 1, conditions, route.headers.count { $0.value != nil },
        ]
    }

    static func isMoreSpecific(_ a: RouteConfiguration, _ b: RouteConfiguration) -> Bool {
        rank(b).lexicographicallyPrecedes(rank(a))
    }

    static func fits(
        _ route: RouteConfiguration, _ request: Request, listener: String = ""
    ) -> Bool {
        guard route.listeners.isEmpty || route.listeners.contains(listener) else { return false }
        let host = request.host.lowercased()
        switch route.host {
        case .any: break
        case .exact(let name): guard host == name else { return false }
        case .suffix(let suffix): guard host.hasSuffix(suffix), host != suffix else { return false }
        }
        switch route.path {
        case .any: break
        case .exact(let path): guard request.path == path else { return false }
        case .prefix(let prefix):
            guard request.path == prefix || request.path.hasPrefix(prefix + "/") else {
                return false
            }
        }
        guard route.methods.isEmpty || route.methods.contains(request.method) else { return false }
        return route.headers.allSatisfy { condition in
            request.fields.contains { field in
                field.name.lowercased() == condition.name
                    && (condition.value == nil || field.value == condition.value)
            }
        }
    }

    /// The index of the route; O(routes).
    static func match(
        _ routes: [RouteConfiguration], _ request: Request, listener: String = ""
    ) -> Int? {
        let fitting = routes.indices.filter { fits(routes[$0], request, listener: listener) }
            .sorted { isMoreSpecific(routes[$0], routes[$1]) }
        // Those before the first without a priority may overtake each other.
        let first = fitting.prefix { routes[$0].priority != nil }
        return first.max { (routes[$0].priority ?? 0, $1) < (routes[$1].priority ?? 0, $0) }
            ?? fitting.first
    }

    /// As the loader leaves them: by precedence, routes of one host and path side by side.
    static func sorted(_ routes: [RouteConfiguration]) -> [RouteConfiguration] {
        routes.sorted { a, b in
            if let isFirst = precedes(rank(a)[..<2], rank(b)[..<2]) { return isFirst }
            if a.host != b.host { return "\(a.host)" < "\(b.host)" }
            if let isFirst = precedes(rank(a)[2..<4], rank(b)[2..<4]) { return isFirst }
            if a.path != b.path { return "\(a.path)" < "\(b.path)" }
            return isMoreSpecific(a, b)
        }
    }

    /// `nil` when they are equal.
    private static func precedes(_ a: ArraySlice<Int>, _ b: ArraySlice<Int>) -> Bool? {
        a == b ? nil : b.lexicographicallyPrecedes(a)
    }
}
