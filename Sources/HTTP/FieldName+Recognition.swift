public import Memory

extension FieldName {
    /// Recognises a name without regard to case (RFC 9110 §5.1): those that have a case of their
    /// own, then those that only read like one of them.
    ///
    /// - Precondition: `range` holds a token.
    /// - Complexity: O(1) for names with a case of their own and for nearly all others; O(n) for
    ///   those that begin like one that a client must not forge.
    public init(_ bytes: RawSpan, _ range: ByteRange) {
        self.init(listed: bytes, range)
        if self == .other { self = Self.unlisted(bytes, range) }
    }

    // MARK: - Names that read like others

    /// How CGI (RFC 3875 §4.1.18) and what followed it tell names apart: in one case, with one
    /// separator. Exact for token bytes, but for `^`, which is taken for `~`.
    public static func folded(_ byte: UInt8) -> UInt8 {
        let lowered = byte | 0x20
        // An underscore, and a dot.
        return lowered == 0x7F || lowered == 0x2E ? UInt8(ascii: "-") : lowered
    }

    private static func unlisted(_ bytes: RawSpan, _ range: ByteRange) -> FieldName {
        // The first letters of the names that matter here; most fields end at this point.
        switch bytes.byte(range.lower) | 0x20 {
        case UInt8(ascii: "x"):
            if isXForwarded(bytes, range) { return .otherXForwarded }
        case UInt8(ascii: "c"), UInt8(ascii: "h"), UInt8(ascii: "k"), UInt8(ascii: "p"),
            UInt8(ascii: "t"):
            break
        default: return .other
        }
        return hasOtherSeparator(bytes, range) ? lookalike(bytes, range) : .other
    }

    /// Whether the name begins with `x-forwarded-` and goes on.
    private static func isXForwarded(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
        range.count > 12 && bytes.lowered(range.lower) == 0x7261_7772_6F66_2D78  // x-forwar
            && bytes.lowered(range.lower &+ 8) & 0xFFFF_FFFF == 0x2D64_6564  // ded-
    }

    private static func hasOtherSeparator(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
        var cursor = range.lower
        while cursor < range.upper {
            let word = bytes.wordOrZeros(cursor)
            let stops =
                Bytewise.occurrences(of: UInt8(ascii: "_"), in: word)
                | Bytewise.occurrences(of: UInt8(ascii: "."), in: word)
            if stops != 0 { return cursor &+ stops.trailingZeroBitCount &>> 3 < range.upper }
            cursor &+= 8
        }
        return false
    }

    /// What a name with other separators reads like.
    private static func lookalike(_ bytes: RawSpan, _ range: ByteRange) -> FieldName {
        var name = ShortText()
        let count = min(Int(range.count), ShortText.capacity)
        for offset in 0..<count { name[offset] = folded(bytes.byte(range.lower &+ offset)) }
        let text = name.bytes
        // No name with a case of its own is longer.
        if isXForwarded(text, ByteRange(0, count)) { return .forwardedLookalike }
        guard range.count <= ShortText.capacity else { return .other }
        switch FieldName(listed: text, ByteRange(0, count)) {
        case .xRealIP: return .forwardedLookalike
        case .xRequestID: return .requestIDLookalike
        case .contentLength, .xClientCertSubject, .xClientCertFingerprint:
            return .reservedLookalike
        case let listed: return listed.isHopByHop ? .reservedLookalike : .other
        }
    }

    // MARK: - Names with a case of their own

    /// Recognises a name by its length, then by its first and last eight bytes.
    ///
    /// The numbers are the lower-case bytes, the first in the lowest place; the tests compare
    /// each with its text.
    private init(listed bytes: RawSpan, _ range: ByteRange) {
        let start = range.lower
        let first = bytes.lowered(start)
        switch range.count {
        case 2:
            switch first & 0xFFFF {
            case 0x0000_0000_0000_6574: self = .te  // te
            default: self = .other
            }
        case 3:
            switch first & 0xFFFFFF {
            case 0x0000_0000_0061_6976: self = .via  // via
            case 0x0000_0000_0065_6761: self = .age  // age
            default: self = .other
            }
        case 4:
            switch first & 0xFFFF_FFFF {
            case 0x0000_0000_7473_6F68: self = .host  // host
            case 0x0000_0000_6574_6164: self = .date  // date
            case 0x0000_0000_7972_6176: self = .vary  // vary
            default: self = .other
            }
        case 5:
            switch first & 0xFF_FFFF_FFFF {
            case 0x0000_0065_676E_6172: self = .range  // range
            default: self = .other
            }
        case 6:
            switch first & 0xFFFF_FFFF_FFFF {
            case 0x0000_7463_6570_7865: self = .expect  // expect
            case 0x0000_7265_7672_6573: self = .server  // server
            case 0x0000_7470_6563_6361: self = .accept  // accept
            case 0x0000_6569_6B6F_6F63: self = .cookie  // cookie
            case 0x0000_616D_6761_7270: self = .pragma  // pragma
            case 0x0000_6E69_6769_726F: self = .origin  // origin
            default: self = .other
            }
        case 7:
            switch first & 0xFF_FFFF_FFFF_FFFF {
            case 0x0065_6461_7267_7075: self = .upgrade  // upgrade
            case 0x0072_656C_6961_7274: self = .trailer  // trailer
            case 0x0073_6572_6970_7865: self = .expires  // expires
            case 0x0067_6E69_6E72_6177: self = .warning  // warning
            case 0x0072_6572_6566_6572: self = .referer  // referer
            default: self = .other
            }
        case 8:
            switch first {
            case 0x6E6F_6974_6163_6F6C: self = .location  // location
            case 0x6863_7461_6D2D_6669: self = .ifMatch  // if-match
            case 0x6567_6E61_722D_6669: self = .ifRange  // if-range
            default: self = .other
            }
        case 9:
            switch first {
            case 0x6564_7261_7772_6F66:  // forwarde
                switch bytes.lowered(1 &+ start) {
                case 0x6465_6472_6177_726F: self = .forwarded  // d
                default: self = .other
                }
            case 0x692D_6C61_6572_2D78:  // x-real-i
                switch bytes.lowered(1 &+ start) {
                case 0x7069_2D6C_6165_722D: self = .xRealIP  // p
                default: self = .other
                }
            default: self = .other
            }
        case 10:
            switch first {
            case 0x6974_6365_6E6E_6F63:  // connecti
                switch bytes.lowered(2 &+ start) {
                case 0x6E6F_6974_6365_6E6E: self = .connection  // on
                default: self = .other
                }
            case 0x696C_612D_7065_656B:  // keep-ali
                switch bytes.lowered(2 &+ start) {
                case 0x6576_696C_612D_7065: self = .keepAlive  // ve
                default: self = .other
                }
            case 0x6567_612D_7265_7375:  // user-age
                switch bytes.lowered(2 &+ start) {
                case 0x746E_6567_612D_7265: self = .userAgent  // nt
                default: self = .other
                }
            case 0x6B6F_6F63_2D74_6573:  // set-cook
                switch bytes.lowered(2 &+ start) {
                case 0x6569_6B6F_6F63_2D74: self = .setCookie  // ie
                default: self = .other
                }
            case 0x6174_7365_6361_7274:  // tracesta
                switch bytes.lowered(2 &+ start) {
                case 0x6574_6174_7365_6361: self = .tracestate  // te
                default: self = .other
                }
            case 0x6164_2D79_6C72_6165:  // early-da
                switch bytes.lowered(2 &+ start) {
                case 0x6174_6164_2D79_6C72: self = .earlyData  // ta
                default: self = .other
                }
            default: self = .other
            }
        case 11:
            switch first {
            case 0x6661_2D79_7274_6572:  // retry-af
                switch bytes.lowered(3 &+ start) {
                case 0x7265_7466_612D_7972: self = .retryAfter  // ter
                default: self = .other
                }
            case 0x7261_7065_6361_7274:  // tracepar
                switch bytes.lowered(3 &+ start) {
                case 0x746E_6572_6170_6563: self = .traceparent  // ent
                default: self = .other
                }
            default: self = .other
            }
        case 12:
            switch first {
            case 0x7365_7571_6572_2D78:  // x-reques
                switch bytes.lowered(4 &+ start) {
                case 0x6469_2D74_7365_7571: self = .xRequestID  // t-id
                default: self = .other
                }
            case 0x7473_2D79_786F_7270:  // proxy-st
                switch bytes.lowered(4 &+ start) {
                case 0x7375_7461_7473_2D79: self = .proxyStatus  // atus
                default: self = .other
                }
            case 0x2D74_6E65_746E_6F63:  // content-
                switch bytes.lowered(4 &+ start) {
                case 0x6570_7974_2D74_6E65: self = .contentType  // type
                default: self = .other
                }
            case 0x7772_6F66_2D78_616D:  // max-forw
                switch bytes.lowered(4 &+ start) {
                case 0x7364_7261_7772_6F66: self = .maxForwards  // ards
                default: self = .other
                }
            default: self = .other
            }
        case 13:
            switch first {
            case 0x2D74_6E65_746E_6F63:  // content-
                switch bytes.lowered(5 &+ start) {
                case 0x6567_6E61_722D_746E: self = .contentRange  // range
                default: self = .other
                }
            case 0x7A69_726F_6874_7561:  // authoriz
                switch bytes.lowered(5 &+ start) {
                case 0x6E6F_6974_617A_6972: self = .authorization  // ation
                default: self = .other
                }
            case 0x6F63_2D65_6863_6163:  // cache-co
                switch bytes.lowered(5 &+ start) {
                case 0x6C6F_7274_6E6F_632D: self = .cacheControl  // ntrol
                default: self = .other
                }
            case 0x2D65_6E6F_6E2D_6669:  // if-none-
                switch bytes.lowered(5 &+ start) {
                case 0x6863_7461_6D2D_656E: self = .ifNoneMatch  // match
                default: self = .other
                }
            default: self = .other
            }
        case 14:
            switch first {
            case 0x2D74_6E65_746E_6F63:  // content-
                switch bytes.lowered(6 &+ start) {
                case 0x6874_676E_656C_2D74: self = .contentLength  // length
                default: self = .other
                }
            case 0x6573_2D32_7074_7468:  // http2-se
                switch bytes.lowered(6 &+ start) {
                case 0x7367_6E69_7474_6573: self = .http2Settings  // ttings
                default: self = .other
                }
            default: self = .other
            }
        case 15:
            switch first {
            case 0x7261_7772_6F66_2D78:  // x-forwar
                switch bytes.lowered(7 &+ start) {
                case 0x726F_662D_6465_6472: self = .xForwardedFor  // ded-for
                default: self = .other
                }
            default: self = .other
            }
        case 16:
            switch first {
            case 0x6F63_2D79_786F_7270:  // proxy-co
                switch bytes.lowered(8 &+ start) {
                case 0x6E6F_6974_6365_6E6E: self = .proxyConnection  // nnection
                default: self = .other
                }
            case 0x7261_7772_6F66_2D78:  // x-forwar
                switch bytes.lowered(8 &+ start) {
                case 0x7473_6F68_2D64_6564: self = .xForwardedHost  // ded-host
                case 0x7472_6F70_2D64_6564: self = .xForwardedPort  // ded-port
                default: self = .other
                }
            case 0x2D74_6E65_746E_6F63:  // content-
                switch bytes.lowered(8 &+ start) {
                case 0x676E_6964_6F63_6E65: self = .contentEncoding  // encoding
                default: self = .other
                }
            case 0x6874_7561_2D77_7777:  // www-auth
                switch bytes.lowered(8 &+ start) {
                case 0x6574_6163_6974_6E65: self = .wwwAuthenticate  // enticate
                default: self = .other
                }
            default: self = .other
            }
        case 17:
            switch first {
            case 0x7265_6673_6E61_7274:  // transfer
                switch (bytes.lowered(8 &+ start), bytes.lowered(9 &+ start)) {
                // -encoding
                case (0x6E69_646F_636E_652D, 0x676E_6964_6F63_6E65): self = .transferEncoding
                default: self = .other
                }
            case 0x7261_7772_6F66_2D78:  // x-forwar
                switch (bytes.lowered(8 &+ start), bytes.lowered(9 &+ start)) {
                // ded-proto
                case (0x746F_7270_2D64_6564, 0x6F74_6F72_702D_6465): self = .xForwardedProto
                default: self = .other
                }
            case 0x6669_646F_6D2D_6669:  // if-modif
                switch (bytes.lowered(8 &+ start), bytes.lowered(9 &+ start)) {
                // ied-since
                case (0x636E_6973_2D64_6569, 0x6563_6E69_732D_6465): self = .ifModifiedSince
                default: self = .other
                }
            case 0x7362_6577_2D63_6573:  // sec-webs
                switch (bytes.lowered(8 &+ start), bytes.lowered(9 &+ start)) {
                // ocket-key
                case (0x656B_2D74_656B_636F, 0x7965_6B2D_7465_6B63): self = .secWebSocketKey
                default: self = .other
                }
            default: self = .other
            }
        case 18:
            switch first {
            case 0x7561_2D79_786F_7270:  // proxy-au
                switch (bytes.lowered(8 &+ start), bytes.lowered(10 &+ start)) {
                // thenticate
                case (0x6163_6974_6E65_6874, 0x6574_6163_6974_6E65): self = .proxyAuthenticate
                default: self = .other
                }
            default: self = .other
            }
        case 19:
            switch first {
            case 0x7561_2D79_786F_7270:  // proxy-au
                switch (bytes.lowered(8 &+ start), bytes.lowered(11 &+ start)) {
                // thorization
                case (0x7461_7A69_726F_6874, 0x6E6F_6974_617A_6972): self = .proxyAuthorization
                default: self = .other
                }
            case 0x646F_6D6E_752D_6669:  // if-unmod
                switch (bytes.lowered(8 &+ start), bytes.lowered(11 &+ start)) {
                // ified-since
                case (0x6973_2D64_6569_6669, 0x6563_6E69_732D_6465): self = .ifUnmodifiedSince
                default: self = .other
                }
            default: self = .other
            }
        case 21:
            switch first {
            case 0x746E_6569_6C63_2D78:  // x-client
                switch (bytes.lowered(8 &+ start), bytes.lowered(13 &+ start)) {
                // -cert-subject
                case (0x7573_2D74_7265_632D, 0x7463_656A_6275_732D): self = .xClientCertSubject
                default: self = .other
                }
            default: self = .other
            }
        case 25:
            switch first {
            case 0x746E_6569_6C63_2D78:  // x-client
                switch (
                    bytes.lowered(8 &+ start), bytes.lowered(16 &+ start),
                    bytes.lowered(17 &+ start)
                ) {
                // -cert-fingerprint
                case (0x6966_2D74_7265_632D, 0x6E69_7270_7265_676E, 0x746E_6972_7072_6567):
                    self = .xClientCertFingerprint
                default: self = .other
                }
            default: self = .other
            }
        default: self = .other
        }
    }
}
