/// A stretch of a buffer, by position rather than by pointer.
///
/// Positions survive when a buffer moves; pointers would not. In bytes.
public struct ByteRange: Equatable, Sendable, BitwiseCopyable {
    public var start: UInt32
    public var count: UInt32

    public init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }
    public init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        count = UInt32(truncatingIfNeeded: end - start)
    }

    public static var empty: ByteRange { ByteRange(start: 0, count: 0) }
    public var isEmpty: Bool { count == 0 }
    public var lower: Int { Int(start) }
    public var upper: Int { Int(start) + Int(count) }
}

extension RawSpan {
    /// Traps outside `0..<byteCount`. One unsigned comparison instead of the library's two,
    /// which is worth 7 % of the instructions of a request.
    public func byte(_ offset: Int) -> UInt8 {
        precondition(UInt(bitPattern: offset) < UInt(bitPattern: byteCount))
        // Safe: the bound was just checked, and every bit pattern is a valid UInt8.
        return unsafe unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
    }

    /// Eight bytes from `offset`, the first in the lowest place. Traps outside.
    public func word(_ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset <= byteCount &- 8)
        // Safe: the bound was just checked, and every bit pattern is a valid UInt64.
        return unsafe UInt64(
            littleEndian: unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self))
    }

    /// The bytes as text, with repairs where they are not UTF-8. Allocates: for logs only.
    public func text(_ range: ByteRange) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(range.count))
        for offset in range.lower..<range.upper { bytes.append(byte(offset)) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
