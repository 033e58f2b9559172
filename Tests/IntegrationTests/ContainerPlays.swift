import Foundation
import TestSupport
import Testing

/// A real engine of Docker, and of Podman, real containers, and requests that flow meanwhile.
///
/// `make soak` runs more replacements. Where no engine can be started, each play says so and ends.
@Suite("Containers of a real engine", .serialized, .onStage)
struct ContainerPlays {
    private static let label = "staithe.service=app"
    private let rate = 200

    /// The engine, or `nil` after a note.
    private func engine(_ kind: RealEngine.Kind = .docker) -> RealEngine? {
        do {
            return try RealEngine(kind)
        } catch {
            print("NOTE: not played, for want of an engine of \(kind): \(error)")
            return nil
        }
    }

    private func proxy(_ engine: RealEngine, socket: String? = nil) throws -> ProxyProcess {
        let plan = ContainerPlan(
            service: "discover: { docker: { socket: \(socket ?? engine.socket) } }",
            health: "{ interval: 500ms, timeout: 250ms }")
        return try ProxyProcess(plan.plan)
    }

    private func load(_ proxy: ProxyProcess) -> LoadClient {
        LoadClient(port: proxy.port, rate: rate, requestsPerConnection: 20)
    }

    /// Waits for so many more requests.
    private func more(_ count: Int, of load: LoadClient) {
        let goal = load.result.requestCount + count
        #expect(load.waitForRequests(goal, seconds: 60), "\(load.result)")
    }

    /// Of this run: what another one has left behind, or does at the same time, is elsewhere.
    private static let network =
        "127.\(Int.random(in: 8...120)).\(Int.random(in: 0...250))"

    private func address(_ number: Int) -> String { "\(Self.network).\(number + 1)" }

    private func start(
        _ engine: RealEngine, _ number: Int, mode: String = "graceful",
        image: String = RealEngine.image
    ) throws {
        try engine.start(
            "web\(number)", at: address(number), labels: [Self.label],
            settings: ["MODE=\(mode)", "DRAIN=1000"], image: image)
    }

    private func wait(_ proxy: ProxyProcess, for count: Int) throws {
        let result = try proxy.command("wait", "app", "--healthy", "\(count)", "--timeout", "20s")
        #expect(result.status == 0, "\(result) \(proxy.log)")
    }

    /// Docker says when it is about to stop a container, and nothing fails. Podman tells only the
    /// end: what is refused until then is tried elsewhere, and how few fail is the figure.
    private func expectNoFailure(
        _ result: LoadClient.Result, _ kind: RealEngine.Kind, _ proxy: ProxyProcess,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let bound = kind == .docker ? 0 : result.requestCount / 100
        #expect(
            result.failureCount <= bound, "\(result)\n\(proxy.log)", sourceLocation: sourceLocation)
    }

    // MARK: - Plays

    @Test(
        "Rolling replacements of servers that close their listener on SIGTERM cost no request",
        arguments: RealEngine.Kind.allCases)
    func replacements(kind: RealEngine.Kind) throws {
        guard let engine = engine(kind) else { return }
        for number in 0..<3 { try start(engine, number) }
        let proxy = try proxy(engine)
        try wait(proxy, for: 3)
        let load = load(proxy)
        more(200, of: load)
        let count = Machine.isSoak ? 50 : 4
        var delays: [Double] = []
        for round in 0..<count {
            try start(engine, 3 + round)
            try wait(proxy, for: 4)
            try engine.command("stop", "web\(round)")
            delays += lastRequests(engine.log(of: "web\(round)"))
            try engine.command("rm", "web\(round)")
        }
        more(200, of: load)
        let result = load.finish()
        expectNoFailure(result, kind, proxy)
        #expect(proxy.serverStates().count == 3, "\(proxy.serverStates())")
        #expect(result.answers["web\(count + 1)"] ?? 0 > 0, "\(result.answers)")
        let times = startTimes(proxy.log)
        #expect(times.up.count >= count, "\(proxy.log)")
        print(
            "FIGURE: \(kind): \(count) replacements at \(rate)/s: \(result.failureCount) of "
                + "\(result.requestCount) failed; from start to up, median "
                + "\(median(times.up)) ms, to the first request \(median(times.first)) ms; "
                + "from the signal to the last new request, median \(median(delays)) ms, "
                + "at most \(delays.max() ?? 0) ms")
    }

    @Test(
        "From 3 servers to 10 and back to 2 costs no request",
        arguments: RealEngine.Kind.allCases)
    func scaling(kind: RealEngine.Kind) throws {
        guard let engine = engine(kind) else { return }
        for number in 0..<3 { try start(engine, number) }
        let proxy = try proxy(engine)
        try wait(proxy, for: 3)
        let load = load(proxy)
        more(200, of: load)
        for number in 3..<10 { try start(engine, number) }
        try wait(proxy, for: 10)
        more(400, of: load)
        try engine.command(["stop"] + (2..<10).map { "web\($0)" })
        #expect(eventually(timeout: 20) { proxy.serverStates().count == 2 }, "\(proxy.log)")
        more(200, of: load)
        let result = load.finish()
        expectNoFailure(result, kind, proxy)
        #expect(result.answers.count == 10, "\(result.answers)")
        print(
            "FIGURE: \(kind): 3 to 10 to 2: \(result.failureCount) of \(result.requestCount) failed"
        )
    }

    @Test(
        "docker kill of one of three costs no GET, in every way that a server can end",
        arguments: RealEngine.Kind.allCases)
    func kills(kind: RealEngine.Kind) throws {
        guard let engine = engine(kind) else { return }
        for number in 0..<3 { try start(engine, number) }
        let proxy = try proxy(engine)
        try wait(proxy, for: 3)
        let load = load(proxy)
        more(200, of: load)
        try engine.command("kill", "web0")
        #expect(eventually(timeout: 10) { proxy.serverStates()["web0"] == nil })
        more(200, of: load)
        for (number, mode) in [(3, "exit"), (4, "keep")] {
            try start(engine, number, mode: mode)
            try wait(proxy, for: 3)
            more(100, of: load)
            try engine.command("stop", "web\(number)")
            #expect(eventually(timeout: 10) { proxy.serverStates()["web\(number)"] == nil })
        }
        more(100, of: load)
        let result = load.finish()
        expectNoFailure(result, kind, proxy)
        print(
            "FIGURE: \(kind): kill of one of three: \(result.failureCount) of "
                + "\(result.requestCount) failed")
    }

    @Test(
        "An engine that restarts, or whose socket goes, changes nothing and costs nothing",
        arguments: RealEngine.Kind.allCases)
    func engineAway(kind: RealEngine.Kind) throws {
        guard let engine = engine(kind) else { return }
        for number in 0..<3 { try start(engine, number) }
        // The proxy's way to the engine is a link, which can be taken away.
        let link = engine.directory.file("way.sock")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: engine.socket)
        let proxy = try proxy(engine, socket: link)
        try wait(proxy, for: 3)
        let load = load(proxy)
        more(200, of: load)
        let before = try proxy.status()
        try engine.restart()
        #expect(proxy.waitForLog("docker is back", seconds: 20), "\(proxy.log)")
        more(200, of: load)
        try FileManager.default.removeItem(atPath: link)
        try engine.restart()
        more(400, of: load)
        #expect(proxy.log.contains("there is no socket \(link)"), "\(proxy.log)")
        let away = try proxy.command("status")
        #expect(away.output.contains("docker lost since"), "\(away)")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: engine.socket)
        #expect(
            eventually(timeout: 20) {
                proxy.log.components(separatedBy: "docker is back").count == 3
            }, "\(proxy.log)")
        more(200, of: load)
        let after = try proxy.status()
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
        #expect(after.generation == before.generation, "\(proxy.log)")
        #expect(after.servers.mapValues(\.since) == before.servers.mapValues(\.since))
        // It sees what happens from now on.
        try engine.command("stop", "web1")
        #expect(eventually(timeout: 10) { proxy.serverStates()["web1"] == nil }, "\(proxy.log)")
        print(
            "FIGURE: \(kind): engine restarted twice, socket taken away: \(result.failureCount) of "
                + "\(result.requestCount) failed, 0 changes")
    }

    @Test("The only container is replaced, and requests wait for the next one")
    func onlyOne() throws {
        guard let engine = engine() else { return }
        let port = Machine.freePort()
        let directory = TemporaryDirectory()
        let socket = directory.file("a.sock")
        let process = try ChildProcess(
            ProxyProcess.executable,
            ["127.0.0.1:\(port)", "--docker", "--engine", engine.socket, "--socket", socket],
            environment: ["XDG_RUNTIME_DIR": directory.path])
        func startShop(_ number: Int) throws {
            try engine.start(
                "shop\(number)", at: address(number),
                labels: ["staithe.enable=true", "staithe.service=shop", "staithe.host=shop.test"],
                settings: ["DRAIN=200"])
        }
        try startShop(0)
        let ready = try ProxyProcess.command(
            ["wait", "shop", "--healthy", "1", "--timeout", "20s", "--socket", socket])
        #expect(ready.status == 0, "\(ready) \(process.log)")
        let load = LoadClient(
            port: port, rate: rate, requests: [get(host: "shop.test")], requestsPerConnection: 20)
        more(200, of: load)
        for number in 1...3 {
            // As compose does it: the old one is stopped before the new one starts.
            try engine.command("stop", "shop\(number - 1)")
            try startShop(number)
            more(200, of: load)
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(process.log)")
        #expect(result.answers["shop3"] ?? 0 > 0, "\(result.answers)")
        print(
            "FIGURE: the only container replaced 3 times: \(result.failureCount) of "
                + "\(result.requestCount) failed, slowest \(result.milliseconds(1)) ms")
    }

    @Test("With a health check, whichever is first lets a container in: its own or ours")
    func healthChecks() throws {
        guard let engine = engine() else { return }
        let proxy = try proxy(engine)
        try start(engine, 0, image: RealEngine.checkedImage)
        try wait(proxy, for: 1)
        let load = load(proxy)
        for number in 1..<(Machine.isSoak ? 12 : 4) {
            try start(engine, number, image: RealEngine.checkedImage)
            try wait(proxy, for: number + 1)
            more(60, of: load)
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
        let times = startTimes(proxy.log)
        #expect(!times.first.isEmpty, "\(proxy.log)")
        print(
            "FIGURE: with a health check each second: from start to up, median "
                + "\(median(times.up)) ms, to the first request \(median(times.first)) ms")
    }

    // MARK: - Figures

    /// `… 28 ms after its start`, of servers that came up and of their first requests.
    private func startTimes(_ log: String) -> (up: [Double], first: [Double]) {
        var up: [Double] = []
        var first: [Double] = []
        for line in log.split(separator: "\n") {
            guard let range = line.range(of: " after its start") else { continue }
            let words = line[..<range.lowerBound].split(separator: " ")
            guard words.count >= 2, let number = Double(words[words.count - 2]) else { continue }
            let milliseconds = words.last == "s" ? number * 1000 : number
            if line.contains("first request") {
                first.append(milliseconds)
            } else {
                up.append(milliseconds)
            }
        }
        return (up, first)
    }

    /// `last request 1300 us after the signal`
    private func lastRequests(_ log: String) -> [Double] {
        log.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count > 3, words[0] == "last" else { return nil }
            return Double(words[2]).map { $0 / 1000 }
        }
    }

    private func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        return values.sorted()[values.count / 2]
    }
}

/// A plan whose service has no server in the file.
struct ContainerPlan {
    var plan: ProxyPlan

    init(service: String, health: String) {
        plan = ProxyPlan(service: service, health: health, workers: nil)
        plan.hasServers = false
    }
}
