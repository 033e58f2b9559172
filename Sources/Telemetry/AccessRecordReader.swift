public import Memory

/// The log writer's end of the access log of one loop: records in, lines out.
public struct AccessRecordReader: ~Copyable, Sendable {
    private var ring: ByteRingConsumer

    public init(ring: consuming ByteRingConsumer) { self.ring = ring }

    /// A ring for one loop, of `capacity` bytes (a power of two), and the reader of it.
    public init(capacity: Int = 1 << 20) { ring = ByteRingConsumer(capacity: capacity) }

    /// The loop's end, to be moved to its thread. Traps the second time.
    public mutating func makeWriter() -> AccessRecordWriter {
        AccessRecordWriter(ring: ring.makeProducer())
    }

    public var isEmpty: Bool { ring.isEmpty }

    /// Records that the loop dropped because the ring was full.
    public var droppedCount: UInt64 { ring.droppedCount }

    /// The room that ``readLine(into:names:)`` asks for.
    public static var lineByteBound: Int { AccessLine.byteBound }

    /// Appends the oldest record to `lines` as one line of JSON and a line feed, and removes it.
    ///
    /// - Parameter lines: must have room for ``lineByteBound``.
    /// - Returns: `false` when there is none.
    public mutating func readLine(into lines: inout Buffer, names: some NameLookup) -> Bool {
        precondition(lines.room >= Self.lineByteBound)
        guard !ring.isEmpty else { return false }
        AccessLine.append(ring.first, names: names, to: &lines)
        ring.removeFirst()
        return true
    }
}
