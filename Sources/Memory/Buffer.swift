import Glibc

/// One block of memory with a read position and a write position, or nothing at all.
///
///     0 ........ start ........ end ........ capacity
///       consumed         bytes       room
///
/// Positions are offsets from the start of the block and stay valid while bytes are appended;
/// ``slide(to:)`` alone changes them. A buffer that owns no block has capacity 0: that is how
/// an idle connection holds no memory.
///
/// ## Invariants
/// - `0 <= start <= end <= capacity`; every access is checked against them.
/// - The block belongs to this value alone and is freed with it, or returned by
///   ``BufferPool/recycle(_:)``.
@safe public struct Buffer: ~Copyable {
    let base: UnsafeMutableRawPointer?
    private let size: UInt32
    private var first: UInt32 = 0
    private var last: UInt32 = 0

    /// A buffer that owns nothing.
    public init() {
        unsafe base = nil
        size = 0
    }

    /// - Parameter capacity: in bytes; the contents start undefined.
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= 1 << 30)
        unsafe base = .allocate(byteCount: capacity, alignment: 64)
        size = UInt32(capacity)
    }

    init(base: UnsafeMutableRawPointer, capacity: Int) {
        unsafe self.base = unsafe base
        size = UInt32(capacity)
    }

    deinit { unsafe base?.deallocate() }

    /// Gives the block away; for the pool.
    consuming func surrender() -> UnsafeMutableRawPointer? {
        let base = unsafe self.base
        discard self
        return unsafe base
    }

    public var capacity: Int { Int(size) }
    public var hasBlock: Bool { size != 0 }
    public var start: Int { Int(first) }
    public var end: Int { Int(last) }
    public var count: Int { Int(last &- first) }
    public var isEmpty: Bool { first == last }
    /// Bytes that can still be appended.
    public var room: Int { Int(size &- last) }

    /// The bytes between ``start`` and ``end``; offset 0 is ``start``.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get { span(from: start, to: end) }
    }

    /// The whole block up to ``end``, so that offsets are positions.
    public var block: RawSpan {
        @_lifetime(borrow self)
        get { span(from: 0, to: end) }
    }

    /// The bytes from position `lower` up to `upper`.
    @_lifetime(borrow self)
    public func span(from lower: Int, to upper: Int) -> RawSpan {
        precondition(lower >= 0 && lower <= upper && upper <= Int(size))
        guard let base = unsafe base else {
            return unsafe _overrideLifetime(RawSpan(), borrowing: self)
        }
        let span = unsafe RawSpan(_unsafeStart: base + lower, byteCount: upper - lower)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    public subscript(position: Int) -> UInt8 {
        get {
            precondition(UInt(bitPattern: position) < UInt(bitPattern: Int(size)))
            return unsafe base!.load(fromByteOffset: position, as: UInt8.self)
        }
        set {
            precondition(UInt(bitPattern: position) < UInt(bitPattern: Int(size)))
            unsafe base!.storeBytes(of: newValue, toByteOffset: position, as: UInt8.self)
        }
    }

    /// Takes `byteCount` bytes from the front.
    public mutating func consume(_ byteCount: Int) {
        precondition(byteCount >= 0 && byteCount <= count)
        first &+= UInt32(byteCount)
    }

    /// Forgets everything; the next byte goes to `position`.
    public mutating func reset(to position: Int = 0) {
        precondition(position >= 0 && position <= capacity)
        first = UInt32(position)
        last = first
    }

    /// Sets both positions; for callers that wrote through ``copy(from:to:count:)``.
    public mutating func setBounds(start: Int, end: Int) {
        precondition(start >= 0 && start <= end && end <= capacity)
        first = UInt32(start)
        last = UInt32(end)
    }

    /// Moves the bytes so that they start at `position`, with room behind them.
    public mutating func slide(to position: Int = 0) {
        let length = count
        precondition(position >= 0 && position + length <= capacity)
        copy(from: start, to: position, count: length)
        first = UInt32(position)
        last = UInt32(position + length)
    }

    /// Copies bytes within the block; the stretches may overlap.
    public mutating func copy(from source: Int, to target: Int, count length: Int) {
        precondition(source >= 0 && target >= 0 && length >= 0)
        precondition(source + length <= capacity && target + length <= capacity)
        guard length > 0, source != target else { return }
        unsafe memmove(base! + target, base! + source, length)
    }

    // MARK: - Appending

    public mutating func append(_ byte: UInt8) {
        precondition(room >= 1)
        unsafe base!.storeBytes(of: byte, toByteOffset: Int(last), as: UInt8.self)
        last &+= 1
    }

    /// Appends all of `bytes`; traps when they do not fit: check ``room`` first.
    public mutating func append(_ bytes: RawSpan) {
        let length = bytes.byteCount
        precondition(length <= room)
        guard length > 0 else { return }
        let target = unsafe base! + Int(last)
        unsafe bytes.withUnsafeBytes { source in
            unsafe target.copyMemory(from: source.baseAddress!, byteCount: length)
        }
        last &+= UInt32(length)
    }

    public mutating func append(_ text: StaticString) {
        let length = text.utf8CodeUnitCount
        precondition(length <= room && text.hasPointerRepresentation)
        unsafe (base! + Int(last)).copyMemory(from: text.utf8Start, byteCount: length)
        last &+= UInt32(length)
    }

    /// For tests, logs and answers made off the request path.
    public mutating func append(text: String) {
        for byte in text.utf8 { append(byte) }
    }

    /// Appends `number` in decimal digits, 20 bytes at most.
    public mutating func append(decimal number: UInt64) {
        if number &- 100 < 900, room >= 3 {
            // A status code, nearly always.
            let value = UInt32(truncatingIfNeeded: number)
            let target = unsafe base! + Int(last)
            unsafe target.storeBytes(
                of: UInt8(truncatingIfNeeded: value / 100 &+ 0x30), as: UInt8.self)
            unsafe target.storeBytes(
                of: UInt8(truncatingIfNeeded: value / 10 % 10 &+ 0x30), toByteOffset: 1,
                as: UInt8.self)
            unsafe target.storeBytes(
                of: UInt8(truncatingIfNeeded: value % 10 &+ 0x30), toByteOffset: 2,
                as: UInt8.self)
            last &+= 3
            return
        }
        var rest = number
        var count = 1
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        precondition(count <= room)
        rest = number
        var position = Int(last) + count
        last &+= UInt32(count)
        for _ in 0..<count {
            position -= 1
            let digit = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
            unsafe base!.storeBytes(of: digit, toByteOffset: position, as: UInt8.self)
            rest /= 10
        }
    }

    /// Appends `number` in lower-case hexadecimal digits.
    ///
    /// - Parameter width: the least number of digits, 16 at most; zeros fill up.
    public mutating func append(hexadecimal number: UInt64, width: Int = 1) {
        let digits = max(16 - number.leadingZeroBitCount / 4, width)
        precondition(digits <= 16 && digits <= room)
        // The digits that are wanted, moved to the front; the first is the most significant.
        let aligned = number << UInt64((16 - digits) * 4)
        let front = Self.hexadecimal(aligned >> 32)
        let back = Self.hexadecimal(aligned & 0xFFFF_FFFF)
        let target = unsafe base! + Int(last)
        if digits == 16 {
            unsafe target.storeBytes(of: front.bigEndian, as: UInt64.self)
            unsafe target.storeBytes(of: back.bigEndian, toByteOffset: 8, as: UInt64.self)
        } else {
            for index in 0..<digits {
                let word = index < 8 ? front : back
                let digit = UInt8(truncatingIfNeeded: word >> UInt64((7 - index & 7) * 8))
                unsafe target.storeBytes(of: digit, toByteOffset: index, as: UInt8.self)
            }
        }
        last &+= UInt32(digits)
    }

    /// The eight digits of a 32-bit number, the most significant in the highest byte.
    private static func hexadecimal(_ number: UInt64) -> UInt64 {
        var word = number
        word = (word | word << 16) & 0x0000_FFFF_0000_FFFF
        word = (word | word << 8) & 0x00FF_00FF_00FF_00FF
        word = (word | word << 4) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in every byte whose digit is a letter, which lies 0x27 further on than ":".
        let letters = (word &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return word &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// Lends the free room to `body`, which says how many bytes it wrote there; for reads from
    /// a descriptor.
    ///
    /// - Parameter limit: the most bytes to offer.
    public mutating func fill(
        atMost limit: Int = .max, _ body: (UnsafeMutableRawBufferPointer) -> Int
    ) -> Int {
        let offered = min(room, limit)
        guard offered > 0 else { return 0 }
        let written = unsafe body(
            UnsafeMutableRawBufferPointer(start: base! + Int(last), count: offered))
        precondition(written <= offered)
        if written > 0 { last &+= UInt32(written) }
        return written
    }
}
