import Balancing
import Memory

/// A request on its way, from its arrival to its answer; one that was given up lives on at its
/// server until that has done with it.
struct SimulatedRequest: BitwiseCopyable {
    var arrival = 0.0
    /// Mean service times of a server of speed 1.
    var size = 0.0
    /// The same of this attempt, which may find its key remembered.
    var work = 0.0
    var attemptBegan = 0.0
    /// When it first waited for a slot; ∞ before.
    var queuedAt = Double.infinity
    var key: UInt64 = 0
    /// The next one in the server's queue, or in the list of free places; −1 for none.
    var next: Int32 = -1
    var server: Int32 = -1
    var worker: Int32 = 0
    /// Changes when an attempt ends: events that were planned for it are void then.
    var stamp: UInt32 = 0
    var attemptCount: UInt8 = 0
    /// Of the server when the attempt came to it.
    var loadClass = LoadClass(of: 0)
    var isCounted = false
    /// Nobody waits for it any more.
    var isAbandoned = false
    /// In the server's hands, rather than on its way to an error.
    var isAtServer = false
    /// In a worker's line for a slot.
    var isWaiting = false
    /// It is to be answered with an error.
    var fails = false
    /// Servers tried, the first eight.
    var tried = InlineArray<8, Int32>(repeating: -1)
}

/// Places for requests, named by index; as many as were ever under way at once.
struct RequestPool: ~Copyable {
    private var places: FixedArray<SimulatedRequest>
    private var firstFree: Int32 = -1
    private var usedCount = 0
    private(set) var count = 0

    init() { places = FixedArray(repeating: SimulatedRequest(), count: 1024) }

    subscript(index: Int32) -> SimulatedRequest {
        get { places[Int(index)] }
        _modify { yield &places[Int(index)] }
    }

    /// The length of a run is its bound: a queue that grows without end grows the pool.
    mutating func take() -> Int32 {
        count += 1
        if firstFree >= 0 {
            let index = firstFree
            firstFree = places[Int(index)].next
            return index
        }
        if usedCount == places.count { grow() }
        usedCount += 1
        return Int32(usedCount - 1)
    }

    mutating func free(_ index: Int32) {
        count -= 1
        places[Int(index)].stamp &+= 1
        places[Int(index)].next = firstFree
        firstFree = index
    }

    private mutating func grow() {
        let used = usedCount
        var larger = FixedArray(repeating: SimulatedRequest(), count: 2 * used)
        for index in 0..<used { larger[index] = places[index] }
        places = larger
    }
}
