/// How the requests of a service are spread over its servers: as measured, and as promised.
public struct ServiceShares: Equatable, Sendable {
    /// What is known of one server.
    public struct Server: Sendable {
        /// Answers per second, of late.
        public var rate: Double
        /// Its weight, by how far it has warmed.
        public var weight: Int
        public var isBackup: Bool
        /// New requests may go there now.
        public var takesRequests: Bool

        public init(rate: Double, weight: Int, isBackup: Bool, takesRequests: Bool) {
            self.rate = rate
            self.weight = weight
            self.isBackup = isBackup
            self.takesRequests = takesRequests
        }
    }

    /// In the order of the servers, 0 to 1, with the sum 1; `nil` when none of them has answered
    /// of late.
    public let measured: [Double]?
    /// The same by weights, for the requests that come next; all 0 when no server takes any.
    public let expected: [Double]

    public init(_ servers: [Server]) {
        let rate = servers.reduce(0) { $0 + $1.rate }
        measured = rate > 0 ? servers.map { $0.rate / rate } : nil
        let hasPrimary = servers.contains { $0.takesRequests && !$0.isBackup && $0.weight > 0 }
        let weights = servers.map {
            $0.takesRequests && (!$0.isBackup || !hasPrimary) ? max(0, $0.weight) : 0
        }
        let total = weights.reduce(0, +)
        expected = weights.map { total > 0 ? Double($0) / Double(total) : 0 }
    }
}
