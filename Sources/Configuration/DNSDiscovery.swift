public import Timing

/// Servers by a name that has several addresses.
public struct DNSDiscovery: Equatable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        case ipv4 = "a"
        case ipv6 = "aaaa"
        /// Ports, weights and backups are in the DNS, too (RFC 2782).
        case services = "srv"
    }

    public enum Refresh: Equatable, Sendable {
        /// When the answer expires; never sooner than ``shortest`` nor later than ``longest``.
        case timeToLive
        case every(Interval)
    }

    /// What is asked for again no sooner than this.
    public static var shortest: Interval { .seconds(1) }
    /// The longest that an answer is used without asking again.
    public static var longest: Interval { .seconds(60) }

    /// In lower case, without a dot at the end.
    public var name: String
    public var kind = Kind.ipv4
    /// `nil` for `srv` only.
    public var port: UInt16?
    public var refresh = Refresh.timeToLive
    /// `host:port` with a numeric host; empty for those of the system.
    public var nameServers: [String] = []
    /// Of servers found here, from the service.
    public var version: String?
    /// From the service: how its servers are spoken to.
    public var isSecure = false

    public init(name: String) { self.name = name }
}

extension ServiceConfiguration.Sources {
    /// What servers that are found have of their service.
    mutating func inherit(version: String?, isSecure: Bool) {
        list = list.map { source in
            switch source {
            case .docker: return source
            case .dns(var dns):
                dns.version = version
                dns.isSecure = isSecure
                return .dns(dns)
            case .etcd(var etcd):
                etcd.version = version
                etcd.isSecure = isSecure
                return .etcd(etcd)
            case .file(var list):
                list.version = version
                list.isSecure = isSecure
                return .file(list)
            }
        }
    }
}
