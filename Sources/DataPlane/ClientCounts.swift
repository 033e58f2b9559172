import Linux

/// How many connections each client address holds, over all loops.
///
/// Consulted once per connection, and only while `connections_per_client` is set: that is why
/// a lock may stand here although it is below the control plane.
public final class ClientCounts: Sendable {
    private struct Address: Hashable {
        var high: UInt64
        var low: UInt64
    }

    private let counts = Locked<[Address: Int]>([:])

    public init() {}

    /// - Returns: `false`, and counts nothing, when the client is at its bound.
    func enter(_ peer: SocketAddress, bound: Int) -> Bool {
        counts.withLock { counts in
            let count = counts[Address(high: peer.high, low: peer.low), default: 0]
            guard count < bound else { return false }
            counts[Address(high: peer.high, low: peer.low)] = count + 1
            return true
        }
    }

    func leave(_ peer: SocketAddress) {
        counts.withLock { counts in
            let address = Address(high: peer.high, low: peer.low)
            let count = counts[address, default: 0]
            counts[address] = count > 1 ? count - 1 : nil
        }
    }
}
