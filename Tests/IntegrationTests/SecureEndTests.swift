import TestSupport
import Testing

@Suite("TLS: nothing that was read is forgotten, nothing that is owed is left", .onStage)
struct SecureEndTests {
    private func upstream(
        _ authority: Authority, version: String = "1.3", environment: [String: String] = [:]
    ) throws -> UInt16 {
        let certificate = try authority.certificate(["localhost"])
        let port = Machine.freePort()
        _ = try ChildProcess(
            "/usr/bin/python3",
            [
                Machine.support("tls_upstream.py"), "\(port)", certificate.certificate,
                certificate.key, version,
            ], environment: environment)
        let isListening = eventually { (try? ScriptedClient(port: port)) != nil }
        #expect(isListening)
        return port
    }

    private func plan(_ authority: Authority, _ port: UInt16) -> ProxyPlan {
        var plan = ProxyPlan(service: "tls: { ca: \(authority.file) }")
        plan.servers = ["\"https://localhost:\(port)\""]
        return plan
    }

    @Test("An answer whose end comes with it is whole at once", arguments: ["1.2", "1.3"])
    func endWithContent(version: String) throws {
        let authority = try Authority()
        let proxy = try ProxyProcess(plan(authority, upstream(authority, version: version)))
        for _ in 0..<3 {
            let answer = try proxy.ask(get("/ending"), timeout: 10)
            #expect(answer.status == 200)
            #expect(answer.text == "whole")
        }
    }

    @Test("A client's end that comes with its content is passed on")
    func halfClose() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["a.test"])
        let server = try ScriptedServer { peer, _ in
            let heard = try peer.readTextToEnd()
            try peer.send("heard \(heard)")
            peer.finishSending()
            _ = peer.isEnded()
        }
        var plan = ProxyPlan(
            listener: "protocols: [tcp]\nservice: app\n"
                + "tls: { certificates: [\(certificate.entry)] }\n")
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        let answer = try run(
            "/usr/bin/python3",
            [Machine.support("tls_half_close.py"), "\(proxy.port)", authority.file, "all"])
        #expect(answer.output == "heard all\n", "\(answer)")
    }

    @Test(
        "What a server says with its last message of the handshake is heard",
        arguments: ["1.2", "1.3"])
    func greeting(version: String) throws {
        let authority = try Authority()
        let port = try upstream(authority, version: version, environment: ["MODE": "tunnel"])
        var plan = plan(authority, port)
        plan.listener = "protocols: [tcp]\nservice: app\n"
        let client = try ProxyProcess(plan).client(timeout: 10)
        #expect(try client.read(5) == Array("hello".utf8))
        try client.send("12345")
        client.finishSending()
        #expect(try client.readTextToEnd() == "5")
    }

    @Test("Ciphertext that a socket did not take is sent", .enabled(if: Machine.canUnshare))
    func narrow() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["localhost"])
        let answer = try run(
            try #require(Machine.program("unshare")),
            [
                "--net", "/usr/bin/python3", Machine.support("tls_narrow.py"),
                ProxyProcess.executable, authority.directory.path, certificate.certificate,
                certificate.key, authority.file,
            ], seconds: 100)
        #expect(
            answer.output == """
                upload 1000000
                tunnel hello1000000
                tunnel hello1000000
                download 150000

                """, "\(answer)")
    }
}
