/// How a service chooses the server of the next request.
///
/// The raw values are the words of the configuration.
public enum Strategy: String, Sendable, CaseIterable {
    case roundRobin = "round-robin"
    case random
    case powerOfTwoChoices = "p2c"
    case leastRequests = "least-requests"
    case first
}
