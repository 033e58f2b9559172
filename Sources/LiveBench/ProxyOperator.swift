/// Whoever changes the servers of a running Staithe: the bench asks for what an operator would
/// type. Calls wait until it is done.
public protocol ProxyOperator: Sendable {
    /// Whether so many servers are up.
    func isReady(_ socket: String, servers: Int) -> Bool
    /// Adds a server, and waits until it may be picked.
    func add(_ server: LiveServer, at socket: String) throws(LiveFailure)
    /// Lets it finish what it has, and takes it out; waits until it is gone.
    func drain(_ name: String, at socket: String) throws(LiveFailure)
    /// Takes it out with all it has.
    func remove(_ name: String, at socket: String) throws(LiveFailure)
}

/// A server as a proxy is told of it.
public struct LiveServer: Sendable, Equatable {
    /// `s1`
    public var name: String
    public var port: UInt16
    public var weight: Int
    public var isBackup: Bool

    public init(name: String, port: UInt16, weight: Int, isBackup: Bool) {
        self.name = name
        self.port = port
        self.weight = weight
        self.isBackup = isBackup
    }

    public var address: String { "127.0.0.1:\(port)" }
}

/// Why a live run is worth nothing, in one sentence.
public struct LiveFailure: Error, Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// Something did not work.
        case broken
        /// The machine could not keep the bench's own times: another run may do better.
        case late
        /// It was stopped from outside.
        case stopped
    }

    public var kind: Kind
    public var sentence: String

    public init(_ kind: Kind, _ sentence: String) {
        self.kind = kind
        self.sentence = sentence
    }
}
