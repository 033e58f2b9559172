import TestSupport
import Testing

@Suite("Content arrives as it was sent", .onStage)
struct ContentTests {
    /// Bytes whose place shows.
    static func pattern(_ count: Int) -> String {
        var text = ""
        while text.utf8.count < count { text += "\(text.utf8.count)," }
        return String(text.prefix(count))
    }

    @Test("Content with a length, up and down", arguments: [0, 1, 16_383, 65_537, 3_000_000])
    func lengths(count: Int) throws {
        let content = Self.pattern(count)
        let server = try ScriptedServer { request in ok(request.text) }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        let answer = try client.ask(post("/", content))
        #expect(answer.text == content)
        #expect(answer["Content-Length"] == "\(count)")
        #expect(server.requests.first?["Content-Length"] == "\(count)")
        #expect(server.requests.first?["Transfer-Encoding"] == nil)
        #expect(try client.ask(get()).status == 200)
    }

    @Test("A chunked upload stays chunked, with its trailers")
    func chunkedUpload() throws {
        let server = try ScriptedServer { _ in ok("x") }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        let large = Self.pattern(100_000)
        try client.send(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
        try client.send(pieces: [
            "5\r\nhel", "lo\r\n1", "86A0;ext=1\r\n" + large, "\r", "\n0\r\nX-Sum: 42\r\n", "\r\n",
        ])
        #expect(try client.readResponse().status == 200)
        let request = try #require(server.requests.first)
        #expect(request.text == "hello" + large)
        #expect(request["Content-Length"] == nil)
        #expect(request.trailers == [.init(name: "X-Sum", value: "42")])
        #expect(try client.ask(get()).status == 200)
        #expect(server.connectionCount == 1)
    }

    @Test("A chunked download stays chunked, with its trailers")
    func chunkedDownload() throws {
        let large = Self.pattern(100_000)
        let server = try ScriptedServer { peer, _ in
            while try peer.nextRequest() != nil {
                try peer.send(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")
                try peer.send(pieces: [
                    "5\r\nhel", "lo\r\n186a0\r\n" + large, "\r\n0\r\n", "X-Sum: 42\r\n\r\n",
                ])
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for _ in 0..<2 {
            let answer = try client.ask(get(fields: "TE: trailers\r\n"))
            #expect(answer.text == "hello" + large)
            #expect(answer.trailers == [.init(name: "X-Sum", value: "42")])
        }
        #expect(server.connectionCount == 1)
        #expect(server.problems.isEmpty)
    }

    @Test("A chunk is passed on when it comes, not when the next one does")
    func streaming() throws {
        let gate = Gate()
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nevent1\r\n")
            gate.wait()
            try peer.send("6\r\nevent2\r\n0\r\n\r\n")
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send(get())
        _ = try client.read(through: "event1")
        gate.open()
        _ = try client.read(through: "event2")
    }

    @Test("A response that ends by closing is complete for clients of both versions")
    func untilClose() throws {
        let content = Self.pattern(200_000)
        let server = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\n\r\n" + content)
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let new = try proxy.ask(get())
        #expect(new.text == content)
        let old = try proxy.ask("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        #expect(old.text == content)
        #expect(old["Transfer-Encoding"] == nil)
    }

    @Test("A client of HTTP/1.0 never sees chunks")
    func chunkedForOldClient() throws {
        let server = try ScriptedServer { _ in
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        let text = try client.readTextToEnd()
        #expect(text.hasSuffix("\r\n\r\nhello world"))
        #expect(!text.lowercased().contains("transfer-encoding"))
    }

    @Test("HEAD, 204 and 304 have no content, whatever their fields say")
    func withoutContent() throws {
        let server = try ScriptedServer { request in
            switch request.target {
            case "/204": "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"
            case "/304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: \"e\"\r\n\r\n"
            case "/chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            default:
                request.method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" : ok("x")
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        let head = try client.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head["Content-Length"] == "10")
        #expect(try client.ask("HEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n").status == 200)
        let empty = try client.ask(get("/204"))
        #expect(empty.status == 204)
        #expect(empty["Content-Length"] == nil)
        #expect(try client.ask(get("/304"))["ETag"] == "\"e\"")
        // All of it on one connection: nothing was left over.
        #expect(try client.ask(get("/last")).text == "x")
        #expect(server.connectionCount == 1)
    }

    @Test(
        "Methods and their content pass", arguments: ["PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
    func methods(method: String) throws {
        let server = try ScriptedServer { request in ok(request.method + request.text) }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        try client.send("\(method) / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nz")
        #expect(try client.readResponse().text == method + "z")
    }

    @Test("A slow reader holds its server back, and memory stays bounded")
    func backPressure() throws {
        let megabyte = [UInt8](repeating: 65, count: 1 << 20)
        let sent = Tally()
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: \(64 << 20)\r\n\r\n")
            for _ in 0..<64 {
                try peer.send(megabyte)
                sent.add()
            }
        }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let before = proxy.process.residentBytes
        let client = try ScriptedClient(
            port: proxy.port, isRecording: false, receiveBuffer: 64 << 10)
        try client.send(get())
        _ = try client.read(through: "\r\n\r\n")
        Thread.sleep(milliseconds: 1500)
        #expect(sent.count < 48, "\(sent.count) MiB were taken from the server")
        #expect(proxy.process.residentBytes - before < 16 << 20)
        #expect(try client.discardToEnd(limit: 64 << 20) == 64 << 20)
    }
}
