/// The bounds of what a configuration may ask for, with their units. The readers of files,
/// labels and commands all ask here, so `check`, start, reload, the admin socket and discovery
/// agree; what lies beyond a bound is an error of the configuration, never cut in silence.
///
/// ## Relations
/// A head is composed in one block of a loop, and what a peer does not take at once is kept in
/// a block of ``block`` bytes. The largest head of either direction, with all that a
/// configuration adds to it, fits in there: ``largestRequestHead`` and
/// ``largestResponseHead`` are at most ``block``. A test fails when a bound is raised beyond it.
public enum Bounds {
    /// Bytes of the block that holds a head which a peer has not taken yet.
    public static let block = 128 << 10

    // MARK: - Heads, in bytes

    /// `limits.request_line` of a listener.
    public static let requestLine: ClosedRange<UInt64> = 64...32 << 10
    /// `limits.header_size` of a listener.
    public static let header: ClosedRange<UInt64> = 256...64 << 10
    /// The header of a response may always have this much.
    public static let leastResponseHeader = 32 << 10
    /// A status line.
    public static let statusLine = 8 << 10
    /// `limits.header_count` of a listener, in field lines.
    public static let headerCount = 1...1000
    /// The field lines that a response may always have.
    public static let leastResponseHeaderCount = 200
    /// The name of a header.
    public static let headerName = 255
    /// The value of a header: `set_headers`, `headers.server`, `respond.type`.
    public static let headerValue = 8 << 10
    /// All field lines that a route sets in one direction, with their line ends.
    public static let headerChanges = 16 << 10
    /// `redirect.to`.
    public static let redirectTarget = 4 << 10
    /// `host` of a request or a service: a name of 255 bytes with a port (RFC 1035 §2.3.4).
    public static let authority = 255 + 6
    /// What the proxy adds of its own to a head: `Via`, `Date`, the client's address and
    /// certificate (1 KiB), the request's identifier, and the names of these fields.
    static let ownFields = 4 << 10
    /// Content that is copied behind a head, so that one call sends both.
    public static let joinedContent = 4 << 10

    /// What may go to a server in one piece.
    public static let largestRequestHead =
        Int(requestLine.upperBound + header.upperBound) + headerChanges + 3 * authority
        + ownFields + joinedContent
    /// What may go to a client in one piece.
    public static let largestResponseHead =
        statusLine + Int(header.upperBound) + headerChanges + headerValue + ownFields
        + joinedContent
    /// A redirect carries path and query of the request.
    public static let largestRedirect =
        Int(requestLine.upperBound) + redirectTarget + authority + headerChanges + ownFields
    public static let largestFixedAnswer =
        respondBody + headerValue + headerChanges + ownFields

    // MARK: - How many

    /// Services of a process at once, those included whose last requests are under way. Loops
    /// reserve addresses for so many, and memory for those that there are.
    public static let services = 1 << 17
    /// Servers of a process at once, leaving ones included.
    public static let servers = 1 << 20
    /// Servers of one service: the tables of `maglev` and `rendezvous` number them in 16 bits.
    public static let serversPerService = 1 << 15
    /// Listeners of a process at once, those included whose last clients are there. Each takes
    /// a descriptor of every loop, so that descriptors run out before.
    public static let listeners = 1 << 16

    // MARK: - Contents, in bytes

    /// `respond.body`: it is answered from memory, in one piece.
    public static let respondBody = 64 << 10
    /// `retries.buffer`: content is kept behind its head, in a block of the client's.
    public static let retryBuffer: ClosedRange<UInt64> = 0...64 << 10
}
