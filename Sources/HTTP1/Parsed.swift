/// The answer of an incremental parser that did not refuse.
public enum Parsed<Value> {
    /// A whole value, and how many bytes of the input it used.
    case complete(Value, byteCount: Int)
    /// Everything so far is valid; ask again with at least one more byte.
    case incomplete
}

extension Parsed: Sendable where Value: Sendable {}
