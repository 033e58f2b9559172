/// Which containers of which engine serve a service.
public struct DockerDiscovery: Equatable, Sendable {
    /// In status and logs; of several engines of one service, each has another.
    public var name = "docker"
    public var engine = Engine()
    public var choice = Choice()
    public init() {}

    /// How an engine is reached and asked. Services with equal values share one connection.
    public struct Engine: Hashable, Sendable {
        public enum Endpoint: Hashable, Sendable, CustomStringConvertible {
            case unix(String)
            /// With client certificates; never without.
            case tls(host: String, port: UInt16)

            public var description: String {
                switch self {
                case .unix(let path): path
                case .tls(let host, let port): "tcp://\(host):\(port)"
                }
            }
        }

        public var endpoint = Endpoint.unix("/var/run/docker.sock")
        /// For `tcp://`: paths of PEM files.
        public var authority: String?
        public var certificate: String?
        public var key: String?
        /// False: only lists and events are read, never a container's environment.
        public var inspects = true
        public init() {}
    }

    /// Which containers, and how they are reached.
    public struct Choice: Equatable, Sendable {
        public struct Label: Equatable, Hashable, Sendable {
            public var name: String
            /// `nil`: any value.
            public var value: String?
            public init(name: String, value: String?) {
                self.name = name
                self.value = value
            }
        }
        public enum Dialect: String, Sendable, CaseIterable {
            case traefik
            case nginxProxy = "nginx-proxy"
        }
        public enum VersionSource: String, Sendable, CaseIterable {
            /// The label `staithe.version`, then the tag of the image.
            case automatic = "auto"
            case imageTag = "image-tag"
            case label
        }

        /// `nil`: `staithe.service=<name of the service>`.
        public var label: Label?
        /// Service and containers are made of labels: those with `staithe.enable=true` whose
        /// labels, or Compose, name the service.
        public var isCatalogued = false
        /// Labels of other proxies that count, too.
        public var dialects: [Dialect] = []
        public var port: UInt16?
        public var network: String?
        public var versionFrom = VersionSource.automatic
        /// Where the label `staithe.address` may lead for containers that do not share the
        /// network of the host.
        public var allowedAddresses: [AddressRange] = []
        public init() {}
    }
}
