/// What one active check found.
public enum ProbeVerdict: Sendable, Equatable, BitwiseCopyable {
    case passed
    case failed(ProbeFailure)

    /// The verdict on an HTTP answer whose content, if any is asked for, was found.
    public static func onStatus(_ status: Int, accepted: ClosedRange<Int>) -> ProbeVerdict {
        accepted.contains(status) ? .passed : .failed(.badStatus)
    }
}

/// Why a check failed, in the words that requests use for the same misfortune, and two of its
/// own for an answer that is not the one asked for.
public enum ProbeFailure: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    case serverRefused
    case serverUnreachable
    case connectTimeout
    case dnsFailed
    case serverTLSFailed
    case serverClosedEarly
    case serverSlow
    case serverBadAnswer
    /// An answer with a status outside of the accepted range.
    case badStatus
    /// An answer without the expected text in its first 4 KiB.
    case bodyMismatch

    /// The word of logs, metrics and the control API.
    public var word: StaticString {
        switch self {
        case .serverRefused: "server_refused"
        case .serverUnreachable: "server_unreachable"
        case .connectTimeout: "connect_timeout"
        case .dnsFailed: "dns_failed"
        case .serverTLSFailed: "server_tls_failed"
        case .serverClosedEarly: "server_closed_early"
        case .serverSlow: "server_slow"
        case .serverBadAnswer: "server_bad_answer"
        case .badStatus: "bad_status"
        case .bodyMismatch: "body_mismatch"
        }
    }
}
