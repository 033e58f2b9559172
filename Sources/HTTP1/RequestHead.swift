public import HTTP
public import Memory

/// RFC 9112 §3.2. There is no authority form: CONNECT is refused.
public enum TargetForm: UInt8, Sendable, BitwiseCopyable {
    /// `/path?query`
    case origin
    /// `http://host/path?query`
    case absolute
    /// `*`
    case asterisk
}

/// What a request's head says, apart from its field lines.
///
/// Positions count from the first byte that the parser was given. The field lines are in the
/// ``FieldSection`` that was given along with it.
public struct RequestHead: Sendable, BitwiseCopyable {
    public var method: Method
    public var form: TargetForm
    /// Of HTTP/1: 0 or 1.
    public var minorVersion: UInt8
    public var methodRange: ByteRange
    /// The request target as it came.
    public var target: ByteRange
    /// Without the query. Empty in absolute form without a path, then the path is `/`, or the
    /// target is `*` for OPTIONS without a query (RFC 9112 §3.2.4); it still tells where the
    /// slash belongs. In asterisk form, the asterisk.
    public var path: ByteRange
    /// The path, and the query with its question mark.
    public var pathAndQuery: ByteRange
    /// `host[:port]` that counts: of the target in absolute form (RFC 9112 §3.2.2), otherwise of
    /// Host. Empty when HTTP/1.0 brings no Host, or Host is empty.
    public var authority: ByteRange
    /// The host of ``authority``, see ``Authority/hostRange``.
    public var hostRange: ByteRange
    /// The port of ``authority``; 0 when there is none.
    public var port: UInt16
    public var framing: Framing
    /// The client can take another request on this connection (RFC 9112 §9.3).
    public var persists: Bool
    /// The client waits for 100 before it sends its content (RFC 9110 §10.1.1). False without
    /// content and for HTTP/1.0.
    public var expectsContinue: Bool
    /// The client asks for another protocol (RFC 9110 §7.8), and may have it: see
    /// ``HeadParser``.
    public var isUpgrade: Bool
    /// The client takes trailers (RFC 9110 §10.1.4).
    public var teTrailers: Bool
    /// At least one field line is marked as hop-by-hop.
    public var hasHopByHopLines: Bool
    /// The well-known names among the field lines.
    public var names: FieldNameSet
    /// Where the first field line begins, behind the request line.
    public var fieldsStart: Int
    /// Everything up to the content: with the empty line behind the head, and one that may have
    /// come before it (RFC 9112 §2.2), which ends at `methodRange`.
    public var headByteCount: Int

    /// Of what is no request: a connection whose bytes are not looked at.
    public static var none: RequestHead {
        RequestHead(
            method: .get, form: .origin, minorVersion: 1, methodRange: .empty, target: .empty,
            path: .empty, pathAndQuery: .empty, authority: .empty, hostRange: .empty, port: 0,
            framing: .noContent, persists: false, expectsContinue: false, isUpgrade: false,
            teTrailers: false, hasHopByHopLines: false, names: FieldNameSet(), fieldsStart: 0,
            headByteCount: 0)
    }

    public var hasViaField: Bool { names.contains(.via) }

    /// The target of the whole server, which goes on as `*` (RFC 9112 §3.2.4).
    public var isServerWide: Bool {
        form == .asterisk || method == .options && form == .absolute && pathAndQuery.isEmpty
    }
}
