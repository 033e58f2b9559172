import Foundation
import TestSupport
import Testing

/// Changes and accidents while requests flow. One at a time: they need the machine.
///
/// `make soak` runs these with longer runs and ten times the crowds.
@Suite("Under load", .serialized, .onStage)
struct UnderLoad {
    private let rate = 2000
    private let factor = Machine.isSoak ? 10.0 : 1.0

    init() { Machine.raiseDescriptorLimit() }

    private func serving(_ names: [String], service: String = "", health: String? = nil) throws
        -> (proxy: ProxyProcess, plan: ProxyPlan, servers: [NginxServer])
    {
        let servers = try names.map { try NginxServer(text: $0) }
        let plan = ProxyPlan(
            servers: servers.map(\.port), service: service,
            health: health ?? LiveChangeTests.quickChecks, workers: nil)
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitUntilServing(names.count), "\(proxy.log)")
        return (proxy, plan, servers)
    }

    @Test("add, set, drain and remove cost no request")
    func commands() throws {
        let (proxy, _, servers) = try serving(["a", "b"])
        let third = try NginxServer(text: "c")
        let load = LoadClient(port: proxy.port, rate: rate)
        load.run(seconds: 0.5 * factor)
        let address = "127.0.0.1:\(third.port)"
        for command in [
            ["add", address], ["set", address, "weight=2"],
            ["drain", "127.0.0.1:\(servers[0].port)"],
            ["remove", "127.0.0.1:\(servers[1].port)"],
        ] {
            let arguments = command + ["--socket", proxy.socket]
            let result = try ProxyProcess.command(arguments)
            #expect(result.status == 0, "\(command): \(result)")
            load.run(seconds: 0.3 * factor)
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect((result.answers["c"] ?? 0) > 0, "\(result)")
        #expect(Double(result.requestCount) > 0.5 * Double(rate) * 1.7 * factor, "\(result)")
    }

    @Test("An edit of the file costs no request")
    func fileEdit() throws {
        var (proxy, plan, _) = try serving(["a", "b"])
        let third = try NginxServer(text: "c")
        let load = LoadClient(port: proxy.port, rate: rate)
        load.run(seconds: 0.5 * factor)
        plan.servers.append("127.0.0.1:\(third.port)")
        try proxy.replace(plan)
        #expect(eventually { (load.result.answers["c"] ?? 0) > 0 })
        plan.servers.removeFirst()
        try proxy.replace(plan)
        load.run(seconds: 1 * factor)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
    }

    @Test("100 reloads in a row cost no request")
    func reloads() throws {
        var (proxy, plan, servers) = try serving(["a", "b"])
        let third = try NginxServer(text: "c")
        let load = LoadClient(port: proxy.port, rate: rate)
        load.run(seconds: 0.3)
        let all = (servers + [third]).map { "127.0.0.1:\($0.port)" }
        for number in 0..<Int(100 * factor) {
            // Every reload changes something: servers, weights, a timeout.
            plan.servers = number % 3 == 0 ? all : Array(all.prefix(2))
            plan.service = "timeouts: { response: \(30 + number % 7)s }"
            try proxy.replace(plan)
            let answer = try proxy.admin("/v1/config/reload", method: "POST")
            #expect((200...204).contains(answer.status), "\(answer)")
        }
        load.run(seconds: 0.3)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect(proxy.process.isRunning)
    }

    @Test("kill -9 of one of three servers costs no GET")
    func kill() throws {
        let (proxy, _, servers) = try serving(["a", "b", "c"])
        let load = LoadClient(port: proxy.port, rate: rate)
        load.run(seconds: 1 * factor)
        servers[0].process.killAtOnce()
        load.run(seconds: 2 * factor)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        #expect(proxy.serverStates().values.filter { $0 == "up" || $0 == "warming" }.count == 2)
    }

    @Test("A stopped server (SIGSTOP) is out within its check time; only what it has is delayed")
    func freeze() throws {
        // A check by connect would pass: the kernel accepts for a process that is stopped.
        let (proxy, _, servers) = try serving(
            ["a", "b", "c"],
            health: "{ path: /, interval: 300ms, timeout: 150ms, up_after: 1, down_after: 2 }")
        let load = LoadClient(port: proxy.port, rate: 300, threadCount: 64, timeout: 60)
        load.run(seconds: 1)
        let address = "127.0.0.1:\(servers[0].port)"
        let before = now()
        servers[0].process.freeze()
        #expect(eventually(timeout: 5) { proxy.serverStates()[address] == "down" })
        // Interval with jitter and timeout, twice, and what two busy cores add.
        #expect(now() - before < 3)
        let waiting = load.result.requestCount
        load.waitForRequests(waiting + 600)
        servers[0].process.thaw()
        #expect(eventually { ["up", "warming"].contains(proxy.serverStates()[address] ?? "") })
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        // What it got before its second failed check: a third of about a second's requests.
        let delayed = result.latencies.filter { $0 > 1_500_000 }.count
        #expect(delayed <= 64, "\(delayed) were delayed, \(result)")
    }

    @Test("1 GiB down and up through it: less than 32 MiB of growth")
    func gigabyte() throws {
        let size = 1 << 30
        let block = [UInt8](repeating: 7, count: 1 << 20)
        let received = Tally()
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let head = try peer.read(through: "\r\n\r\n")
            if head.hasPrefix("GET") {
                try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                for _ in 0..<size / block.count { try peer.send(block) }
            } else {
                received.add(try peer.discardToEnd(limit: size))
                try peer.send(ok("x", fields: "Connection: close\r\n"))
            }
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let before = proxy.process.residentBytes
        let down = try ScriptedClient(port: proxy.port, timeout: 60, isRecording: false)
        try down.send(get(fields: "Connection: close\r\n"))
        _ = try down.read(through: "\r\n\r\n")
        #expect(try down.discardToEnd() == size)
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
        let count = Machine.isSoak ? 10_000 : 2_000
        let (proxy, _, _) = try serving(["a", "b"])
        let load = LoadClient(port: proxy.port, rate: 300, threadCount: 8)
        var crowd: [ScriptedClient] = []
        for _ in 0..<count {
            crowd.append(try ScriptedClient(port: proxy.port, isRecording: false))
        }
        let text = Array(get(fields: "X-Slow: yes\r\n").utf8)
        for step in 0..<(Machine.isSoak ? 15 : 5) {
            let start = now()
            for client in crowd { try? client.send([text[step]]) }
            let left = 1 - (now() - start)
            if left > 0 { Thread.sleep(milliseconds: Int(left * 1000)) }
        }
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        // Generous: this runs on two cores, next to the load itself.
        #expect(result.milliseconds(0.99) < 500, "\(result)")
        for client in crowd { client.close() }
        #expect(eventually { (try? proxy.ask(get()).status) == 200 })
    }

    @Test("Memory does not grow with the number of requests and connections that were")
    func steadyMemory() throws {
        let (proxy, _, _) = try serving(["a", "b"])
        let load = LoadClient(port: proxy.port, rate: 1_000_000, threadCount: 8)
        load.waitForRequests(5_000)
        let before = proxy.process.residentBytes
        load.waitForRequests(Int(20_000 * factor), seconds: 60 * factor)
        #expect(load.finish().failureCount == 0)
        for _ in 0..<Int(500 * factor) {
            _ = try proxy.ask(get(fields: "Connection: close\r\n"))
        }
        let growth = proxy.process.residentBytes - before
        #expect(growth < 4 << 20, "grew by \(growth >> 10) KiB")
    }
}
