public import Memory

/// Puts content into chunks (RFC 9112 §7.1), for content whose end was not known in advance.
///
/// A chunk is its size line, its content, and CRLF; after the content comes the last chunk.
public enum ChunkedEncoder {
    /// The longest size line: 16 digits and CRLF. Leave that much room before content that is
    /// to be framed in place.
    public static let maximumSizeLineByteCount = 18
    /// `0`, CRLF and the empty line.
    public static let lastChunkByteCount = 5
    /// The CRLF behind the content of a chunk.
    public static let endByteCount = 2

    /// - Parameter byteCount: of the content that follows, not 0: that would be the last chunk.
    public static func appendSizeLine(_ byteCount: Int, to buffer: inout Buffer) {
        precondition(byteCount > 0)
        buffer.append(hexadecimal: UInt64(byteCount))
        buffer.append("\r\n")
    }

    /// Writes a size line that ends where the content begins.
    ///
    /// - Parameters:
    ///   - byteCount: of the content at `position`, not 0.
    ///   - position: has ``maximumSizeLineByteCount`` bytes before it.
    ///   - buffer: its start and end stay.
    /// - Returns: where the size line begins.
    public static func writeSizeLine(
        _ byteCount: Int, before position: Int, in buffer: inout Buffer
    ) -> Int {
        precondition(byteCount > 0)
        buffer[position - 1] = 0x0A
        buffer[position - 2] = 0x0D
        var cursor = position - 2
        var rest = UInt64(byteCount)
        while rest > 0 {
            cursor -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 0xF)
            buffer[cursor] = digit < 10 ? digit + 0x30 : digit + 0x57
            rest >>= 4
        }
        return cursor
    }

    /// Behind the content of every chunk.
    public static func appendEnd(to buffer: inout Buffer) { buffer.append("\r\n") }

    /// The last chunk, and no trailers.
    public static func appendLastChunk(to buffer: inout Buffer) { buffer.append("0\r\n\r\n") }
}
