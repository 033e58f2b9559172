/// The lookup table of Maglev (Eisenbud et al., NSDI 2016): 65,537 slots, each of one server.
///
/// In turns, by name, each server takes the next free slot of a permutation of its own until the
/// table is full; one whose weight is w takes its turn only in every (heaviest / w)-th round. So
/// slots are shared to within one by equal servers, more evenly than a ring of any size that is
/// affordable, and a lookup is one read. The price: when a server leaves or joins, some slots of
/// others move too.
///
/// Memory: 128 KiB. To build: about 65,537 · ln 65,537 steps.
public struct MaglevTable: Sendable {
    /// A prime, as the permutations need.
    public static let slotCount = 65_537
    private static let nobody = UInt16.max

    private var slots: [UInt16]

    public init(_ servers: [ServerIdentity]) {
        precondition(servers.count < Int(Self.nobody))
        slots = [UInt16](repeating: Self.nobody, count: Self.slotCount)
        let members = servers.indices.filter { !servers[$0].isBackup && servers[$0].weight > 0 }
            .sorted { servers[$0].name < servers[$1].name }
        let heaviest = members.map { servers[$0].weight }.max() ?? 0
        guard heaviest > 0 else { return }
        var turns = members.map { Turn(server: $0, servers[$0]) }
        var left = Self.slotCount
        // A round gives the heaviest one slot, and the others that part of one.
        while left > 0 {
            for member in turns.indices where left > 0 {
                turns[member].gathered += turns[member].weight
                guard turns[member].gathered >= heaviest else { continue }
                turns[member].gathered -= heaviest
                slots[turns[member].nextFree(in: slots)] = UInt16(turns[member].server)
                left -= 1
            }
        }
    }

    private struct Turn {
        var server: Int
        var weight: Int
        var gathered = 0
        private var slot: Int
        private let skip: Int

        init(server: Int, _ identity: ServerIdentity) {
            self.server = server
            weight = identity.weight
            let name = StableHash.hash(identity.name)
            slot = Int(StableHash.joined(name, 1) % UInt64(slotCount))
            skip = Int(StableHash.joined(name, 2) % UInt64(slotCount - 1)) + 1
        }

        mutating func nextFree(in slots: [UInt16]) -> Int {
            while slots[slot] != nobody { step() }
            defer { step() }
            return slot
        }

        private mutating func step() {
            slot += skip
            if slot >= slotCount { slot -= slotCount }
        }
    }

    public func slot(of key: UInt64) -> Int { key.share(of: Self.slotCount) }

    /// `nil` when the table has no servers.
    public func server(at slot: Int) -> Int? {
        slots[slot] == Self.nobody ? nil : Int(slots[slot])
    }

    /// Who has a key when everybody is in; `nil` for a table without servers.
    public func server(of key: UInt64) -> Int? { server(at: slot(of: key)) }

    func slot(after slot: Int) -> Int { slot + 1 == Self.slotCount ? 0 : slot + 1 }
}
