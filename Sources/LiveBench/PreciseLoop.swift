import Linux
import Timing

/// What one thread of the bench waits for: descriptors, and one exact instant.
struct PreciseLoop: ~Copyable {
    /// The key of the timer; nobody else may have it.
    private static let timerKey: UInt64 = 0

    var kernel: LinuxKernel
    private let timer: TimerDescriptor

    init() throws(Errno) {
        var kernel = try LinuxKernel(capacity: 256)
        let timer = try TimerDescriptor()
        try kernel.watch(timer.descriptor, key: Self.timerKey, .edges)
        self.kernel = kernel
        self.timer = timer
    }

    /// Waits for an event or for `instant`; the events are then in ``kernel``, one of the timer
    /// among them.
    ///
    /// - Returns: how many.
    mutating func wait(until instant: LoopInstant, now: LoopInstant) -> Int {
        guard instant > now else { return kernel.wait(.zero) }
        timer.set(after: instant - now)
        return kernel.wait(nil)
    }
}

/// Time as scenarios count it: in mean service times from an origin.
struct ScenarioTime: Sendable, BitwiseCopyable {
    let origin: LoopInstant
    let unit: Interval

    /// 0 before the origin.
    func time(of instant: LoopInstant) -> Double {
        Double((instant - origin).nanoseconds) / Double(unit.nanoseconds)
    }

    /// ``Timing/LoopInstant/never`` for ∞.
    func instant(of time: Double) -> LoopInstant {
        let nanoseconds = time * Double(unit.nanoseconds)
        guard nanoseconds < 1e18 else { return .never }
        return origin + Interval(nanoseconds: UInt64(max(0, nanoseconds)))
    }
}
