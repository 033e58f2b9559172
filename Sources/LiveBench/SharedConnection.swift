import HTTP
import HTTP1
import HTTP2
import Linux
import Memory

/// A connection of HTTP/2 to the proxy, without TLS: many requests at once.
final class SharedConnection: ClientConnection {
    /// Streams, when the proxy has not said how many it takes.
    private static let usualStreamCount = 100

    private let key: UInt64
    let target: Int
    private var socket: ClientSocket
    private var isOpen = true
    private var isLeaving = false
    private var session = HTTP2Session(role: .client, settings: HTTP2Settings())
    private var scratch = FieldScratch()
    private var fields = FieldSection()
    private var input = Buffer(capacity: 64 << 10)
    private var output = Buffer(capacity: 64 << 10)
    private var text = Buffer(capacity: 40 << 10)
    /// Answers whose heads have come, by request.
    private var answers: [Int32: Answer] = [:]
    private var underWay: Set<Int32> = []
    /// Requests whose last byte is not yet in the kernel's hands.
    private var unsent: [Int32] = []

    init(key: UInt64, target: Int, _ socket: consuming FileDescriptor) {
        self.key = key
        self.target = target
        self.socket = ClientSocket(socket)
    }

    var streamCount: Int { underWay.count }
    var takesMore: Bool { isOpen && !isLeaving && session.mayRequest }
    var hasRoom: Bool {
        streamCount < min(session.peerConcurrentStreams, Self.usualStreamCount)
    }

    func begin(_ number: Int32, _ generator: Generator) {
        text.reset()
        generator.compose(number, into: &text)
        guard
            session.request(text.bytes, isSecure: false, tag: UInt32(number), &scratch) != nil
        else { return generator.lost(number) }
        underWay.insert(number)
        unsent.append(number)
        flush(generator)
    }

    func ready(_ readiness: Readiness, _ generator: Generator) {
        if readiness.contains(.writable) { flush(generator) }
        while isOpen {
            if input.isEmpty { input.reset() }
            if input.room == 0 { input.slide() }
            guard input.room > 0 else { return end(generator) }
            switch socket.receive(into: &input, generator) {
            case .done: read(generator)
            case .waits: return flush(generator)
            case .ended: return end(generator)
            }
        }
    }

    func end(_ generator: Generator) {
        guard isOpen else { return }
        isOpen = false
        socket.close()
        generator.forget(key)
        for number in underWay { generator.lost(number) }
        underWay = []
    }

    func flush(_ generator: Generator) {
        while isOpen {
            if output.isEmpty { output.reset() }
            guard session.write(to: &output) else { return end(generator) }
            guard !output.isEmpty else { break }
            switch socket.send(&output, generator) {
            case .done: continue
            case .waits: return
            case .ended: return end(generator)
            }
        }
        for number in unsent { generator.sent(number) }
        unsent = []
    }

    private func read(_ generator: Generator) {
        while isOpen, !input.isEmpty {
            guard let used = session.receive(input.bytes, now: generator.now()) else {
                return end(generator)
            }
            var index = 0
            while let event = session.event(index) {
                take(event, generator)
                index += 1
            }
            session.clearEvents()
            guard isOpen else { return }
            input.consume(used)
        }
    }

    private func take(_ event: HTTP2Event, _ generator: Generator) {
        let number = Int32(bitPattern: event.tag)
        switch event.kind {
        case .head:
            guard underWay.contains(number) else { return }
            readHead(number, isLast: event.code == 1)
        case .trailers:
            text.reset()
            _ = session.takeTrailers(into: &text)
        case .content:
            session.consumed(event.stream, Int(event.count))
            session.consumed(Int(event.count))
        case .end:
            guard underWay.remove(number) != nil else { return }
            if let answer = answers.removeValue(forKey: number) {
                generator.answered(number, answer)
            } else {
                generator.lost(number)
            }
        case .closed:
            answers[number] = nil
            if underWay.remove(number) != nil { generator.lost(number) }
        case .goingAway:
            isLeaving = true
        case .writable, .refused, .pong, .settings:
            break
        }
    }

    private func readHead(_ number: Int32, isLast: Bool) {
        text.reset()
        var kind = HTTP2Session.ResponseKind.interim
        let taken = session.takeResponse(
            into: &text, isLast: isLast, mayHaveContent: true, framing: &kind)
        guard case .complete = taken, kind != .interim,
            let parsed = try? HeadParser.parseResponse(
                text.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields),
            case .complete(let head, _) = parsed
        else { return }
        answers[number] = Answer(head, fields, of: text.bytes)
    }
}
