/// Up to 32 bytes of text that is made on the way and read once: no block of the heap.
public struct ShortText: BitwiseCopyable, Sendable {
    public static let capacity = 32

    private var storage = InlineArray<32, UInt8>(repeating: 0)

    /// Zeros.
    public init() {}

    /// - Precondition: `index` is below ``capacity``.
    public subscript(index: Int) -> UInt8 {
        get { storage[index] }
        set { storage[index] = newValue }
    }

    /// All of it, with the zeros behind what was written.
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get { unsafe storage.span.bytes }
    }
}
