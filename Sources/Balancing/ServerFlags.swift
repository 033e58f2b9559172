/// Whether a server may be picked, in one word so that it changes at once.
public struct ServerFlags: Equatable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(weight: Int, isUp: Bool) {
        rawValue = UInt64(weight & 0xFFFF)
        self.isUp = isUp
    }

    /// 0 to 1000.
    public var weight: Int {
        get { Int(rawValue & 0xFFFF) }
        set { rawValue = rawValue & ~0xFFFF | UInt64(newValue & 0xFFFF) }
    }
    /// Its checks pass, or there are none.
    public var isUp: Bool {
        get { rawValue & 1 << 16 != 0 }
        set { setBit(16, newValue) }
    }
    /// Finishes what it has and takes no more.
    public var isDraining: Bool {
        get { rawValue & 1 << 17 != 0 }
        set { setBit(17, newValue) }
    }
    /// Put out by an operator.
    public var isInMaintenance: Bool {
        get { rawValue & 1 << 18 != 0 }
        set { setBit(18, newValue) }
    }
    /// Joined or came back a short time ago: its share still grows.
    public var isWarming: Bool {
        get { rawValue & 1 << 19 != 0 }
        set { setBit(19, newValue) }
    }

    /// Whether new requests may go there as far as checks and operators are concerned.
    public var isInRotation: Bool { rawValue & 7 << 16 == 1 << 16 }

    private mutating func setBit(_ bit: UInt64, _ isSet: Bool) {
        if isSet { rawValue |= 1 << bit } else { rawValue &= ~(1 << bit) }
    }
}
