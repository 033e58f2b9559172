import Scenarios
import Simulation
import Statistics

/// What a report says that was measured on a real proxy.
extension Report {
    /// Measures in which live and simulation are held against each other.
    private static let compared = [Measure.mean, .p50, .p90, .p99]

    /// How it was made; empty when it was simulated.
    var liveSentences: [String] {
        guard let live else { return [] }
        var sentences = [
            "Live: the real proxy over the loopback, \(live.http), open loop; a mean service time "
                + "is \(short(live.unit)) ms, and times are in it. A response time counts from the "
                + "time that the request was due, with all that the proxy, the kernel and the "
                + "loopback take.",
            "Of a thousand requests one was sent \(short(rounded(live.sendLateness))) ms late or "
                + "more in the worst run, of a thousand answers one was given "
                + "\(short(rounded(live.answerLateness))) ms late; a run in which that is over a "
                + "tenth of its p99 does not count.",
        ]
        if live.repeatedRunCount > 0 {
            let runs =
                live.repeatedRunCount == 1 ? "1 run was" : "\(live.repeatedRunCount) runs were"
            sentences.append("\(runs) made again for that reason.")
        }
        if !machine.isEmpty {
            let load = live.machineLoad.map { ", with a load of \(short($0)) when it began" } ?? ""
            sentences.append("All of it ran on \(machine)\(load).")
        }
        return sentences + live.notes
    }

    /// Requests per second.
    func rate(of scenario: Scenario) -> Double? {
        live.map { scenario.arrivalRate / $0.unit * 1000 }
    }

    /// `, 900 a second`; empty for a simulated one.
    func rateWords(_ scenario: Scenario) -> String {
        rate(of: scenario).map { ", \(short(($0 * 10).rounded() / 10)) a second" } ?? ""
    }

    /// `1.234`, for numbers whose further digits are noise.
    private func rounded(_ number: Double) -> Double { (number * 1000).rounded() / 1000 }

    // MARK: - Against simulation

    /// The same cell, simulated.
    func simulatedCell(of contender: Contender, in scenario: Scenario, of file: String) -> Cell? {
        simulated.first { $0.file.name == file }?
            .variants.first { $0.scenario.variant == scenario.variant }?.cell(contender)
    }

    /// How much more live is than simulated, as a share of the latter: the same requests, run by
    /// run.
    func difference(
        _ measure: Measure, of cell: Cell, in scenario: Scenario, of file: String
    ) -> (simulated: Estimate, difference: Estimate)? {
        guard let other = simulatedCell(of: cell.contender, in: scenario, of: file) else {
            return nil
        }
        let count = min(cell.runs.count, other.runs.count)
        guard count > 0,
            let difference = Estimate.relativeDifference(
                of: Array(cell.values(measure).prefix(count)),
                from: Array(other.values(measure).prefix(count)))
        else { return nil }
        return (other.estimate(measure), difference)
    }

    /// A row for each strategy: live, simulated, and the difference in percent.
    func comparisonRows(_ variant: Comparison.Variant, of file: String) -> [[String]] {
        var rows: [[String]] = []
        for cell in variant.cells where !cell.runs.isEmpty {
            var row = [cell.contender.name]
            for measure in Self.compared {
                guard
                    let found = difference(measure, of: cell, in: variant.scenario, of: file)
                else { continue }
                row += [
                    Numbers.short(cell.estimate(measure).value),
                    Numbers.short(found.simulated.value),
                    Self.signedPercent(found.difference),
                ]
            }
            if row.count > 1 { rows.append(row) }
        }
        guard !rows.isEmpty else { return [] }
        let heading = Self.compared.flatMap { ["\($0.rawValue) live", "simulated", "differs by"] }
        return [["strategy"] + heading] + rows
    }

    /// `+1.8 ± 0.5 %`
    private static func signedPercent(_ estimate: Estimate) -> String {
        let tenths = (estimate.value * 1000).rounded() / 10
        let half = (estimate.halfWidth * 1000).rounded() / 10
        return "\(tenths > 0 ? "+" : "")\(short(tenths)) ± \(short(half)) %"
    }

    func comparisonText(_ variant: Comparison.Variant, of file: String) -> String {
        let rows = comparisonRows(variant, of: file)
        guard !rows.isEmpty else { return "" }
        return "  live against simulation, the same requests:\n" + Self.columns(rows)
    }

    func comparisonMarkdown(_ variant: Comparison.Variant, of file: String) -> String {
        let rows = comparisonRows(variant, of: file)
        guard let heading = rows.first else { return "" }
        var text = "Live against simulation, the same requests:\n\n"
        text += "| \(heading.joined(separator: " | ")) |\n"
        text += "| ---" + String(repeating: " | --:", count: heading.count - 1) + " |\n"
        for row in rows.dropFirst() { text += "| \(row.joined(separator: " | ")) |\n" }
        return text + "\n"
    }

    func comparisonHTML(_ variant: Comparison.Variant, of file: String) -> String {
        let rows = comparisonRows(variant, of: file)
        guard !rows.isEmpty else { return "" }
        return "<p>Live against simulation, the same requests:</p>\n"
            + HTML.table(rows.map { $0.map(HTML.escaped) })
    }

    // MARK: - JSON

    func writeLive(to writer: inout JSONWriter) {
        guard let live else { return }
        writer.object("live") { writer in
            writer.number("unit_ms", live.unit)
            writer.string("http", live.http)
            writer.number("send_lateness_p99.9_ms", live.sendLateness)
            writer.number("answer_lateness_p99.9_ms", live.answerLateness)
            writer.integer("client_connections", live.clientConnections)
            writer.integer("runs", live.runCount)
            writer.integer("repeated_runs", live.repeatedRunCount)
            if let load = live.machineLoad { writer.number("machine_load", load) }
            writer.strings("notes", live.notes)
        }
    }

    func writeSimulated(
        _ cell: Cell, in scenario: Scenario, of file: String, to writer: inout JSONWriter
    ) {
        guard simulatedCell(of: cell.contender, in: scenario, of: file) != nil else { return }
        writer.object("simulated") { writer in
            for measure in Self.compared {
                guard let found = difference(measure, of: cell, in: scenario, of: file) else {
                    continue
                }
                writer.object(measure.rawValue) { writer in
                    writer.number("value", found.simulated.value)
                    writer.number("relative_difference", found.difference.value)
                    writer.number("half_width", found.difference.halfWidth)
                }
            }
        }
    }
}
