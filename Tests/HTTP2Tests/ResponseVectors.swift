private func ok(_ fields: (String, String)...) -> [(String, String)] {
    [(":status", "200")] + fields
}

private func answered(
    _ lines: String, _ content: String = "", _ trailers: String? = nil
) -> Verdict {
    .passed("HTTP/1.1 200 \r\n\(lines)\r\n", content: content, trailers: trailers)
}

let responseVectors: [Vector] = statuses + fields + contents

private let statuses: [Vector] = [
    Vector(
        "8.3.2", "200", ok(("x", "y")), content: ["a"],
        answered("x: y\r\ntransfer-encoding: chunked\r\n", "a")),
    Vector(
        "8.3.2", "599", [(":status", "599")],
        .passed("HTTP/1.1 599 \r\ncontent-length: 0\r\n\r\n")),
    Vector("8.3.2", "missing", [("x", "y")], .closed(1)),
    Vector("8.3.2", "empty", [(":status", "")], .closed(1)),
    Vector("8.3.2", "two digits", [(":status", "20")], .closed(1)),
    Vector("8.3.2", "four digits", [(":status", "2000")], .closed(1)),
    Vector("8.3.2", "letters", [(":status", "2xx")], .closed(1)),
    Vector("8.3.2", "a sign", [(":status", "+20")], .closed(1)),
    Vector("8.3.2", "below 100", [(":status", "099")], .refused("h2-status")),
    Vector("8.3.2", "twice", [(":status", "200"), (":status", "200")], .closed(1)),
    Vector("8.3.2", "behind a field", [("x", "y"), (":status", "200")], .closed(1)),
    Vector("8.3.2", "of a request", ok((":path", "/")), .closed(1)),
    Vector("8.6", "101", [(":status", "101")], content: ["a"], .closed(1)),
]

private let fields: [Vector] = [
    Vector("8.2", "upper case", ok(("X", "y")), .closed(1)),
    Vector("8.2.1", "space in a name", ok(("x y", "z")), .closed(1)),
    Vector("8.2.1", "line end in a value", ok(("x", "a\r\nset-cookie: b")), .closed(1)),
    Vector("8.2.1", "LF in a value", ok(("x", "a\nb")), .closed(1)),
    Vector("8.2.1", "NUL in a value", ok(("x", "a\0")), .closed(1)),
    Vector("8.2.1", "space before a value", ok(("x", " a")), .refused("h2-field-value")),
    Vector("8.2.1", "space behind a value", ok(("x", "a ")), .refused("h2-field-value")),
    Vector("8.2.2", "connection", ok(("connection", "close")), .closed(1)),
    Vector("8.2.2", "keep-alive", ok(("keep-alive", "x")), .closed(1)),
    Vector("8.2.2", "proxy-connection", ok(("proxy-connection", "x")), .closed(1)),
    Vector("8.2.2", "transfer-encoding", ok(("transfer-encoding", "chunked")), .closed(1)),
    Vector("8.2.2", "upgrade", ok(("upgrade", "h2c")), .closed(1)),
    Vector(
        "8.2", "the same name twice", ok(("set-cookie", "a"), ("set-cookie", "b")),
        answered("set-cookie: a\r\nset-cookie: b\r\ncontent-length: 0\r\n")),
    Vector(
        "10.5.1", "32 KiB and more", ok(("x", String(repeating: "x", count: 32_700))), .tooLarge),
]

private let contents: [Vector] = [
    Vector("8.1", "nothing", ok(), answered("content-length: 0\r\n")),
    Vector(
        "8.1.1", "of its length", ok(("content-length", "3")), content: ["ab", "c"],
        answered("content-length: 3\r\n", "abc")),
    Vector(
        "8.1.1", "less than its length", ok(("content-length", "3")), content: ["a"], .closed(1)),
    Vector(
        "8.1.1", "more than its length", ok(("content-length", "1")), content: ["ab"], .closed(1)),
    Vector("8.1.1", "none of its length", ok(("content-length", "3")), .closed(1)),
    Vector(
        "8.1.1", "two lengths", ok(("content-length", "1"), ("content-length", "1")),
        content: ["a"], .closed(1)),
    Vector(
        "8.1.1", "a length that is none", ok(("content-length", "1a")), content: ["a"], .closed(1)),
    Vector(
        "8.1.1", "HEAD: a length and no content", ok(("content-length", "3")), asking: "HEAD",
        answered("content-length: 3\r\n")),
    Vector("8.1.1", "HEAD: no length", ok(), asking: "HEAD", answered("")),
    Vector("8.1.1", "HEAD: content", ok(), content: ["a"], asking: "HEAD", .closed(1)),
    Vector(
        "8.1.1", "304 with a length", [(":status", "304"), ("content-length", "3")],
        .passed("HTTP/1.1 304 \r\ncontent-length: 3\r\n\r\n")),
    Vector("8.1.1", "204", [(":status", "204")], .passed("HTTP/1.1 204 \r\n\r\n")),
    Vector("8.1.1", "204 with content", [(":status", "204")], content: ["a"], .closed(1)),
    Vector(
        "8.1", "trailers", ok(), content: ["ab"], trailers: [("x-sum", "3")],
        answered("transfer-encoding: chunked\r\n", "ab", "x-sum: 3\r\n")),
    Vector(
        "8.1", "trailers without content", ok(), trailers: [("x-sum", "3")],
        answered("transfer-encoding: chunked\r\n", "", "x-sum: 3\r\n")),
    Vector(
        "8.1", "pseudo-header field in trailers", ok(), content: ["a"],
        trailers: [(":status", "200")], .closed(1)),
    Vector(
        "8.1", "pseudo-header field behind a trailer", ok(), content: ["a"],
        trailers: [("x", "y"), (":status", "200")], .closed(1)),
    Vector(
        "8.1", "connection field in trailers", ok(), content: ["a"],
        trailers: [("connection", "close")], .closed(1)),
    Vector(
        "8.1", "line end in trailers", ok(), content: ["a"], trailers: [("x", "a\nb")], .closed(1)),
]
