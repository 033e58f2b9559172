/// One server: its queue, what it is doing, and how fast.
///
/// Progress is measured on a clock of its own that runs at ``pace``: a request that begins when
/// the clock shows `c` is done when it shows `c` + its size. A change of speed, or of the number
/// of requests that share a processor, changes the pace and nothing else.
struct SimulatedServer {
    private struct Running {
        var finish: Double
        var request: Int32
    }

    let discipline: ServerGroup.Discipline
    let slots: Int
    let baseSpeed: Double
    let antagonist: Antagonist?
    var coldStart: ColdStart?
    /// When it was started last, and how many requests it has begun since; for cold starts.
    private var startedAt = 0.0
    private var begunSinceStart = 0

    /// Factors of the speed, each from a cause of its own.
    var faultSpeed = 1.0
    var antagonistSpeed = 1.0

    private var clock = 0.0
    private var updatedAt = 0.0
    private var pace = 0.0
    /// A heap by finish.
    private var running: [Running] = []
    private var firstWaiting: Int32 = -1
    private var lastWaiting: Int32 = -1
    private(set) var waitingCount = 0
    /// Slot times in use, in total.
    private(set) var busyTime = 0.0

    init(_ group: ServerGroup) {
        discipline = group.discipline
        slots = group.slots
        baseSpeed = group.speed
        antagonist = group.antagonist
        coldStart = group.coldStart
        running.reserveCapacity(group.discipline == .queue ? group.slots : 16)
    }

    init(_ group: ServerGroup, startedAt now: Double) {
        self.init(group)
        updatedAt = now
        startedAt = now
        setPace()
    }

    /// It has ended with all it had, and starts again.
    mutating func restart(_ coldStart: ColdStart?, now: Double) {
        self.coldStart = coldStart
        startedAt = now
        begunSinceStart = 0
    }

    var runningCount: Int { running.count }
    var isIdle: Bool { running.isEmpty && waitingCount == 0 }

    /// Brings clock and account to `now`.
    mutating func advance(to now: Double) {
        let elapsed = now - updatedAt
        updatedAt = now
        guard !running.isEmpty else { return }
        clock += elapsed * pace
        busyTime += elapsed * Double(min(running.count, slots))
    }

    /// When the next request is done, if nothing changes; ∞ for never.
    var nextCompletion: Double {
        guard let first = running.first, pace > 0 else { return .infinity }
        return updatedAt + (first.finish - clock) / pace
    }

    /// After every change of what runs or of a speed.
    mutating func setPace() {
        let speed = baseSpeed * faultSpeed * antagonistSpeed
        pace =
            discipline == .sharing && running.count > slots
            ? speed * Double(slots) / Double(running.count) : speed
    }

    /// Takes a request in; ``advance(to:)`` first.
    mutating func add(_ request: Int32, now: Double, in pool: inout RequestPool) {
        if discipline == .queue, running.count >= slots {
            pool[request].next = -1
            if lastWaiting >= 0 {
                pool[lastWaiting].next = request
            } else {
                firstWaiting = request
            }
            lastWaiting = request
            waitingCount += 1
        } else {
            begin(request, now: now, in: pool)
            setPace()
        }
    }

    /// Lets the request go that is done first, and begins the next; ``advance(to:)`` first.
    mutating func removeFinished(now: Double, in pool: borrowing RequestPool) -> Int32 {
        let request = running[0].request
        // What rounding left.
        clock = max(clock, running[0].finish)
        removeFirst()
        if firstWaiting >= 0 {
            let next = firstWaiting
            firstWaiting = pool[next].next
            if firstWaiting < 0 { lastWaiting = -1 }
            waitingCount -= 1
            begin(next, now: now, in: pool)
        }
        if discipline == .sharing { setPace() }
        return request
    }

    /// Ends with all it has.
    mutating func removeAll(in pool: borrowing RequestPool) -> [Int32] {
        var all = running.map(\.request).sorted()
        running.removeAll(keepingCapacity: true)
        while firstWaiting >= 0 {
            all.append(firstWaiting)
            firstWaiting = pool[firstWaiting].next
        }
        lastWaiting = -1
        waitingCount = 0
        return all
    }

    private mutating func begin(
        _ request: Int32, now: Double, in pool: borrowing RequestPool
    ) {
        var size = pool[request].work
        if let coldStart {
            size *= coldStart.slowness(served: begunSinceStart, elapsed: now - startedAt)
        }
        begunSinceStart += 1
        insert(Running(finish: clock + size, request: request))
    }

    private mutating func insert(_ entry: Running) {
        running.append(entry)
        var index = running.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard entry.finish < running[parent].finish else { break }
            running[index] = running[parent]
            index = parent
        }
        running[index] = entry
    }

    private mutating func removeFirst() {
        let last = running.removeLast()
        guard !running.isEmpty else { return }
        var index = 0
        while true {
            var child = 2 * index + 1
            guard child < running.count else { break }
            if child + 1 < running.count, running[child + 1].finish < running[child].finish {
                child += 1
            }
            guard running[child].finish < last.finish else { break }
            running[index] = running[child]
            index = child
        }
        running[index] = last
    }
}
