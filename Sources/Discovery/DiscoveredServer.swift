public import Configuration

/// A server as its source knows it: what it is, who it is, and what the source makes of it.
public struct DiscoveredServer: Equatable, Sendable {
    /// Who it is within its source, for as long as it lives: a container and its start, a key,
    /// an address. A server that ends and begins again is another one.
    public var identity: String
    /// Address, name, weight, version, backup. The host of the address is numeric: names are
    /// resolved by whoever reports them.
    public var configuration: ServerConfiguration
    public var state: ServerState
    /// When it was started, in nanoseconds since 1970; `nil` when the source doesn't know.
    public var startedAt: Int64?

    public init(
        identity: String, configuration: ServerConfiguration, state: ServerState = .ready,
        startedAt: Int64? = nil
    ) {
        self.identity = identity
        self.configuration = configuration
        self.state = state
        self.startedAt = startedAt
    }
}

/// What a source makes of a server. Checks and operators have their say besides.
public enum ServerState: String, Equatable, Sendable, CaseIterable {
    /// It may not listen yet: it takes requests after a check of our own, a TCP connect at least.
    case pending
    /// It serves as far as the source knows; checks decide as they do for a server of the file.
    case ready
    /// The source has found it healthy, which is as good as a passed check.
    case admitted
    /// The source has found it unhealthy: no new requests, unless nobody else is left.
    case down
    /// It is about to end: no new requests, those under way finish.
    case draining
}
