import Glibc
import Synchronization

/// The sending end of a ring of records between two threads.
///
/// One thread appends, one other takes (``ByteRingConsumer``), and neither waits for the other:
/// a record that does not fit is dropped and counted. A record is reserved in full, written
/// piece by piece, and seen by the consumer when it is committed.
///
/// An append touches no reference count and makes no system call: one atomic store, and a load
/// of the consumer's position only when the ring looks full.
///
/// ## Invariants
/// - A record begins at a multiple of 8 with its size in 8 bytes and is never split: where it
///   would cross the end of the block, the rest of the block is skipped.
/// - `taken <= committed <= taken + capacity`, both counted since the start; bytes from `taken`
///   up to `committed` belong to the consumer, all others to the producer. `committed` is
///   written by the producer alone and `taken` by the consumer alone, each released after the
///   bytes are written or read and acquired by the other end before it reads or writes them.
/// - The block lives until both ends have ended.
@safe public struct ByteRingProducer: ~Copyable, @unchecked Sendable {
    private let core: UnsafeMutablePointer<ByteRingCore>
    /// What was committed, and how much of the consumer's progress is known.
    private var committed: UInt64 = 0
    private var knownTaken: UInt64 = 0
    /// The record being written: the position after its size, how much of it is written, and
    /// its size. All three 0 when there is none.
    private var start = 0
    private var written = 0
    private var size = 0

    fileprivate init(core: UnsafeMutablePointer<ByteRingCore>) { unsafe self.core = core }

    deinit { unsafe ByteRingCore.release(core) }

    /// Records dropped for want of room, since the start.
    public var droppedCount: UInt64 { unsafe core.pointee.dropped.load(ordering: .relaxed) }

    /// Reserves room for one record.
    ///
    /// - Parameter byteCount: its exact size, at least 1; fill it with ``write(_:)`` and end it
    ///   with ``commit()``.
    /// - Returns: `false` when the record is dropped: do not write it.
    public mutating func begin(byteCount: Int) -> Bool {
        precondition(size == 0, "the last record was not committed")
        precondition(byteCount > 0)
        let capacity = unsafe core.pointee.capacity
        // A record of more than half the block may never fit beside a skip.
        guard byteCount <= capacity / 2 - ByteRingCore.sizeByteCount else { return drop() }
        let needed = ByteRingCore.occupied(byteCount)
        var offset = Int(truncatingIfNeeded: committed) & (capacity - 1)
        let skipped = offset + needed > capacity ? capacity - offset : 0
        let end = committed + UInt64(skipped + needed)
        if end - knownTaken > UInt64(capacity) {
            knownTaken = unsafe core.pointee.taken.load(ordering: .acquiring)
            guard end - knownTaken <= UInt64(capacity) else { return drop() }
        }
        if skipped > 0 {
            unsafe core.pointee.storeSize(ByteRingCore.skip, at: offset)
            committed += UInt64(skipped)
            offset = 0
        }
        unsafe core.pointee.storeSize(UInt64(byteCount), at: offset)
        start = offset + ByteRingCore.sizeByteCount
        written = 0
        size = byteCount
        return true
    }

    /// Appends to the record; traps beyond the size it was begun with.
    public mutating func write(_ bytes: RawSpan) {
        let count = bytes.byteCount
        precondition(count <= size - written)
        guard count > 0 else { return }
        let target = unsafe core.pointee.block + (start + written)
        unsafe bytes.withUnsafeBytes { source in
            unsafe target.copyMemory(from: source.baseAddress!, byteCount: count)
        }
        written += count
    }

    /// Appends eight bytes, the lowest first; ``Swift/RawSpan/word(_:)`` reads them.
    public mutating func write(word: UInt64) {
        precondition(8 <= size - written)
        // Safe: within the block, and the bytes belong to the producer.
        unsafe (core.pointee.block + (start + written))
            .storeBytes(of: word.littleEndian, as: UInt64.self)
        written += 8
    }

    /// Hands the record to the consumer. Traps unless it was written in full.
    public mutating func commit() {
        precondition(size > 0 && written == size, "a record is committed when it is complete")
        committed += UInt64(ByteRingCore.occupied(size))
        size = 0
        unsafe core.pointee.committed.store(committed, ordering: .releasing)
    }

    private func drop() -> Bool {
        unsafe core.pointee.dropped.add(1, ordering: .relaxed)
        return false
    }
}

/// The receiving end of a ring of records between two threads; it makes the other end.
@safe public struct ByteRingConsumer: ~Copyable, @unchecked Sendable {
    private let core: UnsafeMutablePointer<ByteRingCore>
    private var taken: UInt64 = 0
    private var hasProducer = false

    /// - Parameter capacity: in bytes; a power of two, at least 64. Each record costs 8 bytes
    ///   besides its own, rounded up to 8, and none may be larger than half the ring.
    public init(capacity: Int) {
        precondition(capacity >= 64 && capacity & (capacity - 1) == 0)
        unsafe core = .allocate(capacity: 1)
        unsafe core.initialize(to: ByteRingCore(capacity: capacity))
    }

    deinit { unsafe ByteRingCore.release(core) }

    /// The other end, to be moved to the thread that appends. Traps the second time.
    public mutating func makeProducer() -> ByteRingProducer {
        precondition(!hasProducer, "a ring has one producer")
        hasProducer = true
        unsafe core.pointee.ends.add(1, ordering: .relaxed)
        return unsafe ByteRingProducer(core: core)
    }

    /// Records that the producer dropped for want of room, since the start.
    public var droppedCount: UInt64 { unsafe core.pointee.dropped.load(ordering: .relaxed) }

    /// The oldest record, until it is removed; empty when there is none.
    public var first: RawSpan {
        @_lifetime(borrow self)
        get {
            guard let place = firstPlace() else {
                return unsafe _overrideLifetime(RawSpan(), borrowing: self)
            }
            let span = unsafe RawSpan(
                _unsafeStart: core.pointee.block + place.offset, byteCount: place.byteCount)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    public var isEmpty: Bool { firstPlace() == nil }

    /// Gives the room of the oldest record back to the producer. Traps when there is none.
    public mutating func removeFirst() {
        guard let place = firstPlace() else { preconditionFailure("the ring is empty") }
        taken = place.end
        unsafe core.pointee.taken.store(taken, ordering: .releasing)
    }

    private struct Place {
        /// Of the record's first byte in the block.
        var offset: Int
        var byteCount: Int
        /// What has been taken when the record has.
        var end: UInt64
    }

    private func firstPlace() -> Place? {
        let committed = unsafe core.pointee.committed.load(ordering: .acquiring)
        guard taken != committed else { return nil }
        let capacity = unsafe core.pointee.capacity
        var position = taken
        var offset = Int(truncatingIfNeeded: position) & (capacity - 1)
        var size = unsafe core.pointee.loadSize(at: offset)
        if size == ByteRingCore.skip {
            // A record follows: a skip is committed with the record that needed it.
            position += UInt64(capacity - offset)
            offset = 0
            size = unsafe core.pointee.loadSize(at: offset)
        }
        let byteCount = Int(size)
        return Place(
            offset: offset + ByteRingCore.sizeByteCount, byteCount: byteCount,
            end: position + UInt64(ByteRingCore.occupied(byteCount)))
    }
}

/// What both ends of a ring share. The two positions are on cache lines of their own.
@safe private struct ByteRingCore: ~Copyable {
    /// Before each record.
    static let sizeByteCount = 8
    /// In place of a size: nothing up to the end of the block.
    static let skip = UInt64.max

    let block: UnsafeMutableRawPointer
    let capacity: Int
    let ends = Atomic<Int>(1)
    private let padding0 = InlineArray<8, UInt64>(repeating: 0)
    let committed = Atomic<UInt64>(0)
    let dropped = Atomic<UInt64>(0)
    private let padding1 = InlineArray<8, UInt64>(repeating: 0)
    let taken = Atomic<UInt64>(0)
    private let padding2 = InlineArray<8, UInt64>(repeating: 0)

    init(capacity: Int) {
        self.capacity = capacity
        unsafe block = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit { unsafe block.deallocate() }

    /// One end has ended; the last one frees the block.
    static func release(_ core: UnsafeMutablePointer<ByteRingCore>) {
        guard
            unsafe core.pointee.ends.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
        else { return }
        unsafe core.deinitialize(count: 1)
        unsafe core.deallocate()
    }

    /// The bytes that a record takes up.
    static func occupied(_ byteCount: Int) -> Int { (sizeByteCount + byteCount + 7) & ~7 }

    func storeSize(_ size: UInt64, at offset: Int) {
        unsafe block.storeBytes(of: size, toByteOffset: offset, as: UInt64.self)
    }

    func loadSize(at offset: Int) -> UInt64 {
        unsafe block.load(fromByteOffset: offset, as: UInt64.self)
    }
}
