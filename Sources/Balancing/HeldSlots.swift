public import Timing

/// The slots that failed requests still hold, by the time of their release.
///
/// A loop adds a slot instead of giving it back, sets its timer to ``next``, and gives back what
/// is due. A heap of fixed capacity: adding and taking are O(log n) and allocate nothing.
public struct HeldSlots: ~Copyable {
    /// Slots held at most. A loop that has more failures than this within a mean success time
    /// has worse troubles than fairness.
    public static let capacity = 4096

    private struct Held: BitwiseCopyable {
        var releaseAt: LoopInstant
        var server: UInt64
    }

    /// ## Invariants
    /// - `0 ..< count` is a heap: no slot is due before the one at (its index − 1) / 2.
    private var heap: [Held]
    public private(set) var count = 0

    public init() {
        heap = Array(repeating: Held(releaseAt: .never, server: 0), count: Self.capacity)
    }

    public var isEmpty: Bool { count == 0 }

    /// When the first slot is due; `never` when none is held.
    public var next: LoopInstant { count > 0 ? heap[0].releaseAt : .never }

    /// Holds a slot.
    ///
    /// - Parameter server: the caller's number of the server; it comes back when the slot is due.
    /// - Returns: `false` when no more can be held: give the slot back now.
    public mutating func hold(server: UInt64, until releaseAt: LoopInstant) -> Bool {
        guard count < Self.capacity else { return false }
        var hole = count
        count += 1
        while hole > 0 {
            let parent = (hole - 1) / 2
            guard releaseAt < heap[parent].releaseAt else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = Held(releaseAt: releaseAt, server: server)
        return true
    }

    /// Takes out a slot that is due: give it back to the server. `nil` when none is due; call
    /// again until then.
    public mutating func popDue(now: LoopInstant) -> UInt64? {
        guard count > 0, heap[0].releaseAt <= now else { return nil }
        let server = heap[0].server
        count -= 1
        let moved = heap[count]
        var hole = 0
        while true {
            var child = 2 * hole + 1
            guard child < count else { break }
            if child + 1 < count, heap[child + 1].releaseAt < heap[child].releaseAt { child += 1 }
            guard heap[child].releaseAt < moved.releaseAt else { break }
            heap[hole] = heap[child]
            hole = child
        }
        heap[hole] = moved
        return server
    }
}
