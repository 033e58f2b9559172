import Scenarios
import Simulation
import Statistics

extension Report {
    /// For a terminal: a table for each variant, and what it says.
    public func text() -> String {
        var text = ""
        for comparison in comparisons where comparison.hasRuns {
            text += "\(comparison.file.name): \(comparison.file.title)\n"
            for variant in comparison.variants where !variant.cells.allSatisfy({ $0.runs.isEmpty })
            {
                text += heading(variant.scenario)
                text += Self.table(variant)
                text += comparisonText(variant, of: comparison.file.name)
                for line in TheoryLine.lines(for: variant.scenario) {
                    text += "  theory: \(line.name): mean \(Numbers.short(line.mean))\n"
                }
                for sentence in sentences(variant) { text += "  \(sentence)\n" }
                text += "\n"
            }
        }
        for sentence in liveSentences { text += "\(sentence)\n" }
        if isPartial { text += "Ended early: this is what was done until then.\n" }
        return text
    }

    private func heading(_ scenario: Scenario) -> String {
        let name = scenario.variant.isEmpty ? "" : "\(scenario.variant), "
        let unstable =
            scenario.isUnstable
            ? "\n  UNSTABLE: more arrives than can be served, so that times grow with the run"
            : ""
        return "  \(name)\(scenario.serverCount) servers, load \(short(scenario.load)), "
            + "\(scenario.service.words), \(scenario.arrivals.words), "
            + "\(Numbers.grouped(scenario.requestCount)) requests\(rateWords(scenario))"
            + "\(unstable)\n"
    }

    /// Without an interval when one run is all there is.
    static func withInterval(_ estimate: Estimate) -> String {
        let value = Numbers.short(estimate.value)
        return estimate.halfWidth.isFinite
            ? "\(value) ±\(Numbers.short(estimate.halfWidth))" : value
    }

    /// What each other strategy is to the standard one.
    func sentences(_ variant: Comparison.Variant) -> [String] {
        guard variant.cell(standard)?.runs.isEmpty == false else { return [] }
        return variant.cells.filter { $0.contender != standard && !$0.runs.isEmpty }
            .map { Verdict.sentence(standard, against: $0.contender, in: variant) }
    }

    private static func table(_ variant: Comparison.Variant) -> String {
        var rows = [["strategy", "mean", "p50", "p90", "p99", "p99.9", "max", "errors", "Jain"]]
        for cell in variant.cells where !cell.runs.isEmpty {
            let p99 = cell.estimate(.p99)
            let mean = cell.estimate(.mean)
            rows.append([
                cell.contender.name,
                Self.withInterval(mean),
                Numbers.short(cell.estimate(.p50).value), Numbers.short(cell.estimate(.p90).value),
                Self.withInterval(p99),
                Numbers.short(cell.estimate(.p999).value),
                Numbers.short(cell.durations.longest),
                Numbers.percent(cell.estimate(.errors).value) + " %",
                Numbers.fixed(cell.estimate(.jain).value, 4),
            ])
        }
        return columns(rows)
    }

    static func columns(_ rows: [[String]]) -> String {
        guard let first = rows.first else { return "" }
        let widths = first.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }
            return "    " + cells.joined(separator: "  ") + "\n"
        }.joined()
    }
}
