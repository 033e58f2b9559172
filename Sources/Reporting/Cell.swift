public import Simulation
public import Statistics

/// One strategy in one variant of a scenario, over all repetitions.
public struct Cell: Sendable {
    public let contender: Contender
    /// By repetition.
    public private(set) var runs: [RunSummary] = []
    /// All response times together: percentiles come from here, and are never averaged.
    public private(set) var durations = Durations()
    public private(set) var requestCount = 0
    public private(set) var failures: [RunResult.Failure: Int] = [:]
    /// Sums over the repetitions.
    public private(set) var servers: [Server] = []
    public private(set) var stretches: [RunResult.Stretch] = []
    public private(set) var newcomers: [Newcomer] = []
    public private(set) var ejectionCount = 0
    public private(set) var movedKeyShare: Double?
    public private(set) var neededKeyShare: Double?

    public struct Server: Sendable {
        public var name: String
        public var picks = 0
        public var answers = 0
        public var failures = 0
        /// The mean over the repetitions.
        public var utilisation = 0.0
    }

    /// A server that joined, its windows added up over the repetitions.
    public struct Newcomer: Sendable {
        public var server: Int
        public var since: Double
        public var fairShare: Double
        public var windows: [Int]
        /// Of any run.
        public var peakBurst: Int
        public var longestRun: Int
        /// The same while it was warming: of any run, and over all of them.
        public var peakWarmingBurst: Int
        public var warmingBursts: Int
        public var excessiveBursts: Int
        public var runCount: Int
    }

    public init(_ contender: Contender) { self.contender = contender }

    /// Adds the result of the next repetition.
    public mutating func add(_ result: RunResult) {
        let summary = RunSummary(result)
        runs.append(summary)
        durations.add(result.durations)
        requestCount += result.requestCount
        failures.merge(result.failures) { $0 + $1 }
        ejectionCount += result.ejectionCount
        movedKeyShare = result.movedKeyShare ?? movedKeyShare
        neededKeyShare = result.neededKeyShare ?? neededKeyShare
        addServers(result)
        addStretches(result)
        addNewcomers(result)
    }

    private mutating func addServers(_ result: RunResult) {
        if servers.isEmpty { servers = result.servers.map { Server(name: $0.name) } }
        let count = Double(runs.count)
        for (index, server) in result.servers.enumerated() where index < servers.count {
            servers[index].picks += server.picks
            servers[index].answers += server.answers
            servers[index].failures += server.failures
            servers[index].utilisation +=
                (server.utilisation - servers[index].utilisation) / count
        }
    }

    private mutating func addStretches(_ result: RunResult) {
        guard !stretches.isEmpty else {
            stretches = result.stretches
            return
        }
        for (index, stretch) in result.stretches.enumerated() {
            for server in stretch.picks.indices where server < stretches[index].picks.count {
                stretches[index].picks[server] += stretch.picks[server]
            }
            stretches[index].answered += stretch.answered
            stretches[index].failed += stretch.failed
            stretches[index].sum += stretch.sum
            stretches[index].longest = max(stretches[index].longest, stretch.longest)
            stretches[index].inFlight += stretch.inFlight
        }
    }

    private mutating func addNewcomers(_ result: RunResult) {
        for (index, newcomer) in result.newcomers.enumerated() {
            guard index < newcomers.count else {
                newcomers.append(
                    Newcomer(
                        server: newcomer.server, since: newcomer.since,
                        fairShare: newcomer.fairShare, windows: newcomer.windows,
                        peakBurst: newcomer.peakBurst, longestRun: newcomer.longestRun,
                        peakWarmingBurst: newcomer.peakWarmingBurst,
                        warmingBursts: newcomer.warmingBursts,
                        excessiveBursts: newcomer.excessiveBursts, runCount: 1))
                continue
            }
            let length = min(newcomers[index].windows.count, newcomer.windows.count)
            newcomers[index].windows = (0..<length).map {
                newcomers[index].windows[$0] + newcomer.windows[$0]
            }
            newcomers[index].peakBurst = max(newcomers[index].peakBurst, newcomer.peakBurst)
            newcomers[index].longestRun = max(newcomers[index].longestRun, newcomer.longestRun)
            newcomers[index].peakWarmingBurst = max(
                newcomers[index].peakWarmingBurst, newcomer.peakWarmingBurst)
            newcomers[index].warmingBursts += newcomer.warmingBursts
            newcomers[index].excessiveBursts += newcomer.excessiveBursts
            newcomers[index].runCount += 1
        }
    }

    // MARK: - Estimates

    public func values(_ measure: Measure) -> [Double] { runs.map(measure.value(of:)) }

    /// The value over all runs, percentiles from all response times together; half the width
    /// from the runs' own values.
    public func estimate(_ measure: Measure) -> Estimate {
        guard !runs.isEmpty else { return Estimate(value: 0, halfWidth: .infinity) }
        var estimate = Estimate(ofRuns: values(measure))
        let share: Double? =
            switch measure {
            case .p50: 0.5
            case .p90: 0.9
            case .p99: 0.99
            case .p999: 0.999
            default: nil
            }
        if let share { estimate.value = durations.quantile(share) ?? 0 }
        if measure == .longest { estimate.value = durations.longest }
        return estimate
    }

    public var pickShares: [Double] {
        let total = servers.reduce(0) { $0 + $1.picks }
        return servers.map { total > 0 ? Double($0.picks) / Double(total) : 0 }
    }
}

extension Cell.Newcomer {
    /// Its share in each window of picks, all repetitions together.
    public var shares: [Double] {
        let picks = Double(RunResult.Newcomer.windowLength * runCount)
        return windows.map { Double($0) / picks }
    }

    /// Windows until its share is within a tenth of the fair one for good, give or take what
    /// chance does to a window; `nil` when it never is.
    public var convergenceWindow: Int? {
        guard fairShare > 0, !windows.isEmpty else { return nil }
        let picks = Double(RunResult.Newcomer.windowLength * runCount)
        let chance = 2 * (fairShare * (1 - fairShare) / picks).squareRoot()
        let allowed = 0.1 * fairShare + chance
        var first: Int?
        for (index, share) in shares.enumerated() {
            if abs(share - fairShare) <= allowed {
                if first == nil { first = index }
            } else {
                first = nil
            }
        }
        return first
    }

    /// The largest share of any window, as a multiple of the fair one, less 1.
    public var overshoot: Double {
        fairShare > 0 ? max(0, (shares.max() ?? 0) / fairShare - 1) : 0
    }
}
