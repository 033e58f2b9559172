import HTTP
import Memory
import Testing

@Suite("Field names")
struct FieldNameTests {
    static let texts: [(FieldName, String)] = [
        (.host, "host"),
        (.connection, "connection"),
        (.contentLength, "content-length"),
        (.transferEncoding, "transfer-encoding"),
        (.expect, "expect"),
        (.upgrade, "upgrade"),
        (.via, "via"),
        (.te, "te"),
        (.trailer, "trailer"),
        (.keepAlive, "keep-alive"),
        (.proxyConnection, "proxy-connection"),
        (.proxyAuthenticate, "proxy-authenticate"),
        (.proxyAuthorization, "proxy-authorization"),
        (.http2Settings, "http2-settings"),
        (.date, "date"),
        (.server, "server"),
        (.userAgent, "user-agent"),
        (.accept, "accept"),
        (.acceptEncoding, "accept-encoding"),
        (.acceptLanguage, "accept-language"),
        (.forwarded, "forwarded"),
        (.xForwardedFor, "x-forwarded-for"),
        (.xForwardedProto, "x-forwarded-proto"),
        (.xForwardedHost, "x-forwarded-host"),
        (.xForwardedPort, "x-forwarded-port"),
        (.xRealIP, "x-real-ip"),
        (.xRequestID, "x-request-id"),
        (.proxyStatus, "proxy-status"),
        (.contentType, "content-type"),
        (.contentEncoding, "content-encoding"),
        (.contentRange, "content-range"),
        (.location, "location"),
        (.cookie, "cookie"),
        (.setCookie, "set-cookie"),
        (.authorization, "authorization"),
        (.wwwAuthenticate, "www-authenticate"),
        (.cacheControl, "cache-control"),
        (.range, "range"),
        (.maxForwards, "max-forwards"),
        (.pragma, "pragma"),
        (.ifMatch, "if-match"),
        (.ifNoneMatch, "if-none-match"),
        (.ifModifiedSince, "if-modified-since"),
        (.ifUnmodifiedSince, "if-unmodified-since"),
        (.ifRange, "if-range"),
        (.age, "age"),
        (.expires, "expires"),
        (.retryAfter, "retry-after"),
        (.vary, "vary"),
        (.warning, "warning"),
        (.traceparent, "traceparent"),
        (.tracestate, "tracestate"),
        (.origin, "origin"),
        (.referer, "referer"),
        (.etag, "etag"),
        (.lastModified, "last-modified"),
        (.contentLocation, "content-location"),
        (.altSvc, "alt-svc"),
        (.earlyData, "early-data"),
        (.secWebSocketKey, "sec-websocket-key"),
        (.xClientCertSubject, "x-client-cert-subject"),
        (.xClientCertFingerprint, "x-client-cert-fingerprint"),
    ]

    private func name(_ text: String) -> FieldName {
        let bytes = FixedArray(text: text)
        return FieldName(bytes.bytes, all(text))
    }

    @Test("every well-known name has a text")
    func complete() {
        #expect(Set(Self.texts.map(\.0)).count == FieldName.allCases.count - 1)
    }

    @Test("are recognised in any case, alone and among other bytes", arguments: texts)
    func recognised(_ expected: FieldName, _ text: String) {
        #expect(name(text) == expected)
        #expect(name(text.uppercased()) == expected)
        let around = "x: y\r\n" + text + ": z\r\n\r\n"
        let bytes = FixedArray(text: around)
        let found = FieldName(bytes.bytes, ByteRange(6, 6 + text.utf8.count))
        #expect(found == expected)
    }

    @Test("a name that differs in any one byte is another", arguments: texts)
    func otherwise(_ expected: FieldName, _ text: String) {
        for index in text.utf8.indices {
            var changed = Array(text.utf8)
            let offset = text.utf8.distance(from: text.utf8.startIndex, to: index)
            changed[offset] = changed[offset] == UInt8(ascii: "q") ? 0x7A : 0x71
            #expect(name(String(decoding: changed, as: UTF8.self)) == .other)
        }
        #expect(name(text + "x") == .other)
        #expect(name("x" + text) == .other)
    }

    @Test("fit a set of one word")
    func set() {
        var names = FieldNameSet()
        for name in FieldName.allCases where name.rawValue % 2 == 1 { names.insert(name) }
        for name in FieldName.allCases { #expect(names.contains(name) == (name.rawValue % 2 == 1)) }
        #expect(FieldName.allCases.count <= 64)
    }

    @Test("what frames or routes a message is neither trailer nor removable")
    func protection() {
        for name in [FieldName.host, .contentLength, .transferEncoding] {
            #expect(name.isForbiddenInTrailers)
            #expect(name.isProtectedFromConnection)
        }
        for name in FieldName.allCases where name.isHopByHop {
            #expect(name.isForbiddenInTrailers, "\(name)")
        }
    }
}
