import Linux
import LiveBench
import Reporting
import Scenarios
import Simulation
import Synchronization
import Timing

/// Plays comparisons against real proxies, one run at a time, and stops early when asked.
final class LiveRunner: Sendable {
    /// How many runs may be made again because the machine did not keep the bench's times: a
    /// quarter of all, but a few in any case. A machine that needs more is not fit.
    private var secondChances: Int { max(3, jobs.count / 4) }

    private struct Job: Sendable {
        var comparison: Int
        var variant: Int
        var cell: Int
        var repetition: Int
        var scenario: Scenario
        var contender: Contender
    }

    /// What was done.
    struct Outcome: Sendable {
        var comparisons: [Comparison]
        var facts: LiveFacts
        var isWhole = true
        var failure: LiveFailure?
    }

    fileprivate struct State: Sendable {
        var outcome: Outcome
        var progress: RunProgress?
        var doneRequests = 0
        var isOver = false
    }

    private let jobs: [Job]
    private let seed: UInt64
    private let setting: LiveSetting
    private let isStopped = Atomic<Bool>(false)
    private let state: Locked<State>

    init(
        _ comparisons: [Comparison], seed: UInt64, repetitions: Int, setting: LiveSetting,
        facts: LiveFacts
    ) {
        var jobs: [Job] = []
        for repetition in 0..<repetitions {
            for (index, comparison) in comparisons.enumerated() {
                for (place, variant) in comparison.variants.enumerated() {
                    // A B C, B C A, ...: what drifts meets all of them alike.
                    let count = variant.cells.count
                    for offset in 0..<count {
                        let cell = (offset + repetition) % count
                        jobs.append(
                            Job(
                                comparison: index, variant: place, cell: cell,
                                repetition: repetition, scenario: variant.scenario,
                                contender: variant.cells[cell].contender))
                    }
                }
            }
        }
        self.jobs = jobs
        self.seed = seed
        self.setting = setting
        state = Locked(State(outcome: Outcome(comparisons: comparisons, facts: facts)))
    }

    /// Says on the error stream what will be done, and how long it takes.
    func sayPlan() {
        let seconds = jobs.reduce(0) {
            $0 + $1.scenario.horizon * setting.unit.seconds + 0.6
        }
        let time = seconds >= 90 ? "\(Int(seconds / 60) + 1) min" : "\(Int(seconds.rounded())) s"
        let rates = jobs.map { $0.scenario.arrivalRate / setting.unit.seconds }
        let (low, high) = (rates.min() ?? 0, rates.max() ?? 0)
        let rate =
            Int(low) == Int(high) ? "\(Int(high))" : "\(Int(low)) to \(Int(high))"
        StandardStream.error.print(
            "\(jobs.count) \(jobs.count == 1 ? "run" : "runs") against real proxies, about "
                + "\(time): \(rate) requests a second over \(setting.http.words), a mean "
                + "service time is \(short(setting.unit.milliseconds)) ms")
    }

    func run() throws(Errno) -> Outcome {
        let signals = try SignalDescriptor()
        Signal.ignoreBrokenPipes()
        let bar = ProgressBar()
        let total = Double(max(1, jobs.reduce(0) { $0 + $1.scenario.requestCount }))
        try Thread.start(name: "bench-live") { self.work() }
        while !state.withLock({ $0.isOver }) {
            if let signal = signals.take(), signal == .interrupt || signal == .terminate {
                isStopped.store(true, ordering: .relaxed)
                state.withLock { $0.progress }?.stop()
                bar.say("stopping …")
            }
            let (done, progress) = state.withLock { ($0.doneRequests, $0.progress) }
            bar.show(min(1, (Double(done) + Double(progress?.sentCount ?? 0)) / total))
            ThisProcess.sleep(.milliseconds(100))
        }
        bar.clear()
        return state.withLock { $0.outcome }
    }

    private func work() {
        for job in jobs {
            guard !isStopped.load(ordering: .relaxed) else { break }
            do throws(LiveFailure) {
                try play(job)
            } catch {
                state.withLock { state in
                    if error.kind != .stopped { state.outcome.failure = error }
                }
                break
            }
        }
        state.withLock { state in
            state.outcome.isWhole = !isStopped.load(ordering: .relaxed)
            state.isOver = true
        }
    }

    private func play(_ job: Job) throws(LiveFailure) {
        while true {
            let progress = RunProgress()
            state.withLock { $0.progress = progress }
            if isStopped.load(ordering: .relaxed) { progress.stop() }
            do throws(LiveFailure) {
                let run = try LiveRun.play(
                    job.scenario, job.contender, seed: seed, repetition: job.repetition, setting,
                    progress: progress)
                try run.checkTimes(unit: setting.unit)
                return state.withLock { $0.file(run, job.comparison, job.variant, job.cell) }
            } catch {
                let repeated = state.withLock { $0.outcome.facts.repeatedRunCount }
                guard error.kind == .late, repeated < secondChances else {
                    let name = job.scenario.variant.isEmpty ? "" : ", \(job.scenario.variant)"
                    throw LiveFailure(
                        error.kind,
                        "\(job.scenario.name)\(name), \(job.contender.name), repetition "
                            + "\(job.repetition + 1): \(error.sentence)")
                }
                state.withLock { $0.outcome.facts.repeatedRunCount += 1 }
            }
        }
    }
}

extension LiveRunner.State {
    fileprivate mutating func file(
        _ run: LiveRun, _ comparison: Int, _ variant: Int, _ cell: Int
    ) {
        doneRequests += outcome.comparisons[comparison].variants[variant].scenario.requestCount
        progress = nil
        outcome.comparisons[comparison].variants[variant].cells[cell].add(run.result)
        outcome.facts.runCount += 1
        outcome.facts.sendLateness = max(
            outcome.facts.sendLateness, run.sendLateness.p999.milliseconds)
        outcome.facts.answerLateness = max(
            outcome.facts.answerLateness, run.answerLateness.p999.milliseconds)
        outcome.facts.clientConnections = max(
            outcome.facts.clientConnections, run.clientConnections)
    }
}
