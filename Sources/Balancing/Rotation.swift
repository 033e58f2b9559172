/// Smooth weighted round robin, as nginx does it: weights 5, 1, 1 give `a a b a c a a`.
///
/// Each pick adds to every eligible server its weight; the one that has most, the first on
/// ties, is picked and pays the sum of the weights. While weights stay, every stretch of
/// W = Σ wᵢ / gcd picks that begins where the rotation began has each server exactly wᵢ times.
///
/// ## Invariants
/// - A server that is not eligible keeps what it has, so it returns where it left.
/// - No server holds less than −Σ weights after a pick (the one picked had at least the mean of
///   what all held, which is positive).
///
/// Cost: O(n) a pick and a change. ``LaneRotation`` makes the same sequence for large pools.
struct Rotation: ~Copyable {
    /// Picks times servers that finding the starting point may cost at most.
    private static let startCostLimit = 1 << 16

    private enum Phase {
        /// The next pick moves to the random starting point first.
        case beforeFirstPick
        case turning
        /// Weights may have changed: the next pick bounds what servers hold first.
        case afterChange
    }

    /// What each server holds, in the unit of weights.
    private var credits: [Int]
    /// A fraction of the period, of 2⁶⁴.
    private let start: UInt64
    private var phase = Phase.beforeFirstPick

    init(count: Int, start: UInt64) {
        precondition(count >= 0)
        credits = Array(repeating: 0, count: count)
        self.start = start
    }

    var count: Int { credits.count }

    mutating func pick<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        switch phase {
        case .turning:
            break
        case .beforeFirstPick:
            moveToStart(view, in: tier)
            phase = .turning
        case .afterChange:
            boundCredits(view, in: tier)
            phase = .turning
        }
        return turn(view, in: tier)
    }

    /// One pick of the rotation.
    private mutating func turn<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        var total = 0
        var best: Int?
        var most = Int.min
        for index in 0..<credits.count {
            let weight = view.weight(index, in: tier)
            guard weight > 0 else { continue }
            total += weight
            let credit = credits[index] + weight
            credits[index] = credit
            if credit > most {
                most = credit
                best = index
            }
        }
        guard let best else { return nil }
        credits[best] = most - total
        return best
    }

    mutating func rebuild(count: Int, oldIndex: (Int) -> Int?) {
        var renewed = Array(repeating: 0, count: count)
        for index in 0..<count {
            guard let old = oldIndex(index) else { continue }
            renewed[index] = credits[old]
        }
        credits = renewed
        if case .turning = phase { phase = .afterChange }
    }

    /// Goes to a random place of the period, or, when the period is too long for that, to one
    /// of its first places.
    private mutating func moveToStart<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) {
        let sum = weigh(view, in: tier)
        guard sum.total > 0 else { return }
        let period = sum.total / sum.divisor
        if sum.eligibleCount == period {
            // Equal weights, where the place after k picks is known without making them.
            let pickCount = start.share(of: period)
            var position = 0
            for index in 0..<credits.count where view.weight(index, in: tier) > 0 {
                let isPicked = position < pickCount
                credits[index] = sum.divisor * (isPicked ? pickCount - period : pickCount)
                position += 1
            }
        } else {
            let reach = min(period, max(1, Self.startCostLimit / credits.count))
            for _ in 0..<start.share(of: reach) { _ = turn(view, in: tier) }
        }
    }

    /// Forgets debts and claims from larger weights that would take more than a pick to settle:
    /// a server whose weight fell from 1000 to 1 would otherwise wait for hundreds of rounds.
    private mutating func boundCredits<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) {
        let bound = weigh(view, in: tier).total
        for index in 0..<credits.count where view.weight(index, in: tier) > 0 {
            credits[index] = min(max(credits[index], -bound), bound)
        }
    }

    private struct Sum {
        var total = 0
        /// The greatest common divisor of the weights.
        var divisor = 0
        var eligibleCount = 0
    }

    private func weigh<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Sum {
        var sum = Sum()
        for index in 0..<credits.count {
            let weight = view.weight(index, in: tier)
            guard weight > 0 else { continue }
            sum.total += weight
            sum.divisor = Self.greatestCommonDivisor(sum.divisor, weight)
            sum.eligibleCount += 1
        }
        return sum
    }

    static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        var (a, b) = (a, b)
        while b != 0 { (a, b) = (b, a % b) }
        return a
    }
}
