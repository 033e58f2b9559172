/// The hash of a pattern's text, byte by byte, so that every prefix of a text has been hashed
/// on the way: FNV-1a with 64 bits.
///
/// Not keyed: requests only read the tables, so they can make no bucket longer than the
/// configuration did.
struct RouteHash {
    private(set) var value: UInt64

    /// - Parameter seed: tells apart texts that are looked up for different purposes.
    init(seed: UInt64) { value = 0xCBF2_9CE4_8422_2325 ^ seed &* 0x9E37_79B9_7F4A_7C15 }

    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }

    /// Combined with the hash of a text by exclusive or, it makes the hash of a pattern that
    /// stands for this text alone; without, of one that covers others too.
    static var exact: UInt64 { 0xD6E8_FEB8_6659_FD93 }

    /// The first place to look at in a table of at most 2²⁴ slots.
    static func slot(_ hash: UInt64) -> Int {
        Int(truncatingIfNeeded: (hash &* 0x9E37_79B9_7F4A_7C15) &>> 40)
    }
}
