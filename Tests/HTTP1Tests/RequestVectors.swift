import HTTP1

extension Vector {
    private static let host = "Host: a\r\n"

    /// `GET / HTTP/1.1` with Host and `fields`.
    private static func get(_ fields: String) -> String {
        "GET / HTTP/1.1\r\n" + host + fields + "\r\n"
    }

    private static func post(_ fields: String) -> String {
        "POST / HTTP/1.1\r\n" + host + fields + "\r\n"
    }

    static let requests = requestLines + fieldLines + framing + connection + meaning

    static let requestLines: [Vector] = [
        .init(
            "RFC 9112 §3.2.1", "origin form", "GET /a?b?c HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
            .accepted(
                "get origin 1.1 target=/a?b?c path=/a pathAndQuery=/a?b?c host=example.com "
                    + "authority=example.com:80 port=80 none persists fields=1 fieldsStart=21")),
        .init(
            "RFC 9112 §2.3", "version 1.0 without Host", "GET / HTTP/1.0\r\n\r\n",
            .accepted("get 1.0 host= !persists none fields=0")),
        .init(
            "RFC 9112 §2.2", "one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("get head=29 name=GET host=a")),
        .init(
            "RFC 9112 §2.2", "two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\n",
            .refused(.repeatedEmptyLine)),
        .init("RFC 9112 §2.2", "bare LF before", "\nGET / HTTP/1.1\r\n", .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §2.2", "bare CR before", "\rGET / HTTP/1.1\r\n",
            .refused(.bareCarriageReturn)),
        .init(
            "RFC 9110 §9.1", "a method of its own", "M-SEARCH! /* HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("other name=M-SEARCH! path=/*")),
        .init(
            "RFC 9110 §9.1", "method in lower case", "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("other name=get")),
        .init(
            "RFC 9110 §9.3.1", "HEAD", "HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("head path=/x")),
        .init(
            "RFC 9110 §9.3.8", "TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("trace")),
        .init(
            "RFC 9110 §9.3.6", "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            .refused(.connectMethod)),
        .init("RFC 9110 §9.1", "no method", " / HTTP/1.1\r\n", .refused(.invalidMethod)),
        .init(
            "RFC 9110 §9.1", "method with a colon", "GET: / HTTP/1.1\r\n",
            .refused(.invalidMethod)),
        .init(
            "RFC 9110 §9.1", "tab behind the method", "GET\t/ HTTP/1.1\r\n",
            .refused(.invalidMethod)),
        .init("RFC 9110 §9.1", "method only", "GET\r\n\r\n", .refused(.invalidMethod)),
        .init(
            "RFC 9112 §3", "a TLS handshake", "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}",
            .refused(.tlsHandshake)),
        .init(
            "RFC 9113 §3.4", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            .refused(.unsupportedVersion)),
        .init("RFC 9112 §3", "two spaces", "GET  / HTTP/1.1\r\n", .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3", "two spaces before the version", "GET /  HTTP/1.1\r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §3", "a tab in the target", "GET /a\tb HTTP/1.1\r\n",
            .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3", "a byte above 0x7E in the target", "GET /\u{e9} HTTP/1.1\r\n",
            .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3", "NUL in the target", "GET /\u{0} HTTP/1.1\r\n",
            .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3", "DEL in the target", "GET /aaaaaaaaaa\u{7f} HTTP/1.1\r\n",
            .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3.2", "a fragment", "GET /a#b HTTP/1.1\r\n",
            .refused(.fragmentInTarget)),
        .init(
            "RFC 9112 §3.2", "a fragment behind a query", "GET /a?b#c HTTP/1.1\r\n",
            .refused(.fragmentInTarget)),
        .init("RFC 9112 §3.2", "no form", "GET a HTTP/1.1\r\n", .refused(.invalidTarget)),
        .init("RFC 9112 §3.2", "a query alone", "GET ?a HTTP/1.1\r\n", .refused(.invalidTarget)),
        .init(
            "RFC 9112 §3.2.3", "authority form", "GET a:80 HTTP/1.1\r\n",
            .refused(.unsupportedScheme)),
        .init(
            "RFC 9112 §3.2.1", "two slashes are a path",
            "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n", .accepted("origin path=//b/c host=a")),
        .init(
            "RFC 9112 §3.2.2", "absolute form wins over Host",
            "GET http://b:81/c?d HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("absolute authority=b:81 host=b port=81 path=/c pathAndQuery=/c?d Host=a")),
        .init(
            "RFC 9110 §4.2.2", "https, in any case",
            "GET HTTPS://B/c HTTP/1.1\r\nHost: a\r\n\r\n", .accepted("absolute host=B path=/c")),
        .init(
            "RFC 9112 §3.2.2", "absolute form without a path",
            "GET http://b HTTP/1.1\r\nHost: b\r\n\r\n",
            .accepted("absolute host=b path= pathAndQuery= !serverWide")),
        .init(
            "RFC 9112 §3.2.2", "absolute form with a query only",
            "GET http://b?c/d HTTP/1.1\r\nHost: b\r\n\r\n",
            .accepted("absolute host=b path= pathAndQuery=?c/d")),
        .init(
            "RFC 9112 §3.2.2", "absolute form still needs Host",
            "GET http://b/ HTTP/1.1\r\n\r\n", .refused(.hostMissing)),
        .init(
            "RFC 9112 §3.2.2", "absolute form still needs a valid Host",
            "GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", .refused(.hostInvalid)),
        .init(
            "RFC 9112 §3.2.2", "absolute form in HTTP/1.0",
            "GET http://b/ HTTP/1.0\r\n\r\n", .accepted("1.0 host=b")),
        .init(
            "RFC 9110 §4.2.1", "absolute form without a host",
            "GET http:///c HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.invalidTargetAuthority)),
        .init(
            "RFC 9110 §4.2.4", "user information",
            "GET http://u@b/c HTTP/1.1\r\nHost: a\r\n\r\n", .refused(.invalidTargetAuthority)),
        .init(
            "RFC 9112 §3.2.2", "another scheme", "GET ftp://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
            .refused(.unsupportedScheme)),
        .init(
            "RFC 9112 §3.2.4", "asterisk with OPTIONS",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            .accepted("options asterisk path=* serverWide host=a")),
        .init(
            "RFC 9112 §3.2.4", "OPTIONS in absolute form without a path",
            "OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", .accepted("options serverWide")),
        .init(
            "RFC 9112 §3.2.4", "asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            .refused(.asteriskWithoutOptions)),
        .init(
            "RFC 9112 §3.2.4", "asterisk and more", "OPTIONS ** HTTP/1.1\r\n",
            .refused(.invalidTarget)),
        .init("RFC 9112 §3", "HTTP/0.9", "GET /\r\n", .refused(.invalidTarget)),
        .init("RFC 9112 §2.3", "version 1.2", "GET / HTTP/1.2\r\n", .refused(.unsupportedVersion)),
        .init("RFC 9112 §2.3", "version 2.0", "GET / HTTP/2.0\r\n", .refused(.unsupportedVersion)),
        .init("RFC 9112 §2.3", "version 0.9", "GET / HTTP/0.9\r\n", .refused(.unsupportedVersion)),
        .init(
            "RFC 9112 §2.3", "version in lower case", "GET / http/1.1\r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.3", "version without a dot", "GET / HTTP/11 \r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.3", "a longer version", "GET / HTTP/1.10\r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.3", "a space behind the version", "GET / HTTP/1.1 \r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.3", "a sign in the version", "GET / HTTP/+1.1\r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.2", "bare LF behind the version", "GET / HTTP/1.1\nHost: a\r\n",
            .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §2.2", "bare CR behind the version", "GET / HTTP/1.1\rHost: a\r\n",
            .refused(.bareCarriageReturn)),
        .init("RFC 9112 §3", "cut in the method", "GE", .incomplete),
        .init("RFC 9112 §3", "cut in the target", "GET /a", .incomplete),
        .init("RFC 9112 §3", "cut in the version", "GET /a HTTP/", .incomplete),
        .init("RFC 9112 §3", "nothing", "", .incomplete),
    ]

    static let fieldLines: [Vector] = [
        .init(
            "RFC 9112 §5", "whitespace around a value", get("A: \t b c \t \r\nB:d\r\n"),
            .accepted("fields=3 B=d Host=a")),
        .init("RFC 9112 §5", "an empty value", get("A:\r\nB: \r\n"), .accepted("A= B= fields=3")),
        .init(
            "RFC 9110 §5.5", "bytes above 0x7F in a value", get("A: \u{e9}\u{ff}\u{80}\r\n"),
            .accepted("fields=2")),
        .init("RFC 9110 §5.5", "a tab in a value", get("A: b\tc\r\n"), .accepted("A=b\tc")),
        .init(
            "RFC 9110 §5.6.2", "every kind of byte in a name",
            get("!#$%&'*+-.^_`|~09azAZ: b\r\n"), .accepted("!#$%&'*+-.^_`|~09azAZ=b")),
        .init(
            "RFC 9112 §5", "names in any case", "GET / HTTP/1.1\r\nhOsT: b\r\n\r\n",
            .accepted("host=b")),
        .init(
            "RFC 9112 §2.2", "bare LF behind a value", "GET / HTTP/1.1\r\nHost: a\n\r\n",
            .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §2.2", "bare LF instead of the empty line",
            "GET / HTTP/1.1\r\nHost: a\r\n\n", .refused(.bareLineFeed)),
        .init("RFC 9112 §2.2", "bare LF in a name", get("A\nB: c\r\n"), .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §2.2", "bare CR in a value", get("A: b\rc\r\n"),
            .refused(.bareCarriageReturn)),
        .init("RFC 9112 §2.2", "two CRs", get("A: b\r\r\n"), .refused(.bareCarriageReturn)),
        .init(
            "RFC 9112 §2.2", "bare CR instead of the empty line",
            "GET / HTTP/1.1\r\nHost: a\r\n\rA: b\r\n", .refused(.bareCarriageReturn)),
        .init(
            "RFC 9110 §5.5", "NUL in a value", get("A: b\u{0}c\r\n"),
            .refused(.invalidFieldValue)),
        .init(
            "RFC 9110 §5.5", "a control in a value", get("A: b\u{1}c\r\n"),
            .refused(.invalidFieldValue)),
        .init(
            "RFC 9110 §5.5", "DEL in a long value", get("A: bbbbbbbbbbbbbbbb\u{7f}\r\n"),
            .refused(.invalidFieldValue)),
        .init(
            "RFC 9112 §5.1", "space before the colon", get("A : b\r\n"),
            .refused(.spaceBeforeColon)),
        .init(
            "RFC 9112 §5.1", "tab before the colon", get("Content-Length\t: 1\r\n"),
            .refused(.spaceBeforeColon)),
        .init("RFC 9112 §5.2", "a folded line", get("A: b\r\n c\r\n"), .refused(.foldedLine)),
        .init(
            "RFC 9112 §5.2", "a line folded with a tab", get("A: b\r\n\tc: d\r\n"),
            .refused(.foldedLine)),
        .init("RFC 9112 §5.2", "a folded empty line", get("A: b\r\n \r\n"), .refused(.foldedLine)),
        .init(
            "RFC 9112 §2.2", "whitespace before the first field",
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .refused(.whitespaceBeforeFields)),
        .init("RFC 9110 §5.1", "an empty name", get(": b\r\n"), .refused(.emptyFieldName)),
        .init("RFC 9110 §5.1", "a slash in a name", get("A/B: c\r\n"), .refused(.invalidFieldName)),
        .init("RFC 9110 §5.1", "NUL in a name", get("A\u{0}: c\r\n"), .refused(.invalidFieldName)),
        .init(
            "RFC 9110 §5.1", "a byte above 0x7F in a name", get("\u{e9}: c\r\n"),
            .refused(.invalidFieldName)),
        .init("RFC 9112 §5", "no colon", get("Header\r\n"), .refused(.missingColon)),
        .init("RFC 9112 §5", "cut in a name", "GET / HTTP/1.1\r\nHost: a\r\nAccept", .incomplete),
        .init(
            "RFC 9112 §5", "cut before the last LF", "GET / HTTP/1.1\r\nHost: a\r\n\r",
            .incomplete),
        .init(
            "RFC 9112 §2.1", "bytes behind the head stay", get("") + "GET / HTTP/1.1\n",
            .accepted("head=27")),
    ]

    static let framing: [Vector] = [
        .init("RFC 9112 §6.3", "neither length nor coding", post(""), .accepted("none")),
        .init(
            "RFC 9112 §6.2", "a length", post("Content-Length: 42\r\n"),
            .accepted("length=42 Content-Length=42")),
        .init("RFC 9112 §6.2", "length 0", post("Content-Length: 0\r\n"), .accepted("length=0")),
        .init(
            "RFC 9110 §8.6", "leading zeros", post("Content-Length: 007\r\n"),
            .accepted("length=7")),
        .init(
            "RFC 9110 §8.6", "the greatest length",
            post("Content-Length: 9223372036854775807\r\n"),
            .accepted("length=9223372036854775807")),
        .init(
            "RFC 9110 §8.6", "one more", post("Content-Length: 9223372036854775808\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "beyond 64 bits",
            post("Content-Length: 18446744073709551617\r\n"), .refused(.invalidLength)),
        .init("RFC 9110 §8.6", "a plus", post("Content-Length: +5\r\n"), .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "a minus", post("Content-Length: -5\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "hexadecimal", post("Content-Length: 0x5\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "an empty length", post("Content-Length:\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "two numbers", post("Content-Length: 5 5\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "a list", post("Content-Length: 5, 5\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §8.6", "a fraction", post("Content-Length: 5.0\r\n"),
            .refused(.invalidLength)),
        .init(
            "RFC 9112 §6.3", "two lengths",
            post("Content-Length: 5\r\nContent-Length: 6\r\n"), .refused(.conflictingLengths)),
        .init(
            "RFC 9112 §6.3", "two equal lengths",
            post("Content-Length: 5\r\ncontent-length: 5\r\n"), .refused(.conflictingLengths)),
        .init(
            "RFC 9112 §7.1", "chunked", post("Transfer-Encoding: chunked\r\n"),
            .accepted("chunked removed:Transfer-Encoding")),
        .init(
            "RFC 9112 §7", "codings are case-insensitive", post("transfer-encoding: CHUNKed\r\n"),
            .accepted("chunked")),
        .init(
            "RFC 9112 §6.1", "length before coding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
            .refused(.bothLengthAndCoding)),
        .init(
            "RFC 9112 §6.1", "coding before length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
            .refused(.bothLengthAndCoding)),
        .init(
            "RFC 9112 §6.1", "coding in HTTP/1.0",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            .refused(.codingBeforeVersion11)),
        .init(
            "RFC 9112 §6.1", "an unknown coding", post("Transfer-Encoding: gzip\r\n"),
            .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "another coding before chunked",
            post("Transfer-Encoding: gzip, chunked\r\n"), .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "identity", post("Transfer-Encoding: identity\r\n"),
            .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "almost chunked", post("Transfer-Encoding: xchunked\r\n"),
            .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "chunked in quotes", post("Transfer-Encoding: \"chunked\"\r\n"),
            .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "chunked with a parameter",
            post("Transfer-Encoding: chunked;a=b\r\n"), .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.1", "a vertical tab before chunked",
            post("Transfer-Encoding: \u{b}chunked\r\n"), .refused(.invalidFieldValue)),
        .init(
            "RFC 9112 §6.1", "chunked twice", post("Transfer-Encoding: chunked, chunked\r\n"),
            .refused(.chunkedNotFinal)),
        .init(
            "RFC 9112 §6.3", "chunked not last", post("Transfer-Encoding: chunked, gzip\r\n"),
            .refused(.chunkedNotFinal)),
        .init(
            "RFC 9112 §6.1", "chunked and an empty element",
            post("Transfer-Encoding: chunked,\r\n"), .refused(.invalidCoding)),
        .init(
            "RFC 9112 §6.1", "no coding", post("Transfer-Encoding:\r\n"),
            .refused(.invalidCoding)),
        .init(
            "RFC 9112 §6.1", "two codings in two lines",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
            .refused(.repeatedCoding)),
    ]

    static let connection: [Vector] = [
        .init(
            "RFC 9112 §9.3", "close", get("Connection: close\r\n"),
            .accepted("!persists removed:Connection !removed:Host")),
        .init(
            "RFC 9112 §9.3", "close among others, in any case",
            get("Connection: keep-alive, CLOSE\r\n"), .accepted("!persists")),
        .init(
            "RFC 9112 §9.3", "close in a second line",
            get("Connection: keep-alive\r\nConnection: close\r\n"), .accepted("!persists")),
        .init(
            "RFC 9112 §9.3", "keep-alive in HTTP/1.0",
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", .accepted("1.0 persists")),
        .init(
            "RFC 9112 §9.3", "close before keep-alive in HTTP/1.0",
            "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", .accepted("!persists")),
        .init(
            "RFC 9112 §9.3", "Proxy-Connection is not heeded",
            "GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n",
            .accepted("!persists removed:Proxy-Connection")),
        .init(
            "RFC 9110 §7.6.1", "a named field goes",
            get("X-A: 1\r\nConnection: x-a, X-B\r\nx-A: 2\r\nx-b: 3\r\nX-C: 4\r\n"),
            .accepted("removed:X-A removed:x-A removed:x-b !removed:X-C persists")),
        .init(
            "RFC 9110 §7.6.1", "a well-known named field goes",
            get("Connection: early-data\r\nEarly-Data: 1\r\n"), .accepted("removed:Early-Data")),
        .init(
            "RFC 9110 §7.6.1", "a named field that is not there",
            get("Connection: X-None\r\n"), .accepted("fields=2 !removed:Host")),
        .init(
            "RFC 9110 §7.6.1", "fields that always go",
            get(
                "Keep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: x\r\n"
                    + "HTTP2-Settings: AAA\r\nProxy-Authorization: Basic x\r\nTrailer: A\r\n"),
            .accepted(
                "removed:Keep-Alive removed:TE removed:Upgrade removed:HTTP2-Settings "
                    + "removed:Proxy-Authorization !removed:Trailer trailers !upgrade")),
        .init(
            "RFC 9110 §7.6.1", "Connection names Host", get("Connection: host\r\n"),
            .refused(.connectionNamesFramingField)),
        .init(
            "RFC 9110 §7.6.1", "Connection names Content-Length",
            post("Connection: close, Content-Length\r\nContent-Length: 5\r\n"),
            .refused(.connectionNamesFramingField)),
        .init(
            "RFC 9110 §7.6.1", "Connection names Transfer-Encoding",
            post("Connection: Transfer-Encoding\r\n"), .refused(.connectionNamesFramingField)),
        .init(
            "RFC 9110 §7.6.1", "Connection names X-Forwarded-For",
            get("Connection: X-Forwarded-For\r\n"), .refused(.connectionNamesFramingField)),
        .init(
            "RFC 9110 §7.6.1", "an option that is no token", get("Connection: a b\r\n"),
            .refused(.invalidConnectionOption)),
        .init(
            "RFC 9110 §5.6.1", "empty options", get("Connection: , ,close,\r\n"),
            .accepted("!persists")),
        .init(
            "RFC 9110 §7.6.1", "too many options",
            get("Connection: " + String(repeating: "x,", count: 33) + "\r\n"),
            .refused(.tooManyConnectionOptions)),
    ]

    static let meaning: [Vector] = [
        .init(
            "RFC 9112 §3.2", "no Host", "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            .refused(.hostMissing)),
        .init(
            "RFC 9112 §3.2", "two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            .refused(.hostRepeated)),
        .init(
            "RFC 9112 §3.2", "two Hosts in HTTP/1.0",
            "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", .refused(.hostRepeated)),
        .init(
            "RFC 9112 §3.2", "an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
            .accepted("host= authority=")),
        .init(
            "RFC 9112 §3.2", "a list of hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            .refused(.hostInvalid)),
        .init(
            "RFC 9112 §3.2", "a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            .refused(.hostInvalid)),
        .init(
            "RFC 9112 §3.2", "a host with user information",
            "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", .refused(.hostInvalid)),
        .init(
            "RFC 9110 §7.2", "an IPv6 address", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
            .accepted("host=[::1] port=80 authority=[::1]:80")),
        .init(
            "RFC 9110 §10.1.1", "100-continue",
            post("Expect: 100-Continue\r\nContent-Length: 5\r\n"), .accepted("expects")),
        .init(
            "RFC 9110 §10.1.1", "100-continue without content",
            post("Expect: 100-continue\r\nContent-Length: 0\r\n"), .accepted("!expects")),
        .init(
            "RFC 9110 §10.1.1", "100-continue in HTTP/1.0",
            "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            .accepted("!expects")),
        .init(
            "RFC 9110 §10.1.1", "another expectation", post("Expect: 200-ok\r\n"),
            .refused(.unknownExpectation)),
        .init(
            "RFC 9110 §10.1.1", "100-continue and another",
            post("Expect: 100-continue, x\r\n"), .refused(.unknownExpectation)),
        .init(
            "RFC 9110 §7.8", "an upgrade",
            get("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"),
            .accepted("upgrade removed:Upgrade removed:Connection persists")),
        .init(
            "RFC 9110 §7.8", "Upgrade that Connection does not name",
            get("Upgrade: websocket\r\n"), .accepted("!upgrade removed:Upgrade")),
        .init(
            "RFC 9110 §7.8", "Connection: upgrade alone", get("Connection: upgrade\r\n"),
            .accepted("!upgrade")),
        .init(
            "RFC 9110 §7.8", "an upgrade in HTTP/1.0",
            "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            .accepted("!upgrade")),
        .init(
            "RFC 9110 §7.8", "an upgrade with content",
            post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"),
            .accepted("!upgrade length=5")),
        .init(
            "RFC 9113 §3.1", "an upgrade to h2c",
            get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"),
            .accepted("!upgrade removed:HTTP2-Settings")),
        .init(
            "RFC 9110 §7.8", "h2c behind another protocol",
            get("Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"), .accepted("!upgrade")),
        .init(
            "RFC 9110 §7.8", "an upgrade to HTTP of no version",
            get("Connection: Upgrade\r\nUpgrade: HTTP\r\n"), .accepted("!upgrade")),
        .init(
            "RFC 2817 §3.1", "an upgrade to TLS",
            get("Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), .accepted("!upgrade")),
        .init(
            "RFC 9110 §10.1.4", "trailers among other codings",
            get("TE: deflate;q=0.5, Trailers\r\n"), .accepted("trailers removed:TE")),
        .init(
            "RFC 9110 §10.1.4", "other codings only", get("TE: deflate\r\n"),
            .accepted("!trailers")),
        .init(
            "RFC 9110 §7.6.3", "Via is seen", get("Via: 1.1 p\r\n"),
            .accepted("via !removed:Via")),
    ]
}
