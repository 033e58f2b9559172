/// What is asked of the name servers.
public struct Question: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// A and AAAA, in the order in which they are to be tried.
        case addresses
        /// A.
        case ipv4
        /// AAAA.
        case ipv6
        /// SRV (RFC 2782).
        case services
    }

    /// Without a dot at the end; `_http._tcp.api.internal` for services.
    public var name: String
    public var kind: Kind

    public init(_ name: String, _ kind: Kind) {
        self.name = name
        self.kind = kind
    }
}
