import Foundation
import TestSupport
import Testing

/// The real executable before an engine that the test plays: what it asks, what it makes of the
/// answers, and that nothing which goes wrong there takes a server away.
@Suite("An engine, played", .onStage)
struct EngineTests {
    private let directory = TemporaryDirectory()

    private func engine() throws -> FakeEngine { try FakeEngine(path: directory.file("d.sock")) }

    private func proxy(
        _ engine: String, _ docker: String = "",
        health: String = "{ interval: 200ms, timeout: 100ms }"
    ) throws -> ProxyProcess {
        let extra = docker.isEmpty ? "" : ", \(docker)"
        let plan = ContainerPlan(
            service: "discover: { docker: { socket: \(engine)\(extra) } }", health: health)
        return try ProxyProcess(plan.plan)
    }

    // MARK: - Containers

    private typealias Fake = FakeContainer

    private func show(_ fakes: [Fake], at engine: FakeEngine) { engine.show(fakes) }

    private func waitForStream(_ engine: FakeEngine, _ count: Int = 1) -> Bool {
        eventually { engine.streamCount == count }
    }

    // MARK: - Plays

    @Test("Containers join, drain, leave and are renamed, byte by byte")
    func story() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engine = try engine()
        engine.dribble()
        let one = Fake("one", servers[0].port, seed: "1")
        var two = Fake("two", servers[1].port, seed: "2")
        show([one], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        show([one, two], at: engine)
        engine.tell(two.event("start"))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        engine.tell(one.event("kill", ",\"signal\":\"28\""))
        engine.tell(one.event("kill", ",\"signal\":\"15\""))
        #expect(eventually { proxy.serverStates()["one"] == "draining" }, "\(proxy.log)")
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "s1") }
        engine.tell(one.event("health_status: healthy"))
        two.name = "deux"
        engine.tell(two.event("rename"))
        #expect(
            eventually {
                proxy.serverStates()["deux"] == "up" || proxy.serverStates()["deux"] == "warming"
            })
        #expect(proxy.serverStates()["one"] == "draining")
        engine.tell(one.event("die"))
        #expect(eventually { proxy.serverStates().count == 1 }, "\(proxy.serverStates())")
        #expect(try proxy.ask(get()).text == "s1")
        let asked = Set(engine.requests.map { $0.split(separator: " ")[0] })
        #expect(asked == ["GET"], "nothing is ever changed at an engine")
        #expect(
            engine.requests.firstIndex(of: "GET /v1.41/events")! < engine.requests.firstIndex(
                of: "GET /v1.41/containers/json")!)
    }

    @Test("A stop timeout of 3,000 years and an event of no time end nothing but the container")
    func numbers() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engine = try engine()
        let one = Fake("one", servers[0].port, seed: "1")
        let two = Fake("two", servers[1].port, seed: "2")
        show([one], at: engine)
        let config = #""Config":{"#
        engine.setInspection(
            one.inspected.replacing(config, with: config + #""StopTimeout":99999999999,"#),
            of: one.id)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        // Its answer says nothing of its start, so the event's word counts.
        show([one, two], at: engine)
        engine.setInspection(two.inspected.replacing("StartedAt", with: "Started"), of: two.id)
        engine.tell(
            two.event("start").replacing(
                #""timeNano":1"#, with: #""timeNano":-9223372036854775808"#))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        engine.tell(one.event("kill", #","signal":"15""#))
        #expect(eventually { proxy.serverStates()["one"] == "draining" }, "\(proxy.log)")
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "s1") }
        engine.tell(one.event("die"))
        #expect(eventually { proxy.serverStates().count == 1 }, "\(proxy.log)")
    }

    @Test("Paused and unhealthy ones get nothing, unless nobody else is left")
    func cautions() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engine = try engine()
        let one = Fake("one", servers[0].port, seed: "1")
        let two = Fake("two", servers[1].port, seed: "2")
        show([one, two], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        engine.tell(one.event("pause"))
        #expect(eventually { proxy.serverStates()["one"] == "down" })
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "s1") }
        engine.tell(one.event("unpause"))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        engine.tell(one.event("health_status: unhealthy"))
        #expect(eventually { proxy.serverStates()["one"] == "down" })
        engine.tell(two.event("health_status: unhealthy"))
        #expect(proxy.waitForLog("nobody would be left"), "\(proxy.log)")
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        #expect(try proxy.ask(get()).status == 200)
        engine.tell(two.event("health_status: healthy"))
        #expect(proxy.waitUntilServing(1), "\(proxy.serverStates())")
    }

    @Test("A stream that is cut in the middle of a line, and an engine that goes, change nothing")
    func away() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        let one = Fake("one", server.port, seed: "1")
        show([one], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        let before = try proxy.status()
        engine.cutStreams(after: String(one.event("die").prefix(40)))
        #expect(waitForStream(engine), "\(proxy.log)")
        engine.tell("this is no JSON")
        #expect(proxy.waitForLog("an event is not JSON"), "\(proxy.log)")
        #expect(waitForStream(engine, 2), "\(engine.streamCount) \(proxy.log)")
        engine.goAway()
        #expect(proxy.waitForLog("there is no socket \(engine.path)"), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "s")
        let status = try proxy.command("status").output
        #expect(status.contains("docker lost since"), "\(status)")
        #expect(status.contains("its servers stay as they are known"), "\(status)")
        // It comes back and knows nothing of its containers at first.
        engine.setList("[]")
        try engine.open()
        #expect(proxy.waitForLog("is empty, where there were 1 containers"), "\(proxy.log)")
        show([one], at: engine)
        #expect(
            eventually(timeout: 20) {
                let status = (try? proxy.command("status").output) ?? "since"
                return engine.streamCount > 0 && !status.contains("since")
            }, "\(proxy.log)")
        let after = try proxy.status()
        #expect(after.generation == before.generation, "\(proxy.log)")
        #expect(after.servers["one"]?.since == before.servers["one"]?.since)
    }

    @Test("An address that was given away while nobody listened gets no requests of ours")
    func givenAway() throws {
        let server = try ScriptedServer(text: "the other app")
        let engine = try engine()
        let one = Fake("one", server.port, seed: "1")
        show([one], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try proxy.ask(get()).status == 200)
        engine.goAway()
        #expect(proxy.waitForLog("docker is lost"), "\(proxy.log)")
        // The same place, and nothing that says that it is a server of ours.
        var other = Fake("other", server.port, seed: "2")
        other.labels["staithe.service"] = nil
        show([other], at: engine)
        engine.setInspection(nil, of: one.id)
        try engine.open()
        #expect(
            eventually(timeout: 20) { (try? proxy.ask(get()).status) == 503 }, "\(proxy.log)")
    }

    @Test("A second list that agrees ends a container, whatever the minimum")
    func secondList() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        let one = Fake("one", server.port, seed: "1")
        show([one], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        engine.goAway()
        #expect(proxy.waitForLog("docker is lost"), "\(proxy.log)")
        engine.setList("[]")
        try engine.open()
        #expect(proxy.waitForLog("is empty, where there were 1 containers"), "\(proxy.log)")
        #expect(
            eventually(timeout: 20) { (try? proxy.ask(get()).status) == 503 }, "\(proxy.log)")
    }

    @Test(
        "What is wrong with an engine is one clear sentence",
        arguments: [
            (
                #"{"ApiVersion":"1.24","MinAPIVersion":"1.12"}"#,
                "the engine is too old: it speaks version 1.24"
            ),
            (
                #"{"ApiVersion":"1.99","MinAPIVersion":"1.90"}"#,
                "the engine is too new: it speaks version 1.90"
            ),
            ("<html>", "it answers, but not as an engine does"),
            ("403", "it refuses GET /version (403): a filter before the engine has to allow that"),
        ])
    func refusals(version: String, sentence: String) throws {
        let engine = try engine()
        engine.setVersion(version)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitForLog(sentence), "\(proxy.log)")
        #expect(try proxy.command("status").output.contains(sentence))
        #expect(try proxy.ask(get()).status == 503)
    }

    @Test("A socket that is missing is said, and waited for")
    func missing() throws {
        let path = directory.file("later.sock")
        let proxy = try proxy(path)
        #expect(
            proxy.waitForLog("there is no socket \(path): does the engine run?"), "\(proxy.log)")
        let answer = try proxy.ask(get())
        #expect(answer.status == 503)
        #expect(answer.has("Retry-After"))
        let server = try ScriptedServer(text: "s")
        let engine = try FakeEngine(path: path)
        show([Fake("one", server.port)], at: engine)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "s")
    }

    @Test("Answers and events beyond every bound are refused, and the pool stands")
    func bounds() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        let one = Fake("one", server.port)
        show([one], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        let before = try proxy.status()
        // 17 MiB of containers that nobody wants, and then a list in a list in a list.
        let filler = "{\"Id\":\"\(String(repeating: "b", count: 1 << 20))\"}"
        for (list, sentence) in [
            (
                "[" + Array(repeating: filler, count: 17).joined(separator: ",") + "]",
                "its answer is too large"
            ),
            (String(repeating: "[", count: 100_000), "its list cannot be read"),
            ("[{\"Id\":", "its list cannot be read"), ("{}", "its list cannot be read"),
        ] {
            engine.setList(list)
            #expect(eventually { engine.streamCount > 0 })
            engine.tell(String(repeating: "x", count: 1_100_000))
            #expect(proxy.waitForLog("an event is longer than 1 MiB", seconds: 20), "\(proxy.log)")
            #expect(
                eventually(timeout: 20) {
                    ((try? proxy.command("status").output) ?? "").contains(sentence)
                }, "\(sentence): \((try? proxy.command("status").output) ?? "")")
            #expect(try proxy.ask(get()).text == "s")
        }
        show([one], at: engine)
        #expect(
            eventually(timeout: 20) {
                !((try? proxy.command("status").output) ?? "since").contains("since")
            }, "\(proxy.log)")
        let after = try proxy.status()
        #expect(after.generation == before.generation, "\(proxy.log)")
        #expect(after.servers["one"]?.since == before.servers["one"]?.since)
    }

    @Test(
        "A socket that this user may not use is said, with the way out",
        .enabled(if: Machine.isRoot && Machine.program("setpriv") != nil, "needs another user"))
    func rights() throws {
        let engine = try engine()
        let files = FileManager.default
        try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: engine.path)
        let home = TemporaryDirectory()
        let program = home.file("staithe")
        // By another process: a child that is begun meanwhile would hold our copy open, and what is
        // being written cannot be run.
        let copied = try run("/bin/cp", [ProxyProcess.executable, program])
        #expect(copied.status == 0, "\(copied.errors)")
        for path in [directory.path, home.path] {
            try files.setAttributes([.posixPermissions: 0o777], ofItemAtPath: path)
        }
        let process = try ChildProcess(
            "/usr/bin/setpriv",
            [
                "--reuid", "65534", "--regid", "65534", "--clear-groups", program,
                "127.0.0.1:\(Machine.freePort())", "--docker", "--engine", engine.path,
                "--socket", home.file("a.sock"),
            ], environment: ["XDG_RUNTIME_DIR": home.path])
        #expect(
            eventually(timeout: 60) {
                process.log.contains(
                    "not allowed to use \(engine.path): the user of this process needs the group "
                        + "of that socket")
            }, "\(process.log)")
    }

    @Test("No container's environment is asked for with inspect: never")
    func withoutInspection() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        show([Fake("one", server.port)], at: engine)
        let proxy = try proxy(engine.path, "inspect: never")
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "s")
        let paths = Set(engine.requests.map { $0.split(separator: " ")[1] })
        #expect(
            paths.isSubset(of: ["/version", "/_ping", "/v1.41/events", "/v1.41/containers/json"]),
            "\(paths)")
    }

    @Test("An engine is reached over TLS with a client's certificate, and refuses without")
    func secure() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        show([Fake("one", server.port)], at: engine)
        let authority = try Authority()
        let ours = try authority.certificate(["client.test"])
        // Another one of us is the engine's door.
        let listener = """
            tls:
              certificates: [\(try authority.certificate(["127.0.0.1"]).entry)]
              client_auth: require
              client_ca: \(authority.file)
            """
        var plan = ProxyPlan(listener: listener)
        plan.servers = ["unix:\(engine.path)"]
        let door = try ProxyProcess(plan)
        let credentials = "ca: \(authority.file), cert: \(ours.certificate), key: \(ours.key)"
        let proxy = try proxy("\"tcp://127.0.0.1:\(door.port)\"", credentials)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(try proxy.ask(get()).text == "s")
        engine.tell(Fake("one", server.port).event("kill", ",\"signal\":\"15\""))
        #expect(eventually { proxy.serverStates()["one"] == "draining" }, "\(proxy.log)")
        let stranger = try Authority("stranger")
        let theirs = try stranger.certificate(["client.test"])
        let other = try self.proxy(
            "\"tcp://127.0.0.1:\(door.port)\"",
            "ca: \(authority.file), cert: \(theirs.certificate), key: \(theirs.key)")
        #expect(other.waitForLog("docker is lost"), "\(other.log)")
        #expect(other.serverStates().isEmpty)
    }

    @Test("Labels make routes: rules, priorities, and listeners that others do not have")
    func routes() throws {
        let engine = try engine()
        var fakes: [Fake] = []
        for (index, (name, labels)) in [
            ("web", ["staithe.rule": "Host(`a.test`)"]),
            ("api", ["staithe.rule": "Host(`a.test`) && PathPrefix(`/api`)"]),
            (
                "write",
                ["staithe.rule": "Host(`a.test`) && Method(`POST`)", "staithe.priority": "10"]
            ),
            (
                "beta",
                ["staithe.rule": "Host(`a.test`) && Header(`X-Ring`, `beta`)"]
            ),
            ("admin", ["staithe.host": "a.test", "staithe.listener": "internal"]),
            ("lost", ["staithe.host": "l.test", "staithe.listener": "intrenal"]),
            ("thief", ["staithe.host": "own.test", "staithe.priority": "1000"]),
        ].enumerated() {
            let server = try ScriptedServer(text: name)
            var fake = Fake(name, server.port, seed: Character("\(index)"))
            fake.labels.merge(labels) { $1 }
            fake.labels["staithe.service"] = name
            fake.labels["staithe.enable"] = "true"
            fakes.append(fake)
        }
        show(fakes, at: engine)
        let app = try ScriptedServer(text: "app")
        let inside = Machine.freePort()
        var plan = ProxyPlan(
            servers: [app.port],
            rest: "discover: { docker: { socket: \(engine.path) } }\n"
                + "routes: [ { host: own.test, service: app } ]")
        plan.listeners = "internal: { address: \"127.0.0.1:\(inside)\" }"
        let proxy = try ProxyProcess(plan)
        func answer(_ request: String, inside isInside: Bool = false) throws -> String {
            try TestSupport.ask(port: isInside ? inside : proxy.port, request).text
        }
        #expect(
            eventually { (try? answer(get(host: "a.test"))) == "web" }, "\(proxy.log)")
        #expect(eventually { (try? answer(get("/api/x", host: "a.test"))) == "api" })
        #expect(eventually { (try? answer(post("/api", "x", host: "a.test"))) == "write" })
        #expect(
            eventually {
                (try? answer(get(host: "a.test", fields: "X-Ring: beta\r\n"))) == "beta"
            })
        #expect(eventually { (try? answer(get(host: "a.test"), inside: true)) == "admin" })
        #expect(try answer(get(host: "a.test")) == "web")
        #expect(try answer(get(host: "own.test")) == "app", "the file's routes are not taken")
        #expect(try proxy.ask(get(host: "l.test")).status == 404)
        let status = try proxy.command("status").output
        #expect(
            status.contains(
                "container lost: its labels name the listener 'intrenal', which there is not"),
            "\(status)")
    }

    @Test("What labels and Traefik's labels do not open stays closed")
    func closed() throws {
        let engine = try engine()
        var fakes: [Fake] = []
        for (index, (name, labels)) in [
            ("open", ["staithe.enable": "true", "staithe.host": "open.test"]),
            ("unset", ["staithe.enable": "true", "staithe.host": ""]),
            ("quoted", ["staithe.enable": "true", "staithe.host": "'q.test'"]),
            (
                "slash",
                ["staithe.enable": "true", "staithe.host": "s.test", "staithe.path": "admin"]
            ),
            (
                "port",
                [
                    "staithe.enable": "true", "staithe.host": "p.test",
                    "staithe.port": "8080/tcp",
                ]
            ),
            ("hidden", ["traefik.enable": "False"]),
            ("upper", ["Traefik.Enable": "false"]),
            ("tcp", ["traefik.tcp.routers.db.rule": "HostSNI(`*`)"]),
        ].enumerated() {
            let server = try ScriptedServer(text: name)
            var fake = Fake(name, server.port, seed: Character("\(index)"))
            fake.labels.merge(labels) { $1 }
            fake.labels["staithe.service"] = name
            fakes.append(fake)
        }
        // Of its two ports the lower one is a debugger's.
        let debugger = try ScriptedServer(text: "debugger")
        fakes[4].exposed = [debugger.port, max(fakes[4].port, debugger.port)]
        fakes[0].labels["staithe.scheme"] = "http"
        fakes[0].labels["staithe.tls.verify"] = "false"
        show(fakes, at: engine)
        let app = try ScriptedServer(text: "app")
        let proxy = try ProxyProcess(
            ProxyPlan(
                servers: [app.port],
                rest: "discover: { docker: { socket: \(engine.path), labels: [traefik] } }\n"
                    + "routes: [ { host: own.test, service: app } ]"))
        #expect(
            eventually { (try? proxy.ask(get(host: "open.test")).text) == "open" }, "\(proxy.log)")
        for host in ["q.test", "s.test", "p.test", "any.test"] {
            let answer = try proxy.ask(get("/x", host: host))
            #expect(answer.status == (host == "p.test" ? 503 : 404), "\(host): \(answer.text)")
        }
        let status = try proxy.command("status").output
        for warning in [
            "container unset: label 'staithe.host'", "container quoted: label 'staithe.host'",
            "container slash: label 'staithe.path'", "container port: label 'staithe.port'",
            "container tcp: none of its labels makes a router",
            "container open: label 'staithe.tls.verify': it decides about security",
        ] {
            #expect(status.contains(warning), "\(warning)\n\(status)")
        }
    }

    @Test("Two engines serve one service, and one that goes takes nobody with it")
    func twoEngines() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engines = try ["1.sock", "2.sock"].map { try FakeEngine(path: directory.file($0)) }
        for (index, engine) in engines.enumerated() {
            show([Fake("n\(index)", servers[index].port, seed: Character("\(index)"))], at: engine)
        }
        let plan = ContainerPlan(
            service: "discover: { docker: [{ socket: \(engines[0].path) }, "
                + "{ socket: \(engines[1].path) }] }",
            health: "{ interval: 200ms, timeout: 100ms }")
        let proxy = try ProxyProcess(plan.plan)
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        engines[1].goAway()
        #expect(proxy.waitForLog("docker-2 is lost"), "\(proxy.log)")
        var answers: Set<String> = []
        for _ in 0..<20 { answers.insert(try proxy.ask(get()).text) }
        #expect(answers == ["s0", "s1"])
        engines[0].tell(Fake("n0", servers[0].port, seed: "0").event("die"))
        #expect(eventually { proxy.serverStates().keys.sorted() == ["n1"] }, "\(proxy.log)")
    }

    @Test("A wrong label is named, with its container, and the pool stands")
    func warnings() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        var bad = Fake("bad", server.port, seed: "2")
        bad.labels["staithe.port"] = nil
        var odd = Fake("odd", server.port, seed: "3")
        odd.labels["staithe.wieght"] = "3"
        show([bad, odd], at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        let status = try proxy.command("status").output
        #expect(status.contains("warning: container bad: it exposes no port"), "\(status)")
        #expect(status.contains("did you mean 'staithe.weight'?"), "\(status)")
        #expect(try proxy.ask(get()).text == "s")
    }

    @Test("An operator's wishes for a found server hold until it is gone")
    func wishes() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engine = try engine()
        let fakes = [
            Fake("one", servers[0].port, seed: "1"), Fake("two", servers[1].port, seed: "2"),
        ]
        show(fakes, at: engine)
        let proxy = try proxy(engine.path)
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
        #expect(try proxy.command("set", "one", "state=maintenance").status == 0)
        #expect(try proxy.command("set", "two", "weight=7").status == 0)
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "s1") }
        #expect(try proxy.command("set", "one", "state=up").status == 0)
        #expect(try proxy.command("drain", "two").status == 0)
        #expect(eventually { proxy.serverStates().keys.sorted() == ["one"] })
        var again = fakes[1]
        again.startedAt = "2026-11-23T20:00:00Z"
        engine.tell(again.event("die"))
        engine.setInspection(again.inspected, of: again.id)
        engine.tell(again.event("start"))
        #expect(proxy.waitUntilServing(2), "\(proxy.log)")
    }

    @Test("Ten thousand containers at once are servers, and the proxy answers all the same")
    func many() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        var listed: [String] = []
        for number in 0..<10_000 {
            var fake = Fake("c\(number)", server.port)
            fake.id = String(number, radix: 16) + String(repeating: "0", count: 58)
            fake.labels["staithe.address"] = "127.\(number / 250 + 1).\(number % 250).1"
            listed.append(fake.listed)
        }
        engine.setList("[" + listed.joined(separator: ",") + "]")
        let proxy = try proxy(
            engine.path, "inspect: never", health: "{ interval: 10s, timeout: 1s }")
        #expect(proxy.waitForLog("and 9992 more", seconds: 60), "\(proxy.log.suffix(2000))")
        // Nobody listens there; the proxy answers all the same.
        let began = now()
        #expect(try proxy.ask(get()).status == 503)
        #expect(try proxy.command("status").status == 0)
        #expect(now() - began < 20)
    }

    // MARK: - Waiting

    @Test("staithe wait returns when so many serve, and exits 1 when the time is over")
    func wait() throws {
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let engine = try engine()
        show([Fake("one", servers[0].port, seed: "1")], at: engine)
        let proxy = try proxy(engine.path)
        #expect(try proxy.command("wait", "app", "--healthy", "1").status == 0)
        let late = try proxy.command("wait", "app", "--healthy", "2", "--timeout", "300ms")
        #expect(late.status == 1)
        #expect(late.errors.contains("1 of 2 servers of app take requests after 300ms"), "\(late)")
        let two = Fake("two", servers[1].port, seed: "2")
        engine.setInspection(two.inspected, of: two.id)
        engine.tell(two.event("start"))
        let waited = try proxy.command("wait", "--healthy", "2")
        #expect(waited.status == 0, "\(waited)")
        #expect(waited.output.contains("app   2 servers take requests"), "\(waited)")
        let nobody = try proxy.command("wait", "nobody", "--healthy", "1", "--timeout", "100ms")
        #expect(nobody.status == 1)
        #expect(nobody.errors.contains("there is no service 'nobody'"))
        #expect(try proxy.command("wait", "app", "--healthy", "1", "--timeout", "x").status == 64)
    }

    @Test("With hold, requests wait while nobody serves, and go on when somebody does")
    func hold() throws {
        let server = try ScriptedServer(text: "s")
        let engine = try engine()
        engine.setList("[]")
        var plan = ContainerPlan(
            service: """
                discover: { docker: { socket: \(engine.path) } }
                when_all_down: hold
                timeouts: { queue: 10s }
                limits: { queue: 40 }
                """, health: "{ interval: 200ms, timeout: 100ms }"
        ).plan
        plan.workers = 1
        let proxy = try ProxyProcess(plan)
        let clients = try (0..<40).map { _ in try proxy.client() }
        for client in clients { try client.send(get()) }
        // One more than may wait.
        #expect(
            eventually {
                guard let answer = try? proxy.ask(get(), timeout: 1) else { return false }
                return answer.status == 503 && answer.text.contains("too many requests")
            })
        #expect(server.requestCount == 0)
        let one = Fake("one", server.port)
        engine.setInspection(one.inspected, of: one.id)
        engine.tell(one.event("start"))
        for client in clients { #expect(try client.readResponse().status == 200) }
        #expect(server.requestCount >= 40)
    }

    @Test("With hold, who waits in vain is told why, and when to come again")
    func holdInVain() throws {
        let engine = try engine()
        let plan = ContainerPlan(
            service: """
                discover: { docker: { socket: \(engine.path) } }
                when_all_down: hold
                timeouts: { queue: 300ms }
                """, health: "{ interval: 200ms, timeout: 100ms }"
        ).plan
        let proxy = try ProxyProcess(plan)
        let answer = try proxy.ask(get())
        #expect(answer.status == 503)
        #expect(answer.has("Retry-After"))
        #expect(answer["Proxy-Status"]?.contains("no_server") ?? false, "\(answer)")
    }
}
