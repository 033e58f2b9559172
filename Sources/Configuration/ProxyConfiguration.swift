public import Balancing
public import Timing

/// A configuration that has been read and found right: every name resolves, every number is in
/// its range. Built by the loader only.
public struct ProxyConfiguration: Equatable, Sendable {
    public var listeners: [ListenerConfiguration] = []
    /// Sorted by precedence: the first that matches wins.
    public var routes: [RouteConfiguration] = []
    public var services: [ServiceConfiguration] = []
    /// An engine whose labels make more services and routes; `nil` without `discover`.
    public var catalogue: DockerDiscovery?
    public var process = ProcessConfiguration()
    public var log = LogConfiguration()
    public var accessLog = AccessLogConfiguration()
    public var admin = AdminConfiguration()

    public init() {}
}

/// Where connections are accepted.
public struct ListenerConfiguration: Equatable, Sendable {
    public var name: String
    public var address: ListenAddress
    /// Answers every request with 308 to the same URL on https.
    public var redirectsToHTTPS = false
    /// Each connection begins with a header that tells its client.
    public var proxyProtocol = ProxyProtocol.off
    /// `nil`: as it comes.
    public var tls: TLS?
    /// The versions of HTTP that are spoken; empty for bytes.
    public var protocols: Protocols = [.http1, .h2c]
    /// `protocols: [tcp]`: bytes go to the servers of this service, whatever they mean. With
    /// `tls-passthrough`, where those go whose name has no route; `nil` refuses them. `nil` for
    /// HTTP.
    public var tunnelService: String?
    /// `protocols: [tls-passthrough]`: the name in the client's first message tells the service,
    /// and TLS ends at the server.
    public var passesTLS = false
    /// With `passesTLS`: which service, by name; no two alike.
    public var nameRoutes: [NameRoute] = []
    /// Whose `Forwarded` and `X-Forwarded-*` fields count.
    public var trustedProxies: [AddressRange] = []
    /// `trusted_proxies: [unix]`: who comes through a Unix socket is believed.
    public var trustsUnixClients = false
    /// Of a Unix socket with a path: who may connect.
    public var socketMode: UInt16 = 0o660
    public var timeouts = Timeouts()
    public var limits = Limits()
    public var headers = Headers()
    public var paths = Paths()

    public init(name: String, address: ListenAddress) {
        self.name = name
        self.address = address
    }

    /// It passes bytes on, and has no requests.
    public var isTunnel: Bool { tunnelService != nil || passesTLS }

    public struct NameRoute: Equatable, Sendable {
        /// Not `any`: that is ``ListenerConfiguration/tunnelService``.
        public var name: RouteConfiguration.Host
        public var service: String
    }

    public struct Timeouts: Equatable, Sendable {
        public var handshake = Interval.seconds(10)
        public var header = Interval.seconds(15)
        public var idle = Interval.seconds(75)
        public var read = Interval.seconds(60)
        public var write = Interval.seconds(60)
        public init() {}
    }

    public enum ProxyProtocol: String, Sendable, CaseIterable { case off, v1, v2, any }

    public struct Protocols: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let http1 = Protocols(rawValue: 1)
        /// HTTP/2, agreed on with TLS.
        public static let h2 = Protocols(rawValue: 2)
        /// HTTP/2 without TLS, from clients that begin with it.
        public static let h2c = Protocols(rawValue: 4)
    }

    /// Paths are absolute, or relative to the folder of the file that names them.
    public struct TLS: Equatable, Sendable {
        public enum Version: String, Sendable, CaseIterable {
            case tls12 = "1.2"
            case tls13 = "1.3"
        }
        public enum ClientAuthentication: String, Sendable, CaseIterable {
            case off, optional
            case required = "require"
        }
        public struct Certificate: Equatable, Hashable, Sendable {
            public var certificate: String
            public var key: String

            public init(certificate: String, key: String) {
                self.certificate = certificate
                self.key = key
            }
        }

        /// The first is used when no name fits.
        public var certificates: [Certificate] = []
        /// Read again when the files change.
        public var watches = true
        public var minimumVersion = Version.tls12
        /// OpenSSL's lists; `nil` for our defaults.
        public var ciphers: String?
        public var cipherSuites: String?
        public var groups: String?
        public var clientAuthentication = ClientAuthentication.off
        public var clientCA: String?
        public var staplesOCSP = true
        public var usesTickets = true
        /// Names that no certificate covers are refused.
        public var isStrict = false
        public init() {}
    }

    public struct Limits: Equatable, Sendable {
        /// `nil` is `auto`: from the descriptor limit.
        public var connections: Int?
        /// `nil` is `off`.
        public var connectionsPerClient: Int?
        public var requestLineBytes = 8 << 10
        public var headerBytes = 32 << 10
        public var headerCount = 100
        /// `nil` is `off`.
        public var bodyBytes: UInt64?
        /// HTTP/2 streams that one client may have open at once.
        public var concurrentStreams = 128
        public init() {}
    }

    /// How the path of a request is read.
    public struct Paths: Equatable, Sendable {
        /// What happens to a path with an encoded slash, a backslash or parameters.
        public enum Ambiguous: String, Sendable, BitwiseCopyable, CaseIterable {
            /// It is refused when an application that decodes slashes or leaves out parameters
            /// would find it at another route.
            case compare
            case refuse, pass
        }

        /// A slash behind a slash is none.
        public var mergesSlashes = true
        public var ambiguous = Ambiguous.compare
        public init() {}
    }

    public struct Headers: Equatable, Sendable {
        public enum Forwarded: String, Sendable, CaseIterable {
            case xForwarded = "x-forwarded"
            case rfc7239, both, off
        }
        public enum ProxyStatus: String, Sendable, CaseIterable { case errors, always, off }
        public enum Server: Equatable, Sendable {
            case keep, remove
            case text(String)
        }

        public var forwarded = Forwarded.xForwarded
        /// The name of the field, `nil` for `off`.
        public var requestID: String? = "X-Request-Id"
        public var proxyStatus = ProxyStatus.errors
        public var serverTiming = false
        public var server = Server.keep
        public init() {}
    }
}

/// An address to listen on.
public enum ListenAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// `host` is a numeric address, `0.0.0.0` and `::` included.
    case tcp(host: String, port: UInt16)
    /// A file, or behind `@` a name without one.
    case unix(path: String)

    /// `nil` for a Unix socket.
    public var port: UInt16? {
        if case .tcp(_, let port) = self { port } else { nil }
    }

    public var description: String {
        switch self {
        case .tcp(let host, let port):
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path):
            "unix:\(path)"
        }
    }
}

/// A block of addresses, as in `10.0.0.0/8`. IPv4 is held as its IPv4-mapped IPv6 address.
public struct AddressRange: Equatable, Hashable, Sendable {
    public var high: UInt64
    public var low: UInt64
    /// 0 to 128.
    public var prefixBitCount: Int
    public var text: String

    public init(high: UInt64, low: UInt64, prefixBitCount: Int, text: String) {
        self.high = high
        self.low = low
        self.prefixBitCount = prefixBitCount
        self.text = text
    }
}

/// A rule from requests to what answers them.
public struct RouteConfiguration: Equatable, Sendable {
    public enum Host: Equatable, Hashable, Sendable {
        case any
        /// Lower case, without port.
        case exact(String)
        /// `*.example.com` is held as `.example.com`; any number of labels stands for the star.
        case suffix(String)
    }
    public enum Path: Equatable, Hashable, Sendable {
        case any
        case exact(String)
        /// `/api/*` is held as `/api`: that path and everything below it.
        case prefix(String)
    }
    public struct HeaderCondition: Equatable, Hashable, Sendable {
        /// Lower case.
        public var name: String
        /// `nil` asks for presence only.
        public var value: String?
        public init(name: String, value: String?) {
            self.name = name
            self.value = value
        }
    }
    public enum Action: Equatable, Sendable {
        case service(String)
        /// `target` may hold `${path}`, which stands for the path and query of the request.
        case redirect(target: String, status: Int)
        case respond(status: Int, body: String, type: String)
    }
    public struct HeaderChanges: Equatable, Sendable {
        public var setting: [HeaderField] = []
        public var removing: [String] = []
        public init() {}
        public var isEmpty: Bool { setting.isEmpty && removing.isEmpty }
    }
    public struct HeaderField: Equatable, Sendable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var host = Host.any
    public var path = Path.any
    /// Empty means all.
    public var methods: [String] = []
    public var headers: [HeaderCondition] = []
    /// What comes through these listeners, by name; empty means any.
    public var listeners: [String] = []
    /// Among routes that labels make, the greater is asked first, whatever else they match.
    /// `nil` for a route of the file, which no priority overtakes.
    public var priority: Int?
    public var action: Action
    public var stripsPrefix = false
    /// The service's values with the route's own over them; meaningful for `.service` only.
    public var timeouts = ServiceConfiguration.Timeouts()
    public var retries = ServiceConfiguration.Retries()
    public var requestHeaders = HeaderChanges()
    public var responseHeaders = HeaderChanges()
    /// How the route is named in logs: `app.example.com/api/*`; `*` for the one that takes all.
    public var label = "*"

    public init(action: Action) { self.action = action }
}

/// A named group of servers that do the same work.
public struct ServiceConfiguration: Equatable, Sendable {
    public var name: String
    public var servers: [ServerConfiguration] = []
    /// Where more servers are found; `nil` without `discover`.
    public var discover: Sources?
    public var balance = Balance()
    public var health = HealthCheck()
    public var outliers = Outliers()
    public var whenAllDown = WhenAllDown.fail
    public var retries = Retries()
    public var timeouts = Timeouts()
    public var limits = Limits()
    public var connections = Connections()
    /// The version of HTTP that its servers speak.
    public var spoken = Spoken.http1
    /// Each connection to a server begins with a header that tells its client.
    public var sendsProxyProtocol = SendsProxyProtocol.off
    /// `nil`: servers are spoken to as they are.
    public var tls: TLS?
    public var host = Host.keep

    public init(name: String) { self.name = name }

    public enum Spoken: String, Sendable, CaseIterable {
        case http1 = "http/1.1"
        /// HTTP/2 with TLS, and nothing else.
        case h2
        /// HTTP/2 without TLS.
        case h2c
        /// What the server chooses when TLS is agreed on.
        case auto
    }

    public struct Balance: Equatable, Sendable {
        public var strategy = Strategy.leastRequests
        /// For `p2c` and `peak-ewma`: how many servers are drawn.
        public var choices = 2
        /// For the strategies with a key: how far above the mean a server may be loaded, in
        /// percent of it; `nil` for no bound.
        public var boundedLoad: Int? = BalanceSettings.defaultBoundedLoad
        /// For the strategies with a key: what it is.
        public var key: Key?
        /// For `hot-cold`: the response header in which a server tells its requests in flight.
        public var loadHeader: String?
        /// In percent of the servers: below this many healthy ones, health is ignored. 0 is off.
        public var panicPercent = 0
        /// Chooses beside, and is compared.
        public var shadow: Strategy?
        public var slowStart = Interval.seconds(10)
        public init() {}

        /// What of a request is hashed.
        public enum Key: Equatable, Sendable {
            case clientIP
            case path
            case header(String)
            case cookie(String)
            case query(String)
        }
    }

    public struct HealthCheck: Equatable, Sendable {
        /// `health: off`: every server counts as up.
        public var isEnabled = true
        /// `nil`: a TCP connect is the check, unless it is gRPC's.
        public var path: String?
        /// gRPC's health service is asked about this one; empty for the server as a whole.
        public var grpcService: String?
        public var interval = Interval.seconds(2)
        public var timeout = Interval.seconds(1)
        public var upAfter = 2
        public var downAfter = 3
        public var beforeTraffic = 1
        public var status: [ClosedRange<Int>] = [200...299]
        public var body: String?
        public var host: String?
        public var port: UInt16?
        public init() {}
    }

    public struct Outliers: Equatable, Sendable {
        /// `nil` is `outliers: off`.
        public var errors: Int? = 5
        public var eject = Interval.seconds(10)
        /// 0...1.
        public var maximumEjectedShare = 0.5
        public init() {}
    }

    public enum WhenAllDown: String, Sendable, CaseIterable {
        case fail
        case tryAll = "try"
        /// Requests wait in the queue for a server, up to `timeouts.queue`.
        case hold
    }

    public struct Retries: Equatable, Sendable {
        public struct Conditions: OptionSet, Sendable {
            public let rawValue: UInt16
            public init(rawValue: UInt16) { self.rawValue = rawValue }
            public static let connect = Conditions(rawValue: 1)
            public static let reset = Conditions(rawValue: 2)
            public static let refusedStream = Conditions(rawValue: 4)
            public static let timeout = Conditions(rawValue: 8)
            public static let status429 = Conditions(rawValue: 16)
            public static let status502 = Conditions(rawValue: 32)
            public static let status503 = Conditions(rawValue: 64)
            public static let status504 = Conditions(rawValue: 128)
        }
        public enum Methods: String, Sendable, CaseIterable { case idempotent, all }

        /// Tries after the first; 0 is `retries: off`.
        public var attempts = 2
        public var conditions: Conditions = [.connect, .reset, .refusedStream]
        public var methods = Methods.idempotent
        /// 0...1 of the service's requests, and never under 10 per second.
        public var budgetShare = 0.2
        public var backoff = Interval.milliseconds(25)
        public var bufferBytes = 64 << 10
        public init() {}
    }

    public struct Timeouts: Equatable, Sendable {
        public var connect = Interval.seconds(2)
        public var response = Interval.seconds(60)
        public var idle = Interval.seconds(60)
        public var total = Interval.forever
        public var tunnel = Interval.seconds(3600)
        public var queue = Interval.seconds(5)
        public var drain = Interval.seconds(30)
        public init() {}
    }

    public struct Limits: Equatable, Sendable {
        /// `nil` is `off`.
        public var requestsPerServer: Int?
        public var queue = 1024
        public init() {}
    }

    public struct Connections: Equatable, Sendable {
        public var idlePerServer = 64
        public var idle = Interval.seconds(4)
        public var maximumAge = Interval.forever
        /// `nil` is `off`.
        public var maximumRequests: Int?
        public init() {}
    }

    /// Where servers are found; those of all sources are joined.
    public struct Sources: Equatable, Sendable {
        public enum Source: Equatable, Sendable {
            case docker(DockerDiscovery)
            case dns(DNSDiscovery)
            case etcd(EtcdDiscovery)
            case file(FileDiscovery)

            /// How it is called in status and logs; unique within a service.
            public var name: String {
                switch self {
                case .docker(let docker): docker.name
                case .dns: "dns"
                case .etcd: "etcd"
                case .file(let list): "file \(list.path)"
                }
            }
        }

        public enum WhenLost: String, Sendable, CaseIterable { case keep }

        /// In the order of the file.
        public var list: [Source] = []
        public var whenLost = WhenLost.keep
        /// A list that leaves fewer is not believed at once.
        public var minimumServers = 1
        public init() {}
    }

    public enum Host: Equatable, Sendable {
        case keep
        case server
        case fixed(String)
    }

    public enum SendsProxyProtocol: String, Sendable, CaseIterable { case off, v1, v2 }

    /// How servers are spoken to. Verification is on unless somebody turns it off.
    public struct TLS: Equatable, Sendable {
        public var verifies = true
        /// `nil`: the authorities of the system.
        public var ca: String?
        /// For whom the certificate must be; `nil` for the host of the address.
        public var serverName: String?
        public var certificate: ListenerConfiguration.TLS.Certificate?
        /// SHA-256 of public keys, in hexadecimal digits.
        public var pins: [String] = []
        public init() {}
    }
}

/// One address that serves a service.
public struct ServerConfiguration: Equatable, Sendable {
    public var address: ServerAddress
    /// The given name, or the address.
    public var name: String
    /// 0...1000; 0 takes no new requests.
    public var weight = 1
    public var isBackup = false
    /// The release it runs, for logs and status.
    public var version: String?

    public init(address: ServerAddress) {
        self.address = address
        name = address.description
    }
}

/// Where a server listens. `host` is a numeric address, a name that is resolved when the
/// configuration is applied, or `unix:` and a path.
public struct ServerAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    public var host: String
    public var port: UInt16
    /// It was written with `https://`.
    public var isSecure = false

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    public init(unixPath: String) { self.init(host: "unix:\(unixPath)", port: 0) }

    /// The path of a Unix socket; `nil` for an address with a port.
    public var unixPath: String? { host.hasPrefix("unix:") ? String(host.dropFirst(5)) : nil }

    /// What stands in `Host` when the server is asked in its own name.
    public var authority: String { unixPath == nil ? description : "localhost" }

    public var description: String {
        if unixPath != nil { return host }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

public struct ProcessConfiguration: Equatable, Sendable {
    /// `nil` is `auto`: one per CPU this process may use.
    public var workers: Int?
    /// Who is asked for names, as `host:port`; empty for those of the system.
    public var nameServers: [String] = []
    public var shutdown = Interval.seconds(30)
    /// How long a server stays when its name has no address any more, or when its source names
    /// it no more and `min_servers` keeps it.
    public var absentAfter = Interval.seconds(60)
    public init() {}
}

public struct LogConfiguration: Equatable, Sendable {
    public enum Level: String, Sendable, CaseIterable { case trace, debug, info, warn, error }
    /// `auto` is text on a terminal and JSON otherwise.
    public enum Format: String, Sendable, CaseIterable { case auto, text, json }
    public var level = Level.info
    public var format = Format.auto
    public init() {}
}

public struct AccessLogConfiguration: Equatable, Sendable {
    public enum Mode: String, Sendable, CaseIterable { case off, failures, all }
    public enum Destination: Equatable, Sendable {
        case stdout, stderr
        case file(String)
    }
    public var mode = Mode.failures
    public var slow = Interval.seconds(1)
    public var destination = Destination.stdout
    public init() {}
}

public struct AdminConfiguration: Equatable, Sendable {
    public enum Socket: Equatable, Sendable {
        /// In `$XDG_RUNTIME_DIR`, or `/run/staithe/admin.sock`.
        case standard
        case path(String)
        case off
    }
    public var socket = Socket.standard
    public var socketMode: UInt16 = 0o660
    public init() {}
}
