/// A table of values that never move, each named by a ``Token`` and reached by a ``Place``.
///
/// The loop keeps every connection in one of these. A value is reached in place: never copied,
/// retained or released on the way. Addresses are reserved for `capacity` values, and there is
/// memory behind them as slots are first used.
///
/// ## Invariants
/// - A slot's generation is odd while the slot is occupied and even while it is free. It
///   changes with every insertion and removal, and repeats only after 2³¹ reuses of a slot.
/// - A ``Place`` checks that generation at every access and traps when its value has been
///   removed, so a forgotten place cannot reach the next tenant of its slot. A caller that
///   must not trap asks ``place(of:)`` with a token, which answers `nil`.
/// - Storage lives as long as the slab, and the slab as long as its loop. Owned by one thread:
///   neither type is `Sendable`, and must not be made so.
@safe public struct Slab<Value: ~Copyable>: ~Copyable {
    @usableFromInline struct Slot: ~Copyable {
        var generation: UInt32
        var nextFree: UInt32
        var value: Value
    }

    private let slots: UnsafeMutablePointer<Slot>
    public let capacity: Int
    private var firstFree: UInt32 = .max
    /// Slots at and above this one were never used.
    private var touchedCount = 0
    /// Slots below this one have memory.
    private var openCount = 0
    public private(set) var count = 0

    /// - Parameter capacity: the most values it will ever hold.
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        self.capacity = capacity
        precondition(MemoryLayout<Slot>.alignment <= AddressSpace.step)
        let memory = unsafe AddressSpace.reserve(capacity * MemoryLayout<Slot>.stride)
        unsafe slots = memory.bindMemory(to: Slot.self, capacity: capacity)
    }

    deinit {
        for index in 0..<touchedCount where unsafe Self.generation(slots + index).pointee % 2 == 1 {
            unsafe Self.value(slots + index).deinitialize(count: 1)
        }
        unsafe AddressSpace.release(
            UnsafeMutableRawPointer(slots), capacity * MemoryLayout<Slot>.stride)
    }

    public var isFull: Bool { count == capacity }

    /// Stores `value` in a free slot, the one freed last. Check ``isFull`` first: a full slab
    /// is back-pressure to be handled, not an error to be thrown.
    public mutating func insert(_ value: consuming Value) -> Place<Value> {
        precondition(!isFull)
        let index: Int
        if firstFree != .max {
            index = Int(firstFree)
            unsafe firstFree = Self.nextFree(slots + index).pointee
        } else {
            index = touchedCount
            if index == openCount { open() }
            touchedCount += 1
            unsafe Self.generation(slots + index).initialize(to: 0)
            unsafe Self.nextFree(slots + index).initialize(to: .max)
        }
        count += 1
        let slot = unsafe slots + index
        unsafe Self.generation(slot).pointee &+= 1
        unsafe Self.value(slot).initialize(to: value)
        let token = unsafe Token(slot: UInt32(index), generation: Self.generation(slot).pointee)
        return unsafe Place(
            token: token, stamp: Self.generation(slot), pointer: Self.value(slot))
    }

    /// Puts memory behind more slots: twice as many as there are.
    private mutating func open() {
        let stride = MemoryLayout<Slot>.stride
        let more = max(openCount, AddressSpace.step / stride, 1)
        let end = AddressSpace.size(of: min(capacity, openCount + more) * stride)
        guard
            unsafe AddressSpace.open(
                UnsafeMutableRawPointer(slots), from: openCount * stride, to: end)
        else { preconditionFailure("no memory for \(end) bytes") }
        openCount = min(capacity, end / stride)
    }

    /// Moves the value out and retires its token. Traps when it was retired before.
    public mutating func remove(_ place: Place<Value>) -> Value {
        precondition(place.isValid, "the value was removed before")
        let slot = unsafe slots + Int(place.token.slot)
        unsafe Self.generation(slot).pointee &+= 1
        unsafe Self.nextFree(slot).pointee = firstFree
        firstFree = place.token.slot
        count -= 1
        return unsafe Self.value(slot).move()
    }

    /// The place of a live token; `nil` when its value has been removed.
    public func place(of token: Token) -> Place<Value>? {
        guard token.generation % 2 == 1, Int(token.slot) < touchedCount else { return nil }
        let slot = unsafe slots + Int(token.slot)
        guard unsafe Self.generation(slot).pointee == token.generation else { return nil }
        return unsafe Place(
            token: token, stamp: Self.generation(slot), pointer: Self.value(slot))
    }

    /// The place of whatever occupies slot `index`; `nil` when the slot is free. For sweeps
    /// over the slots below ``usedSlotCount``.
    public func place(at index: Int) -> Place<Value>? {
        guard index < touchedCount else { return nil }
        let slot = unsafe slots + index
        let generation = unsafe Self.generation(slot).pointee
        return place(of: Token(slot: UInt32(index), generation: generation))
    }

    /// One more than the highest slot that was ever occupied.
    public var usedSlotCount: Int { touchedCount }

    private static func generation(
        _ slot: UnsafeMutablePointer<Slot>
    ) -> UnsafeMutablePointer<UInt32> {
        unsafe UnsafeMutableRawPointer(slot).assumingMemoryBound(to: UInt32.self)
    }

    private static func nextFree(
        _ slot: UnsafeMutablePointer<Slot>
    ) -> UnsafeMutablePointer<UInt32> {
        unsafe (UnsafeMutableRawPointer(slot) + 4).assumingMemoryBound(to: UInt32.self)
    }

    private static func value(_ slot: UnsafeMutablePointer<Slot>) -> UnsafeMutablePointer<Value> {
        unsafe (UnsafeMutableRawPointer(slot) + max(8, MemoryLayout<Value>.alignment))
            .assumingMemoryBound(to: Value.self)
    }
}

/// Where one value of a ``Slab`` stands: as cheap to follow as a pointer, but checked.
///
/// Copy it freely within a turn of the loop. Every access compares the slot's generation, so a
/// place whose value was removed traps instead of reaching another.
///
/// Chosen over lending by closure because a step of a relay touches a client, an exchange and
/// a server's connection at once: three closures deep, against three places side by side. Four
/// instructions per access; a closure with a token was measured at 20 to 25.
@safe public struct Place<Value: ~Copyable>: BitwiseCopyable {
    public let token: Token
    private let stamp: UnsafePointer<UInt32>
    private let pointer: UnsafeMutablePointer<Value>

    init(
        token: Token, stamp: UnsafeMutablePointer<UInt32>, pointer: UnsafeMutablePointer<Value>
    ) {
        self.token = token
        unsafe self.stamp = UnsafePointer(stamp)
        unsafe self.pointer = pointer
    }

    /// Whether the value is still there.
    public var isValid: Bool { unsafe stamp.pointee == token.generation }

    public var value: Value {
        unsafeAddress {
            precondition(isValid, "the value was removed")
            return unsafe UnsafePointer(pointer)
        }
        nonmutating unsafeMutableAddress {
            precondition(isValid, "the value was removed")
            return unsafe pointer
        }
    }

    public static func == (a: Place, b: Place) -> Bool { a.token == b.token }
}
