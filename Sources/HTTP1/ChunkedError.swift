/// Why a chunked body is refused. What goes wrong in here cannot be answered: the message has
/// no end any more, so its connections are closed.
public enum ChunkedError: Error, Equatable, Sendable, BitwiseCopyable {
    /// RFC 9112 §7.1: no hexadecimal digit where the size begins, or another byte behind it.
    case invalidSize
    /// RFC 9112 §7.1: more than 16 digits, or more than `Int64.max`.
    case sizeTooLarge
    /// RFC 9112 §7.1.1: whitespace behind the size, but no extension.
    case whitespaceAfterSize
    /// RFC 9112 §7.1.1: a control in an extension.
    case invalidExtension
    case sizeLineTooLong
    /// See ``ChunkedDecoder/extensionAllowanceByteCount``.
    case excessiveExtensions
    /// RFC 9112 §7.1: the content of a chunk is longer than its size.
    case sizeMismatch
    /// RFC 9112 §7.1: only CRLF ends a line.
    case bareLineFeed
    case bareCarriageReturn
    /// RFC 9112 §7.1.2: a trailer line breaks the rule of field lines.
    case trailer(HeadError)
    case trailersTooLarge

    /// The name of the rule, for logs and metrics.
    public var rule: StaticString {
        switch self {
        case .invalidSize: "invalid-chunk-size"
        case .sizeTooLarge: "chunk-size-too-large"
        case .whitespaceAfterSize: "whitespace-after-chunk-size"
        case .invalidExtension: "invalid-chunk-extension"
        case .sizeLineTooLong: "chunk-size-line-too-long"
        case .excessiveExtensions: "excessive-chunk-extensions"
        case .sizeMismatch: "chunk-size-mismatch"
        case .bareLineFeed: "bare-line-feed"
        case .bareCarriageReturn: "bare-carriage-return"
        case .trailer(let error): error.rule
        case .trailersTooLarge: "trailers-too-large"
        }
    }

    /// What a client is answered, if it has not been answered yet.
    public var status: Int {
        switch self {
        case .trailersTooLarge: 431
        default: 400
        }
    }
}
