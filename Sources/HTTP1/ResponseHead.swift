public import HTTP
public import Memory

/// What a response's head says, apart from its field lines.
///
/// Positions count from the first byte that the parser was given. The field lines are in the
/// ``FieldSection`` that was given along with it.
public struct ResponseHead: Sendable, BitwiseCopyable {
    /// From 100 to 599.
    public var status: Int
    /// Of HTTP/1: 0 or 1.
    public var minorVersion: UInt8
    /// May be empty.
    public var reasonRange: ByteRange
    public var framing: ResponseFraming
    /// The connection can take another request after this response (RFC 9112 §9.3). Always
    /// false for ``ResponseFraming/untilClose``, and for a 1xx or 204 that announces content,
    /// which it cannot have: what such a server sends next is anybody's guess.
    public var persists: Bool
    /// 101 with Connection: upgrade and Upgrade (RFC 9110 §15.2.2).
    public var isUpgrade: Bool
    /// At least one field line is marked as hop-by-hop.
    public var hasHopByHopLines: Bool
    /// The well-known names among the field lines.
    public var names: FieldNameSet
    /// Where the first field line begins, behind the status line.
    public var fieldsStart: Int
    /// Everything up to the content, with the empty line behind the head.
    public var headByteCount: Int

    public var hasDate: Bool { names.contains(.date) }
    public var hasServer: Bool { names.contains(.server) }
    public var hasViaField: Bool { names.contains(.via) }
    /// 1xx: another response follows, except after 101 (RFC 9110 §15.2).
    public var isInformational: Bool { status < 200 }
}
