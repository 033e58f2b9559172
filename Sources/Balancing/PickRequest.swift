public import Timing

/// What a pick knows of the request, and of the moment.
public struct PickRequest: BitwiseCopyable, Sendable {
    public var now: LoopInstant
    /// The hash of the key (``StableHash``), for the strategies that use one.
    public var key: UInt64
    /// `false`: the request does not have what the key is made of. It is then sent to a server
    /// drawn by weight.
    public var hasKey: Bool

    public init(now: LoopInstant = .zero) {
        self.now = now
        key = 0
        hasKey = false
    }
    public init(now: LoopInstant = .zero, key: UInt64) {
        self.now = now
        self.key = key
        hasKey = true
    }
}
