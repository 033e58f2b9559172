public import HTTP2
import Memory
import Timing

/// What one end of an HTTP/2 connection makes of the bytes of the other: a session that is driven
/// as a worker drives it, and all that it said.
public struct SessionReading: Equatable, Sendable {
    /// One stream.
    public struct Message: Equatable, Sendable {
        /// As HTTP/1.1 text, interim responses first.
        public var heads: [String] = []
        public var content: [UInt8] = []
        /// As lines of HTTP/1.1.
        public var trailers: String?
        /// The peer has finished.
        public var isComplete = false
        /// The rule that a head or trailers broke.
        public var refusal: String?
        /// With which the stream was closed.
        public var code: UInt32?
        /// The head said how long its content is, or that it is a tunnel.
        public var isCounted = false
        public var isTooLarge = false
        public var isUnknownProtocol = false
    }

    public var messages: [Int32: Message] = [:]
    /// The code of each stream that we have reset.
    public var resets: [Int32: UInt32] = [:]
    /// The code of our last GOAWAY.
    public var goAway: UInt32?
    /// The rule that ended the connection.
    public var failure: String?
    /// Bytes that were taken before it.
    public var taken = 0
    /// The sum of what we sent.
    public var sentByteCount = 0

    public init() {}

    /// Without what depends on where the input was cut: how much of a message was passed on before
    /// it turned out to be wrong, and, where the connection failed in the end, what was still said
    /// about its streams before.
    public var settled: SessionReading {
        var settled = self
        if failure != nil {
            settled.taken = 0
            settled.sentByteCount = 0
            settled.resets = [:]
            for stream in messages.keys { settled.messages[stream]?.code = nil }
        }
        for (stream, message) in messages where !message.isComplete {
            settled.messages[stream]?.content = []
            if message.code != nil || failure != nil {
                settled.messages[stream]?.trailers = nil
            }
        }
        return settled
    }

    public var first: Message { messages[1] ?? Message() }

    /// Reads `bytes`, which come in pieces that end at `cuts`.
    ///
    /// - Parameters:
    ///   - asking: a request that a client has sent before, as HTTP/1.1 text.
    ///   - now: the time of the piece with this number, in milliseconds.
    public static func read(
        _ bytes: [UInt8], role: HTTP2Session.Role, asking request: String = "",
        cuts: [Int] = [], settings: HTTP2Settings = HTTP2Settings(),
        now: (Int) -> UInt64 = { _ in 1000 }
    ) -> SessionReading {
        var driver = Driver(role: role, settings: settings)
        if !request.isEmpty { driver.ask(request) }
        var position = 0
        for (number, end) in (cuts + [bytes.count]).enumerated() {
            let instant = LoopInstant.zero + .milliseconds(Int(now(number)))
            guard driver.take(bytes[position..<end], instant) else { break }
            position = end
        }
        return driver.reading
    }
}

/// A session and what it has said so far.
private struct Driver: ~Copyable {
    var session: HTTP2Session
    var reading = SessionReading()
    var scratch = FieldScratch()
    var output = Buffer(capacity: 32 << 10)
    /// Of frames that we send: the beginning of one that is cut.
    private var sent: [UInt8] = []
    private var answersHead = false

    init(role: HTTP2Session.Role, settings: HTTP2Settings) {
        session = HTTP2Session(role: role, settings: settings)
        flush()
        sent = []
    }

    mutating func ask(_ text: String) {
        var buffer = Buffer(capacity: text.utf8.count + 1)
        buffer.append(text: text)
        answersHead = text.hasPrefix("HEAD ")
        let opened = session.request(buffer.bytes, isSecure: false, tag: 1, &scratch)
        precondition(opened != nil, "a new session opens a stream")
        flush()
    }

    /// - Returns: `false` when the connection has ended.
    mutating func take(_ piece: ArraySlice<UInt8>, _ now: LoopInstant) -> Bool {
        guard !piece.isEmpty else { return true }
        var input = Buffer(capacity: piece.count)
        for byte in piece { input.append(byte) }
        while !input.isEmpty {
            session.lastSeen = now
            let used = session.receive(input.bytes, now: now)
            handleEvents(input)
            guard flush(), let used else {
                flush()
                reading.failure = session.failure.map { "\($0)" } ?? "?"
                return false
            }
            reading.taken += used
            input.consume(used)
            if session.failure != nil {
                reading.failure = session.failure.map { "\($0)" }
                return false
            }
        }
        return true
    }

    private mutating func handleEvents(_ input: borrowing Buffer) {
        var index = 0
        while let event = session.event(index) {
            handle(event, input)
            index += 1
        }
        session.clearEvents()
    }

    private mutating func handle(_ event: HTTP2Event, _ input: borrowing Buffer) {
        var message = reading.messages[event.stream] ?? .init()
        switch event.kind {
        case .head: takeHead(event, &message)
        case .trailers:
            var buffer = Buffer(capacity: 64 << 10)
            switch session.takeTrailers(into: &buffer) {
            case .complete: message.trailers = Self.text(buffer)
            case .refused(let rule): message.refusal = "\(rule)"
            default: message.isTooLarge = true
            }
        case .content:
            let lower = input.start + Int(event.lower)
            for offset in 0..<Int(event.count) { message.content.append(input[lower + offset]) }
            session.consumed(event.stream, Int(event.count))
            session.consumed(Int(event.count))
        case .end: message.isComplete = true
        case .closed: message.code = event.code
        case .refused: message.refusal = "\(session.refusal)"
        case .writable, .goingAway, .pong, .settings: return
        }
        reading.messages[event.stream] = message
    }

    private mutating func takeHead(_ event: HTTP2Event, _ message: inout SessionReading.Message) {
        var buffer = Buffer(capacity: 256 << 10)
        let taken: HTTP2Session.Taken
        if session.role == .server {
            message.isCounted = session.hasContentLength || session.isTunnelRequest
            taken = session.takeRequest(into: &buffer, isLast: event.code == 1, key: (1, 2))
        } else {
            var kind = HTTP2Session.ResponseKind.interim
            message.isCounted = session.hasContentLength
            taken = session.takeResponse(
                into: &buffer, isLast: event.code == 1, mayHaveContent: !answersHead,
                framing: &kind)
        }
        switch taken {
        case .complete: message.heads.append(Self.text(buffer))
        case .refused(let rule): message.refusal = "\(rule)"
        case .tooLarge, .needsRoom: message.isTooLarge = true
        case .unknownProtocol: message.isUnknownProtocol = true
        }
    }

    static func text(_ buffer: borrowing Buffer) -> String {
        // One scalar for each byte, so that nothing is repaired.
        var text = ""
        for position in buffer.start..<buffer.end {
            text.unicodeScalars.append(Unicode.Scalar(buffer[position]))
        }
        return text
    }

    /// Takes what is to be sent, and looks at the frames.
    @discardableResult
    private mutating func flush() -> Bool {
        while true {
            output.reset()
            guard session.write(to: &output) else { return false }
            handleEvents(Buffer())
            guard !output.isEmpty else { break }
            reading.sentByteCount += output.count
            for position in output.start..<output.end { sent.append(output[position]) }
        }
        while sent.count >= 9 {
            let length = Int(sent[0]) << 16 | Int(sent[1]) << 8 | Int(sent[2])
            guard sent.count >= 9 + length else { break }
            let stream = Int32(truncatingIfNeeded: number(5))
            if sent[3] == 3 { reading.resets[stream] = number(9) }
            if sent[3] == 7 { reading.goAway = number(13) }
            sent.removeFirst(9 + length)
        }
        return true
    }

    private func number(_ offset: Int) -> UInt32 {
        sent[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}
