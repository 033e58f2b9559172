import Foundation
import TestSupport
import Testing

/// Changes and accidents while requests flow. One at a time: they need the machine.
///
/// `make soak` runs these with ten times the load.
@Suite("Under load", .serialized, .onStage)
struct UnderLoad {
    private let rate = 2000
    private let factor = Machine.isSoak ? 10 : 1

    init() { Machine.raiseDescriptorLimit() }

    private func serving(
        _ names: [String], service: String = "", listener: String = "", health: String? = nil
    ) throws -> (proxy: ProxyProcess, plan: ProxyPlan, servers: [NginxServer]) {
        let servers = try names.map { try NginxServer(text: $0) }
        let plan = ProxyPlan(
            servers: servers.map(\.port), service: service, listener: listener,
            health: health ?? LiveChangeTests.quickChecks, workers: nil)
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitUntilServing(names.count), "\(proxy.log)")
        return (proxy, plan, servers)
    }

    /// GET and POST, on connections that stay and on new ones.
    private func mixedLoad(_ proxy: ProxyProcess, mayBeRefused: Bool = false) -> LoadClient {
        LoadClient(
            port: proxy.port, rate: rate, requests: LoadClient.mixed, requestsPerConnection: 9,
            mayBeRefused: mayBeRefused)
    }

    /// Waits for so many more requests.
    private func more(_ count: Int, of load: LoadClient) {
        let goal = load.result.requestCount + count
        #expect(load.waitForRequests(goal, seconds: 60), "\(load.result)")
    }

    // MARK: Changes

    @Test("add, set, drain and remove cost no request")
    func commands() throws {
        let (proxy, _, servers) = try serving(["a", "b"])
        let third = try NginxServer(text: "c")
        let load = mixedLoad(proxy)
        more(500, of: load)
        let (a, b) = ("127.0.0.1:\(servers[0].port)", "127.0.0.1:\(servers[1].port)")
        let c = "127.0.0.1:\(third.port)"
        for command in [
            ["add", c], ["set", c, "weight=2"], ["drain", a], ["set", c, "weight=1"],
            ["add", a], ["remove", b], ["set", a, "state=maintenance"], ["set", a, "state=up"],
            ["add", b],
        ] {
            let result = try ProxyProcess.command(command + ["--socket", proxy.socket])
            #expect(result.status == 0, "\(command): \(result)")
            if command[0] == "add" {
                #expect(result.output.contains("first answer 200"), "\(result)")
            }
            more(300 * factor, of: load)
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect((result.answers["c"] ?? 0) > 0, "\(result)")
    }

    @Test("An add that cannot be costs no request either, and says why")
    func failedAdd() throws {
        let (proxy, _, _) = try serving(["a", "b"])
        let load = mixedLoad(proxy)
        more(200, of: load)
        for _ in 0..<factor {
            let nobody = "127.0.0.1:\(Machine.freePort())"
            let result = try proxy.command("add", nobody)
            #expect(result.status == 1, "\(result)")
            #expect(
                result.errors.contains(
                    "staithe: \(nobody) was not added: its check failed (server_refused, 2 tries)"),
                "\(result)")
            #expect(proxy.serverStates()[nobody] == nil)
            more(200, of: load)
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
    }

    @Test("An edit of the file costs no request")
    func fileEdit() throws {
        var (proxy, plan, _) = try serving(["a", "b"])
        let third = try NginxServer(text: "c")
        let load = mixedLoad(proxy)
        let all = plan.servers + ["127.0.0.1:\(third.port)"]
        for _ in 0..<factor {
            more(500, of: load)
            let before = load.result.answers["c"] ?? 0
            plan.servers = all
            try proxy.replace(plan)
            #expect(eventually { (load.result.answers["c"] ?? 0) > before })
            plan.servers = [all[1], all[2]]
            try proxy.replace(plan)
            #expect(eventually { proxy.serverStates()[all[0]] == nil })
        }
        more(500, of: load)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
    }

    @Test(
        "100 reloads in a row cost no request, and nothing that is known of who stays",
        arguments: ["reload", "SIGHUP"])
    func reloads(by way: String) throws {
        // This one counts the connections that speak; checks do not.
        let kept = try ScriptedServer(text: "kept")
        let others = try ["b", "c"].map { try NginxServer(text: $0) }
        let all = [kept.address] + others.map { "127.0.0.1:\($0.port)" }
        var plan = ProxyPlan(health: LiveChangeTests.quickChecks, workers: nil)
        plan.servers = Array(all.prefix(2))
        plan.service = "connections: { idle: 1m }"
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        let second = Machine.freePort()
        // Connections that stay open: nobody may close them.
        let threadCount = 16
        let load = LoadClient(
            port: proxy.port, rate: rate, threadCount: threadCount, requests: LoadClient.mixed)
        more(500, of: load)
        let before = try #require(try proxy.status().servers[kept.address])
        for number in 0..<100 * factor {
            // Every reload changes something: servers, listeners, a timeout.
            plan.servers = number % 3 == 0 ? all : Array(all.prefix(2))
            plan.listeners = number % 2 == 0 ? "second: { address: 127.0.0.1:\(second) }" : ""
            plan.service = "connections: { idle: 1m }\ntimeouts: { response: \(30 + number % 7)s }"
            let generation = try proxy.status().generation
            try proxy.replace(plan)
            if way == "reload" {
                let result = try proxy.command("reload")
                #expect(result.status == 0, "\(result)")
            } else {
                proxy.process.hangUp()
            }
            #expect(try eventually { try proxy.status().generation != generation })
        }
        more(500, of: load)
        let after = try #require(try proxy.status().servers[kept.address])
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect(result.connectionCount == threadCount, "clients' connections were closed")
        #expect(after.answers >= before.answers, "counters were lost")
        #expect(after.since == before.since, "health was lost")
        // At most as many for each loop as there are clients; no reload closed any.
        #expect(kept.connectionCount <= threadCount * Machine.processorCount)
        #expect(!proxy.log.contains("refused, g"), "\(proxy.log)")
    }

    // MARK: Accidents

    @Test("kill -9 of one of three servers costs no GET")
    func kill() throws {
        for _ in 0..<factor {
            let (proxy, _, servers) = try serving(["a", "b", "c"])
            let load = LoadClient(port: proxy.port, rate: rate, requestsPerConnection: 50)
            more(500, of: load)
            servers[0].process.killAtOnce()
            more(1000, of: load)
            let address = "127.0.0.1:\(servers[0].port)"
            #expect(eventually { proxy.serverStates()[address] == "down" })
            let result = load.finish()
            #expect(result.failureCount == 0, "\(result)")
            proxy.process.stop()
        }
    }

    @Test("A stopped server (SIGSTOP) is out within its check time; only what it has is delayed")
    func freeze() throws {
        // A check by connect would pass: the kernel accepts for a process that is stopped.
        let (proxy, _, servers) = try serving(
            ["a", "b", "c"],
            health: "{ path: /, interval: 300ms, timeout: 150ms, up_after: 2, down_after: 2 }")
        let threadCount = 64
        let address = "127.0.0.1:\(servers[0].port)"
        for _ in 0..<factor {
            let load = LoadClient(
                port: proxy.port, rate: 300, threadCount: threadCount, timeout: 60)
            load.waitForRequests(300)
            let before = now()
            servers[0].process.freeze()
            #expect(eventually(timeout: 5) { proxy.serverStates()[address] == "down" })
            // Interval with jitter and timeout, twice, and what two busy cores add.
            #expect(now() - before < 3)
            // Who had a request there waits for it; all others go on.
            let held = try #require(try proxy.status().servers[address]).inFlight
            let goal = load.result.requestCount + 300
            #expect(load.waitForRequests(goal), "\(load.result)")
            #expect(try #require(try proxy.status().servers[address]).inFlight <= held)
            #expect(held < threadCount)
            servers[0].process.thaw()
            #expect(eventually { ["up", "warming"].contains(proxy.serverStates()[address] ?? "") })
            let result = load.finish()
            #expect(result.failureCount == 0, "\(result)")
            // A client that is held is late with the requests that it had planned meanwhile.
            let late = result.latencies.count { $0 > 1_500_000 }
            #expect(late <= 16 * held, "\(held) held, \(result)")
        }
    }

    // MARK: Sizes

    /// Takes a GET and sends `size` bytes, or takes a request with `size` bytes.
    private func bulkServer(_ size: Int, pause: Int, received: Tally) throws -> ScriptedServer {
        let block = [UInt8](repeating: 7, count: 1 << 20)
        return try ScriptedServer(isRecording: false) { peer, _ in
            let head = try peer.read(through: "\r\n\r\n")
            if head.hasPrefix("GET") {
                try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                for _ in 0..<size / block.count { try peer.send(block) }
            } else {
                for _ in 0..<size / block.count {
                    received.add(try peer.read(block.count).count)
                    Thread.sleep(milliseconds: pause)
                }
                try peer.send(ok("x", fields: "Connection: close\r\n"))
            }
        }
    }

    @Test(
        "1 GiB down and up through it: less than 32 MiB of growth",
        arguments: [false, true])
    func gigabyte(isReaderSlow: Bool) throws {
        let size = isReaderSlow && !Machine.isSoak ? 1 << 27 : 1 << 30
        let pause = isReaderSlow ? 10 : 0
        let block = [UInt8](repeating: 7, count: 1 << 20)
        let received = Tally()
        let server = try bulkServer(size, pause: pause, received: received)
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let before = proxy.process.residentBytes
        let down = try ScriptedClient(port: proxy.port, timeout: 60, isRecording: false)
        try down.send(get(fields: "Connection: close\r\n"))
        _ = try down.read(through: "\r\n\r\n")
        for _ in 0..<size / block.count {
            _ = try down.read(block.count)
            Thread.sleep(milliseconds: pause)
        }
        #expect(try down.readToEnd().isEmpty)
        let up = try ScriptedClient(port: proxy.port, timeout: 60, isRecording: false)
        try up.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(size)\r\n\r\n")
        for _ in 0..<size / block.count { try up.send(block) }
        #expect(try up.readResponse().status == 200)
        #expect(received.count == size)
        let growth = proxy.process.highestResidentBytes - before
        #expect(growth < 32 << 20, "grew by \(growth >> 20) MiB")
    }

    @Test("A crowd of slow clients (one byte per second) does not disturb the others")
    func slowClients() throws {
        let headCount = Machine.isSoak ? 9_000 : 400
        let bodyCount = Machine.isSoak ? 1_000 : 100
        let patience = Machine.isSoak ? 15 : 3
        let (proxy, _, _) = try serving(
            ["a", "b"],
            listener: "timeouts: { header: \(patience)s }\nlimits: { connections: 12000 }")
        let load = LoadClient(port: proxy.port, rate: 300, threadCount: 8)
        load.waitForRequests(300)
        let quiet = load.result
        let before = proxy.process.residentBytes

        // Some never come to the end of their head, the others to that of their content.
        let heads = try (0..<headCount).map { _ in
            try ScriptedClient(port: proxy.port, timeout: 60)
        }
        let bodies = try (0..<bodyCount).map { _ in
            try ScriptedClient(port: proxy.port, timeout: 60)
        }
        for client in bodies {
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(patience)\r\n\r\n")
        }
        let text = Array(get(fields: "X-Slow: \(String(repeating: "x", count: 100))\r\n").utf8)
        for step in 0..<patience {
            // Spread over the second: a crowd does not speak in unison.
            let start = now()
            for (index, client) in (heads + bodies).enumerated() {
                let due = start + Double(index) / Double(headCount + bodyCount)
                let early = due - now()
                if early > 0.001 { Thread.sleep(milliseconds: Int(early * 1000)) }
                try? client.send([text[step]])
            }
        }
        let growth = proxy.process.highestResidentBytes - before
        var answers: [Int: Int] = [:]
        for client in heads + bodies {
            answers[(try? client.readResponse().status) ?? 0, default: 0] += 1
        }
        #expect(answers == [408: headCount, 200: bodyCount])
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        // Generous: this runs on two cores, next to the load and the crowd.
        #expect(
            result.milliseconds(0.99) < max(100, 10 * quiet.milliseconds(0.99)),
            "\(result), before \(quiet)")
        let bound = 8 << 20 + (headCount + bodyCount) * 32 << 10
        #expect(growth < bound, "grew by \(growth >> 10) KiB for \(headCount + bodyCount)")
        let said = "slow: \(answers), p99 \(quiet.milliseconds(0.99)) then "
        print(said + "\(result.milliseconds(0.99)) ms, grew by \(growth >> 10) KiB")
    }

    @Test("Memory does not grow with the number of requests and connections that were")
    func steadyMemory() throws {
        let (proxy, _, _) = try serving(["a", "b"])
        let load = LoadClient(port: proxy.port, rate: 1_000_000, threadCount: 8)
        load.waitForRequests(5_000)
        let before = proxy.process.residentBytes
        load.waitForRequests(20_000 * factor, seconds: 60 * Double(factor))
        #expect(load.finish().failureCount == 0)
        for _ in 0..<500 * factor {
            _ = try proxy.ask(get(fields: "Connection: close\r\n"))
        }
        let growth = proxy.process.residentBytes - before
        #expect(growth < (Machine.isAddressSanitized ? 16 : 4) << 20, "grew by \(growth >> 10) KiB")
    }

    // MARK: The end

    @Test("SIGTERM under load costs no request, and the process exits 0")
    func terminate() throws {
        for number in 0..<5 * factor {
            let (proxy, _, servers) = try serving(["a", "b"])
            let load =
                number % 2 == 0
                ? mixedLoad(proxy, mayBeRefused: true)
                : LoadClient(
                    port: proxy.port, rate: rate, requests: LoadClient.mixed, mayBeRefused: true)
            load.waitForRequests(300)
            proxy.process.terminate()
            #expect(proxy.process.waitForEnd(seconds: 30) == .exited(0), "\(proxy.log)")
            let result = load.finish()
            #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
            #expect(result.refusalCount > 0, "\(result)")
            for server in servers { server.process.stop() }
        }
    }
}
