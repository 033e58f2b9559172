public import Configuration

/// What the command line says about a run.
public struct ControlOptions: Sendable {
    public var source: ConfigurationSource
    /// Of the program, for status.
    public var version: String
    /// Over what the configuration says.
    public var adminSocket: AdminConfiguration.Socket?
    /// Called on the control thread once requests are accepted, with the admin socket's path.
    public var whenServing: (@Sendable (String?) -> Void)?

    public init(
        source: ConfigurationSource, version: String,
        adminSocket: AdminConfiguration.Socket? = nil,
        whenServing: (@Sendable (String?) -> Void)? = nil
    ) {
        self.source = source
        self.version = version
        self.adminSocket = adminSocket
        self.whenServing = whenServing
    }
}

/// The exit statuses of every command; few, and stable.
public enum ExitStatus {
    public static let done: Int32 = 0
    /// What was asked for did not happen.
    public static let failed: Int32 = 1
    /// The command cannot be understood (EX_USAGE).
    public static let usage: Int32 = 64
    /// No staithe answers on the admin socket (EX_UNAVAILABLE).
    public static let notRunning: Int32 = 69
    /// This user may not use the admin socket (EX_NOPERM).
    public static let notAllowed: Int32 = 77
    /// The configuration has errors (EX_CONFIG).
    public static let configuration: Int32 = 78
}

/// Why the process cannot start, in one sentence.
struct StartFailure: Error {
    var sentence: String
    var status = ExitStatus.failed
}
