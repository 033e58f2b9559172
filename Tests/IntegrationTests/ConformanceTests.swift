import TestSupport
import Testing

/// The rules that h2spec checks, case by case (generic, HTTP/2 and HPACK), spoken by hand.
@Suite("HTTP/2 as RFC 9113 and RFC 7541 have it", .onStage)
struct ConformanceTests {
    /// What must come of a case.
    enum Verdict: Sendable {
        /// The request on this stream is answered, and the connection goes on.
        case answered(UInt32)
        /// The connection ends, with one of these codes, or without a word.
        case connection([UInt32])
        /// The stream ends with one of these codes; to end the connection is right, too, where
        /// that is said.
        case stream([UInt32], orConnection: [UInt32] = [], orStatus: String = "")
        /// A ping is still answered.
        case alive
        case pong
        case settingsAck
        /// Who does not begin as HTTP/2 does is taken for HTTP/1.1, and refused as such.
        case refusedAsHTTP1
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var verdict: Verdict
        var greets = true
        var raw: [UInt8] = []
        var frames: [Frame] = []

        init(_ name: String, _ verdict: Verdict, _ frames: Frame...) {
            self.name = name
            self.verdict = verdict
            self.frames = frames
        }

        init(_ name: String, _ verdict: Verdict, all frames: [Frame]) {
            self.name = name
            self.verdict = verdict
            self.frames = frames
        }

        init(raw bytes: [UInt8], _ name: String, _ verdict: Verdict) {
            self.name = name
            self.verdict = verdict
            greets = false
            raw = bytes
        }

        var testDescription: String { name }
    }

    private static let noError: UInt32 = 0
    private static let violation: UInt32 = 1
    private static let flow: UInt32 = 3
    private static let closed: UInt32 = 5
    private static let size: UInt32 = 6
    private static let refused: UInt32 = 7
    private static let compression: UInt32 = 9
    private static let end = Frame.endStream
    private static let whole = Frame.endHeaders

    private static func request(_ fields: [(String, String)], _ stream: UInt32 = 1) -> Frame {
        .headers(stream, fields)
    }

    private static func with(_ fields: (String, String)...) -> [(String, String)] {
        Frame.pseudo("GET") + fields
    }

    static let generic: [Case] = [
        Case("generic/1 preface", .settingsAck),
        Case("generic/2.1 idle: PRIORITY", .alive, Frame(.priority, stream: 1, [0, 0, 0, 0, 15])),
        Case(
            "generic/2.2 idle: WINDOW_UPDATE behind a request", .answered(1), .get(1),
            .windowUpdate(1, 100)),
        Case(
            "generic/2.3 half-closed: PRIORITY", .answered(1), .get(1),
            Frame(.priority, stream: 1, [0, 0, 0, 0, 15])),
        Case(
            "generic/2.4 half-closed: RST_STREAM", .alive, .get(1), .reset(1)),
        Case(
            "generic/2.5 closed: PRIORITY", .alive, .get(1), .reset(1),
            Frame(.priority, stream: 1, [0, 0, 0, 0, 15])),
        Case("generic/3.1 DATA", .answered(1), .post(1), .data(1, [1, 2, 3])),
        Case(
            "generic/3.1 DATA twice", .answered(1), .post(1), .data(1, [1], flags: 0),
            .data(1, [2])),
        Case(
            "generic/3.1 DATA with padding", .answered(1), .post(1),
            .data(1, [5, 1, 2, 0, 0, 0, 0, 0], flags: end | Frame.padded)),
        Case("generic/3.2 HEADERS", .answered(1), .get(1)),
        Case(
            "generic/3.2 HEADERS with padding", .answered(1),
            Frame(
                .headers, flags: end | whole | Frame.padded, stream: 1,
                [3] + Frame.block(Frame.pseudo("GET")) + [0, 0, 0])),
        Case(
            "generic/3.2 HEADERS with priority", .answered(1),
            Frame(
                .headers, flags: end | whole | Frame.withPriority, stream: 1,
                [0, 0, 0, 0, 255] + Frame.block(Frame.pseudo("GET")))),
        Case("generic/3.3 PRIORITY", .alive, Frame(.priority, stream: 1, [0, 0, 0, 0, 15])),
        Case(
            "generic/3.3 PRIORITY exclusive", .alive,
            Frame(.priority, stream: 1, [128, 0, 0, 0, 15])),
        Case(
            "generic/3.3 PRIORITY on an unknown parent", .alive,
            Frame(.priority, stream: 7, [0, 0, 0, 5, 15])),
        Case("generic/3.4 RST_STREAM", .alive, .post(1), .reset(1)),
        Case("generic/3.5 SETTINGS", .settingsAck, .settings([(3, 10)])),
        Case("generic/3.7 PING", .pong, Frame(.ping, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case(
            "generic/3.8 GOAWAY", .connection([noError]),
            Frame(.goAway, [0, 0, 0, 0, 0, 0, 0, 0])),
        Case("generic/3.9 WINDOW_UPDATE", .alive, .windowUpdate(0, 1)),
        Case(
            "generic/3.9 WINDOW_UPDATE of a stream", .answered(1), .get(1), .windowUpdate(1, 1)),
        Case(
            "generic/3.10 CONTINUATION", .answered(1), .get(1, flags: end),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "generic/3.10 CONTINUATION twice", .answered(1), .get(1, flags: end),
            Frame(.continuation, stream: 1, Frame.block([("a", "b")])),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("c", "d")]))),
        Case("generic/4 GET", .answered(1), .get(1)),
        Case("generic/4 HEAD", .answered(1), request(Frame.pseudo("HEAD"))),
        Case("generic/4 POST", .answered(1), .post(1), .data(1, Array("abc".utf8))),
        Case(
            "generic/4 POST with trailers", .answered(1), .post(1),
            .data(1, Array("abc".utf8), flags: 0), .headers(1, [("x-trailer", "1")])),
        Case(
            "generic/5 HPACK: indexed field", .answered(1),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84] + Frame.block([(":authority", "a.test")]))),
        Case(
            "generic/5 HPACK: literal with indexing, then indexed", .answered(3),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84, 0x41, 6] + Array("a.test".utf8)),
            Frame(.headers, flags: end | whole, stream: 3, [0x82, 0x86, 0x84, 0xBE])),
        Case(
            "generic/5 HPACK: never indexed", .answered(1),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84, 0x11, 6] + Array("a.test".utf8))),
        Case(
            "generic/5 HPACK: table size update", .answered(1),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x20, 0x82, 0x86, 0x84, 0x01, 6] + Array("a.test".utf8))),
        Case(
            "generic/5 HPACK: Huffman", .answered(1),
            // "www.example.com", RFC 7541 appendix C.4.1.
            Frame(
                .headers, flags: end | whole, stream: 1,
                [
                    0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0,
                    0xab, 0x90, 0xf4, 0xff,
                ])),
    ]

    static let connection: [Case] = [
        Case(raw: FrameClient.preface + Frame.settings().bytes, "3.4 preface", .settingsAck),
        Case(
            raw: Array("INVALID CONNECTION PREFACE\r\n\r\n".utf8), "3.4 bad preface",
            .refusedAsHTTP1),
        Case(
            raw: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX".utf8), "3.4 preface with a wrong end",
            .refusedAsHTTP1),
        Case("4.1 unknown type is ignored", .alive, Frame(type: 0x16, [0, 0, 0, 0])),
        Case(
            "4.1 unknown flags are ignored", .pong,
            Frame(.ping, flags: 0x16, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case(
            "4.1 reserved bit is ignored", .pong,
            Frame(.ping, stream: 0x8000_0000, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case(
            "4.2 DATA of 2^14", .answered(1), .post(1),
            .data(1, [UInt8](repeating: 0x41, count: 16384))),
        Case(
            "4.2 DATA too large", .stream([size], orConnection: [size]), .post(1),
            .data(1, [UInt8](repeating: 0x41, count: 16385))),
        Case(
            "4.2 HEADERS too large", .connection([size]),
            Frame(
                .headers, flags: end | whole, stream: 1,
                Frame.block(
                    Frame.pseudo("GET") + [("a", String(repeating: "x", count: 16385))]))),
        Case(
            "4.3 bad header block", .connection([compression]),
            Frame(
                .headers, flags: end | whole, stream: 1,
                Frame.block(Frame.pseudo("GET")) + [0x40, 0x7F])),
        Case(
            "4.3 PRIORITY inside a block", .connection([violation]), .get(1, flags: end),
            Frame(.priority, stream: 1, [0, 0, 0, 0, 255]),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "4.3 HEADERS of another stream inside a block", .connection([violation]),
            .get(1, flags: end), .get(3)),
        Case("5.1 idle: DATA", .connection([violation, closed]), .data(1, [1])),
        Case("5.1 idle: RST_STREAM", .connection([violation]), .reset(1)),
        Case("5.1 idle: WINDOW_UPDATE", .connection([violation]), .windowUpdate(1, 100)),
        Case(
            "5.1 idle: CONTINUATION", .connection([violation]),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "5.1 half-closed: DATA", .stream([closed], orConnection: [closed, violation]),
            .get(1, "/slow"), .data(1, [1])),
        Case(
            "5.1 half-closed: HEADERS", .stream([closed], orConnection: [closed, violation]),
            .get(1, "/slow"), .get(1)),
        Case(
            "5.1 half-closed: CONTINUATION",
            .stream([closed], orConnection: [closed, violation]), .get(1, "/slow"),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "5.1 closed by reset: DATA", .stream([closed], orConnection: [closed, violation]),
            .post(1), .reset(1), .data(1, [1])),
        Case(
            "5.1 closed by reset: HEADERS", .stream([closed], orConnection: [closed, violation]),
            .get(1, "/slow"), .reset(1), .get(1)),
        Case(
            "5.1 closed by reset: CONTINUATION", .connection([closed, violation]),
            .get(1, "/slow"), .reset(1),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case("5.1.1 even stream", .connection([violation]), .get(2)),
        Case(
            "5.1.1 smaller stream", .connection([violation, closed]), .get(5, "/slow"), .get(3)),
        Case(
            "5.1.2 more streams than allowed",
            .stream([refused, violation], orConnection: [violation, refused]),
            all: (0..<6).map { .get(UInt32($0 * 2 + 1), "/slow") }),
        Case(
            "5.3.1 stream depends on itself", .alive,
            Frame(.priority, stream: 1, [0, 0, 0, 1, 255])),
        Case(
            "5.4.1 GOAWAY comes before the end", .connection([size]),
            Frame(.ping, [0, 1, 2, 3])),
        Case("5.5 unknown frame is discarded", .alive, Frame(type: 0xFF, [1])),
        Case(
            "5.5 unknown frame inside a block", .connection([violation]), .get(1, flags: end),
            Frame(type: 0xFF, [1])),
    ]

    static let frames: [Case] = [
        Case("6.1 DATA on stream 0", .connection([violation]), .data(0, [1])),
        Case(
            "6.1 DATA with too much padding", .connection([violation]), .post(1),
            .data(1, [100, 1, 2], flags: end | Frame.padded)),
        Case(
            "6.2 CONTINUATION missing", .connection([violation]), .get(1, flags: end),
            Frame(.ping, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case(
            "6.2 HEADERS on stream 0", .connection([violation]), .headers(0, Frame.pseudo("GET"))),
        Case(
            "6.2 HEADERS with too much padding", .connection([violation]),
            Frame(
                .headers, flags: end | whole | Frame.padded, stream: 1,
                [255] + Frame.block(Frame.pseudo("GET")))),
        Case(
            "6.3 PRIORITY on stream 0", .connection([violation]),
            Frame(.priority, [0, 0, 0, 0, 255])),
        Case(
            "6.3 PRIORITY of another length", .stream([size], orConnection: [size]),
            Frame(.priority, stream: 1, [0, 0, 0, 255])),
        Case("6.4 RST_STREAM on stream 0", .connection([violation]), .reset(0)),
        Case(
            "6.4 RST_STREAM of another length", .connection([size]), .get(1, "/slow"),
            Frame(.reset, stream: 1, [0, 0, 0])),
        Case(
            "6.5 SETTINGS ack with content", .connection([size]),
            Frame(.settings, flags: Frame.ack, [0])),
        Case(
            "6.5 SETTINGS on a stream", .connection([violation]),
            Frame(.settings, stream: 1, [0, 3, 0, 0, 0, 10])),
        Case(
            "6.5 SETTINGS of another length", .connection([size]), Frame(.settings, [0, 3, 0])),
        Case("6.5.2 ENABLE_PUSH 2", .connection([violation]), .settings([(2, 2)])),
        Case(
            "6.5.2 INITIAL_WINDOW_SIZE too large", .connection([flow]),
            .settings([(4, 0x8000_0000)])),
        Case("6.5.2 MAX_FRAME_SIZE too small", .connection([violation]), .settings([(5, 1)])),
        Case(
            "6.5.2 MAX_FRAME_SIZE too large", .connection([violation]),
            .settings([(5, 1 << 24)])),
        Case("6.5.2 unknown setting", .alive, .settings([(0xFF, 1)])),
        Case("6.5.3 settings in order", .alive, .settings([(4, 100), (4, 1)])),
        Case("6.5.3 settings are acknowledged", .settingsAck, .settings([(3, 1)])),
        Case("6.7 PING is answered", .pong, Frame(.ping, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case(
            "6.7 PING ack is not answered", .alive,
            Frame(.ping, flags: Frame.ack, [9, 9, 9, 9, 9, 9, 9, 9])),
        Case(
            "6.7 PING on a stream", .connection([violation]),
            Frame(.ping, stream: 1, [0, 1, 2, 3, 4, 5, 6, 7])),
        Case("6.7 PING of another length", .connection([size]), Frame(.ping, [0, 1, 2])),
        Case(
            "6.8 GOAWAY on a stream", .connection([violation]),
            Frame(.goAway, stream: 1, [0, 0, 0, 0, 0, 0, 0, 0])),
        Case("6.9 WINDOW_UPDATE of 0", .connection([violation]), .windowUpdate(0, 0)),
        Case(
            "6.9 WINDOW_UPDATE of 0 on a stream",
            .stream([violation], orConnection: [violation]), .get(1, "/slow"),
            .windowUpdate(1, 0)),
        Case(
            "6.9 WINDOW_UPDATE of another length", .connection([size]),
            Frame(.windowUpdate, [0, 0, 1])),
        Case(
            "6.9.1 windows beyond 2^31-1", .connection([flow]), .windowUpdate(0, 0x7FFF_FFFF),
            .windowUpdate(0, 0x7FFF_FFFF)),
        Case(
            "6.9.1 a stream's window beyond 2^31-1", .stream([flow], orConnection: [flow]),
            .get(1, "/slow"), .windowUpdate(1, 0x7FFF_FFFF), .windowUpdate(1, 0x7FFF_FFFF)),
        Case(
            "6.10 CONTINUATION behind END_HEADERS", .connection([violation]), .get(1, "/slow"),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "6.10 CONTINUATION on stream 0", .connection([violation]), .get(1, flags: end),
            Frame(.continuation, flags: whole, stream: 0, Frame.block([("a", "b")]))),
        Case(
            "6.10 CONTINUATION behind DATA", .connection([violation]), .post(1, "/slow"),
            .data(1, [1], flags: 0),
            Frame(.continuation, flags: whole, stream: 1, Frame.block([("a", "b")]))),
        Case(
            "7 unknown error code in GOAWAY", .connection([noError]),
            Frame(.goAway, [0, 0, 0, 0, 0, 0, 0, 0xFF])),
        Case("7 unknown error code in RST_STREAM", .alive, .get(1, "/slow"), .reset(1, 0xFF)),
    ]

    private static let malformed = Verdict.stream(
        [violation], orConnection: [violation], orStatus: "400")

    static let messages: [Case] = [
        Case(
            "8.1 HEADERS behind the end of the stream",
            .stream([closed], orConnection: [closed, violation]), .post(1, "/slow"),
            .data(1, [1]), .headers(1, [("x", "y")])),
        Case(
            "8.1 second HEADERS without END_STREAM", malformed, .post(1, "/slow"),
            .data(1, [1], flags: 0), .headers(1, [("x", "y")], flags: whole)),
        Case("8.2 upper case in a name", malformed, request(with(("X-TEST", "ok")))),
        Case("8.2.1 space in a name", malformed, request(with(("x test", "ok")))),
        Case("8.2.1 colon in a name", malformed, request(with(("x:test", "ok")))),
        Case("8.2.1 CR in a value", malformed, request(with(("x", "a\rb")))),
        Case("8.2.1 LF in a value", malformed, request(with(("x", "a\nb")))),
        Case("8.2.1 CRLF in a value", malformed, request(with(("x", "a\r\nx: y")))),
        Case("8.2.1 NUL in a value", malformed, request(with(("x", "a\0b")))),
        Case("8.2.1 space before a value", malformed, request(with(("x", " a")))),
        Case("8.2.1 tab behind a value", malformed, request(with(("x", "a\t")))),
        Case("8.2.1 empty name", malformed, request(with(("", "a")))),
        Case("8.2.2 connection", malformed, request(with(("connection", "keep-alive")))),
        Case("8.2.2 keep-alive", malformed, request(with(("keep-alive", "5")))),
        Case("8.2.2 proxy-connection", malformed, request(with(("proxy-connection", "x")))),
        Case("8.2.2 transfer-encoding", malformed, request(with(("transfer-encoding", "chunked")))),
        Case("8.2.2 upgrade", malformed, request(with(("upgrade", "h2c")))),
        Case("8.2.2 te: gzip", malformed, request(with(("te", "trailers, deflate")))),
        Case("8.2.2 te: trailers", .answered(1), request(with(("te", "trailers")))),
        Case("8.3 unknown pseudo-header field", malformed, request(with((":test", "ok")))),
        Case("8.3 pseudo-header field of a response", malformed, request(with((":status", "200")))),
        Case(
            "8.3 pseudo-header field in trailers", malformed, .post(1, "/slow"),
            .data(1, [1], flags: 0), .headers(1, [(":method", "200")])),
        Case(
            "8.3 pseudo-header field behind another field", malformed,
            request([(":method", "GET"), (":scheme", "http"), ("x", "y"), (":path", "/")])),
        Case(
            "8.3.1 empty :path", malformed,
            request([(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "")])),
        Case(
            "8.3.1 no :method", malformed,
            request([(":scheme", "http"), (":authority", "a"), (":path", "/")])),
        Case(
            "8.3.1 no :scheme", malformed,
            request([(":method", "GET"), (":authority", "a"), (":path", "/")])),
        Case(
            "8.3.1 no :path", malformed,
            request([(":method", "GET"), (":scheme", "http"), (":authority", "a")])),
        Case("8.3.1 :method twice", malformed, request(with((":method", "GET")))),
        Case("8.3.1 :scheme twice", malformed, request(with((":scheme", "http")))),
        Case("8.3.1 :path twice", malformed, request(with((":path", "/")))),
        Case("8.3.1 :authority twice", malformed, request(with((":authority", "a.test")))),
        Case(
            "8.3.1 space in :path", malformed, request(Frame.pseudo("GET", "/a b HTTP/1.1"))),
        Case(
            "8.3.1 line end in :path", malformed,
            request(Frame.pseudo("GET", "/ HTTP/1.1\r\nx: y"))),
        Case("8.3.1 line end in :method", malformed, request(Frame.pseudo("GET / HTTP/1.1\r\nx:"))),
        Case(
            "8.3.1 line end in :authority", malformed,
            request([
                (":method", "GET"), (":scheme", "http"), (":path", "/"),
                (":authority", "a\r\nx: y"),
            ])),
        Case(
            "8.3.1 :scheme that is a URL", malformed,
            request([
                (":method", "GET"), (":scheme", "http://b/ HTTP/1.1"), (":path", "/"),
                (":authority", "a"),
            ])),
        Case(
            "8.3.1 :authority and Host differ", malformed, request(with(("host", "b.test")))),
        Case(
            "8.3.1 :authority and Host agree", .answered(1), request(with(("host", "A.test")))),
        Case(
            "8.3.1 two Hosts", malformed,
            request([
                (":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.test"),
                ("host", "b.test"),
            ])),
        Case(
            "8.3.1 Host alone", .answered(1),
            request([
                (":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a.test"),
            ])),
        Case(
            "8.3.1 user in :authority", malformed,
            request([
                (":method", "GET"), (":scheme", "http"), (":path", "/"),
                (":authority", "me@a.test"),
            ])),
        Case(
            "8.1.1 content-length above DATA", malformed,
            .post(1, "/slow", [("content-length", "5")]), .data(1, [1, 2])),
        Case(
            "8.1.1 content-length below DATA", malformed,
            .post(1, "/slow", [("content-length", "1")]), .data(1, [1, 2])),
        Case(
            "8.1.1 content-length below DATA of two frames", malformed,
            .post(1, "/slow", [("content-length", "1")]), .data(1, [1, 2], flags: 0),
            .data(1, [3])),
        Case(
            "8.1.1 content-length without content", malformed,
            request(Frame.pseudo("POST") + [("content-length", "5")])),
        Case(
            "8.1.1 content-length twice", malformed,
            .post(1, "/slow", [("content-length", "1"), ("content-length", "2")]),
            .data(1, [1])),
        Case(
            "8.1.1 content-length that is no number", malformed,
            .post(1, "/slow", [("content-length", "+1")]), .data(1, [1])),
        Case(
            "8.4 PUSH_PROMISE from a client", .connection([violation]),
            Frame(.push, flags: whole, stream: 1, [0, 0, 0, 2])),
        Case(
            "8.5 CONNECT without a protocol", .stream([violation], orStatus: "405"),
            request([(":method", "CONNECT"), (":authority", "a.test:443")])),
        Case(
            "8.5 CONNECT with :path", malformed,
            request([(":method", "CONNECT"), (":authority", "a.test:443"), (":path", "/")])),
        Case(
            "RFC 8441 unknown protocol", .stream([violation], orStatus: "501"),
            .headers(1, Frame.pseudo("CONNECT") + [(":protocol", "other")], flags: whole)),
        Case(
            "RFC 8441 :protocol with GET", malformed, request(with((":protocol", "websocket")))),
    ]

    static let hpack: [Case] = [
        Case(
            "hpack/2.3.3 index outside the tables", .connection([compression]),
            Frame(.headers, flags: end | whole, stream: 1, [0x82, 0x86, 0x84, 0xC6])),
        Case(
            "hpack/2.3.3 name index outside the tables", .connection([compression]),
            Frame(.headers, flags: end | whole, stream: 1, [0x82, 0x86, 0x84, 0x7E, 0x01, 0x61])),
        Case(
            "hpack/4.2 size update behind a field", .connection([compression]),
            Frame(.headers, flags: end | whole, stream: 1, [0x82, 0x86, 0x84, 0x20])),
        Case(
            "hpack/5.2 Huffman padding of more than 7 bits", .connection([compression]),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84, 0x00, 0x01, 0x61, 0x82, 0x1F, 0xFF])),
        Case(
            "hpack/5.2 Huffman padding with zeros", .connection([compression]),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84, 0x00, 0x01, 0x61, 0x81, 0x18])),
        Case(
            "hpack/5.2 Huffman with EOS", .connection([compression]),
            Frame(
                .headers, flags: end | whole, stream: 1,
                [0x82, 0x86, 0x84, 0x00, 0x01, 0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFC])),
        Case(
            "hpack/6.1 index 0", .connection([compression]),
            Frame(.headers, flags: end | whole, stream: 1, [0x82, 0x86, 0x84, 0x80])),
        Case(
            "hpack/6.3 table size above the limit", .connection([compression]),
            Frame(
                .headers, flags: end | whole, stream: 1, [0x3F, 0xFF, 0xFF, 0x7F, 0x82, 0x86, 0x84])
        ),
    ]

    private static let sections = [
        "generic": generic, "connection": connection, "frames": frames, "messages": messages,
        "hpack": hpack,
    ]

    @Test("Every rule", arguments: ["generic", "connection", "frames", "messages", "hpack"])
    func rules(_ section: String) throws {
        let cases = try #require(Self.sections[section])
        // Requests for /slow are under way for as long as a case lasts.
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            while true {
                let request = try peer.readRequest()
                if request.target == "/slow" {
                    _ = try? peer.readToEnd()
                    return
                }
                try peer.send(
                    request.method == "HEAD"
                        ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : ok("hi"))
            }
        }
        var plan = ProxyPlan(listener: "limits: { h2_streams: 5 }")
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        for play in cases { try check(play, proxy) }
        // Whatever was said: others are served as before.
        #expect(try proxy.ask(get()).text == "hi")
    }

    private func check(_ play: Case, _ proxy: ProxyProcess) throws {
        let client = try FrameClient(port: proxy.port, timeout: 5, greets: play.greets)
        try? client.peer.send(play.raw)
        if play.name.hasPrefix("5.1.2") {
            // The limit holds once it is known.
            _ = client.wait { $0.type == Frame.Kind.settings.rawValue && $0.flags == Frame.ack }
        }
        // The other side may end it in the middle.
        try? client.send(play.frames)
        switch play.verdict {
        case .alive:
            #expect(client.isAlive(), "\(play.name): \(client.received)")
        case .pong:
            let pong = client.wait { $0.type == Frame.Kind.ping.rawValue && $0.flags & 1 == 1 }
            #expect(pong?.payload == [0, 1, 2, 3, 4, 5, 6, 7], "\(play.name)")
        case .settingsAck:
            let ack = client.wait { $0.type == Frame.Kind.settings.rawValue && $0.flags & 1 == 1 }
            #expect(ack != nil, "\(play.name)")
        case .refusedAsHTTP1:
            let answer = try client.peer.readTextToEnd()
            #expect(
                answer.hasPrefix("HTTP/1.1 4") || answer.hasPrefix("HTTP/1.1 5"),
                "\(play.name): \(answer)")
        case .answered(let stream):
            var outcome = client.outcome()
            while case .answered(let other, _) = outcome, other != stream {
                outcome = client.outcome()
            }
            #expect(outcome == .answered(stream, status: "200"), "\(play.name)")
        case .connection(let codes):
            var outcome = client.outcome()
            while case .answered = outcome { outcome = client.outcome() }
            if case .ended(let code) = outcome {
                #expect(code.map(codes.contains) ?? true, "\(play.name): \(outcome)")
            } else {
                Issue.record("\(play.name): \(outcome), \(client.received)")
            }
        case .stream(let codes, let others, let status):
            switch client.outcome() {
            case .reset(_, let code):
                #expect(codes.contains(code), "\(play.name): code \(code)")
            case .ended(let code):
                #expect(
                    !others.isEmpty && (code.map(others.contains) ?? true),
                    "\(play.name): connection ended, code \(code ?? .max), \(client.received)")
            case .answered(_, let answer):
                #expect(answer == status, "\(play.name): answered \(answer)")
            case .nothing:
                Issue.record("\(play.name): nothing")
            }
        }
        client.peer.close()
    }
}
