import Scenarios
import Simulation
import Statistics

extension Report {
    /// The report for readers of the repository: verdicts and tables.
    public func markdown() -> String {
        var text = "# Which strategy?\n\n"
        if live == nil {
            text += "Simulated in virtual time with the code that serves traffic; made by "
            text += "`make strategies`. Times are in mean service times, ± is the half width of "
            text += "a 95 % interval over \(repetitions) runs.\n\n"
        } else {
            for sentence in liveSentences { text += "\(sentence)\n" }
            text += "± is the half width of a 95 % interval over \(repetitions) runs.\n\n"
        }
        for sentence in Verdict.summary(of: self) { text += "\(sentence)\n\n" }
        if isPartial { text += "Ended early: this is what was done.\n\n" }
        let tallies = Verdict.tallies(of: self)
        if comparisons.count > 1, !tallies.isEmpty {
            text += "| against | \(standard.name) better | no difference | worse |\n"
            text += "| --- | --: | --: | --: |\n"
            for (contender, tally) in tallies {
                text += "| \(contender.name) | \(tally.better) | \(tally.same) | "
                text += "\(tally.worse) |\n"
            }
            text += "\n"
        }
        for comparison in comparisons {
            text += "## \(comparison.file.name): \(comparison.file.title)\n\n"
            text += "\(comparison.file.about)\n\n"
            for variant in comparison.variants {
                text += Self.block(variant, of: self, comparison.file.name)
            }
        }
        text += "Staithe \(version), seed \(seed).\n"
        return text
    }

    private static func block(
        _ variant: Comparison.Variant, of report: Report, _ file: String
    ) -> String {
        let cells = variant.cells.filter { !$0.runs.isEmpty }
        guard !cells.isEmpty else { return "" }
        let scenario = variant.scenario
        var text = scenario.variant.isEmpty ? "" : "### \(scenario.variant)\n\n"
        if let rate = report.rate(of: scenario) {
            text += "\(scenario.serverCount) servers, load \(short(scenario.load)), "
            text += "\(Numbers.grouped(scenario.requestCount)) requests a run at "
            text += "\(short((rate * 10).rounded() / 10)) a second.\n\n"
        }
        if scenario.isUnstable { text += "Unstable: more arrives than can be served.\n\n" }
        text += "| strategy | mean | p50 | p90 | p99 | p99.9 | errors | Jain |\n"
        text += "| --- | --: | --: | --: | --: | --: | --: | --: |\n"
        for cell in cells {
            let values = [Measure.mean, .p50, .p90, .p99, .p999].map { measure in
                let estimate = cell.estimate(measure)
                return "\(Numbers.short(estimate.value)) ± \(Numbers.short(estimate.halfWidth))"
            }
            text += "| \(cell.contender.name) | \(values.joined(separator: " | ")) | "
            text += "\(Numbers.percent(cell.estimate(.errors).value)) % | "
            text += "\(Numbers.fixed(cell.estimate(.jain).value, 4)) |\n"
        }
        text += "\n"
        text += report.comparisonMarkdown(variant, of: file)
        for sentence in report.sentences(variant) { text += "- \(sentence)\n" }
        return text + "\n"
    }

    /// One line per strategy and variant, for spreadsheets.
    public func csv() -> String {
        let measures = Measure.allCases
        var text = "scenario,variant,hash,strategy,load,servers,runs"
        for measure in measures { text += ",\(measure.rawValue),\(measure.rawValue)_half_width" }
        if live != nil { text += ",engine,http,unit_ms,requests_per_second" }
        text += "\n"
        for comparison in comparisons {
            for variant in comparison.variants {
                for cell in variant.cells where !cell.runs.isEmpty {
                    var fields = [
                        comparison.file.name, Self.quoted(variant.scenario.variant),
                        comparison.file.hash, cell.contender.name,
                        JSONWriter.text(variant.scenario.load),
                        String(variant.scenario.serverCount), String(cell.runs.count),
                    ]
                    for measure in measures {
                        let estimate = cell.estimate(measure)
                        fields += [
                            JSONWriter.text(estimate.value), JSONWriter.text(estimate.halfWidth),
                        ]
                    }
                    if let live, let rate = rate(of: variant.scenario) {
                        fields += [
                            "live", live.http, JSONWriter.text(live.unit), JSONWriter.text(rate),
                        ]
                    }
                    text += fields.joined(separator: ",") + "\n"
                }
            }
        }
        return text
    }

    private static func quoted(_ text: String) -> String {
        text.contains(where: { ",\"\n".contains($0) })
            ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
    }
}
