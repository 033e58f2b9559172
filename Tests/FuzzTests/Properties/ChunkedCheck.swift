import HTTP1
import Memory

/// What became of a chunked body.
private enum ChunkedResult: Equatable {
    case finished(output: [UInt8], contentByteCount: Int, used: Int)
    case unfinished(output: [UInt8], contentByteCount: Int)
    case refused(ChunkedError)
}

/// The properties of ``ChunkedDecoder``: where the input is cut makes no difference, it writes
/// nowhere but where it has read, and what it passes on is what a plain reading of it says.
enum ChunkedCheck {
    static func run(_ input: FuzzInput) throws(BrokenProperty) {
        let message = input.message
        let framed = try decode(message, cuts: [], keepsFraming: true)
        let content = try decode(message, cuts: [], keepsFraming: false)
        try checkAgreement(framed, content)
        var plans = [input.cuts]
        if message.count <= 512, !message.isEmpty { plans.append(Array(1..<message.count)) }
        for cuts in plans where !cuts.isEmpty {
            try require(
                try decode(message, cuts: cuts, keepsFraming: true) == framed,
                "framing kept, cut at \(cuts): not as in one piece")
            try require(
                try decode(message, cuts: cuts, keepsFraming: false) == content,
                "framing gone, cut at \(cuts): not as in one piece")
        }
        guard case .finished(let output, let byteCount, let used) = framed,
            case .finished(let plain, _, _) = content
        else { return }
        try require(
            try plainReading(Array(message[..<used]), isClean: false) == plain,
            "the content is another than a plain reading has")
        try require(
            try plainReading(output, isClean: true) == plain,
            "what goes on has other content than the input")
        let again = try decode(output, cuts: [], keepsFraming: true)
        let same = ChunkedResult.finished(
            output: output, contentByteCount: byteCount, used: output.count)
        try require(again == same, "what goes on does not pass again as it is")
    }

    /// Both ways to decode must give the same verdict and as much content.
    private static func checkAgreement(
        _ framed: ChunkedResult, _ content: ChunkedResult
    ) throws(BrokenProperty) {
        switch (framed, content) {
        case (.finished(let output, let count, let used), .finished(let plain, let other, let end)):
            try require(count == other && used == end, "\(count) and \(other) bytes of content")
            try require(plain.count == count, "\(plain.count) bytes for \(count) of content")
            try require(output.count <= used, "\(output.count) bytes out of \(used)")
        case (.unfinished(_, let count), .unfinished(let plain, let other)):
            try require(count == other, "\(count) and \(other) bytes of content")
            try require(plain.count == count, "\(plain.count) bytes for \(count) of content")
        default: try require(framed == content, "\(framed) with framing, without it \(content)")
        }
    }

    /// Decodes as a relay does: what was given out leaves, what was not used is given again.
    private static func decode(
        _ message: [UInt8], cuts: [Int], keepsFraming: Bool
    ) throws(BrokenProperty) -> ChunkedResult {
        let guardByte: UInt8 = 0xA5
        var decoder = ChunkedDecoder()
        var output: [UInt8] = []
        var contentByteCount = 0
        var used = 0
        for upper in cuts + [message.count] {
            let from = used % 5 + 1
            var buffer = Buffer(capacity: from + upper - used + 1)
            for _ in 0..<from { buffer.append(guardByte) }
            for byte in message[used..<upper] { buffer.append(byte) }
            let to = buffer.end
            buffer.append(guardByte)
            let decoded: Decoded
            do throws(ChunkedError) {
                decoded = try decoder.decode(
                    &buffer, from: from, to: to, keepsFraming: keepsFraming)
            } catch {
                return .refused(error)
            }
            try require(
                from <= decoded.outputEnd && decoded.outputEnd <= decoded.consumedEnd
                    && decoded.consumedEnd <= to, "positions \(decoded) of \(from)..<\(to)")
            try require(decoded.isComplete == decoder.isComplete, "complete or not")
            for position in 0..<from {
                try require(buffer[position] == guardByte, "wrote before its input")
            }
            try require(buffer[to] == guardByte, "wrote behind its input")
            for position in decoded.consumedEnd..<to {
                try require(
                    buffer[position] == message[used + position - from],
                    "changed what it has not used")
            }
            for position in from..<decoded.outputEnd { output.append(buffer[position]) }
            contentByteCount += decoded.contentByteCount
            used += decoded.consumedEnd - from
            try require(output.count <= used, "more out than in")
            try require(contentByteCount <= used, "more content than bytes")
            if decoded.isComplete {
                return .finished(output: output, contentByteCount: contentByteCount, used: used)
            }
            try require(
                to - decoded.consumedEnd < ChunkedDecoder.maximumTrailerLineByteCount,
                "waits for more than a line")
        }
        return .unfinished(output: output, contentByteCount: contentByteCount)
    }

    /// The content of a complete body (RFC 9112 §7.1), read without states.
    ///
    /// - Parameter isClean: that there are neither chunk extensions nor trailers that must go.
    private static func plainReading(
        _ body: [UInt8], isClean: Bool
    ) throws(BrokenProperty) -> [UInt8] {
        var rest = body[...]
        var content: [UInt8] = []

        func line() throws(BrokenProperty) -> [UInt8] {
            guard let end = rest.firstIndex(of: 0x0A), end > rest.startIndex,
                rest[end - 1] == 0x0D
            else { throw BrokenProperty(description: "no CRLF behind a line") }
            let line = rest[..<(end - 1)]
            rest = rest[(end + 1)...]
            try require(!line.contains { $0 == 0x0D || $0 == 0 }, "CR or NUL in a line")
            return Array(line)
        }

        while true {
            let sizeLine = try line()
            let digits = sizeLine.prefix { byte in
                "0123456789abcdefABCDEF".utf8.contains(byte)
            }
            guard digits.count <= 16,
                let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
            else { throw BrokenProperty(description: "no size") }
            let behind = sizeLine.dropFirst(digits.count)
            if isClean {
                try require(behind.isEmpty, "an extension goes on")
            } else if !behind.isEmpty {
                let mark = behind.first { $0 != 0x20 && $0 != 0x09 }
                try require(mark == UInt8(ascii: ";"), "no semicolon behind a size")
            }
            if size == 0 { break }
            try require(size <= rest.count, "a chunk of \(size) bytes in \(rest.count)")
            content += rest.prefix(size)
            rest = rest.dropFirst(size)
            try require(try line().isEmpty, "content behind a chunk")
        }
        while true {
            let trailer = try line()
            if trailer.isEmpty { break }
            guard let colon = trailer.firstIndex(of: UInt8(ascii: ":")), colon > 0 else {
                throw BrokenProperty(description: "a trailer without a name")
            }
            let name = String(decoding: trailer[..<colon], as: UTF8.self).lowercased()
            let forbidden: Set = [
                "content-length", "transfer-encoding", "host", "connection", "te", "trailer",
                "authorization", "set-cookie", "cookie", "expect", "upgrade", "via",
            ]
            if isClean { try require(!forbidden.contains(name), "trailer \(name) goes on") }
        }
        try require(rest.isEmpty, "bytes behind the end")
        return content
    }
}
