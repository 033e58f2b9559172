import Balancing
import Memory
import Timing

/// The line of those who wait for a slot when every server has as many requests as it may have,
/// and the look whether to believe in health at all: as the proxy's workers do both.
extension Simulator {
    var hasLimit: Bool { scenario.proxy.requestsPerServer != nil }

    /// - Returns: `false` when the line is full and the request has failed.
    mutating func wait(_ request: Int32) -> Bool {
        let worker = Int(pool[request].worker)
        let workers = scenario.workers
        guard lines[worker].count < (scenario.proxy.queue + workers - 1) / workers else {
            fail(request, .queueFull)
            return false
        }
        if pool[request].queuedAt == .infinity { pool[request].queuedAt = now }
        pool[request].isWaiting = true
        lines[worker].append(request)
        let limit = Double(scenario.proxy.queueTimeout.nanoseconds) / unit
        agenda.plan(
            .waitOver(request: request, stamp: pool[request].stamp),
            at: max(now, pool[request].queuedAt + limit))
        return true
    }

    mutating func waitOver(_ request: Int32) {
        lines[Int(pool[request].worker)].remove(request)
        leaveLine(request)
        fail(request, .queueTimeout)
    }

    private mutating func leaveLine(_ request: Int32) {
        pool[request].isWaiting = false
        pool[request].stamp &+= 1
    }

    /// A slot is free: the longest waiting request of the worker has it, or another worker's.
    mutating func slotFreed(by worker: Int) {
        guard hasLimit else { return }
        if lines[worker].count > 0 {
            wakeFirst(of: worker)
        } else if scenario.sharesCounts {
            for other in 0..<lines.count where lines[other].count > 0 {
                wakeFirst(of: other)
                return
            }
        }
    }

    /// More servers than before may be picked.
    mutating func wakeAll() {
        guard hasLimit else { return }
        for worker in 0..<lines.count {
            for _ in 0..<lines[worker].count where !wakeFirst(of: worker) { break }
        }
    }

    /// - Returns: whether the first one has gone on.
    @discardableResult
    private mutating func wakeFirst(of worker: Int) -> Bool {
        guard let request = lines[worker].takeFirst() else { return false }
        leaveLine(request)
        guard choose(request) else { return true }
        // Still full: it went to the end of the line, so it goes back to the front.
        lines[worker].bringLastToFront()
        return false
    }

    /// Whether health is ignored; looks at all servers ten times a second at most.
    mutating func panics(_ roster: Int, _ instant: LoopInstant) -> Bool {
        guard scenario.proxy.panicPercent > 0 else { return false }
        if instant >= panicChecks[roster] {
            panicChecks[roster] = instant + .milliseconds(100)
            let threshold = PanicThreshold(percent: scenario.proxy.panicPercent)
            isPanicking[roster] = rosters[roster].isPanicking(threshold)
        }
        return isPanicking[roster]
    }
}
