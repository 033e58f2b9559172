/// Watches the picks that follow a server's joining.
struct NewcomerWatch {
    private static let windowLimit = 200

    private(set) var result: RunResult.Newcomer
    private var windowPicks = 0
    private var windowOwn = 0
    /// The last ``RunResult/Newcomer/burstLength`` picks: whose.
    private var recent = Array(repeating: false, count: RunResult.Newcomer.burstLength)
    private var place = 0
    private var recentOwn = 0
    private var run = 0
    private var isWarming: Bool
    private let bound: Int

    init(server: Int, since: Double, fairShare: Double, isWarming: Bool) {
        self.isWarming = isWarming
        bound = Int(fairShare * 4 / 3 * Double(RunResult.Newcomer.burstLength))
        result = RunResult.Newcomer(server: server, since: since, fairShare: fairShare)
    }

    mutating func warmed(_ server: Int) { if server == result.server { isWarming = false } }

    mutating func picked(_ server: Int) {
        guard result.windows.count < Self.windowLimit else { return }
        let isOwn = server == result.server
        windowPicks += 1
        if isOwn { windowOwn += 1 }
        if windowPicks == RunResult.Newcomer.windowLength {
            result.windows.append(windowOwn)
            (windowPicks, windowOwn) = (0, 0)
        }
        recentOwn += (isOwn ? 1 : 0) - (recent[place] ? 1 : 0)
        recent[place] = isOwn
        place = place + 1 == recent.count ? 0 : place + 1
        result.peakBurst = max(result.peakBurst, recentOwn)
        if isWarming {
            result.warmingBursts += 1
            if recentOwn > bound { result.excessiveBursts += 1 }
            result.peakWarmingBurst = max(result.peakWarmingBurst, recentOwn)
        }
        run = isOwn ? run + 1 : 0
        result.longestRun = max(result.longestRun, run)
    }
}
