import TestSupport
import Testing

@Suite("After 101 the bytes are the peers' own", .onStage)
struct UpgradeTests {
    private let handshake = get(
        "/chat",
        fields: "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")

    @Test("WebSocket frames are echoed through the proxy")
    func echo() throws {
        let server = try EchoServer.start()
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        let answer = try client.ask(handshake)
        #expect(answer.status == 101)
        #expect(answer["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        #expect(answer["Upgrade"]?.lowercased() == "websocket")
        #expect(answer["Connection"]?.lowercased() == "upgrade")
        for count in [0, 1, 125, 126, 5_000, 65_535] {
            let frame = WebSocketFrame(String(repeating: "w", count: count))
            try client.send(frame.bytes(mask: [9, 8, 7, 6]))
            #expect(try WebSocketFrame.read(from: client) == frame)
        }
        try client.send(WebSocketFrame(opcode: 8, content: []).bytes(mask: [0, 0, 0, 0]))
        #expect(try WebSocketFrame.read(from: client).opcode == 8)
        #expect(client.isEnded())
        #expect(server.problems.isEmpty)
    }

    @Test("Bytes that come with the 101 are not lost, on either side")
    func together() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
                    + "Connection: upgrade\r\n\r\nat once"
            )
            try peer.send(try peer.read(through: "."))
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get(fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try client.readResponse().status == 101)
        #expect(try client.read(7) == Array("at once".utf8))
        try client.send("back.")
        #expect(try client.readTextToEnd() == "back.")
    }

    @Test("One direction may end before the other")
    func halfClose() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            let heard = try peer.readToEnd()
            try peer.send("heard \(heard.count) bytes and the end")
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get(fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try client.readResponse().status == 101)
        try client.send(String(repeating: "z", count: 100_000))
        client.finishSending()
        #expect(try client.readTextToEnd() == "heard 100000 bytes and the end")
    }

    @Test("The server may end first, too")
    func serverHalfClose() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbye")
            peer.finishSending()
            _ = try peer.read(through: "last words")
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get(fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try client.readResponse().status == 101)
        #expect(try client.readTextToEnd() == "bye")
        try client.send("last words")
        #expect(eventually { server.received.first?.hasSuffix("last words") ?? false })
        #expect(server.problems.isEmpty)
    }

    @Test("A refused upgrade is an ordinary answer, and the connection goes on")
    func refused() throws {
        let server = try ScriptedServer { request in
            request.has("Upgrade")
                ? "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" : ok("x")
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        #expect(try client.ask(handshake).status == 403)
        #expect(try client.ask(get()).text == "x")
    }

    @Test("A 101 that nobody asked for is a bad answer")
    func unasked() throws {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port], service: "retries: off"))
        #expect(try proxy.ask(get()).status == 502)
    }

    @Test("The access log counts the bytes of each direction, none twice and none made up")
    func byteCounts() throws {
        let sent = [1, 100, 65_536, 3, 400_000]
        let answered = [7, 1, 1, 150_000, 2]
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            for (heard, count) in zip(sent, answered) {
                _ = try peer.read(heard)
                try peer.send(String(repeating: "s", count: count))
            }
            _ = try peer.readToEnd()
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], rest: "access_log: { mode: all }"))
        let client = try proxy.client()
        try client.send(get("/counted", fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try client.readResponse().status == 101)
        for (count, heard) in zip(sent, answered) {
            try client.send(String(repeating: "c", count: count))
            #expect(try client.read(heard).count == heard)
        }
        client.finishSending()
        #expect(client.isEnded())
        #expect(proxy.waitForLog("/counted"))
        let line = proxy.process.output.split(separator: "\n").first { $0.contains("/counted") }
        let text = String(line ?? "")
        #expect(text.contains("\"in\":\(sent.reduce(0, +)),"), "\(text)")
        #expect(text.contains("\"out\":\(answered.reduce(0, +)),"), "\(text)")
        #expect(server.problems.isEmpty)
    }
}
