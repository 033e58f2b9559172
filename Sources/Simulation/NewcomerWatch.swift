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

    init(server: Int, since: Double, fairShare: Double) {
        result = RunResult.Newcomer(server: server, since: since, fairShare: fairShare)
    }

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
        run = isOwn ? run + 1 : 0
        result.longestRun = max(result.longestRun, run)
    }
}
