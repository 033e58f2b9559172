import Foundation
import TestSupport
import Testing

@Suite("A listener for bytes passes them on, whatever they mean", .onStage)
struct TunnelTests {
    private func proxy(
        _ servers: [String], listener: String = "", service: String = ""
    ) throws -> ProxyProcess {
        var plan = ProxyPlan(
            service: service, listener: "protocols: [tcp]\nservice: app\n" + listener)
        plan.servers = servers
        return try ProxyProcess(plan)
    }

    /// Says its name to whoever connects, then repeats what it hears.
    private func echo(_ name: String) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            let first = try peer.read(through: "\n")
            try peer.send("\(name) \(first)")
            while true {
                let bytes = peer.readAvailable()
                if bytes.isEmpty {
                    if peer.isEnded(within: 0.05) { break }
                    continue
                }
                try peer.send(bytes)
            }
            try peer.send("over")
            peer.close()
        }
    }

    @Test("Connections are spread, and each stays with its server")
    func spread() throws {
        let servers = try ["a", "b"].map(echo)
        let proxy = try proxy(servers.map(\.address), service: "balance: round-robin")
        var names: [String] = []
        for number in 0..<6 {
            let client = try proxy.client()
            try client.send("hello \(number)\n")
            let answer = try client.read(through: "\n")
            #expect(answer.hasSuffix("hello \(number)\n"))
            names.append(String(answer.prefix(1)))
            client.close()
        }
        // Whose turn is first is left to chance.
        let turns = ["a", "b", "a", "b", "a", "b"]
        #expect(names == turns || names == turns.reversed())
    }

    @Test("A client that has finished sending still gets the rest")
    func halfClose() throws {
        let proxy = try proxy([try echo("a").address])
        let client = try proxy.client()
        try client.send("x\nmore")
        client.finishSending()
        #expect(try client.readTextToEnd() == "a x\nmoreover")
    }

    @Test("Millions of bytes arrive whole, both ways")
    func large() throws {
        let size = 8_000_000
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 9) }
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let received = try peer.readToEnd()
            try peer.send(received.reversed())
            peer.finishSending()
        }
        let proxy = try proxy([server.address])
        let client = try proxy.client(timeout: 60)
        try client.send(bytes)
        client.finishSending()
        let answer = try client.readToEnd()
        #expect(answer.count == size)
        #expect(answer == bytes.reversed())
    }

    @Test("A server that refuses is passed over; with nobody left the client is reset")
    func refused() throws {
        let server = try echo("a")
        let closed = Machine.freePort()
        let proxy = try proxy(
            ["127.0.0.1:\(closed)", server.address], service: "balance: round-robin")
        for _ in 0..<4 {
            let client = try proxy.client()
            try client.send("x\n")
            #expect(try client.read(through: "\n") == "a x\n")
            client.close()
        }
        let nobody = try self.proxy(["127.0.0.1:\(closed)"], service: "retries: off")
        let client = try nobody.client()
        #expect(client.isEnded(within: 10))
        #expect(nobody.waitForLog("\"reason\":\"server_refused\""))
    }

    @Test("TLS ends here, and the bytes go on without it")
    func terminated() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["a.test"])
        let server = try ScriptedServer(text: "behind")
        let proxy = try proxy(
            [server.address], listener: "tls: { certificates: [\(certificate.entry)] }\n")
        let answer = try run(
            "/usr/bin/curl",
            [
                "-sS", "--max-time", "20", "--cacert", authority.file,
                "--connect-to", "::127.0.0.1:\(proxy.port)", "https://a.test:\(proxy.port)/",
            ])
        #expect(answer.output == "behind", "\(answer)")
    }

    @Test("A server that is removed keeps its connections until its time to drain is over")
    func drained() throws {
        let servers = try ["a", "b"].map(echo)
        let proxy = try proxy(servers.map(\.address), service: "balance: round-robin")
        let client = try proxy.client()
        try client.send("x\n")
        let isFirst = try client.read(through: "\n") == "a x\n"
        let (mine, other) = isFirst ? (servers[0], "b") : (servers[1], "a")
        let removal = try ChildProcess(
            ProxyProcess.executable,
            ["remove", mine.address, "--socket", proxy.socket])
        #expect(
            eventually { proxy.serverStates()[mine.address] == "draining" })
        for _ in 0..<4 {
            let newcomer = try proxy.client()
            try newcomer.send("y\n")
            #expect(try newcomer.read(through: "\n") == "\(other) y\n")
            newcomer.close()
        }
        try client.send("still")
        #expect(try client.read(5) == Array("still".utf8))
        client.close()
        #expect(removal.waitForEnd(seconds: 20) == .exited(0), "\(removal.log)")
    }
}
