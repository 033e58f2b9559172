import Foundation
import TestSupport
import Testing

@Suite("The live bench", .onStage)
struct LiveBenchPlays {
    private struct Refused: Error {}

    /// Runs `staithe bench strategies --live`. On a machine that cannot keep the times of the
    /// bench there must be no numbers, and a sentence that says so.
    ///
    /// - Returns: the report; `nil` when the machine was too busy.
    private func report(_ arguments: [String]) throws -> [String: Any]? {
        let directory = TemporaryDirectory()
        let file = directory.file("report.json")
        let result = try ProxyProcess.command(
            ["bench", "strategies", "--live", "--json", file] + arguments, seconds: 300)
        guard result.status == 0 else {
            #expect(result.status == 1, "\(result.errors)")
            #expect(result.errors.contains("no result. "), "\(result.errors)")
            #expect(result.errors.contains("too late"), "\(result.errors)")
            #expect(result.output.isEmpty && !Machine.exists(file))
            return nil
        }
        #expect(result.output.contains("Live: the real proxy"), "\(result.output)")
        let data = try Data(contentsOf: URL(fileURLWithPath: file))
        return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func strategies(_ report: [String: Any]) throws -> [[String: Any]] {
        let scenarios = try #require(report["scenarios"] as? [[String: Any]])
        let variants = try #require(scenarios[0]["variants"] as? [[String: Any]])
        return try #require(variants[0]["strategies"] as? [[String: Any]])
    }

    private func value(_ measure: String, _ strategy: [String: Any]) throws -> Double {
        try #require((strategy[measure] as? [String: Any])?["value"] as? Double)
    }

    @Test("plays the requests of the simulator against the real proxy, and comes near it")
    func nearSimulation() throws {
        guard
            let report = try report([
                "--sim", "--servers", "4", "--load", "0.5", "--requests", "240", "--reps", "2",
                "--unit", "40ms", "--strategies", "round-robin,least-requests",
            ])
        else { return }
        #expect(report["engine"] as? String == "live")
        #expect(report["partial"] as? Bool == false)
        let live = try #require(report["live"] as? [String: Any])
        #expect(live["unit_ms"] as? Double == 40 && live["http"] as? String == "HTTP/1.1")
        #expect(live["runs"] as? Int == 4)
        #expect(try #require(live["send_lateness_p99.9_ms"] as? Double) > 0)
        for strategy in try strategies(report) {
            let name = try #require(strategy["strategy"] as? String)
            #expect(strategy["runs"] as? Int == 2 && strategy["counted_requests"] as? Int == 432)
            #expect(try value("errors", strategy) == 0 && value("goodput", strategy) == 1)
            #expect(try value("retries", strategy) == 0)
            let shares = try #require(strategy["shares"] as? [Double])
            #expect(shares.count == 4)
            for share in shares {
                let bound = name == "round-robin" ? 0.01 : 0.12
                #expect(abs(share - 0.25) <= bound, "\(name): \(shares)")
            }
            let simulated = try #require(strategy["simulated"] as? [String: Any])
            let mean = try #require(simulated["mean"] as? [String: Any])
            let difference = try #require(mean["relative_difference"] as? Double)
            #expect(abs(difference) < 0.35, "\(name): \(difference)")
            #expect(try value("mean", strategy) > 0.9)
        }
    }

    @Test("lets servers fail, join and leave as the scenario says, over HTTP/2 as well")
    func events() throws {
        let directory = TemporaryDirectory()
        try directory.write(
            """
            servers: 3
            load: 0.4
            requests: 300
            service: constant
            proxy: {slow_start: off, retries: off, outliers: off}
            events:
              - {at: 0, until: 30%, fault: fail-fast, after: 0.1, servers: [1]}
              - {at: 40%, join: {count: 1}}
              - {at: 70%, drain: [2]}
            """, to: "events.yaml")
        guard
            let report = try report([
                "--scenario", directory.file("events.yaml"), "--reps", "1", "--unit", "30ms",
                "--http", "2", "--strategies", "round-robin",
            ])
        else { return }
        let live = try #require(report["live"] as? [String: Any])
        #expect(live["http"] as? String == "HTTP/2")
        let strategy = try #require(try strategies(report).first)
        let failures = try #require(strategy["failures"] as? [String: Int])
        // A third of those that came from a tenth to three tenths of the run.
        #expect(failures.keys.sorted() == ["error_answer"], "\(failures)")
        #expect((10...30).contains(failures["error_answer"] ?? 0), "\(failures)")
        let shares = try #require(strategy["shares"] as? [Double])
        #expect(shares.count == 4)
        // Servers 1 and 3 are there all the time, 2 leaves and 4 comes.
        #expect(shares[1] > 0.1 && shares[1] < shares[2] - 0.03, "\(shares)")
        #expect(shares[3] > 0.1 && shares[3] < shares[2] - 0.03, "\(shares)")
        let newcomers = try #require(strategy["newcomers"] as? [[String: Any]])
        #expect(newcomers.count == 1 && newcomers[0]["server"] as? Int == 4)
    }

    @Test(
        "has other proxies in the same table",
        .enabled(if: Machine.program("haproxy") != nil || Machine.program("nginx") != nil))
    func rivals() throws {
        let installed = ["nginx", "haproxy"].filter { Machine.program($0) != nil }
        guard
            let report = try report([
                "--servers", "3", "--load", "0.3", "--requests", "150", "--reps", "1", "--unit",
                "40ms", "--strategies", "round-robin", "--against",
                installed.joined(separator: ","),
            ])
        else { return }
        let names = try strategies(report).compactMap { $0["strategy"] as? String }
        #expect(names == ["round-robin"] + installed.map { "\($0)/round-robin" })
        for strategy in try strategies(report) {
            #expect(try value("errors", strategy) == 0)
            for share in try #require(strategy["shares"] as? [Double]) {
                #expect(abs(share - 1.0 / 3) <= 0.03, "\(names)")
            }
        }
    }

    @Test("ends at an interrupt with what was done until then")
    func interrupt() throws {
        let bench = try ChildProcess(
            ProxyProcess.executable,
            [
                "bench", "strategies", "--live", "--servers", "2", "--load", "0.9", "--requests",
                "100", "--unit", "100ms", "--reps", "500", "--strategies", "random",
            ])
        defer { bench.stop() }
        // A run takes 6 s, and so long a unit is kept by a busy machine, too. The proxy of the
        // second run shows that the first is done.
        var proxies: Set<Int32> = []
        eventually(timeout: 60) {
            proxies.formUnion(bench.children)
            return proxies.count >= 2
        }
        bench.signal(SIGINT)
        #expect(bench.waitForEnd() == .exited(1))
        #expect(bench.output.contains("Ended early"), "\(bench.log)")
        #expect(bench.output.contains("random"), "\(bench.log)")
        for proxy in proxies { #expect(kill(proxy, 0) != 0, "a proxy was left behind") }
    }

    @Test(
        "refuses what makes no sense",
        arguments: [
            (["--live", "--unit", "0.1ms"], "--unit: '0.1ms' is out of range"),
            (["--live", "--unit", "ten"], "--unit: 'ten' is not a duration"),
            (["--live", "--http", "3"], "--http: '3' is no version; write 1 or 2"),
            (["--live", "--against", "ngnix"], "Did you mean 'nginx'?"),
            (["--live", "--threads", "2"], "--threads has no meaning with --live"),
            (["--unit", "10ms"], "--unit has no meaning without --live"),
            (["--http", "2"], "--http has no meaning without --live"),
            (["--against", "nginx"], "--against has no meaning without --live"),
            (["--strategies", "nginx/random"], "'nginx/random' cannot be simulated"),
        ])
    func refusals(arguments: [String], sentence: String) throws {
        let result = try ProxyProcess.command(["bench", "strategies"] + arguments)
        #expect(result.status == 64)
        #expect(result.errors.contains(sentence), "\(result.errors)")
    }

    @Test("says which scenario cannot be played live, and who is not installed")
    func obstacles() throws {
        let directory = TemporaryDirectory()
        try directory.write(
            "servers: 2\nload: 0.5\nrequests: 100\ncount_age: 3\n", to: "old.yaml")
        let old = try ProxyProcess.command([
            "bench", "strategies", "--live", "--scenario", directory.file("old.yaml"),
        ])
        #expect(old.status == 64)
        #expect(old.errors.contains("old cannot be played live"), "\(old.errors)")
        let missing = try run(
            ProxyProcess.executable,
            ["bench", "strategies", "--live", "--against", "envoy", "--strategies", "random"],
            environment: ["STAITHE_ENVOY": directory.file("none")])
        #expect(missing.status == 64)
        #expect(missing.errors.contains("Envoy is not installed"), "\(missing.errors)")
    }
}
