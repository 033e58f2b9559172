import Scenarios
public import Simulation
import Statistics

/// What a comparison says, in words, with its interval; "no difference" where that is the truth.
public enum Verdict {
    /// One strategy against another in one variant: `least-requests beats p2c by 24 ± 2 % at p99;
    /// no difference at p50`.
    public static func sentence(
        _ a: Contender, against b: Contender, in variant: Comparison.Variant
    ) -> String {
        var parts: [String] = []
        if let errors = errorPart(a, against: b, in: variant) { parts.append(errors) }
        for measure in [Measure.p99, .p50] {
            let isFirst = parts.isEmpty
            parts.append(durationPart(measure, a, against: b, in: variant, isFirst: isFirst))
        }
        return parts.joined(separator: "; ")
    }

    private static func durationPart(
        _ measure: Measure, _ a: Contender, against b: Contender,
        in variant: Comparison.Variant, isFirst: Bool
    ) -> String {
        guard let gain = variant.relativeDifference(measure, of: a, from: b) else {
            return "nothing to compare at \(measure.rawValue)"
        }
        guard gain.halfWidth.isFinite else {
            return "one run does not tell a difference at \(measure.rawValue)"
        }
        let subject = isFirst ? "\(a.name) " : ""
        let object = isFirst ? " \(b.name)" : ""
        if gain.includesZero {
            return isFirst
                ? "no difference between \(a.name) and \(b.name) at \(measure.rawValue)"
                : "no difference at \(measure.rawValue)"
        }
        let verb = gain.value < 0 ? "beats" : "loses to"
        // How much shorter the better one is: a share of the worse one's.
        let better =
            gain.value < 0
            ? gain : variant.relativeDifference(measure, of: b, from: a) ?? gain
        return "\(subject)\(verb)\(object) by "
            + Numbers.percentRange(better.value, better.halfWidth) + " at \(measure.rawValue)"
    }

    /// `nil` when neither loses requests that the other does not.
    private static func errorPart(
        _ a: Contender, against b: Contender, in variant: Comparison.Variant
    ) -> String? {
        guard let difference = variant.difference(.errors, of: a, from: b),
            let first = variant.cell(a), let second = variant.cell(b),
            !difference.includesZero, abs(difference.value) >= 0.0005
        else { return nil }
        let mine = Numbers.percent(first.estimate(.errors).value)
        let other = Numbers.percent(second.estimate(.errors).value)
        let verb = difference.value < 0 ? "beats" : "loses to"
        return "\(a.name) \(verb) \(b.name) in errors, \(mine) % against \(other) %"
    }

    // MARK: - Over all scenarios

    /// How a strategy stands against another over the variants of a report.
    public struct Tally: Sendable, Equatable {
        public var better = 0
        public var same = 0
        public var worse = 0
    }

    /// By p99, or by errors where they differ.
    public static func tally(
        of a: Contender, against b: Contender, in report: Report
    ) -> Tally {
        var tally = Tally()
        for comparison in report.comparisons {
            for variant in comparison.variants {
                switch order(of: a, against: b, in: variant) {
                case -1: tally.better += 1
                case 1: tally.worse += 1
                case 0: tally.same += 1
                default: break
                }
            }
        }
        return tally
    }

    /// −1 for the first being better, 1 for the second, 0 for no difference; `nil` when they
    /// cannot be compared.
    public static func order(
        of a: Contender, against b: Contender, in variant: Comparison.Variant
    ) -> Int? {
        guard let errors = variant.difference(.errors, of: a, from: b) else { return nil }
        if !errors.includesZero, abs(errors.value) >= 0.0005 { return errors.value < 0 ? -1 : 1 }
        guard let gain = variant.relativeDifference(.p99, of: a, from: b) else { return nil }
        return gain.includesZero ? 0 : gain.value < 0 ? -1 : 1
    }

    /// The strategy that beats the standard one in the most variants more than it loses, of
    /// those that ran in half of them at least; `nil` when there is none. Another proxy's is none
    /// to choose.
    public static func betterStandard(in report: Report) -> (Contender, Tally)? {
        var best: (Contender, Tally)?
        for contender in contenders(of: report)
        where contender != report.standard && contender.rival == nil {
            let tally = tally(of: contender, against: report.standard, in: report)
            // One that ran in a few scenarios only is no answer to all traffic.
            let count = tally.better + tally.same + tally.worse
            guard tally.better > tally.worse,
                2 * count >= caseCount(of: report.standard, in: report)
            else { continue }
            if tally.better - tally.worse > (best.map { $0.1.better - $0.1.worse } ?? 0) {
                best = (contender, tally)
            }
        }
        return best
    }

    static func contenders(of report: Report) -> [Contender] {
        var seen: [Contender] = []
        for comparison in report.comparisons {
            for variant in comparison.variants {
                for cell in variant.cells where !seen.contains(cell.contender) {
                    seen.append(cell.contender)
                }
            }
        }
        return seen
    }

    /// What the report opens with: how the standard strategy stands, in a few sentences.
    public static func summary(of report: Report) -> [String] {
        let name = report.standard.name
        guard contenders(of: report).count > 1 else {
            return ["\(name) ran alone: there is nothing to compare."]
        }
        let beaten = casesLost(by: report.standard, in: report)
        let count = caseCount(of: report.standard, in: report)
        guard count > 0 else { return ["\(name) did not run."] }
        var sentences = [
            "\(name) is the best, or not told from the best, in \(count - beaten.count) of "
                + "\(count) cases: by errors, and by p99 where errors are alike."
        ]
        if !beaten.isEmpty {
            let list = beaten.prefix(8).map { "\($0.title) (\($0.best.name))" }
            let rest = beaten.count > 8 ? ", and \(beaten.count - 8) more" : ""
            sentences.append(
                "Another is better in: \(list.joined(separator: "; "))\(rest).")
        }
        if let (better, tally) = betterStandard(in: report) {
            sentences.append(
                "\(better.name) is better than \(name) in \(tally.better) of \(count) cases and "
                    + "worse in \(tally.worse): look at those before you choose.")
        } else {
            sentences.append(
                "No strategy that fits all of the traffic is better than \(name) more often than "
                    + "worse.")
        }
        return sentences
    }

    private static func caseCount(of standard: Contender, in report: Report) -> Int {
        report.comparisons.reduce(0) { sum, comparison in
            sum + comparison.variants.count { $0.cell(standard)?.runs.isEmpty == false }
        }
    }

    /// The variants in which some strategy is better than `standard`, with the one that has the
    /// fewest errors or, among alike, the least p99.
    private static func casesLost(
        by standard: Contender, in report: Report
    ) -> [(title: String, best: Contender)] {
        var lost: [(title: String, best: Contender)] = []
        for comparison in report.comparisons {
            for variant in comparison.variants {
                let better = variant.cells.map(\.contender).filter {
                    order(of: $0, against: standard, in: variant) == -1
                }
                guard var best = better.first else { continue }
                for other in better.dropFirst()
                where order(of: other, against: best, in: variant) == -1 {
                    best = other
                }
                let name = variant.scenario.variant
                let title =
                    name.isEmpty ? comparison.file.name : "\(comparison.file.name), \(name)"
                lost.append((title, best))
            }
        }
        return lost
    }

    /// By strategy: in how many cases the standard one is better, the same and worse.
    static func tallies(of report: Report) -> [(contender: Contender, tally: Tally)] {
        contenders(of: report).filter { $0 != report.standard }
            .map { ($0, tally(of: report.standard, against: $0, in: report)) }
            .filter { $0.1.better + $0.1.same + $0.1.worse > 0 }
    }
}
