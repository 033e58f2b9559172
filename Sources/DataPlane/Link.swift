/// How the bytes of a connection travel between its socket and its exchange.
struct Link: BitwiseCopyable {
    enum Kind: UInt8 {
        /// As they are.
        case plain
        /// Through TLS.
        case secure
        /// As frames of a stream of an HTTP/2 connection.
        case stream
    }

    var kind = Kind.plain
    /// Of what the kind needs, in its slab.
    var slot = UInt32.max
}
