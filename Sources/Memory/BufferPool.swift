/// The blocks of one loop, in two sizes, bounded in number.
///
/// Last in, first out, so that a block which is still in the cache is used next. Blocks beyond
/// a small reserve go back to the allocator when they are returned, so that a burst does not
/// stay in memory.
public struct BufferPool: ~Copyable {
    public enum Size { case small, large }

    /// Heads and short messages.
    public static let smallByteCount = 16 << 10
    /// Content: larger reads halve the cost of long bodies (`measured.md` 4).
    public static let largeByteCount = 128 << 10

    private static let smallReserve = 256
    private static let largeReserve = 16

    private var small: FixedArray<Buffer>
    private var smallCount = 0
    private var large: FixedArray<Buffer>
    private var largeCount = 0
    /// Blocks that exist, in the pool or out of it, counted in small blocks.
    public private(set) var outstandingUnits = 0
    private let capacityUnits: Int

    /// - Parameter capacityBytes: the most memory that blocks outside the pool may hold.
    public init(capacityBytes: Int) {
        capacityUnits = max(64, capacityBytes / Self.smallByteCount)
        small = FixedArray(count: Self.smallReserve) { _ in Buffer() }
        large = FixedArray(count: Self.largeReserve) { _ in Buffer() }
    }

    private static let unitsPerLarge = largeByteCount / smallByteCount

    /// An empty block; `nil` when the bound is reached: stop reading until one comes back.
    public mutating func take(_ size: Size) -> Buffer? {
        switch size {
        case .small:
            guard outstandingUnits < capacityUnits else { return nil }
            outstandingUnits += 1
            guard smallCount > 0 else { return Buffer(capacity: Self.smallByteCount) }
            smallCount -= 1
            return exchange(&small[smallCount], with: Buffer())
        case .large:
            guard outstandingUnits + Self.unitsPerLarge <= capacityUnits else { return nil }
            outstandingUnits += Self.unitsPerLarge
            guard largeCount > 0 else { return Buffer(capacity: Self.largeByteCount) }
            largeCount -= 1
            return exchange(&large[largeCount], with: Buffer())
        }
    }

    /// Takes a block back; a buffer that owns nothing is welcome.
    public mutating func recycle(_ buffer: consuming Buffer) {
        guard buffer.hasBlock else { return }
        buffer.reset()
        if buffer.capacity == Self.smallByteCount {
            outstandingUnits -= 1
            guard smallCount < Self.smallReserve else { return }
            small[smallCount] = buffer
            smallCount += 1
        } else {
            outstandingUnits -= Self.unitsPerLarge
            guard largeCount < Self.largeReserve else { return }
            large[largeCount] = buffer
            largeCount += 1
        }
    }
}
