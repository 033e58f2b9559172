import Memory

/// Round robin by earliest deadline: each server is due every 1/w of a round.
///
/// The server with the earliest deadline is picked and is due again 1/w later; among equal
/// deadlines the one that has waited longest. Weights 5, 1, 1 from the beginning give
/// `a a a a b c a`. Deadlines are fractions (turns over weight) that are compared by
/// cross-multiplication, so no rounding gathers, however long it runs. Each server begins at a
/// random point of its first turn, so that loops, and servers of the same weight, spread.
///
/// A server that is not eligible when it is due loses that turn; one that has lost part of its
/// weight takes that part of its turns, evenly.
///
/// Cost: O(log n) a pick while most servers are eligible, O(n) otherwise; O(n log n) a change.
struct DeadlineQueue: ~Copyable {
    /// Turns that servers may lose in one pick before all of them are looked at.
    private static let forfeitLimit = 32
    /// One turn, in the unit of ``Entry/due``.
    private static let turn = 1 << 20
    /// Above this `due` all deadlines are moved to the beginning of time.
    private static let dueLimit = 1 << 42

    struct Entry: BitwiseCopyable {
        /// The deadline times the weight, in 2⁻²⁰ of a turn.
        var due: Int
        /// By the greatest common divisor of all; at least 1 and at most 256,000.
        var weight: Int32
        var server: UInt32
        /// Who waits longest, among equals.
        var order: UInt64

        func isBefore(_ other: Entry) -> Bool {
            let mine = due &* Int(other.weight)
            let its = other.due &* Int(weight)
            return mine < its || mine == its && order < other.order
        }
    }

    /// ## Invariants
    /// - A heap: no entry is before the one at (its index − 1) / 2.
    /// - `due` · `weight` < 2⁶², so no comparison overflows.
    private var heap: FixedArray<Entry>
    /// By server: what a warming one has gathered of a turn, of its full weight.
    private var gathered: FixedArray<Int32>
    private var full: FixedArray<Int>
    private var divisor = 1
    private var nextOrder: UInt64 = 0
    /// The deadline of the last pick: an entry may be due before it only after it was left
    /// behind, and then gets no more than its turns from now on.
    private var now = Entry(due: 0, weight: 1, server: 0, order: 0)

    init(weights: [Int], random: inout some RandomNumberGenerator) {
        full = FixedArray(weights)
        gathered = FixedArray(repeating: 0, count: weights.count)
        heap = FixedArray(
            repeating: Entry(due: 0, weight: 1, server: 0, order: 0), count: weights.count)
        divide()
        for index in 0..<weights.count {
            heap[index] = entry(of: index, due: Self.firstTurn(random: &random))
        }
        order()
    }

    /// The next turns of the servers that stay are as far away as they were, in turns.
    mutating func rebuild(
        weights: [Int], oldIndex: (Int) -> Int?, random: inout some RandomNumberGenerator
    ) {
        var left = [Int](repeating: Self.turn, count: heap.count)
        for position in 0..<heap.count {
            let entry = heap[position]
            // now · weight, rounded: at most 2⁻²⁰ of a turn is lost.
            let passed = now.due * Int(entry.weight) / Int(now.weight)
            left[Int(entry.server)] = min(max(0, entry.due - passed), Self.turn)
        }
        full = FixedArray(weights)
        gathered = FixedArray(repeating: 0, count: weights.count)
        heap = FixedArray(
            repeating: Entry(due: 0, weight: 1, server: 0, order: 0), count: weights.count)
        now = Entry(due: 0, weight: 1, server: 0, order: 0)
        divide()
        for index in 0..<weights.count {
            let due = oldIndex(index).map { left[$0] } ?? Self.firstTurn(random: &random)
            heap[index] = entry(of: index, due: due)
        }
        order()
    }

    mutating func pick<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        guard heap.count > 0 else { return nil }
        for _ in 0..<Self.forfeitLimit {
            let entry = heap[0]
            let server = Int(entry.server)
            let weight = view.weight(server, in: tier)
            let isTaken = weight > 0 && takesTurn(server, weight: weight)
            if isTaken { advance(to: entry) }
            postpone(0)
            if isTaken { return server }
        }
        return pickByLooking(view, in: tier)
    }

    /// The earliest deadline among the eligible, by a look at all.
    private mutating func pickByLooking<View: ServerView & ~Copyable & ~Escapable>(
        _ view: borrowing View, in tier: Tier
    ) -> Int? {
        var best: Int?
        for position in 0..<heap.count
        where view.weight(Int(heap[position].server), in: tier) > 0 {
            if let found = best, !heap[position].isBefore(heap[found]) { continue }
            best = position
        }
        guard let best else { return nil }
        let entry = heap[best]
        advance(to: entry)
        postpone(best)
        return Int(entry.server)
    }

    /// Whether a server takes the turn that is due: always at full weight, and evenly spread
    /// over its turns below.
    private mutating func takesTurn(_ server: Int, weight: Int) -> Bool {
        guard weight < full[server] else { return true }
        let sum = Int(gathered[server]) + weight
        let isWhole = sum >= full[server]
        gathered[server] = Int32(truncatingIfNeeded: isWhole ? sum - full[server] : sum)
        return isWhole
    }

    private mutating func advance(to entry: Entry) {
        if now.due &* Int(entry.weight) < entry.due &* Int(now.weight) { now = entry }
    }

    /// Moves the entry at a position of the heap to its next turn.
    private mutating func postpone(_ position: Int) {
        var entry = heap[position]
        if entry.due &* Int(now.weight) < now.due &* Int(entry.weight) {
            entry.due = now.due &* Int(entry.weight) / Int(now.weight)
        }
        entry.due += Self.turn
        entry.order = nextOrder
        nextOrder &+= 1
        sink(entry, from: position)
        if entry.due > Self.dueLimit { rebase() }
    }

    private mutating func sink(_ entry: Entry, from position: Int) {
        var hole = position
        while true {
            var child = 2 * hole + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].isBefore(heap[child]) { child += 1 }
            guard heap[child].isBefore(entry) else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = entry
    }

    /// Takes as many whole rounds off every deadline as all of them have behind them.
    private mutating func rebase() {
        var rounds = Int.max
        for position in 0..<heap.count {
            let round = Self.turn * Int(heap[position].weight)
            rounds = min(rounds, heap[position].due / round)
        }
        rounds = min(rounds, now.due / (Self.turn * Int(now.weight)))
        for position in 0..<heap.count {
            heap[position].due -= rounds * Self.turn * Int(heap[position].weight)
        }
        now.due -= rounds * Self.turn * Int(now.weight)
    }

    // MARK: - Building

    private static func firstTurn(random: inout some RandomNumberGenerator) -> Int {
        turn - Int(random.next() >> 44)
    }

    private mutating func entry(of index: Int, due: Int) -> Entry {
        defer { nextOrder &+= 1 }
        // Weight 0 is never taken; it must still be a divisor.
        let weight = max(1, full[index] / divisor)
        return Entry(
            due: due, weight: Int32(weight), server: UInt32(index), order: nextOrder)
    }

    private mutating func divide() {
        divisor = 0
        for index in 0..<full.count {
            divisor = Rotation.greatestCommonDivisor(divisor, full[index])
        }
        divisor = max(1, divisor)
    }

    /// Makes a heap of what stands in no order.
    private mutating func order() {
        var position = heap.count / 2
        while position > 0 {
            position -= 1
            sink(heap[position], from: position)
        }
    }
}
