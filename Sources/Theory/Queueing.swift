import Numerics

/// What queueing theory knows exactly, for servers that take one request at a time, first come
/// first served, mean service time 1, Poisson arrivals of rate `load` per server.
///
/// Loads are over 0 and under 1. Means are of the time in the system: waiting and service.
public enum Queueing {
    /// One server, or each of many that are chosen at random; exponential service.
    public static func singleServerMean(load: Double) -> Double { 1 / (1 - load) }

    /// The probability that a request of ``singleServerMean(load:)``'s queue lasts longer.
    public static func singleServerTail(_ time: Double, load: Double) -> Double {
        (-(1 - load) * time).exponential
    }

    /// Pollaczek and Khinchin: service with any law.
    ///
    /// - Parameter scv: variance over squared mean of the service time: 0 constant, 1
    ///   exponential, ∞ for laws without a variance.
    public static func generalServiceMean(load: Double, scv: Double) -> Double {
        1 + load * (1 + scv) / (2 * (1 - load))
    }

    /// Any law of service on a server that divides itself among all its requests.
    public static func processorSharingMean(load: Double) -> Double { 1 / (1 - load) }

    // MARK: - Round robin: Erlang arrivals

    /// The root of σ = (nλ / (nλ + 1 − σ))ⁿ under 1: the probability that a request which the
    /// rotation brings to one of `servers` has to wait.
    public static func rotationDelayProbability(servers: Int, load: Double) -> Double {
        let count = Double(servers)
        var low = 0.0
        var high = 1 - 1e-9
        // The right side is above the left below the root, and below it up to 1.
        for _ in 0..<200 {
            let sigma = (low + high) / 2
            let ratio = count * load / (count * load + 1 - sigma)
            if (count * ratio.logarithm).exponential > sigma { low = sigma } else { high = sigma }
        }
        return (low + high) / 2
    }

    /// Round robin over `servers` equal ones, exponential service: E_n/M/1.
    public static func rotationMean(servers: Int, load: Double) -> Double {
        1 / (1 - rotationDelayProbability(servers: servers, load: load))
    }

    public static func rotationTail(_ time: Double, servers: Int, load: Double) -> Double {
        let sigma = rotationDelayProbability(servers: servers, load: load)
        return (-(1 - sigma) * time).exponential
    }

    // MARK: - One queue for all

    /// Erlang's C: the probability that all of `servers` are busy, one queue before them.
    public static func waitingProbability(servers: Int, load: Double) -> Double {
        let traffic = Double(servers) * load
        // Erlang's B by its recursion, which loses nothing to cancellation.
        var blocking = 1.0
        for count in 1...servers {
            blocking = traffic * blocking / (Double(count) + traffic * blocking)
        }
        return blocking / (1 - load * (1 - blocking))
    }

    /// M/M/n: no strategy that sends requests on as they come does better than this queue,
    /// whose servers are never idle while a request waits.
    public static func centralQueueMean(servers: Int, load: Double) -> Double {
        1 + waitingProbability(servers: servers, load: load) / (Double(servers) * (1 - load))
    }

    public static func centralQueueTail(_ time: Double, servers: Int, load: Double) -> Double {
        let waiting = waitingProbability(servers: servers, load: load)
        let rate = Double(servers) * (1 - load)
        guard abs(rate - 1) > 1e-9 else { return (1 + waiting * time) * (-time).exponential }
        let share = waiting / (1 - rate)
        return (1 - share) * (-time).exponential + share * (-rate * time).exponential
    }

    // MARK: - The supermarket

    /// Best of `choices` draws among infinitely many servers (Mitzenmacher): the share of
    /// servers with at least `count` requests.
    public static func supermarketShare(atLeast count: Int, choices: Int, load: Double) -> Double {
        if choices == 1 { return load.raised(to: Double(count)) }
        let d = Double(choices)
        let power = (d.raised(to: Double(count)) - 1) / (d - 1)
        return (power * load.logarithm).exponential
    }

    public static func supermarketMean(choices: Int, load: Double) -> Double {
        if choices == 1 { return singleServerMean(load: load) }
        let d = Double(choices)
        var sum = 0.0
        for count in 1...200 {
            let power = (d.raised(to: Double(count)) - d) / (d - 1)
            let term = (power * load.logarithm).exponential
            sum += term
            if term < 1e-16 { break }
        }
        return sum
    }

    public static func supermarketTail(_ time: Double, choices: Int, load: Double) -> Double {
        if choices == 1 { return singleServerTail(time, load: load) }
        // A request that finds k before it on the best server lasts k + 1 exponential times.
        var sum = 0.0
        var erlangTerm = (-time).exponential
        var erlangTail = 0.0
        for found in 0..<400 {
            erlangTail += erlangTerm
            erlangTerm *= time / Double(found + 1)
            let here = supermarketShare(atLeast: found, choices: choices, load: load)
            let beyond = supermarketShare(atLeast: found + 1, choices: choices, load: load)
            let d = Double(choices)
            let chance = here.raised(to: d) - beyond.raised(to: d)
            sum += chance * erlangTail
            if beyond < 1e-18 { break }
        }
        return sum
    }

    // MARK: - Percentiles

    /// The time that is exceeded with probability `1 − share`.
    ///
    /// - Parameter tail: the probability of lasting longer, which falls from 1 to 0.
    public static func quantile(_ share: Double, tail: (Double) -> Double) -> Double {
        var low = 0.0
        var high = 1.0
        while tail(high) > 1 - share, high < 1e12 { high *= 2 }
        for _ in 0..<100 {
            let middle = (low + high) / 2
            if tail(middle) > 1 - share { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }
}
