import Health
import Testing

@Suite("Server health")
struct ServerHealthTests {
    private let thresholds = HealthThresholds(upAfter: 3, downAfter: 3, beforeTraffic: 2)

    private enum Event: String, CaseIterable {
        case passed, failed
    }

    /// The events that lead to each state, from a new server.
    private let paths: [(state: String, events: [Event])] = [
        ("checking 0", []),
        ("checking 1", [.passed]),
        ("up", [.passed, .passed]),
        ("failing 1", [.passed, .passed, .failed]),
        ("failing 2", [.passed, .passed, .failed, .failed]),
        ("down", [.passed, .passed, .failed, .failed, .failed]),
        ("rising 1", [.passed, .passed, .failed, .failed, .failed, .passed]),
        ("rising 2", [.passed, .passed, .failed, .failed, .failed, .passed, .passed]),
    ]

    private func report(_ event: Event, to health: inout ServerHealth) -> ServerHealth.Action {
        switch event {
        case .passed: health.checkPassed(thresholds)
        case .failed: health.checkFailed(.serverRefused, thresholds)
        }
    }

    @Test("answers every event in every state as the table says")
    func table() {
        var lines: [String] = []
        for path in paths {
            for event in Event.allCases {
                var health = ServerHealth(thresholds)
                for earlier in path.events { _ = report(earlier, to: &health) }
                let before = health.isServing
                let action = report(event, to: &health)
                lines.append(
                    "\(path.state), serving \(before): \(event) -> \(health.standing), \(action)")
            }
        }
        let table = """
            checking 0, serving false: passed -> checking, nothing
            checking 0, serving false: failed -> checking, nothing
            checking 1, serving false: passed -> up, becameUp
            checking 1, serving false: failed -> checking, nothing
            up, serving true: passed -> up, nothing
            up, serving true: failed -> failing(1), nothing
            failing 1, serving true: passed -> up, nothing
            failing 1, serving true: failed -> failing(2), nothing
            failing 2, serving true: passed -> up, nothing
            failing 2, serving true: failed -> down, becameDown(Health.ProbeFailure.serverRefused)
            down, serving false: passed -> rising(1), nothing
            down, serving false: failed -> down, nothing
            rising 1, serving false: passed -> rising(2), nothing
            rising 1, serving false: failed -> down, nothing
            rising 2, serving false: passed -> up, becameUp
            rising 2, serving false: failed -> down, nothing
            """
        #expect(lines.joined(separator: "\n") == table)
    }

    @Test("a new server serves at once when no pass is asked for, and can still go down")
    func unchecked() {
        let thresholds = HealthThresholds(upAfter: 1, downAfter: 1, beforeTraffic: 0)
        var health = ServerHealth(thresholds)
        #expect(health.isServing)
        var action = health.checkFailed(.serverSlow, thresholds)
        #expect(action == .becameDown(.serverSlow))
        #expect(!health.isServing)
        action = health.checkPassed(thresholds)
        #expect(action == .becameUp)
    }

    @Test("passes of a new server must be in a row")
    func inARow() {
        var health = ServerHealth(thresholds)
        for _ in 0..<5 {
            #expect(health.checkPassed(thresholds) == .nothing)
            #expect(health.checkFailed(.badStatus, thresholds) == .nothing)
        }
        #expect(health.standing == .checking)
        #expect(health.lastFailure == .badStatus)
        #expect(health.checkPassed(thresholds) == .nothing)
        #expect(health.checkPassed(thresholds) == .becameUp)
        #expect(health.lastFailure == nil)
    }

    @Test("thresholds may change between checks")
    func changing() {
        var health = ServerHealth(thresholds)
        #expect(health.checkPassed(HealthThresholds(beforeTraffic: 5)) == .nothing)
        #expect(health.checkPassed(HealthThresholds(beforeTraffic: 0)) == .becameUp)
        #expect(health.checkFailed(.badStatus, HealthThresholds(downAfter: 9)) == .nothing)
        #expect(
            health.checkFailed(.badStatus, HealthThresholds(downAfter: 1))
                == .becameDown(.badStatus))
    }

    @Test("thresholds are brought into their bounds")
    func bounds() {
        let thresholds = HealthThresholds(upAfter: 0, downAfter: -4, beforeTraffic: 1 << 20)
        #expect(thresholds.upAfter == 1)
        #expect(thresholds.downAfter == 1)
        #expect(thresholds.beforeTraffic == .max)
    }

    @Test("a status inside the range passes")
    func verdict() {
        #expect(ProbeVerdict.onStatus(204, accepted: 200...299) == .passed)
        #expect(ProbeVerdict.onStatus(302, accepted: 200...299) == .failed(.badStatus))
    }

    @Test("failures have words of their own")
    func words() {
        let words = ProbeFailure.allCases.map { "\($0.word)" }
        #expect(Set(words).count == words.count)
        #expect(words.contains("server_refused") && words.contains("connect_timeout"))
    }
}
