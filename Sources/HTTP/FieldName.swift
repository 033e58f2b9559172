/// A field name that some part of the proxy knows; every other is ``other``.
///
/// Small integers, so that a name is compared once and a set of names is one word.
public enum FieldName: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    case other = 0
    case host
    case connection
    case contentLength
    case transferEncoding
    case expect
    case upgrade
    case via
    case te
    case trailer
    case keepAlive
    case proxyConnection
    case proxyAuthenticate
    case proxyAuthorization
    case http2Settings
    case date
    case server
    case userAgent
    case accept
    case forwarded
    case xForwardedFor
    case xForwardedProto
    case xForwardedHost
    case xForwardedPort
    case xRealIP
    case xRequestID
    case proxyStatus
    case contentType
    case contentEncoding
    case contentRange
    case location
    case cookie
    case setCookie
    case authorization
    case wwwAuthenticate
    case cacheControl
    case range
    case maxForwards
    case pragma
    case ifMatch
    case ifNoneMatch
    case ifModifiedSince
    case ifUnmodifiedSince
    case ifRange
    case age
    case expires
    case retryAfter
    case vary
    case warning
    case traceparent
    case tracestate
    case origin
    case referer
    case earlyData
    case secWebSocketKey
    case xClientCertSubject
    case xClientCertFingerprint
    /// Any X-Forwarded-* that has no case of its own.
    case otherXForwarded
    /// Reads like X-Forwarded-*, X-Real-IP or Forwarded once `_` and `.` are read as `-`, which
    /// is how CGI, WSGI and their kin read every name. The same of the next two.
    case forwardedLookalike
    /// Reads like X-Request-Id.
    case requestIDLookalike
    /// Reads like a field that frames a message, ends at this hop, or tells of the certificate
    /// of a client.
    case reservedLookalike

    /// Stands for one name, so that two lines with it have the same name.
    public var isOneName: Bool {
        switch self {
        case .other, .otherXForwarded, .forwardedLookalike, .requestIDLookalike,
            .reservedLookalike:
            false
        default: true
        }
    }

    /// Concerns one connection, and is never forwarded as it came (RFC 9110 §7.6.1).
    ///
    /// Beside the names of that section: Proxy-Connection, which never was a standard;
    /// HTTP2-Settings (RFC 9113 §3.1), as the upgrade to h2c is not relayed; and the two
    /// fields of proxy authentication, which end at the proxy that asked for it (RFC 9110
    /// §11.7). This proxy never asks, so credentials that arrive were meant for another and
    /// must not reach an origin. Trailer goes on: the trailers it announces do, too.
    public var isHopByHop: Bool {
        switch self {
        case .connection, .transferEncoding, .upgrade, .te, .keepAlive, .proxyConnection,
            .proxyAuthenticate, .proxyAuthorization, .http2Settings:
            true
        default: false
        }
    }

    /// A Connection field may not name it: removing it would change how the message is framed,
    /// routed, attributed or understood (RFC 9110 §7.6.1: a connection option must not
    /// correspond to a field that is intended for all recipients).
    public var isProtectedFromConnection: Bool {
        switch self {
        case .host, .contentLength, .transferEncoding, .contentType, .contentEncoding,
            .contentRange, .via, .forwarded, .xForwardedFor, .xForwardedProto, .xForwardedHost,
            .xForwardedPort, .xRealIP, .otherXForwarded, .authorization, .cookie, .setCookie,
            .cacheControl,
            .expect, .location, .date:
            true
        default: false
        }
    }

    /// Framing, routing, authentication, request modifiers and connection fields have no
    /// meaning after the content, and are dropped there (RFC 9110 §6.5.1).
    public var isForbiddenInTrailers: Bool {
        switch self {
        case .other, .proxyStatus, .traceparent, .tracestate, .server, .userAgent, .referer,
            .accept:
            false
        default: true
        }
    }
}

/// A set of well-known field names.
public struct FieldNameSet: Sendable, BitwiseCopyable, Equatable {
    private var bits: UInt64 = 0

    public init() {}

    /// Whether `name` was inserted; meaningless for ``FieldName/other``.
    public func contains(_ name: FieldName) -> Bool {
        bits &>> UInt64(name.rawValue) & 1 == 1
    }

    public mutating func insert(_ name: FieldName) {
        bits |= 1 &<< UInt64(name.rawValue)
    }

    public mutating func remove(_ name: FieldName) {
        bits &= ~(1 &<< UInt64(name.rawValue))
    }
}
