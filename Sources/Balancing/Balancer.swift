/// Chooses the server of the next attempt, for one service on one loop.
///
/// It reads no clock, draws no randomness of its own and measures nothing: what it knows of the
/// servers it asks of a ``ServerView`` at each pick. Of its own it keeps only what a rotation
/// must remember, one integer per server, so the counts that matter (requests in flight) can be
/// shared by all loops while each loop rotates alone.
///
/// | strategy | choice | cost of a pick |
/// |---|---|---|
/// | `round-robin` | smooth weighted rotation, from a random start | O(n) |
/// | `random` | by weight | O(n) up to 16 servers, O(1) expected above |
/// | `p2c` | the least loaded of `choices` distinct draws, the first on ties | as random, each |
/// | `least-requests` | the least loaded of all; above 64 servers, of 2 to 4 | O(n) up to 64 |
/// | `first` | the lowest index | O(n) |
///
/// A strategy that needs more than the view offers (a key to hash, a measured latency) extends
/// ``ServerView`` by what it reads of a server and ``pick(_:random:)`` by what it reads of the
/// request; the servers' identity over membership changes is already kept by
/// ``rebuild(count:oldIndex:)``.
///
/// ## Ownership
/// One loop owns it; a pick allocates nothing.
public struct Balancer: ~Copyable {
    /// What `choices` is held to: fewer than two is `random`, more than ten is a scan.
    public static let choicesRange = 2...10

    /// Least-requests looks at every server up to this many.
    static let scanLimit = 64

    public let strategy: Strategy
    private let choices: Int
    private var rotation: Rotation
    private var lottery: WeightedLottery

    /// - Parameters:
    ///   - choices: draws per pick of `p2c`; held to ``choicesRange``.
    ///   - count: the number of servers; may be 0.
    ///   - random: says where the rotation starts, so that loops do not march in step.
    public init(
        strategy: Strategy, choices: Int = 2, count: Int,
        random: inout some RandomNumberGenerator
    ) {
        self.strategy = strategy
        self.choices = min(
            max(choices, Self.choicesRange.lowerBound), Self.choicesRange.upperBound)
        rotation = Rotation(count: count, start: random.next())
        lottery = WeightedLottery()
    }

    /// The number of servers that a view must have.
    public var count: Int { rotation.count }

    /// The index of the server to try, or `nil` when none is eligible.
    public mutating func pick<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, random: inout some RandomNumberGenerator
    ) -> Int? {
        precondition(view.count == rotation.count, "the view and the balancer disagree")
        let tier = view.eligibleTier()
        switch strategy {
        case .roundRobin:
            return rotation.pick(view, in: tier)
        case .random:
            return lottery.draw(from: view, in: tier, besides: Drawn(), random: &random)
        case .powerOfTwoChoices:
            return lottery.pickLeastLoaded(of: choices, from: view, in: tier, random: &random)
        case .leastRequests:
            guard view.count > Self.scanLimit else {
                return pickLeastLoaded(of: view, in: tier, random: &random)
            }
            let draws = Self.draws(among: view.count)
            return lottery.pickLeastLoaded(of: draws, from: view, in: tier, random: &random)
        case .first:
            for index in 0..<view.count where view.weight(index, in: tier) > 0 { return index }
            return nil
        }
    }

    /// Follows a change of the membership or of configured weights; call it for either.
    ///
    /// A server that stays keeps its place in the rotation under its new index. A newcomer
    /// starts with nothing owed to it, so it gets its share from now on and no burst.
    ///
    /// - Parameters:
    ///   - count: the new number of servers.
    ///   - oldIndex: the index before the change of the server that now has the given one;
    ///     `nil` for a newcomer.
    /// - Complexity: O(n); allocates.
    public mutating func rebuild(count: Int, oldIndex: (Int) -> Int?) {
        rotation.rebuild(count: count, oldIndex: oldIndex)
        lottery = WeightedLottery()
    }

    /// How many servers least-requests draws when it does not look at all `count` of them.
    ///
    /// Two draws already avoid the worst; more of them win back what a scan would have won
    /// while the pool grows, at the price of a few cache lines.
    static func draws(among count: Int) -> Int {
        switch count {
        case ..<256: 2
        case ..<1024: 3
        default: 4
        }
    }
}
