/// What a balancer knows of a server before any pick, and what several proxies know alike.
public struct ServerIdentity: Equatable, Sendable {
    /// How the service calls it. Strategies with a key spread by names, never by positions.
    public var name: String
    /// As configured: 0 to 1000.
    public var weight: Int
    /// Takes requests only when no primary server can.
    public var isBackup: Bool

    public init(name: String, weight: Int = 1, isBackup: Bool = false) {
        self.name = name
        self.weight = weight
        self.isBackup = isBackup
    }
}
