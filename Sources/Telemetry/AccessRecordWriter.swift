public import Memory

/// The loop's end of the access log.
///
/// Writing copies some 200 bytes of numbers and the texts, and formats nothing; it neither
/// waits, allocates nor calls the kernel. When the ring is full the record is dropped and
/// counted. The log writer's thread looks into the rings by itself, some ten times a second.
public struct AccessRecordWriter: ~Copyable {
    // Longer texts are cut, and end with an ellipsis in the line.
    public static let idByteBound = 64
    public static let methodByteBound = 32
    public static let hostByteBound = 255
    public static let pathByteBound = 1024
    public static let agentByteBound = 256
    public static let traceByteBound = 64
    public static let identityByteBound = 256

    private var ring: ByteRingProducer
    private var ruleText = Buffer(capacity: 64)
    private var idText = Buffer(capacity: 64)
    private var identityText = Buffer(capacity: identityByteBound)
    private var isIdentityCut = false

    public init(ring: consuming ByteRingProducer) { self.ring = ring }

    /// Records dropped because the ring was full.
    public var droppedCount: UInt64 { ring.droppedCount }

    /// Notes whose certificate the client has shown, for the next record that is written.
    public mutating func identify(_ subject: RawSpan) {
        identityText.reset()
        isIdentityCut = subject.byteCount > Self.identityByteBound
        identityText.append(
            subject.extracting(0..<min(subject.byteCount, Self.identityByteBound)))
    }

    /// Writes a record.
    ///
    /// - Parameters:
    ///   - head: what the positions of the record's texts refer to; empty when it has none.
    ///   - id: the number of the request, which stands in the line as 16 hexadecimal digits.
    ///   - rule: the rule that a refused message broke, 64 bytes at most; may be empty.
    /// - Returns: `false` when it was dropped.
    @discardableResult
    public mutating func write(
        _ record: borrowing AccessRecord, head: RawSpan, id: UInt64, rule: StaticString = ""
    ) -> Bool {
        var lengths = TextLengths()
        idText.reset()
        if record.id.isEmpty {
            idText.append(hexadecimal: id, width: 16)
        } else {
            let end = min(record.id.upper, record.id.lower + Self.idByteBound)
            idText.append(head.extracting(record.id.lower..<end))
        }
        let idCount = lengths.set(0, count: idText.count, bound: Self.idByteBound)
        let method = lengths.cut(1, record.method, to: Self.methodByteBound)
        let host = lengths.cut(2, record.host, to: Self.hostByteBound)
        let path = lengths.cut(3, record.path, to: Self.pathByteBound)
        let agent = lengths.cut(4, record.agent, to: Self.agentByteBound)
        let trace = lengths.cut(5, record.trace, to: Self.traceByteBound)

        ruleText.reset()
        ruleText.append(rule)
        _ = lengths.set(6, count: ruleText.count, bound: 64)
        defer { identityText.reset() }
        _ = lengths.set(
            7, count: identityText.count + (isIdentityCut && !identityText.isEmpty ? 1 : 0),
            bound: Self.identityByteBound)

        let textCount =
            idCount + Int(method.count) + Int(host.count) + Int(path.count) + Int(agent.count)
            + Int(trace.count) + ruleText.count + identityText.count
        guard ring.begin(byteCount: AccessRecord.byteCount + textCount) else { return false }
        record.encode(lengths: lengths, into: &ring)
        Self.copy(idText, into: &ring)
        ring.write(head.extracting(method.lower..<method.upper))
        ring.write(head.extracting(host.lower..<host.upper))
        ring.write(head.extracting(path.lower..<path.upper))
        ring.write(head.extracting(agent.lower..<agent.upper))
        ring.write(head.extracting(trace.lower..<trace.upper))
        Self.copy(ruleText, into: &ring)
        Self.copy(identityText, into: &ring)
        ring.commit()
        return true
    }

    private static func copy(_ text: borrowing Buffer, into ring: inout ByteRingProducer) {
        ring.write(text.bytes)
    }
}

extension TextLengths {
    /// Notes a text; returns the part of it that is kept.
    fileprivate mutating func cut(_ index: Int, _ range: ByteRange, to bound: Int) -> ByteRange {
        let kept = set(index, count: Int(range.count), bound: bound)
        return ByteRange(start: range.start, count: UInt32(kept))
    }
}
