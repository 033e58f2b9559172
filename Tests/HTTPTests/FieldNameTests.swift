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
        #expect(Set(Self.texts.map(\.0)) == Set(FieldName.allCases.filter(\.isOneName)))
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
            let other = String(decoding: changed, as: UTF8.self)
            #expect(name(other) == unlisted(other))
        }
        #expect(name(text + "x") == unlisted(text + "x"))
        #expect(name("x" + text) == .other)
    }

    /// What a name without a case of its own is, if it has no separator but the hyphen.
    private func unlisted(_ text: String) -> FieldName {
        text.hasPrefix("x-forwarded-") && text != "x-forwarded-" ? .otherXForwarded : .other
    }

    @Test("every X-Forwarded-* is known as one")
    func otherXForwarded() {
        for suffix in [
            "prefix", "ssl", "scheme", "server", "user", "p", "a-long-one-of-many-bytes",
        ] {
            #expect(name("X-Forwarded-" + suffix) == .otherXForwarded)
        }
        for other in ["X-Forwarded", "X-Forwarded-", "X-Forwardedx-For", "Y-Forwarded-For"] {
            #expect(name(other) == .other)
        }
    }

    @Test(
        "a name that reads like one of ours with another separator is known as such",
        arguments: [
            ("X_Forwarded_For", .forwardedLookalike), ("X.Forwarded.For", .forwardedLookalike),
            ("x-forwarded_proto", .forwardedLookalike), ("X_Forwarded-User", .forwardedLookalike),
            ("X.Forwarded_" + String(repeating: "a", count: 40), .forwardedLookalike),
            ("X_Real_IP", .forwardedLookalike), ("X-Real.Ip", .forwardedLookalike),
            ("X_Request_Id", .requestIDLookalike), ("x-request.id", .requestIDLookalike),
            ("X_Client_Cert_Subject", .reservedLookalike),
            ("x-client-cert_FINGERPRINT", .reservedLookalike),
            ("Content_Length", .reservedLookalike), ("transfer.encoding", .reservedLookalike),
            ("Keep_Alive", .reservedLookalike), ("proxy_authorization", .reservedLookalike),
            ("HTTP2_Settings", .reservedLookalike),
            ("X_Custom", .other), ("content_type", .other), ("x_forwarded", .other),
            ("x_client_cert_subjects", .other), ("sec_ch.ua", .other),
            (String(repeating: "x_", count: 40), .other),
        ] as [(String, FieldName)])
    func lookalikes(_ text: String, _ expected: FieldName) {
        #expect(name(text) == expected)
        // The separators of what follows do not count.
        let bytes = FixedArray(text: text + ": a_b.c")
        #expect(FieldName(bytes.bytes, all(text)) == expected)
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
        for name in FieldName.allCases where name.isHopByHop || !name.isOneName && name != .other {
            #expect(name.isForbiddenInTrailers, "\(name)")
        }
    }
}
