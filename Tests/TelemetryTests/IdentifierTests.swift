import Telemetry
import Testing

@Suite("Identifiers of requests")
struct IdentifierTests {
    @Test("They are SipHash-2-4 of a counter, as its authors' vector has it")
    func vector() {
        // Key 00 01 … 0f, message 00 01 … 07.
        var stream = IdentifierStream(
            key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908), counter: 0x0706_0504_0302_0100)
        #expect(stream.next() == 0x93F5_F579_9A93_2462)
    }

    @Test("No two are equal, and streams of other keys have others")
    func distinct() {
        var first = IdentifierStream(key: (1, 2))
        var second = IdentifierStream(key: (1, 3))
        var seen: Set<UInt64> = []
        for _ in 0..<10_000 {
            seen.insert(first.next())
            seen.insert(second.next())
        }
        #expect(seen.count == 20_000)
    }
}
