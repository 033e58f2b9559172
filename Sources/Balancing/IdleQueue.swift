import Memory

/// The servers that were idle when this loop last heard of them, the one idle for longest first.
///
/// A loop that ends the last request of a server adds it; a pick takes from the front. Others
/// may have used a server since: whoever takes it looks again. Constant time, no allocation.
struct IdleQueue: ~Copyable {
    private var ring: FixedArray<UInt32>
    private var isQueued: FixedArray<Bool>
    private var first = 0
    private(set) var count = 0

    /// All servers, in an order that no other loop has.
    init(count: Int, random: inout some RandomNumberGenerator) {
        ring = FixedArray(repeating: 0, count: count)
        isQueued = FixedArray(repeating: false, count: count)
        var order = Array(0..<count)
        for place in 0..<count {
            order.swapAt(place, place + random.next().share(of: count - place))
        }
        for server in order { add(server) }
    }

    /// Nothing when it is queued already.
    mutating func add(_ server: Int) {
        guard !isQueued[server] else { return }
        isQueued[server] = true
        var place = first + count
        if place >= ring.count { place -= ring.count }
        ring[place] = UInt32(server)
        count += 1
    }

    mutating func take() -> Int? {
        guard count > 0 else { return nil }
        let server = Int(ring[first])
        first = first + 1 == ring.count ? 0 : first + 1
        count -= 1
        isQueued[server] = false
        return server
    }

    /// Those that stay keep their places, newcomers come last.
    mutating func rebuild(count: Int, oldIndex: (Int) -> Int?) {
        var newIndex: [Int: Int] = [:]
        var newcomers: [Int] = []
        for index in 0..<count {
            if let old = oldIndex(index) { newIndex[old] = index } else { newcomers.append(index) }
        }
        var kept: [Int] = []
        while let server = take() {
            if let index = newIndex[server] { kept.append(index) }
        }
        ring = FixedArray(repeating: 0, count: count)
        isQueued = FixedArray(repeating: false, count: count)
        first = 0
        for server in kept + newcomers { add(server) }
    }
}
