/// The pseudo-header fields of a GET, with `fields` behind them.
private func get(_ fields: (String, String)...) -> [(String, String)] {
    [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.test")] + fields
}

private func post(_ fields: (String, String)...) -> [(String, String)] {
    [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", "a.test")] + fields
}

/// The head of that GET, with `lines` behind its first two.
private func gotten(_ lines: String = "") -> Verdict {
    .passed("GET / HTTP/1.1\r\nhost: a.test\r\n\(lines)\r\n")
}

private func posted(_ lines: String, _ content: String, _ trailers: String? = nil) -> Verdict {
    .passed(
        "POST / HTTP/1.1\r\nhost: a.test\r\n\(lines)\r\n", content: content, trailers: trailers)
}

let requestVectors: [Vector] = names + values + connectionFields + pseudos + authorities + lengths

private let names: [Vector] = [
    Vector("8.2", "plain", get(("x-a", "1"), ("x-b", "2")), gotten("x-a: 1\r\nx-b: 2\r\n")),
    Vector("8.2", "the same name twice", get(("x", "1"), ("x", "2")), gotten("x: 1\r\nx: 2\r\n")),
    Vector(
        "8.2", "every sign of a token", get(("!#$%&'*+-.^_`|~09az", "1")),
        gotten("!#$%&'*+-.^_`|~09az: 1\r\n")),
    Vector("8.2", "upper case", get(("X-a", "1")), .closed(1)),
    Vector("8.2", "upper case at the end", get(("x-A", "1")), .closed(1)),
    Vector("8.2.1", "empty", get(("", "1")), .closed(1)),
    Vector("8.2.1", "space", get(("x a", "1")), .closed(1)),
    Vector("8.2.1", "colon", get(("x:a", "1")), .closed(1)),
    Vector("8.2.1", "colon at the end", get(("x:", "1")), .closed(1)),
    Vector("8.2.1", "CR", get(("x\ra", "1")), .closed(1)),
    Vector("8.2.1", "LF", get(("x\na", "1")), .closed(1)),
    Vector("8.2.1", "NUL", get(("x\0a", "1")), .closed(1)),
    Vector("8.2.1", "DEL", get(("x\u{7F}", "1")), .closed(1)),
    Vector("8.2.1", "beyond ASCII", get(("x\u{E9}", "1")), .closed(1)),
    Vector("8.2.1", "parenthesis", get(("x(", "1")), .closed(1)),
]

private let values: [Vector] = [
    Vector("8.2.1", "empty", get(("x", "")), gotten("x: \r\n")),
    Vector("8.2.1", "spaces and tabs inside", get(("x", "a \t b")), gotten("x: a \t b\r\n")),
    Vector("8.2.1", "beyond ASCII", get(("x", "\u{E9}\u{FF}")), gotten("x: \u{E9}\u{FF}\r\n")),
    Vector("8.2.1", "CR", get(("x", "a\rb")), .closed(1)),
    Vector("8.2.1", "LF", get(("x", "a\nb")), .closed(1)),
    Vector("8.2.1", "a line of its own", get(("x", "a\r\ny: b")), .closed(1)),
    Vector("8.2.1", "NUL", get(("x", "a\0b")), .closed(1)),
    Vector("8.2.1", "another control", get(("x", "a\u{1}b")), .closed(1)),
    Vector("8.2.1", "DEL", get(("x", "a\u{7F}")), .closed(1)),
    Vector("8.2.1", "space in front", get(("x", " a")), .refused("h2-field-value")),
    Vector("8.2.1", "tab in front", get(("x", "\ta")), .refused("h2-field-value")),
    Vector("8.2.1", "space behind", get(("x", "a ")), .refused("h2-field-value")),
    Vector("8.2.1", "tab behind", get(("x", "a\t")), .refused("h2-field-value")),
    Vector("8.2.1", "a space alone", get(("x", " ")), .refused("h2-field-value")),
    Vector(
        "8.2.3", "cookie crumbs", get(("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")),
        gotten("x: y\r\ncookie: a=1; b=2; c=3\r\n")),
    Vector("8.2.3", "one cookie", get(("cookie", "a=1")), gotten("cookie: a=1\r\n")),
    Vector("8.2.3", "a broken crumb", get(("cookie", "a=1"), ("cookie", "b\r\n")), .closed(1)),
    Vector(
        "10.5.1", "32 KiB and more", get(("x", String(repeating: "x", count: 32_700))), .tooLarge),
    Vector(
        "10.5.1", "many small ones",
        [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a.test")]
            + (0..<1000).map { ("x\($0)", "") }, .tooLarge),
]

private let connectionFields: [Vector] = [
    Vector("8.2.2", "connection", get(("connection", "close")), .closed(1)),
    Vector("8.2.2", "connection, empty", get(("connection", "")), .closed(1)),
    Vector("8.2.2", "keep-alive", get(("keep-alive", "timeout=5")), .closed(1)),
    Vector("8.2.2", "proxy-connection", get(("proxy-connection", "close")), .closed(1)),
    Vector("8.2.2", "transfer-encoding", post(("transfer-encoding", "chunked")), .closed(1)),
    Vector("8.2.2", "transfer-encoding, empty", post(("transfer-encoding", "")), .closed(1)),
    Vector("8.2.2", "upgrade", get(("upgrade", "h2c")), .closed(1)),
    Vector("8.2.2", "te: trailers", get(("te", "trailers")), gotten("te: trailers\r\n")),
    Vector("8.2.2", "te: gzip", get(("te", "gzip")), .closed(1)),
    Vector("8.2.2", "te: trailers and more", get(("te", "trailers, gzip")), .closed(1)),
    Vector("8.2.2", "te, empty", get(("te", "")), .closed(1)),
]

private let pseudos: [Vector] = [
    Vector("8.3", "behind a field", [(":method", "GET"), ("x", "y"), (":path", "/")], .closed(1)),
    Vector(
        "8.3", "behind Host",
        [(":method", "GET"), (":scheme", "https"), ("host", "a.test"), (":path", "/")], .closed(1)),
    Vector(
        "8.3", "behind a cookie",
        [(":method", "GET"), (":scheme", "https"), ("cookie", "a"), (":path", "/")], .closed(1)),
    Vector("8.3", "unknown", get() + [(":fragment", "x")], .closed(1)),
    Vector("8.3", "of a response", get() + [(":status", "200")], .closed(1)),
    Vector("8.3", "upper case", [(":Method", "GET")] + get().dropFirst(), .closed(1)),
    Vector("8.3", "no name", get() + [(":", "x")], .closed(1)),
    Vector("8.3.1", "no :method", Array(get().dropFirst()), .closed(1)),
    Vector("8.3.1", "no :scheme", get().filter { $0.0 != ":scheme" }, .closed(1)),
    Vector("8.3.1", "no :path", get().filter { $0.0 != ":path" }, .closed(1)),
    Vector("8.3.1", "nothing but fields", [("x", "y")], .closed(1)),
    Vector("8.3.1", ":method twice", get() + [(":method", "GET")], .closed(1)),
    Vector("8.3.1", ":scheme twice", get() + [(":scheme", "https")], .closed(1)),
    Vector("8.3.1", ":path twice", get() + [(":path", "/")], .closed(1)),
    Vector("8.3.1", ":authority twice", get() + [(":authority", "a.test")], .closed(1)),
    Vector("8.3.1", "empty :path", replacing(":path", ""), .closed(1)),
    Vector("8.3.1", "empty :method", replacing(":method", ""), .closed(1)),
    Vector("8.3.1", "space in :path", replacing(":path", "/a b"), .closed(1)),
    Vector(
        "8.3.1", "a start line in :path", replacing(":path", "/ HTTP/1.1\r\nx: y"), .closed(1)),
    Vector("8.3.1", "tab in :path", replacing(":path", "/a\tb"), .closed(1)),
    Vector("8.3.1", "a :path without a slash", replacing(":path", "a"), .closed(1)),
    Vector("8.3.1", "an asterisk for GET", replacing(":path", "*"), .closed(1)),
    Vector(
        "8.3.1", "an asterisk for OPTIONS",
        [(":method", "OPTIONS"), (":scheme", "https"), (":path", "*"), (":authority", "a.test")],
        .passed("OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n")),
    Vector("8.3.1", "space in :method", replacing(":method", "GET /x"), .closed(1)),
    Vector(
        "8.3.1", "a query",
        replacing(":path", "/a?b=c&d"),
        .passed("GET /a?b=c&d HTTP/1.1\r\nhost: a.test\r\n\r\n")),
    Vector("8.3.1", ":scheme http", replacing(":scheme", "http"), gotten()),
    Vector("8.3.1", ":scheme of any case", replacing(":scheme", "HttpS"), gotten()),
    Vector("8.3.1", ":scheme that is another", replacing(":scheme", "ftp"), .refused("h2-scheme")),
    Vector(
        "8.3.1", ":scheme with a line end", replacing(":scheme", "http\r\n"), .closed(1)),
    Vector(
        "8.5", "CONNECT", [(":method", "CONNECT"), (":authority", "a.test:443")],
        .passed("CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\n\r\n")),
    Vector("8.5", "CONNECT with :path", replacing(":method", "CONNECT"), .closed(1)),
    Vector("8.5", "CONNECT without :authority", [(":method", "CONNECT")], .closed(1)),
    Vector(
        "RFC 8441", "a WebSocket",
        replacing(":method", "CONNECT")
            + [(":protocol", "websocket"), ("sec-websocket-key", "theirs")],
        .passed(
            "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                + "sec-websocket-key: AAAAAAAAAAEAAAAAAAAAAg==\r\n\r\n")),
    Vector("RFC 8441", ":protocol with GET", get() + [(":protocol", "websocket")], .closed(1)),
]

/// A GET with another value of one field.
private func replacing(_ name: String, _ value: String) -> [(String, String)] {
    get().map { $0.0 == name ? (name, value) : $0 }
}

private func without(_ name: String) -> [(String, String)] { get().filter { $0.0 != name } }

private let authorities: [Vector] = [
    Vector("8.3.1", "Host alone", without(":authority") + [("host", "a.test")], gotten()),
    Vector("8.3.1", "Host that agrees", get(("host", "a.test")), gotten()),
    Vector("8.3.1", "Host that agrees but for case", get(("host", "A.Test")), gotten()),
    Vector(
        "8.3.1", "Host that differs", get(("host", "b.test")),
        .refused("h2-authority-host-mismatch")),
    Vector(
        "8.3.1", "Host with a port more", get(("host", "a.test:443")),
        .refused("h2-authority-host-mismatch")),
    Vector("8.3.1", "Host, empty", get(("host", "")), .closed(1)),
    Vector(
        "8.3.1", "Host twice", without(":authority") + [("host", "a.test"), ("host", "a.test")],
        .closed(1)),
    Vector("8.3.1", "neither", without(":authority"), .closed(1)),
    Vector("8.3.1", "line end in :authority", replacing(":authority", "a\r\nx: y"), .closed(1)),
    Vector("8.3.1", "space in :authority", replacing(":authority", "a b"), .closed(1)),
    Vector("8.3.1", "empty :authority", replacing(":authority", ""), .closed(1)),
]

private let lengths: [Vector] = [
    Vector(
        "8.1", "content without a length", post(), content: ["ab", "", "c"],
        posted("transfer-encoding: chunked\r\n", "abc")),
    Vector(
        "8.1.1", "content of its length", post(("content-length", "3")), content: ["ab", "c"],
        posted("content-length: 3\r\n", "abc")),
    Vector(
        "8.1.1", "no content, a length of 0", post(("content-length", "0")),
        posted("content-length: 0\r\n", "")),
    Vector("8.1.1", "no content, no length", post(), posted("", "")),
    Vector(
        "8.1.1", "less than its length", post(("content-length", "3")), content: ["ab"],
        .closed(1)),
    Vector(
        "8.1.1", "more than its length", post(("content-length", "3")), content: ["abcd"],
        .closed(1)),
    Vector(
        "8.1.1", "more in the second frame", post(("content-length", "3")), content: ["abc", "d"],
        .closed(1)),
    Vector("8.1.1", "none of its length", post(("content-length", "3")), .closed(1)),
    Vector(
        "8.1.1", "two lengths that agree",
        post(("content-length", "1"), ("content-length", "1")), content: ["a"], .closed(1)),
    Vector(
        "8.1.1", "two lengths that differ",
        post(("content-length", "1"), ("content-length", "2")), content: ["a"], .closed(1)),
    Vector("8.1.1", "a sign", post(("content-length", "+1")), content: ["a"], .closed(1)),
    Vector("8.1.1", "a list", post(("content-length", "1, 1")), content: ["a"], .closed(1)),
    Vector("8.1.1", "no number", post(("content-length", "")), content: ["a"], .closed(1)),
    Vector(
        "8.1.1", "beyond 64 bits", post(("content-length", "18446744073709551617")),
        content: ["a"], .closed(1)),
    Vector(
        "8.1", "trailers", post(), content: ["ab"], trailers: [("x-sum", "3"), ("x-b", "")],
        posted("transfer-encoding: chunked\r\n", "ab", "x-sum: 3\r\nx-b: \r\n")),
    Vector(
        "8.1", "trailers without content", post(), trailers: [("x-sum", "3")],
        posted("transfer-encoding: chunked\r\n", "", "x-sum: 3\r\n")),
    Vector(
        "8.1", "a length among trailers", post(), content: ["ab"],
        trailers: [("content-length", "9"), ("x", "y")], .closed(1)),
    Vector(
        "8.1", "pseudo-header field in trailers", post(), content: ["ab"],
        trailers: [(":path", "/x")], .closed(1)),
    Vector(
        "8.1", "connection field in trailers", post(), content: ["ab"],
        trailers: [("transfer-encoding", "chunked")], .closed(1)),
    Vector(
        "8.1", "line end in trailers", post(), content: ["ab"], trailers: [("x", "a\r\nb: c")],
        .closed(1)),
    Vector(
        "8.1", "space before a trailer", post(), content: ["ab"], trailers: [("x", " a")],
        .refused("h2-field-value")),
    Vector(
        "8.1", "upper case in trailers", post(), content: ["ab"], trailers: [("X", "a")],
        .closed(1)),
]
