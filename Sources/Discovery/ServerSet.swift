import Configuration
public import Timing

/// The servers of one service: those of all its sources, joined.
///
/// Sources stand in an order. When two name one address, the first one's server is used, and the
/// other's word counts only when it is for caution: `draining` or `down`.
///
/// ## Invariants
/// - A source that is lost keeps its servers as they were known.
/// - A complete list, or a server that is no longer named, does not leave fewer servers than
///   ``minimum`` at once: what would have gone stays, marked, until enough others are there, or
///   until a source that can be reached has not named it for ``patience``: its address may be
///   somebody else's by then. What a source saw end goes in any case, and so does what the
///   operator's own sources take out.
/// - Names are unique among ``members``.
public struct ServerSet: Equatable, Sendable {
    /// A source, by its name in the configuration: `file`, `live`, `docker`.
    public struct SourceName: Hashable, Sendable, CustomStringConvertible {
        public var text: String
        public init(_ text: String) { self.text = text }
        public var description: String { text }

        /// The configuration itself.
        public static let file = SourceName("file")
        /// What was added while running.
        public static let live = SourceName("live")

        /// A person decides what it holds; nothing is found there.
        public var isOperators: Bool { self == .file || self == .live }
    }

    /// A server of the service, and where it comes from.
    public struct Member: Equatable, Sendable {
        public var source: SourceName
        public var server: DiscoveredServer
        /// Its source names it no more, and `min_servers` keeps it.
        public var isKept = false

        /// Unique among all members of all sources, except that the file and what was added
        /// live speak of the same servers.
        public var identity: String {
            source.isOperators ? server.identity : "\(source.text):\(server.identity)"
        }
    }

    private struct Kept: Equatable {
        var server: DiscoveredServer
        /// When it was not named any more.
        var since: LoopInstant
    }

    private struct Source: Equatable {
        var name: SourceName
        var servers: [DiscoveredServer] = []
        var kept: [Kept] = []
        var standing: SourceStanding

        func place(of identity: String) -> Int? {
            servers.firstIndex { $0.identity == identity }
        }
    }

    /// `min_servers`.
    public var minimum: Int
    /// How long what only ``minimum`` keeps is kept.
    public var patience = Interval.seconds(60)
    private var sources: [Source] = []

    public init(minimum: Int = 1) { self.minimum = minimum }

    // MARK: - Sources

    /// Says which sources there are, in their order; one that stays keeps what it has said.
    public mutating func setSources(_ names: [SourceName], at now: Int64) {
        sources = names.map { name in
            sources.first { $0.name == name }
                ?? Source(name: name, standing: SourceStanding(since: now))
        }
    }

    /// What is known of the sources of discovery, in their order.
    public var standings: [(name: SourceName, standing: SourceStanding, serverCount: Int)] {
        sources.filter { !$0.name.isOperators }
            .map { ($0.name, $0.standing, $0.servers.count + $0.kept.count) }
    }

    // MARK: - Reports

    /// What became of a report.
    public struct Outcome: Equatable, Sendable {
        /// Servers whose check is asked for now, by ``Member/identity``.
        public var checks: [String] = []
        /// Servers that stay only because of `min_servers`, by name: they were taken out by this
        /// report.
        public var keptNames: [String] = []
        /// Those that were kept, and go now, by name.
        public var givenUpNames: [String] = []
    }

    /// Applies a report of a source.
    ///
    /// - Parameters:
    ///   - now: nanoseconds since 1970.
    ///   - clock: the same moment, for measuring how long something has been so.
    /// - Returns: what else is to be done. Reports of unknown sources change nothing.
    /// - Complexity: O(servers of the source) for a list; for a change, O(servers of the service).
    @discardableResult
    public mutating func apply(
        _ report: SourceReport, from name: SourceName, at now: Int64,
        clock: LoopInstant = LoopInstant(nanoseconds: 0)
    ) -> Outcome {
        var outcome = Outcome()
        guard let index = sources.firstIndex(where: { $0.name == name }) else { return outcome }
        switch report {
        case .snapshot(let servers):
            sources[index].standing.become(.connected, at: now)
            sources[index].standing.lastSync = now
            let listed = Set(servers.map(\.identity))
            let missing = sources[index].servers.filter { !listed.contains($0.identity) }
            sources[index].servers = servers
            sources[index].kept.removeAll { listed.contains($0.server.identity) }
            if !name.isOperators, usableCount(withKept: false) < minimum {
                keep(missing, of: index, clock, &outcome)
            }
        case .changes(let changes):
            for change in changes { apply(change, to: index, clock, &outcome) }
        case .resyncNeeded(let reason):
            sources[index].standing.become(.resyncing, at: now, reason: reason)
        case .lost(let reason):
            sources[index].standing.become(.lost, at: now, reason: reason)
        case .warnings(let warnings):
            sources[index].standing.warnings = warnings
        }
        dropKept()
        outcome.givenUpNames = giveUp(clock: clock)
        return outcome
    }

    /// When ``giveUp(clock:)`` has something to do, if no report comes before; `nil` while nothing
    /// is kept on behalf of a source that can be reached.
    public var givesUpAt: LoopInstant? {
        let reachable = sources.filter { $0.standing.condition == .connected }
        return reachable.flatMap(\.kept).map { $0.since + patience }.min()
    }

    /// Lets go of what has been kept for long enough. A source that is lost has not said that its
    /// servers are gone.
    ///
    /// - Returns: their names.
    public mutating func giveUp(clock: LoopInstant) -> [String] {
        var names: [String] = []
        for index in sources.indices where sources[index].standing.condition == .connected {
            sources[index].kept.removeAll { kept in
                guard clock >= kept.since + patience else { return false }
                names.append(kept.server.configuration.name)
                return true
            }
        }
        return names
    }

    private mutating func apply(
        _ change: ServerChange, to index: Int, _ clock: LoopInstant, _ outcome: inout Outcome
    ) {
        switch change {
        case .put(let server):
            sources[index].kept.removeAll { $0.server.identity == server.identity }
            if let place = sources[index].place(of: server.identity) {
                sources[index].servers[place] = server
            } else {
                sources[index].servers.append(server)
            }
        case .state(let identity, let state):
            if let place = sources[index].place(of: identity) {
                sources[index].servers[place].state = state
            }
            for place in sources[index].kept.indices
            where sources[index].kept[place].server.identity == identity {
                sources[index].kept[place].server.state = state
            }
        case .ended(let identity):
            sources[index].servers.removeAll { $0.identity == identity }
            sources[index].kept.removeAll { $0.server.identity == identity }
        case .left(let identity):
            guard let place = sources[index].place(of: identity) else { return }
            let server = sources[index].servers.remove(at: place)
            if usableCount(withKept: true) < minimum {
                keep([server], of: index, clock, &outcome)
            }
        case .check(let identity):
            outcome.checks.append("\(sources[index].name.text):\(identity)")
        }
    }

    /// Keeps servers that are no longer named.
    private mutating func keep(
        _ missing: [DiscoveredServer], of index: Int, _ clock: LoopInstant,
        _ outcome: inout Outcome
    ) {
        // One that was about to end anyway is no help.
        let useful = missing.filter { $0.state != .draining }
        sources[index].kept += useful.map { Kept(server: $0, since: clock) }
        outcome.keptNames += useful.map(\.configuration.name)
    }

    /// Lets go of what was kept once enough others are there.
    private mutating func dropKept() {
        guard sources.contains(where: { !$0.kept.isEmpty }), usableCount(withKept: false) >= minimum
        else { return }
        for index in sources.indices { sources[index].kept = [] }
    }

    private func usableCount(withKept: Bool) -> Int {
        var addresses: Set<ServerAddress> = []
        for source in sources {
            for server in source.servers + (withKept ? source.kept.map(\.server) : [])
            where server.state != .draining {
                addresses.insert(server.configuration.address)
            }
        }
        return addresses.count
    }

    // MARK: - Members

    /// The servers as they are to be: each address once, each name once. O(servers).
    public var members: [Member] {
        var members: [Member] = []
        var places: [ServerAddress: Int] = [:]
        var names: Set<String> = []
        for source in sources {
            let listed =
                source.servers.map { ($0, false) } + source.kept.map { ($0.server, true) }
            for (server, isKept) in listed {
                let address = server.configuration.address
                if let place = places[address] {
                    if server.state == .draining || server.state == .down {
                        members[place].server.state = server.state
                    }
                    continue
                }
                var member = Member(source: source.name, server: server, isKept: isKept)
                if !names.insert(server.configuration.name).inserted {
                    member.server.configuration.name += "-\(address)"
                    names.insert(member.server.configuration.name)
                }
                places[address] = members.count
                members.append(member)
            }
        }
        return members
    }
}
