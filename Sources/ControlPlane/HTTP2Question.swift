import HTTP
import HTTP1
import HTTP2
import Memory
import Timing

/// One request over HTTP/2, and its answer, without the socket: the check of a server that
/// speaks nothing else.
final class HTTP2Question {
    /// As much of the content is kept as a check looks at.
    private static let contentByteBound = 4096
    private static let tag: UInt32 = 1

    private var session = HTTP2Session(role: .client, settings: HTTP2Settings())
    private var scratch = FieldScratch()
    private var content: [UInt8]
    private var stream: Int32 = 0

    /// The head of the final answer, as text of HTTP/1.1; empty before it has come.
    private var head = Buffer(capacity: 40 << 10)
    /// The lines behind the content.
    private var trailers = Buffer(capacity: 40 << 10)
    private(set) var answer: [UInt8] = []
    /// Nothing more will come.
    private(set) var isOver = false
    /// The answer is no answer: a broken rule, or the stream was ended.
    private(set) var isBroken = false

    /// - Parameters:
    ///   - head: as of an HTTP/1.1 request, with a `Content-Length` when there is content.
    ///   - content: at most what the smallest window lets through.
    init(head: [UInt8], content: [UInt8], isSecure: Bool) {
        self.content = content
        let text = Buffer(holding: head)
        guard
            let opened = session.request(
                text.bytes, isSecure: isSecure, tag: Self.tag, &scratch)
        else {
            isBroken = true
            return
        }
        stream = opened.stream
    }

    /// The head of the final answer; `nil` when there is none.
    func parsedHead(_ fields: inout FieldSection) throws(HeadError) -> ResponseHead? {
        try Self.parsed(head, &fields)
    }

    /// The head of the final answer, as text of HTTP/1.1.
    var headText: String { Self.text(head) }

    private static func text(_ buffer: borrowing Buffer) -> String {
        buffer.bytes.text(ByteRange(0, buffer.count))
    }

    private static func parsed(
        _ text: borrowing Buffer, _ fields: inout FieldSection
    ) throws(HeadError) -> ResponseHead? {
        let parsed = try HeadParser.parseResponse(
            text.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields)
        guard case .complete(let found, _) = parsed else { return nil }
        return found
    }

    /// What gRPC says of the call. An answer without a message says it in its only head.
    var grpcStatus: Int? {
        GRPCHealth.status(in: trailers) ?? GRPCHealth.status(in: head)
    }

    /// Appends what is to be sent now.
    func write(to output: inout Buffer) {
        guard session.write(to: &output), !content.isEmpty else { return }
        let body = Buffer(holding: content)
        content = []
        _ = session.send(
            stream, body.bytes, isLast: true, trailers: nil, to: &output, &scratch)
    }

    /// Takes what the server has sent; all of `input` is used up.
    func receive(_ input: inout Buffer, now: LoopInstant) {
        while !input.isEmpty, !isBroken {
            let start = input.start
            guard let used = session.receive(input.bytes, now: now) else {
                isBroken = true
                return
            }
            var index = 0
            while let event = session.event(index) {
                take(event, input, from: start)
                index += 1
            }
            session.clearEvents()
            input.consume(used)
        }
    }

    private func take(_ event: HTTP2Event, _ input: borrowing Buffer, from start: Int) {
        guard event.stream == stream else {
            if event.kind == .goingAway, head.isEmpty { isBroken = true }
            return
        }
        switch event.kind {
        case .head:
            head.reset()
            var kind = HTTP2Session.ResponseKind.interim
            let taken = session.takeResponse(
                into: &head, isLast: event.code == 1, mayHaveContent: true, framing: &kind)
            guard case .complete = taken else {
                isBroken = true
                return
            }
            if kind == .interim { head.reset() }
        case .trailers:
            guard case .complete = session.takeTrailers(into: &trailers) else {
                isBroken = true
                return
            }
        case .content:
            let lower = start + Int(event.lower)
            let room = Self.contentByteBound - answer.count
            let count = min(Int(event.count), max(0, room))
            for offset in 0..<count { answer.append(input[lower + offset]) }
            session.consumed(stream, Int(event.count))
            session.consumed(Int(event.count))
        case .end:
            isOver = true
        case .closed:
            if !isOver { isBroken = true }
        case .writable, .refused, .goingAway, .pong, .settings:
            break
        }
    }
}
