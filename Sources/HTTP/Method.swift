public import Memory

/// A request method (RFC 9110 §9), and PATCH (RFC 5789).
public enum Method: UInt8, Sendable, BitwiseCopyable {
    case get, head, post, put, delete, connect, options, trace, patch, other

    /// Recognises a method by its bytes; methods are case-sensitive (RFC 9110 §9.1).
    ///
    /// - Complexity: O(1).
    public init(_ bytes: RawSpan, _ range: ByteRange) {
        guard range.count >= 3, range.count <= 7 else {
            self = .other
            return
        }
        let mask: UInt64 = ~0 &>> UInt64(64 &- range.count &* 8)
        switch bytes.wordOrZeros(range.lower) & mask {
        case 0x0054_4547: self = .get
        case 0x4441_4548: self = .head
        case 0x5453_4F50: self = .post
        case 0x0054_5550: self = .put
        case 0x4554_454C_4544: self = .delete
        case 0x0054_4345_4E4E_4F43: self = .connect
        case 0x0053_4E4F_4954_504F: self = .options
        case 0x0045_4341_5254: self = .trace
        case 0x0048_4354_4150: self = .patch
        default: self = .other
        }
    }

    /// The client asks for no change of state (RFC 9110 §9.2.1).
    public var isSafe: Bool {
        switch self {
        case .get, .head, .options, .trace: true
        case .post, .put, .delete, .connect, .patch, .other: false
        }
    }

    /// Doing it twice has the effect of doing it once (RFC 9110 §9.2.2).
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .options, .trace, .put, .delete: true
        case .post, .connect, .patch, .other: false
        }
    }

    public var name: StaticString {
        switch self {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .delete: "DELETE"
        case .connect: "CONNECT"
        case .options: "OPTIONS"
        case .trace: "TRACE"
        case .patch: "PATCH"
        case .other: "other"
        }
    }
}
