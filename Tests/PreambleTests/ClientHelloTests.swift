import Memory
import Preamble
import Testing

@Suite("The name in the first message of TLS")
struct ClientHelloTests {
    /// A first message, put together from its parts.
    private struct Hello {
        var names: [UInt8]?
        var version: [UInt8] = [3, 3]
        var hasExtensions = true
        var kind: UInt8 = 1

        static func name(_ text: String, kind: UInt8 = 0) -> [UInt8] {
            [kind] + length(text.utf8.count, 2) + Array(text.utf8)
        }

        static func length(_ count: Int, _ bytes: Int) -> [UInt8] {
            (0..<bytes).reversed().map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
        }

        var message: [UInt8] {
            var body = version + [UInt8](repeating: 7, count: 32)
            body += [4, 1, 2, 3, 4] + [0, 2, 0x13, 1] + [1, 0]
            if hasExtensions {
                // One that means nothing to us, then the names.
                var extensions: [UInt8] = [0, 43, 0, 3, 2, 3, 4]
                if let names {
                    extensions += [0, 0] + Self.length(names.count + 2, 2)
                    extensions += Self.length(names.count, 2) + names
                }
                extensions += [0, 23, 0, 0]
                body += Self.length(extensions.count, 2) + extensions
            }
            return [kind] + Self.length(body.count, 3) + body
        }

        /// In records of `size` bytes.
        func records(of size: Int = 16384) -> [UInt8] {
            var records: [UInt8] = []
            let message = message
            for start in stride(from: 0, to: message.count, by: size) {
                let piece = message[start..<min(start + size, message.count)]
                records += [22, 3, 1] + Self.length(piece.count, 2) + piece
            }
            return records
        }
    }

    private enum Verdict: Equatable {
        case incomplete
        case name(String?)
        case refused(String)
    }

    private func verdict(on bytes: [UInt8]) -> Verdict {
        var input = Buffer(capacity: max(1, bytes.count))
        for byte in bytes { input.append(byte) }
        var name = Buffer(capacity: 512)
        do throws(PreambleError) {
            switch try ClientHello.parse(input.bytes, name: &name) {
            case .incomplete:
                let isUntouched = name.isEmpty
                #expect(isUntouched)
                return .incomplete
            case .complete(let hasName):
                let text = String(
                    decoding: (0..<name.count).map { name[name.start + $0] }, as: UTF8.self)
                return .name(hasName ? text : nil)
            }
        } catch {
            return .refused("\(error.rule)")
        }
    }

    @Test("A name is found, in small letters and without its last dot, in any record size")
    func found() {
        for (written, read) in [
            ("a.test", "a.test"), ("Shop.Example.COM", "shop.example.com"), ("a.test.", "a.test"),
        ] {
            let hello = Hello(names: Hello.name(written))
            for size in [1, 2, 5, 50, 16384] {
                #expect(verdict(on: hello.records(of: size)) == .name(read), "\(size)")
            }
        }
        // What comes behind it is none of our affair.
        let hello = Hello(names: Hello.name("a.test")).records()
        #expect(verdict(on: hello + [1, 2, 3]) == .name("a.test"))
    }

    @Test("Until the name has come, nothing is said, whatever byte was the last")
    func prefixes() {
        let hello = Hello(names: Hello.name("a.test"))
        for size in [7, 16384] {
            let records = hello.records(of: size)
            let text = Array("a.test".utf8)
            var seen = false
            for count in 0..<records.count {
                let verdict = verdict(on: Array(records[..<count]))
                if !seen, verdict == .name("a.test") { seen = true }
                #expect(verdict == (seen ? .name("a.test") : .incomplete), "\(count)")
                if count < text.count { #expect(!seen) }
            }
            #expect(seen)
        }
    }

    @Test("Who asks for no name has none")
    func nameless() {
        #expect(verdict(on: Hello(names: nil).records()) == .name(nil))
        #expect(verdict(on: Hello(names: nil, hasExtensions: false).records()) == .name(nil))
        #expect(verdict(on: Hello(names: []).records()) == .name(nil))
        let other = Hello.name("x", kind: 9)
        #expect(verdict(on: Hello(names: other).records()) == .name(nil))
        #expect(
            verdict(on: Hello(names: other + Hello.name("b.test")).records()) == .name("b.test"))
    }

    @Test("What is no first message of TLS is refused by a rule")
    func refused() {
        #expect(verdict(on: Array("GET / HTTP/1.1\r\n\r\n".utf8)) == .refused("tls-no-handshake"))
        #expect(verdict(on: Hello(kind: 2).records()) == .refused("tls-no-client-hello"))
        #expect(verdict(on: Hello(version: [2, 0]).records()) == .refused("tls-version"))
        #expect(verdict(on: [22, 2, 0, 0, 9]) == .refused("tls-version"))
        #expect(verdict(on: [22, 3, 1, 0, 0]) == .refused("tls-record"))
        #expect(verdict(on: [22, 3, 1, 0x40, 1]) == .refused("tls-record"))
        #expect(
            verdict(on: [22, 3, 1, 1, 0, 1, 0xFF, 0xFF, 0xFF]) == .refused("tls-hello-too-long"))
        for name in ["a b", "a\u{0}", "a\u{7F}", ""] {
            #expect(
                verdict(on: Hello(names: Hello.name(name)).records())
                    == .refused("tls-server-name"), "\(name)")
        }
        let long = String(repeating: "a", count: 256)
        #expect(
            verdict(on: Hello(names: Hello.name(long)).records()) == .refused("tls-server-name"))
        // A name that is longer than its list.
        #expect(
            verdict(on: Hello(names: [0, 0, 9, 0x61]).records()) == .refused("tls-server-name"))
        // A session that is longer than the message.
        var broken = Hello(names: nil).message
        broken[1 + 3 + 2 + 32] = 255
        #expect(
            verdict(on: [22, 3, 1] + Hello.length(broken.count, 2) + broken)
                == .refused("tls-hello-length"))
    }
}
