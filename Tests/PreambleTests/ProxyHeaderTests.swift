import Linux
import Memory
import Preamble
import Testing

@Suite("The PROXY header")
struct ProxyHeaderTests {
    private func parse(
        _ bytes: [UInt8], accepting: ProxyHeader.Versions = [.v1, .v2]
    ) throws(PreambleError) -> ProxyHeader.Parsed {
        var buffer = Buffer(capacity: max(1, bytes.count))
        for byte in bytes { buffer.append(byte) }
        return try ProxyHeader.parse(buffer.bytes, accepting: accepting)
    }

    private func rule(_ bytes: [UInt8], accepting: ProxyHeader.Versions = [.v1, .v2]) -> String {
        do throws(PreambleError) {
            return "\(try parse(bytes, accepting: accepting))"
        } catch {
            return "\(error.rule)"
        }
    }

    private func binary(
        _ command: UInt8, _ family: UInt8, _ rest: [UInt8], length: Int? = nil
    ) -> [UInt8] {
        let count = length ?? rest.count
        return [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
            + [command, family, UInt8(count >> 8), UInt8(count & 0xFF)] + rest
    }

    private let four: [UInt8] = [192, 0, 2, 1, 10, 0, 0, 1, 0x1F, 0x90, 0, 80]

    @Test("Lines of version 1 tell the client, and end where they end")
    func lines() throws {
        let client = try #require(SocketAddress(numeric: "192.0.2.1", port: 56324))
        let line = Array("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\nGET".utf8)
        #expect(try parse(line) == .complete(source: client, byteCount: line.count - 3))
        let six = try #require(SocketAddress(numeric: "2001:db8::1", port: 1))
        let other = Array("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n".utf8)
        #expect(try parse(other) == .complete(source: six, byteCount: other.count))
        let unknown = Array("PROXY UNKNOWN ffff:f ffff 65535 x\r\n".utf8)
        #expect(try parse(unknown) == .complete(source: nil, byteCount: unknown.count))
        for count in 0..<(line.count - 3) {
            #expect(try parse(Array(line[..<count])) == .incomplete, "\(count) bytes")
        }
    }

    @Test(
        "What is not a line of version 1 is refused",
        arguments: [
            "PROXY TCP4 192.0.2.1 10.0.0.1 56324\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 1 2 3\r\n",
            "PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 65536 2\r\n", "PROXY TCP4 192.0.2.1 10.0.0.1 -1 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n", "PROXY TCP6 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n", "PROXY  TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n", "proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n",
            "GET / HTTP/1.1\r\n", "PROXX", "PROXY \r\n",
        ])
    func brokenLines(text: String) {
        #expect(rule(Array(text.utf8)).hasPrefix("proxy-"), "\(rule(Array(text.utf8)))")
    }

    @Test("A line without an end is refused at 107 bytes, not awaited for ever")
    func endless() {
        #expect(rule(Array("PROXY TCP4 ".utf8) + Array(repeating: 0x31, count: 95)) == "incomplete")
        #expect(
            rule(Array("PROXY TCP4 ".utf8) + Array(repeating: 0x31, count: 97))
                == "proxy-line-too-long")
    }

    @Test("Headers of version 2 tell the client, whatever is behind the addresses")
    func binaries() throws {
        let client = SocketAddress.ipv4(0xC000_0201, port: 8080)
        let plain = binary(0x21, 0x11, four)
        #expect(try parse(plain + [1, 2]) == .complete(source: client, byteCount: plain.count))
        for count in 0..<plain.count {
            #expect(try parse(Array(plain[..<count])) == .incomplete, "\(count) bytes")
        }
        let extended = binary(0x21, 0x11, four + [0x02, 0, 3, 97, 98, 99, 0x04, 0, 0])
        #expect(
            try parse(extended) == .complete(source: client, byteCount: extended.count))
        let local = binary(0x20, 0x00, [])
        #expect(try parse(local) == .complete(source: nil, byteCount: 16))
        var address = [UInt8](repeating: 0, count: 36)
        (address[0], address[1], address[15], address[33]) = (0x20, 0x01, 7, 9)
        let six = binary(0x21, 0x21, address)
        #expect(
            try parse(six)
                == .complete(
                    source: SocketAddress(high: 0x2001_0000_0000_0000, low: 7, port: 9),
                    byteCount: six.count))
        let unix = binary(0x21, 0x31, [UInt8](repeating: 0, count: 216))
        #expect(try parse(unix) == .complete(source: nil, byteCount: unix.count))
    }

    @Test("A checksum of version 2 must be right")
    func checksum() throws {
        // Over the header with zeros in its place.
        var header = binary(0x21, 0x11, four + [0x03, 0, 4, 0, 0, 0, 0])
        var value = UInt32.max
        for byte in header {
            value ^= UInt32(byte)
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
        }
        value = ~value
        for index in 0..<4 {
            let shift = UInt32(24 - 8 * index)
            header[header.count - 4 + index] = UInt8(truncatingIfNeeded: value >> shift)
        }
        #expect(rule(header).hasPrefix("complete"))
        header[header.count - 1] ^= 1
        #expect(rule(header) == "proxy-checksum")
    }

    @Test("What is not a header of version 2 is refused")
    func brokenBinaries() {
        #expect(rule(binary(0x11, 0x11, four)) == "proxy-version")
        #expect(rule(binary(0x22, 0x11, four)) == "proxy-version")
        #expect(rule(binary(0x21, 0x41, four)) == "proxy-family")
        #expect(rule(binary(0x21, 0x13, four)) == "proxy-family")
        #expect(rule(binary(0x21, 0x11, [1, 2])) == "proxy-length")
        #expect(rule(binary(0x21, 0x11, four, length: 5000)) == "proxy-header-too-long")
        #expect(rule(binary(0x21, 0x11, four + [0x04, 0])) == "proxy-extension")
        #expect(rule(binary(0x21, 0x11, four + [0x04, 0, 9, 1])) == "proxy-extension")
        #expect(rule(binary(0x21, 0x11, four), accepting: .v1) == "proxy-header-missing")
        #expect(rule(Array("PROXY UNKNOWN\r\n".utf8), accepting: .v2) == "proxy-header-missing")
    }

    @Test("Mutations of headers never trap, and never claim more bytes than there are")
    func mutations() {
        var state: UInt64 = 7
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let seeds = [
            Array("PROXY TCP4 192.0.2.1 10.0.0.1 56324 443\r\n".utf8), binary(0x21, 0x11, four),
            binary(0x21, 0x11, four + [0x03, 0, 4, 1, 2, 3, 4]),
        ]
        for _ in 0..<20_000 {
            var bytes = seeds[next(seeds.count)]
            for _ in 0...next(4) { bytes[next(bytes.count)] = UInt8(next(256)) }
            bytes = Array(bytes.prefix(1 + next(bytes.count)))
            if case .complete(_, let count)? = try? parse(bytes) { #expect(count <= bytes.count) }
        }
    }
}
