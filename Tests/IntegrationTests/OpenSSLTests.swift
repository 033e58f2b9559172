import Foundation
import TestSupport
import Testing

@Suite("TLS as the openssl command sees it", .onStage)
struct OpenSSLTests {
    let authority: Authority

    init() throws { authority = try Authority() }

    private func proxy(
        _ certificates: [PairOfFiles], _ tls: String = "", workers: Int? = 1
    ) throws -> ProxyProcess {
        let server = try ScriptedServer(text: "app")
        let entries = certificates.map(\.entry).joined(separator: ", ")
        let lines = tls.split(separator: "\n").map { "  \($0)\n" }.joined()
        var plan = ProxyPlan(
            listener: "tls:\n  certificates: [\(entries)]\n" + lines, workers: workers)
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    /// What `openssl s_client` says of one handshake.
    private func shake(_ proxy: ProxyProcess, _ words: String) throws -> String {
        let arguments =
            ["s_client", "-connect", "127.0.0.1:\(proxy.port)", "-CAfile", authority.file]
            + words.split(separator: " ").map(String.init)
        let answer = try run("/usr/bin/openssl", arguments)
        return answer.output + answer.errors
    }

    @Test("The name decides on the certificate: exact, wildcard, and the first for all others")
    func names() throws {
        let proxy = try proxy([
            authority.certificate(["a.test"]), authority.certificate(["x.b.test"]),
            authority.certificate(["*.b.test"]),
        ])
        for (name, shown) in [
            ("-servername a.test", "a.test"), ("-servername x.b.test", "x.b.test"),
            ("-servername y.b.test", "*.b.test"), ("-servername X.B.TEST", "x.b.test"),
            ("-servername z.y.b.test", "a.test"), ("-servername other", "a.test"),
            ("-noservername", "a.test"),
        ] {
            let said = try shake(proxy, name)
            #expect(said.contains("subject=CN = \(shown)\n"), "\(name): \(said)")
            #expect(said.contains("Verify return code: 0 (ok)"), "\(said)")
        }
    }

    @Test("Versions and ciphers are those that the listener allows")
    func versions() throws {
        let certificate = try authority.certificate(["a.test"])
        let open = try proxy([certificate])
        #expect(try shake(open, "-tls1_3").contains("New, TLSv1.3"))
        #expect(try shake(open, "-tls1_2").contains("New, TLSv1.2"))
        for old in ["-tls1_1 -cipher ALL@SECLEVEL=0", "-tls1 -cipher ALL@SECLEVEL=0"] {
            #expect(try shake(open, old).contains("Cipher is (NONE)"), "\(old)")
        }
        // Neither without forward secrecy nor without authenticated encryption.
        for cipher in ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256"] {
            #expect(try shake(open, "-tls1_2 -cipher \(cipher)").contains("Cipher is (NONE)"))
        }
        let modern = try proxy([certificate], "min_version: \"1.3\"")
        #expect(try shake(modern, "-tls1_2").contains("Cipher is (NONE)"))
        #expect(try shake(modern, "-tls1_3").contains("New, TLSv1.3"))
        let narrow = try proxy(
            [certificate],
            "ciphers: ECDHE-ECDSA-CHACHA20-POLY1305\ncipher_suites: TLS_AES_256_GCM_SHA384\n"
                + "groups: P-384")
        let old = try shake(narrow, "-tls1_2")
        #expect(old.contains("Cipher is ECDHE-ECDSA-CHACHA20-POLY1305"), "\(old)")
        let new = try shake(narrow, "-tls1_3")
        #expect(new.contains("Cipher is TLS_AES_256_GCM_SHA384"), "\(new)")
        #expect(new.contains("secp384r1"), "\(new)")
    }

    @Test("Protocols are agreed on, the listener's first, or the handshake fails")
    func protocols() throws {
        let proxy = try proxy([authority.certificate(["a.test"])])
        for (offer, chosen) in [
            ("-alpn h2,http/1.1", "ALPN protocol: h2"),
            ("-alpn http/1.1,h2", "ALPN protocol: h2"),
            ("-alpn http/1.1", "ALPN protocol: http/1.1"), ("", "No ALPN negotiated"),
        ] {
            let said = try shake(proxy, offer)
            #expect(said.contains(chosen), "\(offer): \(said)")
        }
        #expect(try shake(proxy, "-alpn spdy/3").contains("no application protocol"))
    }

    @Test("RSA and ECDSA for one name, each with the staple of its own")
    func kinds() throws {
        let curve = try authority.certificate(["a.test"])
        let rsa = try authority.certificate(["a.test"], key: "rsa:2048")
        try authority.staple(curve)
        try authority.staple(rsa)
        let proxy = try proxy([curve, rsa])
        for (words, kind, pair) in [
            ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "rsaEncryption", rsa),
            ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "id-ecPublicKey", curve),
            ("-tls1_3 -sigalgs RSA-PSS+SHA256", "rsaEncryption", rsa),
            ("-tls1_3 -sigalgs ECDSA+SHA256", "id-ecPublicKey", curve),
        ] {
            let said = try shake(proxy, "-status -servername a.test \(words)")
            #expect(said.contains("a:PKEY: \(kind)"), "\(words): \(said)")
            #expect(said.contains("OCSP Response Status: successful"), "\(words): \(said)")
            let serial = try authority.serial(pair)
            #expect(said.contains("Serial Number: \(serial)"), "\(words): \(serial) in \(said)")
        }
        let plain = try self.proxy([authority.certificate(["a.test"])])
        #expect(try shake(plain, "-status").contains("OCSP response: no response sent"))
        let off = try self.proxy([curve], "ocsp: off")
        #expect(try shake(off, "-status").contains("OCSP response: no response sent"))
    }

    @Test("A client that waits after its handshake has its ticket, and with it an acknowledgement")
    func quiet() throws {
        let proxy = try proxy([authority.certificate(["a.test"])])
        let answer = try run(
            "/usr/bin/python3", [Machine.support("tls_quiet.py"), "\(proxy.port)", authority.file])
        #expect(answer.output == "said something\n", "\(answer)")
    }

    @Test("Nobody's handshake waits for those of clients that came later")
    func order() throws {
        let proxy = try proxy([authority.certificate(["a.test"])])
        let answer = try run(
            "/usr/bin/python3", [Machine.support("tls_crowd.py"), "\(proxy.port)", "200", "2000"])
        let said = answer.output + answer.errors
        let overtaken = said.split(separator: " ").last.flatMap { Int($0.dropLast()) }
        // What arrives in one turn may be taken in any order.
        #expect(try #require(overtaken, "\(said)") <= 128, "\(said)")
    }

    @Test("Connections that say nothing keep nobody out; the oldest of them go")
    func silence() throws {
        let proxy = try proxy([authority.certificate(["a.test"])])
        let answer = try run(
            "/usr/bin/python3",
            [Machine.support("tls_silence.py"), "\(proxy.port)", authority.file, "1300"])
        let said = answer.output + answer.errors
        #expect(said.contains("answered\n"), "\(said)")
        #expect(said.contains("closed 276 or more\n"), "\(said)")
        #expect(proxy.waitForLog("have not begun TLS"), "\(proxy.log)")
        // Nothing was forgotten with them.
        #expect(try shake(proxy, "-tls1_3").contains("New, TLSv1.3"))
    }

    @Test("A client that says nothing has half the time of a handshake")
    func firstMessage() throws {
        let server = try ScriptedServer(text: "app")
        let certificate = try authority.certificate(["a.test"])
        let plan = ProxyPlan(
            servers: [server.port],
            listener: "timeouts: { handshake: 6s }\ntls: { certificates: [\(certificate.entry)] }")
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        let began = ContinuousClock.now
        #expect(try client.readToEnd().isEmpty)
        let time = ContinuousClock.now - began
        #expect(time > .seconds(1) && time < .milliseconds(5900), "\(time)")
    }

    @Test("A ticket of one loop is good at every other", arguments: ["1.2", "1.3"])
    func tickets(version: String) throws {
        let certificate = try authority.certificate(["a.test"])
        func resumed(_ proxy: ProxyProcess) throws -> String {
            try run(
                "/usr/bin/python3",
                [
                    Machine.support("tls_resume.py"), "\(proxy.port)", authority.file, "40",
                    version,
                ]
            ).output
        }
        let shared = try proxy([certificate], workers: 4)
        #expect(try resumed(shared) == "resumed 40 of 40\n")
        #expect(shared.log.contains("4 loops"), "\(shared.log)")
        let none = try proxy([certificate], "session_tickets: off", workers: 4)
        #expect(try resumed(none) == "resumed 0 of 40\n")
    }

    @Test(
        "A session from a listener without client_auth does not resume where it is required",
        arguments: ["1.2", "1.3"], ["http/1.1", "h2"])
    func sessionsOfOtherListeners(version: String, application: String) throws {
        let server = try ScriptedServer(text: "app")
        let certificate = try authority.certificate(["a.test"])
        let closed = Machine.freePort()
        var plan = ProxyPlan(
            listener: "tls: { certificates: [\(certificate.entry)] }")
        plan.listeners =
            "closed:\n  address: 127.0.0.1:\(closed)\n  tls:\n"
            + "    certificates: [\(certificate.entry)]\n"
            + "    client_auth: require\n    client_ca: \(authority.file)\n"
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        func bring(from: UInt16, to: UInt16) throws -> String {
            let answer = try run(
                "/usr/bin/python3",
                [
                    Machine.support("tls_elsewhere.py"), "\(from)", "\(to)", authority.file,
                    version, application,
                ])
            return answer.output + answer.errors
        }
        #expect(try bring(from: proxy.port, to: proxy.port) == "resumed answered True\n")
        #expect(try bring(from: proxy.port, to: closed) == "refused\n")
    }

    @Test("Client certificates: optional and required, known and unknown")
    func clientCertificates() throws {
        let certificate = try authority.certificate(["a.test"])
        let mine = try authority.certificate(["somebody"])
        let others = try Authority("others")
        let stranger = try others.certificate(["somebody"])
        // In TLS 1.2, a refusal comes before the client thinks that all is well.
        func shake(_ proxy: ProxyProcess, _ pair: PairOfFiles?) throws -> Bool {
            let words = pair.map { " -cert \($0.certificate) -key \($0.key)" } ?? ""
            return try !self.shake(proxy, "-tls1_2" + words).contains("SSL alert number")
        }
        let optional = try proxy(
            [certificate], "client_auth: optional\nclient_ca: \(authority.file)")
        #expect(try shake(optional, nil))
        #expect(try shake(optional, mine))
        #expect(try !shake(optional, stranger))
        let required = try proxy(
            [certificate], "client_auth: require\nclient_ca: \(authority.file)")
        #expect(try !shake(required, nil))
        #expect(try shake(required, mine))
        #expect(try !shake(required, stranger))
        #expect(required.waitForLog("it has shown no certificate"))
        #expect(required.waitForLog("its certificate is from an unknown authority"))
    }

    @Test("The end is said; who goes without a word is not waited for")
    func endings() throws {
        let proxy = try proxy([authority.certificate(["a.test"])], "")
        let answer = try run(
            "/usr/bin/python3",
            [
                "-c",
                """
                import socket, ssl
                context = ssl.create_default_context(cafile="\(authority.file)")
                plain = socket.create_connection(("127.0.0.1", \(proxy.port)), 10)
                secure = context.wrap_socket(
                    plain, server_hostname="a.test", suppress_ragged_eofs=False)
                secure.sendall(
                    b"GET / HTTP/1.1\\r\\nHost: a.test\\r\\nConnection: close\\r\\n\\r\\n")
                data = b""
                while more := secure.recv(65536):
                    data += more
                print(data[-3:].decode(), "and the end")
                """,
            ])
        #expect(answer.output == "app and the end\n", "\(answer)")
    }

    @Test("An answer of a server that ends without a word is cut, not taken for whole")
    func truncatedAnswers() throws {
        let certificate = try authority.certificate(["localhost"])
        let port = Machine.freePort()
        _ = try ChildProcess(
            "/usr/bin/python3",
            [
                Machine.support("tls_endings.py"), "\(port)", certificate.certificate,
                certificate.key,
            ])
        #expect(eventually { (try? ScriptedClient(port: port)) != nil })
        var plan = ProxyPlan(
            service: "tls: { ca: \(authority.file) }\nretries: off",
            rest: "access_log: { mode: all }")
        plan.servers = ["\"https://localhost:\(port)\""]
        let proxy = try ProxyProcess(plan)
        #expect(try proxy.ask(get("/whole")).text == "answer")
        for path in ["/cut", "/short"] {
            #expect(throws: (any Error).self, "\(path)") { _ = try proxy.ask(get(path)) }
        }
        #expect(
            eventually {
                proxy.log.components(separatedBy: "server_closed_midway").count == 3
            }, "\(proxy.log)")
    }

    @Test("Servers are verified by validity and pin, and are shown our certificate")
    func servers() throws {
        let certificate = try authority.certificate(["localhost"])
        let mine = try authority.certificate(["proxy"])
        let expired = try authority.expired("localhost")
        let digest = try run(
            "/bin/sh",
            [
                "-c",
                "openssl x509 -in \(certificate.certificate) -pubkey -noout "
                    + "| openssl pkey -pubin -outform der | sha256sum | cut -d' ' -f1",
            ]
        ).output.trimmingCharacters(in: .whitespacesAndNewlines)
        func server(_ pair: PairOfFiles, _ rest: [String] = []) throws -> UInt16 {
            let port = Machine.freePort()
            _ = try ChildProcess(
                "/usr/bin/python3",
                [Machine.support("tls_server.py"), "\(port)", pair.certificate, pair.key] + rest)
            #expect(eventually { (try? ScriptedClient(port: port)) != nil })
            return port
        }
        let plain = try server(certificate)
        let old = try server(expired)
        let asking = try server(certificate, [authority.file])
        let shown = "cert: \(mine.certificate), key: \(mine.key)"
        let wrong = String(repeating: "0", count: 64)
        for (port, tls, expected) in [
            (plain, "{ ca: \(authority.file), pins: [\"\(digest)\"] }", "secure /x"),
            (
                plain, "{ ca: \(authority.file), pins: [\"\(wrong)\", \"\(digest)\"] }",
                "secure /x"
            ),
            (plain, "{ ca: \(authority.file), pins: [\"\(wrong)\"] }", "server_tls_failed"),
            (plain, "{ verify: false, pins: [\"\(wrong)\"] }", "server_tls_failed"),
            (old, "{ ca: \(authority.file) }", "server_tls_failed"),
            (old, "{ verify: false }", "secure /x"),
            (asking, "{ ca: \(authority.file), \(shown) }", "secure /x"),
        ] {
            var plan = ProxyPlan(service: "tls: \(tls)\nretries: off")
            plan.servers = ["\"https://localhost:\(port)\""]
            let proxy = try ProxyProcess(plan)
            let text = try proxy.ask(get("/x")).text
            #expect(text.contains(expected), "\(tls): \(text) \(proxy.log)")
        }
        var plan = ProxyPlan(service: "tls: { ca: \(authority.file) }\nretries: off")
        plan.servers = ["\"https://localhost:\(asking)\""]
        let answer = try ProxyProcess(plan).ask(get("/x"))
        #expect(answer.status == 502, "without a certificate of ours: \(answer.text)")
    }
}
