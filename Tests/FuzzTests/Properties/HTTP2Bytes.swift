/// Frames and field blocks, as bytes (RFC 9113 §4.1, RFC 7541 §6.2.2).
public enum HTTP2Bytes {
    public static let endStream: UInt8 = 1
    public static let endHeaders: UInt8 = 4
    public static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings

    /// Empty settings.
    public static let settings = frame(4, flags: 0, stream: 0, [])

    public static func frame(
        _ type: UInt8, flags: UInt8, stream: UInt32, _ payload: [UInt8]
    ) -> [UInt8] {
        let count = payload.count
        return [
            UInt8(truncatingIfNeeded: count >> 16), UInt8(truncatingIfNeeded: count >> 8),
            UInt8(truncatingIfNeeded: count), type, flags,
        ] + number(stream) + payload
    }

    public static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    public static func headers(
        _ fields: [HTTP2Field], stream: UInt32 = 1, isLast: Bool
    ) -> [UInt8] {
        let block = fields.flatMap { field -> [UInt8] in
            [0] + string(field.name) + string(field.value)
        }
        // As many frames as it takes.
        var pieces: [ArraySlice<UInt8>] = []
        var rest = block[...]
        repeat {
            pieces.append(rest.prefix(16_384))
            rest = rest.dropFirst(16_384)
        } while !rest.isEmpty
        var bytes: [UInt8] = []
        for (index, piece) in pieces.enumerated() {
            var flags: UInt8 = index == pieces.count - 1 ? endHeaders : 0
            if index == 0, isLast { flags |= endStream }
            bytes += frame(index == 0 ? 1 : 9, flags: flags, stream: stream, Array(piece))
        }
        return bytes
    }

    public static func data(
        _ content: [UInt8], stream: UInt32 = 1, isLast: Bool
    ) -> [UInt8] {
        frame(0, flags: isLast ? endStream : 0, stream: stream, content)
    }

    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var rest = bytes.count - 127
        var length: [UInt8] = [127]
        while rest >= 128 {
            length.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return length + [UInt8(rest)] + bytes
    }
}

/// A field line of HTTP/2, of any bytes.
public struct HTTP2Field: Equatable, Sendable {
    public var name: [UInt8]
    public var value: [UInt8]

    public init(name: [UInt8], value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// From text whose scalars are the bytes.
    public init(_ name: String, _ value: String) {
        self.name = name.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        self.value = value.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    }
}
