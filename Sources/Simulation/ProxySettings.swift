public import Health
public import Timing

/// What the proxy of a scenario does beside picking: the parts of its configuration that change
/// who gets a request. The defaults are the proxy's own.
public struct ProxySettings: Sendable, Equatable {
    public var slowStart = Interval.seconds(10)
    /// `nil` for no ejection.
    public var outliers: OutlierLimits? = OutlierLimits()
    public var retries = Retries()
    /// From sending a request to its answer; ``Timing/Interval/forever`` for no limit.
    public var responseTimeout = Interval.seconds(60)
    /// `nil` for no active checks: a new server serves at once.
    public var checks: Checks?
    public var triesAllWhenDown = false
    /// When less than this share of the servers is believed to be healthy, in percent, all of
    /// them get requests (``Balancing/PanicThreshold``); 0 for never.
    public var panicPercent = 0
    /// Requests that a server may have at once; `nil` for no limit. Further ones wait in the
    /// proxy.
    public var requestsPerServer: Int?
    /// How many may wait, over all workers, and how long.
    public var queue = 1024
    public var queueTimeout = Interval.seconds(5)
    /// Whether servers tell in their answers how many requests they have
    /// (``Balancing/ReportedLoad``).
    public var reportsLoad = false
    /// Whether a failed request keeps its slot (``Balancing/FailedSlotHold``). The proxy always
    /// does; a scenario may show why.
    public var holdsFailedSlots = true

    public init() {}

    /// Nothing that the models of queueing theory do not have.
    public static var bare: ProxySettings {
        var settings = ProxySettings()
        settings.slowStart = .zero
        settings.outliers = nil
        settings.retries.attempts = 0
        settings.responseTimeout = .forever
        return settings
    }

    public struct Retries: Sendable, Equatable {
        /// Tries after the first, each on another server.
        public var attempts = 2
        /// Whether requests that a server may have begun are repeated: a reset connection.
        public var onReset = true
        public var onTimeout = false
        /// 502, 503 and 504.
        public var onErrorAnswer = false
        /// Percent of the requests.
        public var budget = 20
        public var backoff = RetryBackoff()

        public init() {}
    }

    public struct Checks: Sendable, Equatable {
        public var interval = Interval.seconds(2)
        public var timeout = Interval.seconds(1)
        public var thresholds = HealthThresholds()
        /// Whether a server that answers requests with 503 does so to checks as well.
        public var seeErrors = false

        public init() {}
    }
}
