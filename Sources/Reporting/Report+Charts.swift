import Scenarios
import Simulation
import Statistics
import Theory

/// The drawings of a report.
extension Report {
    private static let shares: [Double] = {
        var shares: [Double] = []
        // From the median to 99.99 %, even steps in nines.
        var rest = 0.5
        while rest > 0.000_099 {
            shares.append(1 - rest)
            rest *= 0.8
        }
        return shares + [0.9999]
    }()

    private func colour(_ contender: Contender) -> String {
        let all = Verdict.contenders(of: self)
        let index = all.firstIndex(of: contender) ?? 0
        let standardIndex = all.firstIndex(of: standard) ?? 0
        return "c\((index == standardIndex ? 0 : index < standardIndex ? index + 1 : index) % 16)"
    }

    /// Response time against the share of requests that were as fast.
    func percentileChart(_ variant: Comparison.Variant) -> String {
        var lines: [Chart.Line] = []
        for cell in variant.cells where cell.durations.count > 0 {
            let values = cell.durations.quantiles(Self.shares)
            let points = zip(Self.shares, values).compactMap { share, value in
                value.map { (x: share, y: $0) }
            }
            lines.append(
                Chart.Line(
                    name: cell.contender.name, style: colour(cell.contender), points: points,
                    isStrong: cell.contender == standard))
        }
        for theory in TheoryLine.lines(for: variant.scenario) {
            guard let tail = theory.tail else { continue }
            let points = Self.shares.map { (x: $0, y: Queueing.quantile($0, tail: tail)) }
            lines.append(Chart.Line(name: theory.name, style: "theory", points: points))
        }
        let all = lines.flatMap { $0.points.map(\.y) }.filter { $0 > 0 }
        let chart = Chart(
            title: "Response time by percentile", xName: "share of requests",
            yName: "mean service times", xScale: .nines, yScale: .logarithmic,
            xRange: 0.5...0.9999, yRange: Self.range(all, isLogarithmic: true),
            xTicks: [
                (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"),
                (0.9999, "99.99 %"),
            ],
            lines: lines)
        return chart.svg()
    }

    /// p99 against load, when the variants of a scenario differ in nothing else.
    func loadChart(_ comparison: Comparison) -> String? {
        let loads = comparison.variants.map(\.scenario.load)
        guard Set(loads).count > 2, loads == loads.sorted() else { return nil }
        let contenders = comparison.variants[0].cells.map(\.contender)
        func chart(_ measure: Measure, _ title: String) -> String {
            var lines = contenders.map { contender in
                Chart.Line(
                    name: contender.name, style: colour(contender),
                    points: comparison.variants.compactMap { variant in
                        guard let cell = variant.cell(contender), !cell.runs.isEmpty else {
                            return nil
                        }
                        return (x: variant.scenario.load, y: cell.estimate(measure).value)
                    }, isStrong: contender == standard)
            }
            if measure == .mean {
                let known = comparison.variants.map { TheoryLine.lines(for: $0.scenario) }
                for index in known[0].indices where known.allSatisfy({ $0.count > index }) {
                    lines.append(
                        Chart.Line(
                            name: known[0][index].name, style: "theory",
                            points: zip(loads, known).map { (x: $0, y: $1[index].mean) }))
                }
            }
            let all = lines.flatMap { $0.points.map(\.y) }.filter { $0 > 0 }
            return Chart(
                title: title, xName: "load", yName: "mean service times", yScale: .logarithmic,
                xRange: (loads.first ?? 0)...(loads.last ?? 1),
                yRange: Self.range(all, isLogarithmic: true), lines: lines
            ).svg()
        }
        return chart(.mean, "Mean response time against load")
            + chart(.p99, "99th percentile against load")
    }

    // MARK: - Over time

    private static func range(_ values: [Double], isLogarithmic: Bool) -> ClosedRange<Double> {
        guard let low = values.min(), let high = values.max() else { return 0.1...1 }
        if isLogarithmic { return low * 0.85...max(high * 1.15, low * 2) }
        return 0...max(high * 1.1, 0.001)
    }

    /// Mean response time by the time that requests were answered.
    func timeChart(_ variant: Comparison.Variant) -> String {
        let scenario = variant.scenario
        var lines: [Chart.Line] = []
        for cell in variant.cells where !cell.stretches.isEmpty {
            let length = scenario.horizon / Double(cell.stretches.count)
            let points = cell.stretches.enumerated().compactMap { index, stretch in
                stretch.answered > 0
                    ? (x: (Double(index) + 0.5) * length, y: stretch.mean) : nil
            }
            lines.append(
                Chart.Line(
                    name: cell.contender.name, style: colour(cell.contender), points: points,
                    isStrong: cell.contender == standard))
        }
        let all = lines.flatMap { $0.points.map(\.y) }.filter { $0 > 0 }
        return Chart(
            title: "Mean response time over the run", xName: "time, mean service times",
            yName: "mean service times", yScale: .logarithmic, xRange: 0...scenario.horizon,
            yRange: Self.range(all, isLogarithmic: true), lines: lines,
            marks: Self.marks(of: scenario)
        ).svg()
    }

    /// The share of picks of each server over the run, of the standard strategy.
    func shareChart(_ variant: Comparison.Variant) -> String {
        guard let cell = variant.cell(standard), !cell.stretches.isEmpty else { return "" }
        let scenario = variant.scenario
        let length = scenario.horizon / Double(cell.stretches.count)
        // Pairs of stretches, so that chance does not hide what happens.
        var lines: [Chart.Line] = []
        for server in cell.servers.indices {
            var points: [(x: Double, y: Double)] = []
            for index in stride(from: 0, to: cell.stretches.count - 1, by: 2) {
                let pair = [cell.stretches[index], cell.stretches[index + 1]]
                let total = pair.reduce(0) { $0 + $1.picks.reduce(0, +) }
                let own = pair.reduce(0) { sum, stretch in
                    sum + (server < stretch.picks.count ? stretch.picks[server] : 0)
                }
                guard total > 0 else { continue }
                points.append((x: (Double(index) + 1) * length, y: Double(own) / Double(total)))
            }
            lines.append(
                Chart.Line(
                    name: cell.servers[server].name, style: "c\((server + 1) % 16)",
                    points: points))
        }
        let all = lines.flatMap { $0.points.map(\.y) }
        return Chart(
            title: "Share of the picks of each server, \(standard.name)",
            xName: "time, mean service times", yName: "share", xRange: 0...scenario.horizon,
            yRange: Self.range(all, isLogarithmic: false), lines: lines,
            marks: Self.marks(of: scenario)
        ).svg()
    }

    /// How a newcomer's share grows, pick by pick.
    func newcomerChart(_ variant: Comparison.Variant) -> String {
        var lines: [Chart.Line] = []
        var fair = 0.0
        for cell in variant.cells {
            guard let newcomer = cell.newcomers.first, newcomer.windows.count > 4 else { continue }
            fair = newcomer.fairShare
            let points = newcomer.shares.prefix(60).enumerated().map { index, share in
                (x: (Double(index) + 0.5) * Double(RunResult.Newcomer.windowLength), y: share)
            }
            lines.append(
                Chart.Line(
                    name: cell.contender.name, style: colour(cell.contender),
                    points: Array(points), isStrong: cell.contender == standard))
        }
        guard !lines.isEmpty else { return "" }
        let end = lines.flatMap { $0.points.map(\.x) }.max() ?? 1
        lines.append(
            Chart.Line(
                name: "its fair share", style: "theory",
                points: [(x: 0, y: fair), (x: end, y: fair)]
            ))
        let all = lines.flatMap { $0.points.map(\.y) }
        return Chart(
            title: "The first newcomer's share of the picks", xName: "picks since it joined",
            yName: "share", xRange: 0...end, yRange: Self.range(all, isLogarithmic: false),
            lines: lines
        ).svg()
    }

    func newcomerTable(_ variant: Comparison.Variant) -> String {
        let cells = variant.cells.filter { !$0.newcomers.isEmpty }
        guard !cells.isEmpty else { return "" }
        let heading = [
            "newcomer under", "picks until its share is fair for good", "overshoot of 200 picks",
            "most of any 50 picks", "the same while warming", "longest run",
        ]
        let rows = cells.map { cell -> [String] in
            let newcomer = cell.newcomers[0]
            let until = newcomer.convergenceWindow.map {
                Numbers.grouped($0 * RunResult.Newcomer.windowLength)
            }
            return [
                HTML.escaped(cell.contender.name), until ?? "never here",
                Numbers.percent(newcomer.overshoot) + " %", "\(newcomer.peakBurst)",
                newcomer.warmingBursts > 0 ? "\(newcomer.peakWarmingBurst)" : "\u{2013}",
                "\(newcomer.longestRun)",
            ]
        }
        return HTML.table([heading] + rows)
    }

    static func marks(of scenario: Scenario) -> [Chart.Mark] {
        scenario.disturbances.enumerated().map { index, disturbance in
            let name: String =
                switch disturbance.kind {
                case .join: "joins"
                case .drain: "drains"
                case .leave: "is killed"
                case .rolling: "restarts begin"
                case .load(let factor): index == 0 ? "load × \(short(factor))" : ""
                case .fault(_, let fault): Self.word(of: fault)
                }
            return Chart.Mark(
                x: scenario.beginning(of: disturbance), end: scenario.end(of: disturbance),
                name: name)
        }
    }

    private static func word(of fault: Fault) -> String {
        switch fault {
        case .failFast: "fails fast"
        case .hang: "hangs"
        case .slow: "is slow"
        case .errors: "errs"
        case .refuse: "refuses"
        case .flapping: "flaps"
        }
    }
}
