public import Memory

/// A word of the protocol of up to 16 bytes, ready to be compared without regard to case.
///
/// Spelt as two machine words because the bytes of a `StaticString` cannot be read in a room
/// without `unsafe`; the tests compare each with its text.
public struct Spelling: Sendable, BitwiseCopyable {
    let count: UInt32
    let first: UInt64
    let second: UInt64

    init(_ count: UInt32, _ first: UInt64, _ second: UInt64 = 0) {
        self.count = count
        self.first = first
        self.second = second
    }

    /// - Precondition: the bytes of `range` are above 0x1F, as those of a valid field value
    ///   are (HTAB never matches).
    public func matches(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
        guard range.count == count else { return false }
        if count <= 8 { return bytes.lowered(range.lower) & Self.mask(count) == first }
        return bytes.lowered(range.lower) == first
            && bytes.lowered(range.lower &+ 8) & Self.mask(count &- 8) == second
    }

    /// The same for the beginning of `range`.
    public func begins(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
        guard range.count >= count else { return false }
        return matches(bytes, ByteRange(start: range.start, count: count))
    }

    private static func mask(_ count: UInt32) -> UInt64 {
        ~0 &>> UInt64(64 &- count &* 8)
    }

    public static let chunked = Spelling(7, 0x0064_656B_6E75_6863)
    public static let close = Spelling(5, 0x0000_0065_736F_6C63)
    public static let keepAlive = Spelling(10, 0x696C_612D_7065_656B, 0x6576)
    public static let upgrade = Spelling(7, 0x0065_6461_7267_7075)
    public static let te = Spelling(2, 0x6574)
    public static let hundredContinue = Spelling(12, 0x746E_6F63_2D30_3031, 0x6575_6E69)
    public static let trailers = Spelling(8, 0x7372_656C_6961_7274)
    public static let h2c = Spelling(3, 0x0063_3268)
    public static let httpScheme = Spelling(7, 0x002F_2F3A_7074_7468)
    public static let httpsScheme = Spelling(8, 0x2F2F_3A73_7074_7468)
    /// With a version behind it or without.
    public static let httpProtocol = Spelling(4, 0x7074_7468)
    public static let tlsProtocol = Spelling(4, 0x2F73_6C74)
}
