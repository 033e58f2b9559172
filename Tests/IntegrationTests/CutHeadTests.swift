import TestSupport
import Testing

@Suite("A head may arrive in any pieces", .onStage)
struct CutHeadTests {
    @Test("A request cut in two at every byte")
    func request() throws {
        let server = try ScriptedServer { request in ok(request.text) }
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let text = post(
            "/path?query", "hello", fields: "X-Long: \(String(repeating: "v", count: 60))\r\n")
        let bytes = Array(text.utf8)
        let client = try proxy.client()
        for cut in 1..<bytes.count {
            try client.send(Array(bytes[..<cut]))
            Thread.sleep(milliseconds: 1)
            try client.send(Array(bytes[cut...]))
            #expect(try client.readResponse().text == "hello", "cut at \(cut)")
        }
        // Every request looked the same to the server.
        let heads = Set(
            server.requests.map { $0.fields.filter { $0.name != "X-Request-Id" }.map(\.value) })
        #expect(heads.count == 1)
    }

    @Test("A request of single bytes")
    func singleBytes() throws {
        let server = try ScriptedServer { request in ok(request.text) }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for byte in Array(post("/", "hello").utf8) { try client.send([byte]) }
        #expect(try client.readResponse().text == "hello")
    }

    @Test("A response cut in two at every byte")
    func response() throws {
        let text =
            "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "5;x\r\nhello\r\n0\r\nX-T: t\r\n\r\n"
        let bytes = Array(text.utf8)
        let server = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                let cut = Int(request.target.dropFirst()) ?? 1
                try peer.send(Array(bytes[..<cut]))
                Thread.sleep(milliseconds: 1)
                try peer.send(Array(bytes[cut...]))
            }
        }
        let client = try ProxyProcess(ProxyPlan(servers: [server.port])).client()
        for cut in 1..<bytes.count {
            let answer = try client.ask(get("/\(cut)"))
            #expect(answer.text == "hello", "cut at \(cut)")
            #expect(answer["X-A"] == "b", "cut at \(cut)")
        }
        #expect(server.problems.isEmpty)
    }
}
