import Memory

/// Smooth weighted round robin for large pools: the sequence of ``Rotation``, made without
/// looking at every server.
///
/// In that sequence servers of the same weight take turns: the one picked falls behind all its
/// equals, and comes again after them. So equals stand in a ring, a lane, with a mark at the one
/// that is next, and only the marked ones need comparing. After k picks a server that holds c at
/// the beginning and was picked m times holds c + k·w − m·W, so credit need not be added to
/// anybody; it is computed.
///
/// A server that is not eligible when its turn comes loses it, and the next in the sequence is
/// asked: nobody inherits more than his share. One that has lost part of its weight takes that
/// part of its turns, evenly.
///
/// Cost: O(different weights) a pick while most servers are eligible; O(n log n) a change.
struct LaneRotation: ~Copyable {
    /// Turns that servers may lose in one pick; then the pick is given up.
    private static let forfeitLimit = 32

    struct Lane: BitwiseCopyable {
        /// Also how much its servers gain with every pick.
        var weight: Int
        /// What the marked server holds, less k · weight.
        var held: Int
        var marked: UInt32
        var start: Int32
        var count: Int32
        /// Of the mark, from `start`.
        var mark: Int32 = 0
    }

    /// ## Invariants
    /// - From its mark on, a lane's servers hold less and less, and among equals stand by index.
    /// - None holds less than the marked one less `total`.
    private var lanes: FixedArray<Lane>
    private var laneCount = 0
    /// The servers, lane by lane.
    private var order: FixedArray<UInt32>
    /// By server: what it holds, less k · weight.
    private var held: FixedArray<Int>
    private var gathered: FixedArray<Int32>
    private var full: FixedArray<Int>
    private var total = 0
    /// k.
    private var pickCount = 0

    /// - Parameter start: a fraction of the period, of 2⁶⁴.
    init(weights: [Int], start: UInt64) {
        self.init(weights: weights, held: [Int](repeating: 0, count: weights.count))
        // Equal weights have the period n; a longer one is entered at one of its first places.
        for _ in 0..<start.share(of: max(1, weights.count)) { _ = next() }
    }

    private init(weights: [Int], held: [Int]) {
        let servers = weights.indices.filter { weights[$0] > 0 }.sorted {
            (weights[$0], -held[$0], $0) < (weights[$1], -held[$1], $1)
        }
        total = servers.reduce(0) { $0 + weights[$1] }
        full = FixedArray(weights)
        gathered = FixedArray(repeating: 0, count: weights.count)
        order = FixedArray(servers.map { UInt32($0) })
        self.held = FixedArray(held)
        var lanes: [Lane] = []
        for (position, server) in servers.enumerated() {
            if lanes.last?.weight != weights[server] {
                lanes.append(
                    Lane(
                        weight: weights[server], held: held[server], marked: UInt32(server),
                        start: Int32(position), count: 0))
            }
            lanes[lanes.count - 1].count += 1
        }
        laneCount = lanes.count
        self.lanes = FixedArray(lanes)
    }

    /// - Parameter oldIndex: as in ``Balancer/rebuild(servers:table:oldIndex:random:)``.
    mutating func rebuild(weights: [Int], oldIndex: (Int) -> Int?) {
        let bound = weights.reduce(0, +)
        var renewed = [Int](repeating: 0, count: weights.count)
        for index in weights.indices {
            guard let old = oldIndex(index) else { continue }
            renewed[index] = min(max(held[old] + pickCount * full[old], -bound), bound)
        }
        // A lane must not spread by more than one pick pays.
        var highest: [Int: Int] = [:]
        for index in weights.indices {
            highest[weights[index]] = max(highest[weights[index]] ?? .min, renewed[index])
        }
        for index in weights.indices {
            renewed[index] = max(renewed[index], (highest[weights[index]] ?? 0) - bound)
        }
        self = LaneRotation(weights: weights, held: renewed)
    }

    /// `nil` when too many of those who were due are not eligible.
    mutating func pick<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        guard laneCount > 0 else { return nil }
        for _ in 0..<Self.forfeitLimit {
            let server = next()
            let weight = view.weight(server, in: tier)
            if weight > 0, takesTurn(server, weight: weight) { return server }
        }
        return nil
    }

    /// The next of the sequence; there must be one.
    private mutating func next() -> Int {
        pickCount += 1
        if pickCount > 1 << 40 { rebase() }
        var best = 0
        var most = Int.min
        for index in 0..<laneCount {
            let credit = lanes[index].held + pickCount &* lanes[index].weight
            if credit > most || credit == most && lanes[index].marked < lanes[best].marked {
                most = credit
                best = index
            }
        }
        let server = Int(lanes[best].marked)
        held[server] -= total
        let mark = lanes[best].mark + 1
        lanes[best].mark = mark == lanes[best].count ? 0 : mark
        let successor = Int(order[Int(lanes[best].start + lanes[best].mark)])
        lanes[best].marked = UInt32(successor)
        lanes[best].held = held[successor]
        return server
    }

    private mutating func takesTurn(_ server: Int, weight: Int) -> Bool {
        guard weight < full[server] else { return true }
        let sum = Int(gathered[server]) + weight
        let isWhole = sum >= full[server]
        gathered[server] = Int32(truncatingIfNeeded: isWhole ? sum - full[server] : sum)
        return isWhole
    }

    /// Counts from here: k · weight must not overflow.
    private mutating func rebase() {
        for index in 0..<full.count { held[index] += pickCount * full[index] }
        for index in 0..<laneCount { lanes[index].held += pickCount * lanes[index].weight }
        pickCount = 0
    }
}
