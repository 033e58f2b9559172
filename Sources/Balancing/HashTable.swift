/// What ring-hash and maglev look a key up in. Made once for a change of names or weights, and
/// shared by all loops; read only.
///
/// It depends on the names and weights of the primary servers and on nothing else: not on their
/// order, not on who is up. So every proxy with the same servers has the same table, and a
/// server that is out for a moment keeps its keys.
public enum HashTable: Sendable {
    case ring(HashRing)
    case maglev(MaglevTable)

    /// `nil` for strategies that need none.
    public init?(_ strategy: Strategy, servers: [ServerIdentity]) {
        switch strategy {
        case .ringHash: self = .ring(HashRing(servers))
        case .maglev: self = .maglev(MaglevTable(servers))
        default: return nil
        }
    }
}
