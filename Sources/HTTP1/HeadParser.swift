public import HTTP
import Memory

/// Reads the heads of HTTP/1 messages (RFC 9112), in one pass, without copying and without
/// repairing anything.
///
/// It keeps nothing between calls. On an incomplete head it says so, or refuses at once what is
/// wrong already; a verdict never changes when more bytes arrive. Before parsing an incomplete
/// head again, ask ``hasCompleteHead(_:scanned:)``, or a client that sends byte by byte makes
/// the parser start anew for each.
///
/// ## What is decided here
/// - A field is hop-by-hop by its name (``FieldName/isHopByHop``) or because Connection names it
///   (RFC 9110 §7.6.1). Connection may not name fields that frame, route or attribute the
///   message: such a head is refused.
/// - A request in absolute form is for the authority of its target; Host must be valid all the
///   same, and has to be replaced by the authority (RFC 9112 §3.2.2).
/// - An upgrade (RFC 9110 §7.8) is relayed only for a request without content, and not to h2c,
///   HTTP or TLS, behind which requests would pass unseen. In other cases the wish is ignored,
///   as §7.8 allows, and the request is an ordinary one.
/// - HTTP/1.0 persists with Connection: keep-alive (RFC 9112 §9.3): the proxy is the origin in
///   its client's eyes. Proxy-Connection is never heeded.
/// - Content-Length and Transfer-Encoding in a 1xx or 204 response are ignored and marked as
///   hop-by-hop (RFC 9110 §8.6, RFC 9112 §6.1: they must not be there).
public enum HeadParser {
    /// Field names that Connection may ask to remove, beside the well-known options.
    public static let maximumConnectionOptionCount = 32

    /// Reads a request's head.
    ///
    /// - Parameters:
    ///   - input: begins where a request may begin.
    ///   - fields: is emptied, and holds the field lines if the head is complete.
    /// - Throws: ``HeadError``; answer with its status and close (RFC 9112 §6.3).
    /// - Complexity: O(n) in the bytes of the head, plus fields times Connection options.
    public static func parseRequest(
        _ input: RawSpan, limits: HeadLimits, fields: inout FieldSection
    ) throws(HeadError) -> Parsed<RequestHead> {
        fields.removeAll()
        guard let start = try startOfRequest(input) else { return .incomplete }
        // Cut at the limit, so that no scan can pass it.
        let lineInput = input.extracting(first: start &+ limits.requestLineBytes)
        guard let line = try requestLine(lineInput, from: start) else {
            guard input.byteCount < start &+ limits.requestLineBytes else {
                throw .requestLineTooLong
            }
            return .incomplete
        }

        var facts = HeadFacts(minorVersion: line.minorVersion, isRequest: true)
        guard
            let end = try parseFields(
                input, from: line.end, limits: limits, fields: &fields, facts: &facts)
        else { return .incomplete }
        let head = try decide(input, line, fields: &fields, facts: &facts, end: end)
        return .complete(head, byteCount: end)
    }

    /// Reads a response's head.
    ///
    /// - Parameters:
    ///   - input: begins where a response may begin.
    ///   - requestMethod: of the request that it answers: HEAD gets no content.
    ///   - fields: is emptied, and holds the field lines if the head is complete.
    /// - Throws: ``HeadError``; the server's connection is of no more use.
    /// - Complexity: O(n) in the bytes of the head, plus fields times Connection options.
    public static func parseResponse(
        _ input: RawSpan, limits: HeadLimits, requestMethod: Method, fields: inout FieldSection
    ) throws(HeadError) -> Parsed<ResponseHead> {
        fields.removeAll()
        let lineInput = input.extracting(first: limits.requestLineBytes)
        guard let line = try statusLine(lineInput) else {
            guard input.byteCount < limits.requestLineBytes else { throw .headerTooLarge }
            return .incomplete
        }

        var facts = HeadFacts(minorVersion: line.minorVersion, isRequest: false)
        guard
            let end = try parseFields(
                input, from: line.end, limits: limits, fields: &fields, facts: &facts)
        else { return .incomplete }
        let head = try decide(
            input, line, requestMethod: requestMethod, fields: &fields, facts: &facts, end: end)
        return .complete(head, byteCount: end)
    }

    /// Whether the empty line that ends a head has arrived. Cheap: looks at each byte once.
    ///
    /// Bare line feeds count, so that the parser gets to refuse them. When the answer is `false`
    /// but the buffer is full or a limit passed, ask the parser all the same.
    ///
    /// - Parameters:
    ///   - input: begins where it began the last time, with more bytes at its end.
    ///   - scanned: how far the last call looked; 0 for a new head.
    public static func hasCompleteHead(_ input: RawSpan, scanned: inout Int) -> Bool {
        var cursor = scanned
        while cursor < input.byteCount {
            let feeds = Bytewise.occurrences(of: 0x0A, in: input.wordOrZeros(cursor))
            if feeds == 0 {
                cursor = min(cursor &+ 8, input.byteCount)
                continue
            }
            cursor &+= feeds.trailingZeroBitCount &>> 3
            // Stay at this feed until the bytes behind it tell.
            scanned = cursor
            guard cursor &+ 1 < input.byteCount else { return false }
            let next = input.byte(cursor &+ 1)
            if next == 0x0A { return true }
            if next == 0x0D {
                guard cursor &+ 2 < input.byteCount else { return false }
                if input.byte(cursor &+ 2) == 0x0A { return true }
            }
            cursor &+= 1
        }
        scanned = cursor
        return false
    }
}
