/// Whether a source can be believed, for status.
public struct SourceStanding: Equatable, Sendable {
    public enum Condition: String, Equatable, Sendable {
        /// It has not said anything yet.
        case connecting
        case connected
        /// It asks for everything again.
        case resyncing
        case lost
    }

    public var condition = Condition.connecting
    /// Since when, in nanoseconds since 1970.
    public var since: Int64
    /// Why it is lost or asks again.
    public var reason: String?
    /// The last complete list, in nanoseconds since 1970; `nil` before the first.
    public var lastSync: Int64?
    public var warnings: [SourceWarning] = []

    public init(since: Int64) { self.since = since }

    public mutating func become(_ condition: Condition, at now: Int64, reason: String? = nil) {
        if self.condition != condition { since = now }
        self.condition = condition
        self.reason = reason
    }
}
