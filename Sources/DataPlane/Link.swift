/// How the bytes of a connection travel between its socket and its exchange.
struct Link: BitwiseCopyable {
    enum Kind: UInt8 {
        /// As they are.
        case plain
    }

    var kind = Kind.plain
}
