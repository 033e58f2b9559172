/// A WebSocket server (RFC 6455) that sends every frame back.
public enum EchoServer {
    /// Handshake, then frames until the client's close frame or its end.
    public static func start() throws -> ScriptedServer {
        try ScriptedServer { peer, _ in
            let request = try peer.readRequest()
            guard let key = request["Sec-WebSocket-Key"],
                request["Upgrade"]?.lowercased() == "websocket"
            else {
                try peer.send("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
                return
            }
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    + "Connection: Upgrade\r\nSec-WebSocket-Accept: \(accept(key))\r\n\r\n")
            while try peer.waitForFirstByte() {
                let frame = try WebSocketFrame.read(from: peer)
                try peer.send(WebSocketFrame(opcode: frame.opcode, content: frame.content).bytes())
                if frame.opcode == 8 { return }
            }
        }
    }

    /// What a server answers to a key (RFC 6455 §4.2.2).
    public static func accept(_ key: String) -> String {
        base64(sha1(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)))
    }
}

/// One frame with at most 65,535 bytes.
public struct WebSocketFrame: Sendable, Equatable {
    public var opcode: UInt8
    public var content: [UInt8]

    public init(opcode: UInt8 = 1, content: [UInt8]) {
        self.opcode = opcode
        self.content = content
    }

    public init(_ text: String) { self.init(content: Array(text.utf8)) }

    /// A client masks what it sends.
    public func bytes(mask: [UInt8]? = nil) -> [UInt8] {
        var bytes = [0x80 | opcode]
        let flag: UInt8 = mask == nil ? 0 : 0x80
        if content.count < 126 {
            bytes.append(flag | UInt8(content.count))
        } else {
            bytes += [flag | 126, UInt8(content.count >> 8), UInt8(content.count & 0xFF)]
        }
        guard let mask else { return bytes + content }
        return bytes + mask + content.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    public static func read(from peer: ScriptedPeer) throws -> WebSocketFrame {
        let head = try peer.read(2)
        var count = Int(head[1] & 0x7F)
        if count == 126 {
            let bytes = try peer.read(2)
            count = Int(bytes[0]) << 8 | Int(bytes[1])
        } else if count == 127 {
            throw PeerError.malformed("a frame of 64 bits")
        }
        let mask = head[1] & 0x80 == 0 ? nil : try peer.read(4)
        var content = try peer.read(count)
        if let mask { content = content.enumerated().map { $1 ^ mask[$0 % 4] } }
        return WebSocketFrame(opcode: head[0] & 0x0F, content: content)
    }
}

/// FIPS 180-4 §6.1.
func sha1(_ message: [UInt8]) -> [UInt8] {
    func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 { word << count | word >> (32 - count) }
    var h: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
    var padded = message + [0x80]
    padded += [UInt8](repeating: 0, count: (120 - padded.count % 64) % 64)
    let bits = UInt64(message.count) * 8
    padded += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
    for block in stride(from: 0, to: padded.count, by: 64) {
        var w = (0..<16).map { index in
            (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(padded[block + 4 * index + $1]) }
        }
        for index in 16..<80 {
            w.append(rotate(w[index - 3] ^ w[index - 8] ^ w[index - 14] ^ w[index - 16], 1))
        }
        var (a, b, c, d, e) = (h[0], h[1], h[2], h[3], h[4])
        for index in 0..<80 {
            let (f, k): (UInt32, UInt32) =
                switch index {
                case 0..<20: ((b & c) | (~b & d), 0x5A82_7999)
                case 20..<40: (b ^ c ^ d, 0x6ED9_EBA1)
                case 40..<60: ((b & c) | (b & d) | (c & d), 0x8F1B_BCDC)
                default: (b ^ c ^ d, 0xCA62_C1D6)
                }
            let next = rotate(a, 5) &+ f &+ e &+ k &+ w[index]
            (a, b, c, d, e) = (next, a, rotate(b, 30), c, d)
        }
        h = [h[0] &+ a, h[1] &+ b, h[2] &+ c, h[3] &+ d, h[4] &+ e]
    }
    return h.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
}

func base64(_ bytes: [UInt8]) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let group = bytes[start..<min(start + 3, bytes.count)]
        var word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
        var letters: [Character] = []
        for _ in 0..<4 {
            letters.append(digits[word & 63])
            word >>= 6
        }
        text += String(letters.reversed().prefix(group.count + 1))
        text += String(repeating: "=", count: 3 - group.count)
    }
    return text
}
