import Memory

/// Draws servers at random, by weight, in constant time: an alias table over the full weights,
/// and rejection for what they have lost since.
///
/// The table (Walker 1977, built as Vose did in 1991) holds for each server a threshold and
/// another server: one random number names a place of the table by its upper bits and one of the
/// two servers by the lower ones. A server whose weight is at the moment e of its full f is kept
/// with the probability e / f, so slow start, ejection and full servers need no new table.
/// After 20 refusals the weights are added up instead, which has the same distribution; so their
/// mixture has it too.
///
/// Cost: O(1) expected while the eligible servers have at least a few percent of the weight,
/// O(n) otherwise; O(n) for a change of weights.
struct WeightedLottery: ~Copyable {
    private static let attemptLimit = 20

    struct Slot: BitwiseCopyable {
        /// Of 2³²: below it the place's own server is drawn, from it on `alias`.
        var threshold: UInt64 = 1 << 32
        var alias: UInt32 = 0
    }

    private var slots: FixedArray<Slot>
    /// The weights of which the table was made, and for which servers are refused.
    private var full: FixedArray<Int>
    /// While it is made: places by what is left of them, those with too little from the front,
    /// those with too much from the back.
    private var worklist: FixedArray<UInt32>
    /// All weights are the same: no need to read the table.
    private var isUniform = true

    /// - Parameter weights: effective weights without any loss, 256 to the unit.
    init(weights: [Int]) {
        slots = FixedArray(repeating: Slot(), count: weights.count)
        full = FixedArray(weights)
        worklist = FixedArray(repeating: 0, count: weights.count)
        build()
    }

    /// A server by weight, none of `drawn`; `nil` when no other is eligible.
    mutating func draw<View: ServerView & ~Copyable & ~Escapable>(
        from view: borrowing View, in tier: Tier, besides drawn: borrowing Drawn,
        random: inout some RandomNumberGenerator
    ) -> Draw? {
        for _ in 0..<Self.attemptLimit {
            let index = drawBlindly(random: &random)
            let weight = view.weight(index, in: tier)
            guard weight > 0, !drawn.contains(index) else { continue }
            let draw = Draw(index: index, weight: weight)
            guard weight < full[index] else { return draw }
            if random.next().share(of: full[index]) < weight { return draw }
        }
        return drawBySum(from: view, in: tier, besides: drawn, random: &random)
    }

    private mutating func drawBlindly(random: inout some RandomNumberGenerator) -> Int {
        let (high, low) = random.next().multipliedFullWidth(by: UInt64(full.count))
        let place = Int(truncatingIfNeeded: high)
        guard !isUniform, low >> 32 >= slots[place].threshold else { return place }
        return Int(slots[place].alias)
    }

    private mutating func drawBySum<View: ServerView & ~Copyable & ~Escapable>(
        from view: borrowing View, in tier: Tier, besides drawn: borrowing Drawn,
        random: inout some RandomNumberGenerator
    ) -> Draw? {
        var total = 0
        for index in 0..<full.count where !drawn.contains(index) {
            total += view.weight(index, in: tier)
        }
        guard total > 0 else { return nil }
        var rest = random.next().share(of: total)
        // Weights may have sunk since they were added up: then the last one met is taken.
        var last: Draw?
        for index in 0..<full.count where !drawn.contains(index) {
            let weight = view.weight(index, in: tier)
            guard weight > 0 else { continue }
            last = Draw(index: index, weight: weight)
            guard rest >= weight else { break }
            rest -= weight
        }
        return last
    }

    private mutating func build() {
        let count = full.count
        var total = 0
        isUniform = true
        for index in 0..<count {
            total += full[index]
            if full[index] != full[0] { isUniform = false }
        }
        guard total > 0, !isUniform else { return }
        // What a place holds is a multiple of 1 / total: weight · count, of which `total` fit.
        var lessCount = 0
        var moreStart = count
        for index in 0..<count {
            slots[index].alias = UInt32(truncatingIfNeeded: index)
            slots[index].threshold = UInt64(full[index] * count)
            if full[index] * count < total {
                worklist[lessCount] = UInt32(index)
                lessCount += 1
            } else {
                moreStart -= 1
                worklist[moreStart] = UInt32(index)
            }
        }
        pair(total: total, &lessCount, &moreStart)
        for index in 0..<count {
            let held = min(slots[index].threshold, UInt64(total))
            slots[index].threshold = UInt64(
                (Double(held) / Double(total) * 4_294_967_296).rounded())
        }
    }

    /// Fills each place that holds too little from one that holds too much.
    private mutating func pair(total: Int, _ lessCount: inout Int, _ moreStart: inout Int) {
        while lessCount > 0, moreStart < full.count {
            lessCount -= 1
            let less = Int(worklist[lessCount])
            let more = Int(worklist[moreStart])
            slots[less].alias = UInt32(more)
            slots[more].threshold -= UInt64(total) - slots[less].threshold
            if slots[more].threshold < UInt64(total) {
                moreStart += 1
                worklist[lessCount] = UInt32(more)
                lessCount += 1
            }
        }
    }
}

/// A server that was drawn, and its weight at that moment.
struct Draw: BitwiseCopyable {
    var index: Int
    var weight: Int
}

/// The servers that one pick has drawn already.
struct Drawn: ~Copyable {
    private var indices = InlineArray<16, Int32>(repeating: 0)
    private var count = 0

    mutating func insert(_ index: Int) {
        indices[count] = Int32(truncatingIfNeeded: index)
        count += 1
    }

    func contains(_ index: Int) -> Bool {
        for position in 0..<count
        where indices[position] == Int32(truncatingIfNeeded: index) { return true }
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
