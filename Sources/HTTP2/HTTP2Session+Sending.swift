import CNGHTTP2
public import Memory

/// How the content of a message goes out.
public enum OutgoingKind: Equatable, Sendable, BitwiseCopyable {
    /// The head has ended the stream.
    case none
    case counted(UInt64)
    /// The text is chunked: ``ChunkReader`` takes it apart.
    case chunked
    /// Bytes, until the stream is ended.
    case raw
    /// An interim response: the final one comes behind it.
    case interim
}

extension HTTP2Session {
    /// Sends the head of a response that stands in `text` as that of an HTTP/1.1 response.
    ///
    /// - Parameters:
    ///   - answersHead: the request was HEAD.
    ///   - isTunnel: the stream was asked to become one: 101 is told as 200 (RFC 8441 §5).
    /// - Returns: what comes behind it; `nil` when the stream takes no response any more.
    public mutating func respond(
        _ stream: Int32, _ text: RawSpan, answersHead: Bool, isTunnel: Bool,
        _ scratch: inout FieldScratch
    ) -> OutgoingKind? {
        guard text.byteCount > 12 else { return nil }
        let status =
            Int(text.byte(9) &- 0x30) * 100 + Int(text.byte(10) &- 0x30) * 10
            + Int(text.byte(11) &- 0x30)
        let session = unsafe self.session
        return unsafe text.withUnsafeBytes { raw in
            scratch.removeAll()
            if status == 101 {
                scratch.append(":status", "200")
            } else {
                unsafe scratch.append(":status", raw, ByteRange(9, 12))
            }
            let seen = unsafe scratch.appendLines(of: raw, from: Self.firstLine(text))
            if seen.isGRPC, seen.contentLength == 0 {
                // A call that failed at once has nothing but trailers: a length among them would
                // be handed to whoever has called.
                scratch.remove(seen.contentLengthEntry)
            }
            if status < 200, status != 101 {
                let code = unsafe scratch.withEntries { entries, count in
                    unsafe nghttp2_submit_headers(
                        session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, nil, entries, count,
                        nil)
                }
                return code < 0 ? nil : .interim
            }
            let kind: OutgoingKind
            if status == 101 {
                guard isTunnel else { return nil }
                kind = .raw
            } else if answersHead || status == 204 || status == 304 || seen.contentLength == 0 {
                kind = .none
            } else if seen.isChunked {
                kind = .chunked
            } else if let count = seen.contentLength {
                kind = .counted(count)
            } else {
                kind = .raw
            }
            let code = unsafe scratch.withEntries { entries, count in
                guard kind != .none else {
                    return unsafe nghttp2_submit_response(session, stream, entries, count, nil)
                }
                var source = unsafe Callbacks.source
                return unsafe nghttp2_submit_response(session, stream, entries, count, &source)
            }
            return code == 0 ? kind : nil
        }
    }

    /// Opens a stream with the head of a request that stands in `text` as that of an HTTP/1.1
    /// request.
    ///
    /// - Returns: `nil` when the peer takes no more streams.
    public mutating func request(
        _ text: RawSpan, isSecure: Bool, tag: UInt32, _ scratch: inout FieldScratch
    ) -> (stream: Int32, kind: OutgoingKind)? {
        let lineEnd = Self.firstLine(text) - 2
        var methodEnd = 0
        while methodEnd < lineEnd, text.byte(methodEnd) != 0x20 { methodEnd += 1 }
        // Behind the target come a space and the eight letters of the version.
        let targetEnd = lineEnd - 9
        guard targetEnd > methodEnd else { return nil }
        let session = unsafe self.session
        return unsafe text.withUnsafeBytes { raw in
            scratch.removeAll()
            unsafe scratch.append(":method", raw, ByteRange(0, methodEnd))
            scratch.append(":scheme", isSecure ? "https" : "http")
            unsafe scratch.append(":path", raw, ByteRange(methodEnd + 1, targetEnd))
            let place = scratch.reserve()
            let seen = unsafe scratch.appendLines(of: raw, from: lineEnd + 2)
            unsafe scratch.set(place, ":authority", raw, seen.host)
            // The one thing of a connection that HTTP/2 has kept: gRPC servers look for it.
            if seen.isGRPC { scratch.append("te", "trailers") }
            let kind: OutgoingKind =
                if seen.isChunked {
                    .chunked
                } else if let count = seen.contentLength, count > 0 {
                    .counted(count)
                } else {
                    .none
                }
            let stream = unsafe scratch.withEntries { entries, count in
                guard kind != .none else {
                    return unsafe nghttp2_submit_request(
                        session, nil, entries, count, nil, Self.pointer(tag))
                }
                var source = unsafe Callbacks.source
                return unsafe nghttp2_submit_request(
                    session, nil, entries, count, &source, Self.pointer(tag))
            }
            return stream > 0 ? (stream, kind) : nil
        }
    }

    private static func firstLine(_ text: RawSpan) -> Int {
        var position = 0
        while position < text.byteCount, text.byte(position) != 0x0A { position += 1 }
        return min(position + 1, text.byteCount)
    }

    /// Sends content, as far as the peer's windows and the room in `output` allow.
    ///
    /// - Parameter isLast: the stream ends behind it.
    /// - Returns: how much was taken, and whether the end was.
    public mutating func send(
        _ stream: Int32, _ content: RawSpan, isLast: Bool, trailers: RawSpan?,
        to output: inout Buffer, _ scratch: inout FieldScratch
    ) -> (count: Int, hasEnded: Bool) {
        let hasTrailers = (trailers?.byteCount ?? 0) > 0
        let state = unsafe self.state
        var left = 0
        var hasEnded = false
        var lacksRoom = false
        unsafe content.withUnsafeBytes { raw in
            unsafe state.pointee.sendingStream = stream
            unsafe state.pointee.contentBase = raw.baseAddress
            unsafe state.pointee.contentCount = raw.count
            unsafe state.pointee.isLast = isLast
            unsafe state.pointee.hasTrailers = hasTrailers
            unsafe state.pointee.hasEnded = false
            unsafe state.pointee.lacksRoom = false
            unsafe _ = nghttp2_session_resume_data(session, stream)
            _ = write(to: &output)
            left = unsafe state.pointee.contentCount
            hasEnded = unsafe state.pointee.hasEnded
            lacksRoom = unsafe state.pointee.lacksRoom
            unsafe state.pointee.sendingStream = 0
            unsafe state.pointee.contentBase = nil
            unsafe state.pointee.contentCount = 0
            unsafe state.pointee.isLast = false
        }
        // It stays among those that the library lets send next.
        if lacksRoom { unsafe _ = nghttp2_session_resume_data(session, stream) }
        if hasEnded, hasTrailers, let trailers {
            unsafe trailers.withUnsafeBytes { raw in
                scratch.removeAll()
                unsafe _ = scratch.appendLines(of: raw, from: 0)
                unsafe _ = scratch.withEntries { entries, count in
                    unsafe nghttp2_submit_trailer(session, stream, entries, count)
                }
            }
            _ = write(to: &output)
        }
        return (content.byteCount - left, hasEnded)
    }
}
