public import Timing

/// How many second tries a service may make, so that retries cannot multiply an outage: a share
/// of its requests of the last ten seconds, and never under a few per second.
///
/// One per service and loop, each counting its own requests; the floor is divided by the number
/// of loops. Ten slots of one second; what is older than the window is forgotten slot by slot.
/// Requests and retries may come as bunched as they like within it.
///
/// O(1), allocates nothing.
public struct RetryBudget: Sendable, BitwiseCopyable {
    /// Seconds, one slot each.
    private static let windowSeconds = 10

    private struct Slot: BitwiseCopyable {
        var requests: UInt32 = 0
        var retries: UInt32 = 0
    }

    private var slots = InlineArray<10, Slot>(repeating: Slot())
    /// The sums of the slots.
    private var requests = 0
    private var retries = 0
    /// The second that the newest slot stands for.
    private var second: UInt64 = 0

    private let percent: Int
    /// Retries in a window that are always allowed.
    private let floor: Int

    /// - Parameters:
    ///   - percent: retries per hundred requests, 0 to 100.
    ///   - perSecond: retries per second that the service may always make, over all loops.
    ///   - loops: the number of loops that serve it.
    public init(percent: Int = 20, perSecond: Int = 10, loops: Int) {
        precondition(percent >= 0 && perSecond >= 0 && loops > 0)
        self.percent = percent
        // Rounded up, so that a small floor on many loops is not none at all.
        floor = (perSecond * Self.windowSeconds + loops - 1) / loops
    }

    /// A request of the service has begun: its first try, not a retry.
    public mutating func requestStarted(now: LoopInstant) {
        turn(to: now)
        slots[Int(second % 10)].requests &+= 1
        requests += 1
    }

    /// Takes one retry out of the budget.
    ///
    /// - Returns: `false` when it is spent: do not retry.
    public mutating func tryTake(now: LoopInstant) -> Bool {
        turn(to: now)
        guard retries < allowance else { return false }
        slots[Int(second % 10)].retries &+= 1
        retries += 1
        return true
    }

    /// What is left of the budget, 1 all of it and 0 nothing; as of the last event.
    public var remainingShare: Double {
        allowance > 0 ? Double(max(0, allowance - retries)) / Double(allowance) : 0
    }

    private var allowance: Int { max(floor, requests * percent / 100) }

    private mutating func turn(to now: LoopInstant) {
        let newest = now.nanoseconds / 1_000_000_000
        guard newest > second else { return }
        let passed = min(newest - second, UInt64(Self.windowSeconds))
        for step in 0..<passed {
            let index = Int((newest - step) % 10)
            requests -= Int(slots[index].requests)
            retries -= Int(slots[index].retries)
            slots[index] = Slot()
        }
        second = newest
    }
}
