import Glibc
import TestSupport
import Testing

/// What others notice while somebody abuses HTTP/2, again and again, on several connections: for
/// `make soak`, which prints how long the others wait and by how much the proxy grows.
///
/// The abusers' requests go to a server of their own, which gets a processor when nobody else wants
/// one: what is measured is the proxy, not what a hundred large answers cost their server.
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

    /// Somebody who comes again each time that he is ended, half a second later.
    private final class Abusers: Sendable {
        let isStopped = Locked(false)
        let rounds = Locked(0)
        let endedByProxy = Locked(0)
        let running = RunningCount()

        init(_ attack: Attack, port: UInt16, count: Int = 2) {
            for _ in 0..<count {
                running.began()
                Thread.start { [self] in
                    while !isStopped.withLock({ $0 }) {
                        perform(attack, port)
                        Thread.sleep(milliseconds: 500)
                    }
                    running.ended()
                }
            }
        }

        func stop() {
            isStopped.withLock { $0 = true }
            running.waitUntilNone(seconds: 30)
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
        let theirs = try NginxServer(text: "hello")
        try theirs.directory.write(String(repeating: "x", count: 300_000), to: "large")
        let which = __priority_which_t(PRIO_PROCESS.rawValue)
        #expect(setpriority(which, id_t(theirs.process.identifier), 19) == 0)
        let plan = ProxyPlan(
            servers: [server.port], listener: "timeouts: { write: 2s }",
            services: "abused:\n  health: off\n  servers: [\"127.0.0.1:\(theirs.port)\"]",
            rest: "routes:\n  - host: a.test\n    service: abused\n  - service: app",
            workers: nil)
        let proxy = try ProxyProcess(plan)
        let load = LoadClient(port: proxy.port, rate: 300, threadCount: 4)
        load.waitForRequests(300)
        let before = proxy.process.residentBytes
        func quantiles() -> (Double, Double) {
            let first = load.result.durations.count
            load.waitForRequests(load.result.requestCount + 600)
            let durations = load.result.durations[first...]
            return (quantile(durations, 0.5), quantile(durations, 0.99))
        }
        // In turns, because the machine has moods: the middle of three is what counts.
        var usual: [(Double, Double)] = []
        var abused: [(Double, Double)] = []
        var (rounds, ended) = (0, 0)
        for _ in 0..<3 {
            usual.append(quantiles())
            let abusers = Abusers(attack, port: proxy.port)
            abused.append(quantiles())
            abusers.stop()
            rounds += abusers.rounds.withLock { $0 }
            ended += abusers.endedByProxy.withLock { $0 }
        }
        let growth = proxy.process.highestResidentBytes - before
        let result = load.finish()
        #expect(result.failures.isEmpty, "\(result)")
        #expect(proxy.waitForLog(attack.words, seconds: 30))
        #expect(growth < 96 << 20, "grew by \(growth >> 10) KiB")
        func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        print(
            "\(attack.name): \(rounds) connections, \(ended) ended; others p50 "
                + "\(middle(usual.map(\.0))) then \(middle(abused.map(\.0))) ms, p99 "
                + "\(middle(usual.map(\.1))) then \(middle(abused.map(\.1))) ms; grew by "
                + "\(growth >> 10) KiB")
    }
}
