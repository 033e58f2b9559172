/// How long a head may be. In bytes and lines.
public struct HeadLimits: Sendable, BitwiseCopyable {
    /// The request line with its CRLF; 414 beyond. A status line has the same limit.
    public var requestLineBytes: Int
    /// All field lines with the empty line behind them; 431 beyond.
    public var headerBytes: Int
    /// Field lines, at most the capacity of the ``FieldSection``; 431 beyond.
    public var headerCount: Int

    public init(
        requestLineBytes: Int = 8 << 10, headerBytes: Int = 16 << 10, headerCount: Int = 100
    ) {
        self.requestLineBytes = requestLineBytes
        self.headerBytes = headerBytes
        self.headerCount = headerCount
    }
}
