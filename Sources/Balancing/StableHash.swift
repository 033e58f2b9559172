public import Memory

/// XXH64 with the seed 0: the hash of server names and of keys.
///
/// Several proxies, today's and next year's, on any machine, must send a key to the same server:
/// so the function is a published one with test vectors (its author's specification: XXH64,
/// little endian), not Swift's `Hasher`, which changes with every process.
///
/// A key of 16 bytes costs some 10 ns.
public enum StableHash {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    public static func hash(_ text: String) -> UInt64 {
        let bytes = FixedArray(Array(text.utf8))
        return hash(bytes.bytes, ByteRange(0, bytes.count))
    }

    /// The hash of a stretch of `bytes`.
    public static func hash(_ bytes: RawSpan, _ range: ByteRange) -> UInt64 {
        var position = range.lower
        let end = range.upper
        var hash: UInt64
        if end - position >= 32 {
            var a = prime1 &+ prime2
            var b = prime2
            var c: UInt64 = 0
            var d = 0 &- prime1
            while end - position >= 32 {
                a = round(a, bytes.word(position))
                b = round(b, bytes.word(position + 8))
                c = round(c, bytes.word(position + 16))
                d = round(d, bytes.word(position + 24))
                position += 32
            }
            hash = rotated(a, 1) &+ rotated(b, 7) &+ rotated(c, 12) &+ rotated(d, 18)
            hash = (hash ^ round(0, a)) &* prime1 &+ prime4
            hash = (hash ^ round(0, b)) &* prime1 &+ prime4
            hash = (hash ^ round(0, c)) &* prime1 &+ prime4
            hash = (hash ^ round(0, d)) &* prime1 &+ prime4
        } else {
            hash = prime5
        }
        hash = hash &+ UInt64(range.count)
        while end - position >= 8 {
            hash = rotated(hash ^ round(0, bytes.word(position)), 27) &* prime1 &+ prime4
            position += 8
        }
        if end - position >= 4 {
            var word: UInt64 = 0
            for offset in 0..<4 {
                word |= UInt64(bytes.byte(position + offset)) << UInt64(8 * offset)
            }
            hash = rotated(hash ^ (word &* prime1), 23) &* prime2 &+ prime3
            position += 4
        }
        while position < end {
            hash = rotated(hash ^ (UInt64(bytes.byte(position)) &* prime5), 11) &* prime1
            position += 1
        }
        return finished(hash)
    }

    /// The hash of sixteen bytes, given as two numbers whose lowest bytes come first: an address.
    public static func hash(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var hash = prime5 &+ 16
        hash = rotated(hash ^ round(0, first), 27) &* prime1 &+ prime4
        hash = rotated(hash ^ round(0, second), 27) &* prime1 &+ prime4
        return finished(hash)
    }

    /// Two hashes as one: a name with a number, a server with a key. Every bit of either changes
    /// half of the result's.
    static func joined(_ a: UInt64, _ b: UInt64) -> UInt64 {
        finished(a ^ (b &* prime1 &+ prime4))
    }

    private static func finished(_ hash: UInt64) -> UInt64 {
        var hash = hash
        hash = (hash ^ (hash >> 33)) &* prime2
        hash = (hash ^ (hash >> 29)) &* prime3
        return hash ^ (hash >> 32)
    }

    private static func round(_ lane: UInt64, _ word: UInt64) -> UInt64 {
        rotated(lane &+ word &* prime2, 31) &* prime1
    }

    private static func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 {
        value << count | value >> (64 - count)
    }
}
