/// One HTTP/2 frame (RFC 9113 §4.1).
public struct Frame: Equatable, Sendable, CustomStringConvertible {
    public enum Kind: UInt8, Sendable {
        case data, headers, priority, reset, settings, push, ping, goAway, windowUpdate,
            continuation
    }

    public static let endStream: UInt8 = 1
    public static let ack: UInt8 = 1
    public static let endHeaders: UInt8 = 4
    public static let padded: UInt8 = 8
    public static let withPriority: UInt8 = 0x20

    public var type: UInt8
    public var flags: UInt8
    public var stream: UInt32
    public var payload: [UInt8]
    /// What the header says, when that is not the truth.
    public var length: Int?

    public init(
        _ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = [],
        length: Int? = nil
    ) {
        self.init(type: kind.rawValue, flags: flags, stream: stream, payload, length: length)
    }

    public init(
        type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = [],
        length: Int? = nil
    ) {
        self.type = type
        self.flags = flags
        self.stream = stream
        self.payload = payload
        self.length = length
    }

    public var bytes: [UInt8] {
        let length = length ?? payload.count
        return [
            UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8),
            UInt8(truncatingIfNeeded: length), type, flags,
        ] + Self.number(stream) + payload
    }

    public static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// The number in the payload from `offset` on.
    public func number(at offset: Int) -> UInt32 {
        guard payload.count >= offset + 4 else { return .max }
        return payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    public var description: String {
        "\(Kind(rawValue: type).map { "\($0)" } ?? "type \(type)") flags \(flags) "
            + "stream \(stream) \(payload.count) B"
    }

    // MARK: Frames that are often wanted

    public static func settings(_ entries: [(UInt16, UInt32)] = []) -> Frame {
        Frame(
            .settings,
            entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + number($0.1) })
    }

    public static func headers(
        _ stream: UInt32, _ fields: [(String, String)], flags: UInt8 = endStream | endHeaders
    ) -> Frame {
        Frame(.headers, flags: flags, stream: stream, block(fields))
    }

    /// A request, with `fields` behind the pseudo-header fields.
    public static func get(
        _ stream: UInt32, _ path: String = "/", _ fields: [(String, String)] = [],
        flags: UInt8 = endStream | endHeaders
    ) -> Frame {
        headers(stream, pseudo("GET", path) + fields, flags: flags)
    }

    public static func post(
        _ stream: UInt32, _ path: String = "/", _ fields: [(String, String)] = []
    ) -> Frame {
        headers(stream, pseudo("POST", path) + fields, flags: endHeaders)
    }

    public static func pseudo(_ method: String, _ path: String = "/") -> [(String, String)] {
        [(":method", method), (":scheme", "http"), (":path", path), (":authority", "a.test")]
    }

    /// The head of a response with this status and these fields.
    public static func response(
        _ stream: UInt32, _ status: String = "200", _ fields: [(String, String)] = [],
        flags: UInt8 = endHeaders
    ) -> Frame {
        headers(stream, [(":status", status)] + fields, flags: flags)
    }

    public static func data(
        _ stream: UInt32, _ content: [UInt8], flags: UInt8 = endStream
    ) -> Frame {
        Frame(.data, flags: flags, stream: stream, content)
    }

    public static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> Frame {
        Frame(.windowUpdate, stream: stream, number(increment))
    }

    public static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> Frame {
        Frame(.reset, stream: stream, number(code))
    }

    /// Literal fields without indexing and without Huffman coding (RFC 7541 §6.2.2).
    public static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + string($0.0) + string($0.1) }
    }

    private static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var rest = bytes.count - 127
        var prefix: [UInt8] = [127]
        while rest >= 128 {
            prefix.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return prefix + [UInt8(rest)] + bytes
    }
}

/// A client that says frames as a test wants them, right or wrong.
public final class FrameClient {
    public static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    public let peer: ScriptedPeer
    /// All frames that came, in order.
    public private(set) var received: [Frame] = []

    /// Says the preface on a connection; the settings come next.
    public init(on peer: ScriptedPeer) throws {
        self.peer = peer
        try peer.send(Self.preface)
    }

    /// - Parameter greets: sends the preface and empty settings.
    public init(port: UInt16, timeout: Double = 20, greets: Bool = true) throws {
        peer = try ScriptedClient(port: port, timeout: timeout)
        if greets {
            try peer.send(Self.preface)
            try send(.settings())
        }
    }

    /// The server's end of a connection: reads the preface, and says its settings.
    public init(serving peer: ScriptedPeer, settings: [(UInt16, UInt32)] = []) throws {
        self.peer = peer
        _ = try peer.read(Self.preface.count)
        try send(.settings(settings))
    }

    public func send(_ frames: Frame...) throws { try send(frames) }
    public func send(_ frames: [Frame]) throws { try peer.send(frames.flatMap(\.bytes)) }

    /// The next frame; settings of the other side are answered on the way.
    public func next() throws -> Frame {
        let header = try peer.read(9)
        let length = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
        let stream = header[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let frame = Frame(
            type: header[3], flags: header[4], stream: stream,
            length > 0 ? try peer.read(length) : [])
        received.append(frame)
        if frame.type == Frame.Kind.settings.rawValue, frame.flags & Frame.ack == 0 {
            try? send(Frame(.settings, flags: Frame.ack))
        }
        return frame
    }

    /// Reads until a frame fits; `nil` when the connection ends before.
    public func wait(_ fits: (Frame) -> Bool) -> Frame? {
        while let frame = try? next() {
            if fits(frame) { return frame }
        }
        return nil
    }

    /// What became of what was sent.
    public enum Outcome: Equatable, CustomStringConvertible {
        /// The connection was ended, with this code or without a word.
        case ended(UInt32?)
        /// A stream was ended with this code.
        case reset(UInt32, code: UInt32)
        /// A stream was answered.
        case answered(UInt32, status: String)
        case nothing

        public var description: String {
            switch self {
            case .ended(let code): "connection ended, \(code.map { "code \($0)" } ?? "no word")"
            case .reset(let stream, let code): "stream \(stream) reset, code \(code)"
            case .answered(let stream, let status): "stream \(stream) answered \(status)"
            case .nothing: "nothing"
            }
        }
    }

    /// The next frame of this kind, of this stream if it is said.
    public func next(_ kind: Frame.Kind, of stream: UInt32? = nil) throws -> Frame {
        while true {
            let frame = try next()
            if frame.type == kind.rawValue, stream == nil || frame.stream == stream {
                return frame
            }
        }
    }

    /// The content of a stream, to its end.
    public func content(of stream: UInt32) throws -> [UInt8] {
        var content: [UInt8] = []
        while true {
            let frame = try next(.data, of: stream)
            content += frame.payload
            if frame.flags & Frame.endStream != 0 { return content }
        }
    }

    /// Reads until something is decided: the end of the connection, or of a stream.
    public func outcome() -> Outcome {
        var code: UInt32?
        while true {
            guard let frame = try? next() else {
                return peer.isEnded(within: 0.2) ? .ended(code) : .nothing
            }
            switch Frame.Kind(rawValue: frame.type) {
            case .goAway: code = frame.number(at: 4)
            case .reset where code == nil:
                return .reset(frame.stream, code: frame.number(at: 0))
            case .headers where code == nil:
                return .answered(frame.stream, status: Self.status(frame.payload))
            default: break
            }
        }
    }

    /// Whether the connection still answers.
    public func isAlive() -> Bool {
        guard (try? send(Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8]))) != nil else { return false }
        return wait { $0.type == Frame.Kind.ping.rawValue && $0.flags & Frame.ack != 0 } != nil
    }

    /// The status at the beginning of a block, where our encoder puts it first: indexed, or a
    /// literal with an indexed name.
    public static func status(_ block: [UInt8]) -> String {
        var index = 0
        // A change of the table's size may come first (RFC 7541 §6.3).
        while index < block.count, block[index] & 0xE0 == 0x20 {
            if block[index] & 0x1F == 0x1F {
                index += 1
                while index < block.count, block[index] & 0x80 != 0 { index += 1 }
            }
            index += 1
        }
        guard index < block.count else { return "?" }
        let known = [8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"]
        if block[index] & 0x80 != 0 { return known[Int(block[index] & 0x7F)] ?? "?" }
        guard index + 1 < block.count else { return "?" }
        let length = Int(block[index + 1] & 0x7F)
        let text = block.dropFirst(index + 2).prefix(length)
        guard block[index + 1] & 0x80 != 0 else { return String(decoding: text, as: UTF8.self) }
        // Digits in Huffman's code (RFC 7541 appendix B): 0, 1 and 2 in five bits, the others
        // in six from 0x19 on.
        var bits = text.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 } }[...]
        var digits = ""
        while digits.count < 3, bits.count >= 5 {
            let five = bits.prefix(5).reduce(0) { $0 << 1 | Int($1) }
            if five < 3 {
                digits += "\(five)"
                bits = bits.dropFirst(5)
            } else {
                let six = bits.prefix(6).reduce(0) { $0 << 1 | Int($1) }
                digits += "\(six - 0x19 + 3)"
                bits = bits.dropFirst(6)
            }
        }
        return digits
    }
}
