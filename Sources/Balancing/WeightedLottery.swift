/// Draws servers at random, by weight.
///
/// Pools of up to 16 servers are drawn from by adding up their weights. Larger ones by
/// rejection: an index at random, kept with the probability of its weight over the heaviest;
/// after 20 refusals by adding up after all. Both have the same distribution, so their mixture
/// has it too.
struct WeightedLottery: BitwiseCopyable {
    private static let sumLimit = 16
    private static let attemptLimit = 20

    /// The heaviest weight met; 0 until a sum has looked at all of them.
    private var heaviest = 0

    /// A server by weight, none of `drawn`; `nil` when no other is eligible.
    mutating func draw<View: ServerView & ~Copyable & ~Escapable>(
        from view: borrowing View, in tier: Tier, besides drawn: Drawn,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        guard view.count > Self.sumLimit, heaviest > 0 else {
            return drawBySum(from: view, in: tier, besides: drawn, random: &random)
        }
        for _ in 0..<Self.attemptLimit {
            let index = random.next().share(of: view.count)
            let weight = view.weight(index, in: tier)
            guard weight > 0, !drawn.contains(index) else { continue }
            guard weight < heaviest else {
                heaviest = weight
                return index
            }
            if random.next().share(of: heaviest) < weight { return index }
        }
        return drawBySum(from: view, in: tier, besides: drawn, random: &random)
    }

    private mutating func drawBySum<View: ServerView & ~Copyable & ~Escapable>(
        from view: borrowing View, in tier: Tier, besides drawn: Drawn,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var total = 0
        heaviest = 0
        for index in 0..<view.count {
            let weight = view.weight(index, in: tier)
            heaviest = max(heaviest, weight)
            if !drawn.contains(index) { total += weight }
        }
        guard total > 0 else { return nil }
        var rest = random.next().share(of: total)
        // Weights may have sunk since they were added up: then the last one met is taken.
        var last: Int?
        for index in 0..<view.count where !drawn.contains(index) {
            let weight = view.weight(index, in: tier)
            guard weight > 0 else { continue }
            last = index
            guard rest >= weight else { break }
            rest -= weight
        }
        return last
    }

    /// The least loaded of up to `drawCount` distinct servers, the first drawn on ties.
    mutating func pickLeastLoaded<View: ServerView & ~Copyable & ~Escapable>(
        of drawCount: Int, from view: borrowing View, in tier: Tier,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        var drawn = Drawn()
        var best: Int?
        var least = ServerLoad.none
        for _ in 0..<drawCount {
            guard let index = draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(index)
            // A server that filled up since it was drawn is still better than none.
            let weight = max(1, view.weight(index))
            let load = ServerLoad(inFlight: view.inFlight(index), weight: weight)
            if best == nil || load < least {
                best = index
                least = load
            }
        }
        return best
    }
}

/// The servers that one pick has drawn already.
struct Drawn: BitwiseCopyable {
    private var indices = InlineArray<10, Int>(repeating: 0)
    private var count = 0

    mutating func insert(_ index: Int) {
        indices[count] = index
        count += 1
    }

    func contains(_ index: Int) -> Bool {
        for position in 0..<count where indices[position] == index { return true }
        return false
    }
}

extension UInt64 {
    /// This number, taken as a fraction of 2⁶⁴, of `bound`: for a random number, one of
    /// `0 ..< bound`, each as likely as the others but for one part in 2⁶⁴ / `bound`.
    func share(of bound: Int) -> Int {
        Int(truncatingIfNeeded: multipliedFullWidth(by: UInt64(bound)).high)
    }
}
