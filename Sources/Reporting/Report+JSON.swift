import Scenarios
import Simulation
import Statistics

extension Report {
    /// The results for other programs. The form is documented in `Benchmarks/Results/README.md`;
    /// keys are added, never changed: `format` says when that was not possible.
    public func json() -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.integer("format", 1)
            writer.string("program", "staithe")
            writer.string("version", version)
            writer.string("engine", live == nil ? "simulation" : "live")
            writeLive(to: &writer)
            writer.integer("seed", Int(truncatingIfNeeded: seed))
            writer.integer("repetitions", repetitions)
            writer.boolean("partial", isPartial)
            writer.string("standard", standard.name)
            writer.string("machine", machine)
            writer.string("unit", "mean service time")
            writer.array("scenarios") { writer in
                for comparison in comparisons {
                    writer.object { write(comparison, to: &$0) }
                }
            }
            if !pickCosts.isEmpty {
                writer.array("pick_costs") { writer in
                    for cost in pickCosts {
                        writer.object { writer in
                            writer.string("strategy", cost.strategy)
                            writer.integer("servers", cost.servers)
                            writer.number("nanoseconds", cost.nanoseconds)
                        }
                    }
                }
            }
        }
        return writer.text
    }

    private func write(_ comparison: Comparison, to writer: inout JSONWriter) {
        writer.string("name", comparison.file.name)
        writer.string("title", comparison.file.title)
        writer.string("hash", comparison.file.hash)
        writer.array("variants") { writer in
            for variant in comparison.variants {
                writer.object { write(variant, of: comparison.file.name, to: &$0) }
            }
        }
    }

    private func write(
        _ variant: Comparison.Variant, of file: String, to writer: inout JSONWriter
    ) {
        let scenario = variant.scenario
        writer.string("name", scenario.variant)
        writer.integer("servers", scenario.serverCount)
        writer.number("load", scenario.load)
        writer.string("service", scenario.service.words)
        writer.integer("requests", scenario.requestCount)
        writer.integer("workers", scenario.workers)
        if let rate = rate(of: scenario) { writer.number("requests_per_second", rate) }
        writer.boolean("unstable", scenario.isUnstable)
        writer.array("theory") { writer in
            for line in TheoryLine.lines(for: scenario) {
                writer.object { writer in
                    writer.string("name", line.name)
                    writer.number("mean", line.mean)
                }
            }
        }
        writer.array("strategies") { writer in
            for cell in variant.cells where !cell.runs.isEmpty {
                writer.object { write(cell, in: variant, of: file, to: &$0) }
            }
        }
    }

    private func write(
        _ cell: Cell, in variant: Comparison.Variant, of file: String,
        to writer: inout JSONWriter
    ) {
        writer.string("strategy", cell.contender.name)
        writer.integer("runs", cell.runs.count)
        writer.integer("counted_requests", cell.requestCount)
        for measure in Measure.allCases {
            let estimate = cell.estimate(measure)
            writer.object(measure.rawValue) { writer in
                writer.number("value", estimate.value)
                writer.number("half_width", estimate.halfWidth)
                writer.numbers("runs", cell.values(measure))
            }
        }
        writer.object("failures") { writer in
            for (reason, count) in cell.failures.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                writer.integer(reason.rawValue, count)
            }
        }
        // A proxy does not tell.
        if live == nil {
            writer.integer("ejections", cell.ejectionCount)
        } else {
            writer.null("ejections")
        }
        writer.numbers("shares", cell.pickShares)
        writer.numbers("utilisation", cell.servers.map(\.utilisation))
        if let moved = cell.movedKeyShare { writer.number("moved_keys", moved) }
        if let needed = cell.neededKeyShare { writer.number("moved_keys_needed", needed) }
        writer.array("newcomers") { writer in
            for newcomer in cell.newcomers {
                writer.object { Self.write(newcomer, to: &$0) }
            }
        }
        writeSimulated(cell, in: variant.scenario, of: file, to: &writer)
        if cell.contender != standard,
            let gain = variant.relativeDifference(.p99, of: cell.contender, from: standard)
        {
            writer.object("p99_against_standard") { writer in
                writer.number("relative_difference", gain.value)
                writer.number("half_width", gain.halfWidth)
                writer.boolean("no_difference", gain.includesZero)
            }
        }
    }

    private static func write(_ newcomer: Cell.Newcomer, to writer: inout JSONWriter) {
        writer.integer("server", newcomer.server + 1)
        writer.number("since", newcomer.since)
        writer.number("fair_share", newcomer.fairShare)
        writer.number("overshoot", newcomer.overshoot)
        if let window = newcomer.convergenceWindow {
            writer.integer(
                "picks_until_fair", window * RunResult.Newcomer.windowLength)
        }
        writer.integer("peak_of_50", newcomer.peakBurst)
        writer.integer("longest_run", newcomer.longestRun)
        writer.integer("peak_of_50_warming", newcomer.peakWarmingBurst)
        writer.integer("windows_of_50_warming", newcomer.warmingBursts)
        writer.integer("windows_over_four_thirds", newcomer.excessiveBursts)
        writer.integers("windows", newcomer.windows)
    }
}
