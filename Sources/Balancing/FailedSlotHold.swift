public import Timing

/// How long a failed request keeps its slot in its server's count of requests in flight: until
/// it has lasted as long as the service's mean success.
///
/// A server that fails at once has few requests in flight, so every strategy that counts them
/// would send it everything. Holding the slot takes that advantage away: failing fast is then no
/// more attractive than answering, and the server gets its fair share until it is ejected. No
/// parameter, and no effect on a service in health.
///
/// One per service and loop, or per loop, whichever knows enough successes.
public struct FailedSlotHold: Sendable, BitwiseCopyable {
    /// The mean follows the last successes with this many as its memory.
    private static let memory = 64.0

    private var meanNanoseconds = 0.0
    private var successCount = 0.0

    public init() {}

    /// The mean duration of successes, over all at first and over the last 64 or so later;
    /// `nil` before the first.
    public var meanSuccess: Interval? {
        successCount > 0 ? Interval(nanoseconds: UInt64(meanNanoseconds)) : nil
    }

    /// An attempt was answered. Leave out what is not a request's time: tunnels, and responses
    /// that the client was slow to take.
    ///
    /// - Parameter duration: from taking the slot to giving it back.
    public mutating func succeeded(after duration: Interval) {
        successCount = min(successCount + 1, Self.memory)
        meanNanoseconds += (Double(duration.nanoseconds) - meanNanoseconds) / successCount
    }

    /// How much longer a failed attempt keeps its slot; `nil` to give it back at once: it lasted
    /// long enough, or nothing has succeeded yet to compare it with.
    public func holdInterval(failedAfter duration: Interval) -> Interval? {
        guard successCount > 0 else { return nil }
        let mean = UInt64(meanNanoseconds)
        guard duration.nanoseconds < mean else { return nil }
        return Interval(nanoseconds: mean - duration.nanoseconds)
    }
}
