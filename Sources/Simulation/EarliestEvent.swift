import Memory

/// The next event of each server, and which of them comes first: a tournament, in which a change
/// is played again on its way to the top only.
///
/// Changing one and finding the first are O(log n); nothing is allocated.
struct EarliestEvent: ~Copyable {
    private let leafCount: Int
    /// ## Invariants
    /// - `times[leafCount + i]` is the event of `i`; `times[node]` is the earlier of its
    ///   children's, down to 1, the first of all.
    private var times: FixedArray<Double>

    init(count: Int) {
        var leaves = 1
        while leaves < count { leaves *= 2 }
        leafCount = leaves
        times = FixedArray(repeating: .infinity, count: 2 * leaves)
    }

    /// When the first event is; ∞ when there is none.
    var time: Double { times[1] }

    /// Whose event is first; the lowest index on ties.
    var index: Int {
        var node = 1
        while node < leafCount {
            node = times[2 * node] <= times[2 * node + 1] ? 2 * node : 2 * node + 1
        }
        return node - leafCount
    }

    mutating func set(_ index: Int, to time: Double) {
        var node = leafCount + index
        guard times[node] != time else { return }
        times[node] = time
        while node > 1 {
            let other = times[node ^ 1]
            let earlier = min(times[node], other)
            node /= 2
            if times[node] == earlier { return }
            times[node] = earlier
        }
    }
}
