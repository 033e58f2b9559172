/// What a person should know before choosing a strategy.
public struct Explanation: Equatable, Sendable {
    /// The choice, in a sentence or two.
    public var choice: String
    /// Who thought of it, or where it was taken from.
    public var source: String
    public var pickCost: String
    public var changeCost: String
    public var goodAt: String
    public var brokenBy: String
}

extension Strategy {
    /// The one text about each strategy: what it does, where it comes from, what a pick and a
    /// change of the servers cost, what it is good at and what breaks it. n is the number of
    /// servers.
    public var explanation: Explanation {
        switch self {
        case .roundRobin: Self.roundRobinText
        case .deadline: Self.deadlineText
        case .random: Self.randomText
        case .powerOfTwoChoices: Self.powerOfTwoChoicesText
        case .leastRequests: Self.leastRequestsText
        case .first: Self.firstText
        case .leastTime: Self.leastTimeText
        case .peakEWMA: Self.peakEWMAText
        case .hotCold: Self.hotColdText
        case .joinIdleQueue: Self.joinIdleQueueText
        case .ringHash: Self.ringHashText
        case .maglev: Self.maglevText
        case .rendezvous: Self.rendezvousText
        }
    }

    private static let roundRobinText = Explanation(
        choice: "Servers take turns by weight, spread as evenly as turns allow: weights 5, 1, 1 "
            + "give a a b a c a a. Each worker begins at a random turn.",
        source: "Smooth weighted round robin, nginx 2012; computed by lanes of equal weight above "
            + "64 servers, with the same sequence.",
        pickCost: "O(n) up to 64 servers, O(different weights) above",
        changeCost: "O(n) up to 64 servers, O(n log n) above",
        goodAt: "Equal servers with equal requests; shares that are exact over every period.",
        brokenBy: "Slow servers and mixed costs: it does not look at how busy a server is.")

    private static let deadlineText = Explanation(
        choice: "Each server is due every 1/weight of a round, from a random first deadline; the "
            + "earliest is picked.",
        source: "Earliest deadline first, as in Envoy and gRPC (A58); deadlines are exact "
            + "fractions, no rounding gathers.",
        pickCost: "O(log n)", changeCost: "O(n log n)",
        goodAt: "Large pools with many different weights.",
        brokenBy: "Slow servers and mixed costs, as round-robin; equal deadlines come in bursts "
            + "(5, 1, 1 from the beginning: a a a a b c a).")

    private static let randomText = Explanation(
        choice: "A server drawn by weight.",
        source: "Alias table (Walker 1977, Vose 1991), with rejection for servers that warm up.",
        pickCost: "O(1) expected; O(n) when nearly all the weight is out", changeCost: "O(n)",
        goodAt: "No memory and no herding, however many workers and proxies decide.",
        brokenBy: "Chance: every server is a queue of its own. At load 0.9 requests take five "
            + "times as long as with least-requests.")

    private static let powerOfTwoChoicesText = Explanation(
        choice: "The server with the fewest requests in flight, by weight, of 'choices' different "
            + "ones drawn by weight (default 2).",
        source: "Mitzenmacher 1996; Azar et al. 1994.",
        pickCost: "O(choices)", changeCost: "O(n)",
        goodAt: "Huge pools, several proxies, old counts: it never herds.",
        brokenBy: "Many slow servers: with 2 slow of 4, both draws are slow in one pick of six.")

    private static let leastRequestsText = Explanation(
        choice: "The server with the fewest requests in flight, by weight; ties at random by "
            + "weight. Above 64 servers: one that is idle, else the best of 2 to 4 draws.",
        source: "Join the shortest queue (Winston 1977), with HAProxy's rule for idle servers; "
            + "failed requests keep their slot as long as a mean success takes.",
        pickCost: "O(n) up to 64 servers, O(1) above", changeCost: "O(n)",
        goodAt: "Nearly everything: mixed costs, mixed speeds, tails. The default.",
        brokenBy: "Long-lived streams, which count like short requests; counts that other proxies "
            + "change.")

    private static let firstText = Explanation(
        choice: "The first server of the list that is not full.",
        source: "HAProxy's 'balance first'.",
        pickCost: "O(servers before the one picked)", changeCost: "O(1)",
        goodAt: "Few servers busy, so that the others can be switched off; needs "
            + "'requests_per_server'.",
        brokenBy: "Latency: servers are filled to the brim. Weights do not count.")

    private static let leastTimeText = Explanation(
        choice: "The least time × (requests in flight + 1) / weight. The time is the average "
            + "answer time, or the age of what has not come back when that is more; times within "
            + "a fifth of each other count as equal. Above 64 servers: of 2 to 4 draws.",
        source: "nginx 'least_time' with its 'inflight' parameter; the prior for servers without "
            + "an answer is the mean of the others.",
        pickCost: "O(n) up to 64 servers, O(1) above", changeCost: "O(n)",
        goodAt: "Servers of different speed; a server that hangs is left alone before it is down.",
        brokenBy: "Costs that differ by request: a server that had the long ones looks slow.")

    private static let peakEWMAText = Explanation(
        choice: "The least average answer time × (requests in flight + 1) / weight of 'choices' "
            + "drawn servers. The average jumps up to a slow answer at once and comes down with "
            + "10 s of memory; a failure counts as ten mean answers.",
        source: "Finagle and Linkerd; the penalty after Linkerd and brpc.",
        pickCost: "O(choices)", changeCost: "O(n)",
        goodAt: "Replicas that are slow for a while: garbage collection, noisy neighbours.",
        brokenBy: "Random service times: one long request brands a healthy server for seconds. "
            + "Long polling.")

    private static let hotColdText = Explanation(
        choice: "Servers above the 84th percentile of load are hot. Of the cold ones the fastest, "
            + "by the median of what it took before at a load like the present one, or when all "
            + "are hot the least loaded. Load is requests in flight; 'load_header' names a "
            + "response header in which a server may say its own. Above 64 servers: of 5 draws.",
        source: "Prequal (Wydrowski et al., NSDI 2024), with our own counts instead of probes.",
        pickCost: "O(n) up to 64 servers, O(1) above", changeCost: "O(n)",
        goodAt: "Servers that are slow, or that other proxies load too: it sees both in the "
            + "times, without being told.",
        brokenBy: "Servers that fail fast look cold: it leans on the failure penalty and on "
            + "'outliers'.")

    private static let joinIdleQueueText = Explanation(
        choice: "The server that has been idle for longest, or when none is, one drawn by weight.",
        source: "Lu et al., Performance Evaluation 68(11), 2011.",
        pickCost: "O(1)", changeCost: "O(n)",
        goodAt: "Many workers, low to medium load: as good as least-requests without a scan.",
        brokenBy: "Load above 0.9: without idle servers it is random.")

    private static let ringHashText = Explanation(
        choice: "The key's place on a ring where each server stands at 160 points per weight. "
            + "Servers at the bound ('bounded_load') are passed over.",
        source: "Consistent hashing (Karger et al. 1997), points as Ketama; bounded loads "
            + "(Mirrokni et al. 2016).",
        pickCost: "O(1) expected; a walk when the owner is out or at the bound",
        changeCost: "O(160 × weights × log), once for all workers",
        goodAt: "Caches: a server that leaves takes only its own keys with it.",
        brokenBy: "Shares are uneven (about 8 % for one server in ten) and hot keys go to one "
            + "server up to its bound.")

    private static let maglevText = Explanation(
        choice: "The key's slot in a table of 65,537, which servers fill in turns by weight. "
            + "Servers at the bound ('bounded_load') are passed over.",
        source: "Maglev (Eisenbud et al., NSDI 2016).",
        pickCost: "O(1): one read", changeCost: "some milliseconds, once for all workers",
        goodAt: "Affinity with shares that are equal to one slot.",
        brokenBy: "A server that joins or leaves also moves some keys of others; weights below "
            + "1/65,537 of all.")

    private static let rendezvousText = Explanation(
        choice: "The server with the best score for the key, -weight / ln(hash). Each key has an "
            + "order of preference over all servers.",
        source: "Thaler and Ravishankar 1998, weighted by Schindelhauer and Schomaker 2005.",
        pickCost: "O(n) up to 16 servers and for the first time a key's bucket (of 131,072) is "
            + "seen, then O(1); O(n) when the owner is out or at the bound",
        changeCost: "O(n), and O(buckets seen) for each newcomer",
        goodAt: "Affinity with exact weights and no move but the necessary.",
        brokenBy: "Hot keys, up to the bound; thousands of servers, where buckets are few for each."
    )
}
