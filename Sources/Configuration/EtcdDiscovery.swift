/// Servers that stand in etcd, each under a key of its own.
public struct EtcdDiscovery: Equatable, Sendable {
    public enum Snapshot: Equatable, Sendable {
        /// In the directory for what outlives a restart, when there is one.
        case standard
        case path(String)
        case off
    }

    public var access = EtcdAccess()
    /// Of the keys, with a slash at its end: what follows is a server's name.
    public var prefix: String
    /// Where the last known servers are written, for a start while etcd is away.
    public var snapshot = Snapshot.standard
    /// Of servers that do not name theirs, from the service.
    public var version: String?
    /// From the service: how its servers are spoken to.
    public var isSecure = false

    public init(prefix: String) { self.prefix = prefix }

    /// The keys of a service, when nobody says.
    public static func standardPrefix(of service: String) -> String {
        "/staithe/services/\(service)/"
    }
}

/// How an etcd is reached.
public struct EtcdAccess: Equatable, Sendable {
    public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
        /// A numeric address or a name.
        public var host: String
        public var port: UInt16
        public var isSecure: Bool

        public init(host: String, port: UInt16, isSecure: Bool) {
            self.host = host
            self.port = port
            self.isSecure = isSecure
        }

        public var description: String {
            let host = host.contains(":") ? "[\(host)]" : host
            return "\(isSecure ? "https" : "http")://\(host):\(port)"
        }
    }

    /// Of one cluster; at least one.
    public var endpoints: [Endpoint] = []
    public var user: String?
    public var password: String?
    /// For endpoints with https.
    public var tls = ServiceConfiguration.TLS()

    public init() {}

    /// `http://10.0.0.5:2379`, `https://etcd-1.internal`, `10.0.0.5:2379`.
    ///
    /// - Returns: `nil` for anything else.
    public static func endpoint(_ text: String) -> Endpoint? {
        try? Value.etcdEndpoint(text).get()
    }
}
