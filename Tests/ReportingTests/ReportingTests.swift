import Balancing
import Reporting
import Scenarios
import Simulation
import Statistics
import Testing

private func report(
    _ text: String = "title: Small\nservers: 4\nload: 0.8\nrequests: 3000",
    _ names: [String] = ["least-requests", "p2c", "random"], repetitions: Int = 4
) throws -> Report {
    let outcome = ScenarioFile.read(text: Array(text.utf8), path: "t.yaml", name: "small")
    let file = try #require(outcome.file)
    let contenders = names.compactMap { Contender(name: $0) }
    var comparison = Comparison(file: file, contenders: contenders)
    for variant in comparison.variants.indices {
        for cell in contenders.indices {
            for repetition in 0..<repetitions {
                let scenario = comparison.variants[variant].scenario
                comparison.variants[variant].cells[cell].add(
                    Simulator.run(
                        scenario, contenders[cell], seed: 5, repetition: repetition))
            }
        }
    }
    return Report(
        comparisons: [comparison], standard: Contender(.leastRequests), seed: 5,
        repetitions: repetitions, version: "1.2.3", machine: "a machine")
}

@Suite("Verdicts")
struct VerdictTests {
    @Test("name the better one with an interval, and no difference where there is none")
    func words() throws {
        let report = try report()
        let variant = report.comparisons[0].variants[0]
        let better = Verdict.sentence(
            Contender(.leastRequests), against: Contender(.random), in: variant)
        #expect(better.contains("least-requests beats random by"), "\(better)")
        #expect(better.contains("± ") && better.contains("% at p99"))
        let worse = Verdict.sentence(
            Contender(.random), against: Contender(.leastRequests), in: variant)
        #expect(worse.contains("random loses to least-requests by"), "\(worse)")
        let same = Verdict.sentence(
            Contender(.random), against: Contender(.random), in: variant)
        #expect(same == "no difference between random and random at p99; no difference at p50")
    }

    @Test("put lost requests before fast ones")
    func errors() throws {
        let report = try report(
            """
            servers: 4
            load: 0.5
            requests: 3000
            proxy: {hold_failed_slots: off, retries: off, outliers: off}
            events: [{at: 0, fault: refuse, servers: [1]}]
            """, ["least-requests", "round-robin", "random"])
        let variant = report.comparisons[0].variants[0]
        let sentence = Verdict.sentence(
            Contender(.leastRequests), against: Contender(.roundRobin), in: variant)
        #expect(sentence.hasPrefix("least-requests loses to round-robin in errors"), "\(sentence)")
        #expect(
            Verdict.order(
                of: Contender(.leastRequests), against: Contender(.roundRobin), in: variant) == 1)
    }

    @Test("say when another strategy would be the better standard")
    func standard() throws {
        var report = try report()
        #expect(Verdict.betterStandard(in: report) == nil)
        report.standard = Contender(.random)
        let better = try #require(Verdict.betterStandard(in: report))
        #expect(better.1.better > better.1.worse)
        #expect(Verdict.summary(of: report).joined().contains("is better than random"))
    }
}

@Suite("Estimates of a cell")
struct CellTests {
    @Test("take percentiles from all times together, not from a mean of percentiles")
    func percentiles() throws {
        let cell = try #require(try report().comparisons[0].variants[0].cells.first)
        var merged = Durations()
        let scenario = try #require(
            ScenarioFile.read(
                text: Array("servers: 4\nload: 0.8\nrequests: 3000".utf8), path: "t", name: "t"
            ).file?.variants.first)
        for repetition in 0..<4 {
            merged.add(
                Simulator.run(
                    scenario, Contender(.leastRequests), seed: 5, repetition: repetition
                ).durations)
        }
        #expect(cell.estimate(.p99).value == merged.quantile(0.99))
        #expect(cell.estimate(.p99).halfWidth == Estimate(ofRuns: cell.values(.p99)).halfWidth)
        #expect(cell.requestCount == 4 * 2700 && cell.runs.count == 4)
    }
}

@Suite("Assertions")
struct AssertionTests {
    @Test(
        "hold or fail by the numbers",
        arguments: [
            ("p99(least-requests) <= 1.05*p99(p2c)", true), ("mean(random) < mean(p2c)", false),
            ("errors(random) == 0", true), ("p50(p2c)/p50(random) > 2", false),
            ("mean(random) - mean(p2c) >= 10% * mean(p2c)", true),
        ])
    func results(_ entry: (text: String, holds: Bool)) throws {
        let results = try Assertion(entry.text).results(in: try report())
        #expect(results.count == 1)
        #expect(results.first?.holds == entry.holds)
    }

    @Test(
        "are refused at the character that is wrong",
        arguments: [
            ("p99(p2c)", 8), ("p98(p2c) < 1", 0), ("p99(p2cc) < 1", 4), ("p99(p2c) < ", 11),
            ("p99(p2c) < 1 2", 13), ("1 < 2 x", 6),
        ])
    func mistakes(_ entry: (text: String, offset: Int)) {
        #expect {
            try Assertion(entry.text)
        } throws: { error in
            (error as? Assertion.Mistake)?.offset == entry.offset
        }
    }

    @Test("about a strategy that did not run have no result, which is a failure")
    func nobody() throws {
        #expect(try Assertion("p99(maglev) < 1").results(in: try report()).isEmpty)
    }
}

@Suite("Reports")
struct ReportTests {
    private static let eventful = """
        title: Small & <quick>
        about: Something happens.
        servers: 4
        load: 0.8
        requests: 3000
        proxy: default
        events: [{at: 40%, join: {count: 1}}, {at: 70%, drain: [2]}]
        """

    @Test("of the same numbers are the same bytes, in every form")
    func bytes() throws {
        let first = try report(Self.eventful)
        let second = try report(Self.eventful)
        #expect(first.json() == second.json())
        #expect(first.html() == second.html())
        #expect(first.markdown() == second.markdown())
        #expect(first.csv() == second.csv())
        #expect(first.text() == second.text())
    }

    @Test("on a page need nothing else, and open with the verdict")
    func page() throws {
        let page = try report(Self.eventful).html()
        for outside in ["http://", "https://", "<script", "<link", "@import", "url("] {
            #expect(!page.contains(outside), "\(outside)")
        }
        let verdict = try #require(page.firstRange(of: "class=\"verdict\""))
        let table = try #require(page.firstRange(of: "<table"))
        #expect(verdict.lowerBound < table.lowerBound)
        #expect(page.contains("prefers-color-scheme:dark") && page.contains("@media print"))
        #expect(page.contains("Small &amp; &lt;quick&gt;") && !page.contains("<quick>"))
        #expect(page.contains("joins") && page.contains("drains"), "events are marked")
        #expect(page.contains("newcomer under"))
        #expect(page.ranges(of: "<svg").count >= 4)
        #expect(page.contains("a machine") && page.contains("seed 5"))
        #expect(!page.contains("nan") && !page.contains("inf"))
    }

    @Test("draw theory where it is known")
    func theory() throws {
        let page = try report().html()
        #expect(page.contains("M/M/1 (random)") && page.contains("line theory"))
        #expect(!(try report(Self.eventful).html().contains("M/M/1")))
    }

    @Test("mark an unstable load")
    func unstable() throws {
        let report = try report("servers: 4\nload: 1.2\nrequests: 2000", ["random"])
        #expect(report.text().contains("UNSTABLE"))
        #expect(report.html().contains("Unstable"))
        #expect(report.json().contains("\"unstable\": true"))
    }

    @Test("as JSON have the documented keys")
    func json() throws {
        let json = try report(Self.eventful).json()
        for key in [
            "format", "version", "seed", "repetitions", "scenarios", "hash", "strategies", "mean",
            "p50", "p90", "p99", "p99.9", "max", "errors", "jain", "shares", "utilisation",
            "half_width", "runs", "failures", "newcomers", "p99_against_standard",
            "no_difference",
        ] {
            #expect(json.contains("\"\(key)\":"), "\(key)")
        }
        #expect(json.hasSuffix("}\n"))
    }

    @Test("as CSV have a line for each strategy and variant")
    func csv() throws {
        let lines = try report().csv().split(separator: "\n")
        #expect(lines.count == 4)
        let columns = lines.map { $0.split(separator: ",", omittingEmptySubsequences: false).count }
        #expect(Set(columns).count == 1)
    }
}

@Suite("The check against theory")
struct TheoryCheckTests {
    @Test("agrees where the numbers do, and not where they do not")
    func verdict() throws {
        let line = try #require(TheoryCheck.lines.first)
        let near = TheoryCheck.verdict(on: line, means: [1.99, 2.01, 2.0, 2.005])
        #expect(near.agrees)
        let far = TheoryCheck.verdict(on: line, means: [2.19, 2.21, 2.2, 2.205])
        #expect(!far.agrees)
        // Too much noise proves nothing.
        let noisy = TheoryCheck.verdict(on: line, means: [1, 3, 1.5, 2.5])
        #expect(!noisy.agrees)
    }

    @Test("has every model of the table")
    func lines() {
        let names = TheoryCheck.lines.map(\.name).joined()
        for model in [
            "M/M/1", "E10/M/1", "M/M/100", "supermarket, d = 5", "M/D/1", "sharing",
            "shortest queue",
        ] {
            #expect(names.contains(model), "\(model)")
        }
        #expect(
            Set(TheoryCheck.lines.map(\.load)).isSuperset(of: [0.5, 0.7, 0.8, 0.9, 0.95, 0.99]))
    }
}
