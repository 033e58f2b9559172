public import Balancing
public import Configuration
public import Linux
import Routing
public import TLS

/// The configuration as the loops are to have it: immutable, with every name resolved to a
/// number that outlives it.
///
/// The control plane builds it completely, then posts it to every loop. A loop adopts it
/// between two turns; exchanges that are under way finish with the one they began with.
public final class Snapshot: Sendable {
    public let generation: Int
    public let routes: [RouteConfiguration]
    /// Made once, here, so that no loop spends a turn on it.
    let compiledRoutes: CompiledRoutes
    public let listeners: [Listener]
    public let services: [Service]
    public let accessLog: AccessLogConfiguration
    /// How large the tables of a loop must be.
    let counts: Counts

    /// One more than the highest number that was ever given out, by kind; never less than in
    /// the snapshot before.
    public struct Counts: Sendable {
        public var listeners: Int
        public var services: Int
        public var servers: Int

        public init(listeners: Int, services: Int, servers: Int) {
            self.listeners = listeners
            self.services = services
            self.servers = servers
        }
    }

    public struct Listener: Sendable {
        /// Below ``Counts/listeners``; stays with the address.
        public var id: Int
        public var configuration: ListenerConfiguration
        public var tls: ServerTLS?

        public init(id: Int, configuration: ListenerConfiguration, tls: ServerTLS?) {
            self.id = id
            self.configuration = configuration
            self.tls = tls
        }
    }

    public struct Service: Sendable {
        /// Below ``Counts/services``; stays with the name.
        public var id: Int
        public var configuration: ServiceConfiguration
        public var members: [Member]
        /// `nil`: its servers are spoken to as they are.
        public var tls: ClientTLS?
        /// For the strategy, if it looks keys up. Made once, here: it takes milliseconds.
        let table: HashTable?
        let shadowTable: HashTable?

        public init(
            id: Int, configuration: ServiceConfiguration, members: [Member], tls: ClientTLS?
        ) {
            self.tls = tls
            self.id = id
            self.configuration = configuration
            self.members = members
            let identities = members.map(\.identity)
            table = HashTable(configuration.balance.strategy, servers: identities)
            shadowTable = configuration.balance.shadow.flatMap {
                HashTable($0, servers: identities)
            }
        }

        /// What its balancer is made of.
        var settings: BalanceSettings {
            BalanceSettings(
                configuration.balance.strategy, choices: configuration.balance.choices,
                boundedLoad: configuration.balance.boundedLoad)
        }

        /// The same for the strategy that runs beside.
        var shadowSettings: BalanceSettings {
            BalanceSettings(
                configuration.balance.shadow ?? .first, choices: configuration.balance.choices,
                boundedLoad: configuration.balance.boundedLoad)
        }
        var shadowServers: [ServerIdentity] {
            configuration.balance.shadow == nil ? [] : members.map(\.identity)
        }
    }

    public struct Member: Sendable {
        /// The server's cell, below ``Counts/servers``; stays with the server.
        public var cell: Int
        public var address: SocketAddress
        /// What `host: server` sends: the address as it was written.
        public var authority: String
        /// Its name, weight and tier.
        public var identity: ServerIdentity
        /// For whom its certificate must be.
        public var tlsName: String

        public init(
            cell: Int, address: SocketAddress, authority: String, identity: ServerIdentity,
            tlsName: String
        ) {
            self.tlsName = tlsName
            self.cell = cell
            self.address = address
            self.authority = authority
            self.identity = identity
        }
    }

    /// Whether a loop's ``Plan`` of one is also that of the other: they differ in servers and in
    /// what services do with them, as nearly all changes of a running process do.
    func hasSamePlan(as other: Snapshot) -> Bool {
        routes == other.routes && accessLog == other.accessLog
            && listeners.elementsEqual(other.listeners) {
                $0.id == $1.id && $0.tls === $1.tls && $0.configuration == $1.configuration
            }
            && services.elementsEqual(other.services) {
                $0.id == $1.id && $0.configuration.name == $1.configuration.name
                    && $0.configuration.host == $1.configuration.host
                    && $0.configuration.timeouts == $1.configuration.timeouts
                    && $0.configuration.retries == $1.configuration.retries
            }
    }

    public init(
        generation: Int, routes: [RouteConfiguration], listeners: [Listener],
        services: [Service], accessLog: AccessLogConfiguration, counts: Counts
    ) {
        self.generation = generation
        self.routes = routes
        self.counts = counts
        var numbers: [String: [Int]] = [:]
        for listener in listeners {
            numbers[listener.configuration.name, default: []].append(listener.id)
        }
        compiledRoutes = CompiledRoutes(routes, listeners: numbers)
        self.listeners = listeners
        self.services = services
        self.accessLog = accessLog
    }
}
