import Balancing
import Configuration
import Health
import Linux
import Memory
import Preamble
import Synchronization
import TLS
import Telemetry
import Timing

/// One server of a service, as a loop sees it.
struct Member: BitwiseCopyable {
    var cell: UInt32
    var isBackup: Bool
    var address: SocketAddress
    /// In the roster's text: what `host: server` sends.
    var authority: ByteRange
}

/// The servers of a service, as a pick reads them: who may be picked at this moment, and how
/// busy each one is. The rules are those of ``GuardedView``.
///
/// The fields that change per pick are set by ``ServiceState/prepare(now:tried:triedCount:)``
/// just before it.
struct Roster: GuardedView, ~Copyable {
    let cells: ServerCells
    let members: FixedArray<Member>
    let text: FixedArray<UInt8>
    let hasTiers: Bool
    /// By member: for whom its certificate must be.
    let tlsNames: [String]
    let slowStart: SlowStart
    /// For the service's own count.
    let serviceCells: ServiceCells
    let service: Int
    let requestsPerServer: Int

    var pick = PickCircumstances()
    var tried: [8 of AttemptNote] = .init(repeating: AttemptNote())
    var triedCount = 0
    let tierLoads = TierLoads()
    var pickCount = 0
    /// By member: when it may be picked again while it is warming.
    private var turns: FixedArray<Int>

    init(
        cells: ServerCells, serviceCells: ServiceCells, service: Int, members: [Member],
        text: [UInt8], tlsNames: [String], configuration: ServiceConfiguration
    ) {
        self.cells = cells
        self.serviceCells = serviceCells
        self.service = service
        hasTiers = members.contains { $0.isBackup }
        self.tlsNames = tlsNames
        self.members = FixedArray(members)
        turns = FixedArray(repeating: 0, count: members.count)
        self.text = FixedArray(text)
        slowStart = SlowStart(window: configuration.balance.slowStart)
        requestsPerServer = configuration.limits.requestsPerServer ?? .max
    }

    /// Without its servers; the text stays, to which the service's key refers.
    init(emptying other: borrowing Roster) {
        cells = other.cells
        serviceCells = other.serviceCells
        service = other.service
        hasTiers = false
        tlsNames = []
        members = FixedArray([])
        turns = FixedArray(repeating: 0, count: 0)
        text = FixedArray((0..<other.text.count).map { other.text[$0] })
        slowStart = other.slowStart
        requestsPerServer = .max
    }

    private func cell(_ index: Int) -> Int { Int(members[index].cell) }

    var count: Int { members.count }

    func flags(_ index: Int) -> ServerFlags {
        ServerFlags(rawValue: cells[cell(index)].flags.load(ordering: .relaxed))
    }

    func ejectedUntil(_ index: Int) -> LoopInstant {
        LoopInstant(nanoseconds: cells[cell(index)].ejectedUntil.load(ordering: .relaxed))
    }

    func isTried(_ index: Int) -> Bool {
        let cell = members[index].cell
        for attempt in 0..<triedCount where tried[attempt].cell == cell { return true }
        return false
    }

    func warmth(_ index: Int) -> Warmth {
        let cell = cell(index)
        return Warmth(
            since: LoopInstant(nanoseconds: cells[cell].warmSince.load(ordering: .relaxed)),
            answered: cells[cell].answers.load(ordering: .relaxed)
                &- cells[cell].warmAnswers.load(ordering: .relaxed))
    }

    func turn(_ index: Int) -> Int { turns[index] }
    mutating func setTurn(_ index: Int, to pickCount: Int) { turns[index] = pickCount }

    func inFlight(_ index: Int) -> Int {
        max(0, cells[cell(index)].inFlight.load(ordering: .relaxed))
    }

    var totalInFlight: Int {
        max(0, serviceCells[service].inFlight.load(ordering: .relaxed))
    }

    func answerTime(_ index: Int) -> ServerTime {
        ServerTime(bits: cells[Int(members[index].cell)].time.load(ordering: .relaxed))
    }

    func answerTime(_ index: Int, in load: LoadClass) -> ServerTime {
        ServerTime(
            bits: cells[Int(members[index].cell)].timesByLoad[load.number].load(
                ordering: .relaxed))
    }

    func ages(_ index: Int) -> InFlightAges {
        InFlightAges(bits: cells[Int(members[index].cell)].ages.load(ordering: .relaxed))
    }

    func foreignLoad(_ index: Int, now: LoopInstant) -> Int {
        let bits = cells[Int(members[index].cell)].reported.load(ordering: .relaxed)
        return ReportedLoad(bits: bits).foreign(now: now)
    }

    func tier(_ index: Int) -> Int { members[index].isBackup ? 1 : 0 }

    /// The index of the server in a cell, found fast where it was `hint` not long ago; `nil`
    /// when it is no longer a member.
    func index(ofCell cell: Int, hint: Int) -> Int? {
        if hint >= 0, hint < count, Int(members[hint].cell) == cell { return hint }
        for index in 0..<count where Int(members[index].cell) == cell { return index }
        return nil
    }
}

typealias Spoken = ServiceConfiguration.Spoken

extension Spoken {
    var isHTTP2Only: Bool { self == .h2 || self == .h2c }
}

/// What one loop keeps of a service: its servers, the rotation among them, the budget of
/// retries, and who waits for a slot.
///
/// It outlives a reload: the balancer's memory follows each server to its new place, and what
/// was measured stays.
struct ServiceState: ~Copyable {
    let id: Int
    let name: String
    private let loopCount: Int
    var roster: Roster
    /// Servers that are no longer in the roster and have requests under way, by their cells:
    /// what `host: server` sends them. A cell goes to no other server before those have ended.
    private var left: [(cell: UInt32, authority: [UInt8])] = []
    var balancer: Balancer
    /// Makes the choices of another strategy beside, which nobody follows; of no servers when
    /// there is none.
    var shadow: Balancer
    var hasShadow: Bool
    var keySource: KeySource
    /// In the roster's text: the response header in which servers tell their load.
    var loadHeader: ByteRange
    private var panic: PanicThreshold
    private var isPanicking = false
    private var panicCheckAt = LoopInstant.zero
    /// The mean time of answers, for what failures count as.
    var answerTimes = FailedSlotHold()
    var outliers: OutlierLimits?
    var triesAllWhenDown: Bool
    /// `when_all_down: hold`.
    var holdsWhenDown: Bool
    /// Nobody could be picked, and those who wait have not all gone on since.
    var isHolding = false
    /// When nobody could be picked last; who has waited since then may try everybody again.
    var emptyAt = LoopInstant.zero
    /// How many go on the next time.
    var releaseCount = 1
    var connections: ServiceConfiguration.Connections
    var sendsServerAuthority = false
    var tls: ClientTLS?
    var spoken = Spoken.http1
    /// The header that connections begin with; empty for none.
    var proxyHeader: ProxyHeader.Versions = []
    var retryBudget: RetryBudget
    private var budgetShare: Double
    var successes = FailedSlotHold()
    /// Of the answers that servers gave.
    var latencies = Histogram()
    var requestCount = 0
    /// Requests with an answer of ours, by reason, and those of 500 and above.
    var failedCount = 0
    var failures = ExchangeCounters()
    /// Exchanges of this loop that use or await the service.
    var exchangeCount = 0
    var isRetired = false
    var queueCapacity: Int
    var waitingCount = 0
    /// How many of those who wait may try again, when the turn comes to it.
    var wakeCount = 0
    /// Others have come meanwhile: when those have gone on, these may try as well.
    var wakesFurther = false
    /// It is in the worker's list of services that have somebody to wake.
    var isWaking = false
    var firstWaiting = UInt32.max
    var lastWaiting = UInt32.max

    init(
        _ service: Snapshot.Service, cells: ServerCells, serviceCells: ServiceCells,
        loopCount: Int, random: inout LoopRandom
    ) {
        let configuration = service.configuration
        id = service.id
        name = configuration.name
        self.loopCount = loopCount
        let text = ServiceText(service)
        roster = Self.roster(of: service, text, cells: cells, serviceCells: serviceCells)
        keySource = text.keySource
        loadHeader = text.loadHeader
        panic = PanicThreshold(percent: configuration.balance.panicPercent)
        hasShadow = configuration.balance.shadow != nil
        shadow = Balancer(
            service.shadowSettings, servers: service.shadowServers, table: service.shadowTable,
            random: &random)
        balancer = Balancer(
            service.settings, servers: service.members.map(\.identity), table: service.table,
            random: &random)
        outliers = Self.outliers(configuration.outliers)
        triesAllWhenDown = configuration.whenAllDown == .tryAll
        holdsWhenDown = configuration.whenAllDown == .hold
        connections = configuration.connections
        sendsServerAuthority = configuration.host == .server
        tls = service.tls
        proxyHeader = Self.proxyHeader(configuration)
        spoken = configuration.spoken
        retryBudget = Self.budget(configuration, loopCount)
        budgetShare = configuration.retries.budgetShare
        queueCapacity = (configuration.limits.queue + loopCount - 1) / loopCount
    }

    private static func proxyHeader(
        _ configuration: ServiceConfiguration
    ) -> ProxyHeader.Versions {
        switch configuration.sendsProxyProtocol {
        case .off: []
        case .v1: .v1
        case .v2: .v2
        }
    }

    private static func outliers(_ configuration: ServiceConfiguration.Outliers) -> OutlierLimits? {
        guard let errors = configuration.errors else { return nil }
        return OutlierLimits(
            errors: errors, ejection: configuration.eject,
            maximumEjectedPercent: Int((configuration.maximumEjectedShare * 100).rounded()))
    }

    private static func budget(
        _ configuration: ServiceConfiguration, _ loopCount: Int
    ) -> RetryBudget {
        RetryBudget(
            percent: Int((configuration.retries.budgetShare * 100).rounded()), loops: loopCount)
    }

    /// Takes over a new version of the service; servers that stay keep their place in the
    /// rotation, and the service keeps what it has measured.
    mutating func adopt(_ service: Snapshot.Service, random: inout LoopRandom) {
        let configuration = service.configuration
        keepAuthorities(staying: Set(service.members.map { UInt32($0.cell) }))
        var places: [UInt32: Int] = [:]
        for index in 0..<roster.members.count { places[roster.members[index].cell] = index }
        let members = service.members
        let text = ServiceText(service)
        roster = Self.roster(
            of: service, text, cells: roster.cells, serviceCells: roster.serviceCells)
        keySource = text.keySource
        loadHeader = text.loadHeader
        panic = PanicThreshold(percent: configuration.balance.panicPercent)
        isPanicking = false
        panicCheckAt = .zero
        hasShadow = configuration.balance.shadow != nil
        shadow.rebuild(
            service.shadowSettings, servers: service.shadowServers, table: service.shadowTable,
            oldIndex: { places[UInt32(members[$0].cell)] }, random: &random)
        balancer.rebuild(
            service.settings, servers: members.map(\.identity), table: service.table,
            oldIndex: { places[UInt32(members[$0].cell)] }, random: &random)
        outliers = Self.outliers(configuration.outliers)
        triesAllWhenDown = configuration.whenAllDown == .tryAll
        holdsWhenDown = configuration.whenAllDown == .hold
        connections = configuration.connections
        sendsServerAuthority = configuration.host == .server
        tls = service.tls
        proxyHeader = Self.proxyHeader(configuration)
        spoken = configuration.spoken
        // A new share starts with a new account; an unchanged one keeps what it has counted.
        let share = configuration.retries.budgetShare
        if share != budgetShare { retryBudget = Self.budget(configuration, loopCount) }
        budgetShare = share
        queueCapacity = (configuration.limits.queue + loopCount - 1) / loopCount
        isRetired = false
    }

    /// The service is no longer configured: what it has begun goes on, and nothing else is begun.
    /// Its cells will be those of other servers, of other services.
    mutating func retire(random: inout LoopRandom) {
        isRetired = true
        keepAuthorities(staying: [])
        roster = Roster(emptying: roster)
        let settings = balancer.settings
        balancer = Balancer(settings, servers: [], random: &random)
        hasShadow = false
        isPanicking = false
        holdsWhenDown = false
        isHolding = false
    }

    /// Before the roster changes: notes how the servers are called that have requests under way.
    private mutating func keepAuthorities(staying: Set<UInt32>) {
        let cells = roster.cells
        left.removeAll {
            staying.contains($0.cell)
                || cells[Int($0.cell)].inFlight.load(ordering: .relaxed) == 0
        }
        for index in 0..<roster.count where roster.inFlight(index) > 0 {
            let member = roster.members[index]
            guard !staying.contains(member.cell) else { continue }
            let range = member.authority
            left.append((member.cell, (range.lower..<range.upper).map { roster.text[$0] }))
        }
    }

    /// What `host: server` sends to a server that has left the roster.
    func authorityOfLeft(cell: Int) -> [UInt8]? {
        left.last { Int($0.cell) == cell }?.authority
    }

    func hasAuthority(ofCell cell: Int, hint: Int) -> Bool {
        roster.index(ofCell: cell, hint: hint) != nil || left.contains { Int($0.cell) == cell }
    }

    private static func roster(
        of service: Snapshot.Service, _ text: ServiceText, cells: ServerCells,
        serviceCells: ServiceCells
    ) -> Roster {
        Roster(
            cells: cells, serviceCells: serviceCells, service: service.id,
            members: text.members, text: text.bytes, tlsNames: service.members.map(\.tlsName),
            configuration: service.configuration)
    }

    /// Whether picks need to know the key of the request.
    var needsKey: Bool {
        balancer.strategy.usesKey || hasShadow && shadow.strategy.usesKey
    }

    /// Whether answers and failures are recorded in ``ServerCell/time``.
    var recordsTimes: Bool { balancer.strategy.usesAnswerTimes || hasShadow }

    var recordsTimesByLoad: Bool {
        balancer.strategy.usesTimesByLoad || hasShadow && shadow.strategy.usesTimesByLoad
    }

    var recordsAges: Bool {
        balancer.strategy.usesAges || hasShadow && shadow.strategy.usesAges
    }

    var countsTotal: Bool { needsKey }

    var wantsEnds: Bool { balancer.wantsEnds || hasShadow && shadow.wantsEnds }

    mutating func forgetWakes() {
        wakeCount = 0
        wakesFurther = false
    }

    /// A slot of a server is free again.
    mutating func ended(cell: Int, hint: Int) {
        guard let index = roster.index(ofCell: cell, hint: hint) else { return }
        let inFlight = roster.inFlight(index)
        balancer.ended(index, inFlight: inFlight)
        if hasShadow { shadow.ended(index, inFlight: inFlight) }
    }

    /// Sets what the next pick sees.
    mutating func prepare(now: LoopInstant, tried: [8 of AttemptNote], triedCount: Int) {
        roster.pick = PickCircumstances(now: now)
        if triedCount > 0 { roster.tried = tried }
        roster.triedCount = triedCount
        roster.pick.ignoresHealth = panic.percent > 0 && panics(now)
        roster.tierLoads.forget()
    }

    /// Who gets the next attempt, after ``prepare(now:tried:triedCount:)``.
    mutating func choose(for request: PickRequest, random: inout LoopRandom) -> Choice {
        balancer.choose(
            from: &roster, for: request, triesAllWhenDown: triesAllWhenDown, random: &random)
    }

    /// Looks at all servers ten times a second at most.
    private mutating func panics(_ now: LoopInstant) -> Bool {
        guard now >= panicCheckAt else { return isPanicking }
        panicCheckAt = now + .milliseconds(100)
        isPanicking = roster.isPanicking(panic)
        return isPanicking
    }
}

/// The words of a service that are needed per request, in one text, and its members.
private struct ServiceText {
    var bytes: [UInt8] = []
    var members: [Member] = []
    var keySource: KeySource
    var loadHeader = ByteRange.empty

    init(_ service: Snapshot.Service) {
        let balance = service.configuration.balance
        keySource = KeySource(balance.key, text: &bytes)
        if let name = balance.loadHeader {
            let start = bytes.count
            bytes += Array(name.utf8)
            loadHeader = ByteRange(start, bytes.count)
        }
        for member in service.members {
            let start = bytes.count
            bytes += Array(member.authority.utf8)
            members.append(
                Member(
                    cell: UInt32(member.cell), isBackup: member.identity.isBackup,
                    address: member.address, authority: ByteRange(start, bytes.count)))
        }
    }
}

/// A fast generator for choices that need not be secret: xorshift64*, seeded from the kernel.
struct LoopRandom: RandomNumberGenerator, BitwiseCopyable {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_F491_4F6C_DD1D
    }
}
