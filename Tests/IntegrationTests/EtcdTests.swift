import Foundation
import TestSupport
import Testing

@Suite(
    "Servers in etcd", .serialized, .onStage,
    .enabled(if: EtcdCluster.program != nil, "etcd is not installed"))
struct EtcdTests {
    private static let prefix = "/staithe/services/app/"

    private func plan(
        _ etcd: EtcdCluster, _ rest: String = "", health: String = "off", endpoints: String? = nil,
        snapshot: String = "off"
    ) -> ProxyPlan {
        ProxyPlan(
            service: """
                discover:
                  etcd: { endpoints: \(endpoints ?? etcd.list), snapshot: \(snapshot)\(rest) }
                """, health: health)
    }

    private func key(_ name: String) -> String { Self.prefix + name }

    private func names(_ proxy: ProxyProcess) -> Set<String> {
        Set(((try? proxy.status())?.servers ?? [:]).keys)
    }

    private func announce(
        _ etcd: EtcdCluster, _ name: String, _ server: NginxServer, _ more: [String] = []
    ) throws -> ChildProcess {
        try ChildProcess(
            ProxyProcess.executable,
            ["announce"] + etcd.endpoints.flatMap { ["--etcd", $0] }
                + [
                    "--service", "app", "--address", "127.0.0.1:\(server.port)", "--name", name,
                    "--ttl", "3",
                ] + more)
    }

    // MARK: One member

    @Test("Keys are servers: added, changed, drained and removed; nonsense is told and left out")
    func keys() throws {
        let etcd = try EtcdCluster()
        let a = try NginxServer(text: "a")
        let b = try NginxServer(text: "b")
        try etcd.put(key("a"), "127.0.0.1:\(a.port)")
        let proxy = try ProxyProcess(plan(etcd))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "a")
        try etcd.put(
            key("b"), #"{"address":"127.0.0.1:\#(b.port)","weight":3,"version":"v2"}"#)
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        try etcd.put(key("c"), "elsewhere")
        #expect(proxy.waitForLog("key \(key("c")): 'elsewhere' is not a numeric address"))
        try etcd.put(key("a"), #"{"address":"127.0.0.1:\#(a.port)","state":"draining"}"#)
        #expect(eventually { proxy.serverStates()["a"] == "draining" }, "\(proxy.log)")
        for _ in 0..<5 { #expect(try proxy.ask(get()).text == "b") }
        try etcd.delete(key("a"))
        #expect(eventually { names(proxy) == ["b"] }, "\(proxy.log)")
        // The last one stays, whatever etcd says: min_servers.
        try etcd.delete(key("b"))
        #expect(proxy.waitForLog("fewer servers than min_servers"), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "b")
    }

    @Test("With etcd away all goes on, also after a restart; when it is back, its word counts")
    func away() throws {
        let etcd = try EtcdCluster()
        let servers = try ["a", "b"].map { try NginxServer(text: $0) }
        for (name, server) in zip(["a", "b"], servers) {
            try etcd.put(key(name), "127.0.0.1:\(server.port)")
        }
        let directory = TemporaryDirectory()
        let file = directory.file("app.json")
        let proxy = try ProxyProcess(plan(etcd, snapshot: file))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        #expect(eventually { contents(ofFile: file).contains("127.0.0.1:\(servers[1].port)") })
        let load = LoadClient(port: proxy.port, rate: 100, threadCount: 4)
        etcd.kill(0)
        #expect(proxy.waitForLog("etcd is lost", seconds: 20), "\(proxy.log)")
        #expect(names(proxy) == ["a", "b"])

        let second = try ProxyProcess(plan(etcd, snapshot: file))
        #expect(second.waitUntilServing(2), "\(second.log)")
        #expect(second.log.contains("used as they were known"), "\(second.log)")
        #expect(["a", "b"].contains(try second.ask(get()).text))

        try etcd.start(0)
        #expect(second.waitForLog("etcd is back", seconds: 30), "\(second.log)")
        try etcd.delete(key("a"))
        #expect(eventually { names(proxy) == ["b"] && names(second) == ["b"] })
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
    }

    @Test("An etcd that was restored from an older copy is believed as it is")
    func restored() throws {
        let etcd = try EtcdCluster()
        let servers = try ["a", "b", "c"].map { try NginxServer(text: $0) }
        let directory = TemporaryDirectory()
        try etcd.put(key("a"), "127.0.0.1:\(servers[0].port)")
        try etcd.save(to: directory.file("copy"))
        let proxy = try ProxyProcess(plan(etcd))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        for number in 0..<20 { try etcd.put("/other/\(number)", "x") }
        try etcd.put(key("b"), "127.0.0.1:\(servers[1].port)")
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        try etcd.restore(from: directory.file("copy"))
        #expect(eventually(timeout: 30) { names(proxy) == ["a"] }, "\(proxy.log)")
        // New changes have revisions that were used before; they are seen all the same.
        try etcd.put(key("c"), "127.0.0.1:\(servers[2].port)")
        #expect(eventually { names(proxy) == ["a", "c"] }, "\(proxy.log)")
    }

    @Test("Compaction while a watcher sleeps loses nothing")
    func compaction() throws {
        let etcd = try EtcdCluster()
        let servers = try ["a", "b"].map { try NginxServer(text: $0) }
        try etcd.put(key("a"), "127.0.0.1:\(servers[0].port)")
        let proxy = try ProxyProcess(plan(etcd))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        proxy.process.freeze()
        for number in 0..<50 { try etcd.put("/other/x", "\(number)") }
        try etcd.put(key("b"), "127.0.0.1:\(servers[1].port)")
        try etcd.delete(key("a"))
        try etcd.control("compact", "\(etcd.revision())")
        // Its connection is gone, too, as after a long sleep.
        etcd.kill(0)
        try etcd.start(0)
        proxy.process.thaw()
        #expect(eventually(timeout: 30) { names(proxy) == ["b"] }, "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "b")
    }

    @Test("TLS with client certificates, and a user whose token ends")
    func secured() throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["127.0.0.1", "localhost"])
        let etcd = try EtcdCluster(
            security: EtcdCluster.Security(certificate: certificate, authority: authority.file))
        let a = try NginxServer(text: "a")
        try etcd.put(key("a"), "127.0.0.1:\(a.port)")
        let tls =
            "tls: { ca: \(authority.file), cert: \(certificate.certificate), "
            + "key: \(certificate.key) }"
        let proxy = try ProxyProcess(plan(etcd, ", \(tls)"))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        // Without our certificate it is no etcd of ours.
        let stranger = try ProxyProcess(
            plan(etcd, ", tls: { ca: \(authority.file) }"))
        #expect(stranger.waitForLog("etcd is lost", seconds: 20), "\(stranger.log)")
        #expect(names(stranger).isEmpty)
        // An announcement shows its certificate, too, and says goodbye the same way.
        let b = try NginxServer(text: "b")
        let announcement = try announce(
            etcd, "b", b,
            [
                "--ca", authority.file, "--cert", certificate.certificate, "--key",
                certificate.key, "--drain", "100ms",
            ])
        #expect(eventually { names(proxy) == ["a", "b"] }, "\(announcement.log)\n\(proxy.log)")
        announcement.terminate()
        #expect(announcement.waitForEnd() == .exited(0), "\(announcement.log)")
        #expect(eventually { names(proxy) == ["a"] }, "\(proxy.log)")
        let unknown = try announce(etcd, "c", b, ["--ca", authority.file])
        #expect(
            eventually(timeout: 20) { unknown.log.contains("etcd cannot be told") },
            "\(unknown.log)")
        let other = try Authority("other")
        let distrusting = try announce(
            etcd, "d", b,
            [
                "--ca", other.file, "--cert", certificate.certificate, "--key", certificate.key,
            ])
        #expect(
            eventually(timeout: 20) { distrusting.log.contains("certificate") },
            "\(distrusting.log)")
        #expect(names(proxy) == ["a"])
    }

    @Test("A user and a password; without them a sentence says what is wanted")
    func authentication() throws {
        let etcd = try EtcdCluster()
        let a = try NginxServer(text: "a")
        let b = try NginxServer(text: "b")
        try etcd.put(key("a"), "127.0.0.1:\(a.port)")
        try etcd.control("user", "add", "root:secret")
        try etcd.control("auth", "enable")
        let proxy = try ProxyProcess(plan(etcd, ", user: root, password: secret"))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        let stranger = try ProxyProcess(plan(etcd))
        #expect(stranger.waitForLog("etcd wants a user and a password"), "\(stranger.log)")
        let wrong = try ProxyProcess(plan(etcd, ", user: root, password: wrong"))
        #expect(wrong.waitForLog("authentication failed"), "\(wrong.log)")
        // A member that begins again has forgotten every token.
        etcd.kill(0)
        try etcd.start(0)
        #expect(
            eventually(timeout: 30) {
                (try? etcd.control(
                    "--user", "root:secret", "put", key("b"), "127.0.0.1:\(b.port)")) != nil
            })
        #expect(eventually(timeout: 30) { names(proxy) == ["a", "b"] }, "\(proxy.log)")
        // And an announcement logs in, too.
        let c = try NginxServer(text: "c")
        let announcement = try ChildProcess(
            ProxyProcess.executable,
            [
                "announce", "--etcd", etcd.endpoints[0], "--service", "app", "--name", "c",
                "--address", "127.0.0.1:\(c.port)", "--user", "root",
            ], environment: ["STAITHE_ETCD_PASSWORD": "secret"])
        #expect(eventually { names(proxy).contains("c") }, "\(announcement.log)\n\(proxy.log)")
    }

    // MARK: Announcements

    @Test("announce registers, drains on SIGTERM, tells its command and takes its status")
    func announcing() throws {
        let etcd = try EtcdCluster()
        let servers = try ["a", "b"].map { try NginxServer(text: $0) }
        try etcd.put(key("b"), "127.0.0.1:\(servers[1].port)")
        let proxy = try ProxyProcess(plan(etcd))
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        let directory = TemporaryDirectory()
        let script =
            "trap 'echo told >> \(directory.path)/out; exit 7' TERM; "
            + "trap 'echo usr1 >> \(directory.path)/out' USR1; "
            + "echo began >> \(directory.path)/out; while :; do sleep 0.05; done"
        let announcement = try announce(
            etcd, "a", servers[0],
            [
                "--weight", "2", "--version", "v9", "--drain", "1500ms", "--", "/bin/sh", "-c",
                script,
            ])
        #expect(proxy.waitUntilServing(2), "\(announcement.log)")
        #expect(try etcd.control("get", key("a")).contains(#""weight":2,"version":"v9""#))
        let load = LoadClient(port: proxy.port, rate: 200, threadCount: 8)
        #expect(load.waitForRequests(50))
        #expect(eventually { directory.read("out").contains("began") })
        announcement.signal(SIGUSR1)
        #expect(eventually { directory.read("out").contains("usr1") })
        announcement.terminate()
        #expect(eventually { proxy.serverStates()["a"] == "draining" }, "\(proxy.log)")
        #expect(!directory.read("out").contains("told"), "the command was told too soon")
        #expect(announcement.waitForEnd() == .exited(7), "\(announcement.log)")
        #expect(directory.read("out").contains("told"))
        #expect(eventually { names(proxy) == ["b"] }, "\(proxy.log)")
        #expect(try etcd.control("get", key("a")).isEmpty)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
    }

    @Test(
        "A server that dies without a word is gone after its lease; one whose command ends, at once"
    )
    func dying() throws {
        let etcd = try EtcdCluster()
        let servers = try ["a", "b", "c"].map { try NginxServer(text: $0) }
        try etcd.put(key("b"), "127.0.0.1:\(servers[1].port)")
        let proxy = try ProxyProcess(plan(etcd))
        let announcement = try announce(etcd, "a", servers[0])
        #expect(proxy.waitUntilServing(2), "\(announcement.log)")
        announcement.killAtOnce()
        #expect(eventually(timeout: 20) { names(proxy) == ["b"] }, "\(proxy.log)")
        let brief = try announce(etcd, "c", servers[2], ["--", "/bin/sh", "-c", "sleep 1; exit 3"])
        #expect(eventually { names(proxy).contains("c") }, "\(brief.log)")
        #expect(brief.waitForEnd() == .exited(3))
        #expect(eventually { names(proxy) == ["b"] }, "\(proxy.log)")
        let missing = try announce(etcd, "d", servers[2], ["--", "/no/such/program"])
        #expect(missing.waitForEnd() == .exited(127), "\(missing.log)")
    }

    @Test("An announcement outlives etcd, and registers again under another lease")
    func outliving() throws {
        let etcd = try EtcdCluster()
        let a = try NginxServer(text: "a")
        let announcement = try announce(etcd, "a", a)
        #expect(eventually { (try? etcd.control("get", key("a")))?.isEmpty == false })
        try etcd.control("del", "--prefix", "/")
        etcd.kill(0)
        #expect(
            eventually(timeout: 20) { announcement.log.contains("etcd cannot be told") },
            "\(announcement.log)")
        // Longer than the lease.
        Thread.sleep(forTimeInterval: 3.5)
        try etcd.start(0)
        #expect(
            eventually(timeout: 30) { (try? etcd.control("get", key("a")))?.isEmpty == false },
            "\(announcement.log)")
        announcement.terminate()
        #expect(announcement.waitForEnd() == .exited(0), "\(announcement.log)")
        #expect(try etcd.control("get", key("a")).isEmpty)
    }

    @Test("Of two that overlap under one name, the later one keeps its key when the other ends")
    func overlapping() throws {
        let etcd = try EtcdCluster()
        let servers = try ["old", "new"].map { try NginxServer(text: $0) }
        func value() -> String { (try? etcd.control("get", key("a"))) ?? "" }
        let old = try announce(etcd, "a", servers[0], ["--drain", "100ms"])
        #expect(eventually { value().contains(":\(servers[0].port)") }, "\(old.log)")
        let new = try announce(etcd, "a", servers[1])
        #expect(eventually { value().contains(":\(servers[1].port)") }, "\(new.log)")
        #expect(eventually { old.log.contains("taken over by another one") }, "\(old.log)")
        old.terminate()
        #expect(old.waitForEnd() == .exited(0), "\(old.log)")
        #expect(value().contains(":\(servers[1].port)"), "\(value())")
        #expect(!value().contains("draining"), "\(value())")
        // Somebody deletes it: it is written again while its lease lives.
        try etcd.delete(key("a"))
        #expect(eventually { value().contains(":\(servers[1].port)") }, "\(new.log)")
        new.terminate()
        #expect(new.waitForEnd() == .exited(0), "\(new.log)")
        #expect(value().isEmpty)
    }

    // MARK: Three members

    @Test(
        "Three staithes, three members, six servers: no request fails, and all pick alike"
    )
    func cluster() throws {
        let etcd = try EtcdCluster(3)
        let names = ["one", "two", "three", "four", "five", "six"]
        let servers = try names.map { try NginxServer(text: $0) }
        let announcements = try zip(names, servers).map { try announce(etcd, $0, $1) }
        func proxy(_ first: Int) throws -> ProxyProcess {
            // Each reads another member first.
            let order = (0..<3).map { etcd.endpoints[(first + $0) % 3] }
            var plan = plan(
                etcd, endpoints: "[" + order.map { "\"\($0)\"" }.joined(separator: ", ") + "]")
            // Names and weights alone: a bound looks at loads and a warm-up at times, and each
            // staithe has its own.
            plan.service += "\nbalance: { strategy: maglev, key: 'header:X-Key', "
            plan.service += "slow_start: off, bounded_load: off }"
            return try ProxyProcess(plan)
        }
        let proxies = try (0..<3).map { try proxy($0) }
        for proxy in proxies {
            #expect(proxy.waitUntilServing(6, seconds: 30), "\(proxy.log)")
        }
        func picks(_ proxy: ProxyProcess) throws -> [String] {
            let client = try proxy.client()
            return try (0..<300).map { number in
                try client.ask("GET / HTTP/1.1\r\nHost: a\r\nX-Key: user-\(number)\r\n\r\n").text
            }
        }
        func expectEqualPicks(_ count: Int, of proxies: [ProxyProcess]) throws {
            let all = try proxies.map { try picks($0) }
            #expect(Set(all).count == 1, "they pick differently")
            #expect(Set(all[0]).count == count, "\(Set(all[0]))")
        }
        try expectEqualPicks(6, of: proxies)
        var loads = proxies.map { LoadClient(port: $0.port, rate: 100, threadCount: 4) }

        // The leader dies.
        let leader = try etcd.leader()
        etcd.kill(leader)
        #expect(
            eventually(timeout: 30) { (try? etcd.control("get", "x")) != nil }, "no new leader")
        // And a server leaves meanwhile: all hear of it.
        announcements[5].terminate()
        for proxy in proxies {
            #expect(
                eventually(timeout: 30) { proxy.serverStates()["six"] == nil }, "\(proxy.log)")
        }
        try expectEqualPicks(5, of: proxies)
        try etcd.start(leader)
        #expect(eventually(timeout: 30) { (try? etcd.leader()) != nil })

        // A member stalls; a server joins meanwhile.
        let follower = try (0..<3).first { try $0 != etcd.leader() }!
        etcd.process(follower)?.freeze()
        let others = (0..<3).filter { $0 != follower }
        let again = try announce(etcd, "six", servers[5])
        for proxy in proxies {
            #expect(
                eventually(timeout: 40) { proxy.serverStates().count == 6 },
                "\(again.log)\n\(proxy.log)")
        }
        etcd.process(follower)?.thaw()
        try expectEqualPicks(6, of: proxies)

        // Compaction under a staithe that sleeps.
        proxies[2].process.freeze()
        for number in 0..<30 { try etcd.control("put", "/other/x", "\(number)", of: others) }
        announcements[4].terminate()
        #expect(announcements[4].waitForEnd() == .exited(0))
        try etcd.control("compact", "\(etcd.revision())", of: others)
        proxies[2].process.thaw()
        for proxy in proxies {
            #expect(
                eventually(timeout: 30) { proxy.serverStates()["five"] == nil }, "\(proxy.log)")
        }
        try expectEqualPicks(5, of: proxies)

        // A staithe dies: the others do not notice.
        let last = loads.removeLast().finish()
        #expect(last.failureCount == 0, "\(last)")
        proxies[2].process.killAtOnce()
        try expectEqualPicks(5, of: Array(proxies[..<2]))
        for load in loads {
            #expect(load.waitForRequests(load.result.requestCount + 50))
            let result = load.finish()
            #expect(result.failureCount == 0, "\(result)")
        }
    }

    @Test("What cannot be is refused with its place and a way out")
    func mistakes() throws {
        func check(_ etcd: String) throws -> String {
            let directory = TemporaryDirectory()
            try directory.write(
                "listeners: { web: { address: \":8080\" } }\n"
                    + "services:\n  app:\n    discover:\n      etcd: \(etcd)\n",
                to: "a.yaml")
            let result = try ProxyProcess.command(["check", directory.file("a.yaml")])
            return result.output
        }
        #expect(try check("{ prefix: /a/ }").contains("must have 'endpoints'"))
        #expect(try check("{ endpoints: [] }").contains("is empty"))
        #expect(try check("{ endpoints: [\"unix:/x\"] }").contains("not an endpoint of etcd"))
        #expect(try check("{ endpoints: [a, a] }").contains("listed twice"))
        #expect(
            try check("{ endpoints: [127.0.0.1], user: x }").contains("'user' is given without"))
        #expect(
            try check("{ endpoints: [127.0.0.1], tls: { ca: a.pem } }").contains("no meaning"))
        #expect(
            try check("{ endpoints: [10.0.0.1], user: a, password: b }")
                .contains("goes to etcd without TLS"))
        for words in [
            ["--service", "a", "--address", "1"],
            ["--etcd", "x/y", "--service", "a", "--address", "1"],
            ["--etcd", "a", "--service", "a", "--address", "1", "--ttl", "1"],
            ["--etcd", "a", "--service", "a", "--address", "1", "--user", "x"],
            ["--etcd", "a", "--service", "a", "--address", "web"],
            ["--etcd", "a", "--service", "a", "--address", "1", "--name", "a/b"],
        ] {
            let result = try ProxyProcess.command(["announce"] + words)
            #expect(result.status == 64, "\(words): \(result)")
        }
    }
}
