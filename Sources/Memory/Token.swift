/// Names one value in a ``Slab``, and what kind of value it is.
///
/// Invariant: a slot's generation changes every time the slot is reused. An event that was
/// already queued for a closed connection therefore carries an old generation, and the loop
/// drops it instead of waking the slot's new tenant.
public struct Token: Equatable, Sendable, BitwiseCopyable {
    public var slot: UInt32
    /// Odd while the slot is occupied.
    public var generation: UInt32

    public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }
}
