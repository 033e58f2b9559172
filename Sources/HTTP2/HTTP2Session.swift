import CNGHTTP2
public import Memory
public import Timing

/// The first bytes of a client's connection (RFC 9113 §3.4).
public enum HTTP2Preface {
    private static var preface: StaticString { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }
    public static var byteCount: Int { 24 }

    /// How many of the bytes are those of the preface, from its beginning on.
    public static func match(_ bytes: RawSpan) -> Int {
        let most = min(bytes.byteCount, preface.utf8CodeUnitCount)
        for index in 0..<most {
            let expected = unsafe preface.utf8Start[index]
            guard bytes.byte(index) == expected else { return index }
        }
        return most
    }
}

/// One HTTP/2 connection, without its socket: bytes in, ``HTTP2Event``s out, and the other way
/// round (RFC 9113). Heads come and go as the text of HTTP/1.1 heads, so that whoever sits
/// behind knows one protocol.
///
/// ## Invariants
/// - The library's session and the state that its callbacks write belong to this value and are
///   freed with it.
/// - Nothing runs inside a callback but the recording.
@safe public struct HTTP2Session: ~Copyable {
    public enum Role: Sendable { case server, client }

    /// What ``write(to:)`` leaves free at least; a block has more than this.
    public static let leastRoom = 64

    let session: OpaquePointer
    let state: UnsafeMutablePointer<SessionState>
    public let role: Role
    private var scanner: FrameScanner
    private var meter = AbuseMeter()
    /// Of what the library has handed out and did not fit.
    private var carry: UnsafePointer<UInt8>?
    private var carryCount = 0
    private var hasTerminated = false
    /// Streams beyond the last one are ignored: their clients may not know.
    private var hasRefusedFurther = false

    public init(role: Role, settings: HTTP2Settings) {
        self.role = role
        scanner = FrameScanner(isOfClient: role == .server)
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(
            to: SessionState(headLimit: Int(settings.headerBytes), isClient: role == .client))
        let callbacks = Callbacks.shared
        var session: OpaquePointer?
        let status =
            role == .server
            ? unsafe nghttp2_session_server_new2(
                &session, callbacks.table, state, callbacks.serverOptions)
            : unsafe nghttp2_session_client_new2(
                &session, callbacks.table, state, callbacks.clientOptions)
        guard status == 0, let session = unsafe session else {
            preconditionFailure("nghttp2 makes a session, or there is no memory")
        }
        unsafe self.session = unsafe session
        unsafe carry = nil
        submit(settings)
    }

    deinit {
        unsafe nghttp2_session_del(session)
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    private func submit(_ settings: HTTP2Settings) {
        var entries = [
            nghttp2_settings_entry(
                settings_id: CInt(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: settings.streamWindow),
            nghttp2_settings_entry(
                settings_id: CInt(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: settings.headerBytes),
        ]
        switch role {
        case .server:
            entries += [
                nghttp2_settings_entry(
                    settings_id: CInt(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
                    value: settings.concurrentStreams),
                nghttp2_settings_entry(
                    settings_id: CInt(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL.rawValue),
                    value: 1),
                // RFC 9218 instead of the tree of RFC 7540, whose upkeep was an attack.
                nghttp2_settings_entry(
                    settings_id: CInt(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES.rawValue), value: 1),
            ]
        case .client:
            entries += [
                nghttp2_settings_entry(
                    settings_id: CInt(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0)
            ]
        }
        unsafe _ = nghttp2_submit_settings(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        unsafe _ = nghttp2_session_set_local_window_size(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, Int32(settings.connectionWindow))
    }

    // MARK: - Coming in

    /// Takes bytes from the peer, to the end of one frame at most; what they bring about is in
    /// ``takeEvent(_:)`` afterwards.
    ///
    /// - Returns: how many bytes are used. `nil` when the connection must end: write what there
    ///   is, then close it; ``failure`` says why.
    public mutating func receive(_ bytes: RawSpan, now: LoopInstant) -> Int? {
        let next = scanner.next(bytes, &meter, now: now)
        if let fault = next.fault {
            terminate(fault.code, fault.rule)
            return nil
        }
        if next.streamAgain != 0, isClosed(Int32(next.streamAgain)) {
            terminate(.streamClosed, "h2-stream-closed")
            return nil
        }
        if next.hasHeader {
            let header = scanner.header
            guard unsafe feed(header.span.bytes, from: 0) else { return nil }
        }
        let stretch = bytes.extracting(0..<next.count)
        guard next.count == next.headerCount || feed(stretch, from: next.headerCount) else {
            return nil
        }
        if unsafe state.pointee.isOverwhelmed {
            terminate(.enhanceYourCalm, "h2-header-bomb")
            return nil
        }
        return next.count
    }

    /// Whether a client's stream has ended, so that HEADERS or DATA for it are a connection error
    /// (RFC 9113 §5.1). What was on its way when we have reset the stream, or have ended taking
    /// new ones, is none.
    private func isClosed(_ stream: Int32) -> Bool {
        guard unsafe nghttp2_session_get_stream_remote_close(session, stream) < 0 else {
            return false
        }
        return unsafe !hasRefusedFurther && !state.pointee.ownResets.contains(stream)
    }

    /// Gives bytes to the library, from `start` on.
    ///
    /// - Returns: `false` when it ends the connection.
    private mutating func feed(_ bytes: RawSpan, from start: Int) -> Bool {
        let session = unsafe self.session
        let state = unsafe self.state
        let used = unsafe bytes.withUnsafeBytes { raw in
            unsafe state.pointee.inputBase = raw.baseAddress
            defer { unsafe state.pointee.inputBase = nil }
            let base = unsafe raw.baseAddress?.assumingMemoryBound(to: UInt8.self)
            return unsafe nghttp2_session_mem_recv(
                session, unsafe base.map { unsafe $0 + start }, raw.count - start)
        }
        let isUsed = used == bytes.byteCount - start
        guard isUsed else {
            switch used {
            case CLong(NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue): note("h2-preface")
            case CLong(NGHTTP2_ERR_FLOODED.rawValue):
                isAbused = true
                note("h2-flood")
            default: note("h2-failure")
            }
            return false
        }
        return true
    }

    /// The event at `index` of those that the last calls have brought; `nil` behind the last.
    public func event(_ index: Int) -> HTTP2Event? {
        let count = unsafe state.pointee.events.count
        return index < count ? unsafe state.pointee.events[index] : nil
    }

    /// Forgets all events.
    public mutating func clearEvents() {
        unsafe state.pointee.events.removeAll(keepingCapacity: true)
    }

    /// The peer was ended for abuse: it is not waited for.
    public private(set) var isAbused = false

    /// Why the connection ends; a word for the log.
    public var failure: StaticString? { unsafe state.pointee.failure }

    /// The rule that the head of the last ``HTTP2Event/Kind/refused`` broke.
    public var refusal: StaticString { unsafe state.pointee.draft.rule ?? "h2-message" }

    private mutating func note(_ rule: StaticString) {
        if unsafe state.pointee.failure == nil { unsafe state.pointee.failure = rule }
    }

    /// Tells the peer that the connection ends (RFC 9113 §6.8).
    public mutating func terminate(_ code: HTTP2ErrorCode, _ rule: StaticString?) {
        if let rule { note(rule) }
        if code == .enhanceYourCalm { isAbused = true }
        guard !hasTerminated else { return }
        hasTerminated = true
        unsafe _ = nghttp2_session_terminate_session(session, code.rawValue)
    }

    public enum Taken: Sendable {
        case complete
        /// The text needs a block with so much room.
        case needsRoom(Int)
        case tooLarge
        /// It broke a rule; the peer was told, and the stream is gone.
        case refused(StaticString)
        /// For a protocol over CONNECT that nobody speaks here (RFC 8441).
        case unknownProtocol
    }

    /// Whether the head that has come asks for a WebSocket.
    public var isTunnelRequest: Bool { unsafe state.pointee.draft.isTunnel }

    public var isHeadRequest: Bool { unsafe state.pointee.draft.isHead }
    /// Whether the head that has come says how long its content is.
    public var hasContentLength: Bool { unsafe state.pointee.draft.hasContentLength }

    /// Appends the request that has come, as the head of an HTTP/1.1 request.
    ///
    /// - Parameter key: random.
    public mutating func takeRequest(
        into buffer: inout Buffer, isLast: Bool, key: (UInt64, UInt64)
    ) -> Taken {
        let stream = unsafe state.pointee.draft.stream
        if let rule = unsafe state.pointee.draft.rule {
            reset(stream, .protocolError)
            return .refused(rule)
        }
        if unsafe state.pointee.draft.isTooLarge { return .tooLarge }
        if unsafe state.pointee.draft.isUnknownProtocol { return .unknownProtocol }
        let needed = unsafe state.pointee.draft.textByteCount
        guard buffer.room >= needed else { return .needsRoom(needed) }
        unsafe state.pointee.draft.appendRequest(to: &buffer, isLast: isLast, key: key)
        return .complete
    }

    /// Appends the response that has come, as the head of an HTTP/1.1 response.
    ///
    /// - Parameters:
    ///   - mayHaveContent: the request was not HEAD.
    ///   - framing: set when the response is final: whether its content is chunked.
    public mutating func takeResponse(
        into buffer: inout Buffer, isLast: Bool, mayHaveContent: Bool,
        framing: inout ResponseKind
    ) -> Taken {
        if let rule = unsafe state.pointee.draft.rule {
            unsafe reset(state.pointee.draft.stream, .protocolError)
            return .refused(rule)
        }
        if unsafe state.pointee.draft.isTooLarge { return .tooLarge }
        let needed = unsafe state.pointee.draft.textByteCount
        guard buffer.room >= needed else { return .needsRoom(needed) }
        let status = unsafe state.pointee.draft.status
        let hasLength = unsafe state.pointee.draft.hasContentLength
        framing =
            if status < 200 {
                .interim
            } else if !mayHaveContent || isLast || status == 204 || status == 304 {
                .empty
            } else if hasLength {
                .counted
            } else {
                .chunked
            }
        let endsWithout =
            isLast && mayHaveContent && status != 204 && status != 304 && !hasLength
        unsafe state.pointee.draft.appendResponse(
            to: &buffer, isChunked: framing == .chunked, isEmpty: endsWithout)
        return .complete
    }

    public enum ResponseKind: UInt8, Sendable { case interim, empty, counted, chunked }

    /// Appends the lines of the trailers that have come.
    public mutating func takeTrailers(into buffer: inout Buffer) -> Taken {
        if let rule = unsafe state.pointee.draft.rule {
            unsafe reset(state.pointee.draft.stream, .protocolError)
            return .refused(rule)
        }
        if unsafe state.pointee.draft.isTooLarge { return .tooLarge }
        let needed = unsafe state.pointee.draft.trailerByteCount
        guard buffer.room >= needed else { return .needsRoom(needed) }
        unsafe state.pointee.draft.appendTrailers(to: &buffer)
        return .complete
    }

    /// Content was passed on: the peer may send as much again.
    public mutating func consumed(_ stream: Int32, _ count: Int) {
        unsafe _ = nghttp2_session_consume_stream(session, stream, count)
    }

    /// The same for the connection's window.
    public mutating func consumed(_ count: Int) {
        unsafe _ = nghttp2_session_consume_connection(session, count)
    }

    // MARK: - Streams

    /// Keeps a number with a stream: events carry it; `.max` for none.
    public mutating func setTag(_ tag: UInt32, of stream: Int32) {
        unsafe _ = nghttp2_session_set_stream_user_data(
            session, stream, Self.pointer(tag))
    }

    static func pointer(_ tag: UInt32) -> UnsafeMutableRawPointer? {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(tag &+ 1))
    }

    /// Ends a stream at once (RFC 9113 §6.4).
    public mutating func reset(_ stream: Int32, _ code: HTTP2ErrorCode) {
        unsafe _ = nghttp2_submit_rst_stream(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream, code.rawValue)
    }

    /// Says that no further streams will be taken; those that are open go on. First without a
    /// last stream, so that nothing which is on its way is lost.
    public mutating func announceEnd() {
        unsafe _ = nghttp2_submit_shutdown_notice(session)
    }

    /// Says which stream was the last (RFC 9113 §6.8).
    public mutating func refuseFurther() {
        hasRefusedFurther = true
        let last = unsafe nghttp2_session_get_last_proc_stream_id(session)
        unsafe _ = nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, 0, nil, 0)
    }

    /// Asks whether the peer is still there.
    public mutating func ping() {
        unsafe _ = nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
    }

    /// How many streams the peer lets us have at once.
    public var peerConcurrentStreams: Int {
        unsafe Int(
            nghttp2_session_get_remote_settings(
                session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
    }

    /// Whether the session lives: neither side has ended it.
    public var isAlive: Bool {
        let reads = unsafe nghttp2_session_want_read(session)
        let writes = unsafe nghttp2_session_want_write(session)
        return reads != 0 || writes != 0
    }

    public var mayRequest: Bool {
        unsafe nghttp2_session_check_request_allowed(session) != 0
    }

    // MARK: - Going out

    /// Appends what is to be sent to `output`, as far as it has room.
    ///
    /// - Returns: `false` when the session is broken.
    public mutating func write(to output: inout Buffer) -> Bool {
        let isFine = pump(&output)
        let made = unsafe state.pointee.madeResets
        unsafe state.pointee.madeResets = 0
        let frames = unsafe state.pointee.dataFrames
        unsafe state.pointee.dataFrames = 0
        if frames > 0 {
            meter.earn(.windowUpdate, frames &* 4)
            meter.earn(.ping, frames)
        }
        let answered = unsafe state.pointee.answeredStreams
        unsafe state.pointee.answeredStreams = 0
        if answered > 0 { meter.earn(.reset, answered) }
        for _ in 0..<made where role == .server {
            if !meter.take(.madeReset, now: lastSeen) {
                terminate(.enhanceYourCalm, AbuseMeter.Kind.madeReset.rule)
                return pump(&output)
            }
        }
        return isFine
    }

    /// The time for what is counted on the way out.
    public var lastSeen = LoopInstant.zero

    private mutating func pump(_ output: inout Buffer) -> Bool {
        while true {
            if carryCount > 0 {
                let count = min(carryCount, output.room)
                if let from = unsafe carry {
                    unsafe output.append(RawSpan(_unsafeStart: from, byteCount: count))
                    unsafe carry = unsafe from + count
                }
                carryCount -= count
                guard carryCount == 0 else { return true }
            }
            guard output.room > Self.leastRoom else {
                if unsafe state.pointee.contentCount > 0 || state.pointee.isLast {
                    unsafe state.pointee.lacksRoom = true
                }
                return true
            }
            let session = unsafe self.session
            let state = unsafe self.state
            var bytes: UnsafePointer<UInt8>?
            var count = 0
            _ = unsafe output.fill { room in
                unsafe state.pointee.outputBase = room.baseAddress
                unsafe state.pointee.outputRoom = room.count
                unsafe state.pointee.outputCount = 0
                unsafe count = nghttp2_session_mem_send(session, &bytes)
                unsafe state.pointee.outputBase = nil
                return unsafe state.pointee.outputCount
            }
            guard count >= 0 else {
                note("h2-failure")
                return false
            }
            guard count > 0 else { return true }
            unsafe carry = unsafe bytes
            carryCount = count
        }
    }
}
