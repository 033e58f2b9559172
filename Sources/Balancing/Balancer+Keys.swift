import Memory

/// The strategies with a key: ring-hash, maglev and rendezvous.
///
/// The first look is the table's, and constant. Who cannot take the request, because it is out,
/// full, at the bound, tried already, or warming and not yet trusted with this key, is passed
/// over: the next in the key's order of preference takes it, and the table stays as it is.
extension Balancer {
    /// Places of a table that one pick looks at.
    private static let walkLimit = 64
    /// Picks for which the weight of the eligible is believed, at least.
    private static let weighInterval = 32

    mutating func pickByKey<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, key: UInt64,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var isPrimary = true
        if case .only(let number) = tier, number > 0 { isPrimary = false }
        if isPrimary, let index = owner(of: key) {
            let weight = view.weight(index, in: tier)
            if weight > 0, weight >= full[index] {
                if settings.boundedLoad == nil || settings.strategy == .rendezvous {
                    return index
                }
                let inFlight = view.inFlight(index)
                if inFlight == 0 { return index }
                if bound(view, in: tier).admits(inFlight: inFlight, weight: weight) {
                    return index
                }
            }
        }
        return pickByPreference(
            view, in: tier, key: key, walks: isPrimary, random: &random)
    }

    private mutating func owner(of key: UInt64) -> Int? {
        switch settings.strategy {
        case .ringHash: ring.server(of: key)
        case .maglev: maglev.server(of: key)
        default: scores.holder(of: key)
        }
    }

    private mutating func pickByPreference<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, key: UInt64, walks: Bool,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        let bound = bound(view, in: tier)
        if walks, let index = walk(view, in: tier, key: key, bound: bound) { return index }
        if let index = scores.best(of: key, in: view, tier: tier, bound: bound) { return index }
        // Everybody is at the bound: those that went out have taken requests with them. It is
        // time to weigh again.
        untilWeighed = 0
        return pickLeastLoaded(of: view, in: tier, random: &random)
    }

    /// Goes on from the key's place in the table; `nil` when nobody was found nearby.
    private mutating func walk<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, key: UInt64, bound: LoadBound
    ) -> Int? {
        var place: Int
        switch settings.strategy {
        case .ringHash where ring.pointCount > 0: place = ring.point(of: key)
        case .maglev where maglev.server(at: 0) != nil: place = maglev.slot(of: key)
        default: return nil
        }
        var last = -1
        for _ in 0..<Self.walkLimit {
            let index: Int
            if settings.strategy == .ringHash {
                index = ring.server(at: place)
                place = ring.point(after: place)
            } else {
                index = maglev.server(at: place) ?? 0
                place = maglev.slot(after: place)
            }
            guard index != last else { continue }
            last = index
            let weight = view.weight(index, in: tier)
            guard weight > 0, bound.admits(view, index) else { continue }
            if weight >= full[index] || isTrusted(index, weight: weight, key: key) {
                return index
            }
        }
        return nil
    }

    /// Whether a warming server has this key already: each key comes to it once while its share
    /// grows, and stays.
    private mutating func isTrusted(_ index: Int, weight: Int, key: UInt64) -> Bool {
        StableHash.joined(scores.name(of: index), key).share(of: full[index]) < weight
    }

    private mutating func bound<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> LoadBound {
        guard let percent = settings.boundedLoad, settings.strategy != .rendezvous else {
            return .none
        }
        untilWeighed -= 1
        if untilWeighed < 0 {
            eligibleWeight = 0
            for index in 0..<count { eligibleWeight += view.weight(index, in: tier) }
            untilWeighed = max(Self.weighInterval, count)
        }
        guard eligibleWeight > 0 else { return .none }
        return LoadBound(
            percent: percent, inFlight: view.totalInFlight, weight: eligibleWeight)
    }
}
