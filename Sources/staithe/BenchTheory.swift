import ArgumentParser
import ControlPlane
import Linux
import Reporting
import Scenarios
import Simulation

/// `staithe bench theory`
struct BenchTheory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "theory",
        abstract: "Check the simulator against queueing theory.",
        discussion: "Exits 1 when a line is out of its tolerance.")

    @Option(help: "Independent runs of each line.")
    var reps = 8

    @Option(help: "Of all random numbers.")
    var seed: UInt64 = 1

    @Option(help: "Divides the number of requests, for a quick look.")
    var divisor = 1

    @Option(help: ArgumentHelp("The table as a file as well.", valueName: "file"))
    var markdown: String?

    func run() throws {
        try BenchSetting.check(reps, "--reps", 2...1000)
        try BenchSetting.check(divisor, "--divisor", 1...1000)
        var lines = TheoryCheck.lines
        for index in lines.indices { lines[index].scenario.requestCount /= divisor }
        // One file per line, so that the runner treats all alike.
        let comparisons = lines.map { line in
            var file = ScenarioFile(name: line.name)
            file.variants = [line.scenario]
            return Comparison(file: file, contenders: [line.contender])
        }
        let runner = BenchRunner(comparisons, seed: seed, repetitions: reps)
        let (done, isWhole) = try runner.run(threads: Processors.usableCount())
        let results = zip(lines, done).compactMap { line, comparison in
            let means = comparison.variants[0].cells[0].values(.mean)
            return means.count >= 2
                ? (line, TheoryCheck.verdict(on: line, means: means)) : nil
        }
        let differing = results.count { !$0.1.agrees }
        let text =
            TheoryCheck.table(results)
            + "\n\(results.count - differing) of \(results.count) lines agree.\n"
        try StandardStream.output.write(Array(text.utf8))
        if let markdown { try BenchSetting.write(heading() + text, to: markdown) }
        if differing > 0 || !isWhole { throw ExitCode(ExitStatus.failed) }
    }

    private func heading() -> String {
        """
        # The simulator and queueing theory

        Mean response times in mean service times. A line agrees when the exact value is within \
        1 % of the measured one, or within the interval of the runs (99.9 %, Student) where \
        chance is wider, and chance is narrow enough for that to mean something.

        `staithe bench theory`, \(reps) independent runs of each line, seed \(seed)\
        \(divisor > 1 ? ", requests divided by \(divisor)" : "").


        """
    }
}
