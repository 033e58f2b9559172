import TestSupport
import Testing

@Suite("Other people's clients of HTTP/2 are served as they expect", .onStage)
struct HTTP2ClientTests {
    let authority: Authority
    let certificate: PairOfFiles

    init() throws {
        authority = try Authority()
        certificate = try authority.certificate(["a.test", "127.0.0.1"])
    }

    private func proxy(isSecure: Bool) throws -> ProxyProcess {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            while let request = try peer.nextRequest() { try Self.answer(request, peer) }
        }
        return try ProxyProcess(
            ProxyPlan(
                servers: [server.port],
                listener: isSecure ? "tls: { certificates: [\(certificate.entry)] }" : "",
                rest: "access_log: { mode: all }"))
    }

    private static func answer(_ request: WireMessage, _ peer: ScriptedPeer) throws {
        switch request.target {
        case "/echo":
            try peer.send(
                "HTTP/1.1 200 OK\r\nContent-Length: \(request.content.count)\r\n\r\n")
            try peer.send(request.content)
        case "/cookie":
            try peer.send(ok(request.values("Cookie").joined(separator: "|")))
        case "/trailers":
            let trailers = request.trailers.map { "\($0.name): \($0.value)\r\n" }.joined()
            let size = String(request.content.count, radix: 16)
            try peer.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(size)\r\n\(request.text)"
                    + "\r\n0\r\n\(trailers)\r\n")
        case "/large":
            try peer.send(ok(String(repeating: "x", count: 300_000)))
        case "/hints":
            try peer.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + ok("hello"))
        case "/endless":
            try peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
            // Until the proxy lets go, because the client has.
            while (try? peer.send(chunk)) != nil {}
        default:
            let content = request.method == "HEAD" ? "" : "hello"
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\(content)")
        }
    }

    @Test("Python's h2, which checks every frame", arguments: [false, true])
    func python(isSecure: Bool) throws {
        let proxy = try proxy(isSecure: isSecure)
        let answer = try run(
            "/usr/bin/python3",
            [
                Machine.support("h2_calls.py"), "\(proxy.port)",
                isSecure ? authority.file : "-",
            ], seconds: 120)
        let lines = answer.output.split(separator: "\n")
        for line in lines.dropLast() { #expect(line.hasPrefix("ok "), "\(line)") }
        #expect(lines.last == "end" && lines.count == 12, "\(answer)")
        // Who has reset a stream is seen to have done so.
        #expect(proxy.waitForLog("client_closed"))
    }

    @Test("nghttp, with content, priorities and many streams", arguments: [false, true])
    func nghttp(isSecure: Bool) throws {
        let proxy = try proxy(isSecure: isSecure)
        let base = "\(isSecure ? "https" : "http")://127.0.0.1:\(proxy.port)"
        let file = authority.directory.file("content")
        let content = String(repeating: "0123456789abcdef", count: 40_000)
        try authority.directory.write(content, to: "content")
        let echoed = try run("/usr/bin/nghttp", ["-d", file, "\(base)/echo"], seconds: 60)
        #expect(echoed.status == 0 && echoed.output == content, "\(echoed.errors)")
        let told = try run(
            "/usr/bin/nghttp", ["-v", "-n", "-w", "10", "-p", "32", "\(base)/large"], seconds: 60)
        #expect(told.status == 0, "\(told.errors)")
        #expect(told.output.contains(":status: 200"), "\(told.output)")
        #expect(told.output.contains("content-length: 300000"), "\(told.output)")
        let many = try run(
            "/usr/bin/nghttp",
            ["-n", "-s", "-m", "40", "-W", "14", "\(base)/hello", "\(base)/large"], seconds: 60)
        #expect(many.status == 0, "\(many.errors)")
        #expect(many.output.matches(of: #/ 200 /#).count == 80, "\(many.output)")
    }
}
