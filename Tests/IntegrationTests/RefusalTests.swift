import TestSupport
import Testing

/// One malformed request, and the statuses that are an honest answer.
struct RefusalVector: Sendable {
    var title: String
    var bytes: String
    var statuses: Set<Int> = [400]

    static func field(_ title: String, _ lines: String, _ statuses: Set<Int> = [400]) -> Self {
        // Content follows, as a smuggler would have it.
        Self(
            title: title,
            bytes: "POST / HTTP/1.1\r\nHost: example.test\r\n\(lines)\r\n0\r\n\r\n"
                + "GET /smuggled HTTP/1.1\r\nHost: example.test\r\n\r\n",
            statuses: statuses)
    }

    static func line(_ title: String, _ line: String, _ statuses: Set<Int> = [400]) -> Self {
        Self(title: title, bytes: line + "\r\nHost: example.test\r\n\r\n", statuses: statuses)
    }

    static let heads: [RefusalVector] = [
        .field(
            "length beside coding", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        .field(
            "coding beside length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        .field("two lengths that differ", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        .field("a list of lengths that differ", "Content-Length: 5, 6\r\n"),
        .field("plus sign", "Content-Length: +5\r\n"),
        .field("minus sign", "Content-Length: -5\r\n"),
        .field("hexadecimal length", "Content-Length: 0x5\r\n"),
        .field("space inside", "Content-Length: 1 0\r\n"),
        .field("empty length", "Content-Length:\r\n"),
        .field("length with a decimal point", "Content-Length: 5.0\r\n"),
        .field("length beyond 64 bits", "Content-Length: 18446744073709551621\r\n"),
        .field("length with a letter", "Content-Length: 5a\r\n"),
        .field("unknown coding", "Transfer-Encoding: xchunked\r\n", [400, 501]),
        .field("coding before chunked", "Transfer-Encoding: gzip, chunked\r\n", [400, 501]),
        .field("chunked not last", "Transfer-Encoding: chunked, gzip\r\n", [400, 501]),
        .field("chunked twice", "Transfer-Encoding: chunked, chunked\r\n"),
        .field(
            "chunked in two lines",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        .field(
            "identity, then chunked",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", [400, 501]),
        .field("identity", "Transfer-Encoding: identity\r\n", [400, 501]),
        .field("empty coding", "Transfer-Encoding:\r\n"),
        .field("quoted coding", "Transfer-Encoding: \"chunked\"\r\n", [400, 501]),
        .field("space before the colon", "Transfer-Encoding : chunked\r\n"),
        .field("tab before the colon", "Content-Length\t: 5\r\n"),
        .field("vertical tab in the value", "Transfer-Encoding: \u{0B}chunked\r\n", [400, 501]),
        .field("folded coding", "Transfer-Encoding:\r\n chunked\r\n"),
        .field("folded line", "X-A: b\r\n c\r\n"),
        .field("space before the first field", " X-A: b\r\n"),
        .field("NUL in a value", "X-A: b\u{0}c\r\n"),
        .field("bare CR in a value", "X-A: b\rc\r\n"),
        .field("bare LF after a line", "X-A: b\nX-B: c\r\n"),
        .field("empty name", ": b\r\n"),
        .field("no colon", "X-A\r\n"),
        .field("space in a name", "X A: b\r\n"),
        .field("slash in a name", "X/A: b\r\n"),
        .field("name outside ASCII", "X-\u{E9}: b\r\n"),
        .field("Connection names Host", "Connection: Host\r\nContent-Length: 0\r\n"),
        .field(
            "Connection names Content-Length", "Connection: Content-Length\r\nContent-Length: 5\r\n"
        ),
        .field("unknown expectation", "Expect: 200-ok\r\nContent-Length: 5\r\n", [400, 417]),
        .init(
            title: "coding in HTTP/1.0",
            bytes: "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        .init(title: "no Host", bytes: "GET / HTTP/1.1\r\n\r\n"),
        .init(title: "two Hosts", bytes: "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        .init(title: "Host with a path", bytes: "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        .init(title: "Host with a space", bytes: "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        .init(title: "Host list", bytes: "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        .init(title: "Host with user", bytes: "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        .init(title: "bare LF throughout", bytes: "GET / HTTP/1.1\nHost: a\n\n"),
        .init(title: "bare LF at the end", bytes: "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        .init(title: "TLS handshake", bytes: "\u{16}\u{03}\u{01}\u{00}\u{2E}\u{01}\r\n\r\n"),
        .line("two spaces", "GET  / HTTP/1.1"),
        .line("tab between", "GET\t/ HTTP/1.1"),
        .line("space after", "GET / HTTP/1.1 "),
        .line("space before", " GET / HTTP/1.1"),
        .line("space in the target", "GET /a b HTTP/1.1"),
        .line("no version", "GET /", [400, 505]),
        .line("version in lower case", "GET / http/1.1"),
        .line("version 1.1.1", "GET / HTTP/1.1.1", [400, 505]),
        .line("version 2.0", "GET / HTTP/2.0", [400, 505]),
        .line("version 0.9", "GET / HTTP/0.9", [400, 505]),
        .line("fragment", "GET /a#b HTTP/1.1"),
        .line("control in the target", "GET /\u{1} HTTP/1.1"),
        .line("target outside ASCII", "GET /\u{E9} HTTP/1.1"),
        .line("no slash", "GET a HTTP/1.1"),
        .line("method with an at sign", "G@T / HTTP/1.1"),
        .line("CONNECT", "CONNECT example.test:443 HTTP/1.1", [400, 405, 501]),
        .line("asterisk without OPTIONS", "GET * HTTP/1.1"),
        .line("other scheme", "GET ftp://example.test/ HTTP/1.1"),
        .line("empty authority", "GET http:///a HTTP/1.1"),
        .line("user in the authority", "GET http://u@example.test/ HTTP/1.1"),
        .line("long request line", "GET /\(String(repeating: "a", count: 9000)) HTTP/1.1", [414]),
        .field("large header", "X-A: \(String(repeating: "a", count: 40_000))\r\n", [431]),
        .field("many fields", String(repeating: "X-A: b\r\n", count: 101), [431]),
    ]

    /// Chunked content that is malformed behind a head that is not.
    static let chunks: [RefusalVector] = [
        ("letters beyond F", "5\r\nhello\r\nG\r\n"),
        ("hexadecimal prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        ("plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("leading space", " 5\r\nhello\r\n0\r\n\r\n"),
        ("size beyond 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("empty size", "\r\nhello\r\n0\r\n\r\n"),
        ("bare LF after the size", "5\nhello\r\n0\r\n\r\n"),
        ("bare LF after the data", "5\r\nhello\n0\r\n\r\n"),
        ("bare CR after the size", "5\rhello\r\n0\r\n\r\n"),
        ("data longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        ("bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("NUL in an extension", "5;a=\u{0}\r\nhello\r\n0\r\n\r\n"),
        ("bare LF at the end", "5\r\nhello\r\n0\r\n\n"),
        ("trailer without colon", "5\r\nhello\r\n0\r\nX-A\r\n\r\n"),
        ("trailer folded", "5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    ].map { title, content in
        RefusalVector(
            title: title,
            bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + content)
    }
}

@Suite("An ambiguous message is refused, never repaired", .onStage)
struct RefusalTests {
    /// Bytes as Latin-1: `\u{E9}` is one byte, outside of ASCII.
    private func bytes(_ text: String) -> [UInt8] {
        text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    }

    @Test("A malformed head is answered, the connection closed, and no server hears of it")
    func heads() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        for vector in RefusalVector.heads {
            let before = server.connectionCount
            let client = try proxy.client(timeout: 5)
            // Some are refused before all was sent.
            try? client.send(bytes(vector.bytes))
            do {
                let answer = try client.readResponse()
                #expect(vector.statuses.contains(answer.status), "\(vector.title): \(answer)")
                #expect(answer.closes, "\(vector.title)")
                let rest = (try? client.readToEnd()) ?? []
                #expect(rest.isEmpty, "\(vector.title) had a second answer")
            } catch {
                Issue.record("\(vector.title): \(error)")
            }
            #expect(server.connectionCount == before, "\(vector.title) reached the server")
        }
        #expect(try proxy.ask(get()).status == 200)
        #expect(proxy.process.isRunning)
    }

    @Test("The same, one byte at a time")
    func headsInPieces() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        for vector in RefusalVector.heads where vector.bytes.utf8.count < 120 {
            let before = server.connectionCount
            let client = try proxy.client(timeout: 5)
            for byte in bytes(vector.bytes) {
                do { try client.send([byte]) } catch { break }
            }
            do {
                let answer = try client.readResponse()
                #expect(vector.statuses.contains(answer.status), "\(vector.title): \(answer)")
            } catch PeerError.reset {
                // Closed while bytes were still coming: the answer may be lost to the reset.
            } catch {
                Issue.record("\(vector.title): \(error)")
            }
            #expect(server.connectionCount == before, "\(vector.title) reached the server")
        }
    }

    @Test("Malformed chunks never reach a server as a complete request")
    func chunks() throws {
        for vector in RefusalVector.chunks {
            let server = try ScriptedServer { peer, _ in
                _ = try peer.readRequest()
                try peer.send(ok("complete"))
            }
            let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
            let client = try proxy.client(timeout: 5)
            try client.send(bytes(vector.bytes))
            if let answer = try? client.readResponse() {
                #expect((400...599).contains(answer.status), "\(vector.title): \(answer)")
            }
            #expect(client.isEnded(), "\(vector.title) left the connection open")
            #expect(!client.receivedText.contains("complete"), "\(vector.title)")
            server.stop()
            proxy.process.stop()
        }
    }

    @Test("What only looks odd is served")
    func accepted() throws {
        let server = try ScriptedServer { request in ok(request.target + request.text) }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let head = "Host: a\r\n"
        let vectors = [
            ("\r\nGET / HTTP/1.1\r\n\(head)\r\n", "/"),
            ("GET / HTTP/1.1\r\nHost:a\r\nX-Empty:\r\n\r\n", "/"),
            ("GET /?q=%20&r=/../ HTTP/1.1\r\n\(head)\r\n", "/?q=%20&r=/../"),
            ("GET / HTTP/1.1\r\nhOST: a\r\n\r\n", "/"),
            ("POST / HTTP/1.1\r\n\(head)Content-Length: 0\r\n\r\n", "/"),
            ("POST / HTTP/1.1\r\n\(head)Content-Length: 005\r\n\r\nhello", "/hello"),
            (
                "POST / HTTP/1.1\r\n\(head)Transfer-Encoding: Chunked\r\n\r\n"
                    + "00005;name=\"value\"\r\nhello\r\n0\r\n\r\n", "/hello"
            ),
            ("GET / HTTP/1.1\r\n\(head)X-Latin: \u{E9}\r\n\r\n", "/"),
        ]
        for (request, expected) in vectors {
            let client = try proxy.client(timeout: 5)
            try client.send(bytes(request))
            let answer = try client.readResponse()
            #expect(answer.text == expected, "\(request.debugDescription): \(answer)")
        }
    }

    @Test("A server's malformed answer becomes a 502 that says so")
    func answers() throws {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX-A: b\u{0}\r\nContent-Length: 0\r\n\r\n",
            "HELLO\r\n\r\n",
            "SSH-2.0-OpenSSH_9.2\r\n",
        ]
        for text in answers {
            let server = try ScriptedServer { peer, _ in
                _ = try peer.readRequest()
                try peer.send(text)
            }
            let proxy = try ProxyProcess(
                ProxyPlan(servers: [server.port], service: "retries: off\noutliers: off"))
            let answer = try proxy.ask(post("/", "x"), timeout: 5)
            #expect(answer.status == 502, "\(text.debugDescription): \(answer)")
            #expect(answer["Proxy-Status"]?.contains("http_protocol_error") ?? false, "\(answer)")
            server.stop()
            proxy.process.stop()
        }
    }
}
