public import Timing

/// How much of its weight a server gets while it is warming, and how many requests at once.
///
/// Every server that joins warms, a new one as well as one that was down. Its share grows along
/// two ramps and is the smaller of both:
///
/// - with time, from 10 % to all of it over ``window``;
/// - with answers, from 10 % to all of it over the first ``answersUntilTrusted``.
///
/// The second ramp is for services with little traffic: there a server may sit through its
/// window without a request, and would meet its first ones cold at full weight. 10 % is the
/// floor of both, so a warming server is always found out about.
///
/// A share of the weight bounds neither a burst nor a rate where idle servers come first:
/// least-requests sends everything to the one server that is idle, and again when it has
/// answered. Two bounds hold for that, each a quarter above what is usual:
/// ``inFlightCap(inFlight:servers:)`` of requests at once, and ``gap(weight:of:)`` of requests
/// in a row.
public struct SlowStart: Sendable, BitwiseCopyable {
    /// The share of a server at full weight.
    public static let full = 256
    /// 10 % of ``full``, rounded up.
    public static let floor = 26
    /// Answers after which a server's lack of practice no longer holds it back. At four servers
    /// it gets them within the service's next 120 requests or so.
    public static let answersUntilTrusted = 10

    /// From the first request to full weight; zero switches warming off.
    public let window: Interval

    public init(window: Interval) { self.window = window }

    /// - Parameters:
    ///   - since: when the server joined.
    ///   - answered: the answers it has completed since then, failures not included.
    /// - Returns: ``floor`` to ``full``.
    public func share(now: LoopInstant, since: LoopInstant, answered: Int) -> Int {
        guard window > .zero else { return Self.full }
        let elapsed = now - since
        guard elapsed < window || answered < Self.answersUntilTrusted else { return Self.full }
        let byTime = Self.ramp(Double(elapsed.nanoseconds) / Double(window.nanoseconds))
        let byAnswers = Self.ramp(Double(answered) / Double(Self.answersUntilTrusted))
        return min(byTime, byAnswers)
    }

    /// Whether the server has come to its full weight, and need not be asked about again.
    public func isOver(now: LoopInstant, since: LoopInstant, answered: Int) -> Bool {
        share(now: now, since: since, answered: answered) == Self.full
    }

    /// The most requests that a warming server may have in flight: a quarter more than the mean
    /// of the others, rounded up, and at least 1. At the cap its weight is 0.
    ///
    /// - Parameters:
    ///   - inFlight: the requests in flight on all other servers that are eligible.
    ///   - servers: the number of those servers.
    public static func inFlightCap(inFlight: Int, servers: Int) -> Int {
        // Alone it has nobody to be compared with, and nobody to leave the rest to.
        guard servers > 0 else { return .max }
        return max(1, (5 * inFlight + 4 * servers - 1) / (4 * servers))
    }

    /// How far apart the picks of a warming server are at least on a loop, 256 to a pick: so far
    /// that it gets a quarter more than its fair share, evenly. In a scale-out from 4 to 5 that
    /// is every fourth pick.
    ///
    /// - Parameter total: the weight of all eligible servers, its own included.
    public static func gap(weight: Int, of total: Int) -> Int { 256 * 4 * total / (5 * weight) }

    /// The share at `progress` of a ramp, 0 its beginning and 1 its end.
    private static func ramp(_ progress: Double) -> Int {
        guard progress < 1 else { return full }
        return floor + Int(Double(full - floor) * max(0, progress))
    }
}

/// What the eligible servers of a tier have in flight together, for the cap of the warming ones
/// among them.
public struct TierLoad: Equatable, Sendable, BitwiseCopyable {
    /// The number of servers in the lower 16 bits, their requests above; 0 for no servers.
    public private(set) var rawValue: UInt64

    public init() { rawValue = 0 }
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public var serverCount: Int { Int(rawValue & 0xFFFF) }
    public var inFlight: Int { Int(rawValue >> 16) }

    /// Counts one more server, of fewer than 65,536, with its requests in flight.
    public mutating func add(inFlight: Int) {
        rawValue += UInt64(max(0, inFlight)) << 16 | 1
    }

    /// ``SlowStart/inFlightCap(inFlight:servers:)`` for one of the servers that were added.
    ///
    /// - Parameter own: its requests in flight; counted again since, it may be a few more or
    ///   fewer than when it was added.
    public func warmCap(without own: Int) -> Int {
        SlowStart.inFlightCap(inFlight: max(0, inFlight - own), servers: serverCount - 1)
    }
}
