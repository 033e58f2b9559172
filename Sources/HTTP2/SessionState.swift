import CNGHTTP2
import Memory

/// What the library's callbacks write down, and read. It lives behind a pointer that does not
/// move, because the library keeps it; nothing of ours runs inside a callback.
@safe struct SessionState: ~Copyable {
    // MARK: Coming in

    var events: [HTTP2Event] = []
    var draft = HeadDraft()
    /// What `receive` was given, for the length of the call.
    var inputBase: UnsafeRawPointer?
    /// Heads with more than this are not kept.
    let headLimit: Int
    var isOverwhelmed = false
    /// The rule that the peer has broken for the whole connection.
    var failure: StaticString?
    var madeResets = 0
    /// Streams that we have reset, the latest few hundred: what their peer had sent before it
    /// knew may still come.
    private(set) var ownResets: [Int32] = []
    private var ownResetCount = 0

    // MARK: Going out

    /// The stream whose content stands ready, for the length of one call; 0 for none.
    var sendingStream: Int32 = 0
    var contentBase: UnsafeRawPointer?
    var contentCount = 0
    /// The content ends the stream, or trailers come behind it.
    var isLast = false
    var hasTrailers = false
    /// The end has been written.
    var hasEnded = false
    /// The stream could have sent more, had there been room.
    var lacksRoom = false
    var outputBase: UnsafeMutableRawPointer?
    var outputRoom = 0
    var outputCount = 0
    /// DATA frames written since it was last looked at.
    var dataFrames: Int32 = 0
    /// Streams that we have ended in the regular way since then.
    var answeredStreams: Int32 = 0

    let isClient: Bool

    init(headLimit: Int, isClient: Bool) {
        self.headLimit = headLimit
        self.isClient = isClient
    }

    private static let keptResetCount = 256

    mutating func noteOwnReset(_ stream: Int32) {
        if ownResets.count < Self.keptResetCount {
            ownResets.append(stream)
        } else {
            ownResets[ownResetCount % Self.keptResetCount] = stream
        }
        ownResetCount &+= 1
    }

    mutating func note(
        _ kind: HTTP2Event.Kind, _ stream: Int32, _ tag: UInt32, code: UInt32 = 0,
        lower: Int = 0, count: Int = 0
    ) {
        events.append(
            HTTP2Event(
                kind: kind, stream: stream, tag: tag, code: code,
                lower: UInt32(truncatingIfNeeded: lower),
                count: UInt32(truncatingIfNeeded: count)))
    }
}

/// The library's table of our callbacks, and its options: made once, never changed
/// (`@unchecked Sendable`).
@safe struct Callbacks: @unchecked Sendable {
    static let shared = Callbacks()

    let table: OpaquePointer
    let serverOptions: OpaquePointer
    let clientOptions: OpaquePointer

    private init() {
        var table: OpaquePointer?
        guard unsafe nghttp2_session_callbacks_new(&table) == 0, let table = unsafe table else {
            preconditionFailure("nghttp2 makes its table, or there is no memory")
        }
        unsafe Self.fill(table)
        unsafe self.table = unsafe table
        unsafe serverOptions = Self.options(isServer: true)
        unsafe clientOptions = Self.options(isServer: false)
    }

    private static func options(isServer: Bool) -> OpaquePointer {
        var options: OpaquePointer?
        guard unsafe nghttp2_option_new(&options) == 0, let options = unsafe options else {
            preconditionFailure("nghttp2 makes its options, or there is no memory")
        }
        // Windows open as content is passed on: that is what ties the two ends together.
        unsafe nghttp2_option_set_no_auto_window_update(options, 1)
        unsafe nghttp2_option_set_no_closed_streams(options, 1)
        unsafe nghttp2_option_set_max_send_header_block_length(options, 256 << 10)
        // What may be owed in answers to pings and settings: above what our own meters let pass
        // at once, so that they decide, and say which flood it was.
        unsafe nghttp2_option_set_max_outbound_ack(options, 4000)
        if !isServer { unsafe nghttp2_option_set_peer_max_concurrent_streams(options, 100) }
        return unsafe options
    }

    private static func fill(_ table: OpaquePointer) {
        unsafe nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, data in
            unsafe Callbacks.beginHeaders(frame!, data!)
        }
        unsafe nghttp2_session_callbacks_set_on_header_callback(table) {
            _, _, name, nameCount, value, valueCount, _, data in
            let name = unsafe RawSpan(_unsafeStart: name!, byteCount: nameCount)
            let value = unsafe RawSpan(_unsafeStart: value!, byteCount: valueCount)
            return unsafe Callbacks.header(name, value, data!)
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_header_callback(table) {
            _, _, name, nameCount, value, valueCount, _, data in
            let name = unsafe RawSpan(_unsafeStart: name!, byteCount: nameCount)
            let value = unsafe RawSpan(_unsafeStart: value!, byteCount: valueCount)
            return unsafe Callbacks.invalidHeader(name, value, data!)
        }
        unsafe nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table) {
            session, frame, code, data in
            unsafe Callbacks.invalidFrame(session!, frame!, code, data!)
        }
        unsafe nghttp2_session_callbacks_set_on_frame_recv_callback(table) {
            session, frame, data in
            unsafe Callbacks.frameReceived(session!, frame!, data!)
        }
        unsafe nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) {
            session, _, stream, bytes, count, data in
            let state = unsafe Callbacks.state(data!)
            guard count > 0, let base = unsafe state.pointee.inputBase else { return 0 }
            unsafe state.pointee.note(
                .content, stream, Callbacks.tag(session!, stream),
                lower: UnsafeRawPointer(bytes!) - base, count: count)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_stream_close_callback(table) {
            session, stream, code, data in
            unsafe Callbacks.state(data!).pointee.note(
                .closed, stream, Callbacks.tag(session!, stream), code: code)
            return 0
        }
        unsafe nghttp2_session_callbacks_set_on_frame_send_callback(table) { _, frame, data in
            unsafe Callbacks.frameSent(frame!, data!)
        }
        unsafe nghttp2_session_callbacks_set_send_data_callback(table) {
            _, _, header, count, _, data in
            unsafe Callbacks.write(header!, count, data!)
        }
    }

    static func state(_ data: UnsafeMutableRawPointer) -> UnsafeMutablePointer<SessionState> {
        unsafe data.assumingMemoryBound(to: SessionState.self)
    }

    /// What the library keeps for us with a stream is a number, not an address.
    static func tag(_ session: OpaquePointer, _ stream: Int32) -> UInt32 {
        let kept = unsafe nghttp2_session_get_stream_user_data(session, stream)
        return UInt32(truncatingIfNeeded: UInt(bitPattern: kept)) &- 1
    }

    private static func beginHeaders(
        _ frame: UnsafePointer<nghttp2_frame>, _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        let kind: HeadDraft.Kind =
            switch unsafe frame.pointee.headers.cat {
            case NGHTTP2_HCAT_REQUEST: .request
            case NGHTTP2_HCAT_RESPONSE: .response
            // Behind an interim response come the final one's fields; behind content, trailers.
            // Which it is shows with the first of them.
            default: unsafe state.pointee.isClient ? .trailersOrFinal : .trailers
            }
        let limit = unsafe state.pointee.headLimit
        unsafe state.pointee.draft.begin(frame.pointee.hd.stream_id, kind, limit: limit)
        return 0
    }

    private static func header(
        _ name: RawSpan, _ value: RawSpan, _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        guard unsafe state.pointee.draft.add(name, value) else {
            unsafe state.pointee.isOverwhelmed = true
            return CInt(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        return 0
    }

    /// A field that the library does not let through; ours is the more telling rule.
    private static func invalidHeader(
        _ name: RawSpan, _ value: RawSpan, _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        _ = unsafe state.pointee.draft.add(name, value)
        if unsafe state.pointee.draft.rule == nil { unsafe state.pointee.draft.rule = "h2-field" }
        return CInt(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }

    /// The library has ended a stream for its head.
    private static func invalidFrame(
        _ session: OpaquePointer, _ frame: UnsafePointer<nghttp2_frame>, _ code: CInt,
        _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        // It is refused before the reset goes out; more of it may stand behind it.
        unsafe state.pointee.noteOwnReset(frame.pointee.hd.stream_id)
        guard unsafe UInt32(frame.pointee.hd.type) == NGHTTP2_HEADERS.rawValue,
            code == CInt(NGHTTP2_ERR_HTTP_HEADER.rawValue)
                || code == CInt(NGHTTP2_ERR_HTTP_MESSAGING.rawValue)
        else { return 0 }
        if unsafe state.pointee.draft.rule == nil {
            unsafe state.pointee.draft.rule =
                code == CInt(NGHTTP2_ERR_HTTP_HEADER.rawValue) ? "h2-field" : "h2-message"
        }
        let stream = unsafe frame.pointee.hd.stream_id
        unsafe state.pointee.note(.refused, stream, tag(session, stream))
        return 0
    }

    private static func frameReceived(
        _ session: OpaquePointer, _ frame: UnsafePointer<nghttp2_frame>,
        _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        let stream = unsafe frame.pointee.hd.stream_id
        let isLast = unsafe frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch unsafe UInt32(frame.pointee.hd.type) {
        case NGHTTP2_HEADERS.rawValue:
            unsafe state.pointee.draft.close()
            let tag = unsafe tag(session, stream)
            let isTrailers = unsafe state.pointee.draft.isTrailers
            unsafe state.pointee.note(
                isTrailers ? .trailers : .head, stream, tag, code: isLast ? 1 : 0)
            if isLast { unsafe state.pointee.note(.end, stream, tag) }
        case NGHTTP2_DATA.rawValue:
            if isLast { unsafe state.pointee.note(.end, stream, tag(session, stream)) }
        case NGHTTP2_GOAWAY.rawValue:
            unsafe state.pointee.note(
                .goingAway, 0, .max, code: frame.pointee.goaway.error_code)
        case NGHTTP2_SETTINGS.rawValue:
            if unsafe frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
                unsafe state.pointee.note(.settings, 0, .max)
            }
        case NGHTTP2_PING.rawValue:
            if unsafe frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 {
                unsafe state.pointee.note(.pong, 0, .max)
            }
        default: break
        }
        return 0
    }

    private static func frameSent(
        _ frame: UnsafePointer<nghttp2_frame>, _ data: UnsafeMutableRawPointer
    ) -> CInt {
        switch unsafe UInt32(frame.pointee.hd.type) {
        case NGHTTP2_DATA.rawValue, NGHTTP2_HEADERS.rawValue:
            if unsafe frame.pointee.hd.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
                unsafe state(data).pointee.answeredStreams += 1
            }
        case NGHTTP2_RST_STREAM.rawValue:
            unsafe state(data).pointee.noteOwnReset(frame.pointee.hd.stream_id)
            // These codes are the library's: the peer has broken a rule on this stream.
            switch unsafe HTTP2ErrorCode(rawValue: frame.pointee.rst_stream.error_code) {
            case .protocolError, .flowControlError, .streamClosed, .frameSizeError:
                unsafe state(data).pointee.madeResets += 1
            default: break
            }
        case NGHTTP2_GOAWAY.rawValue:
            let state = unsafe state(data)
            if unsafe frame.pointee.goaway.error_code != 0, unsafe state.pointee.failure == nil {
                unsafe state.pointee.failure = Self.rule(frame.pointee.goaway.error_code)
            }
        default: break
        }
        return 0
    }

    private static func rule(_ code: UInt32) -> StaticString {
        switch code {
        case 3: "h2-flow-control-error"
        case 5: "h2-stream-closed-error"
        case 6: "h2-frame-size-error"
        case 9: "h2-compression-error"
        default: "h2-protocol-error"
        }
    }

    // MARK: - Content on its way out

    /// Where the content of every stream comes from.
    static var source: nghttp2_data_provider {
        unsafe nghttp2_data_provider(
            source: nghttp2_data_source(fd: 0),
            read_callback: { session, stream, _, most, flags, _, data in
                unsafe Callbacks.offer(session!, stream, most, flags!, data!)
            })
    }

    private static func offer(
        _ session: OpaquePointer, _ stream: Int32, _ most: Int,
        _ flags: UnsafeMutablePointer<UInt32>,
        _ data: UnsafeMutableRawPointer
    ) -> Int {
        let state = unsafe state(data)
        guard unsafe stream == state.pointee.sendingStream else {
            unsafe state.pointee.note(.writable, stream, tag(session, stream))
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        let available = unsafe state.pointee.contentCount
        let isLast = unsafe state.pointee.isLast
        let room = unsafe state.pointee.outputRoom - state.pointee.outputCount - 9
        let count = min(most, available, room)
        if count <= 0, available > 0 || room < 0 {
            unsafe state.pointee.lacksRoom = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        guard count > 0 || isLast else { return Int(NGHTTP2_ERR_DEFERRED.rawValue) }
        unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
        if isLast, count == available {
            unsafe flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if unsafe state.pointee.hasTrailers {
                unsafe flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            }
            unsafe state.pointee.hasEnded = true
        }
        return count
    }

    private static func write(
        _ header: UnsafePointer<UInt8>, _ count: Int, _ data: UnsafeMutableRawPointer
    ) -> CInt {
        let state = unsafe state(data)
        guard let output = unsafe state.pointee.outputBase,
            unsafe state.pointee.outputCount + 9 + count <= state.pointee.outputRoom,
            unsafe count <= state.pointee.contentCount
        else { return CInt(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        let target = unsafe output + state.pointee.outputCount
        unsafe target.copyMemory(from: header, byteCount: 9)
        if count > 0, let content = unsafe state.pointee.contentBase {
            unsafe (target + 9).copyMemory(from: content, byteCount: count)
            unsafe state.pointee.contentBase = unsafe content + count
            unsafe state.pointee.contentCount -= count
        }
        unsafe state.pointee.outputCount += 9 + count
        unsafe state.pointee.dataFrames += 1
        return 0
    }
}
