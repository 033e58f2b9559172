import Configuration
import HTTP
import HTTP1
import HTTP2
import Linux
import Memory
import Preamble
import Routing
import TLS
import Telemetry
import Timing

typealias RetryConditions = ServiceConfiguration.Retries.Conditions

/// A snapshot as one loop reads it: tables of plain numbers and one store of text, so that
/// nothing of a request retains, allocates or follows an object.
///
/// Each loop compiles its own between two turns, when something of it has changed; exchanges
/// lease the one they began with, until their answer has begun (``LateTerms``).
struct Plan: ~Copyable {
    /// The newest that it stands for.
    var generation: Int
    let routes: RouteTable
    let routePlans: FixedArray<RoutePlan>
    /// Of the routes alone, which have names.
    let routeCount: Int
    /// By listener number; those that are not configured refuse everything.
    let listeners: FixedArray<ListenerPlan>
    let trusted: FixedArray<TrustedRange>
    /// Of the listeners that pass TLS on, each in a stretch: exact names before wildcards, and
    /// those by falling length.
    let nameRoutes: FixedArray<NameRoutePlan>
    /// By listener number: how its connections begin; `nil` for plain ones.
    let serverTLS: FixedArray<ServerTLS?>
    /// What the ranges of the plans refer to.
    let text: FixedArray<UInt8>
    /// One route, without conditions: nothing to look for.
    let hasOnlyCatchAll: Bool
    let logMode: AccessLogConfiguration.Mode
    let slow: Interval
    var leaseCount = 0
    var isCurrent = true

    init(_ snapshot: Snapshot) {
        var store = TextStore()
        var trusted: [TrustedRange] = []
        var listeners = [ListenerPlan](repeating: ListenerPlan(), count: snapshot.counts.listeners)
        for listener in snapshot.listeners {
            listeners[listener.id] = ListenerPlan(
                listener.configuration, store: &store, trusted: &trusted)
        }
        var serverTLS = [ServerTLS?](repeating: nil, count: snapshot.counts.listeners)
        for listener in snapshot.listeners { serverTLS[listener.id] = listener.tls }
        self.serverTLS = FixedArray(serverTLS)
        var hostModes: [String: HostMode] = [:]
        var numbers: [String: Int] = [:]
        for service in snapshot.services {
            let name = service.configuration.name
            numbers[name] = service.id
            switch service.configuration.host {
            case .keep: hostModes[name] = .keep
            case .server: hostModes[name] = .server
            case .fixed(let host): hostModes[name] = .fixed(store.add(host))
            }
        }
        generation = snapshot.generation
        var routePlans = snapshot.routes.map { route in
            RoutePlan(route, numbers: numbers, hostModes: hostModes, store: &store)
        }
        /// The number of a plan for bytes that go to a service.
        func tunnelRoute(to name: String) -> Int32? {
            guard let service = snapshot.services.first(where: { $0.configuration.name == name })
            else { return nil }
            var route = RouteConfiguration(action: .service(name))
            route.timeouts = service.configuration.timeouts
            route.retries = service.configuration.retries
            routePlans.append(
                RoutePlan(route, numbers: numbers, hostModes: hostModes, store: &store))
            return Int32(routePlans.count - 1)
        }
        var nameRoutes: [NameRoutePlan] = []
        for listener in snapshot.listeners where listener.configuration.isTunnel {
            if let name = listener.configuration.tunnelService, let route = tunnelRoute(to: name) {
                listeners[listener.id].tunnelRoute = route
            }
            guard listener.configuration.passesTLS else { continue }
            let start = nameRoutes.count
            for named in listener.configuration.nameRoutes {
                guard let route = tunnelRoute(to: named.service) else { continue }
                nameRoutes.append(NameRoutePlan(named.name, route: route, store: &store))
            }
            nameRoutes[start...].sort { $0.precedes($1) }
            listeners[listener.id].passesTLS = true
            listeners[listener.id].nameRoutes = ByteRange(start, nameRoutes.count)
        }
        self.nameRoutes = FixedArray(nameRoutes)
        self.routePlans = FixedArray(routePlans)
        routeCount = snapshot.routes.count
        routes = RouteTable(snapshot.compiledRoutes)
        self.listeners = FixedArray(listeners)
        self.trusted = FixedArray(trusted)
        text = FixedArray(store.bytes)
        hasOnlyCatchAll =
            snapshot.routes.count == 1 && snapshot.routes[0].host == .any
            && snapshot.routes[0].path == .any && snapshot.routes[0].methods.isEmpty
            && snapshot.routes[0].headers.isEmpty && snapshot.routes[0].listeners.isEmpty
        logMode = snapshot.accessLog.mode
        slow = snapshot.accessLog.slow
    }

    /// Whether `peer` is a proxy whose word counts. O(ranges of the listener).
    func trusts(_ peer: SocketAddress, listener: Int) -> Bool {
        if peer.isUnix { return listeners[listener].trustsUnixClients }
        let range = listeners[listener].trusted
        for index in range.lower..<range.upper where trusted[index].contains(peer) {
            return true
        }
        return false
    }

    /// Whether the field name at `range` is the one at `name` in the store, in any case.
    func isName(_ bytes: RawSpan, _ range: ByteRange, _ name: ByteRange) -> Bool {
        guard range.count == name.count else { return false }
        for offset in 0..<Int(range.count) {
            let a = bytes.byte(range.lower + offset) | 0x20
            let b = text[name.lower + offset] | 0x20
            if a != b { return false }
        }
        return true
    }

    /// The same for one that an application could take for it (``FieldName/folded(_:)``).
    func readsLike(_ bytes: RawSpan, _ range: ByteRange, _ name: ByteRange) -> Bool {
        guard range.count == name.count else { return false }
        for offset in 0..<Int(range.count) {
            let a = FieldName.folded(bytes.byte(range.lower + offset))
            if a != FieldName.folded(text[name.lower + offset]) { return false }
        }
        return true
    }

    /// Whether a route takes the named field away.
    ///
    /// - Parameter foldsSeparators: with every field that reads like it, as a client could send.
    func isRemoved(
        _ bytes: RawSpan, _ range: ByteRange, _ edits: HeadEdits, foldsSeparators: Bool
    ) -> Bool {
        var position = edits.removals.lower
        while position < edits.removals.upper {
            // Each name is stored behind its length.
            let length = Int(text[position])
            if length == Int(range.count) {
                let name = ByteRange(position + 1, position + 1 + length)
                if foldsSeparators ? readsLike(bytes, range, name) : isName(bytes, range, name) {
                    return true
                }
            }
            position += 1 + length
        }
        return false
    }
}

/// What is left of a plan for an exchange that has outlived it: a tunnel or a long answer, which
/// may last for days, holds these numbers and not the whole configuration of its first day.
struct LateTerms {
    var idleTimeout: Interval
    var tunnelTimeout: Interval
    var writeTimeout: Interval
    var bodyLimit: UInt64
    var headLimits: HeadLimits
    var logMode: AccessLogConfiguration.Mode
    var slow: Interval
    var generation: Int
    /// Where the client's own identifier stands in its head, if that is kept.
    var idRange: ByteRange
}

/// Which service gets the TLS connections for a name.
struct NameRoutePlan: BitwiseCopyable {
    /// In the store, in lower case; of a wildcard, from its dot on.
    let name: ByteRange
    let isWildcard: Bool
    /// The plan for the bytes.
    let route: Int32

    init(_ host: RouteConfiguration.Host, route: Int32, store: inout TextStore) {
        self.route = route
        switch host {
        case .exact(let text):
            name = store.add(text.lowercased())
            isWildcard = false
        case .suffix(let text):
            name = store.add(text.lowercased())
            isWildcard = true
        case .any: preconditionFailure("every name is the listener's service")
        }
    }

    func precedes(_ other: NameRoutePlan) -> Bool {
        isWildcard == other.isWildcard ? name.count > other.name.count : !isWildcard
    }
}

extension Plan {
    /// The plan for a connection that asks for a name; −1 for none. A wildcard stands for one
    /// label or more, as in the routes of requests.
    ///
    /// - Complexity: O(names of the listener): numbers are compared, and rarely texts.
    func tunnelRoute(named name: RawSpan, listener: Int) -> Int32 {
        let range = listeners[listener].nameRoutes
        for index in range.lower..<range.upper {
            let route = nameRoutes[index]
            let count = Int(route.name.count)
            let start = name.byteCount - count
            guard route.isWildcard ? start > 0 : start == 0 else { continue }
            var offset = 0
            while offset < count, name.byte(start + offset) == text[route.name.lower + offset] {
                offset += 1
            }
            if offset == count { return route.route }
        }
        return listeners[listener].tunnelRoute
    }
}

/// Text under construction.
struct TextStore {
    var bytes: [UInt8] = []

    mutating func add(_ text: String) -> ByteRange {
        let start = bytes.count
        bytes += Array(text.utf8)
        return ByteRange(start, bytes.count)
    }
}

/// Addresses whose `Forwarded` and `X-Forwarded-*` fields are believed.
struct TrustedRange: BitwiseCopyable {
    private var high: UInt64
    private var low: UInt64
    private var highMask: UInt64
    private var lowMask: UInt64

    init(_ range: AddressRange) {
        let bits = range.prefixBitCount
        highMask = bits == 0 ? 0 : bits >= 64 ? .max : ~(.max >> UInt64(bits))
        lowMask = bits <= 64 ? 0 : bits >= 128 ? .max : ~(.max >> UInt64(bits - 64))
        high = range.high & highMask
        low = range.low & lowMask
    }

    func contains(_ peer: SocketAddress) -> Bool {
        peer.high & highMask == high && peer.low & lowMask == low
    }
}

/// What the relay needs to know of a listener.
struct ListenerPlan: BitwiseCopyable {
    struct Forwarding: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static let xForwarded = Forwarding(rawValue: 1)
        static let rfc7239 = Forwarding(rawValue: 2)
    }

    var headLimits = HeadLimits()
    var responseHeadLimits = HeadLimits()
    var handshakeTimeout = Interval.seconds(10)
    /// Host and the name that TLS was asked for must belong together.
    var isStrictAboutNames = false
    var speaksHTTP1 = true
    /// Takes HTTP/2 from clients that begin with it.
    var speaksH2C = false
    var http2 = HTTP2Settings()
    var headerTimeout = Interval.seconds(15)
    var idleTimeout = Interval.seconds(75)
    var readTimeout = Interval.seconds(60)
    var writeTimeout = Interval.seconds(60)
    var connectionLimit = Int.max
    var connectionsPerClient = Int.max
    var bodyLimit = UInt64.max
    var trusted = ByteRange.empty
    var trustsSomebody = false
    var redirectsToHTTPS = false
    var mergesSlashes = true
    var ambiguousPaths = ListenerConfiguration.Paths.Ambiguous.compare
    /// Which headers connections begin with; empty for none.
    var proxyHeaders: ProxyHeader.Versions = []
    /// The plan for its connections when it passes bytes on: behind those of the routes; −1 for
    /// HTTP, and where a name must tell.
    var tunnelRoute: Int32 = -1
    /// Connections are for servers by the name that TLS asks for.
    var passesTLS = false
    /// In the plan's table.
    var nameRoutes = ByteRange.empty
    var trustsUnixClients = false
    var forwarding: Forwarding = []
    var sendsProxyStatus = false
    var alwaysSendsProxyStatus = false
    var sendsServerTiming = false
    var serverText = ByteRange.empty
    var requestIDName = ByteRange.empty
    /// The identifier has its usual name, which the parser knows.
    var hasUsualIDName = true
    /// Known fields that are not copied from requests and responses, because ours take their
    /// place.
    var replacedRequestFields = FieldNameSet()
    /// The same where the peer is a proxy whose word counts.
    var replacedTrustedFields = FieldNameSet()
    var replacedResponseFields = FieldNameSet()

    init() {}

    init(
        _ configuration: ListenerConfiguration, store: inout TextStore,
        trusted ranges: inout [TrustedRange]
    ) {
        headLimits = HeadLimits(
            requestLineBytes: configuration.limits.requestLineBytes,
            headerBytes: configuration.limits.headerBytes,
            headerCount: configuration.limits.headerCount)
        responseHeadLimits = HeadLimits(
            requestLineBytes: Bounds.statusLine,
            headerBytes: max(Bounds.leastResponseHeader, configuration.limits.headerBytes),
            headerCount: max(
                Bounds.leastResponseHeaderCount, configuration.limits.headerCount))
        handshakeTimeout = configuration.timeouts.handshake
        isStrictAboutNames = configuration.tls?.isStrict == true
        speaksHTTP1 = configuration.protocols.contains(.http1)
        speaksH2C = configuration.protocols.contains(.h2c)
        http2.concurrentStreams = UInt32(configuration.limits.concurrentStreams)
        http2.headerBytes = UInt32(
            configuration.limits.requestLineBytes + configuration.limits.headerBytes)
        headerTimeout = configuration.timeouts.header
        idleTimeout = configuration.timeouts.idle
        readTimeout = configuration.timeouts.read
        writeTimeout = configuration.timeouts.write
        connectionLimit = configuration.limits.connections ?? .max
        connectionsPerClient = configuration.limits.connectionsPerClient ?? .max
        bodyLimit = configuration.limits.bodyBytes ?? .max
        let start = ranges.count
        ranges += configuration.trustedProxies.map(TrustedRange.init)
        trusted = ByteRange(start, ranges.count)
        trustsSomebody =
            !configuration.trustedProxies.isEmpty || configuration.trustsUnixClients
        trustsUnixClients = configuration.trustsUnixClients
        redirectsToHTTPS = configuration.redirectsToHTTPS
        mergesSlashes = configuration.paths.mergesSlashes
        ambiguousPaths = configuration.paths.ambiguous
        switch configuration.proxyProtocol {
        case .off: break
        case .v1: proxyHeaders = .v1
        case .v2: proxyHeaders = .v2
        case .any: proxyHeaders = [.v1, .v2]
        }
        sendsProxyStatus = configuration.headers.proxyStatus != .off
        alwaysSendsProxyStatus = configuration.headers.proxyStatus == .always
        sendsServerTiming = configuration.headers.serverTiming
        replacedRequestFields.insert(.host)
        // Only we say who has shown a certificate.
        replacedRequestFields.insert(.xClientCertSubject)
        replacedRequestFields.insert(.xClientCertFingerprint)
        replacedRequestFields.insert(.reservedLookalike)
        switch configuration.headers.forwarded {
        case .xForwarded: forwarding = .xForwarded
        case .rfc7239: forwarding = .rfc7239
        case .both: forwarding = [.xForwarded, .rfc7239]
        case .off: break
        }
        if forwarding != [] {
            // All of them, whichever we send: a server must not believe a client's own word in
            // the form that we do not use.
            for name: FieldName in [
                .xForwardedFor, .xForwardedProto, .xForwardedHost, .forwarded,
                .forwardedLookalike, .xForwardedPort, .otherXForwarded, .xRealIP,
            ] {
                replacedRequestFields.insert(name)
            }
        }
        if let name = configuration.headers.requestID {
            requestIDName = store.add(name)
            hasUsualIDName = name.lowercased() == "x-request-id"
            if hasUsualIDName { replacedRequestFields.insert(.requestIDLookalike) }
        }
        replacedTrustedFields = replacedRequestFields
        // Beside those that we continue, a proxy in front has more to say of its client.
        for name: FieldName in [.xForwardedPort, .otherXForwarded, .xRealIP] {
            replacedTrustedFields.remove(name)
        }
        switch configuration.headers.server {
        case .keep: break
        case .remove: replacedResponseFields.insert(.server)
        case .text(let text):
            replacedResponseFields.insert(.server)
            serverText = store.add(text)
        }
    }

    /// Whether a field line is the request's identifier, which ours replaces, or reads like it.
    func isRequestID(_ line: FieldLine, _ bytes: RawSpan, _ text: RawSpan) -> Bool {
        if hasUsualIDName { return line.name == .xRequestID && !requestIDName.isEmpty }
        guard line.nameRange.count == requestIDName.count else { return false }
        for offset in 0..<Int(requestIDName.count) {
            let a = FieldName.folded(bytes.byte(line.nameRange.lower + offset))
            if a != FieldName.folded(text.byte(requestIDName.lower + offset)) { return false }
        }
        return true
    }
}

/// What a route changes in a head.
struct HeadEdits: BitwiseCopyable {
    /// Names, each behind its length.
    var removals = ByteRange.empty
    /// Complete field lines.
    var additions = ByteRange.empty

    var hasRemovals: Bool { !removals.isEmpty }

    init() {}

    init(_ changes: RouteConfiguration.HeaderChanges, store: inout TextStore) {
        let start = store.bytes.count
        // A field that is set replaces what was there.
        for name in changes.removing + changes.setting.map(\.name) {
            // A name has at most 255 bytes (``Bounds/headerName``).
            let bytes = Array(name.utf8)
            store.bytes.append(UInt8(bytes.count))
            store.bytes += bytes
        }
        removals = ByteRange(start, store.bytes.count)
        additions = store.add(changes.setting.map { "\($0.name): \($0.value)\r\n" }.joined())
    }
}

enum HostMode: BitwiseCopyable {
    case keep
    case server
    case fixed(ByteRange)
}

/// What the relay needs to know of a route.
struct RoutePlan: BitwiseCopyable {
    enum Action: BitwiseCopyable {
        case service(Int32)
        case redirect
        case respond
    }

    var action = Action.respond
    var hostMode = HostMode.keep
    var stripByteCount = 0
    var requestEdits = HeadEdits()
    var responseEdits = HeadEdits()
    var status = 0
    /// The target before `${path}`, and behind it; of a fixed answer, its type and its content.
    var first = ByteRange.empty
    var second = ByteRange.empty
    var insertsPath = false

    var connectTimeout: Interval
    var responseTimeout: Interval
    var idleTimeout: Interval
    var totalTimeout: Interval
    var tunnelTimeout: Interval
    var queueTimeout: Interval
    var retryCount: Int
    /// Bits of ``RetryConditions``.
    var retryBits: UInt16
    var retriesAllMethods: Bool
    var retryBackoff: Interval
    var replayBytes: Int

    var retryConditions: RetryConditions { RetryConditions(rawValue: retryBits) }

    init(
        _ route: RouteConfiguration, numbers: [String: Int], hostModes: [String: HostMode],
        store: inout TextStore
    ) {
        connectTimeout = route.timeouts.connect
        responseTimeout = route.timeouts.response
        idleTimeout = route.timeouts.idle
        totalTimeout = route.timeouts.total
        tunnelTimeout = route.timeouts.tunnel
        queueTimeout = route.timeouts.queue
        retryCount = route.retries.attempts
        retryBits = route.retries.conditions.rawValue
        retriesAllMethods = route.retries.methods == .all
        retryBackoff = route.retries.backoff
        replayBytes = route.retries.bufferBytes
        if route.stripsPrefix, case .prefix(let prefix) = route.path {
            stripByteCount = prefix.utf8.count
        }
        requestEdits = HeadEdits(route.requestHeaders, store: &store)
        responseEdits = HeadEdits(route.responseHeaders, store: &store)
        switch route.action {
        case .service(let name):
            guard let number = numbers[name] else {
                preconditionFailure("a route's service is defined, or the file was refused")
            }
            action = .service(Int32(number))
            hostMode = hostModes[name] ?? .keep
        case .redirect(let target, let status):
            action = .redirect
            self.status = status
            let parts = Self.split(target)
            first = store.add(parts.before)
            second = store.add(parts.after)
            insertsPath = parts.insertsPath
        case .respond(let status, let body, let type):
            action = .respond
            self.status = status
            first = store.add(type)
            second = store.add(body)
        }
    }

    private static func split(
        _ target: String
    ) -> (before: String, after: String, insertsPath: Bool) {
        let mark = Array("${path}".utf8)
        let bytes = Array(target.utf8)
        guard bytes.count >= mark.count else { return (target, "", false) }
        for start in 0...bytes.count - mark.count
        where Array(bytes[start..<start + mark.count]) == mark {
            return (
                String(decoding: bytes[..<start], as: UTF8.self),
                String(decoding: bytes[(start + mark.count)...], as: UTF8.self), true
            )
        }
        return (target, "", false)
    }
}
