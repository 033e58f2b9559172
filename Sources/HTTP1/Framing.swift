/// How the end of a request is known (RFC 9112 §6.3).
public enum Framing: Equatable, Sendable, BitwiseCopyable {
    case noContent
    /// In bytes, at most `Int64.max`; may be 0.
    case contentLength(UInt64)
    case chunked

    /// Whether bytes follow the head.
    public var hasContent: Bool {
        switch self {
        case .noContent: false
        case .contentLength(let byteCount): byteCount > 0
        case .chunked: true
        }
    }
}

/// How the end of a response is known (RFC 9112 §6.3).
public enum ResponseFraming: Equatable, Sendable, BitwiseCopyable {
    case noContent
    /// In bytes, at most `Int64.max`; may be 0.
    case contentLength(UInt64)
    case chunked
    /// The content ends with the connection.
    case untilClose
}
