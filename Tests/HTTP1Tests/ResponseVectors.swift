import HTTP
import HTTP1

extension Vector {
    private static let ok = "HTTP/1.1 200 OK\r\n"

    static let responses: [Vector] = [
        .init(
            "RFC 9112 §4", "a status line", ok + "Content-Length: 3\r\n\r\n",
            .accepted("200 1.1 reason=OK length=3 persists fields=1 head=38")),
        .init(
            "RFC 9112 §4", "an empty reason", "HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
            .accepted("404 reason= length=0")),
        .init(
            "RFC 9112 §4", "no reason and no space", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n",
            .accepted("404 reason=")),
        .init(
            "RFC 9112 §4", "a reason of many bytes",
            "HTTP/1.1 599 \u{e9} a\tb!\r\nContent-Length: 0\r\n\r\n", .accepted("599")),
        .init(
            "RFC 9112 §4", "a control in the reason", "HTTP/1.1 200 O\u{1}K\r\n",
            .refused(.invalidReason)),
        .init("RFC 9112 §4", "four digits", "HTTP/1.1 2000 OK\r\n", .refused(.invalidStatus)),
        .init("RFC 9112 §4", "two digits", "HTTP/1.1 20 OK\r\n", .refused(.invalidStatus)),
        .init("RFC 9112 §4", "status 099", "HTTP/1.1 099 OK\r\n", .refused(.invalidStatus)),
        .init("RFC 9112 §4", "status 600", "HTTP/1.1 600 OK\r\n", .refused(.invalidStatus)),
        .init("RFC 9112 §4", "a sign", "HTTP/1.1 +20 OK\r\n", .refused(.invalidStatus)),
        .init(
            "RFC 9112 §4", "a tab behind the status", "HTTP/1.1 200\tOK\r\n",
            .refused(.invalidStatus)),
        .init("RFC 9112 §4", "two spaces", "HTTP/1.1  200 OK\r\n", .refused(.invalidStatus)),
        .init(
            "RFC 9112 §4", "an empty line before", "\r\nHTTP/1.1 200 OK\r\n",
            .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.3", "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n",
            .accepted("1.0 length=3 !persists")),
        .init("RFC 9112 §2.3", "HTTP/2.0", "HTTP/2.0 200 OK\r\n", .refused(.unsupportedVersion)),
        .init("RFC 9112 §2.3", "ICY", "ICY 200 OK\r\n", .refused(.invalidVersion)),
        .init(
            "RFC 9112 §2.2", "bare LF behind the reason", "HTTP/1.1 200 OK\n",
            .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §2.2", "bare CR in the reason", "HTTP/1.1 200 O\rK\r\n",
            .refused(.bareCarriageReturn)),
        .init("RFC 9112 §5.2", "a folded line", ok + "A: b\r\n c\r\n\r\n", .refused(.foldedLine)),
        .init(
            "RFC 9112 §5.1", "space before the colon", ok + "A : b\r\n\r\n",
            .refused(.spaceBeforeColon)),
        .init("RFC 9112 §4", "cut", "HTTP/1.1 2", .incomplete),

        .init(
            "RFC 9112 §6.3", "neither length nor coding", ok + "\r\n",
            .accepted("close !persists")),
        .init(
            "RFC 9112 §7.1", "chunked", ok + "Transfer-Encoding: chunked\r\n\r\n",
            .accepted("chunked persists removed:Transfer-Encoding")),
        .init(
            "RFC 9112 §6.1", "both length and coding",
            ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            .refused(.bothLengthAndCoding)),
        .init(
            "RFC 9112 §6.1", "both, in answer to HEAD", to: .head,
            ok + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            .refused(.bothLengthAndCoding)),
        .init(
            "RFC 9112 §6.1", "a coding that was not asked for",
            ok + "Transfer-Encoding: gzip, chunked\r\n\r\n", .refused(.unknownCoding)),
        .init(
            "RFC 9112 §6.3", "a coding that ends with the connection",
            ok + "Transfer-Encoding: chunked, gzip\r\n\r\n", .refused(.chunkedNotFinal)),
        .init(
            "RFC 9112 §6.1", "coding in HTTP/1.0",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            .refused(.codingBeforeVersion11)),
        .init(
            "RFC 9112 §6.3", "two equal lengths",
            ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", .refused(.conflictingLengths)),
        .init(
            "RFC 9110 §8.6", "a list of lengths", ok + "Content-Length: 3, 3\r\n\r\n",
            .refused(.invalidLength)),
        .init(
            "RFC 9110 §9.3.2", "HEAD has no content", to: .head,
            ok + "Content-Length: 3\r\n\r\n",
            .accepted("none persists Content-Length=3 !removed:Content-Length")),
        .init(
            "RFC 9110 §9.3.2", "HEAD without a length persists", to: .head, ok + "\r\n",
            .accepted("none persists")),
        .init(
            "RFC 9110 §9.3.2", "HEAD with a coding", to: .head,
            ok + "Transfer-Encoding: chunked\r\n\r\n", .accepted("none persists")),
        .init(
            "RFC 9110 §15.4.5", "304 has no content",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
            .accepted("none persists !removed:Content-Length")),
        .init(
            "RFC 9110 §15.3.5", "204 has no content", "HTTP/1.1 204 No Content\r\n\r\n",
            .accepted("none persists")),
        .init(
            "RFC 9110 §8.6", "204 with a length", "HTTP/1.1 204 A\r\nContent-Length: 3\r\n\r\n",
            .accepted("none !persists removed:Content-Length")),
        .init(
            "RFC 9110 §8.6", "204 with length 0", "HTTP/1.1 204 A\r\nContent-Length: 0\r\n\r\n",
            .accepted("none persists removed:Content-Length")),
        .init(
            "RFC 9112 §6.1", "204 with a coding",
            "HTTP/1.1 204 A\r\nTransfer-Encoding: chunked\r\n\r\n", .accepted("none !persists")),
        .init(
            "RFC 9110 §15.2", "100", "HTTP/1.1 100 Continue\r\n\r\n",
            .accepted("100 none informational persists")),
        .init(
            "RFC 9110 §15.2", "103 with fields",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            .accepted("103 none informational fields=1")),
        .init(
            "RFC 9110 §15.2", "100 with a length",
            "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n",
            .accepted("none !persists removed:Content-Length")),
        .init(
            "RFC 9110 §15.2.2", "101",
            "HTTP/1.1 101 A\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            .accepted("101 upgrade removed:Upgrade")),
        .init(
            "RFC 9110 §15.2.2", "101 without Upgrade", "HTTP/1.1 101 A\r\n\r\n",
            .accepted("!upgrade")),
        .init(
            "RFC 9110 §7.8", "Upgrade outside 101",
            ok + "Connection: upgrade\r\nUpgrade: h2\r\nContent-Length: 0\r\n\r\n",
            .accepted("!upgrade removed:Upgrade")),
        .init(
            "RFC 9112 §9.3", "close", ok + "Content-Length: 3\r\nConnection: close\r\n\r\n",
            .accepted("!persists removed:Connection")),
        .init(
            "RFC 9112 §9.3", "keep-alive in HTTP/1.0",
            "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
            .accepted("persists")),
        .init(
            "RFC 9112 §9.3", "keep-alive without a length",
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", .accepted("close !persists")),
        .init(
            "RFC 9110 §7.6.1", "Connection names Transfer-Encoding, as some servers do",
            ok + "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
            .accepted("chunked persists")),
        .init(
            "RFC 9110 §7.6.1", "Connection names Content-Length",
            ok + "Connection: Content-Length\r\nContent-Length: 3\r\n\r\n",
            .refused(.connectionNamesFramingField)),
        .init(
            "RFC 9110 §7.6.1", "a named field goes",
            ok + "Connection: X-A\r\nX-A: 1\r\nContent-Length: 3\r\n\r\n",
            .accepted("removed:X-A !removed:Content-Length")),
        .init(
            "RFC 9110 §6.6.1", "Date and Server are seen",
            ok + "Server: s\r\nDate: d\r\nHost: x y\r\nHost: z\r\nExpect: 7\r\n\r\n",
            .accepted("date server fields=5")),
        .init(
            "RFC 9110 §11.7.1", "Proxy-Authenticate ends here",
            "HTTP/1.1 407 A\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            .accepted("407 removed:Proxy-Authenticate")),
    ]
}
