import Memory

/// The health service of gRPC (`grpc.health.v1.Health/Check`): one message each way, in the
/// encoding of Protocol Buffers.
enum GRPCHealth {
    /// The head of the request, as text of HTTP/1.1.
    static func head(authority: String, contentByteCount: Int, milliseconds: Int) -> [UInt8] {
        Array(
            ("POST /grpc.health.v1.Health/Check HTTP/1.1\r\nHost: \(authority)\r\n"
                + "Content-Type: application/grpc\r\nContent-Length: \(contentByteCount)\r\n"
                + "Grpc-Timeout: \(milliseconds)m\r\nUser-Agent: staithe-check\r\n\r\n").utf8)
    }

    /// `HealthCheckRequest`: its first field is the name of the service, and left out when it
    /// is empty, which stands for the server as a whole.
    static func request(of service: String) -> [UInt8] {
        let name = Array(service.utf8)
        // Names are bounded to 127 bytes by the configuration: a length of one byte.
        let message = name.isEmpty ? [] : [0x0A, UInt8(name.count)] + name
        return [0, 0, 0, 0, UInt8(message.count)] + message
    }

    /// Whether `HealthCheckResponse` says SERVING: the first field is 1.
    ///
    /// - Parameter content: one message behind its five bytes of length.
    static func isServing(_ content: [UInt8]) -> Bool {
        guard content.count >= 5, content[0] == 0 else { return false }
        let count = content[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard content.count >= 5 + count else { return false }
        let message = content[5..<(5 + count)]
        // The last one counts, if the field is repeated; unknown fields do not come with SERVING.
        var status: UInt8 = 0
        var index = message.startIndex
        while index + 1 < message.endIndex, message[index] == 0x08 {
            status = message[index + 1]
            index += 2
        }
        return status == 1
    }

    /// The value of `grpc-status` in lines of a head or of trailers; `nil` when it is not there.
    static func status(in text: borrowing Buffer) -> Int? {
        let lines = text.bytes
        let name = Array("grpc-status:".utf8)
        var start = 0
        while start < lines.byteCount {
            var end = start
            while end < lines.byteCount, lines.byte(end) != 0x0A { end += 1 }
            if end - start > name.count,
                name.indices.allSatisfy({ lines.byte(start + $0) | 0x20 == name[$0] | 0x20 })
            {
                var value: Int?
                for index in (start + name.count)..<end {
                    let digit = lines.byte(index) &- 0x30
                    if digit < 10 { value = min((value ?? 0) * 10 + Int(digit), 1000) }
                }
                return value
            }
            start = end + 1
        }
        return nil
    }
}
