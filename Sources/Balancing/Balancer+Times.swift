import Memory
import Timing

/// The strategies that look at how long servers take.
///
/// A server that was not measured yet counts as the mean of those that were: neither a trap,
/// as when the unseen is taken for the fastest, nor never tried. What has failed was recorded
/// as slow (``ServerTime/failure(after:mean:)``), so failing is never fast. An average that
/// nobody refreshes fades, so that a server that was slow once is tried again.
///
/// An idle server costs its time per the heaviest weight, whatever its own: as with
/// least-requests, idle ones come before busy ones and share by weight, so that at low load the
/// heaviest machine does not get everything.
extension Balancer {
    /// Servers that hot-cold compares when it does not look at all of them.
    private static let coldDraws = 5

    // MARK: - Least time

    /// The least time · (requests in flight + 1) / weight; ties at random by weight.
    mutating func pickLeastTime<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, now: LoopInstant,
        random: inout some RandomNumberGenerator
    ) -> Int? {
        findPrior(view, now: now)
        var best = Lightest()
        if count <= Self.scanLimit {
            for index in 0..<count {
                let weight = view.weight(index, in: tier)
                guard weight > 0 else { continue }
                consider(
                    index, weight, ties: weight, &best, view, now: now, random: &random)
            }
            return best.index
        }
        var drawn = Drawn()
        for _ in 0..<Self.draws(among: count) {
            guard
                let draw = lottery.draw(from: view, in: tier, besides: drawn, random: &random)
            else { break }
            drawn.insert(draw.index)
            // Drawn by weight: of the tied, the first stays.
            consider(
                draw.index, draw.weight, ties: 0, &best, view, now: now, random: &random)
        }
        return best.index
    }

    private mutating func consider<View: ServerView & ~Copyable & ~Escapable>(
        _ index: Int, _ weight: Int, ties: Int, _ best: inout Lightest,
        _ view: borrowing View, now: LoopInstant, random: inout some RandomNumberGenerator
    ) {
        let time = view.answerTime(index)
        let average = time.isMeasured ? time.faded(now: now) : prior
        // What has not come back yet is at least as slow as it is old.
        let known = max(average, view.ages(index).meanNanoseconds(now: now))
        let inFlight = view.inFlight(index)
        best.consider(
            index, cost: Self.grouped(known) * Float(inFlight &+ 1),
            per: inFlight == 0 ? heaviest : weight, ties: ties, random: &random)
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
        findPrior(view, now: now)
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
            let inFlight = view.inFlight(draw.index)
            let cost = average * Float(inFlight &+ 1)
            let weight = Float(inFlight == 0 ? heaviest : draw.weight)
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
        findPrior(view, now: now)
        var cold = Lightest()
        var hot = Lightest()
        if count <= Self.scanLimit {
            // One server in every fourth pick is enough to know the loads.
            if untilPrior & 3 == 0 { observeNext(view, in: tier, now: now) }
            for index in 0..<count {
                let weight = view.weight(index, in: tier)
                guard weight > 0 else { continue }
                // A warming server is seen as often as it may be picked.
                if weight < full[index], random.next().share(of: full[index]) >= weight {
                    continue
                }
                sort(index, weight, ties: weight, &cold, &hot, view, now: now, random: &random)
            }
        } else {
            var drawn = Drawn()
            for position in 0..<Self.coldDraws {
                guard
                    let draw = lottery.draw(
                        from: view, in: tier, besides: drawn, random: &random)
                else { break }
                drawn.insert(draw.index)
                if position == 0 { observe(draw.index, draw.weight, view, now: now) }
                sort(
                    draw.index, draw.weight, ties: 0, &cold, &hot, view, now: now,
                    random: &random)
            }
        }
        if let index = cold.index ?? hot.index { return index }
        // Only warming servers, none of which was seen.
        return drawOne(view, in: tier, random: &random)
    }

    private mutating func observeNext<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, now: LoopInstant
    ) {
        observed = observed &+ 1 >= count ? 0 : observed &+ 1
        let weight = view.weight(observed, in: tier)
        guard weight > 0 else { return }
        observe(observed, weight, view, now: now)
    }

    private mutating func observe<View: ServerView & ~Copyable & ~Escapable>(
        _ index: Int, _ weight: Int, _ view: borrowing View, now: LoopInstant
    ) {
        let load = load(of: index, view, now: now)
        hotness.observe(Float(load) * 256 / Float(weight), among: count)
    }

    private func load<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, _ view: borrowing View, now: LoopInstant
    ) -> Int {
        view.inFlight(index) &+ view.foreignLoad(index, now: now)
    }

    private mutating func sort<View: ServerView & ~Copyable & ~Escapable>(
        _ index: Int, _ weight: Int, ties: Int, _ cold: inout Lightest,
        _ hot: inout Lightest, _ view: borrowing View, now: LoopInstant,
        random: inout some RandomNumberGenerator
    ) {
        let load = load(of: index, view, now: now)
        if Float(load) * 256 <= hotness.threshold * Float(weight) {
            let time = Self.grouped(expectedTime(of: index, at: load, view, now: now))
            cold.consider(index, cost: time, per: 1, ties: ties, random: &random)
        } else if cold.index == nil {
            hot.consider(index, cost: Float(load), per: weight, ties: ties, random: &random)
        }
    }

    /// What a server takes when it has as much as it has now, by what it took then before.
    ///
    /// An average over all loads would be of no use here: it would send everything to whoever
    /// has the least of it, long after his queue has grown.
    private func expectedTime<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, at load: Int, _ view: borrowing View, now: LoopInstant
    ) -> Float {
        let average = view.answerTime(index)
        guard average.isMeasured else { return prior }
        // A server in use is not faded in any class, and one out of use in all of them.
        let fading = average.fading(now: now)
        let own = LoadClass(of: load)
        let time = view.answerTime(index, in: own)
        if time.isMeasured { return time.nanoseconds * fading }
        // Not seen with so much: as if it did one thing at a time. Not seen with so little: as
        // good as with more, so that it is found out.
        for number in stride(from: own.number - 1, through: 0, by: -1) {
            let lower = LoadClass(number: number)
            let time = view.answerTime(index, in: lower)
            guard time.isMeasured else { continue }
            return time.nanoseconds * fading * Float(load + 1) / Float(lower.largest + 1)
        }
        for number in own.number + 1..<LoadClass.count {
            let time = view.answerTime(index, in: LoadClass(number: number))
            if time.isMeasured { return time.nanoseconds * fading }
        }
        return average.nanoseconds * fading
    }

    // MARK: - The unseen

    /// The mean of what the servers take, for those of whom nothing is known. Looks at all of
    /// them once in eight picks for each, and more often while some are unseen.
    private mutating func findPrior<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, now: LoopInstant
    ) {
        untilPrior &-= 1
        guard untilPrior < 0 else { return }
        var sum: Float = 0
        var measured: Float = 0
        for index in 0..<count {
            let time = view.answerTime(index)
            guard time.isMeasured else { continue }
            sum += time.faded(now: now)
            measured += 1
        }
        prior = measured > 0 ? sum / measured : 1
        // While somebody is unseen the mean must be of now: it falls fast as servers warm up, and
        // nobody is tried who counts as what it was.
        let isComplete = Int(measured) == count
        untilPrior = isComplete ? max(256, 8 * count) : count <= Self.scanLimit ? 3 : count / 2
    }
}

/// The least cost per weight met so far; among ties each with the probability of its `ties`, or
/// the first when those are 0.
private struct Lightest: BitwiseCopyable {
    /// −1 for none yet: its cost is infinite, for no weight.
    private var found = -1
    private var cost = Float.infinity
    private var weight: Float = 0
    private var tiedWeight = 0

    var index: Int? { found < 0 ? nil : found }

    mutating func consider(
        _ candidate: Int, cost candidateCost: Float, per costWeight: Int,
        ties candidateWeight: Int, random: inout some RandomNumberGenerator
    ) {
        let newWeight = Float(costWeight)
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
