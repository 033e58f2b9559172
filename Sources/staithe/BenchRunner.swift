import Linux
import Reporting
import Scenarios
import Simulation
import Synchronization
import Timing

/// Plays comparisons on all processors, tells how far it is, and stops early when asked.
final class BenchRunner: Sendable {
    private struct Job {
        var comparison: Int
        var variant: Int
        var contender: Int
        var repetition: Int
        var scenario: Scenario
        var strategy: Contender
    }

    private struct State {
        var comparisons: [Comparison]
        /// Results that wait for those of earlier repetitions: pairs are by repetition.
        var waiting: [Int: RunResult] = [:]
        var nextRepetition: [Int: Int] = [:]
        var doneRequests = 0
        var runningThreads = 0
    }

    private let jobs: [Job]
    private let seed: UInt64
    private let repetitions: Int
    private let totalRequests: Int
    private let nextJob = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let state: Locked<State>

    init(_ comparisons: [Comparison], seed: UInt64, repetitions: Int) {
        var jobs: [Job] = []
        // Repetition by repetition, so that what is done when it is stopped is all of some.
        for repetition in 0..<repetitions {
            for (index, comparison) in comparisons.enumerated() {
                for (place, variant) in comparison.variants.enumerated() {
                    for (number, cell) in variant.cells.enumerated() {
                        jobs.append(
                            Job(
                                comparison: index, variant: place, contender: number,
                                repetition: repetition, scenario: variant.scenario,
                                strategy: cell.contender))
                    }
                }
            }
        }
        self.jobs = jobs
        self.seed = seed
        self.repetitions = repetitions
        totalRequests = jobs.reduce(0) { $0 + $1.scenario.requestCount }
        state = Locked(State(comparisons: comparisons))
    }

    /// - Returns: what was done, and whether it is all.
    func run(threads: Int) throws(Errno) -> (comparisons: [Comparison], isWhole: Bool) {
        let signals = try SignalDescriptor()
        let began = Clock.monotonic()
        let bar = ProgressBar()
        state.withLock { $0.runningThreads = threads }
        for number in 0..<threads {
            try Thread.start(name: "bench-\(number)") { self.work() }
        }
        while state.withLock({ $0.runningThreads }) > 0 {
            if let signal = signals.take(), signal == .interrupt || signal == .terminate {
                isStopped.store(true, ordering: .relaxed)
                bar.say("stopping …")
            }
            let done = state.withLock { $0.doneRequests }
            bar.show(totalRequests > 0 ? Double(done) / Double(totalRequests) : 1)
            ThisProcess.sleep(.milliseconds(100))
        }
        bar.clear()
        sayRate(since: began, threads: threads)
        let comparisons = state.withLock { $0.comparisons }
        return (comparisons, !isStopped.load(ordering: .relaxed))
    }

    private func work() {
        while !isStopped.load(ordering: .relaxed) {
            let index = nextJob.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < jobs.count else { break }
            let job = jobs[index]
            let result = Simulator.run(
                job.scenario, job.strategy, seed: seed, repetition: job.repetition)
            state.withLock { state in
                state.doneRequests += job.scenario.requestCount
                file(result, of: index, job, in: &state)
            }
        }
        state.withLock { $0.runningThreads -= 1 }
    }

    /// Adds a result to its cell, or lets it wait for its turn.
    private func file(_ result: RunResult, of index: Int, _ job: Job, in state: inout State) {
        let perRepetition = jobs.count / repetitions
        let cell = index % perRepetition
        state.waiting[index] = result
        var next = state.nextRepetition[cell] ?? 0
        while let ready = state.waiting.removeValue(forKey: next * perRepetition + cell) {
            state.comparisons[job.comparison].variants[job.variant].cells[job.contender].add(ready)
            next += 1
        }
        state.nextRepetition[cell] = next
    }

    /// On the error stream: what was measured is the same everywhere, and this is not.
    private func sayRate(since began: LoopInstant, threads: Int) {
        let done = state.withLock { $0.doneRequests }
        let seconds = (Clock.monotonic() - began).seconds
        guard seconds > 0 else { return }
        let rate = Double(done) / seconds / Double(threads) / 1e6
        StandardStream.error.print(
            "\(done) requests simulated in \(short((seconds * 10).rounded() / 10)) s on "
                + "\(threads) threads: \(short((rate * 100).rounded() / 100)) million per second "
                + "and thread")
    }
}
