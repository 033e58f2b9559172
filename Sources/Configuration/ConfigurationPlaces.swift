/// Where the parts of a configuration were written, for messages about what only shows when the
/// configuration is applied.
public struct ConfigurationPlaces: Equatable, Sendable {
    public struct Place: Equatable, Sendable {
        public var location: SourceLocation
        public var keyPath: [String]
        public init(location: SourceLocation, keyPath: [String]) {
            self.location = location
            self.keyPath = keyPath
        }
    }

    /// By the listener's index: the place of its address.
    public internal(set) var listeners: [Place] = []
    /// By the listener's index and the certificate's: the place of the certificate.
    public internal(set) var certificates: [[Place]] = []
    /// By the listener's index: the place of what it says of TLS.
    public internal(set) var listenerTLS: [Place?] = []
    /// By the service's index: the place of what it says of TLS.
    public internal(set) var serviceTLS: [Place?] = []
    /// By the service's index and the server's: the place of its address.
    public internal(set) var servers: [[Place]] = []
    /// By the route's index in the sorted list: the place of the route.
    public internal(set) var routes: [SourceLocation] = []
    /// The place of `access_log.to`, when it is written.
    public internal(set) var accessLog: SourceLocation?
    /// The place of `admin.socket`, when it is written.
    public internal(set) var adminSocket: SourceLocation?

    public init() {}
}
