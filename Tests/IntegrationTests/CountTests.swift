import Foundation
import TestSupport
import Testing

/// What one keep-alive request costs, counted in the optimised executable: how long something
/// takes depends on the machine, how often something is asked for does not.
@Suite("What a request asks for", .serialized, .onStage)
struct CountTests {
    /// In the order of `Tests/Support/count.c`.
    struct Counts: Equatable {
        var allocations = 0
        var frees = 0
        var objects = 0
        var retains = 0
        var releases = 0
        var accesses = 0
        var metadata = 0
        var receives = 0
        var sends = 0
        var waits = 0
        var otherCalls = 0
        /// The most in one turn of a loop.
        var mostConnects = 0
        var mostCloses = 0
        var mostBytes = 0

        init(file: String) {
            let bytes = [UInt8](FileManager.default.contents(atPath: file) ?? Data())
            let numbers = stride(from: 0, to: bytes.count - 7, by: 8).map { start in
                (0..<8).reduce(0) { $0 | Int(bytes[start + $1]) << ($1 * 8) }
            }
            guard numbers.count == 14 else { return }
            allocations = numbers[0]
            frees = numbers[1]
            objects = numbers[2]
            retains = numbers[3]
            releases = numbers[4]
            accesses = numbers[5]
            metadata = numbers[6]
            receives = numbers[7]
            sends = numbers[8]
            waits = numbers[9]
            otherCalls = numbers[10]
            mostConnects = numbers[11]
            mostCloses = numbers[12]
            mostBytes = numbers[13]
        }

        func housekeeping(since start: Counts) -> Housekeeping {
            Housekeeping(
                allocations: allocations - start.allocations, frees: frees - start.frees,
                objects: objects - start.objects, retains: retains - start.retains,
                releases: releases - start.releases, accesses: accesses - start.accesses,
                metadata: metadata - start.metadata)
        }
    }

    /// What must not be asked for at all.
    struct Housekeeping: Equatable, Comparable {
        var allocations = 0
        var frees = 0
        var objects = 0
        var retains = 0
        var releases = 0
        var accesses = 0
        var metadata = 0

        static let max = Housekeeping(allocations: .max)

        static func < (a: Self, b: Self) -> Bool { a.sum < b.sum }

        private var sum: Int {
            allocations == .max
                ? .max
                : allocations + frees + objects + retains + releases + accesses + metadata
        }
    }

    static let release = ProcessInfo.processInfo.environment["STAITHE_BINARY"]

    /// A proxy whose loops are counted, and where.
    private func countedProxy(_ plan: ProxyPlan) throws -> (ProxyProcess, counts: String) {
        let support = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Support/count.c").path
        let directory = TemporaryDirectory()
        let library = directory.file("count.so")
        let compiler = try #require(Machine.program("clang"), "clang comes with Swift")
        let compiled = try TestSupport.run(
            compiler, ["-shared", "-fPIC", "-O2", "-o", library, support, "-ldl"])
        try #require(compiled.status == 0, "\(compiled.errors)")
        let counts = directory.file("counts")
        let proxy = try ProxyProcess(
            plan, environment: ["LD_PRELOAD": library, "STAITHE_COUNTS": counts])
        return (proxy, counts)
    }

    @Test(
        "A keep-alive request allocates nothing, retains nothing, and makes four calls",
        .enabled(if: release != nil, "needs the release build: make test names it"))
    func keepAlive() throws {
        let server = try NginxServer(text: String(repeating: "x", count: 131))
        let (proxy, file) = try countedProxy(ProxyPlan(servers: [server.port]))
        let clients = try (0..<8).map { _ in try proxy.client() }
        let request = get()
        // The first rounds make the connections and their blocks.
        for client in clients + clients { #expect(try client.ask(request).status == 200) }

        let before = Counts(file: file)
        // A loop begins with reference counting and allocations: they must have been seen.
        #expect(before.allocations > 0 && before.objects > 0 && before.sends > 0, "\(before)")
        #expect(before.retains > 0 && before.releases > 0, "nothing is counted: \(before)")
        // A message from the control plane may come at any time and is allocated: a batch of
        // requests without one must show nothing at all.
        let rounds = 25
        let batches = 10
        var leanest = Housekeeping.max
        for _ in 0..<batches {
            let start = Counts(file: file)
            for _ in 0..<rounds {
                for client in clients { #expect(try client.ask(request).status == 200) }
            }
            leanest = min(leanest, Counts(file: file).housekeeping(since: start))
        }
        let after = Counts(file: file)
        let requests = batches * rounds * clients.count

        #expect(leanest == Housekeeping())
        #expect(after.receives - before.receives == 2 * requests)
        #expect(after.sends - before.sends == 2 * requests)
        // One turn for the request, one for the answer, and the turns of the timers.
        #expect(after.waits - before.waits <= 2 * requests + 500)
        // The clock's bell, at most: a connection would be four or more.
        #expect(after.otherCalls - before.otherCalls <= 16)
    }

    @Test(
        "A pick of any strategy allocates nothing and retains nothing, nor does a shadow's",
        .enabled(if: release != nil, "needs the release build: make test names it"),
        arguments: [
            "round-robin", "deadline", "random", "p2c", "first", "least-time", "peak-ewma",
            "{ strategy: hot-cold, load_header: Server }", "join-idle-queue",
            "{ strategy: ring-hash, key: query:id }", "{ strategy: maglev, key: client-ip }",
            "{ strategy: rendezvous, key: header:Host }",
            "{ strategy: least-requests, shadow: least-time }",
        ])
    func picks(balance: String) throws {
        let servers = try (0..<3).map { _ in try NginxServer(text: "x") }
        let (proxy, file) = try countedProxy(
            ProxyPlan(servers: servers.map(\.port), service: "balance: \(balance)"))
        let client = try proxy.client()
        func ask(_ rounds: Int) throws {
            for round in 0..<rounds {
                #expect(try client.ask(get("/?id=\(round)")).status == 200)
            }
        }
        // Long enough for every server to have a connection that is kept.
        try ask(100)
        #expect(Counts(file: file).retains > 0, "nothing is counted")
        var leanest = Housekeeping.max
        for _ in 0..<10 {
            let start = Counts(file: file)
            try ask(50)
            leanest = min(leanest, Counts(file: file).housekeeping(since: start))
        }
        #expect(leanest == Housekeeping())
    }

    @Test(
        "Requests with content allocate and retain nothing either",
        .enabled(if: release != nil, "needs the release build: make test names it"))
    func content() throws {
        let server = try ScriptedServer { request in ok(request.text) }
        let (proxy, file) = try countedProxy(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        let text = String(repeating: "c", count: 20_000)
        for _ in 0..<20 { #expect(try client.ask(post("/", text)).text == text) }
        #expect(Counts(file: file).retains > 0, "nothing is counted")
        var leanest = Housekeeping.max
        for _ in 0..<10 {
            let start = Counts(file: file)
            for _ in 0..<20 { #expect(try client.ask(post("/", text)).text == text) }
            leanest = min(leanest, Counts(file: file).housekeeping(since: start))
        }
        #expect(leanest == Housekeeping())
    }

    /// A bound on what the others of its loop wait for, in what can be counted.
    @Test(
        "Many streams of one client are spread over many turns, and so is their end",
        .enabled(if: release != nil, "needs the release build: make test names it"))
    func turns() throws {
        let server = try NginxServer(text: "x")
        try server.directory.write(String(repeating: "x", count: 300_000), to: "large")
        let (proxy, file) = try countedProxy(
            ProxyPlan(servers: [server.port], listener: "timeouts: { write: 1s }"))
        let client = try FrameClient(port: proxy.port, timeout: 60)
        _ = client.wait { $0.type == Frame.Kind.settings.rawValue && $0.flags == Frame.ack }
        let start = Counts(file: file)
        #expect(start.mostCloses > 0 || start.mostConnects > 0 || start.mostBytes > 0)
        // A hundred large answers, in one piece, of which nothing is read.
        let head =
            Frame.settings([(4, 0x7000_0000)]).bytes + Frame.windowUpdate(0, 0x7000_0000).bytes
        try client.peer.send(
            head + (0..<100).flatMap { Frame.get(UInt32($0 * 2 + 1), "/files/large").bytes })
        #expect(proxy.waitForLog("client_slow", seconds: 60))
        #expect(try proxy.ask(get()).status == 200)
        let end = Counts(file: file)
        #expect(end.otherCalls - start.otherCalls > 300, "a hundred connections: \(end)")
        #expect(end.mostConnects > 1 && end.mostConnects <= 8, "\(end)")
        #expect(end.mostCloses > 1 && end.mostCloses <= 33, "\(end)")
        #expect(end.mostBytes > 65_536 && end.mostBytes <= 1 << 20, "\(end)")
    }
}
