import Balancing
public import Simulation
import Statistics
import Theory

/// The simulator against what is known exactly, as a table.
///
/// A cell agrees when the exact mean is within the tolerance of the measured one: 1 % of it, or
/// the 99.9 % interval of the runs where chance is wider, which is at most 3 % (10 % at load 0.99
/// and for laws with heavy tails).
public struct TheoryCheck: Sendable {
    public struct Line: Sendable {
        public var name: String
        public var load: Double
        public var exact: Double
        public var scenario: Scenario
        public var contender: Contender
        /// What half an interval may be, as a share of the exact value.
        public var allowance: Double
    }

    public static var lines: [Line] {
        var lines: [Line] = []
        for load in [0.5, 0.7, 0.8, 0.9, 0.95, 0.99] {
            lines += singleServer(load) + rotations(load) + centralQueues(load)
            lines += supermarkets(load)
        }
        lines += generalService() + shortestQueues()
        return lines
    }

    private static func line(
        _ name: String, _ contender: Contender, servers: Int, load: Double, exact: Double,
        allowance: Double? = nil, _ change: (inout Scenario) -> Void = { _ in }
    ) -> Line {
        // A queue forgets in about 1 / (1 − load)² service times.
        let requests = load >= 0.98 ? 10_000_000 : load >= 0.94 ? 4_000_000 : 1_000_000
        var scenario = Scenario(
            name: "theory", groups: [ServerGroup(count: servers)], load: load,
            requestCount: requests)
        change(&scenario)
        return Line(
            name: name, load: load, exact: exact, scenario: scenario, contender: contender,
            allowance: allowance ?? (load >= 0.98 ? 0.1 : 0.03))
    }

    private static func singleServer(_ load: Double) -> [Line] {
        [
            line(
                "M/M/1: random, n = 10", Contender(.random), servers: 10, load: load,
                exact: Queueing.singleServerMean(load: load))
        ]
    }

    private static func rotations(_ load: Double) -> [Line] {
        [2, 10, 100].map { servers in
            line(
                "E\(servers)/M/1: round-robin, n = \(servers)", Contender(.roundRobin),
                servers: servers, load: load,
                exact: Queueing.rotationMean(servers: servers, load: load))
        }
    }

    private static func centralQueues(_ load: Double) -> [Line] {
        [2, 10, 100].map { slots in
            line(
                "M/M/\(slots): one server with \(slots) slots", Contender(.first), servers: 1,
                load: load, exact: Queueing.centralQueueMean(servers: slots, load: load)
            ) { $0.groups[0].slots = slots }
        }
    }

    /// The limit for infinitely many, by 1000 servers, which is 0.2 % from it below load 0.95.
    private static func supermarkets(_ load: Double) -> [Line] {
        guard load <= 0.95 else { return [] }
        return [2, 3, 4, 5].map { choices in
            line(
                "supermarket, d = \(choices): n = 1000",
                Contender(.powerOfTwoChoices, choices: choices), servers: 1000, load: load,
                exact: Queueing.supermarketMean(choices: choices, load: load)
            )
        }
    }

    private static func generalService() -> [Line] {
        let laws: [(String, ServiceLaw, Double)] = [
            ("M/D/1", .constant, 0.03), ("M/G/1, scv 4: lognormal", .lognormal(scv: 4), 0.1),
            ("M/G/1: bimodal 1 % x50", .bimodal(share: 0.01, ratio: 50), 0.1),
            ("M/G/1: Pareto 4", .pareto(shape: 4), 0.1),
        ]
        var lines: [Line] = []
        for load in [0.5, 0.8, 0.9] {
            for (name, law, allowance) in laws {
                lines.append(
                    line(
                        name, Contender(.random), servers: 10, load: load,
                        exact: Queueing.generalServiceMean(load: load, scv: law.scv),
                        allowance: allowance
                    ) { $0.service = law })
            }
            for law in [ServiceLaw.constant, .bimodal(share: 0.1, ratio: 10)] {
                let name = law == .constant ? "constant" : "bimodal"
                lines.append(
                    line(
                        "M/G/1 processor sharing: \(name)", Contender(.first), servers: 1,
                        load: load, exact: Queueing.processorSharingMean(load: load)
                    ) {
                        $0.service = law
                        $0.groups[0].discipline = .sharing
                    })
            }
        }
        return lines
    }

    /// From a truncated Markov chain, computed independently.
    private static func shortestQueues() -> [Line] {
        let exact: [(Int, Double, Double)] = [
            (2, 0.5, 1.426321), (2, 0.7, 2.108197), (2, 0.8, 2.955737), (2, 0.9, 5.474913),
            (2, 0.95, 10.486639), (3, 0.5, 1.244836), (3, 0.7, 1.708876), (3, 0.8, 2.285548),
            (3, 0.9, 3.982422), (3, 0.95, 7.328527),
        ]
        return exact.map { servers, load, mean in
            line(
                "shortest queue: least-requests, n = \(servers)", Contender(.leastRequests),
                servers: servers, load: load, exact: mean)
        }
    }

    /// What runs say of a line.
    public struct Verdict: Sendable {
        public var measured: Double
        /// 99.9 % of experiments like this one hold the truth within it.
        public var halfWidth: Double
        /// The exact value is within the tolerance.
        public var isNear: Bool
        /// Chance is small enough for that to mean something.
        public var isSharp: Bool

        public var agrees: Bool { isNear && isSharp }
        var word: String { !isNear ? "DIFFERS" : isSharp ? "agrees" : "too few requests" }
    }

    /// - Parameter means: of the runs, two at least.
    public static func verdict(on line: Line, means: [Double]) -> Verdict {
        let estimate = Estimate(ofRuns: means)
        let usual = StudentDistribution.factor(
            confidence: Estimate.confidence, degrees: means.count - 1)
        let strict = StudentDistribution.factor(confidence: 0.999, degrees: means.count - 1)
        let halfWidth = estimate.halfWidth / usual * strict
        let distance = abs(estimate.value - line.exact)
        let tolerance = max(0.01 * line.exact, halfWidth)
        return Verdict(
            measured: estimate.value, halfWidth: halfWidth,
            isNear: distance <= tolerance,
            isSharp: estimate.halfWidth <= line.allowance * line.exact)
    }

    /// The table as Markdown.
    public static func table(_ results: [(Line, Verdict)]) -> String {
        var text = "| model | load | exact | measured | ± (99.9 %) | difference | |\n"
        text += "| --- | --- | --- | --- | --- | --- | --- |\n"
        for (line, verdict) in results {
            let difference = (verdict.measured / line.exact - 1) * 100
            text +=
                "| \(line.name) | \(Numbers.fixed(line.load, 2)) | \(Numbers.fixed(line.exact, 4)) "
                + "| \(Numbers.fixed(verdict.measured, 4)) "
                + "| \(Numbers.fixed(verdict.halfWidth, 4)) "
                + "| \(Numbers.fixed(difference, 2)) % "
                + "| \(verdict.word) |\n"
        }
        return text
    }
}
