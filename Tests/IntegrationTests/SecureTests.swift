import Foundation
import TestSupport
import Testing

@Suite("TLS, with real clients and servers", .onStage)
struct SecureTests {
    let authority: Authority

    init() throws { authority = try Authority() }

    /// A plan whose listener speaks TLS.
    private func plan(
        _ certificates: [PairOfFiles], tls: String = "", servers: [String]
    ) -> ProxyPlan {
        let entries = certificates.map(\.entry).joined(separator: ", ")
        var plan = ProxyPlan(listener: "tls:\n  certificates: [\(entries)]\n" + indent(tls))
        plan.servers = servers
        return plan
    }

    private func indent(_ text: String) -> String {
        text.split(separator: "\n").map { "  \($0)\n" }.joined()
    }

    /// What curl says, and how it ended.
    private func curl(
        _ proxy: ProxyProcess, _ path: String = "/", _ arguments: String...,
        host: String = "a.test"
    ) throws -> (text: String, ending: ChildProcess.Ending?) {
        let child = try ChildProcess(
            "/usr/bin/curl",
            [
                "-sS", "--max-time", "30", "--cacert", authority.file,
                "--connect-to", "::127.0.0.1:\(proxy.port)",
            ] + arguments + ["https://\(host):\(proxy.port)\(path)"])
        let ending = child.waitForEnd(seconds: 40)
        return (child.output + child.errors, ending)
    }

    @Test("A certificate without an end, which names the year 9999, has its place in the status")
    func withoutEnd() throws {
        let server = try ScriptedServer(text: "x")
        let pair = PairOfFiles(
            certificate: authority.directory.file("endless.pem"),
            key: authority.directory.file("endless.key"))
        try Authority.openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2900000 "
                + "-subj /CN=a.test -keyout \(pair.key) -out \(pair.certificate)")
        let proxy = try ProxyProcess(plan([pair], servers: [server.address]))
        let status = try proxy.admin("/v1/status")
        #expect(status.status == 200)
        #expect(status.text.contains(#""expires":"99"#), "\(status.text)")
        #expect(try proxy.admin("/metrics").status == 200)
    }

    @Test("Requests of both versions arrive, large ones whole, and servers learn the scheme")
    func requests() throws {
        let server = try ScriptedServer(isRecording: false) { request in
            if request.method == "POST" { return ok("\(request.content.count)") }
            if request.target == "/large" { return ok(String(repeating: "x", count: 3_000_000)) }
            let subject = request["X-Client-Cert-Subject"] ?? "-"
            return ok("\(request["X-Forwarded-Proto"] ?? "-") \(subject)")
        }
        let proxy = try ProxyProcess(
            plan([authority.certificate(["a.test"])], servers: [server.address]))
        for version in ["--tls-max 1.3", "--tls-max 1.2"] {
            let arguments = version.split(separator: " ").map(String.init)
            let small = try curl(proxy, "/", arguments[0], arguments[1])
            #expect(small.text == "https -", "\(version)")
        }
        let forged = try curl(proxy, "/", "-H", "X-Client-Cert-Subject: CN=root")
        #expect(forged.text == "https -")
        let large = try curl(proxy, "/large")
        #expect(large.text.utf8.count == 3_000_000)
        let file = authority.directory.file("upload")
        try Data(repeating: 7, count: 3_000_000).write(to: URL(fileURLWithPath: file))
        let upload = try curl(proxy, "/", "--data-binary", "@\(file)")
        #expect(upload.text == "3000000")
        // Somebody forgot the s.
        let plain = try run("/usr/bin/curl", ["-sS", "http://127.0.0.1:\(proxy.port)/"]).output
        #expect(plain.contains("This port speaks HTTPS"))
    }

    @Test("An answer that is cut is not taken for whole")
    func truncation() throws {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try peer.readRequest()
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
            peer.close()
        }
        let proxy = try ProxyProcess(
            plan([authority.certificate(["a.test"])], servers: [server.address]))
        let cut = try curl(proxy, "/", "--http1.1")
        #expect(cut.ending != .exited(0))
        let reset = try curl(proxy, "/", "--http2")
        #expect(reset.ending != .exited(0))
        #expect(cut.text.hasPrefix("half"))
    }

    @Test("New certificates take the place of old ones under load, and no handshake fails")
    func rotation() throws {
        let directory = TemporaryDirectory()
        let served = PairOfFiles(
            certificate: directory.file("cert.pem"), key: directory.file("key.pem"))
        let pairs = try (0..<4).map { _ in try authority.certificate(["a.test"]) }
        func install(certificate: Int, key: Int) throws {
            for (from, to) in [
                (pairs[certificate].certificate, served.certificate), (pairs[key].key, served.key),
            ] {
                let new = to + ".new"
                try Data(contentsOf: URL(fileURLWithPath: from))
                    .write(to: URL(fileURLWithPath: new))
                let status = unsafe rename(new, to)
                #expect(status == 0)
            }
        }
        try install(certificate: 0, key: 0)
        let server = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(plan([served], servers: [server.address]))
        let stop = directory.file("stop")
        let load = try ChildProcess(
            "/usr/bin/python3",
            [
                Machine.support("tls_load.py"), "\(proxy.port)", authority.file, "2", stop,
            ])
        let rounds = Machine.isSoak ? 100 : 12
        for round in 1...rounds {
            try install(certificate: round % 4, key: round % 4)
            let isSeen = eventually {
                proxy.log.components(separatedBy: "has new certificates").count - 1 >= round
            }
            #expect(isSeen, "round \(round): \(proxy.log)")
        }
        // A pair that does not fit: the old one is served, and one line says so.
        try install(certificate: 1, key: 2)
        #expect(proxy.waitForLog("does not belong to the certificate"))
        #expect(try curl(proxy).text == "app")
        try install(certificate: 3, key: 3)
        #expect(
            eventually {
                proxy.log.components(separatedBy: "has new certificates").count - 1 >= rounds + 1
            })
        let complaints = proxy.log.components(separatedBy: "does not belong to").count - 1
        #expect(complaints == 1, "\(proxy.log)")
        try Data().write(to: URL(fileURLWithPath: stop))
        #expect(load.waitForEnd(seconds: 30) == .exited(0))
        #expect(load.output.contains(" failed 0 "), "\(load.output)")
        #expect(!load.output.hasPrefix("done 0 "), "\(load.output)")
    }

    @Test("Certificates that are renewed before they are watched are not missed")
    func renewedDuringStart() throws {
        let server = try ScriptedServer(text: "app")
        for _ in 0..<3 {
            let old = try authority.certificate(["a.test"])
            let new = try authority.certificate(["a.test"])
            let proxy = try ProxyProcess(plan([old], servers: [server.address]))
            for (from, to) in [(new.certificate, old.certificate), (new.key, old.key)] {
                let status = unsafe rename(from, to)
                #expect(status == 0)
            }
            #expect(proxy.waitForLog("has new certificates"), "\(proxy.log)")
        }
    }

    @Test("A client must show a certificate, and servers learn whose it is")
    func clientCertificates() throws {
        let server = try ScriptedServer(isRecording: false) { request in
            ok("\(request["X-Client-Cert-Subject"] ?? "-")")
        }
        var required = plan(
            [try authority.certificate(["a.test"])],
            tls: "client_auth: require\nclient_ca: \(authority.file)",
            servers: [server.address])
        required.rest = "access_log: { mode: all }"
        let proxy = try ProxyProcess(required)
        let mine = try authority.certificate(["somebody"])
        #expect(try curl(proxy).ending != .exited(0))
        let known = try curl(
            proxy, "/", "--cert", mine.certificate, "--key", mine.key,
            "-H", "X-Client-Cert-Subject: CN=root")
        #expect(known.text == "CN=somebody")
        #expect(
            eventually { proxy.process.output.contains(#""client_cert":"CN=somebody""#) },
            "\(proxy.process.output)")
    }

    @Test("With strict_sni a host must belong to the name that TLS was asked for")
    func strictNames() throws {
        let server = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(
            plan(
                [authority.certificate(["a.test"]), authority.certificate(["b.test"])],
                tls: "strict_sni: true", servers: [server.address]))
        #expect(try curl(proxy).text == "app")
        let other = try curl(proxy, "/", "-H", "Host: b.test")
        #expect(other.text == "app", "a certificate of ours covers it")
        let foreign = try curl(proxy, "/", "-H", "Host: c.test", "-w", "%{http_code}")
        #expect(foreign.text.hasSuffix("421"))
        #expect(try curl(proxy, "/", "-k", host: "c.test").ending != .exited(0))
    }

    @Test("Servers are verified: their authority and their name")
    func servers() throws {
        let certificate = try authority.certificate(["localhost"])
        let port = Machine.freePort()
        _ = try ChildProcess(
            "/usr/bin/python3",
            [
                Machine.support("tls_server.py"), "\(port)", certificate.certificate,
                certificate.key,
            ])
        let others = try Authority("others")
        for (tls, expected) in [
            ("{ ca: \(authority.file) }", "secure /x"),
            ("{ ca: \(others.file) }", "server_tls_failed"),
            ("{ ca: \(authority.file), server_name: other.test }", "server_tls_failed"),
            ("{ verify: false }", "secure /x"),
        ] {
            var plan = ProxyPlan(service: "tls: \(tls)\nretries: off")
            plan.servers = ["\"https://localhost:\(port)\""]
            let proxy = try ProxyProcess(plan)
            let isThere = eventually { (try? proxy.ask(get("/x")).text.contains(expected)) == true }
            #expect(isThere, "\(tls): \(proxy.log)")
        }
        // The check speaks TLS, too.
        var plan = ProxyPlan(
            service: "tls: { ca: \(authority.file) }", health: "{ path: /up, interval: 2s }")
        plan.servers = ["\"https://localhost:\(port)\""]
        let proxy = try ProxyProcess(plan)
        #expect(proxy.waitForLog("up: check passed"))
        #expect(try proxy.ask(get("/y")).text == "secure /y")
    }

    @Test(
        "A server that is verified from now on is not trusted for what was not verified before",
        arguments: ["http/1.1", "h2"])
    func verifiedFromNowOn(spoken: String) throws {
        let others = try Authority("others")
        let server = try ScriptedServer(text: "app")
        // Speaks both versions, and gives tickets.
        let behind = try ProxyProcess(
            plan([others.certificate(["localhost"])], servers: [server.address]))
        for connections in ["{}", "{ idle_per_server: 0 }"] {
            func service(_ tls: String) -> ProxyPlan {
                var plan = ProxyPlan(
                    service: "tls: \(tls)\nretries: off\nprotocol: \(spoken)\n"
                        + "connections: \(connections)")
                plan.servers = ["\"https://localhost:\(behind.port)\""]
                return plan
            }
            var open = service("{ verify: false }")
            let proxy = try ProxyProcess(open)
            for _ in 0..<3 { #expect(try proxy.ask(get("/")).text == "app") }
            for tls in ["{ ca: \(authority.file) }", "{ ca: \(others.file), server_name: b.test }"]
            {
                var strict = service(tls)
                strict.port = proxy.port
                try proxy.rewrite(strict)
                #expect(try proxy.command("reload").status == 0)
                for _ in 0..<3 {
                    let answer = try proxy.ask(get("/"))
                    #expect(answer.status == 502, "\(tls) \(connections): \(answer.text)")
                }
                open.port = proxy.port
                try proxy.rewrite(open)
                #expect(try proxy.command("reload").status == 0)
                #expect(try proxy.ask(get("/")).text == "app")
            }
        }
    }

    /// Puts the file at `from` in the place of the one at `to`.
    private func install(_ from: String, _ to: String) throws {
        try Data(contentsOf: URL(fileURLWithPath: from))
            .write(to: URL(fileURLWithPath: to), options: .atomic)
    }

    @Test("A reload reads every file that is named, and says whose contents are others")
    func reloadReadsFiles() throws {
        let directory = TemporaryDirectory()
        let served = PairOfFiles(
            certificate: directory.file("cert.pem"), key: directory.file("key.pem"))
        let clients = directory.file("clients.pem")
        let others = try Authority("others")
        func install(_ pair: PairOfFiles) throws {
            try self.install(pair.certificate, served.certificate)
            try self.install(pair.key, served.key)
        }
        try install(authority.certificate(["a.test"]))
        try self.install(authority.file, clients)
        let server = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(
            plan(
                [served],
                tls: "watch: false\nclient_auth: optional\nclient_ca: \(clients)",
                servers: [server.address]))
        func reload() throws -> String { try proxy.command("reload").output }
        #expect(try reload().contains("nothing changed"))
        try install(authority.certificate(["a.test", "b.test"]))
        #expect(try reload().contains("changed certificates of listener web"))
        #expect(try curl(proxy, host: "b.test").text == "app")
        #expect(try reload().contains("nothing changed"))
        try self.install(others.file, clients)
        #expect(try reload().contains("changed certificates of listener web"))
        let mine = try authority.certificate(["somebody"])
        let stranger = try curl(proxy, "/", "--cert", mine.certificate, "--key", mine.key)
        #expect(stranger.ending != .exited(0))
        // What cannot be used changes nothing.
        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: clients))
        let broken = try proxy.command("reload")
        #expect(broken.status != 0)
        #expect(try curl(proxy).text == "app")
    }

    @Test("The authority of servers is watched: another one counts without a word")
    func watchedAuthorities() throws {
        let directory = TemporaryDirectory()
        let trusted = directory.file("ca.pem")
        let others = try Authority("others")
        try install(authority.file, trusted)
        let server = try ScriptedServer(text: "app")
        let behind = try ProxyProcess(
            plan([authority.certificate(["localhost"])], servers: [server.address]))
        var front = ProxyPlan(service: "tls: { ca: \(trusted) }\nretries: off")
        front.servers = ["\"https://localhost:\(behind.port)\""]
        let proxy = try ProxyProcess(front)
        #expect(try proxy.ask(get("/")).text == "app")
        try install(others.file, trusted)
        #expect(eventually { (try? proxy.ask(get("/")).status) == 502 }, "\(proxy.log)")
        #expect(proxy.waitForLog("service app has new certificates or authorities"))
        try install(authority.file, trusted)
        #expect(eventually { (try? proxy.ask(get("/")).text) == "app" }, "\(proxy.log)")
    }

    @Test("check names the file, the place and the way out, and status tells how long is left")
    func diagnosis() throws {
        let one = try authority.certificate(["a.test"])
        let two = try authority.certificate(["b.test"])
        let directory = TemporaryDirectory()
        let path = directory.file("staithe.yaml")
        for (entry, sentence) in [
            ("{ cert: \(one.certificate), key: \(two.key) }", "does not belong to the certificate"),
            ("{ cert: nowhere.pem, key: \(one.key) }", "No such file or directory"),
            (try authority.expired("a.test").entry, "has expired"),
        ] {
            let text =
                "listeners:\n  web:\n    address: 8443\n    tls:\n      certificates:\n"
                + "        - \(entry)\nservices:\n  app: { servers: [3001] }\n"
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            let answer = try ProxyProcess.command(["check", path])
            #expect(answer.status == 78)
            #expect(answer.output.contains(sentence), "\(answer.output)")
            #expect(answer.output.contains(":6:"), "\(answer.output)")
            #expect(answer.output.contains("help:"))
        }
        let server = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(plan([one], servers: [server.address]))
        let status = try proxy.command("status", "--json").output
        #expect(status.contains("days_left"), "\(status)")
    }
}
