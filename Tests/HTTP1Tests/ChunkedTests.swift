import HTTP1
import Memory
import Testing

/// A chunked body, and what it must become.
struct ChunkedVector: Sendable, CustomTestStringConvertible {
    enum Verdict: Sendable, Equatable {
        /// The body with its framing kept, its content, and the bytes behind it.
        case accepted(framed: String, content: String, rest: Int = 0)
        case refused(ChunkedError)
        case incomplete
    }

    var rule: String
    var title: String
    var bytes: [UInt8]
    var verdict: Verdict
    var testDescription: String { "\(rule): \(title)" }

    init(_ rule: String, _ title: String, _ text: String, _ verdict: Verdict) {
        self.rule = rule
        self.title = title
        bytes = latin(text)
        self.verdict = verdict
    }

    /// Accepted as it is.
    init(_ rule: String, _ title: String, _ text: String, content: String) {
        self.init(rule, title, text, .accepted(framed: text, content: content))
    }

    private static let long = String(repeating: "x", count: 8300)

    static let all: [ChunkedVector] = [
        .init("RFC 9112 §7.1", "no content", "0\r\n\r\n", content: ""),
        .init("RFC 9112 §7.1", "one chunk", "5\r\nhello\r\n0\r\n\r\n", content: "hello"),
        .init(
            "RFC 9112 §7.1", "two chunks", "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", content: "hello!"),
        .init(
            "RFC 9112 §7.1", "hexadecimal in both cases",
            "0aB\r\n" + String(repeating: "y", count: 171) + "\r\n000\r\n\r\n",
            content: String(repeating: "y", count: 171)),
        .init("RFC 9112 §7.1", "16 digits", "0000000000000001\r\na\r\n0\r\n\r\n", content: "a"),
        .init(
            "RFC 9112 §7.1", "17 digits", "00000000000000001\r\na\r\n0\r\n\r\n",
            .refused(.sizeTooLarge)),
        .init("RFC 9112 §7.1", "the greatest size", "7fffffffffffffff\r\n", .incomplete),
        .init(
            "RFC 9112 §7.1", "a negative size for some", "8000000000000000\r\n",
            .refused(.sizeTooLarge)),
        .init(
            "RFC 9112 §7.1", "line ends in the content", "4\r\n\r\n\r\n\r\n0\r\n\r\n",
            content: "\r\n\r\n"),
        .init(
            "RFC 9112 §7.1", "another message behind", "0\r\n\r\nGET /",
            .accepted(framed: "0\r\n\r\n", content: "", rest: 5)),
        .init("RFC 9112 §7.1", "no digit", "\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "0x", "0x5\r\nhello\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "a plus", "+5\r\nhello\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "a minus", "-5\r\nhello\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "whitespace before", " 5\r\nhello\r\n", .refused(.invalidSize)),
        .init(
            "RFC 9112 §7.1", "whitespace behind", "5 \r\nhello\r\n",
            .refused(.whitespaceAfterSize)),
        .init("RFC 9112 §7.1", "a letter behind", "5g\r\nhello\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "an underscore", "1_0\r\n", .refused(.invalidSize)),
        .init("RFC 9112 §7.1", "bare LF behind the size", "5\nhello\r\n", .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §7.1", "bare CR behind the size", "5\rhello\r\n",
            .refused(.bareCarriageReturn)),
        .init(
            "RFC 9112 §7.1", "two CRs behind the size", "5\r\r\nhello\r\n",
            .refused(.bareCarriageReturn)),
        .init(
            "RFC 9112 §7.1", "bare LF behind the content", "5\r\nhello\n0\r\n\r\n",
            .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §7.1", "bare CR behind the content", "5\r\nhello\r0\r\n\r\n",
            .refused(.bareCarriageReturn)),
        .init(
            "RFC 9112 §7.1", "content longer than its size", "5\r\nhello!\r\n0\r\n\r\n",
            .refused(.sizeMismatch)),
        .init(
            "RFC 9112 §7.1", "content shorter than its size", "5\r\nhell\r\n0\r\n\r\n",
            .refused(.bareLineFeed)),
        .init("RFC 9112 §7.1", "cut in the content", "5\r\nhel", .incomplete),
        .init("RFC 9112 §7.1", "cut in the last line", "0\r\n\r", .incomplete),

        .init(
            "RFC 9112 §7.1.1", "an extension goes", "5;a=b\r\nhello\r\n0;c\r\n\r\n",
            .accepted(framed: "5\r\nhello\r\n0\r\n\r\n", content: "hello")),
        .init(
            "RFC 9112 §7.1.1", "whitespace around the semicolon goes",
            "5 \t; a = \"b c;\u{e9}\"\r\nhello\r\n0\r\n\r\n",
            .accepted(framed: "5\r\nhello\r\n0\r\n\r\n", content: "hello")),
        .init(
            "RFC 9112 §7.1.1", "bare LF in an extension", "5;a\nb\r\nhello\r\n",
            .refused(.bareLineFeed)),
        .init(
            "RFC 9112 §7.1.1", "bare CR in an extension", "5;a\rb\r\nhello\r\n",
            .refused(.bareCarriageReturn)),
        .init(
            "RFC 9112 §7.1.1", "NUL in an extension", "5;\u{0}\r\nhello\r\n",
            .refused(.invalidExtension)),
        .init(
            "RFC 9112 §7.1.1", "DEL in an extension", "5;\u{7f}\r\nhello\r\n",
            .refused(.invalidExtension)),
        .init(
            "RFC 9112 §7.1.1", "the longest extension",
            "5;" + String(repeating: "x", count: 4093) + "\r\nhello\r\n0\r\n\r\n",
            .accepted(framed: "5\r\nhello\r\n0\r\n\r\n", content: "hello")),
        .init(
            "RFC 9112 §7.1.1", "a longer extension", "5;" + long + "\r\n",
            .refused(.sizeLineTooLong)),
        .init(
            "RFC 9112 §7.1.1", "more extension than content",
            String(repeating: "1;" + String(repeating: "x", count: 999) + "\r\na\r\n", count: 17),
            .refused(.excessiveExtensions)),

        .init(
            "RFC 9112 §7.1.2", "trailers", "1\r\na\r\n0\r\nA: b\r\nX-Sum: 1\r\n\r\n", content: "a"),
        .init(
            "RFC 9110 §6.5.1", "trailers that may not be there go",
            "0\r\nA: b\r\nContent-Length: 5\r\nhost: c\r\nX-Sum: 1\r\nAuthorization: d\r\n"
                + "Transfer-Encoding: chunked\r\nConnection: A\r\nSet-Cookie: a=b\r\n\r\n",
            .accepted(framed: "0\r\nA: b\r\nX-Sum: 1\r\n\r\n", content: "")),
        .init(
            "RFC 9112 §5.2", "a folded trailer", "0\r\nA: b\r\n c\r\n\r\n",
            .refused(.trailer(.foldedLine))),
        .init(
            "RFC 9112 §5.2", "whitespace before a trailer", "0\r\n A: b\r\n\r\n",
            .refused(.trailer(.foldedLine))),
        .init(
            "RFC 9112 §5.1", "space before a trailer's colon", "0\r\nA : b\r\n\r\n",
            .refused(.trailer(.spaceBeforeColon))),
        .init(
            "RFC 9112 §2.2", "bare LF behind a trailer", "0\r\nA: b\n\r\n",
            .refused(.trailer(.bareLineFeed))),
        .init(
            "RFC 9112 §2.2", "bare LF instead of the last line", "0\r\n\n",
            .refused(.trailer(.bareLineFeed))),
        .init(
            "RFC 9110 §5.5", "a control in a trailer", "0\r\nA: \u{1}\r\n\r\n",
            .refused(.trailer(.invalidFieldValue))),
        .init(
            "RFC 9112 §5", "content behind the last chunk", "0\r\nhello\r\n\r\n",
            .refused(.trailer(.missingColon))),
        .init(
            "RFC 9112 §7.1.2", "a trailer line that is too long", "0\r\nA: " + long + long,
            .refused(.trailersTooLarge)),
        .init(
            "RFC 9112 §7.1.2", "too many trailers",
            "0\r\n"
                + String(repeating: "A: " + String(repeating: "x", count: 4000) + "\r\n", count: 5),
            .refused(.trailersTooLarge)),
    ]
}

/// Decodes as a relay does: what was given out leaves, what was not used is given again.
struct ChunkedRelay {
    enum Result: Equatable {
        case finished([UInt8], contentByteCount: Int, used: Int)
        case unfinished
        case refused(ChunkedError)
    }

    /// - Parameter cuts: where the input is cut, ascending.
    static func run(_ bytes: [UInt8], cuts: [Int], keepsFraming: Bool) -> Result {
        var decoder = ChunkedDecoder()
        var buffer = Buffer(capacity: bytes.count + 16)
        var output: [UInt8] = []
        var contentByteCount = 0
        var used = 0
        for upper in cuts + [bytes.count] {
            // The unused bytes again, and those that came since, behind some other bytes.
            let from = used % 7
            buffer.reset(to: from)
            for byte in bytes[used..<upper] { buffer.append(byte) }
            let to = buffer.end
            do throws(ChunkedError) {
                let decoded = try decoder.decode(
                    &buffer, from: from, to: to, keepsFraming: keepsFraming)
                guard decoded.outputEnd <= decoded.consumedEnd, decoded.consumedEnd <= to else {
                    return .unfinished
                }
                for position in from..<decoded.outputEnd { output.append(buffer[position]) }
                // What was not used must not have been touched.
                for position in decoded.consumedEnd..<to
                where buffer[position] != bytes[used + position - from] { return .unfinished }
                contentByteCount += decoded.contentByteCount
                used += decoded.consumedEnd - from
                if decoded.isComplete {
                    return .finished(output, contentByteCount: contentByteCount, used: used)
                }
            } catch {
                return .refused(error)
            }
        }
        return .unfinished
    }
}

@Suite("Chunked decoding")
struct ChunkedTests {
    private func expected(_ vector: ChunkedVector, keepsFraming: Bool) -> ChunkedRelay.Result {
        switch vector.verdict {
        case .accepted(let framed, let content, let rest):
            .finished(
                latin(keepsFraming ? framed : content),
                contentByteCount: content.unicodeScalars.count, used: vector.bytes.count - rest)
        case .refused(let error): .refused(error)
        case .incomplete: .unfinished
        }
    }

    @Test("gives the verdict of the corpus", arguments: ChunkedVector.all, [true, false])
    func corpus(_ vector: ChunkedVector, keepsFraming: Bool) {
        let result = ChunkedRelay.run(vector.bytes, cuts: [], keepsFraming: keepsFraming)
        #expect(result == expected(vector, keepsFraming: keepsFraming))
    }

    @Test("gives the same wherever the input is cut", arguments: ChunkedVector.all, [true, false])
    func cuts(_ vector: ChunkedVector, keepsFraming: Bool) {
        let expected = expected(vector, keepsFraming: keepsFraming)
        let step = max(1, vector.bytes.count / 500)
        for cut in stride(from: 0, through: vector.bytes.count, by: step) {
            let result = ChunkedRelay.run(vector.bytes, cuts: [cut], keepsFraming: keepsFraming)
            #expect(result == expected, "cut at \(cut)")
        }
        guard vector.bytes.count < 8192 else { return }
        let everywhere = Array(1..<max(2, vector.bytes.count))
        let result = ChunkedRelay.run(vector.bytes, cuts: everywhere, keepsFraming: keepsFraming)
        #expect(result == expected, "byte by byte")
    }

    @Test("what was passed on with its framing is passed on again", arguments: ChunkedVector.all)
    func idempotence(_ vector: ChunkedVector) {
        guard case .accepted(let framed, let content, _) = vector.verdict else { return }
        let again = ChunkedRelay.run(latin(framed), cuts: [], keepsFraming: true)
        #expect(
            again
                == .finished(
                    latin(framed), contentByteCount: content.unicodeScalars.count,
                    used: latin(framed).count))
    }

    @Test("what the encoder writes, the decoder reads", arguments: [1, 9, 10, 15, 16, 255, 70_000])
    func encoder(_ byteCount: Int) throws {
        var appended = Buffer(capacity: byteCount + 64)
        ChunkedEncoder.appendSizeLine(byteCount, to: &appended)
        for _ in 0..<byteCount { appended.append(UInt8(ascii: "z")) }
        ChunkedEncoder.appendEnd(to: &appended)
        ChunkedEncoder.appendLastChunk(to: &appended)

        var framed = Buffer(capacity: byteCount + 64)
        framed.reset(to: ChunkedEncoder.maximumSizeLineByteCount)
        for _ in 0..<byteCount { framed.append(UInt8(ascii: "z")) }
        ChunkedEncoder.appendEnd(to: &framed)
        ChunkedEncoder.appendLastChunk(to: &framed)
        let start = ChunkedEncoder.writeSizeLine(byteCount, before: framed.start, in: &framed)
        let end = framed.end
        framed.setBounds(start: start, end: end)

        let first = appended.bytes.text(ByteRange(0, appended.count))
        let second = framed.bytes.text(ByteRange(0, framed.count))
        #expect(first == second)
        let result = ChunkedRelay.run(latin(first), cuts: [], keepsFraming: false)
        #expect(
            result
                == .finished(
                    [UInt8](repeating: UInt8(ascii: "z"), count: byteCount),
                    contentByteCount: byteCount, used: first.utf8.count))
    }
}
