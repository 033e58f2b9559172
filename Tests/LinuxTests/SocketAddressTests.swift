import Linux
import Testing

@Suite("Socket addresses")
struct SocketAddressTests {
    @Test(
        "Numeric addresses are read, and printed in their usual form",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"), ("10.1.2.3", "10.1.2.3"),
            ("::1", "::1"), ("::", "::"), ("0:0:0:0:0:0:0:1", "::1"),
            ("2001:DB8::0:A", "2001:db8::a"), ("fe80::1:2:3:4", "fe80::1:2:3:4"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::ffff:10.1.2.3", "10.1.2.3"),
        ])
    func roundTrip(text: String, printed: String) throws {
        let address = try #require(SocketAddress(numeric: text, port: 8080))
        #expect(address.host == printed)
        #expect(address.port == 8080)
        #expect(address.isIPv4 == printed.contains("."))
        #expect(address.description == (address.isIPv4 ? "\(printed):8080" : "[\(printed)]:8080"))
        #expect(SocketAddress(numeric: address.host, port: 8080) == address)
    }

    @Test(
        "Anything else is no numeric address",
        arguments: [
            "", " ", "localhost", "127.0.0", "127.0.0.256", "127.0.0.1:80", "[::1]", "::1%lo",
            "1:2:3:4:5:6:7:8:9", ":::", "12345::", "0x7f.0.0.1", "127.1", " 127.0.0.1",
        ])
    func refused(text: String) {
        #expect(SocketAddress(numeric: text, port: 1) == nil)
    }

    @Test("Random addresses survive printing and reading")
    func random() {
        var state: UInt64 = 0x0123_4567_89AB_CDEF
        func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
        for _ in 0..<2_000 {
            // Runs of zeros, which are shortened in print, at every place.
            let mask = next()
            var high = next()
            var low = next()
            for group in 0..<4 {
                if mask >> UInt64(group) & 1 == 1 { high &= ~(0xFFFF << UInt64(group * 16)) }
                if mask >> UInt64(group + 4) & 1 == 1 { low &= ~(0xFFFF << UInt64(group * 16)) }
            }
            let six = SocketAddress(high: high, low: low, port: UInt16(truncatingIfNeeded: mask))
            #expect(SocketAddress(numeric: six.host, port: six.port) == six)
            let four = SocketAddress.ipv4(UInt32(truncatingIfNeeded: next()), port: 1)
            #expect(four.isIPv4)
            #expect(SocketAddress(numeric: four.host, port: 1) == four)
        }
    }

    @Test("An IPv4 address and its IPv6-mapped form are the same")
    func mapped() {
        #expect(
            SocketAddress(numeric: "::ffff:1.2.3.4", port: 5) == .ipv4(0x0102_0304, port: 5))
        // The obsolete compatible form (RFC 4291 §2.5.5.1) is another one.
        #expect(SocketAddress(numeric: "::1.2.3.4", port: 5)?.isIPv4 == false)
    }
}
