import Memory
import Timing

/// Chooses the server of the next attempt, for one service on one loop.
///
/// It reads no clock, draws no randomness of its own and measures nothing: what it knows of the
/// servers it asks of a ``ServerView`` at each pick. Of its own it keeps what a rotation, a draw
/// or a table must remember, so the counts that matter (requests in flight, answer times) can be
/// shared by all loops while each loop rotates alone.
///
/// ``Strategy/explanation`` says what each strategy does, costs and is good for.
///
/// ## Ownership
/// One loop owns it; a pick allocates nothing.
public struct Balancer: ~Copyable {
    /// Strategies that compare all servers do so up to this many; above, they draw some.
    static let scanLimit = 64
    /// Above this many, round-robin does not look at all of them.
    static let rotationLimit = 64

    public private(set) var settings: BalanceSettings
    /// The number of servers that a view must have.
    public let count: Int
    /// By server: the effective weight without slow start, 256 to the unit.
    let full: FixedArray<Int>
    var rotation: Rotation
    var lanes: LaneRotation
    var deadlines: DeadlineQueue
    var lottery: WeightedLottery
    var idle: IdleQueue
    var heaviest = 0
    var hotness = LoadQuantile()
    /// ``LoadQuantile/threshold``, beside the histogram, which a look at it would copy.
    var mark = 0
    var observed = 0
    /// The mean answer time of the servers that have one, in nanoseconds; 0 while none has.
    var prior: Float = 0
    var untilPrior = 0
    /// By server: what the time since its last answer takes off its average
    /// (``ServerTime/patternLoss(now:)``), looked at twice a second; and when that is due.
    var losses: FixedArray<UInt32>
    var fadeAt = LoopInstant.zero
    var ring: HashRing
    var maglev: MaglevTable
    var scores: RendezvousScores
    /// The weight of the eligible servers together, as it was a few picks ago.
    var eligibleWeight = 0
    var untilWeighed = 0

    /// - Parameters:
    ///   - servers: by index; may be empty.
    ///   - table: made for these servers, or `nil` to make it here.
    ///   - random: says where rotations start, so that loops do not march in step.
    public init(
        _ settings: BalanceSettings, servers: [ServerIdentity], table: HashTable? = nil,
        random: inout some RandomNumberGenerator
    ) {
        let strategy = settings.strategy
        let weights = servers.map { $0.weight * SlowStart.full }
        let isLarge = servers.count > Self.rotationLimit
        self.settings = settings
        count = servers.count
        full = FixedArray(weights)
        heaviest = weights.max() ?? 0
        let start = random.next()
        rotation = Rotation(count: strategy == .roundRobin ? servers.count : 0, start: start)
        lanes = LaneRotation(
            weights: strategy == .roundRobin && isLarge ? weights : [], start: start)
        deadlines = DeadlineQueue(
            weights: strategy == .deadline ? weights : [], random: &random)
        lottery = WeightedLottery(weights: weights)
        let queues = Self.keepsIdleQueue(strategy, servers.count)
        wantsEnds = queues
        idle = IdleQueue(count: queues ? servers.count : 0, random: &random)
        ring = HashRing([])
        maglev = MaglevTable([])
        losses = FixedArray(
            repeating: 0,
            count: strategy == .hotCold || strategy == .leastTime ? servers.count : 0)
        scores = RendezvousScores(
            strategy.usesKey ? servers : [], remembers: strategy == .rendezvous)
        switch table ?? HashTable(strategy, servers: servers) {
        case .ring(let ring)?: self.ring = ring
        case .maglev(let maglev)?: self.maglev = maglev
        case nil: break
        }
    }

    public var strategy: Strategy { settings.strategy }

    /// Whether ``ended(_:inFlight:)`` is to be called.
    public let wantsEnds: Bool

    private static func keepsIdleQueue(_ strategy: Strategy, _ count: Int) -> Bool {
        strategy == .joinIdleQueue || strategy == .leastRequests && count > scanLimit
    }

    /// The index of the server to try, or `nil` when none is eligible.
    public mutating func pick<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, for request: PickRequest = PickRequest(),
        random: inout some RandomNumberGenerator
    ) -> Int? {
        precondition(view.count == count, "the view and the balancer disagree")
        guard count > 0 else { return nil }
        let tier = view.eligibleTier()
        switch settings.strategy {
        case .roundRobin:
            return pickInRotation(view, in: tier)
        case .deadline:
            return deadlines.pick(view, in: tier)
        case .random:
            return drawOne(view, in: tier, random: &random)
        case .powerOfTwoChoices:
            return pickLeastLoaded(
                ofDrawn: settings.choices, from: view, in: tier, random: &random)
        case .leastRequests:
            guard count > Self.scanLimit else {
                return pickLeastLoaded(of: view, in: tier, random: &random)
            }
            if let index = takeIdle(view, in: tier, random: &random) { return index }
            return pickLeastLoaded(
                ofDrawn: Self.draws(among: count), from: view, in: tier, random: &random)
        case .first:
            for index in 0..<count where view.weight(index, in: tier) > 0 { return index }
            return nil
        case .leastTime:
            return pickLeastTime(view, in: tier, now: request.now, random: &random)
        case .peakEWMA:
            return pickPeak(view, in: tier, now: request.now, random: &random)
        case .hotCold:
            return pickCold(view, in: tier, now: request.now, random: &random)
        case .joinIdleQueue:
            if let index = takeIdle(view, in: tier, random: &random) { return index }
            return drawOne(view, in: tier, random: &random)
        case .ringHash, .maglev, .rendezvous:
            guard request.hasKey else {
                return drawOne(view, in: tier, random: &random)
            }
            return pickByKey(view, in: tier, key: request.key, random: &random)
        }
    }

    /// A request of this loop on a server has ended, in whatever way, and its slot is free.
    ///
    /// - Parameter inFlight: how many are left there.
    public mutating func ended(_ index: Int, inFlight: Int) {
        guard inFlight <= 0, wantsEnds else { return }
        idle.add(index)
    }

    /// Follows a change of the membership, of configured weights or of settings; call it for
    /// any of them.
    ///
    /// A server that stays keeps its place in the rotation under its new index. A newcomer
    /// starts with nothing owed to it, so it gets its share from now on and no burst. With
    /// another strategy everything begins anew.
    ///
    /// - Parameters:
    ///   - table: made for these servers, or `nil` to make it here.
    ///   - oldIndex: the index before the change of the server that now has the given one;
    ///     `nil` for a newcomer.
    /// - Complexity: O(n log n), and what the table costs; allocates.
    public mutating func rebuild(
        _ settings: BalanceSettings, servers: [ServerIdentity], table: HashTable? = nil,
        oldIndex: (Int) -> Int?, random: inout some RandomNumberGenerator
    ) {
        var old = Balancer(settings, servers: servers, table: table, random: &random)
        swap(&self, &old)
        guard old.settings.strategy == settings.strategy else { return }
        let weights = servers.map { $0.weight * SlowStart.full }
        switch settings.strategy {
        case .roundRobin:
            old.rotation.rebuild(count: count, oldIndex: oldIndex)
            let wasLarge = old.count > Self.rotationLimit
            if wasLarge, count > Self.rotationLimit {
                old.lanes.rebuild(weights: weights, oldIndex: oldIndex)
                swap(&lanes, &old.lanes)
            }
            swap(&rotation, &old.rotation)
        case .deadline:
            old.deadlines.rebuild(weights: weights, oldIndex: oldIndex, random: &random)
            swap(&deadlines, &old.deadlines)
        case .leastRequests, .joinIdleQueue:
            guard old.wantsEnds, wantsEnds else { return }
            old.idle.rebuild(count: count, oldIndex: oldIndex)
            swap(&idle, &old.idle)
        case .hotCold:
            hotness = old.hotness
            mark = old.mark
        case .rendezvous:
            old.scores.rebuild(servers, oldIndex: oldIndex)
            swap(&scores, &old.scores)
        default:
            break
        }
        prior = old.prior
    }

    /// How many servers least-requests draws when it does not look at all `count` of them.
    ///
    /// Two draws already avoid the worst; more of them win back what a scan would have won
    /// while the pool grows, at the price of a few cache lines.
    static func draws(among count: Int) -> Int {
        switch count {
        case ..<256: 2
        case ..<1024: 3
        default: 4
        }
    }

    mutating func drawOne<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier, random: inout some RandomNumberGenerator
    ) -> Int? {
        lottery.draw(from: view, in: tier, besides: Drawn(), random: &random)?.index
    }

    private mutating func pickInRotation<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        if count > Self.rotationLimit, let index = lanes.pick(view, in: tier) { return index }
        return rotation.pick(view, in: tier)
    }
}
