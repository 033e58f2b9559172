import Balancing
import Scenarios
import Simulation
import Statistics

extension Report {
    /// The report as one page that needs nothing else: light and dark, for screens and paper.
    public func html() -> String {
        var text = "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n"
        text += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
        text += "<meta name=\"color-scheme\" content=\"light dark\">\n"
        text += "<title>Staithe: strategies compared</title>\n<style>\n\(HTML.style)\n"
        text += HTML.colourStyles(16) + "\n</style></head>\n<body>\n"
        text += "<h1>Which strategy?</h1>\n<p class=\"soft\">"
        text +=
            live == nil
            ? "Simulated in virtual time with the code that serves traffic. Times are in mean "
                + "service times; "
            : HTML.escaped(liveSentences.joined(separator: " ")) + " "
        text += "± is the half width of a 95 % interval over \(repetitions) independent runs; "
        text += "every strategy met the same requests.</p>\n<div class=\"verdict\">\n"
        for sentence in Verdict.summary(of: self) { text += "<p>\(HTML.escaped(sentence))</p>\n" }
        if let opening { text += "<p>\(HTML.escaped(opening))</p>\n" }
        text += "</div>\n" + tallyTable()
        if isPartial { text += "<p class=\"warn\">Ended early: this is what was done.</p>\n" }
        text +=
            "<nav>"
            + comparisons.map {
                "<a href=\"#\($0.file.name)\">\($0.file.name)</a>"
            }.joined() + "</nav>\n" + legend()
        for comparison in comparisons { text += section(comparison) }
        text += costs() + footer()
        return text + "</body></html>\n"
    }

    /// The standard strategy against the usual alternative, where the load is high and nothing
    /// else happens.
    private var opening: String? {
        let rival = Contender(.powerOfTwoChoices)
        guard rival != standard else { return nil }
        for comparison in comparisons {
            let fitting = comparison.variants.filter {
                $0.cell(rival)?.runs.isEmpty == false && $0.cell(standard)?.runs.isEmpty == false
            }
            guard
                let variant = fitting.min(by: { a, b in
                    abs(a.scenario.load - 0.9) < abs(b.scenario.load - 0.9)
                })
            else { continue }
            let name = variant.scenario.variant
            let place = name.isEmpty ? comparison.file.name : "\(comparison.file.name), \(name)"
            return "\(place): " + Verdict.sentence(standard, against: rival, in: variant) + "."
        }
        return nil
    }

    private func tallyTable() -> String {
        let tallies = Verdict.tallies(of: self)
        guard comparisons.count > 1, !tallies.isEmpty else { return "" }
        let heading = [
            "against", "\(HTML.escaped(standard.name)) better", "no difference", "worse",
        ]
        let rows = tallies.map { contender, tally in
            [
                HTML.escaped(contender.name), "\(tally.better)", "\(tally.same)",
                "\(tally.worse)",
            ]
        }
        return HTML.table([heading] + rows)
    }

    private func style(_ contender: Contender) -> String {
        let index = Verdict.contenders(of: self).firstIndex(of: contender) ?? 0
        // The standard strategy has the first colour, whoever it is.
        let standardIndex = Verdict.contenders(of: self).firstIndex(of: standard) ?? 0
        let place = index == standardIndex ? 0 : index < standardIndex ? index + 1 : index
        return "c\(place % 16)"
    }

    private func named(_ contender: Contender) -> String {
        "<span class=\"key \(style(contender))\"></span>\(HTML.escaped(contender.name))"
    }

    private func legend() -> String {
        "<p class=\"legend\">"
            + Verdict.contenders(of: self).map { "<span>\(named($0))</span>" }.joined()
            + "<span class=\"soft\">- - - theory</span></p>\n"
    }

    // MARK: - A scenario

    private func section(_ comparison: Comparison) -> String {
        var text = "<section id=\"\(HTML.escaped(comparison.file.name))\">\n"
        text += "<h2>\(HTML.escaped(comparison.file.title))</h2>\n"
        text += "<p class=\"soft\">\(HTML.escaped(comparison.file.name)), scenario hash "
        text += "\(comparison.file.hash)</p>\n<p>\(HTML.escaped(comparison.file.about))</p>\n"
        if let chart = loadChart(comparison) { text += "<div class=\"charts\">\(chart)</div>\n" }
        for variant in comparison.variants where variant.cells.contains(where: { !$0.runs.isEmpty })
        {
            text += block(variant, of: comparison.file.name)
        }
        return text + "</section>\n"
    }

    private func block(_ variant: Comparison.Variant, of file: String) -> String {
        let scenario = variant.scenario
        let name = scenario.variant.isEmpty ? "All of it" : scenario.variant
        var text = "<h3>\(HTML.escaped(name))</h3>\n<p class=\"soft\">"
        text += "\(scenario.serverCount) servers, load \(short(scenario.load)), "
        text += "\(HTML.escaped(scenario.service.words)) service, "
        text += "\(HTML.escaped(scenario.arrivals.words)), "
        text +=
            "\(Numbers.grouped(scenario.requestCount)) requests a run\(rateWords(scenario))</p>\n"
        if scenario.isUnstable {
            text += "<p class=\"warn\">Unstable: more arrives than can be served, so that times "
            text += "grow with the length of the run.</p>\n"
        }
        text += "<ul>" + sentences(variant).map { "<li>\(HTML.escaped($0))</li>" }.joined()
        text += "</ul>\n" + table(variant) + comparisonHTML(variant, of: file)
        text += "<div class=\"charts\">"
        text += percentileChart(variant)
        if !scenario.disturbances.isEmpty {
            text += timeChart(variant) + shareChart(variant) + newcomerChart(variant)
        }
        return text + "</div>\n" + newcomerTable(variant)
    }

    private func table(_ variant: Comparison.Variant) -> String {
        let cells = variant.cells.filter { !$0.runs.isEmpty }
        let hasErrors = cells.contains { $0.estimate(.errors).value > 0 }
        let hasHits = variant.scenario.keys?.cache != nil
        let hasMoves = cells.contains { $0.movedKeyShare != nil }
        var heading = ["strategy", "mean", "p50", "p90", "p99", "p99.9", "max"]
        if hasErrors { heading += ["errors", "why"] }
        if variant.scenario.deadline != nil { heading += ["in time"] }
        heading += ["retries", "Jain"]
        if hasHits { heading += ["hits"] }
        if hasMoves { heading += ["keys moved", "beyond need"] }
        let rows = cells.map { cell -> [String] in
            var row = [named(cell.contender)]
            for measure in [Measure.mean, .p50, .p90, .p99, .p999] {
                let estimate = cell.estimate(measure)
                row.append(
                    "\(Numbers.short(estimate.value)) ± \(Numbers.short(estimate.halfWidth))")
            }
            row.append(Numbers.short(cell.durations.longest))
            if hasErrors { row += [Self.errors(cell), HTML.escaped(Self.reasons(cell))] }
            if variant.scenario.deadline != nil {
                row.append(Numbers.percent(cell.estimate(.goodput).value) + " %")
            }
            row.append(Numbers.percent(cell.estimate(.retries).value) + " %")
            row.append(Numbers.fixed(cell.estimate(.jain).value, 4))
            if hasHits { row.append(Numbers.percent(cell.estimate(.hits).value) + " %") }
            if hasMoves {
                let moved = cell.movedKeyShare.map { Numbers.percent($0) + " %" } ?? "–"
                let extra = cell.movedKeyShare.map {
                    Numbers.percent($0 - (cell.neededKeyShare ?? 0)) + " %"
                }
                row += [moved, extra ?? "–"]
            }
            return row
        }
        return HTML.table(
            [heading] + rows, standard: cells.firstIndex { $0.contender == standard })
    }

    private static func errors(_ cell: Cell) -> String {
        let estimate = cell.estimate(.errors)
        guard estimate.value > 0 else { return "0 %" }
        return "\(Numbers.percent(estimate.value)) ± \(Numbers.percent(estimate.halfWidth)) %"
    }

    static func reasons(_ cell: Cell) -> String {
        cell.failures.filter { $0.value > 0 }.sorted { $0.value > $1.value }
            .map { $0.key.rawValue }.joined(separator: ", ")
    }

    // MARK: - The end

    private func costs() -> String {
        guard !pickCosts.isEmpty else { return "" }
        let counts = Set(pickCosts.map(\.servers)).sorted()
        var strategies: [String] = []
        for cost in pickCosts where !strategies.contains(cost.strategy) {
            strategies.append(cost.strategy)
        }
        let rows = strategies.map { strategy in
            [HTML.escaped(strategy)]
                + counts.map { count in
                    pickCosts.first { $0.strategy == strategy && $0.servers == count }
                        .map { Numbers.short($0.nanoseconds) } ?? "–"
                }
        }
        return
            "<section><h2>What a pick costs</h2>\n<p>Nanoseconds, by the number of servers.</p>\n"
            + HTML.table([["strategy"] + counts.map { "\($0)" }] + rows) + "</section>\n"
    }

    private func footer() -> String {
        var text = "<footer><p>Staithe \(HTML.escaped(version)), seed \(seed), "
        text += "\(repetitions) repetitions"
        if !machine.isEmpty { text += ", made on \(HTML.escaped(machine))" }
        text += live == nil ? ". The same version and seed give the same numbers.</p>\n" : ".</p>\n"
        text += "<p>The first tenth of every run does not count. Percentiles are of all response "
        text += "times of all runs together, from a histogram whose buckets are a thousandth wide; "
        text +=
            "intervals are Student's, over runs. Differences are of pairs of runs with the same "
        text += "random numbers; where the interval holds 0, there is no difference. Jain's index "
        text += "is of utilisation.</p></footer>\n"
        return text
    }
}
