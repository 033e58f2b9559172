import HTTP
import HTTP1
public import Linux
import Memory
public import Simulation
public import Timing

/// Which HTTP the requests come in.
public enum HTTPVersion: String, Sendable, CaseIterable {
    case one = "1"
    case two = "2"

    public var words: String { self == .one ? "HTTP/1.1" : "HTTP/2" }
}

/// Sends the requests of a plan at their times, whatever becomes of those before them: an open
/// loop.
///
/// A response time counts from the time that the plan gives the request, not from when it was
/// sent, so that a stall of the proxy shows in every request that it held up. How late requests
/// were sent is ``Outcome/lateness``.
///
/// Over HTTP/1.1 each request has a connection for itself, which others use after it; over HTTP/2
/// a few connections carry many streams. Requests never wait for one another here.
public final class Generator {
    public struct Outcome: Sendable {
        public var transcript = RunTranscript()
        public var lateness = Lateness()
        /// The most that were open at once.
        public var connectionCount = 0
        /// Of counted requests, answered or failed.
        public var endedCount = 0
        /// Why the run is worth nothing.
        public var failure: String?
        /// It was stopped from outside.
        public var isPartial = false
    }

    /// Connections that are open before the first request, to each target.
    private static let warmCount = 16
    /// Connections of HTTP/2, to each target.
    private static let streamConnectionCount = 4
    private static let glance = Interval.milliseconds(100)

    let plan: TrafficPlan
    private let targets: [SocketAddress]
    private let http: HTTPVersion
    private let clock: ScenarioTime
    private let deadline: LoopInstant
    private let progress: RunProgress
    private let readClock: () -> LoopInstant
    private let connectionBound: Int

    var loop: PreciseLoop
    private var connections: [UInt64: any ClientConnection] = [:]
    private var nextKey: UInt64 = 1
    /// By target: free connections of HTTP/1.1, the one used last behind.
    private var idle: [[ExclusiveConnection]]
    /// By target.
    private var shared: [[SharedConnection]]
    private var nextRequest = 0
    private var countedUnderWay = 0
    private(set) var outcome = Outcome()

    /// - Parameters:
    ///   - targets: by worker of the plan's requests.
    ///   - unit: the mean service time.
    ///   - origin: when the plan begins.
    ///   - patience: how long after the last counted request its answer is waited for.
    ///   - readClock: for tests.
    public init(
        _ plan: TrafficPlan, to targets: [SocketAddress], over http: HTTPVersion, unit: Interval,
        from origin: LoopInstant, patience: Interval, progress: RunProgress = RunProgress(),
        readClock: @escaping () -> LoopInstant = Clock.monotonic
    ) throws(Errno) {
        self.plan = plan
        self.targets = targets
        self.http = http
        self.progress = progress
        self.readClock = readClock
        clock = ScenarioTime(origin: origin, unit: unit)
        deadline = clock.instant(of: plan.countedTime.upperBound) + patience
        idle = targets.map { _ in [] }
        shared = targets.map { _ in [] }
        // The servers' sockets are of this process, too.
        connectionBound = ResourceLimits.raiseDescriptors() / 2 - 100
        loop = try PreciseLoop()
    }

    /// Plays the plan to its end, on the calling thread.
    public func run() -> Outcome {
        warmUp()
        while outcome.failure == nil {
            sendDue()
            if progress.isStopped {
                outcome.isPartial = true
                break
            }
            let now = readClock()
            if nextRequest >= plan.counted.upperBound, countedUnderWay == 0 || now >= deadline {
                break
            }
            let count = loop.wait(until: min(now + Self.glance, nextInstant), now: now)
            for index in 0..<count {
                let event = loop.kernel.event(index)
                connections[event.key]?.ready(event.readiness, self)
            }
        }
        for connection in Array(connections.values) { connection.end(self) }
        return outcome
    }

    func now() -> LoopInstant { readClock() }

    private var nextInstant: LoopInstant {
        guard nextRequest < plan.requests.count else { return .never }
        return clock.instant(of: plan.requests[nextRequest].time)
    }

    // MARK: - Sending

    private func sendDue() {
        while nextRequest < plan.requests.count, outcome.failure == nil {
            guard nextInstant <= readClock() else { return }
            let number = nextRequest
            nextRequest += 1
            progress.note(sent: nextRequest)
            outcome.transcript.note(
                .arrived(request: Int32(number)), at: plan.requests[number].time)
            if plan.counted.contains(number) { countedUnderWay += 1 }
            let target = Int(plan.requests[number].worker)
            switch http {
            case .one: sendAlone(number, to: target)
            case .two: sendAmongOthers(number, to: target)
            }
        }
    }

    private func sendAlone(_ number: Int, to target: Int) {
        while let connection = idle[target].popLast() {
            guard connection.isOpen else { continue }
            return connection.begin(Int32(number), self)
        }
        guard let connection = open(ExclusiveConnection.init, to: target) else { return }
        connection.begin(Int32(number), self)
    }

    private func sendAmongOthers(_ number: Int, to target: Int) {
        shared[target].removeAll { !$0.takesMore }
        let emptiest = shared[target].min { $0.streamCount < $1.streamCount }
        if let emptiest, emptiest.hasRoom || shared[target].count >= 64 {
            return emptiest.begin(Int32(number), self)
        }
        guard let connection = open(SharedConnection.init, to: target) else { return }
        shared[target].append(connection)
        connection.begin(Int32(number), self)
    }

    private func warmUp() {
        for target in targets.indices {
            switch http {
            case .one:
                for _ in 0..<Self.warmCount {
                    if let connection = open(ExclusiveConnection.init, to: target) {
                        idle[target].append(connection)
                    }
                }
            case .two:
                for _ in 0..<Self.streamConnectionCount {
                    if let connection = open(SharedConnection.init, to: target) {
                        shared[target].append(connection)
                        connection.flush(self)
                    }
                }
            }
        }
    }

    private func open<Connection: ClientConnection>(
        _ make: (UInt64, Int, consuming FileDescriptor) -> Connection, to target: Int
    ) -> Connection? {
        guard connections.count < connectionBound else {
            outcome.failure =
                "the generator would need more than \(connectionBound) connections at once: "
                + "requests come back more slowly than they are sent"
            return nil
        }
        switch loop.kernel.connect(to: targets[target]) {
        case .failed(let error):
            outcome.failure = "the proxy cannot be connected to: \(error)"
            return nil
        case .started(let socket):
            let key = nextKey
            nextKey += 1
            guard (try? loop.kernel.watch(socket, key: key, .edges)) != nil else {
                outcome.failure = "a connection cannot be watched"
                return nil
            }
            let connection = make(key, target, socket)
            connections[key] = connection
            outcome.connectionCount = max(outcome.connectionCount, connections.count)
            return connection
        }
    }

    // MARK: - What connections tell

    /// The text of a request.
    func compose(_ number: Int32, into output: inout Buffer) {
        let key = plan.requests[Int(number)].key
        output.append("GET ")
        if key >= 0 {
            output.append(text: KeyLaw.path(of: Int(key)))
        } else {
            output.append("/")
        }
        output.append(" HTTP/1.1\r\nHost: bench\r\n")
        output.append(text: BenchFields.request)
        output.append(": ")
        output.append(decimal: UInt64(number))
        output.append("\r\n\r\n")
    }

    /// The last byte of a request is in the kernel's hands.
    func sent(_ number: Int32) {
        guard plan.counted.contains(Int(number)) else { return }
        outcome.lateness.record(
            readClock() - clock.instant(of: plan.requests[Int(number)].time))
    }

    func answered(_ number: Int32, _ answer: Answer) {
        let time = clock.time(of: readClock())
        if answer.status == 200, answer.server > 0 {
            outcome.transcript.note(
                .answered(
                    request: number, server: Int32(answer.server - 1),
                    after: time - plan.requests[Int(number)].time), at: time)
        } else {
            outcome.transcript.note(.failed(request: number, answer.failure), at: time)
        }
        ended(number)
    }

    /// A connection ended with a request on it.
    func lost(_ number: Int32) {
        outcome.transcript.note(
            .failed(request: number, .reset), at: clock.time(of: readClock()))
        ended(number)
    }

    private func ended(_ number: Int32) {
        guard plan.counted.contains(Int(number)) else { return }
        countedUnderWay -= 1
        outcome.endedCount += 1
    }

    /// A connection can take the next request.
    func free(_ connection: ExclusiveConnection) { idle[connection.target].append(connection) }

    /// A connection has not come about.
    func refused(_ error: Errno) {
        outcome.failure = outcome.failure ?? "the proxy cannot be connected to: \(error)"
    }

    func forget(_ key: UInt64) { connections[key] = nil }
}

/// One end of a connection to the proxy.
protocol ClientConnection: AnyObject {
    func ready(_ readiness: Readiness, _ generator: Generator)
    func end(_ generator: Generator)
}

/// What came back for a request.
struct Answer {
    var status = 0
    /// Who gave it, from 1; 0 when it was the proxy.
    var server = 0
    /// The word of `Proxy-Status` (RFC 9209); empty without it.
    var proxyError = ""

    /// Reads the head of an answer.
    init(_ head: ResponseHead, _ fields: borrowing FieldSection, of bytes: RawSpan) {
        status = head.status
        server = BenchFields.number(BenchFields.server, in: fields, of: bytes) ?? 0
        guard status != 200 else { return }
        for index in 0..<fields.count {
            let line = fields[index]
            guard bytes.text(line.nameRange).lowercased() == "proxy-status" else { continue }
            let words = bytes.text(line.valueRange).split(separator: ";")
            let error = words.first { $0.drop { $0 == " " }.hasPrefix("error=") }
            proxyError = String(error?.drop { $0 == " " }.dropFirst(6) ?? "")
        }
    }

    init() {}

    /// Why it is of no use, as far as it tells.
    var failure: RunResult.Failure {
        if server > 0 { return .errorAnswer }
        switch proxyError {
        case "connection_refused": return .refused
        case "connection_terminated", "http_response_incomplete": return .reset
        case "http_response_timeout", "connection_timeout", "connection_read_timeout":
            return .timeout
        case "destination_unavailable": return .noServer
        case "connection_limit_reached": return .queueFull
        default: break
        }
        // Of proxies that do not say it in a word.
        switch status {
        case 502: return .reset
        case 504: return .timeout
        default: return .noServer
        }
    }
}
