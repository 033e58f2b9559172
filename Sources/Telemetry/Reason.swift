/// Why an exchange, or one attempt of it, ended as it did.
///
/// One vocabulary for access log, metrics, `Proxy-Status`, answers and commands. Every reason but
/// ``ok`` and ``clientClosed`` is an answer, or the lack of one, that we made and not the
/// application.
///
/// The raw values index ``LoopCounters`` and stand in access records; they mean nothing outside
/// of the process.
public enum Reason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case ok
    case noRoute
    case noServer
    case noHealthyServer
    case serverRefused
    case serverUnreachable
    case connectTimeout
    case dnsFailed
    case dnsTimeout
    case serverTLSFailed
    case serverClosedEarly
    case serverClosedMidway
    case serverSlow
    case serverStalled
    case totalTimeout
    case serverBadAnswer
    case serverHeaderTooLarge
    case upgradeFailed
    case queueFull
    case queueTimeout
    case paused
    case shuttingDown
    case rateLimited
    case denied
    case badRequest
    case headerTooLarge
    case uriTooLong
    case bodyTooLarge
    case clientSlow
    case clientClosed
    case forwardingLoop
    case misdirected
    case ambiguousPath
    case internalError

    /// The word of logs, metrics and the control API.
    public var word: StaticString {
        switch self {
        case .ok: "ok"
        case .noRoute: "no_route"
        case .noServer: "no_server"
        case .noHealthyServer: "no_healthy_server"
        case .serverRefused: "server_refused"
        case .serverUnreachable: "server_unreachable"
        case .connectTimeout: "connect_timeout"
        case .dnsFailed: "dns_failed"
        case .dnsTimeout: "dns_timeout"
        case .serverTLSFailed: "server_tls_failed"
        case .serverClosedEarly: "server_closed_early"
        case .serverClosedMidway: "server_closed_midway"
        case .serverSlow: "server_slow"
        case .serverStalled: "server_stalled"
        case .totalTimeout: "total_timeout"
        case .serverBadAnswer: "server_bad_answer"
        case .serverHeaderTooLarge: "server_header_too_large"
        case .upgradeFailed: "upgrade_failed"
        case .queueFull: "queue_full"
        case .queueTimeout: "queue_timeout"
        case .paused: "paused"
        case .shuttingDown: "shutting_down"
        case .rateLimited: "rate_limited"
        case .denied: "denied"
        case .badRequest: "bad_request"
        case .headerTooLarge: "header_too_large"
        case .uriTooLong: "uri_too_long"
        case .bodyTooLarge: "body_too_large"
        case .clientSlow: "client_slow"
        case .clientClosed: "client_closed"
        case .forwardingLoop: "loop"
        case .misdirected: "misdirected"
        case .ambiguousPath: "ambiguous_path"
        case .internalError: "internal"
        }
    }

    /// The status to send; 0 for ``ok``, whose status is the application's. That of
    /// ``clientClosed`` is for the log alone.
    public var status: Int {
        switch self {
        case .ok: 0
        case .noRoute: 404
        case .noServer, .noHealthyServer, .queueFull, .queueTimeout, .paused, .shuttingDown: 503
        case .serverRefused, .serverUnreachable, .dnsFailed, .serverTLSFailed, .serverClosedEarly,
            .serverClosedMidway, .serverBadAnswer, .serverHeaderTooLarge, .upgradeFailed,
            .forwardingLoop:
            502
        case .connectTimeout, .dnsTimeout, .serverSlow, .serverStalled, .totalTimeout: 504
        case .rateLimited: 429
        case .denied: 403
        case .badRequest, .ambiguousPath: 400
        case .headerTooLarge: 431
        case .uriTooLong: 414
        case .bodyTooLarge: 413
        case .clientSlow: 408
        case .clientClosed: 499
        case .misdirected: 421
        case .internalError: 500
        }
    }

    /// The error type of `Proxy-Status` (RFC 9209 §2.3); `nil` when there was no error of ours.
    public var proxyError: StaticString? {
        switch self {
        case .ok, .clientClosed: nil
        case .noRoute: "destination_not_found"
        case .noServer, .noHealthyServer: "destination_unavailable"
        case .serverRefused: "connection_refused"
        case .serverUnreachable: "destination_ip_unroutable"
        case .connectTimeout: "connection_timeout"
        case .dnsFailed: "dns_error"
        case .dnsTimeout: "dns_timeout"
        case .serverTLSFailed: "tls_protocol_error"
        case .serverClosedEarly: "connection_terminated"
        case .serverClosedMidway: "http_response_incomplete"
        case .serverSlow, .totalTimeout: "http_response_timeout"
        case .serverStalled: "connection_read_timeout"
        case .serverBadAnswer: "http_protocol_error"
        case .serverHeaderTooLarge: "http_response_header_section_size"
        case .upgradeFailed: "http_upgrade_failed"
        case .queueFull, .queueTimeout: "connection_limit_reached"
        case .paused, .shuttingDown: "proxy_internal_response"
        case .rateLimited, .denied: "http_request_denied"
        case .badRequest, .headerTooLarge, .uriTooLong, .bodyTooLarge, .clientSlow, .misdirected,
            .ambiguousPath:
            "http_request_error"
        case .forwardingLoop: "proxy_loop_detected"
        case .internalError: "proxy_internal_error"
        }
    }

    /// The sentence of an answer's body. It tells a stranger nothing about servers.
    public var sentence: StaticString {
        switch self {
        case .ok:
            "The application answered."
        case .noRoute:
            "There is no route for this host and path."
        case .noServer:
            "This service has no servers."
        case .noHealthyServer:
            "None of the servers of this service is healthy."
        case .serverRefused:
            "The application refused the connection."
        case .serverUnreachable:
            "The application's host cannot be reached."
        case .connectTimeout:
            "The application's host did not answer in time."
        case .dnsFailed:
            "The application's name gave no address."
        case .dnsTimeout:
            "The application's name was not resolved in time."
        case .serverTLSFailed:
            "No secure connection to the application could be made."
        case .serverClosedEarly:
            "The application closed the connection before it answered."
        case .serverClosedMidway:
            "The application closed the connection in the middle of its answer."
        case .serverSlow:
            "The application did not answer in time."
        case .serverStalled:
            "The application fell silent in the middle of its answer."
        case .totalTimeout:
            "The request took longer than it may."
        case .serverBadAnswer:
            "The application's answer is not valid HTTP."
        case .serverHeaderTooLarge:
            "The header of the application's answer is too large."
        case .upgradeFailed:
            "The application did not switch protocols."
        case .queueFull:
            "All servers are busy, and too many requests are waiting; try again in a moment."
        case .queueTimeout:
            "All servers were busy for too long; try again in a moment."
        case .paused:
            "This service is paused; try again in a moment."
        case .shuttingDown:
            "The proxy is shutting down; try again."
        case .rateLimited:
            "Too many requests; try again later."
        case .denied:
            "Access is denied."
        case .badRequest:
            "The request is not valid HTTP."
        case .headerTooLarge:
            "The header of the request is too large."
        case .uriTooLong:
            "The address of the request is too long."
        case .bodyTooLarge:
            "The body of the request is too large."
        case .clientSlow:
            "The request was not sent in time."
        case .clientClosed:
            "The client closed the connection."
        case .forwardingLoop:
            "The request came back to the proxy that sent it."
        case .misdirected:
            "This host is not served on this connection."
        case .ambiguousPath:
            "The path of the request can be read in more than one way."
        case .internalError:
            "The proxy made a mistake."
        }
    }

    /// Whether it counts as a failure: not if the application answered, whatever it said, nor
    /// if the client went away.
    public var isFailure: Bool { self != .ok && self != .clientClosed }

    /// Whether the server of the attempt is to blame: what counts against it as an outlier and
    /// keeps its slot.
    public var blamesServer: Bool {
        switch self {
        case .serverRefused, .serverUnreachable, .connectTimeout, .serverTLSFailed,
            .serverClosedEarly, .serverClosedMidway, .serverSlow, .serverStalled,
            .serverBadAnswer, .serverHeaderTooLarge:
            true
        case .ok, .noRoute, .noServer, .noHealthyServer, .dnsFailed, .dnsTimeout, .totalTimeout,
            .upgradeFailed, .queueFull, .queueTimeout, .paused, .shuttingDown, .rateLimited,
            .denied, .badRequest, .headerTooLarge, .uriTooLong, .bodyTooLarge, .clientSlow,
            .clientClosed, .forwardingLoop, .misdirected, .ambiguousPath, .internalError:
            false
        }
    }

    /// Whether no connection came about, so that nothing of the request was sent and any method
    /// may be tried on another server.
    public var isConnectFailure: Bool {
        switch self {
        case .serverRefused, .serverUnreachable, .connectTimeout, .dnsFailed, .dnsTimeout,
            .serverTLSFailed:
            true
        case .ok, .noRoute, .noServer, .noHealthyServer, .serverClosedEarly,
            .serverClosedMidway, .serverSlow, .serverStalled, .totalTimeout, .serverBadAnswer,
            .serverHeaderTooLarge, .upgradeFailed, .queueFull, .queueTimeout, .paused,
            .shuttingDown, .rateLimited, .denied, .badRequest, .headerTooLarge, .uriTooLong,
            .bodyTooLarge, .clientSlow, .clientClosed, .forwardingLoop, .misdirected,
            .ambiguousPath, .internalError:
            false
        }
    }

    /// Whether the answer carries `Retry-After`: the request was sound and may succeed later.
    public var invitesRetry: Bool {
        switch self {
        case .noServer, .noHealthyServer, .queueFull, .queueTimeout, .paused, .rateLimited: true
        case .ok, .noRoute, .serverRefused, .serverUnreachable,
            .connectTimeout, .dnsFailed, .dnsTimeout, .serverTLSFailed, .serverClosedEarly,
            .serverClosedMidway, .serverSlow, .serverStalled, .totalTimeout, .serverBadAnswer,
            .serverHeaderTooLarge, .upgradeFailed, .shuttingDown, .denied, .badRequest,
            .headerTooLarge, .uriTooLong, .bodyTooLarge, .clientSlow, .clientClosed,
            .forwardingLoop, .misdirected, .ambiguousPath, .internalError:
            false
        }
    }
}
