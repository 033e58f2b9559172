/// One thing the configuration got wrong, or that will surprise, told so that the reader can
/// repair it: the place, the cause and the way out.
///
/// Loading collects every diagnostic before it gives up: nobody should have to run the program
/// five times to learn about five mistakes.
public struct Diagnostic: Error, Equatable, Sendable {
    public enum Severity: String, Sendable { case error, warning }

    /// What kind of mistake it is. The raw values are stable: they are printed, and explained.
    public enum Code: String, Sendable, CaseIterable {
        case syntax
        case badEncoding = "bad-encoding"
        case tooLarge = "too-large"
        case notUsedHere = "not-used-here"
        case duplicateKey = "duplicate-key"
        case unknownKey = "unknown-key"
        case missingKey = "missing-key"
        case missingValue = "missing-value"
        case mixedForms = "mixed-forms"
        case notSupported = "not-supported"
        case wrongType = "wrong-type"
        case badWord = "bad-word"
        case badDuration = "bad-duration"
        case badSize = "bad-size"
        case badPercent = "bad-percent"
        case badName = "bad-name"
        case badAddress = "bad-address"
        case badHost = "bad-host"
        case badPath = "bad-path"
        case badHeader = "bad-header"
        case badStatus = "bad-status"
        case outOfRange = "out-of-range"
        case undefinedVariable = "undefined-variable"
        case unreadableFile = "unreadable-file"
        case duplicateName = "duplicate-name"
        case duplicateAddress = "duplicate-address"
        case undefinedService = "undefined-service"
        case unusedService = "unused-service"
        case missingRoutes = "missing-routes"
        case routeTie = "route-tie"
        case routeUnreachable = "route-unreachable"
        case conflict
        case timeoutOrder = "timeout-order"
        case noTraffic = "no-traffic"
        case trustsEveryone = "trusts-everyone"
        case portInUse = "port-in-use"
        case unresolvableHost = "unresolvable-host"
    }

    /// A remark beside the help, with a second place where there is one.
    public struct Note: Equatable, Sendable {
        public var sentence: String
        public var location: SourceLocation?

        public init(_ sentence: String, at location: SourceLocation? = nil) {
            self.sentence = sentence
            self.location = location
        }
    }

    public var severity: Severity
    public var code: Code
    /// One sentence without a full stop.
    public var sentence: String
    public var location: SourceLocation
    /// The keys to the mistake, outermost first: `routes`, `0`, `service`.
    public var keyPath: [String]
    /// The edit to make.
    public var help: String?
    public var notes: [Note]

    public init(
        _ severity: Severity, _ code: Code, _ sentence: String, at location: SourceLocation,
        keyPath: [String] = [], help: String? = nil, notes: [Note] = []
    ) {
        self.severity = severity
        self.code = code
        self.sentence = sentence
        self.location = location
        self.keyPath = keyPath
        self.help = help
        self.notes = notes
    }
}

/// What only the machine can tell, and `check --resolve` or the start finds out.
extension Diagnostic {
    /// - Parameter reason: what the resolver said, without a full stop.
    public static func unresolvable(
        host: String, reason: String, at location: SourceLocation, keyPath: [String] = []
    ) -> Diagnostic {
        Diagnostic(
            .error, .unresolvableHost, "host '\(host)' has no address: \(reason)", at: location,
            keyPath: keyPath,
            help: "correct the name, or write the numeric address of the server")
    }

    /// - Parameter owner: the program that listens there already, when it is known.
    public static func portInUse(
        _ address: ListenAddress, owner: String? = nil, at location: SourceLocation,
        keyPath: [String] = []
    ) -> Diagnostic {
        let user = owner.map { "by \($0)" } ?? "by another program"
        let help =
            address.port.map {
                "stop that program (ss -ltnp 'sport = :\($0)' names it), or choose another port"
            } ?? "stop that program (ss -lxp names it), or choose another path"
        return Diagnostic(
            .error, .portInUse, "\(address) is in use \(user)", at: location, keyPath: keyPath,
            help: help)
    }

    /// - Parameter reason: what the system said, without a full stop.
    public static func unreadableFile(
        _ path: String, reason: String, at location: SourceLocation, keyPath: [String] = []
    ) -> Diagnostic {
        Diagnostic(
            .error, .unreadableFile, "file '\(path)' cannot be read: \(reason)", at: location,
            keyPath: keyPath,
            help: "correct the path, or let the user that runs staithe read the file")
    }
}
