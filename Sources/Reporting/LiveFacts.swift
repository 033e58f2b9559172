/// How a report was measured that was not simulated.
public struct LiveFacts: Sendable, Equatable {
    /// The mean service time, in milliseconds.
    public var unit: Double
    /// `HTTP/1.1`
    public var http: String
    /// Of any run, the 99.9th percentile: of requests behind their times, and of the servers'
    /// answers behind theirs; in milliseconds.
    public var sendLateness = 0.0
    public var answerLateness = 0.0
    /// The most connections of clients at once.
    public var clientConnections = 0
    public var runCount = 0
    /// Runs that were made again, because the machine had not kept the bench's times.
    public var repeatedRunCount = 0
    /// How many processes wanted a processor when it began, on the average of a minute; `nil`
    /// where the system does not tell.
    public var machineLoad: Double?
    /// What was left out of the comparison, and why; sentences.
    public var notes: [String] = []

    public init(unit: Double, http: String) {
        self.unit = unit
        self.http = http
    }
}
