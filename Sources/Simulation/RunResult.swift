public import Statistics

/// What one run of one strategy came to.
public struct RunResult: Sendable {
    /// Why a request got no answer it could use.
    public enum Failure: String, Sendable, CaseIterable, BitwiseCopyable {
        /// 503 from a server.
        case errorAnswer = "error_answer"
        case refused
        case reset
        case timeout
        /// Everybody was full, and as many waited as may wait.
        case queueFull = "queue_full"
        /// It waited for a slot for too long.
        case queueTimeout = "queue_timeout"
        /// Nobody could have it.
        case noServer = "no_server"
        /// Still under way when the run ended: it would never have been answered.
        case unanswered
    }

    /// One server over the counted part of the run.
    public struct Server: Sendable {
        public var name: String
        public var picks = 0
        public var answers = 0
        public var failures = 0
        /// Share of its slots in use, of the time that it was there.
        public var utilisation = 0.0
    }

    /// One stretch of time of the whole run, warm-up included.
    public struct Stretch: Sendable {
        /// By server.
        public var picks: [Int]
        public var answered = 0
        public var failed = 0
        public var sum = 0.0
        public var longest = 0.0
        /// At its end, all servers together.
        public var inFlight = 0

        public var mean: Double { answered > 0 ? sum / Double(answered) : 0 }
    }

    /// How a server that joined fared, from the moment that it could be picked.
    public struct Newcomer: Sendable {
        public var server: Int
        public var since: Double
        /// The share that is due to it: its weight over all of those that serve.
        public var fairShare: Double
        /// Its picks among each ``windowLength`` picks that follow.
        public var windows: [Int] = []
        /// The most picks of any ``burstLength`` in a row.
        public var peakBurst = 0
        public var longestRun = 0
        /// The most picks of any ``burstLength`` in a row while it was warming; how many such
        /// windows there were, and in how many it had more than its fair share and a third.
        public var peakWarmingBurst = 0
        public var warmingBursts = 0
        public var excessiveBursts = 0

        public static let windowLength = 200
        public static let burstLength = 50
    }

    /// Response times of the counted requests that were answered.
    public var durations = Durations()
    public var requestCount = 0
    public var failures: [Failure: Int] = [:]
    /// Of those that were answered, how many within the deadline.
    public var inTime = 0
    public var attemptCount = 0
    public var retryCount = 0
    public var servers: [Server] = []
    public var stretches: [Stretch] = []
    public var stretchLength = 0.0
    public var newcomers: [Newcomer] = []
    public var ejectionCount = 0
    public var cacheHits = 0
    /// Of keys that a change of membership moved, and of those that had to move.
    public var movedKeyShare: Double?
    public var neededKeyShare: Double?

    public init() {}

    public var failureCount: Int { failures.values.reduce(0, +) }
    public var failureShare: Double {
        requestCount > 0 ? Double(failureCount) / Double(requestCount) : 0
    }
    public var jainIndex: Double { Fairness.jainIndex(servers.map(\.utilisation)) }
    public var pickShares: [Double] {
        let total = servers.reduce(0) { $0 + $1.picks }
        return servers.map { total > 0 ? Double($0.picks) / Double(total) : 0 }
    }
}
