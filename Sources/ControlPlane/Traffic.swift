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
    private var sum = Histogram()
    private var count = 0

    public init() {}

    /// Begins a second's sum.
    public mutating func begin() {
        sum = Histogram()
        count = 0
    }

    public mutating func add(requests: Int, latencies: borrowing Histogram) {
        count += requests
        sum.add(latencies)
    }

    /// Every loop has reported.
    public mutating func end() {
        requestCount = count
        // A loop has forgotten a service that was removed and came back: what is left of its
        // sum cannot be compared with the older ones.
        if let last = history.last, !sum.contains(last) { history = [] }
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
