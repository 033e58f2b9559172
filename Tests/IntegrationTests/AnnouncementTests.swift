import TestSupport
import Testing

@Suite("A trusted balancer says who its client is, the PROXY protocol", .onStage)
struct AnnouncementTests {
    private func proxy(
        listener: String = "proxy_protocol: any\ntrusted_proxies: [127.0.0.0/8]\n"
    ) throws -> ProxyProcess {
        let server = try ScriptedServer(isRecording: false) { request in
            ok("\(request["X-Forwarded-For"] ?? "-") \(request.target)")
        }
        var plan = ProxyPlan(listener: listener)
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    /// A header of version 2 for 203.0.113.7.
    private let binary: [UInt8] =
        [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, 0x21, 0x11, 0, 12]
        + [203, 0, 113, 7, 10, 0, 0, 1, 0x1F, 0x90, 0, 80]

    @Test("In one piece with the request, cut anywhere, and for all requests of the connection")
    func versions() throws {
        let proxy = try proxy()
        for header in [Array("PROXY TCP4 203.0.113.7 10.0.0.1 5000 80\r\n".utf8), binary] {
            for cut in [0, 1, header.count / 2, header.count - 1, header.count] {
                let client = try proxy.client()
                if cut > 0 { try client.send(Array(header[..<cut])) }
                try client.send(Array(header[cut...]) + Array(get("/a").utf8))
                #expect(try client.readResponse().text == "203.0.113.7 /a", "cut at \(cut)")
                #expect(try client.ask(get("/b")).text == "203.0.113.7 /b")
                client.close()
            }
        }
    }

    @Test("A balancer that speaks for itself is the client")
    func local() throws {
        let proxy = try proxy()
        let client = try proxy.client()
        try client.send(Array(binary[..<12]) + [0x20, 0, 0, 0] + Array(get("/").utf8))
        #expect(try client.readResponse().text == "127.0.0.1 /")
    }

    @Test("Connections without the header, and from strangers, are refused")
    func refused() throws {
        let proxy = try proxy()
        let plain = try proxy.client()
        try plain.send(get("/"))
        #expect(plain.isEnded(within: 10))
        #expect(proxy.waitForLog("proxy-header-missing"))
        let strict = try self.proxy(
            listener: "proxy_protocol: v1\ntrusted_proxies: [10.0.0.0/8]\n")
        let stranger = try strict.client()
        try? stranger.send("PROXY TCP4 203.0.113.7 10.0.0.1 5000 80\r\n" + get("/"))
        #expect(stranger.isEnded(within: 10))
        #expect(strict.waitForLog("proxy-untrusted"))
    }

    @Test("TLS begins behind the header")
    func secure() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["a.test"])
        let proxy = try proxy(
            listener: "proxy_protocol: v1\ntrusted_proxies: [127.0.0.0/8]\n"
                + "tls: { certificates: [\(certificate.entry)] }\n")
        let answer = try run(
            "/usr/bin/curl",
            [
                "-sS", "--max-time", "20", "--cacert", authority.file, "--haproxy-protocol",
                "--connect-to", "::127.0.0.1:\(proxy.port)", "https://a.test:\(proxy.port)/x",
            ])
        #expect(answer.output == "127.0.0.1 /x", "\(answer)")
    }

    @Test("Bytes begin behind the header, too")
    func bytes() throws {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            try peer.send("heard \(peer.read(through: "\n"))")
        }
        var plan = ProxyPlan(
            listener: "protocols: [tcp]\nservice: app\nproxy_protocol: v2\n"
                + "trusted_proxies: [127.0.0.0/8]\n")
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        try client.send(binary + Array("x\n".utf8))
        #expect(try client.read(through: "\n") == "heard x\n")
    }

    @Test(
        "Servers are told, in either version, on connections of their own", arguments: ["v1", "v2"])
    func told(version: String) throws {
        let announcements = try proxy()
        let second = ProxyPlan(
            servers: [announcements.port],
            service: "send_proxy_protocol: \(version)",
            listener: "headers: { forwarded: off }", health: "{ path: /up, interval: 2s }")
        let proxy = try ProxyProcess(second)
        #expect(proxy.waitForLog("up: check passed"))
        let client = try proxy.client()
        for path in ["/a", "/b"] {
            #expect(try client.ask(get(path)).text == "127.0.0.1 \(path)")
        }
        let other = try ScriptedServer(isRecording: true) { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            _ = try peer.readToEnd()
        }
        let third = try ProxyProcess(
            ProxyPlan(servers: [other.port], service: "send_proxy_protocol: \(version)"))
        #expect(try third.ask(get("/c")).status == 200)
        #expect(try third.ask(get("/d")).status == 200)
        #expect(other.connectionCount == 2)
        let head = other.received[0]
        if version == "v1" {
            #expect(head.hasPrefix("PROXY TCP4 127.0.0.1 127.0.0.1 "))
            #expect(head.contains(" \(third.port)\r\nGET /c HTTP/1.1\r\n"))
        } else {
            #expect(head.contains("QUIT\n!"))
            #expect(head.contains("GET /c HTTP/1.1\r\n"))
        }
    }

    @Test("Version 2 tells servers what TLS has told: version, cipher, name and certificate")
    func secureDetails() throws {
        let authority = try Authority()
        let server = try authority.certificate(["a.test"])
        let client = try authority.certificate(["ann"])
        let received = try ScriptedServer { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        }
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [received.port], service: "send_proxy_protocol: v2",
                listener: "tls: { certificates: [\(server.entry)], client_auth: optional, "
                    + "client_ca: \(authority.file) }"))
        func curl(_ arguments: [String]) throws -> String {
            try run(
                "/usr/bin/curl",
                [
                    "-sS", "--max-time", "20", "--cacert", authority.file, "--connect-to",
                    "::127.0.0.1:\(proxy.port)",
                ] + arguments + ["https://a.test:\(proxy.port)/x"]
            ).output
        }
        #expect(try curl(["--http1.1", "--tls-max", "1.2"]) == "ok")
        #expect(try curl(["--cert", client.certificate, "--key", client.key]) == "ok")
        let heads = received.received
        try #require(heads.count == 2)
        // Length, and what stands behind the length of the addresses.
        #expect(heads[0].contains("\u{1}\0\u{8}http/1.1"))
        #expect(heads[0].contains("\u{2}\0\u{6}a.test"))
        #expect(heads[0].contains("\u{1}\0\0\0\u{1}\u{21}\0\u{7}TLSv1.2"))
        #expect(heads[1].contains("\u{1}\0\u{2}h2"))
        #expect(heads[1].contains("\u{7}\0\0\0\0\u{21}\0\u{7}TLSv1.3\u{22}\0\u{3}ann"))
        #expect(heads[1].contains("TLS_AES_128_GCM_SHA256"))
    }
}
