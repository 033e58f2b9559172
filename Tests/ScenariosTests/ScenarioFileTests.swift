import Configuration
import Foundation
import Health
import Scenarios
import Simulation
import Testing
import Timing

private func read(_ text: String) -> ScenarioFile.Outcome {
    ScenarioFile.read(text: Array(text.utf8), path: "test.yaml", name: "test")
}

@Suite("Scenario files")
struct ScenarioFileTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("config/scenarios")

    @Test("of the standard set are read without a mistake", arguments: StandardScenarios.names)
    func standard(name: String) throws {
        let outcome = try #require(StandardScenarios.read(name))
        #expect(outcome.diagnostics.isEmpty, "\(outcome.diagnostics.map(\.sentence))")
        let file = try #require(outcome.file)
        #expect(!file.title.isEmpty && !file.about.isEmpty && file.hash.count == 8)
        #expect(!file.variants.isEmpty)
        for variant in file.variants { #expect(variant.serverCount > 0 && !variant.isUnstable) }
    }

    @Test("in the program are those of config/scenarios: else run make scenarios")
    func embedded() throws {
        let onDisk = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
            .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
        #expect(onDisk == StandardScenarios.names.sorted())
        for name in onDisk {
            let file = Self.folder.appendingPathComponent("\(name).yaml")
            let text = try String(contentsOf: file, encoding: .utf8)
            let embedded = StandardScenarios.text(of: name)
            #expect(embedded.map { trimmed($0) } == trimmed(text), "\(name)")
        }
    }

    private func trimmed(_ text: String) -> String {
        text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("say all that a scenario can be")
    func everything() throws {
        let outcome = read(
            """
            title: All of it
            servers:
              - {count: 2, speed: 1.5, slots: 4, discipline: sharing, weight: 3}
              - {count: 1, backup: true, cold: {factor: 3, time: 50},
                 antagonist: {every: 20, lasts: 5, speed: 0.5}}
            load: 0.75
            service: lognormal 4
            mean: 20ms
            arrivals: {bursty: {peak: 2, length: 5, share: 20%}}
            requests: 5000
            workers: 3
            counts: own
            count_age: 0.5
            deadline: 12
            keys: {count: 50, zipf: 1.2, cache: 10, hit_cost: 0.1}
            proxy:
              slow_start: 5s
              outliers: {errors: 3, eject: 2s, max_ejected: 40%}
              retries: {attempts: 1, when: [connect, timeout, "503"], budget: 10%, backoff: off}
              response_timeout: 2s
              checks: {interval: 1s, timeout: 200ms, up_after: 1, see_errors: on}
              when_all_down: try
              hold_failed_slots: off
              panic_threshold: 60%
              requests_per_server: 12
              queue: 30
              queue_timeout: 3s
              load_header: on
            events:
              - {at: 10%, until: 20%, fault: flapping, down: 3, up: 4, servers: [1-2]}
              - {at: 300, for: 10, load: 2.5}
              - {at: 50%, join: {count: 2, speed: 2}}
              - {at: 60%, drain: [5]}
            """)
        #expect(outcome.diagnostics.isEmpty, "\(outcome.diagnostics.map(\.sentence))")
        let scenario = try #require(outcome.file?.variants.first)
        #expect(scenario.serverCount == 3 && scenario.groups[0].discipline == .sharing)
        #expect(scenario.groups[1].isBackup && scenario.groups[1].coldStart?.time == 50)
        #expect(scenario.service == .lognormal(scv: 4))
        #expect(scenario.arrivals == .bursty(peak: 2, length: 5, share: 0.2))
        #expect(!scenario.sharesCounts && scenario.countAge == 0.5 && scenario.deadline == 12)
        #expect(scenario.keys?.cache?.capacity == 10)
        #expect(scenario.proxy.retries.attempts == 1 && scenario.proxy.retries.onErrorAnswer)
        #expect(!scenario.proxy.retries.onReset && scenario.proxy.retries.backoff.base == .zero)
        #expect(scenario.proxy.outliers?.errors == 3 && scenario.proxy.triesAllWhenDown)
        #expect(scenario.proxy.checks?.seeErrors == true && !scenario.proxy.holdsFailedSlots)
        #expect(scenario.proxy.panicPercent == 60 && scenario.proxy.requestsPerServer == 12)
        #expect(scenario.proxy.queue == 30 && scenario.proxy.queueTimeout == .seconds(3))
        #expect(scenario.proxy.reportsLoad)
        #expect(scenario.disturbances.count == 4)
        #expect(scenario.disturbances[0].kind == .fault([0, 1], .flapping(down: 3, up: 4)))
        #expect(scenario.end(of: scenario.disturbances[1]) == 310)
        #expect(scenario.disturbances[3].kind == .drain([4]), "the second newcomer")
    }

    @Test("may have clients that wait for their answers")
    func closedLoop() throws {
        let outcome = read(
            "servers: 2\nload: 0.5\nrequests: 1000\narrivals: {closed: {clients: 7}}")
        #expect(outcome.file?.variants.first?.arrivals == .closed(clients: 7))
        let wrong = read(
            "servers: 2\nload: 0.5\nrequests: 1000\narrivals: {closed: {clients: 0}}")
        #expect(wrong.diagnostics.first?.sentence.contains("out of range") == true)
    }

    @Test("have variants that change some of it")
    func variants() throws {
        let file = try #require(
            read(
                """
                servers: 4
                load: 0.5
                requests: 1000
                variants:
                  - {name: light}
                  - {name: heavy, load: 0.9, service: det}
                """
            ).file)
        #expect(file.variants.map(\.variant) == ["light", "heavy"])
        #expect(file.variants.map(\.load) == [0.5, 0.9])
        #expect(file.variants[1].service == .constant && file.variants[0].service == .exponential)
    }

    @Test(
        "refuse nonsense with its place, its cause and a way out",
        arguments: [
            ("servers: 0\nload: 0.5\nrequests: 1000", 1, 10, "out of range"),
            ("servers: 3\nload: -1\nrequests: 1000", 2, 7, "not a number"),
            ("servers: 3\nload: 0.5\nrequests: 1000\nservice: expo", 4, 10, "not a law"),
            ("servers: 3\nlaod: 0.5\nload: 0.5\nrequests: 1000", 2, 1, "unknown key 'laod'"),
            ("servers: 3\nload: 0.5", 1, 1, "must have 'requests'"),
            ("servers: 3\nload: 0.5\nrequests: 1e6", 3, 11, "not a whole number"),
            (
                "servers: 3\nload: 0.5\nrequests: 1000\nevents: [{at: 50%, drain: [4]}]", 4, 28,
                "no server of this scenario"
            ),
            (
                "servers: 3\nload: 0.5\nrequests: 1000\nevents: [{at: 50%}]", 4, 10,
                "an event is one of"
            ),
            (
                "servers: 3\nload: 0.5\nrequests: 1000\n"
                    + "arrivals: {bursty: {peak: 5, share: 40%}}", 4, 20, "cannot last"
            ),
            (
                "servers: 3\nload: 0.5\nrequests: 1000\nstrategies: [least-request]", 4, 14,
                "not a strategy"
            ),
            (
                "servers: 3\nload: 0.5\nrequests: 1000\n"
                    + "events: [{at: 0, fault: hang, servers: [1], speed: 1}]", 4, 45,
                "means nothing to the fault"
            ),
            ("servers: [\nload", 1, 10, "never closed"),
        ])
    func mistakes(_ entry: (text: String, line: Int, column: Int, sentence: String)) throws {
        let outcome = read(entry.text)
        #expect(outcome.file == nil)
        let first = try #require(outcome.diagnostics.first)
        #expect(first.location.line == entry.line && first.location.column == entry.column)
        #expect(first.sentence.contains(entry.sentence), "\(first.sentence)")
        if !entry.sentence.isEmpty { #expect(first.help?.isEmpty == false) }
    }

    @Test("of an unstable load are read, and marked")
    func unstable() throws {
        let file = try #require(read("servers: 3\nload: 1.2\nrequests: 1000").file)
        #expect(file.variants[0].isUnstable)
    }

    @Test("have a hash that changes with the text")
    func hash() throws {
        let first = try #require(read("servers: 3\nload: 0.5\nrequests: 1000").file)
        let second = try #require(read("servers: 3\nload: 0.6\nrequests: 1000").file)
        #expect(first.hash != second.hash && first.hash.count == 8)
    }
}

@Suite("Laws in words")
struct WordTests {
    @Test(
        "are read as they are written",
        arguments: [
            ("exp", ServiceLaw.exponential), ("det", .constant), ("lognormal4", .lognormal(scv: 4)),
            ("bimodal 2% x10", .bimodal(share: 0.02, ratio: 10)),
            ("pareto 1.5", .pareto(shape: 1.5)),
        ])
    func laws(_ entry: (text: String, law: ServiceLaw)) throws {
        #expect(try ServiceLaw.parse(entry.text).get() == entry.law)
        #expect(try ServiceLaw.parse(entry.law.words).get() == entry.law)
    }

    @Test("are refused when they are none", arguments: ["", "pareto 1", "lognormal", "x"])
    func refused(text: String) {
        #expect(throws: (any Error).self) { try ServiceLaw.parse(text).get() }
    }
}

@Suite("Access logs")
struct TrafficLogTests {
    @Test("of this proxy give arrivals, waits and servers")
    func own() {
        let log = TrafficLog(
            text: """
                {"time":"2026-11-23T18:08:50.607Z","server":"a","ms":{"wait":40,"total":100}}
                {"time":"2026-11-23T18:08:51.007Z","server":"b","ms":{"wait":80,"total":100}}
                nonsense
                """)
        #expect(log.arrivals.count == 2 && log.servers == ["a", "b"])
        #expect(abs(log.arrivals[1] - log.arrivals[0] - 0.4) < 1e-6)
        #expect(abs(log.meanDuration - 0.06) < 1e-9)
        #expect(log.refusedCount == 1 && log.firstRefused?.number == 3)
        #expect(log.lineCount == 3)
    }

    @Test("of HAProxy and of nginx are understood, whole seconds are spread")
    func others() {
        let haproxy = TrafficLog(
            text: "Feb 6 12:14:14 host haproxy[14389]: 10.0.1.2:33317 "
                + "[06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - "
                + "---- 1/1/1/1/0 0/0 {1wt.eu} {} \"GET /index.html HTTP/1.1\"")
        #expect(haproxy.arrivals == [1_233_922_454.655])
        #expect(haproxy.durations == [0.069] && haproxy.servers == ["static/srv1"])
        let nobody = TrafficLog(
            text: """
                10.0.1.2:33317 [06/Feb/2009:12:14:14.655] web web/<NOSRV> -1/-1/-1/-1/0 400 0 - - \
                PR-- 1/1/0/0/0 0/0 "<BADREQ>"
                10.0.1.2:33318 [06/Feb/2009:12:14:15.655] web app/<NOSRV> 0/-1/-1/-1/5 503 217 - - \
                SC-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"
                """)
        #expect(nobody.arrivals.count == 1 && nobody.servers.isEmpty && nobody.refusedCount == 0)
        let line = "1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 2 \"-\" \"-\""
        let combined = TrafficLog(text: "\(line)\n\(line) 0.250\n")
        #expect(combined.hasWholeSeconds && combined.durations == [0.25])
        #expect(combined.arrivals.count == 2 && combined.arrivals[0] < combined.arrivals[1])
        #expect(combined.arrivals.allSatisfy { (971_211_336...971_211_337).contains($0) })
        #expect(TrafficLog(text: "\(line)\n\(line) 0.250\n").arrivals == combined.arrivals)
    }

    @Test("with whole seconds look like the traffic of many clients, not like a clock")
    func seconds() {
        var text = ""
        for index in 0..<2000 {
            let second = index / 40
            text += "1.2.3.4 - - [10/Oct/2000:13:55:\(10 + second) +0000] \"GET / HTTP/1.0\" 200 2"
            text += " \"-\" \"-\"\n"
        }
        let log = TrafficLog(text: text)
        #expect(log.arrivals.count == 2000 && abs(log.rate - 40) < 1)
        #expect(abs(log.gapVariation - 1) < 0.2, "\(log.gapVariation)")
    }

    @Test("fit a service law that keeps mean and variance")
    func fit() throws {
        var text = ""
        for index in 0..<400 {
            let wait = index % 4 == 0 ? 70 : 10
            let second = 10 + index / 10
            let millisecond = 100 + index % 10 * 80
            text +=
                "{\"time\":\"2026-11-23T18:08:\(second).\(millisecond)Z\",\"server\":\"a\","
                + "\"ms\":{\"wait\":\(wait),\"total\":\(wait)}}\n"
        }
        let log = TrafficLog(text: text)
        let law = try #require(log.serviceLaw)
        #expect(abs(log.meanDuration - 0.025) < 1e-9)
        #expect(abs(law.scv - log.durationVariation) < 0.02)
        #expect(abs(log.rate - 10) < 0.3)
    }
}
