import Synchronization

/// A ``TierLoad`` for each tier, for the length of one pick.
///
/// Atomic only because a pick borrows its view; nobody but the loop that owns it sees it.
public struct TierLoads: ~Copyable, Sendable {
    /// Zero until it is asked for.
    private let primary = Atomic<UInt64>(0)
    private let backup = Atomic<UInt64>(0)

    public init() {}

    public borrowing func forget() {
        primary.store(0, ordering: .relaxed)
        backup.store(0, ordering: .relaxed)
    }

    /// A load without servers when it is not known.
    borrowing func load(ofTier tier: Int) -> TierLoad {
        TierLoad(
            rawValue: tier == 0
                ? primary.load(ordering: .relaxed) : backup.load(ordering: .relaxed))
    }

    borrowing func remember(_ load: TierLoad, ofTier tier: Int) {
        if tier == 0 {
            primary.store(load.rawValue, ordering: .relaxed)
        } else {
            backup.store(load.rawValue, ordering: .relaxed)
        }
    }
}
