import Timing

/// How much of what costs us and nothing them a peer may do: for each kind a bucket that holds a
/// burst, drips full again, and is filled by honest work.
///
/// The bounds are far above what any client was seen to need, and far below what hurts.
struct AbuseMeter: Sendable {
    enum Kind: Int, CaseIterable, Sendable {
        /// Streams that the peer opens and takes back (CVE-2023-44487).
        case reset
        /// Streams that the peer makes us take back, by breaking a rule (CVE-2025-8671).
        case madeReset
        case ping
        case settings
        case priority
        /// DATA without content and without end (CVE-2019-9518).
        case emptyData
        case windowUpdate
        /// Frames of kinds that we do not know.
        case unknown

        /// For the log.
        var rule: StaticString {
            switch self {
            case .reset: "h2-rapid-reset"
            case .madeReset: "h2-made-you-reset"
            case .ping: "h2-ping-flood"
            case .settings: "h2-settings-flood"
            case .priority: "h2-priority-flood"
            case .emptyData: "h2-empty-data-flood"
            case .windowUpdate: "h2-window-update-flood"
            case .unknown: "h2-unknown-frame-flood"
            }
        }

        /// The burst, and what drips back each second.
        var bound: (burst: Int32, perSecond: Int32) {
            switch self {
            // All streams that may be open, and some more.
            case .reset: (200, 50)
            case .madeReset: (50, 5)
            case .ping: (1000, 100)
            case .settings: (100, 10)
            case .priority: (1000, 100)
            case .emptyData: (100, 10)
            case .windowUpdate: (10_000, 1000)
            case .unknown: (100, 10)
            }
        }
    }

    /// What is left in each bucket.
    private var left: [8 of Int32]
    private var since = LoopInstant.zero

    init() {
        left = .init(repeating: 0)
        for kind in Kind.allCases { left[kind.rawValue] = kind.bound.burst }
    }

    /// - Returns: whether there was something left.
    mutating func take(_ kind: Kind, now: LoopInstant) -> Bool {
        if left[kind.rawValue] <= 0 || now - since >= .seconds(1) { drip(now) }
        guard left[kind.rawValue] > 0 else { return false }
        left[kind.rawValue] -= 1
        return true
    }

    /// Honest work allows for more: DATA frames that we send are answered by window updates.
    mutating func earn(_ kind: Kind, _ count: Int32) {
        left[kind.rawValue] = min(kind.bound.burst, left[kind.rawValue] + count)
    }

    private mutating func drip(_ now: LoopInstant) {
        let seconds = min(1000, Int32(clamping: (now - since).nanoseconds / 1_000_000_000))
        guard seconds > 0 else { return }
        since = now
        for kind in Kind.allCases { earn(kind, kind.bound.perSecond * seconds) }
    }
}
