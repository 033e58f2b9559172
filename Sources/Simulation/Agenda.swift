import Numerics

/// What is to happen at a known time and is rare: a heap by time, first planned first on ties.
struct Agenda {
    enum Event: Equatable {
        case begin(disturbance: Int)
        case end(disturbance: Int)
        case restart(server: Int, rolling: Int)
        case turn(server: Int, rolling: Int)
        case flap(server: Int)
        case antagonistComes(server: Int)
        case antagonistLeaves(server: Int)
        /// A failing server's quick answer.
        case answer(request: Int32, stamp: UInt32)
        case retry(request: Int32)
        case check(server: Int)
        case verdict(server: Int, passed: Bool)
        case warm(server: Int)
        case look
        /// Failed requests have held their slots for long enough, where somebody waits for them.
        case heldSlots
        /// A request has waited for a slot for as long as it may.
        case waitOver(request: Int32, stamp: UInt32)
    }

    private struct Entry {
        var time: Double
        var order: Int
        var event: Event
    }

    private var heap: [Entry] = []
    private var planned = 0

    var time: Double { heap.first?.time ?? .infinity }

    mutating func plan(_ event: Event, at time: Double) {
        planned += 1
        heap.append(Entry(time: time, order: planned, event: event))
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard isEarlier(heap[index], heap[parent]) else { break }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    mutating func next() -> Event? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first.event }
        heap[0] = last
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, isEarlier(heap[child + 1], heap[child]) { child += 1 }
            guard isEarlier(heap[child], heap[index]) else { break }
            heap.swapAt(index, child)
            index = child
        }
        return first.event
    }

    private func isEarlier(_ a: Entry, _ b: Entry) -> Bool {
        a.time != b.time ? a.time < b.time : a.order < b.order
    }
}

extension Agenda {
    /// Plans when a server's neighbour comes, or leaves when it is there.
    mutating func plan(
        _ antagonist: Antagonist, of server: Int, isThere: Bool, now: Double,
        random: inout SeededRandom
    ) {
        let wait = random.exponential()
        if isThere {
            plan(.antagonistLeaves(server: server), at: now + antagonist.lasts * wait)
        } else {
            plan(.antagonistComes(server: server), at: now + antagonist.every * wait)
        }
    }
}
