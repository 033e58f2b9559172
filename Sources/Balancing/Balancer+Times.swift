import Memory
import Timing

/// The strategies that look at how long servers take.
///
/// A server that was not measured yet counts as the mean of those that were: neither a trap,
/// as when the unseen is taken for the fastest, nor never tried. What has failed was recorded
/// as slow (``ServerTime/failure(after:mean:)``), so failing is never fast.
extension Balancer {
    /// Servers that hot-cold compares when it does not look at all of them.
    private static let coldDraws = 5

    // MARK: - Least time

    /// The least time · (requests in flight + 1) / weight; ties at random by weight.
    mutating func pickLeastTime<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, now: LoopInstant,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        findPrior(view, now: now, fades: false)
        var best = Lightest()
        if count <= Self.scanLimit {
            for index in 0..<count {
                let weight = view.weight(index, in: tier)
                guard weight > 0 else { continue }
                let cost = timeCost(of: index, view, now: now)
                best.consider(index, cost: cost, weight: weight, random: &random)
            }
            return best.index
        }
        var drawn = Drawn()
        for _ in 0..<Self.draws(among: count) {
            guard
                let draw = lottery.draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(draw.index)
            let cost = timeCost(of: draw.index, view, now: now)
            best.consider(draw.index, cost: cost, weight: draw.weight, random: &random)
        }
        return best.index
    }

    private mutating func timeCost<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, _ view: borrowing View, now: LoopInstant
    ) -> Float {
        let time = view.answerTime(index)
        let average = time.isMeasured ? time.nanoseconds : prior
        // What has not come back yet is at least as slow as it is old.
        let known = max(average, view.ages(index).meanNanoseconds(now: now))
        return Self.grouped(known) * Float(view.inFlight(index) &+ 1)
    }

    /// A time rounded up to one of four in an octave: what differs by less is chance, and ties
    /// are spread.
    private static func grouped(_ nanoseconds: Float) -> Float {
        Float(bitPattern: (max(1, nanoseconds).bitPattern &+ 0x1F_FFFF) & ~0x1F_FFFF)
    }

    // MARK: - Peak EWMA

    /// The least average · (requests in flight + 1) / weight of a few drawn by weight.
    mutating func pickPeak<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, now: LoopInstant,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        findPrior(view, now: now, fades: true)
        var drawn = Drawn()
        var best: Int?
        var least: Float = 0
        var leastWeight: Float = 1
        for _ in 0..<settings.choices {
            guard
                let draw = lottery.draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(draw.index)
            let time = view.answerTime(draw.index)
            let average = time.isMeasured ? time.faded(now: now) : prior
            let cost = average * Float(view.inFlight(draw.index) &+ 1)
            let weight = Float(draw.weight)
            if best == nil || cost * leastWeight < least * weight {
                best = draw.index
                least = cost
                leastWeight = weight
            }
        }
        return best
    }

    // MARK: - Hot and cold

    /// Of the servers whose load is not above the quantile, the fastest; when all are above,
    /// the least loaded.
    mutating func pickCold<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, now: LoopInstant,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        findPrior(view, now: now, fades: false)
        var cold = Lightest()
        var hot = Lightest()
        if count <= Self.scanLimit {
            observed = observed &+ 1 >= count ? 0 : observed &+ 1
            let seen = view.weight(observed, in: tier)
            if seen > 0 {
                let load = load(of: observed, view, now: now)
                hotness.observe(load * 256 / Float(seen))
            }
            for index in 0..<count {
                let weight = view.weight(index, in: tier)
                guard weight > 0 else { continue }
                // A warming server is seen as often as it may be picked.
                if weight < full[index], random.next().share(of: full[index]) >= weight {
                    continue
                }
                let load = load(of: index, view, now: now)
                sort(index, load, weight, &cold, &hot, view, random: &random)
            }
        } else {
            var drawn = Drawn()
            for position in 0..<Self.coldDraws {
                guard
                    let draw = lottery.draw(
                        from: view, in: tier, besides: drawn, random: &random)
                else { break }
                drawn.insert(draw.index)
                let load = load(of: draw.index, view, now: now)
                if position == 0 { hotness.observe(load * 256 / Float(draw.weight)) }
                sort(draw.index, load, draw.weight, &cold, &hot, view, random: &random)
            }
        }
        if let index = cold.index ?? hot.index { return index }
        // Only warming servers, none of which was seen.
        return drawOne(view, in: tier, random: &random)
    }

    private mutating func load<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, _ view: borrowing View, now: LoopInstant
    ) -> Float {
        Float(view.inFlight(index) &+ view.foreignLoad(index, now: now))
    }

    private mutating func sort<View: ServerView & ~Copyable & ~Escapable>(
        _ index: Int, _ load: Float, _ weight: Int, _ cold: inout Lightest,
        _ hot: inout Lightest, _ view: borrowing View,
        random: inout some RandomNumberGenerator
    ) {
        if load * 256 <= hotness.threshold * Float(weight) {
            let time = view.answerTime(index)
            let average = Self.grouped(time.isMeasured ? time.nanoseconds : prior)
            cold.consider(index, cost: average, weight: weight, random: &random)
        } else if cold.index == nil {
            hot.consider(index, cost: load, weight: weight, random: &random)
        }
    }

    // MARK: - The unseen

    /// The mean of what the servers take, for those of whom nothing is known. Looks at all of
    /// them once in eight picks for each, and more often until there is something to see.
    private mutating func findPrior<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, now: LoopInstant, fades: Bool
    ) {
        untilPrior &-= 1
        guard untilPrior < 0 else { return }
        var sum: Float = 0
        var measured: Float = 0
        for index in 0..<count {
            let time = view.answerTime(index)
            guard time.isMeasured else { continue }
            sum += fades ? time.faded(now: now) : time.nanoseconds
            measured += 1
        }
        prior = measured > 0 ? sum / measured : 1
        untilPrior = measured > 0 ? max(256, 8 * count) : count / 8
    }
}

/// The least cost per weight met so far; among ties each with the probability of its weight.
private struct Lightest: BitwiseCopyable {
    /// −1 for none yet: its cost is infinite, for no weight.
    private var found = -1
    private var cost = Float.infinity
    private var weight: Float = 0
    private var tiedWeight = 0

    var index: Int? { found < 0 ? nil : found }

    mutating func consider(
        _ candidate: Int, cost candidateCost: Float, weight candidateWeight: Int,
        random: inout some RandomNumberGenerator
    ) {
        let newWeight = Float(candidateWeight)
        let new = candidateCost * weight
        let old = cost * newWeight
        if new < old {
            found = candidate
            cost = candidateCost
            weight = newWeight
            tiedWeight = candidateWeight
        } else if new == old {
            tiedWeight += candidateWeight
            if random.next().share(of: tiedWeight) < candidateWeight { found = candidate }
        }
    }
}
