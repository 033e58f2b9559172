/// Attempts by the time that they are given up. All have the same limit, so the first to begin
/// is the first to end, and a ring is enough.
struct TimeoutQueue {
    struct Entry {
        var time: Double
        var request: Int32
        var stamp: UInt32
    }

    private var ring: [Entry?] = Array(repeating: nil, count: 1024)
    private var head = 0
    private var count = 0

    var first: Entry? { count > 0 ? ring[head] : nil }

    mutating func append(_ entry: Entry) {
        if count == ring.count {
            ring = (0..<count).map { ring[(head + $0) & (count - 1)] }
            ring += Array(repeating: nil, count: count)
            head = 0
        }
        ring[(head + count) & (ring.count - 1)] = entry
        count += 1
    }

    mutating func removeFirst() {
        ring[head] = nil
        head = (head + 1) & (ring.count - 1)
        count -= 1
    }
}
