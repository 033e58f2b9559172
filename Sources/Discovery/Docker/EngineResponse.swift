import HTTP
import HTTP1
import Memory

/// Reads one HTTP/1.1 response of an engine, as its bytes arrive: cut anywhere, bounded, and
/// strict, because the product's own parser reads it.
public struct EngineResponse: ~Copyable {
    public enum Piece: Equatable, Sendable {
        case head(Head)
        case content([UInt8])
        /// The response is whole.
        case end
    }

    public struct Head: Equatable, Sendable {
        public var status: Int
        /// `Api-Version`, which every answer of an engine carries.
        public var apiVersion: String?
        /// `Docker/20.10.24 (linux)`, `Libpod/4.3.1 (linux)`.
        public var server: String?

        public init(status: Int, apiVersion: String? = nil, server: String? = nil) {
            self.status = status
            self.apiVersion = apiVersion
            self.server = server
        }
    }

    public enum Mistake: Error, Equatable, Sendable {
        /// Not HTTP/1.
        case malformed
        /// The connection ended in the middle.
        case cut
        case tooLarge
    }

    private enum Stage {
        case head
        case counted(UInt64)
        case chunked
        case untilClose
        case over
    }

    private static let headBound = 32 << 10

    private var stage = Stage.head
    private var input = Buffer(capacity: 4096)
    private var decoder = ChunkedDecoder()
    private var contentByteCount = 0
    /// Bytes of content that are read at most; `nil` for a stream without an end.
    private let contentBound: Int?

    public init(contentBound: Int?) { self.contentBound = contentBound }

    /// Takes bytes as they came.
    ///
    /// - Returns: what they made whole, in order. Bytes behind the response are not looked at.
    public mutating func receive(_ bytes: [UInt8]) throws(Mistake) -> [Piece] {
        makeRoom(bytes.count)
        for byte in bytes { input.append(byte) }
        var pieces: [Piece] = []
        if case .head = stage {
            guard let head = try readHead() else { return [] }
            pieces.append(.head(head))
        }
        try readContent(into: &pieces)
        return pieces
    }

    /// The connection has ended.
    public mutating func connectionEnded() throws(Mistake) -> [Piece] {
        switch stage {
        case .over: return []
        case .untilClose:
            stage = .over
            return [.end]
        case .head, .counted, .chunked: throw .cut
        }
    }

    private mutating func makeRoom(_ count: Int) {
        guard input.room < count else { return }
        var larger = Buffer(capacity: max(4096, (input.count + count) * 2))
        larger.append(input.bytes)
        input = larger
    }

    // MARK: - Head

    private mutating func readHead() throws(Mistake) -> Head? {
        var fields = FieldSection()
        while true {
            let parsed: Parsed<ResponseHead>
            do throws(HeadError) {
                parsed = try HeadParser.parseResponse(
                    input.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields)
            } catch {
                throw .malformed
            }
            guard case .complete(let head, let byteCount) = parsed else {
                guard input.count < Self.headBound else { throw .tooLarge }
                return nil
            }
            let result = Head(
                status: head.status, apiVersion: text(ofField: "api-version", fields),
                server: text(ofField: "server", fields))
            input.consume(byteCount)
            if head.isInformational { continue }
            stage =
                switch head.framing {
                case .noContent: .over
                case .contentLength(let count): .counted(count)
                case .chunked: .chunked
                case .untilClose: .untilClose
                }
            return result
        }
    }

    private func text(ofField name: String, _ fields: borrowing FieldSection) -> String? {
        for index in 0..<fields.count {
            let line = fields[index]
            if text(line.nameRange).lowercased() == name { return text(line.valueRange) }
        }
        return nil
    }

    private func text(_ range: ByteRange) -> String {
        var bytes: [UInt8] = []
        for position in range.lower..<range.upper { bytes.append(input[input.start + position]) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: - Content

    private mutating func readContent(into pieces: inout [Piece]) throws(Mistake) {
        switch stage {
        case .head: return
        case .counted(let rest):
            let count = Int(min(rest, UInt64(input.count)))
            try take(count, into: &pieces)
            stage = .counted(rest - UInt64(count))
            if rest == UInt64(count) { finish(&pieces) }
        case .untilClose:
            try take(input.count, into: &pieces)
        case .chunked:
            let start = input.start
            let decoded: Decoded
            do throws(ChunkedError) {
                decoded = try decoder.decode(
                    &input, from: start, to: input.end, keepsFraming: false)
            } catch {
                throw .malformed
            }
            let content = bytes(from: start, to: decoded.outputEnd)
            input.consume(decoded.consumedEnd - start)
            try add(content, to: &pieces)
            if decoded.isComplete { finish(&pieces) }
        case .over: finish(&pieces)
        }
    }

    private mutating func finish(_ pieces: inout [Piece]) {
        stage = .over
        if pieces.last != .end { pieces.append(.end) }
    }

    private mutating func take(_ count: Int, into pieces: inout [Piece]) throws(Mistake) {
        let content = bytes(from: input.start, to: input.start + count)
        input.consume(count)
        try add(content, to: &pieces)
    }

    private mutating func add(_ content: [UInt8], to pieces: inout [Piece]) throws(Mistake) {
        guard !content.isEmpty else { return }
        if let contentBound {
            contentByteCount += content.count
            guard contentByteCount <= contentBound else { throw .tooLarge }
        }
        pieces.append(.content(content))
    }

    private func bytes(from lower: Int, to upper: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(upper - lower)
        for position in lower..<upper { bytes.append(input[position]) }
        return bytes
    }
}

/// Cuts a stream into lines.
public struct LineSplitter {
    /// A line is longer than there is room for.
    public struct TooLong: Error, Equatable, Sendable {}

    /// In bytes, without the line feed.
    public static let lineBound = 1 << 20

    private var rest: [UInt8] = []

    public init() {}

    /// Takes bytes as they came.
    ///
    /// - Returns: the lines that they made whole, without the empty ones.
    public mutating func receive(_ bytes: [UInt8]) throws(TooLong) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        for position in bytes.indices where bytes[position] == 0x0A {
            var line = rest + bytes[start..<position]
            rest = []
            start = position + 1
            if line.last == 0x0D { line.removeLast() }
            guard line.count <= Self.lineBound else { throw TooLong() }
            if !line.isEmpty { lines.append(line) }
        }
        rest += bytes[start...]
        guard rest.count <= Self.lineBound else { throw TooLong() }
        return lines
    }
}
