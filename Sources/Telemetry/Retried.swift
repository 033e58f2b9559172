/// Whether an exchange was tried again, and if it was not though it failed, why not.
public enum Retried: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// There was no need.
    case no
    case yes
    /// Bytes were sent, and the method must not be sent twice.
    case methodNotIdempotent
    case budgetSpent
    case bodyTooLargeToReplay
    case noOtherServer
    /// As many tries as the route allows.
    case attemptsSpent
    /// The client has seen part of an answer.
    case answerStarted
    /// The configuration does not retry what happened.
    case notConfigured

    /// The word of the access log.
    public var word: StaticString {
        switch self {
        case .no: "no"
        case .yes: "yes"
        case .methodNotIdempotent: "method_not_idempotent"
        case .budgetSpent: "budget_spent"
        case .bodyTooLargeToReplay: "body_too_large_to_replay"
        case .noOtherServer: "no_other_server"
        case .attemptsSpent: "attempts_spent"
        case .answerStarted: "answer_started"
        case .notConfigured: "not_configured"
        }
    }
}
