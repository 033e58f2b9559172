import HTTP
import Memory
import Testing

@Suite("Scanning eight bytes at a time")
struct ScanningTests {
    /// Every byte, in every place of a word and around its ends.
    private func forEachByteAndPlace(_ body: (_ byte: UInt8, _ place: Int, RawSpan) -> Void) {
        for length in [1, 5, 7, 8, 9, 15, 16, 17, 24] {
            for place in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: length)
                    bytes[place] = byte
                    let array = FixedArray(bytes)
                    body(byte, place, array.bytes)
                }
            }
        }
    }

    private static let tokenBytes = Set(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)

    @Test("a token ends at the first byte that is no tchar")
    func token() {
        forEachByteAndPlace { byte, place, bytes in
            let end = Self.tokenBytes.contains(byte) ? bytes.byteCount : place
            let found = bytes.endOfToken(from: 0)
            #expect(found == end, "\(byte) at \(place)")
            #expect(Bytewise.isTokenByte(byte) == Self.tokenBytes.contains(byte))
        }
    }

    @Test("a field value ends at the first control, but not at a tab")
    func value() {
        forEachByteAndPlace { byte, place, bytes in
            let ends = byte < 0x20 && byte != 0x09 || byte == 0x7F
            let expected = ends ? place : bytes.byteCount
            let found = bytes.endOfFieldValue(from: 0)
            #expect(found == expected)
        }
    }

    @Test("bytes outside 0x21...0x7E are found")
    func visible() {
        forEachByteAndPlace { byte, place, bytes in
            guard bytes.byteCount >= 8, place < 8 else { return }
            let stops = Bytewise.notVisible(bytes.word(0))
            let isVisible = byte >= 0x21 && byte <= 0x7E
            #expect(stops == (isVisible ? 0 : 0x80 << UInt64(place * 8)))
        }
    }

    @Test("only capital letters become lower-case")
    func lowercase() {
        for byte in UInt8.min...UInt8.max {
            let word = UInt64(byte) | UInt64(byte) << 40
            let isCapital = byte >= 0x41 && byte <= 0x5A
            let expected = UInt64(isCapital ? byte + 0x20 : byte)
            #expect(Bytewise.lowercased(word) == expected | expected << 40)
        }
    }

    @Test("a word at the end is filled up with zeros")
    func padding() {
        for length in 0..<20 {
            let bytes = FixedArray((0..<length).map { UInt8($0 + 1) })
            for offset in 0...length + 2 {
                var expected: UInt64 = 0
                for index in 0..<8 where offset + index < length {
                    expected |= UInt64(offset + index + 1) << UInt64(index * 8)
                }
                let word = bytes.bytes.wordOrZeros(offset)
                #expect(word == expected)
            }
        }
    }

    @Test("stretches are compared without regard to case, and to nothing else")
    func comparison() {
        let texts = ["", "a", "Example.COM", "example.com", "example.con", "exampleXcom[", "{"]
        for a in texts {
            for b in texts {
                let first = FixedArray(text: a)
                let second = FixedArray(text: "..." + b)
                let isEqual = first.bytes.equalsIgnoringCase(
                    all(a), second.bytes, ByteRange(3, 3 + b.utf8.count))
                #expect(isEqual == (a.lowercased() == b.lowercased()), "\(a) \(b)")
            }
        }
    }

    @Test(
        "spellings match their texts",
        arguments: [
            (Spelling.chunked, "chunked"), (.close, "close"), (.keepAlive, "keep-alive"),
            (.upgrade, "upgrade"), (.te, "te"), (.hundredContinue, "100-continue"),
            (.trailers, "trailers"), (.h2c, "h2c"), (.httpScheme, "http://"),
            (.httpsScheme, "https://"), (.httpProtocol, "http"), (.tlsProtocol, "tls/"),
        ])
    func spelling(_ spelling: Spelling, _ text: String) {
        let longer = FixedArray(text: text.uppercased() + "x")
        let matches = spelling.matches(longer.bytes, all(text))
        let begins = spelling.begins(longer.bytes, all(text + "x"))
        let matchesLonger = spelling.matches(longer.bytes, all(text + "x"))
        #expect(matches && begins && !matchesLonger)
        for offset in 0..<text.utf8.count {
            var changed = Array(text.utf8)
            changed[offset] = UInt8(ascii: "z")
            let bytes = FixedArray(changed)
            let matchesChanged = spelling.matches(bytes.bytes, all(text))
            #expect(!matchesChanged)
        }
    }

    @Test("list elements come without whitespace, empty ones not at all")
    func list() {
        let text = " ,a,\t b c ,,d\t, "
        let bytes = FixedArray(text: text)
        var elements = ListElements(all(text))
        var found: [String] = []
        while let element = elements.next(bytes.bytes) { found.append(bytes.bytes.text(element)) }
        #expect(found == ["a", "b c", "d"])
    }
}

@Suite("Methods")
struct MethodTests {
    @Test(
        "are recognised by their exact bytes",
        arguments: [
            Method.get, .head, .post, .put, .delete, .connect, .options, .trace, .patch,
        ])
    func recognised(_ method: Method) {
        let text = method.name.text
        let bytes = FixedArray(text: text + " /")
        let found = Method(bytes.bytes, all(text))
        #expect(found == method)
        let lower = FixedArray(text: text.lowercased())
        let foundLower = Method(lower.bytes, all(text))
        #expect(foundLower == .other)
        let longer = FixedArray(text: text + "X")
        let foundLonger = Method(longer.bytes, all(text + "X"))
        #expect(foundLonger == .other)
    }

    @Test("a safe method is idempotent, POST and PATCH are neither")
    func properties() {
        for raw in UInt8(0)..<10 {
            guard let method = Method(rawValue: raw) else { continue }
            #expect(!method.isSafe || method.isIdempotent)
        }
        #expect(Method.put.isIdempotent && !Method.put.isSafe)
        #expect(!Method.post.isIdempotent && !Method.patch.isIdempotent)
        #expect(!Method.other.isIdempotent)
    }
}
