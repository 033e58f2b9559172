/// A parser whose properties are judged on any bytes, by the fuzzer and by the corpus replay.
public enum FuzzedParser: String, CaseIterable, Sendable {
    /// Heads of requests.
    case head
    /// Heads of responses.
    case response
    /// Chunked bodies.
    case chunked
    /// What clients say in HTTP/2.
    case http2Request = "http2-request"
    /// What servers say in HTTP/2.
    case http2Response = "http2-response"
    /// What balancers say first.
    case proxyHeader = "proxy-header"

    /// Judges one input; see ``FuzzInput`` for its form.
    public func check(_ bytes: [UInt8]) throws(BrokenProperty) {
        guard let input = FuzzInput(bytes) else { return }
        switch self {
        case .head, .response: try HeadCheck.run(input, isRequest: self == .head)
        case .chunked: try ChunkedCheck.run(input)
        case .http2Request, .http2Response:
            try SessionCheck.run(input, isRequest: self == .http2Request)
        case .proxyHeader: try ProxyHeaderCheck.run(input)
        }
    }
}

/// A property that a parser does not have.
public struct BrokenProperty: Error, CustomStringConvertible {
    public var description: String
}

func require(
    _ isTrue: Bool, _ words: @autoclosure () -> String
) throws(BrokenProperty) {
    if !isTrue { throw BrokenProperty(description: words()) }
}

/// What a file of the corpus holds: how to judge, and the bytes to judge.
///
/// Its first line says how: the first byte is the variant, each further byte the distance to
/// the next place where the message is cut. The message is what stands behind the line feed.
struct FuzzInput {
    var variant: UInt8
    /// Ascending, inside of the message.
    var cuts: [Int] = []
    var message: [UInt8]

    /// - Returns: `nil` when there is no first line.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.firstIndex(of: 0x0A) else { return nil }
        variant = end > 0 ? bytes[0] : 0
        message = Array(bytes[(end + 1)...])
        var cut = 0
        for distance in bytes[..<end].dropFirst() {
            cut += Int(distance)
            guard cut < message.count else { break }
            cuts.append(cut)
        }
    }

    /// The chosen cuts; every place there is in a short message.
    var places: [Int] { message.count <= 160 ? Array(0..<message.count) : cuts }
}
