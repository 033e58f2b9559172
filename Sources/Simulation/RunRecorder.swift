import Statistics

/// Counts what happens in a run.
struct RunRecorder {
    private static let stretchCount = 200

    private var result = RunResult()
    private let firstCounted: Int
    private let lastCounted: Int
    private let deadline: Double
    private let capacity: Int
    private let stretchesPerTime: Double

    private(set) var countsFrom = Double.infinity
    private var countsUntil = 0.0
    private var busyAtStart: [Double]
    private var joinedAt: [Double]
    private var leftAt: [Double]
    private var pickCounts: [Int]
    private var answerCounts: [Int]
    private var failureCounts: [Int]
    private var utilisations: [Double]

    /// By stretch and server.
    private var stretchPicks: [Int32]
    private var stretches: [RunResult.Stretch]
    private var underWay = 0

    private var watches: [NewcomerWatch] = []

    init(_ scenario: Scenario, capacity: Int) {
        self.capacity = capacity
        firstCounted = scenario.firstCounted
        lastCounted = scenario.requestCount - 1
        deadline = scenario.deadline ?? .infinity
        let zeros = Array(repeating: 0, count: capacity)
        (pickCounts, answerCounts, failureCounts) = (zeros, zeros, zeros)
        utilisations = Array(repeating: 0, count: capacity)
        busyAtStart = utilisations
        joinedAt = utilisations
        leftAt = Array(repeating: .infinity, count: capacity)
        result.stretchLength = scenario.horizon / Double(Self.stretchCount)
        stretchesPerTime = 1 / result.stretchLength
        stretchPicks = Array(repeating: 0, count: Self.stretchCount * capacity)
        stretches = Array(
            repeating: RunResult.Stretch(picks: []), count: Self.stretchCount)
    }

    private func stretch(_ now: Double) -> Int {
        min(Self.stretchCount - 1, Int(now * stretchesPerTime))
    }

    /// - Returns: whether the request with this number counts.
    mutating func arrived(_ number: Int) -> Bool {
        underWay += 1
        guard number >= firstCounted, number <= lastCounted else { return false }
        result.requestCount += 1
        return true
    }

    mutating func beginCounting(now: Double, busy: [Double]) {
        countsFrom = now
        for (server, time) in busy.enumerated() { busyAtStart[server] = time }
    }

    mutating func endCounting(now: Double, busy: [Double], slots: [Int]) {
        countsUntil = now
        for (server, time) in busy.enumerated() {
            let present =
                min(now, leftAt[server]) - max(countsFrom, joinedAt[server])
            guard present > 0 else { continue }
            utilisations[server] =
                (time - busyAtStart[server]) / (present * Double(slots[server]))
        }
    }

    mutating func picked(_ server: Int, now: Double, isCounted: Bool) {
        stretchPicks[stretch(now) * capacity + server] += 1
        if isCounted {
            pickCounts[server] += 1
            result.attemptCount += 1
        }
        for index in watches.indices { watches[index].picked(server) }
    }

    mutating func answered(_ server: Int, after duration: Double, now: Double, isCounted: Bool) {
        underWay -= 1
        let index = stretch(now)
        stretches[index].answered += 1
        stretches[index].sum += duration
        if duration > stretches[index].longest { stretches[index].longest = duration }
        stretches[index].inFlight = underWay
        guard isCounted else { return }
        answerCounts[server] += 1
        result.durations.record(duration)
        if duration <= deadline { result.inTime += 1 }
    }

    mutating func failed(now: Double) {
        underWay -= 1
        let index = stretch(now)
        stretches[index].failed += 1
        stretches[index].inFlight = underWay
    }

    mutating func failedAttempt(_ server: Int, isCounted: Bool) {
        if isCounted { failureCounts[server] += 1 }
    }

    mutating func fail(_ reason: RunResult.Failure, count: Int) {
        result.failures[reason, default: 0] += count
    }

    mutating func retried(isCounted: Bool) { if isCounted { result.retryCount += 1 } }
    mutating func hit(isCounted: Bool) { if isCounted { result.cacheHits += 1 } }
    mutating func ejected(_ server: Int, now: Double) { result.ejectionCount += 1 }

    mutating func movedKeys(moved: Double, needed: Double) {
        result.movedKeyShare = (result.movedKeyShare ?? 0) + moved
        result.neededKeyShare = (result.neededKeyShare ?? 0) + needed
    }

    mutating func left(_ server: Int, now: Double) { leftAt[server] = now }

    mutating func warmed(_ server: Int) {
        for index in watches.indices { watches[index].warmed(server) }
    }

    mutating func joined(
        _ server: Int, now: Double, fairShare: Double, isWarming: Bool, countsFromStart: Bool
    ) {
        if joinedAt[server] == 0 { joinedAt[server] = now }
        guard countsFromStart else { return }
        watches.append(
            NewcomerWatch(
                server: server, since: now, fairShare: fairShare, isWarming: isWarming))
    }

    func result(names: [String]) -> RunResult {
        var result = result
        for (server, name) in names.enumerated() {
            var entry = RunResult.Server(name: name)
            entry.picks = pickCounts[server]
            entry.answers = answerCounts[server]
            entry.failures = failureCounts[server]
            entry.utilisation = utilisations[server]
            result.servers.append(entry)
        }
        result.stretches = stretches.enumerated().map { index, stretch in
            var stretch = stretch
            stretch.picks = names.indices.map { Int(stretchPicks[index * capacity + $0]) }
            return stretch
        }
        result.newcomers = watches.map(\.result)
        return result
    }
}
