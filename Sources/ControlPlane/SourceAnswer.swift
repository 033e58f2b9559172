import Discovery

/// A source of servers, as it stands in the answer about its service.
public struct SourceAnswer: Codable, Equatable, Sendable {
    public struct Warning: Codable, Equatable, Sendable {
        /// `container web_1`
        public var subject: String
        public var sentence: String
        public var help: String?
    }

    /// As in the configuration: `docker`.
    public var name: String
    /// `connecting`, `connected`, `resyncing`, or `lost`: then its servers stay as they were.
    public var state: String
    public var since: String
    /// Why it is lost.
    public var reason: String?
    /// When it told all its servers last.
    public var lastSync: String?
    public var servers: Int
    public var warnings: [Warning]

    init(_ name: String, _ standing: SourceStanding, serverCount: Int) {
        self.name = name
        state = standing.condition.rawValue
        since = WallTime.text(standing.since)
        reason = standing.reason
        lastSync = standing.lastSync.map { WallTime.text($0) }
        servers = serverCount
        warnings = standing.warnings.map {
            Warning(subject: $0.subject, sentence: $0.sentence, help: $0.help)
        }
    }
}
