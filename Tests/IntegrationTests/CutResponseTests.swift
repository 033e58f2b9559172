import TestSupport
import Testing

@Suite("A response cut short never looks complete", .onStage)
struct CutResponseTests {
    enum Ending: String, CaseIterable, Sendable { case close, reset }

    private func proxy(_ answer: String, _ ending: Ending) throws -> ProxyProcess {
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(answer)
            // Let the bytes go through before a reset throws them away.
            Thread.sleep(milliseconds: 100)
            if ending == .reset { peer.reset() }
        }
        return try ProxyProcess(ProxyPlan(servers: [server.port]))
    }

    @Test("Chunked content without its last chunk", arguments: Ending.allCases)
    func chunked(ending: Ending) throws {
        let proxy = try proxy(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", ending)
        let client = try proxy.client()
        try client.send(get())
        _ = try? client.readToEnd()
        #expect(client.receivedText.contains("hello"))
        // A request identifier may end in 0: the line end before it belongs to the last chunk.
        #expect(!client.receivedText.contains("\r\n0\r\n\r\n"))
        #expect(proxy.waitForLog("server_closed_midway"))
    }

    @Test("Content shorter than its length", arguments: Ending.allCases)
    func length(ending: Ending) throws {
        let proxy = try proxy("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", ending)
        let client = try proxy.client()
        try client.send(get())
        _ = try? client.readToEnd()
        #expect(client.receivedText.hasSuffix("\r\n\r\nhello"))
        #expect(client.isEnded())
        #expect(proxy.waitForLog("server_closed_midway"))
    }

    @Test("Content that ends by closing, but was reset")
    func untilClose() throws {
        let proxy = try proxy("HTTP/1.1 200 OK\r\n\r\nhello", .reset)
        let client = try proxy.client()
        try client.send(get())
        do {
            _ = try client.readToEnd()
            // Chunked for the client: an end without the last chunk shows the cut.
            #expect(client.receivedText.lowercased().contains("transfer-encoding: chunked"))
            #expect(!client.receivedText.contains("\r\n0\r\n\r\n"))
        } catch PeerError.reset {
            // As good: whoever is reset knows that something is missing.
        }
    }

    @Test("A malformed chunk in the middle")
    func malformed() throws {
        let proxy = try proxy(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZ\r\n", .close)
        let client = try proxy.client()
        try client.send(get())
        _ = try? client.readToEnd()
        #expect(!client.receivedText.contains("\r\n0\r\n\r\n"))
    }

    @Test("A head cut in the middle is a 502, for content that cannot be sent again")
    func head() throws {
        let proxy = try proxy("HTTP/1.1 200 OK\r\nContent-Le", .close)
        let answer = try proxy.ask(post("/", "x"))
        #expect(answer.status == 502)
        #expect(answer["Proxy-Status"]?.contains("connection_terminated") ?? false, "\(answer)")
        #expect(answer["Proxy-Status"]?.contains("server_closed_early") ?? false, "\(answer)")
    }

    @Test("A client that cuts its upload short never looks complete to the server either")
    func upload() throws {
        let ended = Gate()
        let server = try ScriptedServer { peer, _ in
            _ = try? peer.readToEnd()
            ended.open()
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        #expect(eventually { server.received.first?.contains("hello") ?? false })
        client.close()
        #expect(ended.wait(seconds: 5))
        #expect(!(server.received.first ?? "").contains("0\r\n\r\n"))
        #expect(server.connectionCount == 1)
    }
}
