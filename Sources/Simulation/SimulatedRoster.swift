import Balancing
import Health
import Memory
import Timing

/// The servers of the service as a balancer of the simulation sees them; the rules of who may
/// be picked are the proxy's (``Balancing/GuardedView``).
///
/// Each member is a place that stays its own while others come and go; picks go by index, and
/// ``member(_:)`` says whose it is.
struct SimulatedRoster: GuardedView, ~Copyable {
    let slowStart: SlowStart
    let requestsPerServer: Int
    private let readsLoad: Bool
    let tierLoads = TierLoads()
    let hasTiers: Bool
    var pick = PickCircumstances()
    var pickCount = 0

    /// By place.
    var records: FixedArray<Record>
    /// By index: places.
    private(set) var members: [Int32] = []
    /// Places that the exchange has tried.
    var tried = InlineArray<8, Int32>(repeating: -1)
    var triedCount = 0
    /// Whether a pick sees the counts as they were when ``look()`` looked.
    let isStale: Bool

    /// What is known of one server.
    struct Record {
        var flags = ServerFlags(rawValue: 0)
        var isBackup = false
        var inFlight = 0
        var seenInFlight = 0
        var ejectedUntil = LoopInstant.zero
        var outlier = OutlierState()
        var answers = 0
        var warmth = Warmth(since: .zero, answered: 0)
        var turn = 0
        var answersBeforeWarming = 0
        var answerTime = ServerTime()
        var timesByLoad = InlineArray<8, ServerTime>(repeating: ServerTime())
        var ages: UInt64 = 0
        var reported = ReportedLoad()
    }

    init(capacity: Int, proxy: ProxySettings, hasTiers: Bool, isStale: Bool) {
        slowStart = SlowStart(window: proxy.slowStart)
        requestsPerServer = proxy.requestsPerServer ?? .max
        readsLoad = proxy.reportsLoad
        self.hasTiers = hasTiers
        self.isStale = isStale
        records = FixedArray(count: capacity) { _ in Record() }
    }

    func member(_ index: Int) -> Int { Int(members[index]) }
    func index(of place: Int) -> Int? { members.firstIndex(of: Int32(place)) }
    var memberPlaces: [Int32] { members }

    /// Takes over who is a member.
    ///
    /// - Returns: the old index of each member that stays.
    mutating func adopt(_ places: [Int32]) -> [Int?] {
        let old = members
        members = places
        return places.map { place in old.firstIndex(of: place) }
    }

    /// What a pick of stale counts will see until the next look.
    mutating func look() {
        for place in 0..<records.count { records[place].seenInFlight = records[place].inFlight }
    }

    var count: Int { members.count }
    func flags(_ index: Int) -> ServerFlags { records[member(index)].flags }
    func ejectedUntil(_ index: Int) -> LoopInstant { records[member(index)].ejectedUntil }
    func tier(_ index: Int) -> Int { records[member(index)].isBackup ? 1 : 0 }

    func turn(_ index: Int) -> Int { records[member(index)].turn }
    mutating func setTurn(_ index: Int, to pickCount: Int) {
        records[member(index)].turn = pickCount
    }

    func inFlight(_ index: Int) -> Int {
        let place = member(index)
        return isStale ? records[place].seenInFlight : records[place].inFlight
    }

    func answerTime(_ index: Int) -> ServerTime { records[member(index)].answerTime }
    func answerTime(_ index: Int, in load: LoadClass) -> ServerTime {
        records[member(index)].timesByLoad[load.number]
    }
    func ages(_ index: Int) -> InFlightAges { InFlightAges(bits: records[member(index)].ages) }

    func foreignLoad(_ index: Int, now: LoopInstant) -> Int {
        readsLoad ? records[member(index)].reported.foreign(now: now) : 0
    }

    /// By place: requests there as far as a pick knows.
    func load(of place: Int, now: LoopInstant) -> Int {
        let record = records[place]
        let foreign = readsLoad ? record.reported.foreign(now: now) : 0
        return (isStale ? record.seenInFlight : record.inFlight) + foreign
    }

    func isTried(_ index: Int) -> Bool {
        let place = members[index]
        for attempt in 0..<triedCount where tried[attempt] == place { return true }
        return false
    }

    func warmth(_ index: Int) -> Warmth {
        let place = member(index)
        return Warmth(
            since: records[place].warmth.since,
            answered: records[place].answers - records[place].answersBeforeWarming)
    }
}
