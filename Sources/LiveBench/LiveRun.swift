import Linux
public import Simulation
import Statistics
public import Timing

/// What all runs of a live bench have in common.
public struct LiveSetting: Sendable {
    /// The mean service time.
    public var unit: Interval
    public var http: HTTPVersion
    /// Our own program.
    public var executable: String
    /// Where other programs lie.
    public var rivals: [Rival: String]
    public var changes: any ProxyOperator

    public init(
        unit: Interval, http: HTTPVersion, executable: String, rivals: [Rival: String],
        changes: any ProxyOperator
    ) {
        self.unit = unit
        self.http = http
        self.executable = executable
        self.rivals = rivals
        self.changes = changes
    }
}

/// One run of one strategy against a real proxy.
public struct LiveRun: Sendable {
    public var result: RunResult
    /// Of requests behind the plan's times, and of the servers' answers behind the law's.
    public var sendLateness: Lateness
    public var answerLateness: Lateness
    /// The most connections of clients at once, and all that were made to servers.
    public var clientConnections: Int
    public var serverConnections: Int

    public init(
        _ result: RunResult, sendLateness: Lateness, answerLateness: Lateness,
        clientConnections: Int, serverConnections: Int
    ) {
        self.result = result
        self.sendLateness = sendLateness
        self.answerLateness = answerLateness
        self.clientConnections = clientConnections
        self.serverConnections = serverConnections
    }

    /// Why a scenario cannot be played live, as the end of a sentence; `nil` when it can.
    public static func obstacle(to scenario: Scenario) -> String? {
        if scenario.countAge > 0 { return "counts that are looked at now and then are simulated" }
        if case .closed = scenario.arrivals {
            return "clients that wait for their answers are simulated"
        }
        if scenario.proxy.reportsLoad { return "servers that tell their load are simulated" }
        if !scenario.proxy.holdsFailedSlots {
            return "the proxy always lets a failed request keep its slot"
        }
        return nil
    }

    /// Plays a scenario to its end.
    ///
    /// - Parameter progress: tells how far it is, and stops it.
    public static func play(
        _ scenario: Scenario, _ contender: Contender, seed: UInt64, repetition: Int,
        _ setting: LiveSetting, progress: RunProgress
    ) throws(LiveFailure) -> LiveRun {
        let plan = TrafficPlan(scenario, seed: seed, repetition: repetition)
        let stage = try LiveStage(scenario, contender, setting)
        let orders = stage.orders
        // Calls that are under way end with the proxy that they are made to.
        defer {
            stage.clear()
            orders.wait()
        }
        let servers: LiveServers
        do throws(Errno) {
            servers = try LiveServers(
                scenario, plan: plan, seed: seed, repetition: repetition, unit: setting.unit
            ) { order in orders.carryOut(order) }
        } catch {
            throw LiveFailure(.broken, "the servers of the scenario cannot listen: \(error)")
        }
        orders.begin(servers, scenario)
        do throws(LiveFailure) {
            try stage.startProxies(servers.ports, progress)
            let origin = Clock.monotonic() + .milliseconds(200)
            servers.begin(at: origin)
            let outcome = try generate(plan, scenario, setting, stage.targets, origin, progress)
            let account = servers.stop()
            try stage.checkAlive()
            return try judge(scenario, plan, outcome, account)
        } catch {
            _ = servers.stop()
            throw error
        }
    }

    private static func generate(
        _ plan: TrafficPlan, _ scenario: Scenario, _ setting: LiveSetting,
        _ targets: [SocketAddress], _ origin: LoopInstant, _ progress: RunProgress
    ) throws(LiveFailure) -> Generator.Outcome {
        // A loop of its own, which this thread runs.
        do throws(Errno) {
            return try Generator(
                plan, to: targets, over: setting.http, unit: setting.unit, from: origin,
                patience: patience(scenario, setting.unit), progress: progress
            ).run()
        } catch {
            throw LiveFailure(.broken, "the generator cannot be started: \(error)")
        }
    }

    /// How long the last answers are waited for: as long as the requests took to arrive, within
    /// reason.
    private static func patience(_ scenario: Scenario, _ unit: Interval) -> Interval {
        let horizon = scenario.horizon * unit.seconds
        var seconds = min(20, max(2, horizon))
        if scenario.proxy.responseTimeout != .forever {
            let factor = unit.seconds / scenario.meanService.seconds
            seconds += min(20, 4 * scenario.proxy.responseTimeout.seconds * factor)
        }
        return Interval(nanoseconds: UInt64(seconds * 1e9))
    }

    private static func judge(
        _ scenario: Scenario, _ plan: TrafficPlan, _ outcome: Generator.Outcome,
        _ account: LiveServers.Account
    ) throws(LiveFailure) -> LiveRun {
        if outcome.isPartial { throw LiveFailure(.stopped, "stopped") }
        if let failure = outcome.failure ?? account.failure { throw LiveFailure(.broken, failure) }
        var transcript = outcome.transcript
        transcript.add(account.transcript)
        let result = transcript.result(
            of: scenario, plan: plan, busyAtStart: account.busyAtStart,
            busyAtEnd: account.busyAtEnd, slots: account.slots, weights: account.weights)
        return LiveRun(
            result, sendLateness: outcome.lateness, answerLateness: account.lateness,
            clientConnections: outcome.connectionCount,
            serverConnections: account.connectionCount)
    }

    /// Whether the bench kept its own times: what it did late must be small beside what it has
    /// measured.
    ///
    /// - Throws: what was late, and by how much.
    public func checkTimes(unit: Interval) throws(LiveFailure) {
        guard let p99 = result.durations.quantile(0.99) else {
            throw LiveFailure(.broken, "no request was answered")
        }
        let measured = Interval(nanoseconds: UInt64(p99 * Double(unit.nanoseconds)))
        let judged = [
            ("the generator sent", sendLateness), ("the servers answered", answerLateness),
        ]
        for (who, lateness) in judged where !lateness.isTolerable(besides: measured) {
            throw LiveFailure(
                .late,
                "\(who) too late: one in a thousand by "
                    + "\(Self.milliseconds(lateness.p999)) or more, which is over "
                    + "\(Int(Lateness.tolerance * 100)) % of the 99th percentile that was measured "
                    + "(\(Self.milliseconds(measured))). A calmer machine or a longer --unit helps."
            )
        }
    }

    /// `1.25 ms`
    public static func milliseconds(_ interval: Interval) -> String {
        let hundredths = (interval.nanoseconds + 5_000) / 10_000
        let fraction = hundredths % 100
        return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction) ms"
    }
}
