import Balancing
import Numerics
import Timing

/// Idle servers, all in rotation: where keys live when nothing else matters.
private struct IdleServers: ServerView {
    var weights: [Int]

    var count: Int { weights.count }
    func weight(_ index: Int) -> Int { weights[index] * SlowStart.full }
    func inFlight(_ index: Int) -> Int { 0 }
}

/// Which keys a change of membership moves to another server.
enum KeyMovement {
    /// By key the name of its server, for a strategy with a key and without a bound.
    static func homes(
        of keys: [UInt64], _ contender: Contender, among servers: [ServerIdentity]
    ) -> [String?] {
        var random = SeededRandom(seed: 1)
        var settings = contender.settings
        settings.boundedLoad = nil
        var balancer = Balancer(settings, servers: servers, random: &random)
        let view = IdleServers(weights: servers.map(\.weight))
        return keys.map { key in
            balancer.pick(view, for: PickRequest(key: key), random: &random)
                .map { servers[$0].name }
        }
    }

    /// The share of keys that moved, and of those that had to: their server has gone, or the one
    /// that has them now is new.
    static func shares(
        before: [String?], after: [String?], old: [ServerIdentity], new: [ServerIdentity]
    ) -> (moved: Double, needed: Double) {
        let stayed = Set(old.map(\.name)).intersection(new.map(\.name))
        var moved = 0
        var needed = 0
        for (first, second) in zip(before, after) where first != second {
            moved += 1
            let isNeeded = ![first, second].allSatisfy { name in
                name.map(stayed.contains) ?? false
            }
            if isNeeded { needed += 1 }
        }
        let count = Double(max(1, before.count))
        return (Double(moved) / count, Double(needed) / count)
    }
}
