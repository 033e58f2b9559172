/// Identifiers of requests: whoever has seen any number of them cannot tell the next one.
///
/// SipHash-2-4 (Aumasson and Bernstein, 2012) of a counter under a secret key: about a hundred
/// instructions for each, without memory or system calls. Clients see these numbers, so that no
/// other choice may be made by the same stream.
public struct IdentifierStream: BitwiseCopyable, Sendable {
    private let key: (UInt64, UInt64)
    private var counter: UInt64

    /// - Parameters:
    ///   - key: from the kernel, and used for nothing else.
    ///   - counter: of the first identifier.
    public init(key: (UInt64, UInt64), counter: UInt64 = 0) {
        self.key = key
        self.counter = counter
    }

    public mutating func next() -> UInt64 {
        defer { counter &+= 1 }
        var state = State(
            a: key.0 ^ 0x736F_6D65_7073_6575, b: key.1 ^ 0x646F_7261_6E64_6F6D,
            c: key.0 ^ 0x6C79_6765_6E65_7261, d: key.1 ^ 0x7465_6462_7974_6573)
        state.absorb(counter)
        // The length, eight bytes, stands in the highest byte of the last word.
        state.absorb(8 << 56)
        state.c ^= 0xFF
        for _ in 0..<4 { state.round() }
        return state.a ^ state.b ^ state.c ^ state.d
    }

    private struct State {
        var a: UInt64
        var b: UInt64
        var c: UInt64
        var d: UInt64

        mutating func absorb(_ word: UInt64) {
            d ^= word
            round()
            round()
            a ^= word
        }

        mutating func round() {
            a &+= b
            b = Self.rotate(b, 13) ^ a
            a = Self.rotate(a, 32)
            c &+= d
            d = Self.rotate(d, 16) ^ c
            a &+= d
            d = Self.rotate(d, 21) ^ a
            c &+= b
            b = Self.rotate(b, 17) ^ c
            c = Self.rotate(c, 32)
        }

        private static func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
            word &<< count | word &>> (64 - count)
        }
    }
}
