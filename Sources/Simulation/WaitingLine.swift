/// Requests that wait in the proxy for a slot of a server, first come first served.
struct WaitingLine {
    private var requests: [Int32] = []
    private var head = 0

    var count: Int { requests.count - head }

    mutating func append(_ request: Int32) { requests.append(request) }

    mutating func takeFirst() -> Int32? {
        guard head < requests.count else { return nil }
        let request = requests[head]
        head += 1
        if head == requests.count {
            requests.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024, head * 2 > requests.count {
            requests.removeFirst(head)
            head = 0
        }
        return request
    }

    /// The request that came last takes the first place.
    mutating func bringLastToFront() {
        guard count > 1, let request = requests.popLast() else { return }
        if head > 0 {
            head -= 1
            requests[head] = request
        } else {
            requests.insert(request, at: 0)
        }
    }

    mutating func remove(_ request: Int32) {
        guard let place = requests[head...].firstIndex(of: request) else { return }
        requests.remove(at: place)
    }
}
