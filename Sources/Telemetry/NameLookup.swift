/// The names behind the numbers of an access record; asked by the log writer's thread.
public protocol NameLookup {
    /// - Parameters:
    ///   - number: as the loop wrote it; never ``AccessRecord/noNumber``.
    ///   - generation: of the configuration that the loop was using.
    /// - Returns: `nil` when the number names nothing any more; it is then left out.
    func name(of kind: NamedKind, _ number: UInt32, generation: UInt64) -> String?
}

public enum NamedKind: Sendable {
    case listener
    case route
    case service
    case server
    /// The release of a server, by the server's number; `nil` when it has none.
    case version
}
