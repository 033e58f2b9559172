import Foundation
import TestSupport
import Testing

@Suite("TLS is passed on to the service of its name", .onStage)
struct PassthroughTests {
    let authority: Authority

    init() throws { authority = try Authority() }

    /// A server that speaks TLS itself, with a certificate for `name`.
    private func server(_ name: String) throws -> ProxyProcess {
        let origin = try ScriptedServer(isRecording: false) { request in
            ok("\(name) \(request.target)")
        }
        let certificate = try authority.certificate([name])
        var plan = ProxyPlan(listener: "tls: { certificates: [\(certificate.entry)] }")
        plan.servers = [origin.address]
        return try ProxyProcess(plan)
    }

    private func ask(_ proxy: ProxyProcess, _ name: String) throws -> (text: String, status: Int) {
        let answer = try run(
            "/usr/bin/curl",
            [
                "-sS", "--max-time", "20", "--cacert", authority.file, "--connect-to",
                "::127.0.0.1:\(proxy.port)", "https://\(name):\(proxy.port)/x",
            ])
        return (answer.output + answer.errors, answer.status)
    }

    private func proxy(
        _ routes: [(String, ProxyProcess)], rest: String = "", other: ProxyProcess? = nil
    ) throws -> ProxyProcess {
        let entries = routes.enumerated().map { "\"\($1.0)\": s\($0)" }.joined(separator: ", ")
        var listener = "protocols: [tls-passthrough]\n" + rest
        if !routes.isEmpty { listener += "routes: { \(entries) }\n" }
        if other != nil { listener += "service: app\n" }
        let services = routes.enumerated()
            .map { "s\($0): { servers: [\($1.1.port)], health: off }" }.joined(separator: "\n")
        var plan = ProxyPlan(listener: listener, services: services)
        plan.servers = ["127.0.0.1:\((other ?? routes[0].1).port)"]
        plan.rest = "access_log: { mode: all }"
        return try ProxyProcess(plan)
    }

    @Test("Each name has its service, wildcards theirs, and the certificate is the server's own")
    func names() throws {
        let exact = try server("a.test")
        let wild = try server("b.wild.test")
        let deep = try server("c.deep.wild.test")
        let proxy = try proxy([
            ("*.wild.test", wild), ("a.test", exact), ("*.deep.wild.test", deep),
        ])
        #expect(try ask(proxy, "a.test").text == "a.test /x")
        #expect(try ask(proxy, "A.TEST").text == "a.test /x")
        #expect(try ask(proxy, "b.wild.test").text == "b.wild.test /x")
        #expect(try ask(proxy, "c.deep.wild.test").text == "c.deep.wild.test /x")
        // Nobody has this one: said in TLS, and in the log.
        let unknown = try ask(proxy, "wild.test")
        #expect(unknown.status == 35, "\(unknown)")
        #expect(unknown.text.contains("unrecognized name"), "\(unknown)")
        #expect(eventually { proxy.process.output.contains("tls-unknown-name") })
        // What is no TLS at all is cut.
        let client = try proxy.client()
        try client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        #expect(client.isEnded())
        #expect(eventually { proxy.process.output.contains("tls-no-handshake") })
    }

    @Test("Names without a route, and clients without a name, go to the listener's service")
    func others() throws {
        let known = try server("a.test")
        let other = try server("z.test")
        let proxy = try proxy([("a.test", known)], other: other)
        #expect(try ask(proxy, "a.test").text == "a.test /x")
        #expect(try ask(proxy, "z.test").text == "z.test /x")
        let nameless = try run(
            "/bin/sh",
            [
                "-c",
                "echo | openssl s_client -connect 127.0.0.1:\(proxy.port) -noservername "
                    + "-CAfile \(authority.file) 2>&1",
            ])
        #expect(nameless.output.contains("subject=CN = z.test"), "\(nameless)")
    }

    @Test("A first message that comes byte by byte, or never, is waited for only so long")
    func slow() throws {
        let known = try server("a.test")
        let proxy = try proxy([("a.test", known)], rest: "timeouts: { handshake: 300ms }\n")
        let client = try proxy.client()
        try client.send([22, 3, 1])
        #expect(client.isEnded())
        #expect(try ask(proxy, "a.test").text == "a.test /x")
    }

    @Test("The name is found behind a PROXY header")
    func announced() throws {
        let known = try server("a.test")
        let proxy = try proxy(
            [("a.test", known)], rest: "proxy_protocol: v1\ntrusted_proxies: [127.0.0.0/8]\n")
        let answer = try run(
            "/usr/bin/curl",
            [
                "-sS", "--max-time", "20", "--cacert", authority.file, "--haproxy-protocol",
                "--connect-to", "::127.0.0.1:\(proxy.port)", "https://a.test:\(proxy.port)/x",
            ])
        #expect(answer.output == "a.test /x", "\(answer)")
    }
}
