/// What one more request would meet on a server: requests per weight.
///
/// An idle server counts 0 whatever its weight, a busy one (in flight + 1) / weight, which is
/// HAProxy's rule. Idle servers are thus always taken before busy ones, so that at low load the
/// heaviest machine does not get everything, and busy ones fill up in proportion. Compared by
/// cross-multiplication: no division, no rounding.
struct ServerLoad: BitwiseCopyable {
    private var requests: Int
    private var weight: Int

    /// - Parameter weight: must be positive.
    init(inFlight: Int, weight: Int) {
        requests = inFlight == 0 ? 0 : inFlight &+ 1
        self.weight = weight
    }

    /// Heavier than every server's.
    static var none: ServerLoad {
        var load = ServerLoad(inFlight: 0, weight: 1)
        load.requests = 1
        load.weight = 0
        return load
    }

    static func < (a: ServerLoad, b: ServerLoad) -> Bool {
        a.requests &* b.weight < b.requests &* a.weight
    }
    static func == (a: ServerLoad, b: ServerLoad) -> Bool {
        a.requests &* b.weight == b.requests &* a.weight
    }
}

extension Balancer {
    /// The least loaded of all servers; among ties each with the probability of its weight,
    /// which is uniform among equals.
    ///
    /// Ties by weight rather than uniform: a service at low load is nothing but ties, and there
    /// too a server of weight 5 gets five times the requests and a warming server few.
    mutating func pickLeastLoaded<View: ServerView & ~Copyable & ~Escapable>(
        of view: borrowing View, in tier: Tier, random: inout some RandomNumberGenerator
    ) -> Int? {
        var best: Int?
        var least = ServerLoad.none
        var tiedWeight = 0
        for index in 0..<view.count {
            let weight = view.weight(index, in: tier)
            guard weight > 0 else { continue }
            let load = ServerLoad(inFlight: view.inFlight(index), weight: weight)
            if load < least {
                best = index
                least = load
                tiedWeight = weight
            } else if load == least {
                // A reservoir of one: each of the tied stays in it in proportion.
                tiedWeight += weight
                if random.next().share(of: tiedWeight) < weight { best = index }
            }
        }
        return best
    }
}
