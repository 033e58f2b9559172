public import Timing

/// A view of servers of which some may be down, draining, ejected, full, tried or warming: the
/// guards that hold for every strategy, in one place.
///
/// A conformer says what is known of each server; whether it may be picked, and with how much
/// of its weight, follows from it here. The data plane conforms its table of shared counters,
/// the simulator its own, so both pick by the same rules.
public protocol GuardedView: ServerView, ~Copyable, ~Escapable {
    /// What holds for this pick; the asker sets it just before.
    var pick: PickCircumstances { get set }
    var slowStart: SlowStart { get }
    /// The most requests that a server may have in flight; `.max` when there is no limit.
    var requestsPerServer: Int { get }
    /// The memory of one pick: ``TierLoads/forget()`` it before each.
    var tierLoads: TierLoads { borrowing get }

    /// Picks so far, 256 to each: ``Balancer/choose(from:for:triesAllWhenDown:random:)`` counts.
    var pickCount: Int { get set }
    /// From what ``pickCount`` on a warming server may have its next request; 0 at first.
    func turn(_ index: Int) -> Int
    mutating func setTurn(_ index: Int, to pickCount: Int)

    func flags(_ index: Int) -> ServerFlags
    /// Until when requests have put the server out; not later than now when it is in.
    func ejectedUntil(_ index: Int) -> LoopInstant
    /// Whether the exchange has tried the server already.
    func isTried(_ index: Int) -> Bool
    /// Asked only of servers whose flags say that they are warming.
    func warmth(_ index: Int) -> Warmth
}

/// What holds for one pick.
public struct PickCircumstances: Sendable, BitwiseCopyable {
    public var now: LoopInstant
    /// `when_all_down: try`: health does not count.
    public var ignoresHealth = false
    /// Full servers count as eligible: asks whether waiting makes sense.
    public var ignoresLimit = false
    /// Warming servers take more than their cap: for when there is nobody else.
    public var ignoresWarmCap = false

    public init(now: LoopInstant = .zero) { self.now = now }
}

/// How far a server has warmed.
public struct Warmth: Sendable, BitwiseCopyable {
    /// When it joined or came back.
    public var since: LoopInstant
    /// What it has answered since then.
    public var answered: Int

    public init(since: LoopInstant, answered: Int) {
        self.since = since
        self.answered = answered
    }
}

extension GuardedView where Self: ~Copyable, Self: ~Escapable {
    public func weight(_ index: Int) -> Int {
        guard let flags = flagsIfOpen(index) else { return 0 }
        guard flags.isWarming else { return flags.weight << 8 }
        return warmWeight(index, flags.weight)
    }

    /// Whether anybody could be picked.
    public var hasEligible: Bool {
        for index in 0..<count where weight(index) > 0 { return true }
        return false
    }

    /// Whether so few servers are believed to be healthy that belief is to be ignored.
    public func isPanicking(_ threshold: PanicThreshold) -> Bool {
        let now = pick.now
        var healthy = 0
        var total = 0
        for index in 0..<count {
            let flags = flags(index)
            guard !flags.isDraining, !flags.isInMaintenance, flags.weight > 0 else { continue }
            total += 1
            if flags.isUp, ejectedUntil(index) <= now { healthy += 1 }
        }
        return threshold.isBelow(healthy: healthy, of: total)
    }

    /// The flags of a server to which the exchange may go; `nil` for one that is out, full or
    /// tried already.
    private func flagsIfOpen(_ index: Int) -> ServerFlags? {
        let flags = flags(index)
        let pick = pick
        if !flags.isInRotation {
            guard pick.ignoresHealth, !flags.isDraining, !flags.isInMaintenance else { return nil }
        }
        if !pick.ignoresHealth, ejectedUntil(index) > pick.now { return nil }
        if isTried(index) { return nil }
        let limit = requestsPerServer
        if limit != .max, !pick.ignoresLimit, inFlight(index) >= limit { return nil }
        return flags
    }

    /// The weight of a server whose share still grows; off the common path.
    private func warmWeight(_ index: Int, _ weight: Int) -> Int {
        guard weight > 0 else { return 0 }
        let warmth = warmth(index)
        let share = slowStart.share(
            now: pick.now, since: warmth.since, answered: warmth.answered)
        if share < SlowStart.full, !pick.ignoresWarmCap, !pick.ignoresLimit {
            if pickCount < turn(index) { return 0 }
            let own = inFlight(index)
            if own >= load(ofTier: tier(index)).warmCap(without: own) { return 0 }
        }
        return max(1, weight * share)
    }

    /// A warming server was picked: says when its turn comes again, so that it gets no more than
    /// ``SlowStart/gap(weight:of:)`` allows and no burst, however idle it looks.
    mutating func pace(_ index: Int) {
        let tier = tier(index)
        var total = 0
        for other in 0..<count where self.tier(other) == tier {
            if let flags = flagsIfOpen(other) { total += flags.weight }
        }
        let own = flags(index).weight
        guard own > 0, total > own else { return }
        let earliest = max(turn(index), pickCount - 255)
        setTurn(index, to: earliest + SlowStart.gap(weight: own, of: total))
    }

    /// What the open servers of a tier have in flight, over all loops. Added up when the first
    /// warming server of a pick asks, so that a pick without one pays nothing.
    private func load(ofTier tier: Int) -> TierLoad {
        let known = tierLoads.load(ofTier: tier)
        guard known.serverCount == 0 else { return known }
        var sum = TierLoad()
        for index in 0..<count where self.tier(index) == tier {
            guard let flags = flagsIfOpen(index), flags.weight > 0 else { continue }
            sum.add(inFlight: inFlight(index))
        }
        tierLoads.remember(sum, ofTier: tier)
        return sum
    }
}
