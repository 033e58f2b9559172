/// What one loop has counted since its start, as plain integers: the loop adds to its own set
/// and posts a copy when it is asked for one.
public struct LoopCounters: Sendable, BitwiseCopyable {
    /// Connections from clients.
    public var acceptedConnections: UInt64 = 0
    /// Turned away: over a limit, or for want of memory.
    public var refusedConnections: UInt64 = 0
    public var openConnections: Int = 0
    /// Connections to servers.
    public var serverConnections: UInt64 = 0
    public var openServerConnections: Int = 0
    /// Exchanges begun and not yet ended.
    public var openExchanges: Int = 0
    public var droppedAccessRecords: UInt64 = 0
    /// The exchanges that ended.
    public var exchanges = ExchangeCounters()

    public init() {}

    /// Adds those of another loop.
    public mutating func add(_ other: borrowing LoopCounters) {
        acceptedConnections &+= other.acceptedConnections
        refusedConnections &+= other.refusedConnections
        openConnections &+= other.openConnections
        serverConnections &+= other.serverConnections
        openServerConnections &+= other.openServerConnections
        openExchanges &+= other.openExchanges
        droppedAccessRecords &+= other.droppedAccessRecords
        exchanges.add(other.exchanges)
    }
}

/// Exchanges that ended, by what came of them: for a loop, a service, or a server.
public struct ExchangeCounters: Sendable, BitwiseCopyable {
    public private(set) var count: UInt64 = 0
    private var byClass = InlineArray<5, UInt64>(repeating: 0)
    /// As many as there are reasons.
    private var byReason = InlineArray<34, UInt64>(repeating: 0)
    /// Attempts after the first.
    public var retries: UInt64 = 0
    /// Content and heads, from clients and to them.
    public var receivedBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0

    public init() {}

    /// Counts one exchange.
    ///
    /// - Parameter status: what the client was sent; one outside of 100 to 599 counts in no
    ///   class.
    public mutating func ended(status: Int, reason: Reason) {
        count &+= 1
        if status >= 100, status < 600 { byClass[status / 100 - 1] &+= 1 }
        byReason[Int(reason.rawValue)] &+= 1
    }

    /// - Parameter hundreds: 1 to 5.
    public func count(ofClass hundreds: Int) -> UInt64 { byClass[hundreds - 1] }

    public func count(of reason: Reason) -> UInt64 { byReason[Int(reason.rawValue)] }

    /// Those whose reason is a failure.
    public var failureCount: UInt64 {
        count &- count(of: .ok) &- count(of: .clientClosed)
    }

    public mutating func add(_ other: borrowing ExchangeCounters) {
        count &+= other.count
        for index in 0..<5 { byClass[index] &+= other.byClass[index] }
        for index in byReason.indices { byReason[index] &+= other.byReason[index] }
        retries &+= other.retries
        receivedBytes &+= other.receivedBytes
        sentBytes &+= other.sentBytes
    }
}
