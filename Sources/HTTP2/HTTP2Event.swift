/// What a call of ``HTTP2Session/receive(_:now:)`` or ``HTTP2Session/write(to:)`` has brought
/// about, in order.
public struct HTTP2Event: Equatable, Sendable, BitwiseCopyable {
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// A request or a response has its whole head: take it with
        /// ``HTTP2Session/takeRequest(into:)`` or ``HTTP2Session/takeResponse(into:)`` before
        /// the next call.
        case head
        /// The fields behind the content: take them with ``HTTP2Session/takeTrailers(into:)``.
        case trailers
        /// Content: `range` counts from the start of what was given to `receive`.
        case content
        /// The peer has finished this stream.
        case end
        /// The stream is gone, with `code`; nothing more will come for it.
        case closed
        /// The stream could send, if there is something to be sent.
        case writable
        /// The stream's head or trailers broke a rule, and the peer was told; until the next call
        /// ``HTTP2Session/refusal`` says which.
        case refused
        /// The peer will take no more streams.
        case goingAway
        /// The answer to a ping.
        case pong
        /// The peer's settings: ``HTTP2Session/peerConcurrentStreams`` is what it has said.
        case settings
    }

    public var kind: Kind
    public var stream: Int32
    /// What ``HTTP2Session/setTag(_:of:)`` has set for the stream; `.max` for none.
    public var tag: UInt32
    public var code: UInt32 = 0
    public var lower: UInt32 = 0
    public var count: UInt32 = 0
}
