/// Who gets the next attempt of an exchange.
public enum Choice: Equatable, Sendable, BitwiseCopyable {
    /// The server with this index.
    case server(Int)
    /// Somebody could have it, but all of them have as many requests as they may have.
    case allFull
    /// Nobody is in rotation that has not been tried.
    case nobody
}

extension Balancer {
    /// A pick with its exceptions, in this order: a server in rotation; one that is warming,
    /// beyond its cap; waiting for one that is full; and, if the service says so, any server
    /// that no operator has put out.
    ///
    /// - Parameter roster: its circumstances are those of this pick; afterwards they say which
    ///   exception was made.
    public mutating func choose<Roster: GuardedView & ~Copyable>(
        from roster: inout Roster, for request: PickRequest, triesAllWhenDown: Bool,
        random: inout some RandomNumberGenerator
    ) -> Choice {
        roster.pickCount &+= 256
        if let index = pick(roster, for: request, random: &random) {
            if strategy.followsLoad, roster.flags(index).isWarming { roster.pace(index) }
            return .server(index)
        }
        // Nobody. First: is that only because those who could are still warming up?
        roster.pick.ignoresWarmCap = true
        if let index = pick(roster, for: request, random: &random) { return .server(index) }
        if roster.requestsPerServer != .max {
            roster.pick.ignoresLimit = true
            if roster.hasEligible { return .allFull }
            roster.pick.ignoresLimit = false
        }
        if triesAllWhenDown {
            roster.pick.ignoresHealth = true
            if let index = pick(roster, for: request, random: &random) { return .server(index) }
        }
        return .nobody
    }
}
