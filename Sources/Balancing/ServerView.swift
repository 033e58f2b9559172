public import Timing

/// What a pick reads of a service's servers, by index.
///
/// The data plane conforms a small struct over its tables; a test conforms an array. A pick
/// asks for each number at most a few times and keeps none, so a conformer may read shared
/// counters that other loops are changing: an answer that moves between two questions makes
/// a pick less exact, never wrong.
///
/// Conformers should be concrete at the call of ``Balancer/pick(_:for:random:)``, so that the
/// compiler specialises it: nothing is then called through a table.
public protocol ServerView: ~Copyable, ~Escapable {
    /// Servers have the indices `0 ..< count`, and the count that the balancer was made for.
    var count: Int { get }

    /// The effective weight of a server, 256 to the unit of the configuration: the configured
    /// weight (0 to 1000) times its slow-start share (``SlowStart/share(now:since:answered:)``,
    /// of 256). 0 means not now: down, draining, ejected, full, or tried by this exchange.
    func weight(_ index: Int) -> Int

    /// Requests in flight on a server, as counted over all loops, held slots of failed requests
    /// included (``FailedSlotHold``). Not negative.
    func inFlight(_ index: Int) -> Int

    /// The sum of ``inFlight(_:)``, for the bound of the strategies with a key. The answer that
    /// comes for nothing adds them up.
    var totalInFlight: Int { get }

    /// The average answer time of a server; read by the strategies that
    /// ``Strategy/usesAnswerTimes``.
    func answerTime(_ index: Int) -> ServerTime

    /// The average answer time of a server when its load was of a class; read by hot-cold.
    func answerTime(_ index: Int, in load: LoadClass) -> ServerTime

    /// The ages of what is in flight on a server; read by those that ``Strategy/usesAges``.
    func ages(_ index: Int) -> InFlightAges

    /// Requests in flight on a server that are not counted in ``inFlight(_:)``, as it reports
    /// itself (``ReportedLoad/foreign(now:)``); read by hot-cold.
    func foreignLoad(_ index: Int, now: LoopInstant) -> Int

    /// Whether ``tier(_:)`` is worth asking; `false` saves the question.
    var hasTiers: Bool { get }

    /// 0 for a primary server, 1 for a backup. Only the lowest tier with an eligible server is
    /// considered.
    func tier(_ index: Int) -> Int
}

extension ServerView where Self: ~Copyable, Self: ~Escapable {
    public var totalInFlight: Int {
        var total = 0
        for index in 0..<count { total += inFlight(index) }
        return total
    }
    public func answerTime(_ index: Int) -> ServerTime { ServerTime() }
    public func answerTime(_ index: Int, in load: LoadClass) -> ServerTime { ServerTime() }
    public func ages(_ index: Int) -> InFlightAges { InFlightAges() }
    public func foreignLoad(_ index: Int, now: LoopInstant) -> Int { 0 }
    public var hasTiers: Bool { false }
    public func tier(_ index: Int) -> Int { 0 }

    /// The weight, or 0 outside of `tier`.
    func weight(_ index: Int, in tier: Tier) -> Int {
        switch tier {
        case .any: weight(index)
        case .only(let number): self.tier(index) == number ? weight(index) : 0
        }
    }

    /// The tier that a pick must keep to; one pass that ends at the first eligible primary.
    func eligibleTier() -> Tier {
        guard hasTiers else { return .any }
        var lowest = Int.max
        for index in 0..<count where weight(index) > 0 {
            lowest = min(lowest, tier(index))
            if lowest == 0 { break }
        }
        return .only(lowest)
    }
}

/// Which servers of a view a pick considers.
enum Tier: BitwiseCopyable {
    case any
    case only(Int)
}
