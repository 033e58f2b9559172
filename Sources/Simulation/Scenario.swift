import Statistics
public import Timing

/// One experiment: servers, requests, and what happens to both. Every strategy meets the same
/// arrivals, sizes, keys and accidents.
///
/// Times without a unit are in mean service times; what the proxy has in seconds is brought to
/// them by ``meanService``.
///
/// The base model, which theory and other simulators share, is the default: each server serves
/// one request at a time, first come first served, from a queue without bound; sizes with mean
/// 1, divided by the server's speed; Poisson arrivals, open loop; response time from arrival to
/// completion; the first tenth of the requests does not count.
public struct Scenario: Sendable, Equatable {
    public var name: String
    /// One line for people.
    public var title = ""
    /// Distinguishes the cases of one file: `load 0.9`; empty for the only one.
    public var variant = ""
    public var meanService = Interval.milliseconds(10)
    public var groups: [ServerGroup]
    /// Rate of arrival as a share of the capacity of the servers at the start.
    public var load: Double
    public var service = ServiceLaw.exponential
    public var arrivals = ArrivalProcess.poisson
    public var requestCount: Int
    /// Balancers; a request goes to one at random.
    public var workers = 1
    /// Whether all workers read one count per server (a process), or each counts its own
    /// requests (proxies that know nothing of each other).
    public var sharesCounts = true
    /// How old the counts are that a pick sees, at most: they are looked at so often. 0 for now.
    public var countAge = 0.0
    public var keys: KeyLaw?
    public var proxy = ProxySettings.bare
    public var disturbances: [Disturbance] = []
    /// Goodput counts what was answered within this; `nil` for all.
    public var deadline: Double?

    public init(name: String, groups: [ServerGroup], load: Double, requestCount: Int) {
        self.name = name
        self.groups = groups
        self.load = load
        self.requestCount = requestCount
    }

    public var serverCount: Int { groups.reduce(0) { $0 + $1.count } }

    /// Servers that are there at any time: those of the start, and all that join.
    public var largestServerCount: Int {
        disturbances.reduce(serverCount) { count, disturbance in
            guard case .join(let group) = disturbance.kind else { return count }
            return count + group.count
        }
    }

    /// The settings of a disturbance that restarts servers; `nil` for another one.
    func rolling(_ disturbance: Int) -> Rolling? {
        guard case .rolling(let rolling) = disturbances[disturbance].kind else { return nil }
        return rolling
    }

    /// The number of the first request that counts.
    var firstCounted: Int { Int(Double(requestCount) * WarmUp.share) }
    /// Requests behind those that count: they keep the load up until the last has its answer.
    var extraRequestCount: Int { requestCount / 10 + 1000 }

    /// Requests of mean size per mean service time; servers that only delay count as one each,
    /// having no capacity of their own.
    public var capacity: Double {
        groups.reduce(0) { sum, group in
            sum + (group.capacity.isFinite ? group.capacity : Double(group.count))
        }
    }

    /// Requests per mean service time.
    public var arrivalRate: Double { load * capacity }

    /// How long the requests take to arrive, about.
    public var horizon: Double { Double(requestCount) / arrivalRate }

    /// At this load queues grow without end: results say how fast, and depend on the run's
    /// length.
    public var isUnstable: Bool {
        if case .closed = arrivals { return false }
        let speed = groups.reduce(0.0) { sum, group in
            let share = group.antagonist?.meanSpeed ?? 1
            return sum + (group.capacity.isFinite ? group.capacity * share : .infinity)
        }
        return arrivalRate >= speed
    }

    /// Whether theory's base model describes it, so that closed forms apply.
    public var isBaseModel: Bool {
        disturbances.isEmpty && arrivals == .poisson && keys?.cache == nil && workers == 1
            && countAge == 0
            && groups.allSatisfy {
                $0.speed == 1 && $0.slots == 1 && $0.discipline == .queue && $0.weight == 1
                    && $0.antagonist == nil && $0.coldStart == nil && !$0.isBackup
            }
    }

    /// In mean service times from the start.
    public func beginning(of disturbance: Disturbance) -> Double {
        time(of: disturbance.begins, from: 0)
    }

    /// In mean service times from the start; `nil` for what lasts.
    public func end(of disturbance: Disturbance) -> Double? {
        disturbance.ends.map { time(of: $0, from: beginning(of: disturbance)) }
    }

    private func time(of moment: Disturbance.Moment, from beginning: Double) -> Double {
        switch moment {
        case .share(let share): share * horizon
        case .time(let time): time
        case .after(let time): beginning + time
        }
    }
}
