import Reporting
import Scenarios
import Simulation
import Testing

/// A report that calls itself live, of simulated numbers: `live` with another seed than what it
/// is held against.
private func report(sameSeed: Bool) throws -> Report {
    let text = "title: Small\nservers: 4\nload: 0.8\nrequests: 3000"
    let outcome = ScenarioFile.read(text: Array(text.utf8), path: "t.yaml", name: "small")
    let file = try #require(outcome.file)
    let contenders = ["least-requests", "nginx/random", "random"].compactMap {
        Contender(name: $0)
    }
    func comparison(seed: UInt64) -> Comparison {
        var comparison = Comparison(file: file, contenders: contenders)
        for cell in contenders.indices {
            for repetition in 0..<3 {
                comparison.variants[0].cells[cell].add(
                    Simulator.run(
                        file.variants[0], contenders[cell], seed: seed, repetition: repetition))
            }
        }
        return comparison
    }
    var report = Report(
        comparisons: [comparison(seed: 5)], standard: contenders[0], seed: 5, repetitions: 3,
        version: "1.2.3", machine: "a machine")
    var facts = LiveFacts(unit: 10, http: "HTTP/2")
    facts.sendLateness = 0.4321
    facts.repeatedRunCount = 2
    facts.machineLoad = 0.25
    facts.notes = ["nginx: a version."]
    report.live = facts
    var simulated = comparison(seed: sameSeed ? 5 : 6)
    simulated.variants[0].cells.remove(at: 1)
    report.simulated = [simulated]
    return report
}

@Suite("A live report")
struct LiveReportTests {
    @Test("says that it is live, with rate, unit, protocol and lateness, in every form")
    func marked() throws {
        let report = try report(sameSeed: true)
        for text in [report.text(), report.markdown(), report.html()] {
            #expect(text.contains("Live: the real proxy over the loopback, HTTP/2"))
            #expect(text.contains("a mean service time is 10 ms"))
            #expect(text.contains("0.432 ms late or more"))
            #expect(text.contains("2 runs were made again for that reason."))
            #expect(text.contains("nginx: a version."))
            #expect(text.contains("ran on a machine, with a load of 0.25 when it began."))
            // 0.8 of four servers that take a request every 10 ms.
            #expect(text.contains("320 a second"), "\(text.prefix(3000))")
            #expect(text.contains("nginx/random"))
            #expect(!text.contains("Simulated in virtual time"))
        }
        let lines = report.csv().split(separator: "\n")
        #expect(lines[0].hasSuffix(",engine,http,unit_ms,requests_per_second"))
        #expect(lines.count == 4 && lines[3].hasSuffix(",live,HTTP/2,10,320"))
        let json = report.json()
        for part in [
            "\"engine\": \"live\"", "\"unit_ms\": 10", "\"http\": \"HTTP/2\"",
            "\"send_lateness_p99.9_ms\": 0.4321", "\"repeated_runs\": 2", "\"machine_load\": 0.25",
            "\"requests_per_second\": 320", "\"ejections\": null",
            "\"notes\": [\"nginx: a version.\"]",
        ] { #expect(json.contains(part), "\(part)") }
    }

    @Test("holds live against simulation, run by run, for strategies that both have")
    func differences() throws {
        let same = try report(sameSeed: true)
        #expect(same.text().contains("live against simulation, the same requests:"))
        #expect(same.text().contains("0 ± 0 %"))
        let json = same.json()
        #expect(json.split(separator: "\"simulated\": {").count == 3, "two of three strategies")
        #expect(json.contains("\"relative_difference\": 0"))
        let other = try report(sameSeed: false)
        #expect(!other.text().contains("0 ± 0 %"))
        #expect(other.markdown().contains("| strategy | mean live | simulated | differs by |"))
        #expect(other.html().contains("<th>p99 live</th>"))
    }

    @Test("reads and writes the names of other proxies' strategies")
    func names() throws {
        let contender = try #require(Contender(name: "haproxy/p2c:3"))
        #expect(contender.rival == .haproxy && contender.choices == 3)
        #expect(contender.name == "haproxy/p2c:3")
        #expect(Contender(name: "caddy/random") == nil)
        #expect(Contender(name: "nginx/nginx/random") == nil)
        #expect(Contender(name: "nginx/") == nil)
    }
}
