/// The blocks of one loop, in two sizes, bounded in number.
///
/// Last in, first out, so that a block which is still in the cache is used next. What a load
/// uses again and again stays here; what was not needed between two calls of ``trim()`` goes
/// back to the allocator, so that a burst does not stay in memory.
public struct BufferPool: ~Copyable {
    public enum Size { case small, large }

    /// Heads and short messages.
    public static let smallByteCount = 16 << 10
    /// Content: larger reads halve the cost of long bodies (`measured.md` 4).
    public static let largeByteCount = 128 << 10

    private static let smallCapacity = 4096
    private static let largeCapacity = 256
    /// What is kept when nobody needs it.
    private static let smallReserve = 64
    private static let largeReserve = 4

    private var small: FixedArray<Buffer>
    public private(set) var smallCount = 0
    /// The fewest that lay here since the last trimming: so many were not needed.
    private var smallLowest = 0
    private var large: FixedArray<Buffer>
    public private(set) var largeCount = 0
    private var largeLowest = 0
    /// Blocks that exist, in the pool or out of it, counted in small blocks.
    public private(set) var outstandingUnits = 0
    private let capacityUnits: Int

    /// - Parameter capacityBytes: the most memory that blocks outside the pool may hold.
    public init(capacityBytes: Int) {
        capacityUnits = max(64, capacityBytes / Self.smallByteCount)
        small = FixedArray(count: Self.smallCapacity) { _ in Buffer() }
        large = FixedArray(count: Self.largeCapacity) { _ in Buffer() }
    }

    /// Whether ``trim()`` may have something to free, now or later.
    public var hasSurplus: Bool {
        smallCount > Self.smallReserve || largeCount > Self.largeReserve
    }

    /// Frees the blocks that lay unused since the last call, down to a small reserve. For once
    /// a second or so, as long as ``hasSurplus``.
    public mutating func trim() {
        var spare = min(smallLowest, smallCount - Self.smallReserve)
        while spare > 0 {
            smallCount -= 1
            spare -= 1
            _ = exchange(&small[smallCount], with: Buffer())
        }
        spare = min(largeLowest, largeCount - Self.largeReserve)
        while spare > 0 {
            largeCount -= 1
            spare -= 1
            _ = exchange(&large[largeCount], with: Buffer())
        }
        smallLowest = smallCount
        largeLowest = largeCount
    }

    /// Whether less than half of the memory that blocks may hold is in use.
    public var isPlentiful: Bool { outstandingUnits < capacityUnits / 2 }

    private static let unitsPerLarge = largeByteCount / smallByteCount

    /// An empty block; `nil` when the bound is reached: stop reading until one comes back.
    public mutating func take(_ size: Size) -> Buffer? {
        switch size {
        case .small:
            guard outstandingUnits < capacityUnits else { return nil }
            outstandingUnits += 1
            guard smallCount > 0 else { return Buffer(capacity: Self.smallByteCount) }
            smallCount -= 1
            if smallCount < smallLowest { smallLowest = smallCount }
            return exchange(&small[smallCount], with: Buffer())
        case .large:
            guard outstandingUnits + Self.unitsPerLarge <= capacityUnits else { return nil }
            outstandingUnits += Self.unitsPerLarge
            guard largeCount > 0 else { return Buffer(capacity: Self.largeByteCount) }
            largeCount -= 1
            if largeCount < largeLowest { largeLowest = largeCount }
            return exchange(&large[largeCount], with: Buffer())
        }
    }

    /// Takes a block back; a buffer that owns nothing is welcome.
    public mutating func recycle(_ buffer: consuming Buffer) {
        guard buffer.hasBlock else { return }
        buffer.reset()
        if buffer.capacity == Self.smallByteCount {
            outstandingUnits -= 1
            guard smallCount < Self.smallCapacity else { return }
            small[smallCount] = buffer
            smallCount += 1
        } else {
            outstandingUnits -= Self.unitsPerLarge
            guard largeCount < Self.largeCapacity else { return }
            large[largeCount] = buffer
            largeCount += 1
        }
    }
}
