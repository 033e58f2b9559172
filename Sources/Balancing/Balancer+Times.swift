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
        if now >= fadeAt { findLosses(view, now: now) }
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
        let average =
            time.isMeasured ? Float(bitPattern: time.pattern(less: losses[index])) : prior
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

    /// The same of a pattern, as a number below 2¹¹.
    private static func group(_ pattern: UInt32) -> UInt32 { (pattern &+ 0x1F_FFFF) >> 21 }

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
        if now >= fadeAt { findLosses(view, now: now) }
        var found = ColdSearch()
        if count <= Self.scanLimit {
            // One server in every eighth pick is enough to know the loads.
            if untilPrior & 7 == 0 { observeNext(view, in: tier, now: now) }
            for index in 0..<count {
                let weight = view.weight(index, in: tier)
                guard weight > 0 else { continue }
                // A warming server is seen as often as it may be picked.
                if weight < full[index], random.next().share(of: full[index]) >= weight {
                    continue
                }
                sort(index, weight, ties: weight, &found, view, now: now, random: &random)
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
                sort(draw.index, draw.weight, ties: 0, &found, view, now: now, random: &random)
            }
        }
        if let index = found.index { return index }
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
        mark = hotness.threshold
    }

    private mutating func load<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, _ view: borrowing View, now: LoopInstant
    ) -> Int {
        view.inFlight(index) &+ view.foreignLoad(index, now: now)
    }

    @inline(__always)
    private mutating func sort<View: ServerView & ~Copyable & ~Escapable>(
        _ index: Int, _ weight: Int, ties: Int, _ found: inout ColdSearch,
        _ view: borrowing View, now: LoopInstant, random: inout some RandomNumberGenerator
    ) {
        let load = load(of: index, view, now: now)
        if load &* 256 <= mark &* weight {
            let group = Self.group(expectedTime(of: index, at: load, view))
            found.considerCold(index, group: group, load: load, ties: ties, random: &random)
        } else if !found.hasCold {
            found.considerHot(index, load: load, weight: weight, ties: ties, random: &random)
        }
    }

    /// What a server takes when it has as much as it has now, by what it took then before; the
    /// pattern of a `Float`.
    ///
    /// An average over all loads would be of no use here: it would send everything to whoever
    /// has the least of it, long after his queue has grown.
    @inline(__always)
    private mutating func expectedTime<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, at load: Int, _ view: borrowing View
    ) -> UInt32 {
        let time = view.answerTime(index, in: LoadClass(of: load))
        // A server in use is not faded in any class, and one out of use in all of them.
        if time.isMeasured { return time.pattern(less: losses[index]) }
        return unseenTime(of: index, at: load, view)
    }

    /// The same for a load that was not met before. More than was seen: as if the server did one
    /// thing at a time. Less: as good as with more, so that it is found out.
    private mutating func unseenTime<View: ServerView & ~Copyable & ~Escapable>(
        of index: Int, at load: Int, _ view: borrowing View
    ) -> UInt32 {
        let average = view.answerTime(index)
        guard average.isMeasured else { return prior.bitPattern }
        let loss = losses[index]
        let own = LoadClass(of: load).number
        for number in stride(from: own - 1, through: 0, by: -1) {
            let lower = LoadClass(number: number)
            let time = view.answerTime(index, in: lower)
            guard time.isMeasured else { continue }
            let ratio = Float(load + 1) / Float(lower.largest + 1)
            return (Float(bitPattern: time.pattern(less: loss)) * ratio).bitPattern
        }
        for number in own + 1..<LoadClass.count {
            let time = view.answerTime(index, in: LoadClass(number: number))
            if time.isMeasured { return time.pattern(less: loss) }
        }
        return average.pattern(less: loss)
    }

    private mutating func findLosses<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, now: LoopInstant
    ) {
        for index in 0..<count {
            let time = view.answerTime(index)
            losses[index] = time.isMeasured ? time.patternLoss(now: now) : 0
        }
        fadeAt = now + .milliseconds(500)
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

/// Of the cold servers met so far the fastest, of those about as fast the least loaded; and while
/// there is none, of the hot ones the least loaded. Ties as in ``Lightest``.
private struct ColdSearch: BitwiseCopyable {
    private var cold = -1
    private var hot = -1
    private var key = UInt64.max
    private var least = ServerLoad.none
    private var tiedWeight = 0

    var index: Int? { cold >= 0 ? cold : hot >= 0 ? hot : nil }
    var hasCold: Bool { cold >= 0 }

    @inline(__always)
    mutating func considerCold(
        _ index: Int, group: UInt32, load: Int, ties weight: Int,
        random: inout some RandomNumberGenerator
    ) {
        let new = UInt64(group) << 32 | UInt64(UInt32(truncatingIfNeeded: load))
        if new < key {
            cold = index
            key = new
            tiedWeight = weight
        } else if new == key {
            tiedWeight &+= weight
            if random.next().share(of: tiedWeight) < weight { cold = index }
        }
    }

    mutating func considerHot(
        _ index: Int, load: Int, weight: Int, ties: Int,
        random: inout some RandomNumberGenerator
    ) {
        let new = ServerLoad(inFlight: load, weight: weight)
        if new < least {
            hot = index
            least = new
            tiedWeight = ties
        } else if new == least {
            tiedWeight &+= ties
            if random.next().share(of: tiedWeight) < ties { hot = index }
        }
    }
}
