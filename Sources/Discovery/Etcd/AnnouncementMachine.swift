public import Timing

/// How a server keeps its place in etcd: under a lease, which it renews, and gives back at its
/// end after it has said that it is about to end. No sockets and no clock.
///
/// ```
///                                                ┌── lost ◀── looking ◀─┐
///                                                ▼             │ ours   │
///   begin ──▶ authenticating ──▶ granting ──▶ putting ──▶ standing ─▶ renewing
///                  ▲                ▲             │          │  │
///                  │                └─────────────┴──────────┘  │ leave()
///                  │      the lease has ended, or may have      ▼
///                  └── paused, after every failure        withdrawing ──▶ waiting
///                                                                            │ finish()
///                                                          over ◀── revoking ◀
/// ```
///
/// - The key is ours while it stands under a lease of ours, whatever its name: whoever registers
///   last under a name has it, and what the one before does at its end concerns its own lease
///   only. After each renewal the key is looked at: one that is gone is written again, one that
///   is another's is left alone until it is gone.
/// - A lease that could not be renewed for its whole life is taken for ended: another one is
///   granted, and the key written again under it.
/// - What fails goes on with the next member, at once while there is one that has not been tried.
/// - Leaving is bounded: when etcd cannot be told, the lease ends by itself.
public struct AnnouncementMachine {
    public enum Action: Equatable, Sendable {
        case authenticate
        case grant(seconds: Int)
        /// ``put(_:now:)`` follows.
        case put(lease: Int64, isDraining: Bool, if: Condition)
        /// Asks for the key; ``looked(_:now:)`` follows.
        case look
        case renew(lease: Int64)
        case revoke(lease: Int64)
        case hangUp
        case useNextEndpoint
        /// For the log.
        case say(String, isBad: Bool)
        /// The key says that the server is about to end, or nobody could be told.
        case drained
        /// Nothing is left to do.
        case over
    }

    /// What the key must be for a write to be carried out.
    public enum Condition: Equatable, Sendable {
        case always
        /// It stands under this lease.
        case lease(Int64)
        /// It was changed last in this revision; 0: it does not exist.
        case revision(Int64)
    }

    private enum Phase: Equatable {
        case paused(until: LoopInstant)
        case authenticating, granting, looking, putting, standing, renewing
        case withdrawing, waiting, revoking, over
    }

    private static let longestPause = Interval.seconds(5)
    /// How long etcd is waited for when the end is near.
    public static let farewellPatience = Interval.seconds(5)

    private let leaseSeconds: Int
    private let endpointCount: Int
    private let needsLogin: Bool
    private var phase = Phase.paused(until: .zero)
    private var hasToken = false
    private var lease: Int64?
    /// Those that we had before and that may not have ended yet, the newest last.
    private var formerLeases: [Int64] = []
    private var leaseEnds = LoopInstant.zero
    private var renewAt = LoopInstant.zero
    private var failureCount = 0
    private var hasStood = false
    /// The lease under which the key was written last.
    private var stoodUnder: Int64?
    /// A renewal has been begun and not been answered: it comes before all else.
    private var isRenewalOwed = false
    private var isLost = false
    /// Another one has registered under the same name.
    private var isReplaced = false
    /// Once the server leaves: when nobody waits for etcd any more.
    private var farewellBy: LoopInstant?
    private var isDraining = false
    private var mayRevoke = false

    /// - Parameter leaseSeconds: how long the key stands when nobody renews it.
    public init(leaseSeconds: Int, endpointCount: Int, needsLogin: Bool) {
        self.leaseSeconds = leaseSeconds
        self.endpointCount = endpointCount
        self.needsLogin = needsLogin
    }

    public var wakeAt: LoopInstant? {
        var times: [LoopInstant] = []
        if let farewellBy, phase != .over, phase != .waiting { times.append(farewellBy) }
        switch phase {
        case .paused(let until): times.append(until)
        case .standing: times.append(renewAt)
        case .waiting: times.append(renewAt)
        default: break
        }
        return times.min()
    }

    // MARK: - What happens

    public mutating func begin() -> [Action] {
        if needsLogin, !hasToken {
            phase = .authenticating
            return [.authenticate]
        }
        guard let lease else {
            if isDraining { return endFarewell() }
            phase = .granting
            return [.grant(seconds: leaseSeconds)]
        }
        if mayRevoke {
            phase = .revoking
            return [.revoke(lease: lease)]
        }
        if isDraining {
            phase = .withdrawing
            return [.put(lease: lease, isDraining: true, if: .lease(lease))]
        }
        if isRenewalOwed {
            phase = .renewing
            return [.renew(lease: lease)]
        }
        if hasStood {
            phase = .looking
            return [.look]
        }
        phase = .putting
        return [.put(lease: lease, isDraining: false, if: .always)]
    }

    public mutating func woke(now: LoopInstant) -> [Action] {
        if let farewellBy, now >= farewellBy, phase != .waiting, phase != .over {
            return endFarewell()
        }
        switch phase {
        case .paused(let until) where now >= until:
            forgetEndedLease(now: now)
            return begin()
        case .standing where now >= renewAt, .waiting where now >= renewAt:
            guard let lease else { return [] }
            if phase == .standing {
                phase = .renewing
                isRenewalOwed = true
            }
            renewAt = now + third
            return [.renew(lease: lease)]
        default: return []
        }
    }

    private var third: Interval {
        Interval(nanoseconds: UInt64(leaseSeconds) * 1_000_000_000 / 3)
    }

    private mutating func forgetEndedLease(now: LoopInstant) {
        if lease != nil, now >= leaseEnds { giveUpLease() }
    }

    private mutating func giveUpLease() {
        if let lease { formerLeases = formerLeases.suffix(7) + [lease] }
        lease = nil
        isRenewalOwed = false
    }

    public mutating func authenticated() -> [Action] {
        guard phase == .authenticating else { return [] }
        hasToken = true
        return begin()
    }

    public mutating func granted(_ grant: EtcdAnswer.Grant, now: LoopInstant) -> [Action] {
        guard phase == .granting else { return [] }
        lease = grant.lease
        prolong(now: now)
        return begin()
    }

    /// - Parameter isDone: whether the key was what it had to be.
    public mutating func put(_ isDone: Bool, now: LoopInstant) -> [Action] {
        switch phase {
        case .putting where !isDone:
            // It has changed since it was looked at; the next renewal looks again.
            phase = .standing
            return []
        case .putting:
            phase = .standing
            stoodUnder = lease
            isReplaced = false
            failureCount = 0
            let sentence = hasStood ? "registered again" : "registered"
            hasStood = true
            isLost = false
            return [.say(sentence, isBad: false)]
        case .withdrawing:
            phase = .waiting
            return [.drained]
        default: return []
        }
    }

    /// - Parameter entry: the key as it is; `nil` when there is none.
    public mutating func looked(_ entry: EtcdAnswer.KeyValue?, now: LoopInstant) -> [Action] {
        guard phase == .looking, let lease else { return [] }
        failureCount = 0
        isLost = false
        if let entry, entry.lease != lease, !formerLeases.contains(entry.lease) {
            phase = .standing
            guard !isReplaced else { return [] }
            isReplaced = true
            return [
                .say(
                    "has been taken over by another one of this name; it is written again when "
                        + "that one is gone", isBad: true)
            ]
        }
        if entry?.lease == lease {
            phase = .standing
            stoodUnder = lease
            isReplaced = false
            return []
        }
        phase = .putting
        return [.put(lease: lease, isDraining: false, if: .revision(entry?.revision ?? 0))]
    }

    public mutating func renewed(_ grant: EtcdAnswer.Grant, now: LoopInstant) -> [Action] {
        guard phase == .renewing || phase == .waiting else { return [] }
        guard grant.seconds > 0 else {
            guard phase == .renewing else { return [] }
            // It ended while etcd or we were away.
            giveUpLease()
            return begin()
        }
        prolong(now: now)
        isRenewalOwed = false
        failureCount = 0
        isLost = false
        guard phase == .renewing else { return [] }
        phase = .looking
        return [.look]
    }

    private mutating func prolong(now: LoopInstant) {
        leaseEnds = now + Interval(nanoseconds: UInt64(leaseSeconds) * 1_000_000_000)
        renewAt = now + third
    }

    public mutating func revoked() -> [Action] {
        guard phase == .revoking else { return [] }
        phase = .over
        return [.over]
    }

    // MARK: - Leaving

    /// The server is about to end.
    public mutating func leave(now: LoopInstant) -> [Action] {
        guard !isDraining else { return [] }
        isDraining = true
        farewellBy = now + Self.farewellPatience
        forgetEndedLease(now: now)
        guard lease != nil else { return [.hangUp] + endFarewell() }
        return [.hangUp] + begin()
    }

    /// The server has ended: the lease is given back, and the key goes with it.
    public mutating func finish(now: LoopInstant) -> [Action] {
        guard phase != .over else { return [] }
        isDraining = true
        mayRevoke = true
        farewellBy = now + Self.farewellPatience
        guard lease != nil else {
            phase = .over
            return [.hangUp, .over]
        }
        return [.hangUp] + begin()
    }

    private mutating func endFarewell() -> [Action] {
        if mayRevoke {
            phase = .over
            return [.say("etcd could not be told; the lease ends by itself", isBad: true), .over]
        }
        phase = .waiting
        renewAt = LoopInstant(nanoseconds: .max)
        return [.drained]
    }

    // MARK: - Failures

    /// The role may not do this (gRPC's PERMISSION_DENIED).
    private func isPermission(_ failure: EtcdMachine.Failure) -> Bool {
        if case .refused(let refusal) = failure { return refusal.code == 7 }
        return false
    }

    /// - Parameter chance: 0..<1.
    public mutating func failed(
        _ failure: EtcdMachine.Failure, now: LoopInstant, chance: Double
    ) -> [Action] {
        switch phase {
        case .paused, .over: return []
        case .waiting:
            // Only the renewal can have failed; the next one is not far.
            return [.useNextEndpoint]
        default: break
        }
        if case .refused(let refusal) = failure {
            if refusal.needsLogin, needsLogin, hasToken {
                hasToken = false
                return [.hangUp] + begin()
            }
            // NotFound: etcd does not know the lease any more.
            if refusal.code == 5 {
                giveUpLease()
                if phase == .revoking {
                    phase = .over
                    return [.over]
                }
                return [.hangUp] + begin()
            }
        }
        if phase == .looking, let lease, now < leaseEnds, stoodUnder == lease {
            // The key was ours a moment ago and its lease goes on. The next renewal looks again;
            // a role that may write and not read never does.
            phase = .standing
            return isPermission(failure) ? [] : [.hangUp, .useNextEndpoint]
        }
        if isPermission(failure), let lease {
            if phase == .looking {
                // Who may not look writes as it did the first time.
                phase = .putting
                return [.put(lease: lease, isDraining: false, if: .always)]
            }
            if phase == .withdrawing {
                // A write under a condition needs the right to read. The lease ends soon.
                phase = .waiting
                return [.drained]
            }
        }
        failureCount += 1
        var actions: [Action] = [.hangUp, .useNextEndpoint]
        guard failureCount >= endpointCount else {
            forgetEndedLease(now: now)
            return actions + begin()
        }
        if !isLost {
            isLost = true
            actions.append(.say("etcd cannot be told: \(failure.sentence)", isBad: true))
        }
        let rounds = failureCount / endpointCount
        let base = min(
            Self.longestPause.nanoseconds, 100_000_000 << UInt64(min(rounds - 1, 10)))
        phase = .paused(
            until: now + Interval(nanoseconds: base / 2 + UInt64(Double(base) / 2 * chance)))
        return actions
    }
}
