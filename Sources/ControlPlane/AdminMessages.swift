// What is said over the admin socket, as JSON. Keys are the names here in snake_case.

/// What a change has done.
public struct ChangeReceipt: Codable, Equatable, Sendable {
    public var generation = 0
    /// `listener web`, `service app`, `app/127.0.0.1:3001`.
    public var added: [String] = []
    public var changed: [String] = []
    public var removed: [String] = []
    /// Listeners, services and servers that the change did not concern.
    public var untouched = 0
    /// Of clients. A change closes none; what a removed server could not finish in its drain
    /// time is cut later, and said then.
    public var connectionsClosed = 0
    public var milliseconds = 0.0

    public init() {}

    var isEmpty: Bool { added.isEmpty && changed.isEmpty && removed.isEmpty }

    private enum CodingKeys: String, CodingKey {
        case generation, added, changed, removed, untouched, connectionsClosed
        case milliseconds = "ms"
    }

    /// `g18: added app/127.0.0.1:3003; 4 untouched, 0 connections closed, in 0.3 ms`
    public var sentence: String {
        var parts: [String] = []
        if !added.isEmpty { parts.append("added \(ControlPlane.list(added))") }
        if !changed.isEmpty { parts.append("changed \(ControlPlane.list(changed))") }
        if !removed.isEmpty { parts.append("removed \(ControlPlane.list(removed))") }
        if parts.isEmpty { parts.append("nothing changed") }
        let tenths = Int((milliseconds * 10).rounded())
        parts.append(
            "\(untouched) untouched, \(connectionsClosed) connections closed, "
                + "in \(tenths / 10).\(tenths % 10) ms")
        return "g\(generation): \(parts.joined(separator: "; "))"
    }
}

/// Why something was not done (RFC 9457).
public struct Problem: Codable, Error, Equatable, Sendable {
    /// One sentence.
    public var title: String
    /// Of HTTP.
    public var status: Int
    /// Stable, for programs.
    public var code: String
    /// What to do.
    public var help: String?
    /// The diagnostics of a configuration, as text.
    public var report: String?
    public var diagnostics: [DiagnosticAnswer]?

    public init(status: Int, code: String, _ title: String, help: String? = nil) {
        self.title = title
        self.status = status
        self.code = code
        self.help = help
    }
}

/// A mistake in a configuration, with its place.
public struct DiagnosticAnswer: Codable, Equatable, Sendable {
    public var file: String
    public var line: Int
    public var column: Int
    public var severity: String
    public var code: String
    public var message: String
    public var help: String?
}

/// `GET /v1/status`
public struct StatusAnswer: Codable, Equatable, Sendable {
    public struct Listener: Codable, Equatable, Sendable {
        public var name: String
        public var address: String
        public var connections: Int
        /// `nil` without TLS.
        public var certificates: [Certificate]?
    }

    public struct Certificate: Codable, Equatable, Sendable {
        public var file: String
        public var names: [String]
        /// RFC 3339.
        public var expires: String
        /// Negative when it has expired.
        public var daysLeft: Int
    }

    /// The file has mistakes; what runs is older.
    public struct FileProblem: Codable, Equatable, Sendable {
        public var errors: Int
        public var since: String
        public var report: String
    }

    public var version: String
    public var process: Int
    /// `g17`
    public var generation: String
    public var started: String
    public var uptimeSeconds: Int
    /// `nil` for the one-line command.
    public var file: String?
    public var fileProblem: FileProblem?
    /// Changes made while running that the file does not contain.
    public var liveChanges: Int
    public var loops: Int
    public var connections: Int
    /// Access log records that could not be written.
    public var lostLogRecords: Int
    public var stopping: Bool
    public var listeners: [Listener]
    public var services: [ServiceAnswer]
    /// The engine whose labels make services and routes; `nil` without one.
    public var catalogue: SourceAnswer?
}

/// A service, as it stands in `GET /v1/status`.
public struct ServiceAnswer: Codable, Equatable, Sendable {
    public var name: String
    public var balance: String
    public var up: Int
    public var total: Int
    /// Requests per second.
    public var rps: Double
    /// Of the last ten seconds; `nil` before the first answer.
    public var p50Ms: Double?
    public var p99Ms: Double?
    public var requests: Int
    /// Requests that got an answer of ours instead of a server's, or one of 500 and above.
    public var failed: Int
    /// Those with an answer of ours, by reason; `nil` for none.
    public var failures: [String: Int]?
    /// `true` while fewer servers are healthy than `balance.panic_threshold` asks for, so that
    /// all take requests; absent otherwise.
    public var panicking: Bool?
    /// With `balance.shadow`: what that strategy would have done.
    public var shadow: Shadow?
    public var servers: [ServerAnswer]
    /// Where more servers are found, in the order of the file; `nil` when nowhere.
    public var sources: [SourceAnswer]?

    public struct Shadow: Codable, Equatable, Sendable {
        public struct Share: Codable, Equatable, Sendable {
            public var id: String
            /// Of first tries, 0 to 1: those that the server got, and would have got.
            public var share: Double
            public var shadow: Double
        }

        public var strategy: String
        /// First tries that both strategies chose a server for.
        public var picks: Int
        /// The part of them for which both chose the same server, 0 to 1.
        public var agreement: Double
        /// How much longer its servers take to answer, on average over picks, than those that
        /// were used; `nil` before answers. An estimate: its servers would have had its load.
        public var differenceMs: Double?
        public var shares: [Share]
    }
}

/// `GET /v1/services/{service}/servers/{id}`
public struct ServerAnswer: Codable, Equatable, Sendable {
    public struct Check: Codable, Equatable, Sendable {
        public var ok: Bool
        public var at: String
        public var ms: Double
        /// Why it failed.
        public var reason: String?
    }

    /// The first request that it answered.
    public struct FirstAnswer: Codable, Equatable, Sendable {
        public var status: Int
        public var ms: Double
    }

    public var id: String
    public var service: String
    public var address: String
    public var version: String?
    /// `file`, `command`, `live` for one that was added while running, or the source that has
    /// found it: `docker`.
    public var source: String
    /// `checking`, `up`, `warming`, `failing`, `down`, `rising`, `ejected`, `maintenance`,
    /// `draining`.
    public var state: String
    /// How far a warming server has come, 0 to 1.
    public var warmth: Double?
    public var weight: Int
    public var backup: Bool
    /// Of the service's answers in the last second, 0 to 1, as counted; `nil` while there are
    /// none. Those of all servers are 1 together.
    public var share: Double?
    /// Of the requests that come next, by weights, warming and health. Those of all servers are 1
    /// together, or all 0 when no server takes requests.
    public var expectedShare: Double
    public var inFlight: Int
    public var rps: Double
    public var answers: Int
    public var failed: Int
    public var firstAnswer: FirstAnswer?
    public var check: Check?
    public var since: String
    /// What a warming server waits for until it has its full share: milliseconds, answers, or
    /// both; `nil` for what it does not wait for.
    public var fullShareInMs: Int?
    public var fullShareInAnswers: Int?
    /// Milliseconds from its start, as its source tells it, until it could take requests.
    public var startToUpMs: Double?
    /// The same until its first request.
    public var startToFirstRequestMs: Double?
}

/// The answer to a change of servers.
public struct ServerChangeAnswer: Codable, Equatable, Sendable {
    public var server: ServerAnswer
    public var receipt: ChangeReceipt
    /// What was waited for and has not come, in a sentence.
    public var note: String?
}

/// `POST /v1/services/{service}/servers`
public struct AddRequest: Codable, Equatable, Sendable {
    /// What the answer waits for.
    public enum Wait: String, Codable, Sendable {
        case none, checked, serving
    }

    public var address: String
    public var name: String?
    public var version: String?
    public var weight: Int?
    public var backup: Bool?
    public var wait: Wait?
    /// A duration, such as `30s`.
    public var timeout: String?

    public init(address: String) { self.address = address }
}

/// `PATCH /v1/services/{service}/servers/{id}`
public struct SetRequest: Codable, Equatable, Sendable {
    public var weight: Int?
    /// `up`, `maintenance` or `drain`.
    public var state: String?

    public init() {}
}

/// `POST /v1/config/check`
public struct CheckAnswer: Codable, Equatable, Sendable {
    public var valid: Bool
    public var diagnostics: [DiagnosticAnswer]
}

/// `GET /healthz` and `GET /readyz`: 200 when it is so, else 503.
public struct HealthAnswer: Codable, Equatable, Sendable {
    public var ok: Bool
    /// Why, or why not.
    public var sentence: String
}
