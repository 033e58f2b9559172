import TestSupport
import Testing

/// What ends does not start something else by calling it: thousands that wait for one server cost
/// many turns of the loop when it dies, and no stack.
@Suite("Thousands wait for a server that dies", .onStage, .serialized)
struct WaitingTests {
    /// Takes requests of either protocol, and never answers.
    private static func silentServer(_ spoken: String) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            if spoken == "h2c" {
                let connection = try FrameClient(serving: peer)
                while (try? connection.next()) != nil {}
            } else {
                _ = try peer.readRequest()
                _ = peer.isEnded(within: 60)
            }
        }
    }

    private static func proxy(_ servers: [ScriptedServer], _ spoken: String) throws -> ProxyProcess
    {
        try ProxyProcess(
            ProxyPlan(
                servers: servers.map(\.port),
                service: """
                    protocol: \(spoken)
                    limits: { requests_per_server: \(spoken == "h2c" ? 50 : 1), queue: 6000 }
                    timeouts: { queue: 100s }
                    """, listener: "protocols: [http/1.1, h2c]\nheaders: { proxy_status: off }"))
    }

    private func isWaiting(_ count: Int, _ proxy: ProxyProcess) -> Bool {
        eventually(timeout: 30) {
            guard let page = try? proxy.admin("/metrics").text else { return false }
            return page.split(separator: "\n").contains {
                $0.hasPrefix("staithe_queue_depth")
                    && Int($0.split(separator: " ").last ?? "") ?? 0 >= count
            }
        }
    }

    @Test(
        "5,000 connections: each is answered, and the process goes on",
        arguments: ["http/1.1", "h2c"])
    func connections(_ spoken: String) throws {
        let servers = [try Self.silentServer(spoken), try Self.silentServer(spoken)]
        let proxy = try Self.proxy(servers, spoken)
        let clients = try (0..<5100).map { _ in
            let client = try ScriptedClient(port: proxy.port, timeout: 30, isRecording: false)
            try client.send(get())
            return client
        }
        #expect(isWaiting(5000, proxy))
        for server in servers { server.stop() }
        var statuses: [Int: Int] = [:]
        for client in clients {
            statuses[(try? client.readResponse().status) ?? 0, default: 0] += 1
        }
        #expect(statuses.keys.allSatisfy { [502, 503].contains($0) }, "\(statuses)")
        #expect(proxy.process.isRunning)
        #expect([502, 503].contains(try proxy.ask(get()).status))
    }

    @Test(
        "5,000 streams: each is answered, and the process goes on", arguments: ["http/1.1", "h2c"])
    func streams(_ spoken: String) throws {
        let servers = [try Self.silentServer(spoken), try Self.silentServer(spoken)]
        let proxy = try Self.proxy(servers, spoken)
        let clients = try (0..<51).map { _ in
            let client = try FrameClient(port: proxy.port)
            try client.send((0..<100).map { .get(UInt32($0 * 2 + 1)) })
            return client
        }
        #expect(isWaiting(5000, proxy))
        for server in servers { server.stop() }
        for client in clients {
            var answered: Set<UInt32> = []
            while answered.count < 100, let frame = try? client.next() {
                guard frame.type == Frame.Kind.headers.rawValue else { continue }
                answered.insert(frame.stream)
            }
            #expect(answered.count == 100)
        }
        #expect(proxy.process.isRunning)
        #expect([502, 503].contains(try proxy.ask(get()).status))
    }
}
