public import Telemetry
public import Timing

/// What a server has answered, looked at once a second.
public struct ServerTraffic {
    public init() {}

    private var answers: Int?
    private var at = LoopInstant.zero
    /// Answers per second in the last second or so.
    public private(set) var rate = 0.0

    public mutating func sample(answers count: Int, now: LoopInstant) {
        if let answers {
            let seconds = (now - at).seconds
            guard seconds > 0 else { return }
            rate = Double(max(0, count - answers)) / seconds
        }
        answers = count
        at = now
    }
}

/// What a service has answered: the reports of its loops, added up once a second.
public struct ServiceTraffic {
    /// How many seconds back quantiles look.
    private static let windowSeconds = 10

    /// One second's sum: everything since the process started.
    private var history: [Histogram] = []
    public private(set) var requestCount = 0
    /// Requests that got an answer of ours, by reason, or a server's of 500 and above.
    public private(set) var failedCount = 0
    public private(set) var failures = ExchangeCounters()
    private var sum = Histogram()
    private var count = 0
    private var failed = 0
    private var failureSum = ExchangeCounters()

    public init() {}

    /// Begins a second's sum.
    public mutating func begin() {
        sum = Histogram()
        count = 0
        failed = 0
        failureSum = ExchangeCounters()
    }

    /// - Parameters:
    ///   - failed: of the requests: those with an answer of ours, and those of 500 and above.
    ///   - failures: of those: the ones with an answer of ours.
    ///   - latencies: of the answers that servers gave.
    public mutating func add(
        requests: Int, failed: Int, failures: borrowing ExchangeCounters,
        latencies: borrowing Histogram
    ) {
        count += requests
        self.failed += failed
        failureSum.add(failures)
        sum.add(latencies)
    }

    /// Every loop has reported.
    public mutating func end() {
        requestCount = count
        failedCount = failed
        failures = failureSum
        // A loop has forgotten a service that was removed and came back: what is left of its
        // sum cannot be compared with the older ones.
        if let last = history.last, !sum.contains(last) { history = [] }
        // Without requests there is nothing to look back at: a window of eleven sums each for
        // thousands of idle services is gigabytes.
        if history.allSatisfy({ $0.count == sum.count }) { history = [] }
        history.append(sum)
        if history.count > Self.windowSeconds + 1 { history.removeFirst() }
    }

    /// All durations since the process started.
    public var total: Histogram { history.last ?? Histogram() }

    /// The durations of the last seconds; of all time when there were none lately.
    public var recent: Histogram {
        guard let last = history.last, let first = history.first, history.count > 1 else {
            return history.last ?? Histogram()
        }
        let recent = last.subtracting(first)
        return recent.count > 0 ? recent : last
    }
}
