import Glibc
import TestSupport
import Testing

@Suite("A process that is stopped", .onStage)
struct StoppedProcessTests {
    @Test("Every command ends, with a sentence, when the process does not answer")
    func commands() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        proxy.process.signal(SIGSTOP)
        defer { proxy.process.signal(SIGCONT) }
        let commands = [
            ["health"], ["status"], ["status", "--json"], ["reload"],
            ["wait", "app", "--healthy", "1", "--timeout", "1s"],
            ["wait", "--healthy", "1", "--timeout", "1s"],
            ["add", "app", "127.0.0.1:9"], ["drain", server.address, "--for", "1s"],
            ["set", server.address, "weight=2"],
        ]
        let results = Locked<[Int: (status: Int, errors: String)]>([:])
        for (index, words) in commands.enumerated() {
            let words = words + ["--socket", proxy.socket]
            Thread.start {
                let result = try? ProxyProcess.command(words, seconds: 30)
                results.withLock { $0[index] = (result?.status ?? -1, result?.errors ?? "") }
            }
        }
        #expect(eventually(timeout: 40) { results.withLock { $0.count } == commands.count })
        let ended = results.withLock { $0 }
        for (index, words) in commands.enumerated() {
            let result = ended[index]
            #expect(result?.status == 1, "\(words): \(String(describing: result))")
            #expect(
                result?.errors.contains("has not answered for") == true,
                "\(words): \(String(describing: result))")
        }
    }

    @Test("An answer that takes long is waited for as long as the process is well")
    func slowAnswer() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            Thread.sleep(milliseconds: 4500)
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send(get())
        #expect(eventually { server.received.contains { $0.hasPrefix("GET") } })
        // Returns when the request has ended, which is longer than the patience of a call.
        let drained = try proxy.command("drain", server.address, "--for", "20s")
        #expect(drained.status == 0, "\(drained)")
        #expect(drained.output.contains("gone"), "\(drained)")
        #expect(try client.readResponse().text == "ok")
    }
}
