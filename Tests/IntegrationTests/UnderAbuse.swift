import TestSupport
import Testing

/// What others notice while somebody abuses HTTP/2, again and again, on several connections: for
/// `make soak`, which prints how long the others wait and by how much the proxy grows.
@Suite("Under abuse", .serialized, .onStage, .enabled(if: Machine.isSoak))
struct UnderAbuse {
    /// What one abuser sends, and how long it then stays when nobody ends it.
    struct Attack: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var staySeconds = 5.0
        /// The log must have these words.
        var words: String

        var testDescription: String { name }
    }

    private static let floods: [Attack] = AbuseTests.abuses.map { abuse in
        Attack(
            name: abuse.rule, bytes: abuse.bytes(steps: min(abuse.most, 15_000)), words: abuse.rule)
    }

    private static func greeting(window: UInt32) -> [UInt8] {
        FrameClient.preface + Frame.settings([(4, window)]).bytes
            + Frame.windowUpdate(0, 0x7000_0000).bytes
    }

    private static let largeAnswers = (0..<100).flatMap {
        Frame.get(UInt32($0 * 2 + 1), "/files/large").bytes
    }

    static let attacks =
        floods + [
            Attack(
                name: "zero window", bytes: greeting(window: 0) + largeAnswers,
                words: "client_slow"),
            Attack(
                name: "nothing is read", bytes: greeting(window: 0x7000_0000) + largeAnswers,
                words: "client_slow"),
            Attack(
                name: "window of one byte", bytes: greeting(window: 1) + largeAnswers,
                words: "client_slow"),
        ]

    private final class Abusers: Sendable {
        let isStopped = Locked(false)
        let rounds = Locked(0)
        let endedByProxy = Locked(0)
        let running = RunningCount()

        init(_ attack: Attack, port: UInt16, count: Int, pauseMilliseconds: Int) {
            for _ in 0..<count {
                running.began()
                Thread.start { [self] in
                    while !isStopped.withLock({ $0 }) {
                        perform(attack, port)
                        Thread.sleep(milliseconds: pauseMilliseconds)
                    }
                    running.ended()
                }
            }
        }

        private func perform(_ attack: Attack, _ port: UInt16) {
            guard let peer = try? ScriptedClient(port: port, timeout: 2, isRecording: false) else {
                return
            }
            defer { peer.close() }
            var position = 0
            var isEnded = false
            while position < attack.bytes.count, !isEnded {
                let end = min(position + 65_536, attack.bytes.count)
                isEnded = (try? peer.send(Array(attack.bytes[position..<end]))) == nil
                position = end
            }
            let due = now() + attack.staySeconds
            while !isEnded, now() < due, !isStopped.withLock({ $0 }) {
                // Nothing is read: a refusal shows as the end of the connection.
                isEnded = (try? peer.send(Frame(.ping, [0, 0, 0, 0, 0, 0, 0, 0]).bytes)) == nil
                Thread.sleep(milliseconds: 100)
            }
            rounds.withLock { $0 += 1 }
            if isEnded { endedByProxy.withLock { $0 += 1 } }
        }
    }

    private func quantile(_ durations: ArraySlice<Int>, _ share: Double) -> Double {
        guard !durations.isEmpty else { return 0 }
        let sorted = durations.sorted()
        return Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]) / 1000
    }

    @Test("Others are served as before, and memory is bounded", arguments: attacks)
    func attack(_ attack: Attack) throws {
        let server = try NginxServer(text: "hello")
        try server.directory.write(String(repeating: "x", count: 300_000), to: "large")
        let plan = ProxyPlan(
            servers: [server.port], listener: "timeouts: { write: 2s }", workers: nil)
        let proxy = try ProxyProcess(plan)
        let load = LoadClient(port: proxy.port, rate: 300, threadCount: 4)
        load.waitForRequests(300)
        // What is usual, then what is under abuse.
        let first = load.result.durations.count
        load.waitForRequests(load.result.requestCount + 2000)
        let usual = load.result.durations[first...]
        let before = proxy.process.residentBytes
        let abusers = Abusers(attack, port: proxy.port, count: 4, pauseMilliseconds: 100)
        Thread.sleep(milliseconds: 500)
        let second = load.result.durations.count
        load.waitForRequests(load.result.requestCount + 2000)
        let result = load.result
        let abused = result.durations[second...]
        abusers.isStopped.withLock { $0 = true }
        abusers.running.waitUntilNone(seconds: 30)
        let growth = proxy.process.highestResidentBytes - before
        #expect(load.finish().failures.isEmpty, "\(result)")
        #expect(proxy.waitForLog(attack.words, seconds: 30))
        #expect(growth < 96 << 20, "grew by \(growth >> 10) KiB")
        let rounds = abusers.rounds.withLock { $0 }
        print(
            "\(attack.name): \(rounds) connections, \(abusers.endedByProxy.withLock { $0 }) ended; "
                + "others p50 \(quantile(usual, 0.5)) then \(quantile(abused, 0.5)) ms, p99 "
                + "\(quantile(usual, 0.99)) then \(quantile(abused, 0.99)) ms; grew by "
                + "\(growth >> 10) KiB")
    }
}
