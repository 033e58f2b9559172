public import Memory

/// Where one field line stands (RFC 9112 §5).
///
/// Positions count from the first byte that the parser was given.
public struct FieldLine: Sendable, BitwiseCopyable {
    public var name: FieldName
    /// Ends at this hop: remove the line before the message goes on (RFC 9110 §7.6.1).
    public var isHopByHop: Bool
    public var nameRange: ByteRange
    /// Without the whitespace around it.
    public var valueRange: ByteRange
    /// The whole line with its CRLF.
    public var lineRange: ByteRange

    public init(
        name: FieldName, isHopByHop: Bool, nameRange: ByteRange, valueRange: ByteRange,
        lineRange: ByteRange
    ) {
        self.name = name
        self.isHopByHop = isHopByHop
        self.nameRange = nameRange
        self.valueRange = valueRange
        self.lineRange = lineRange
    }
}

/// The field lines of the head that was parsed last, in order.
///
/// ## Ownership
/// One per loop, allocated once and used for every head: what it holds is valid until the next
/// head is parsed.
public struct FieldSection: ~Copyable {
    /// Field lines, unless somebody says otherwise.
    public static let usualCapacity = 256

    private var lines: FixedArray<FieldLine>
    public private(set) var count = 0

    /// - Parameter capacity: the most field lines that it holds.
    public init(capacity: Int = usualCapacity) {
        let none = FieldLine(
            name: .other, isHopByHop: false, nameRange: .empty, valueRange: .empty,
            lineRange: .empty)
        lines = FixedArray(repeating: none, count: capacity)
    }

    public var capacity: Int { lines.count }

    public mutating func removeAll() { count = 0 }

    /// - Returns: `false` when there is no place left.
    public mutating func append(_ line: FieldLine) -> Bool {
        guard count < lines.count else { return false }
        lines[count] = line
        count &+= 1
        return true
    }

    public subscript(index: Int) -> FieldLine {
        get {
            precondition(index < count)
            return lines[index]
        }
        set {
            precondition(index < count)
            lines[index] = newValue
        }
    }

    /// The first line with a well-known name, or `nil`.
    public func first(_ name: FieldName) -> FieldLine? {
        var index = 0
        while index < count {
            if lines[index].name == name { return lines[index] }
            index &+= 1
        }
        return nil
    }
}
