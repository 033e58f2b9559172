/// Something that happens to servers or to the load during a run.
public struct Disturbance: Sendable, Equatable {
    /// A point of a run.
    public enum Moment: Sendable, Equatable {
        /// Of the time that the run's requests take to arrive, 0 to 1.
        case share(Double)
        /// In mean service times from the start.
        case time(Double)
        /// In mean service times from the beginning; of an end only.
        case after(Double)
    }

    public enum Kind: Sendable, Equatable {
        /// New servers, added while the proxy runs.
        case join(ServerGroup)
        /// These take no new requests, finish what they have, and are removed.
        case drain([Int])
        /// These end with all they have, and are removed.
        case leave([Int])
        /// These misbehave until the end of the disturbance.
        case fault([Int], Fault)
        /// One after another: out of rotation, stopped, started again cold.
        case rolling(Rolling)
        /// The load is multiplied until the end of the disturbance.
        case load(Double)
    }

    public var begins: Moment
    /// `nil` for the rest of the run, and for what happens at once.
    public var ends: Moment?
    public var kind: Kind

    public init(_ kind: Kind, at begins: Moment, until ends: Moment? = nil) {
        self.kind = kind
        self.begins = begins
        self.ends = ends
    }
}

/// How a server misbehaves.
public enum Fault: Sendable, Equatable {
    /// Answers 503 after this many mean service times, without doing the work.
    case failFast(after: Double)
    /// Accepts, and does not go on.
    case hang
    /// Its speed is multiplied by this.
    case slow(Double)
    /// Does the work, and answers 503 to this share of the requests.
    case errors(Double)
    /// Refuses connections.
    case refuse
    /// Refuses connections for the one time, serves for the other, and so on.
    case flapping(down: Double, up: Double)

    /// What it makes of the server's speed.
    var speed: Double {
        switch self {
        case .hang: 0
        case .slow(let factor): factor
        case .failFast, .errors, .refuse, .flapping: 1
        }
    }
}

/// Servers restarted one after another.
public struct Rolling: Sendable, Equatable {
    /// Mean service times from a server's last request to its start.
    public var down: Double
    /// Between one server's start and the next one's turn.
    public var pause: Double
    /// Whether a server is taken out of rotation before it stops, and finishes what it has.
    public var drains: Bool
    public var coldStart: ColdStart?

    public init(down: Double, pause: Double, drains: Bool, coldStart: ColdStart? = nil) {
        self.down = down
        self.pause = pause
        self.drains = drains
        self.coldStart = coldStart
    }
}
