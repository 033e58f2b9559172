/// Servers that are alike.
public struct ServerGroup: Sendable, Equatable {
    /// How a server divides itself among the requests it has.
    public enum Discipline: String, Sendable, CaseIterable {
        /// First come, first served, `slots` at a time, each at full speed: a pool of threads.
        case queue
        /// All at once; up to `slots` at full speed, more share the speed of so many: a
        /// processor with so many cores.
        case sharing
        /// All at once, each at full speed: waits for something far away.
        case delay
    }

    public var count = 1
    /// 1 serves a request of mean size in the mean service time.
    public var speed = 1.0
    public var slots = 1
    public var discipline = Discipline.queue
    /// As configured in the proxy, 0 to 1000.
    public var weight = 1
    public var isBackup = false
    public var antagonist: Antagonist?
    public var coldStart: ColdStart?

    public init(count: Int = 1, speed: Double = 1) {
        self.count = count
        self.speed = speed
    }

    /// Requests of mean size per mean service time, all servers together; ∞ for
    /// ``Discipline/delay``.
    public var capacity: Double {
        discipline == .delay ? .infinity : Double(count) * speed * Double(slots)
    }
}

/// A neighbour that takes a server's processor from time to time.
public struct Antagonist: Sendable, Equatable {
    /// Mean time between its visits, exponential, in mean service times.
    public var every: Double
    /// Mean length of a visit, exponential.
    public var lasts: Double
    /// What is left of the speed while it is there.
    public var speed: Double

    public init(every: Double, lasts: Double, speed: Double) {
        self.every = every
        self.lasts = lasts
        self.speed = speed
    }

    /// What is left of the speed on the average.
    public var meanSpeed: Double { (every + speed * lasts) / (every + lasts) }
}

/// A server that has just started is slower: empty caches, code not yet compiled.
public struct ColdStart: Sendable, Equatable {
    /// How many times longer its first request takes; falls to 1 evenly.
    public var factor: Double
    /// Over so many requests; 0 counts time only.
    public var requests: Int
    /// Over so many mean service times; 0 counts requests only.
    public var time: Double

    public init(factor: Double, requests: Int = 0, time: Double = 0) {
        self.factor = factor
        self.requests = requests
        self.time = time
    }

    /// - Parameters:
    ///   - served: requests begun since the start.
    ///   - elapsed: mean service times since the start.
    func slowness(served: Int, elapsed: Double) -> Double {
        var left = 0.0
        if requests > 0 { left = max(left, 1 - Double(served) / Double(requests)) }
        if time > 0 { left = max(left, 1 - elapsed / time) }
        return 1 + (factor - 1) * max(0, left)
    }
}
