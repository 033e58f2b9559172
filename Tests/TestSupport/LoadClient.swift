/// Requests at a fixed total rate over keep-alive connections, until it is told to stop.
///
/// The times of the requests are fixed in advance, so that a stall is seen as late answers and
/// not as fewer requests.
public final class LoadClient: Prop {
    public struct Result: Sendable, CustomStringConvertible {
        public var successCount = 0
        /// By kind: a status, or what happened to the connection.
        public var failures: [String: Int] = [:]
        /// Microseconds from the planned moment to the last byte.
        public var latencies: [Int] = []
        /// Microseconds from the first byte sent to the last byte received.
        public var durations: [Int] = []
        /// Successes by what the answer said.
        public var answers: [String: Int] = [:]
        public var connectionCount = 0
        /// Connections that nobody accepted, where that is no failure.
        public var refusalCount = 0

        public var failureCount: Int { failures.values.reduce(0, +) }
        public var requestCount: Int { successCount + failureCount }

        /// Milliseconds that this share of the answers did not exceed.
        public func milliseconds(_ share: Double) -> Double {
            guard !latencies.isEmpty else { return 0 }
            let sorted = latencies.sorted()
            return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1000
        }

        public var description: String {
            "\(requestCount) requests, failures \(failures), answers \(answers), "
                + "p50 \(milliseconds(0.5)) ms, p99 \(milliseconds(0.99)) ms, "
                + "slowest \(milliseconds(1)) ms"
        }
    }

    private final class Shared: Sendable {
        let result = Locked(Result())
        let isStopped = Locked(false)
        let running = RunningCount()
    }

    private let shared = Shared()

    /// GET and POST in turns.
    public static let mixed = [get(), post("/p", String(repeating: "x", count: 300))]

    /// Starts at once. `threadCount` connections share `rate` requests per second.
    ///
    /// - Parameters:
    ///   - requestsPerConnection: after so many, a client says that it closes, and comes anew.
    ///   - mayBeRefused: where nobody listens any more, a client ends, and nothing has failed.
    public init(
        port: UInt16, rate: Int, threadCount: Int = 16, requests: [String] = [get()],
        requestsPerConnection: Int = .max, timeout: Double = 20, mayBeRefused: Bool = false
    ) {
        let script = Script(
            port: port, requests: requests, requestsPerConnection: requestsPerConnection,
            timeout: timeout, mayBeRefused: mayBeRefused)
        let shared = shared
        for index in 0..<threadCount {
            shared.running.began()
            Thread.start {
                Self.perform(
                    script, interval: Double(threadCount) / Double(rate),
                    offset: Double(index) / Double(rate), shared: shared)
                shared.running.ended()
            }
        }
        Props.keep(self)
    }

    deinit { stop() }

    /// What has happened so far.
    public var result: Result { shared.result.withLock { $0 } }

    public func stop() { shared.isStopped.withLock { $0 = true } }

    /// Ends the load, waits for the last answers, and says what happened.
    public func finish() -> Result {
        stop()
        shared.running.waitUntilNone(seconds: 30)
        return result
    }

    /// Waits until this many requests were answered or failed.
    @discardableResult
    public func waitForRequests(_ count: Int, seconds: Double = 30) -> Bool {
        eventually(timeout: seconds) { shared.result.withLock { $0.requestCount } >= count }
    }

    /// Lets it run for a while.
    public func run(seconds: Double) { Thread.sleep(milliseconds: Int(seconds * 1000)) }

    private struct Script: Sendable {
        var port: UInt16
        var requests: [String]
        var requestsPerConnection: Int
        var timeout: Double
        var mayBeRefused: Bool

        /// The text of a client's request with this number; the last of a connection says so.
        func text(_ number: Int, isLast: Bool) -> String {
            let text = requests[number % requests.count]
            guard isLast else { return text }
            return text.replacing("\r\n", with: "\r\nConnection: close\r\n", maxReplacements: 1)
        }
    }

    private static func perform(
        _ script: Script, interval: Double, offset: Double, shared: Shared
    ) {
        var due = now() + offset
        var connection: ScriptedClient?
        var number = Int(offset / interval * 16)
        var left = 0
        while !shared.isStopped.withLock({ $0 }) {
            let early = due - now()
            if early > 0 {
                Thread.sleep(milliseconds: min(50, max(1, Int(early * 1000))))
                continue
            }
            do {
                let client: ScriptedClient
                if let connection {
                    client = connection
                } else {
                    do {
                        client = try ScriptedClient(
                            port: script.port, timeout: script.timeout, isRecording: false)
                    } catch PeerError.failed where script.mayBeRefused {
                        return shared.result.withLock { $0.refusalCount += 1 }
                    }
                    connection = client
                    left = script.requestsPerConnection
                    shared.result.withLock { $0.connectionCount += 1 }
                }
                let began = now()
                let answer = try client.ask(script.text(number, isLast: left == 1))
                let duration = Int((now() - began) * 1e6)
                number += 1
                left -= 1
                let latency = Int((now() - due) * 1e6)
                shared.result.withLock { result in
                    if answer.status == 200 {
                        result.successCount += 1
                        result.answers[answer.text, default: 0] += 1
                    } else {
                        result.failures["\(answer.status)", default: 0] += 1
                    }
                    result.latencies.append(latency)
                    result.durations.append(duration)
                }
                if answer.closes || left == 0 { connection = nil }
            } catch {
                let kind = (error as? PeerError)?.kind ?? "\(error)"
                shared.result.withLock { $0.failures[kind, default: 0] += 1 }
                connection = nil
                // A refused connection fails at once: do not turn the rate into a storm.
                Thread.sleep(milliseconds: 10)
            }
            due += interval
        }
    }
}
