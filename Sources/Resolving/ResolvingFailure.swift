/// Why a question has no answer.
public struct ResolvingFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Sendable {
        /// The name servers know that the name does not exist (NXDOMAIN).
        case noName
        /// The name exists and has no record of this kind.
        case noRecord
        /// No name server answered in time.
        case timeout
        /// No name server could be reached.
        case unreachable
        /// A name server said that it cannot or will not (SERVFAIL, REFUSED).
        case refused
        /// An answer came that is no valid message.
        case malformed
        case other
    }

    public var kind: Kind
    /// As a part of a sentence.
    public var description: String

    /// Whether the name servers know that there is nothing, and not only fail to tell.
    public var isAnswer: Bool { kind == .noName || kind == .noRecord }

    public init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}
