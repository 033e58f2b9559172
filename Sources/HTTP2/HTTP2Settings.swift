/// What one end of an HTTP/2 connection offers and endures (RFC 9113 §6.5.2).
public struct HTTP2Settings: Equatable, Sendable, BitwiseCopyable {
    /// Streams that the peer may have open at once.
    public var concurrentStreams: UInt32 = 128
    /// Bytes of content that the peer may send ahead on one stream; a stream never has to keep
    /// more.
    public var streamWindow: UInt32 = 131_070
    /// The same for all streams of the connection together.
    public var connectionWindow: UInt32 = 1 << 20
    /// Bytes of one head, as RFC 9113 §6.5.2 counts them.
    public var headerBytes: UInt32 = 32 << 10

    public init() {}
}

/// The error codes that we send and look for (RFC 9113 §7).
public enum HTTP2ErrorCode: UInt32, Sendable {
    case noError = 0
    case protocolError = 1
    case internalError = 2
    case flowControlError = 3
    case streamClosed = 5
    case frameSizeError = 6
    case refusedStream = 7
    case cancel = 8
    case compressionError = 9
    case enhanceYourCalm = 11
    case http11Required = 13
}
