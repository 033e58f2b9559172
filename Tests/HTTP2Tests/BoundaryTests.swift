import FuzzProperties
import HTTP2
import Testing

/// What comes of a message in frames, as a vector has it.
enum Verdict: Sendable {
    /// The head as HTTP/1.1 has it, then the content and the trailers.
    case passed(String, content: String = "", trailers: String? = nil)
    /// The head or the trailers broke this rule; the peer is told with PROTOCOL_ERROR.
    case refused(String)
    /// The stream is closed with this code, and nobody behind the boundary sees its end.
    case closed(UInt32)
    /// Too large to be kept.
    case tooLarge
}

/// One line of the corpus: the fields of a message, its content and trailers.
struct Vector: Sendable, CustomTestStringConvertible {
    var rule: String
    var title: String
    var fields: [HTTP2Field]
    var content: [String]
    var trailers: [HTTP2Field]?
    var asking: String
    var verdict: Verdict
    var testDescription: String { "\(rule): \(title)" }

    init(
        _ rule: String, _ title: String, _ fields: [(String, String)], content: [String] = [],
        trailers: [(String, String)]? = nil, asking: String = "GET", _ verdict: Verdict
    ) {
        self.rule = rule
        self.title = title
        self.fields = fields.map { HTTP2Field($0.0, $0.1) }
        self.content = content
        self.trailers = trailers.map { $0.map { HTTP2Field($0.0, $0.1) } }
        self.asking = asking
        self.verdict = verdict
    }

    /// Frames on stream 1.
    var bytes: [UInt8] {
        let hasEnd = !content.isEmpty || trailers != nil
        var bytes = HTTP2Bytes.headers(fields, isLast: !hasEnd)
        for (index, piece) in content.enumerated() {
            let isLast = index == content.count - 1 && trailers == nil
            bytes += HTTP2Bytes.data(Array(piece.utf8), isLast: isLast)
        }
        if let trailers { bytes += HTTP2Bytes.headers(trailers, isLast: true) }
        return bytes
    }
}

private func check(_ reading: SessionReading, _ vector: Vector, _ way: String) {
    let message = reading.first
    #expect(reading.failure == nil, "\(way)")
    switch vector.verdict {
    case .passed(let head, let content, let trailers):
        #expect(message.heads.joined() == head, "\(way)")
        #expect(String(decoding: message.content, as: UTF8.self) == content, "\(way)")
        #expect(message.trailers == trailers, "\(way)")
        #expect(message.isComplete && message.refusal == nil, "\(way)")
        #expect(reading.resets[1] == nil, "\(way)")
    case .refused(let rule):
        #expect(message.refusal == rule, "\(way): \(message)")
        #expect(reading.resets[1] == 1, "\(way)")
    case .closed(let code):
        #expect(reading.resets[1] == code, "\(way): \(reading)")
        #expect(!message.isComplete, "\(way)")
    case .tooLarge:
        #expect(message.isTooLarge && message.heads.isEmpty, "\(way): \(message)")
    }
}

/// In one piece, and byte by byte.
private func judge(_ vector: Vector, role: HTTP2Session.Role) {
    let start = role == .server ? HTTP2Bytes.preface : HTTP2Bytes.settings
    let bytes = start + vector.bytes
    let request = role == .server ? "" : "\(vector.asking) / HTTP/1.1\r\nHost: a.test\r\n\r\n"
    let whole = SessionReading.read(bytes, role: role, asking: request)
    check(whole, vector, "in one piece")
    let bytewise = SessionReading.read(
        bytes, role: role, asking: request, cuts: Array(1..<bytes.count))
    check(bytewise, vector, "byte by byte")
    #expect(whole.settled == bytewise.settled)
}

@Suite("What HTTP/2 lets through into HTTP/1.1")
struct BoundaryTests {
    @Test("Requests (RFC 9113 §8.2, §8.3)", arguments: requestVectors)
    func requests(_ vector: Vector) { judge(vector, role: .server) }

    @Test("Responses", arguments: responseVectors)
    func responses(_ vector: Vector) { judge(vector, role: .client) }
}
