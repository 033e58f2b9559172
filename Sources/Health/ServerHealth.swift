/// What active checks make us believe about one server.
///
///                    enough passes                check failed
///     ┌──────────┐ ────────────────▶ ┌────┐ ───────────────────────▶ ┌─────────┐
///     │ checking │                   │ up │                          │ failing │
///     └──────────┘                   └────┘ ◀─────────────────────── └─────────┘
///       ▲      │                       ▲          check passed            │
///       └──────┘                       │                                  │ too many failures
///     check failed:                    │ enough passes                    ▼
///     passes start over           ┌────────┐      check passed        ┌──────┐
///                                 │ rising │ ◀─────────────────────── │ down │
///                                 └────────┘ ───────────────────────▶ └──────┘
///                                                 check failed
///
/// A new server serves after ``HealthThresholds/beforeTraffic`` passes in a row, at once if that
/// is 0. It stays in `checking` while it fails, however long: it may be a container that is
/// starting, and its first pass must not count for less because it was watched. A server that
/// was up and went down needs ``HealthThresholds/upAfter``.
///
/// The thresholds are arguments, because they change while the server stays.
public struct ServerHealth: Sendable, BitwiseCopyable {
    private enum State: BitwiseCopyable {
        case checking(passes: UInt16)
        case up
        case failing(failures: UInt16)
        case down
        case rising(passes: UInt16)
    }

    /// What the caller must do about an event.
    public enum Action: Sendable, Equatable, BitwiseCopyable {
        case nothing
        /// Send it requests, warming it.
        case becameUp
        /// Send it no more. The reason is that of the last failure.
        case becameDown(ProbeFailure)
    }

    /// The state for people: a word, and how far the server is from leaving it.
    public enum Standing: Sendable, Equatable, BitwiseCopyable {
        case checking
        case up
        /// Still serving, after this many failures in a row.
        case failing(Int)
        case down
        /// Not serving yet, after this many passes in a row.
        case rising(Int)
    }

    private var state: State
    /// The reason of the last failed check since the last one that passed.
    public private(set) var lastFailure: ProbeFailure?

    public init(_ thresholds: HealthThresholds) {
        state = thresholds.beforeTraffic == 0 ? .up : .checking(passes: 0)
    }

    /// Whether it may get requests.
    public var isServing: Bool {
        switch state {
        case .up, .failing: true
        case .checking, .down, .rising: false
        }
    }

    public var standing: Standing {
        switch state {
        case .checking: .checking
        case .up: .up
        case .failing(let failures): .failing(Int(failures))
        case .down: .down
        case .rising(let passes): .rising(Int(passes))
        }
    }

    public mutating func checkPassed(_ thresholds: HealthThresholds) -> Action {
        lastFailure = nil
        switch state {
        case .checking(let passes):
            guard passes + 1 < thresholds.beforeTraffic else { return rise() }
            state = .checking(passes: passes + 1)
            return .nothing
        case .up, .failing:
            state = .up
            return .nothing
        case .down:
            guard 1 < thresholds.upAfter else { return rise() }
            state = .rising(passes: 1)
            return .nothing
        case .rising(let passes):
            guard passes + 1 < thresholds.upAfter else { return rise() }
            state = .rising(passes: passes + 1)
            return .nothing
        }
    }

    /// Somebody who can know says that a new server is healthy: as good as all the passes that
    /// it needs. One that was up before has to pass our own checks.
    public mutating func vouched() -> Action {
        guard case .checking = state else { return .nothing }
        return rise()
    }

    public mutating func checkFailed(
        _ reason: ProbeFailure, _ thresholds: HealthThresholds
    ) -> Action {
        lastFailure = reason
        switch state {
        case .checking:
            state = .checking(passes: 0)
            return .nothing
        case .up:
            guard 1 < thresholds.downAfter else { return fall(reason) }
            state = .failing(failures: 1)
            return .nothing
        case .failing(let failures):
            guard failures + 1 < thresholds.downAfter else { return fall(reason) }
            state = .failing(failures: failures + 1)
            return .nothing
        case .down, .rising:
            state = .down
            return .nothing
        }
    }

    private mutating func rise() -> Action {
        state = .up
        return .becameUp
    }

    private mutating func fall(_ reason: ProbeFailure) -> Action {
        state = .down
        return .becameDown(reason)
    }
}

/// Checks in a row that change what we believe.
public struct HealthThresholds: Sendable, Hashable, BitwiseCopyable {
    /// Passes until a server that was down serves again; 1 at least.
    public let upAfter: UInt16
    /// Failures until a server that serves is down; 1 at least.
    public let downAfter: UInt16
    /// Passes until a new server serves; 0 lets it serve unchecked.
    public let beforeTraffic: UInt16

    /// Values outside of 0 (or 1) to 65535 are brought into it.
    public init(upAfter: Int = 2, downAfter: Int = 3, beforeTraffic: Int = 1) {
        self.upAfter = UInt16(clamping: max(1, upAfter))
        self.downAfter = UInt16(clamping: max(1, downAfter))
        self.beforeTraffic = UInt16(clamping: beforeTraffic)
    }
}
