import FuzzProperties
import HTTP2
import Memory
import Testing
import Timing

private let fields = [
    HTTP2Field(":method", "GET"), HTTP2Field(":scheme", "https"), HTTP2Field(":path", "/"),
    HTTP2Field(":authority", "a.test"),
]

private func stream(_ number: Int) -> UInt32 { UInt32(number * 2 + 1) }
private func request(_ number: Int) -> [UInt8] {
    HTTP2Bytes.headers(fields, stream: stream(number), isLast: true)
}

/// What costs the peer nothing: so many at once, so many more each second.
struct Flood: Sendable, CustomTestStringConvertible {
    var rule: String
    var burst: Int
    var perSecond: Int
    var before: [UInt8] = []
    var step: @Sendable (Int) -> [UInt8]
    var testDescription: String { rule }

    func steps(_ range: Range<Int>) -> [UInt8] { range.flatMap { step($0) } }
}

private let floods: [Flood] = [
    Flood(rule: "h2-ping-flood", burst: 1000, perSecond: 100) { _ in
        HTTP2Bytes.frame(6, flags: 0, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8])
    },
    // The preface has one, too.
    Flood(rule: "h2-settings-flood", burst: 99, perSecond: 10) { _ in HTTP2Bytes.settings },
    Flood(rule: "h2-priority-flood", burst: 1000, perSecond: 100) {
        HTTP2Bytes.frame(2, flags: 0, stream: stream($0), [0, 0, 0, 0, 1])
    },
    Flood(rule: "h2-unknown-frame-flood", burst: 100, perSecond: 10) { _ in
        HTTP2Bytes.frame(0xAA, flags: 0, stream: 0, [1])
    },
    Flood(rule: "h2-window-update-flood", burst: 10_000, perSecond: 1000) { _ in
        HTTP2Bytes.frame(8, flags: 0, stream: 0, HTTP2Bytes.number(1))
    },
    Flood(
        rule: "h2-empty-data-flood", burst: 100, perSecond: 10,
        before: HTTP2Bytes.headers(fields, isLast: false)
    ) { _ in HTTP2Bytes.data([], isLast: false) },
    Flood(rule: "h2-rapid-reset", burst: 200, perSecond: 50) {
        request($0) + HTTP2Bytes.frame(3, flags: 0, stream: stream($0), HTTP2Bytes.number(8))
    },
    Flood(rule: "h2-made-you-reset", burst: 50, perSecond: 5) {
        request($0)
            + HTTP2Bytes.frame(8, flags: 0, stream: stream($0), HTTP2Bytes.number(0x7FFF_FFFF))
    },
]

@Suite("A session counts what abuse is made of")
struct SessionTests {
    @Test("So many at once, so many more each second, and no more", arguments: floods)
    func meter(_ flood: Flood) {
        let start = HTTP2Bytes.preface + flood.before
        let burst = start + flood.steps(0..<flood.burst)
        let fine = SessionReading.read(burst, role: .server)
        #expect(fine.failure == nil && fine.goAway == nil)
        let last = flood.steps(flood.burst..<flood.burst + 1)
        let many = SessionReading.read(burst + last, role: .server)
        #expect(many.failure == flood.rule)
        #expect(many.goAway == 11, "ENHANCE_YOUR_CALM")

        let end = flood.burst + flood.perSecond
        let second = burst + flood.steps(flood.burst..<end)
        let later = SessionReading.read(
            second, role: .server, cuts: [burst.count], now: { $0 == 0 ? 1000 : 2000 })
        #expect(later.failure == nil, "a second later")
        let tooMany = SessionReading.read(
            second + flood.steps(end..<end + 1), role: .server, cuts: [burst.count],
            now: { $0 == 0 ? 1000 : 2000 })
        #expect(tooMany.failure == flood.rule, "one more a second later")
    }

    @Test("Six CONTINUATION frames are a head, seven are a flood")
    func continuations() {
        func read(_ count: Int, cut: Bool) -> SessionReading {
            var bytes = HTTP2Bytes.headers(fields, isLast: true)
            // The head goes on.
            bytes[4] = HTTP2Bytes.endStream
            for number in 1...count {
                let piece = HTTP2Bytes.headers([HTTP2Field("x-\(number)", "y")], isLast: false)
                let flags = number == count ? HTTP2Bytes.endHeaders : 0
                bytes += HTTP2Bytes.frame(9, flags: flags, stream: 1, Array(piece[9...]))
            }
            bytes = HTTP2Bytes.preface + bytes
            return SessionReading.read(
                bytes, role: .server, cuts: cut ? Array(1..<bytes.count) : [])
        }
        for cut in [false, true] {
            let fine = read(6, cut: cut)
            #expect(fine.failure == nil && fine.first.heads.first?.contains("x-6: y") == true)
            let flood = read(7, cut: cut)
            #expect(flood.failure == "h2-continuation-flood" && flood.goAway == 11)
        }
    }

    @Test("Frames on streams that are not there end the connection, wherever they are cut")
    func streams() {
        let reset = HTTP2Bytes.frame(3, flags: 0, stream: 1, HTTP2Bytes.number(8))
        let priority = HTTP2Bytes.frame(2, flags: 0, stream: 0, [0, 0, 0, 0, 1])
        for (bytes, rule, code) in [
            (priority, "h2-stream-zero", UInt32(1)),
            (request(0) + reset + HTTP2Bytes.data([1], isLast: true), "h2-stream-reset", 5),
            (request(3) + request(1), "h2-stream-skipped", 1),
        ] {
            let all = HTTP2Bytes.preface + bytes
            let whole = SessionReading.read(all, role: .server)
            #expect(whole.failure == rule && whole.goAway == code, "\(whole)")
            let pieces = SessionReading.read(all, role: .server, cuts: Array(1..<all.count))
            #expect(pieces.settled == whole.settled)
        }
    }

    @Test("A head of five hundred lines goes out and arrives as it was")
    func manyLines() {
        var text = "GET /x HTTP/1.1\r\nhost: a.test\r\n"
        for number in 0..<500 { text += "x-\(number): \(number)\r\n" }
        text += "\r\n"
        var head = Buffer(capacity: text.utf8.count)
        head.append(text: text)
        var session = HTTP2Session(role: .client, settings: HTTP2Settings())
        var scratch = FieldScratch()
        let opened = session.request(head.bytes, isSecure: true, tag: 1, &scratch)
        #expect(opened?.stream == 1 && opened?.kind == OutgoingKind.none)
        var output = Buffer(capacity: 64 << 10)
        let isWritten = session.write(to: &output)
        #expect(isWritten)
        let bytes = (output.start..<output.end).map { output[$0] }
        #expect(SessionReading.read(bytes, role: .server).first.heads == [text])
    }

    /// What a client makes of a response that stands in `text` as HTTP/1.1 has it.
    private func response(
        _ text: String, content: String = "", trailers: String? = nil
    ) -> SessionReading.Message {
        var session = HTTP2Session(role: .server, settings: HTTP2Settings())
        var scratch = FieldScratch()
        var output = Buffer(capacity: 64 << 10)
        var input = Buffer(capacity: 1024)
        for byte in HTTP2Bytes.preface + request(0) { input.append(byte) }
        while !input.isEmpty, let used = session.receive(input.bytes, now: .zero) {
            input.consume(used)
        }
        session.clearEvents()
        var head = Buffer(capacity: 4096)
        head.append(text: text)
        let kind = session.respond(
            1, head.bytes, answersHead: false, isTunnel: false, &scratch)
        var lines = Buffer(capacity: 4096)
        if let trailers { lines.append(text: trailers + "\r\n") }
        var body = Buffer(capacity: 4096)
        body.append(text: content)
        if kind == OutgoingKind.none {
            _ = session.write(to: &output)
        } else {
            let sent = session.send(
                1, body.bytes, isLast: true, trailers: lines.bytes, to: &output, &scratch)
            #expect(sent.count == content.utf8.count && sent.hasEnded)
        }
        let bytes = (output.start..<output.end).map { output[$0] }
        return SessionReading.read(
            bytes, role: .client, asking: "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"
        ).first
    }

    @Test("Responses leave what HTTP/2 does not have behind, and trailers come behind content")
    func responses() {
        let whole = response(
            "HTTP/1.1 200 OK\r\nX-One: 1\r\nConnection: close\r\nKeep-Alive: timeout=5\r\n"
                + "Proxy-Connection: x\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n",
            content: "hello", trailers: "X-Sum: 3\r\nX-Empty: \r\n")
        #expect(
            whole.heads == ["HTTP/1.1 200 \r\nx-one: 1\r\ntransfer-encoding: chunked\r\n\r\n"])
        #expect(String(decoding: whole.content, as: UTF8.self) == "hello")
        #expect(whole.trailers == "x-sum: 3\r\nx-empty: \r\n")
        #expect(whole.isComplete)
    }

    @Test("A gRPC call that fails at once has trailers alone, without a length among them")
    func trailersOnly() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n"
        let call = response(head + "grpc-status: 5\r\n\r\n")
        #expect(call.isComplete && call.content.isEmpty)
        #expect(call.heads.first?.contains("grpc-status: 5\r\n") == true)
        #expect(!call.isCounted)
        // Others keep theirs.
        let other = response("HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n")
        #expect(other.isCounted)
    }

    /// A session of a client, and the answers that it gets.
    private struct Server: ~Copyable {
        var session = HTTP2Session(role: .server, settings: HTTP2Settings())
        var scratch = FieldScratch()
        var output = Buffer(capacity: 64 << 10)

        init() { receive(HTTP2Bytes.preface + HTTP2Bytes.settings) }

        /// Whether the connection goes on.
        @discardableResult
        mutating func receive(_ bytes: [UInt8]) -> Bool {
            var input = Buffer(capacity: bytes.count)
            for byte in bytes { input.append(byte) }
            while !input.isEmpty {
                guard let used = session.receive(input.bytes, now: .zero) else { return false }
                input.consume(used)
            }
            session.clearEvents()
            return true
        }

        mutating func answer(_ stream: UInt32) {
            var head = Buffer(capacity: 256)
            head.append(text: "HTTP/1.1 204 No Content\r\n\r\n")
            _ = session.respond(
                Int32(stream), head.bytes, answersHead: false, isTunnel: false, &scratch)
            write()
        }

        mutating func write() {
            output.reset()
            _ = session.write(to: &output)
        }
    }

    @Test("Answers earn resets back; resets that claim to be no error do not")
    func earnedResets() {
        func cancel(_ number: Int, code: UInt32 = 8) -> [UInt8] {
            request(number)
                + HTTP2Bytes.frame(3, flags: 0, stream: stream(number), HTTP2Bytes.number(code))
        }
        var honest = Server()
        for number in 0..<1000 {
            if number % 4 > 0 {
                honest.receive(request(number))
                honest.answer(stream(number))
            } else {
                let goesOn = honest.receive(cancel(number))
                #expect(goesOn, "\(number)")
            }
        }
        var other = Server()
        for number in 0..<200 {
            let goesOn = other.receive(cancel(number, code: 0))
            other.write()
            #expect(goesOn)
        }
        let goesOn = other.receive(cancel(200, code: 0))
        #expect(!goesOn)
    }

    @Test("HEADERS or DATA on a stream that has ended end the connection (RFC 9113 §5.1)")
    func closedStreams() {
        for frame in [HTTP2Bytes.data([1], isLast: true), request(0)] {
            var server = Server()
            server.receive(request(0))
            server.answer(1)
            let goesOn = server.receive(frame)
            #expect(!goesOn)
            let failure = server.session.failure.map { "\($0)" }
            #expect(failure == "h2-stream-closed")
        }
    }

    @Test("What was on its way when we reset a stream, or said goodbye, is passed over")
    func inFlight() {
        var server = Server()
        for number in 0..<200 {
            server.receive(HTTP2Bytes.headers(fields, stream: stream(number), isLast: false))
            server.answer(stream(number))
            server.session.reset(Int32(stream(number)), .noError)
            if number % 2 == 0 { server.write() }
        }
        server.write()
        for number in 0..<200 {
            let goesOn = server.receive(
                HTTP2Bytes.frame(0, flags: 1, stream: stream(number), [1]))
            #expect(goesOn, "\(number)")
        }
        server.session.refuseFurther()
        server.write()
        server.receive(HTTP2Bytes.headers(fields, stream: stream(300), isLast: false))
        let goesOn = server.receive(HTTP2Bytes.frame(0, flags: 1, stream: stream(300), [1]))
        let failure = server.session.failure.map { "\($0)" }
        #expect(goesOn && failure == nil, "\(failure ?? "")")
    }
}
