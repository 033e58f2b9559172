public import Configuration
public import Timing

/// What a source in etcd does next: lists, then watches, and asks now and then whether the member
/// it watches still belongs to the majority. No sockets and no clock: whoever has them reports
/// what happened and does what is asked for.
///
/// ```
///            login wanted        token             list             created
///  begin ──▶ authenticating ──────────▶ listing ──────────▶ opening ──────────▶ watching ─┐
///              ▲    │                    ▲ │                  │                 │   ▲     │
///              │    │ failed             │ │ failed           │ failed          │   └─────┘
///              │    ▼                    │ ▼                  ▼                 │   events, probes
///              └── paused ◀──────────────┴─── every member has failed ◀─────────┘   lists again
/// ```
///
/// - A member that fails is left for the next one at once; only when all have failed in a row,
///   the source is lost, and asked for again after a pause that grows to 5 s.
/// - Whatever the way here, a list comes before a watch. So what was compacted away is never
///   asked for, and an etcd that was restored from an older copy is believed as it is now.
/// - The watch itself says nothing while nothing changes, also when its member is stalled or cut
///   off: therefore the probe, which a majority must answer.
/// - Events that a list has overtaken are not applied.
public struct EtcdMachine {
    public enum Action: Equatable, Sendable {
        case authenticate
        case list
        /// The member is to tell everything from this revision on.
        case watch(from: Int64)
        case probe
        /// Every call that is under way is forgotten, the watch too.
        case hangUp
        case useNextEndpoint
        case report(SourceReport)
        /// The servers have changed: what is on disk is old.
        case save
        /// For the log.
        case say(String, isBad: Bool)
    }

    private enum Phase: Equatable {
        case paused(until: LoopInstant)
        case authenticating, listing, opening, watching
    }

    /// What a call can fail with.
    public enum Failure: Error, Equatable, Sendable {
        /// Nobody answers, or what answers is no etcd; a sentence.
        case unreachable(String)
        case refused(EtcdAnswer.Refusal)

        public var sentence: String {
            switch self {
            case .unreachable(let sentence): sentence
            case .refused(let refusal):
                refusal.needsLogin
                    ? "etcd wants a user and a password: \(refusal.message)"
                    : "etcd refused: \(refusal.message)"
            }
        }
    }

    /// How often the member is asked whether it is alive and of the majority.
    public static let probePause = Interval.seconds(3)
    /// How often everything is listed again, for what might have been missed.
    public static let listPause = Interval.seconds(60)
    /// After this, servers are used as they were known before the start.
    public static let restorePatience = Interval.seconds(1)
    private static let longestPause = Interval.seconds(5)

    private let etcd: EtcdDiscovery
    private let endpointCount: Int
    private let needsLogin: Bool
    private var phase = Phase.paused(until: .zero)
    private var hasToken = false
    /// Members that failed in a row, and rounds over all of them.
    private var failureCount = 0
    private var isLost = false
    private var isProbing = false
    private var isListingAgain = false
    private var probeAt = LoopInstant.zero
    private var listAt = LoopInstant.zero
    /// `nil` once it has been done or is not needed any more.
    private var restoreAt: LoopInstant?
    private var hasListed = false
    private var mismatchCount = 0
    /// Keys below the prefix that cannot be a server's.
    private var foreignCount = 0

    private var cluster: UInt64 = 0
    /// Up to here everything is known.
    private var revision: Int64 = 0
    /// The values by the names of their servers, as they came.
    public private(set) var values: [String: String] = [:]
    private var servers: [String: DiscoveredServer] = [:]
    private var warnings: [String: SourceWarning] = [:]
    private var toldWarnings: [SourceWarning] = []
    private var remembered: [String: String] = [:]

    /// - Parameter endpointCount: at least 1.
    public init(_ etcd: EtcdDiscovery, endpointCount: Int) {
        self.etcd = etcd
        self.endpointCount = endpointCount
        needsLogin = etcd.access.user != nil
    }

    /// When ``woke(now:chance:)`` is to be called at the latest, if nothing happens before.
    public var wakeAt: LoopInstant? {
        var times: [LoopInstant] = []
        if let restoreAt { times.append(restoreAt) }
        switch phase {
        case .paused(let until): times.append(until)
        case .watching:
            if !isProbing, !isListingAgain { times.append(min(probeAt, listAt)) }
        case .opening: times.append(probeAt)
        case .authenticating, .listing: break
        }
        return times.min()
    }

    // MARK: - Beginning

    /// - Parameter remembered: values by name from the time before the start.
    public mutating func start(remembered: [String: String], now: LoopInstant) -> [Action] {
        self.remembered = remembered
        if !remembered.isEmpty { restoreAt = now + Self.restorePatience }
        return begin()
    }

    private mutating func begin() -> [Action] {
        isProbing = false
        isListingAgain = false
        if needsLogin, !hasToken {
            phase = .authenticating
            return [.authenticate]
        }
        phase = .listing
        return [.list]
    }

    /// Time has passed.
    ///
    /// - Parameter chance: 0..<1, so that many do not do the same at the same time.
    public mutating func woke(now: LoopInstant, chance: Double) -> [Action] {
        var actions: [Action] = []
        if let restoreAt, now >= restoreAt { actions += restore() }
        switch phase {
        case .paused(let until) where now >= until: actions += begin()
        case .watching where !isProbing && !isListingAgain:
            if now >= listAt {
                isListingAgain = true
                actions.append(.list)
            } else if now >= probeAt {
                isProbing = true
                actions.append(.probe)
            }
        case .opening where now >= probeAt:
            actions += failed(
                .unreachable("the watch did not begin within \(Self.probePause.seconds) s"),
                now: now, chance: chance)
        default: break
        }
        return actions
    }

    /// Servers from before the start serve after a check of our own.
    private mutating func restore() -> [Action] {
        restoreAt = nil
        guard !hasListed, !remembered.isEmpty else { return [] }
        var changes: [ServerChange] = []
        for (name, value) in remembered.sorted(by: { $0.key < $1.key }) {
            guard var server = try? EtcdRecord(reading: value).server(named: name, etcd),
                server.state != .draining
            else { continue }
            server.state = .pending
            changes.append(.put(server))
        }
        let count = changes.count
        remembered = [:]
        guard count > 0 else { return [] }
        return [
            .report(.changes(changes)),
            .say(
                "etcd has not answered yet: \(count) servers are used as they were known before "
                    + "the start", isBad: true),
        ]
    }

    // MARK: - Failures

    /// A call has failed, or the watch has ended.
    public mutating func failed(
        _ failure: Failure, now: LoopInstant, chance: Double
    ) -> [Action] {
        if case .paused = phase { return [] }
        if case .refused(let refusal) = failure, refusal.needsLogin, needsLogin, hasToken {
            // Tokens have an end, and members that restart forget them.
            hasToken = false
            return [.hangUp] + begin()
        }
        failureCount += 1
        var actions: [Action] = [.hangUp, .useNextEndpoint]
        guard failureCount >= endpointCount else { return actions + begin() }
        if !isLost {
            isLost = true
            actions.append(.report(.lost(failure.sentence)))
        }
        actions += restore()
        let rounds = failureCount / endpointCount
        let base = min(
            Self.longestPause.nanoseconds, 100_000_000 << UInt64(min(rounds - 1, 10)))
        let pause = Interval(nanoseconds: base / 2 + UInt64(Double(base) / 2 * chance))
        phase = .paused(until: now + pause)
        return actions
    }

    // MARK: - Answers

    public mutating func authenticated(now: LoopInstant) -> [Action] {
        guard phase == .authenticating else { return [] }
        hasToken = true
        return begin()
    }

    public mutating func listed(_ listing: EtcdAnswer.Listing, now: LoopInstant) -> [Action] {
        guard phase == .listing || phase == .watching && isListingAgain else { return [] }
        var actions = noteHistory(listing.header)
        let old = values
        values = [:]
        let oldServers = servers
        servers = [:]
        warnings = [:]
        for entry in listing.entries {
            guard let name = name(of: entry.key) else { continue }
            values[name] = entry.value
            read(entry.value, of: name, before: oldServers[name])
        }
        hasListed = true
        restoreAt = nil
        remembered = [:]
        isLost = false
        mismatchCount = 0
        foreignCount = max(0, min(max(0, listing.count), 1 << 40) - values.count)
        listAt = now + Self.listPause
        revision = listing.header.revision
        actions.append(.report(.snapshot(servers.values.sorted { $0.identity < $1.identity })))
        actions += tellWarnings()
        if values != old { actions.append(.save) }
        if phase == .watching {
            isListingAgain = false
            return actions
        }
        phase = .opening
        probeAt = now + Self.probePause
        return actions + [.watch(from: revision == .max ? .max : revision + 1)]
    }

    /// Says when etcd is not the one that it was.
    private mutating func noteHistory(_ header: EtcdAnswer.Header) -> [Action] {
        defer { cluster = header.cluster }
        guard hasListed else { return [] }
        if header.cluster != cluster {
            return [.say("this is another etcd than before: its servers are used now", isBad: true)]
        }
        guard header.revision < revision else { return [] }
        return [
            .say(
                "etcd has gone back from revision \(revision) to \(header.revision), as after a "
                    + "restore: its servers are used as it knows them now", isBad: true)
        ]
    }

    public mutating func watched(
        _ message: EtcdAnswer.WatchMessage, now: LoopInstant, chance: Double
    ) -> [Action] {
        guard phase == .opening || phase == .watching else { return [] }
        switch message {
        case .created:
            phase = .watching
            probeAt = now + Self.probePause
            return []
        case .progress(let header):
            revision = max(revision, header.revision)
            return []
        case .events(let header, let events):
            defer { revision = max(revision, header.revision) }
            return apply(events)
        case .canceled(let reason, let compactRevision):
            let why =
                compactRevision > 0
                ? "etcd has compacted what was not read yet" : "etcd ended the watch: \(reason)"
            // Not a failure of the member: it is asked for everything.
            isProbing = false
            isListingAgain = false
            phase = .listing
            return [.hangUp, .report(.resyncNeeded(why)), .list]
        }
    }

    public mutating func probed(
        _ listing: EtcdAnswer.Listing, now: LoopInstant, chance: Double
    ) -> [Action] {
        guard phase == .watching, isProbing else { return [] }
        isProbing = false
        probeAt = now + Self.probePause
        failureCount = 0
        let isOther = listing.header.cluster != cluster || listing.header.revision < revision
        // An event may be under way still: twice in a row is no chance.
        let knownCount = values.count + foreignCount
        mismatchCount = listing.count == knownCount ? 0 : mismatchCount + 1
        guard isOther || mismatchCount > 1 else { return [] }
        phase = .listing
        return [
            .hangUp,
            .report(
                .resyncNeeded(
                    isOther
                        ? "etcd is not as far as it was"
                        : "etcd has \(listing.count) keys, and \(knownCount) are known")),
            .list,
        ]
    }

    // MARK: - Servers

    private func name(of key: String) -> String? {
        guard key.hasPrefix(etcd.prefix), key.utf8.count > etcd.prefix.utf8.count else {
            return nil
        }
        return String(key.dropFirst(etcd.prefix.count))
    }

    private mutating func apply(_ events: [EtcdAnswer.Event]) -> [Action] {
        var changes: [ServerChange] = []
        for event in events {
            switch event {
            case .put(let entry):
                guard entry.revision > revision, let name = name(of: entry.key) else { continue }
                values[name] = entry.value
                read(entry.value, of: name, before: servers[name])
                if let server = servers[name] { changes.append(.put(server)) }
            case .delete(let key, let deletion, _):
                guard deletion > revision, let name = name(of: key) else { continue }
                values[name] = nil
                warnings[name] = nil
                let wasDraining = servers.removeValue(forKey: name)?.state == .draining
                changes.append(wasDraining ? .ended(name) : .left(name))
            }
        }
        guard !changes.isEmpty || !events.isEmpty else { return [] }
        var actions: [Action] = changes.isEmpty ? [] : [.report(.changes(changes))]
        actions += tellWarnings()
        actions.append(.save)
        return actions
    }

    /// A value that cannot be read changes nothing for a server that is known.
    private mutating func read(_ value: String, of name: String, before: DiscoveredServer?) {
        do throws(EtcdRecord.Mistake) {
            servers[name] = try EtcdRecord(reading: value).server(named: name, etcd)
            warnings[name] = nil
        } catch {
            servers[name] = before
            let effect = before == nil ? "it is left out" : "it stays as it was"
            warnings[name] = SourceWarning(
                "key \(etcd.prefix)\(name)", "\(error.sentence), so \(effect)", help: error.help)
        }
    }

    private mutating func tellWarnings() -> [Action] {
        let now = warnings.values.sorted { $0.subject < $1.subject }
        guard now != toldWarnings else { return [] }
        toldWarnings = now
        return [.report(.warnings(now))]
    }
}
