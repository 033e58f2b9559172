/// How a service chooses the server of the next request.
///
/// The raw values are the words of the configuration. What each of them is, where it comes from,
/// what it costs and what breaks it stands in one place, ``explanation``, which
/// `staithe explain balance` prints.
public enum Strategy: String, Sendable, CaseIterable {
    case roundRobin = "round-robin"
    case deadline
    case random
    case powerOfTwoChoices = "p2c"
    case leastRequests = "least-requests"
    case first
    case leastTime = "least-time"
    case peakEWMA = "peak-ewma"
    case hotCold = "hot-cold"
    case joinIdleQueue = "join-idle-queue"
    case ringHash = "ring-hash"
    case maglev
    case rendezvous

    /// Whether it chooses by a key of the request.
    public var usesKey: Bool {
        switch self {
        case .ringHash, .maglev, .rendezvous: true
        default: false
        }
    }

    /// Whether it sends more to a server that looks idle, and so must be kept from sending too
    /// much to one that has just come.
    var followsLoad: Bool {
        switch self {
        case .powerOfTwoChoices, .leastRequests, .leastTime, .peakEWMA, .hotCold,
            .joinIdleQueue:
            true
        default: false
        }
    }

    /// Whether it reads ``ServerView/answerTime(_:)``: then answers and failures are to be
    /// recorded there.
    public var usesAnswerTimes: Bool {
        switch self {
        case .leastTime, .peakEWMA, .hotCold: true
        default: false
        }
    }

    /// Whether it reads ``ServerView/answerTime(_:in:)``: then answers and failures are to be
    /// recorded there as well, by the load that the server had when the request came.
    public var usesTimesByLoad: Bool { self == .hotCold }

    /// Whether it reads ``ServerView/ages(_:)``: then requests are to be counted in and out there.
    public var usesAges: Bool { self == .leastTime }
}
