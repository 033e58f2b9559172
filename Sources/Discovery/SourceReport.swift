/// What a source of servers says. Reports are applied in the order in which they come; all of
/// them concern the servers of one source in one service.
public enum SourceReport: Equatable, Sendable {
    /// These are all servers, now. The source is connected and knows everything.
    case snapshot([DiscoveredServer])
    /// What has changed since, one after the other.
    case changes([ServerChange])
    /// Something may have been missed: the servers stay as they are known, and the source asks
    /// again by itself. A sentence that says why.
    case resyncNeeded(String)
    /// The source cannot be reached: the servers stay as they are known. A sentence.
    case lost(String)
    /// All that is wrong with what the source says, and all that will surprise; replaces what
    /// was said before.
    case warnings([SourceWarning])
}

/// One change of one server.
public enum ServerChange: Equatable, Sendable {
    /// It is new, or something about it is.
    case put(DiscoveredServer)
    /// Only what the source makes of it has changed.
    case state(String, ServerState)
    /// The source saw it end: it is gone, whatever is left.
    case ended(String)
    /// It is no longer named, which may be the source's mistake: it stays when fewer servers
    /// than `min_servers` would be left.
    case left(String)
    /// Something happened to it that the source cannot judge: it should be checked now.
    case check(String)
}

/// Something that a source found wrong, told so that the reader can repair it.
public struct SourceWarning: Hashable, Sendable {
    /// What it is about, in the words of whoever wrote it: `container web_1`.
    public var subject: String
    /// The rest of the sentence.
    public var sentence: String
    /// What to do.
    public var help: String?

    public init(_ subject: String, _ sentence: String, help: String? = nil) {
        self.subject = subject
        self.sentence = sentence
        self.help = help
    }

    public var text: String { "\(subject): \(sentence)" + (help.map { "; \($0)" } ?? "") }
}
