import Foundation
import TestSupport
import Testing

@Suite("The process and its exits", .onStage)
struct ProcessTests {
    /// Answers when the gate opens; "/fast" at once.
    private func slowServer(_ gate: Gate) throws -> ScriptedServer {
        try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target != "/fast" { gate.wait() }
                try peer.send(ok("done"))
            }
        }
    }

    @Test("SIGTERM lets requests in flight finish, accepts no more, and exits 0")
    func terminate() throws {
        let gate = Gate()
        let server = try slowServer(gate)
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        let idle = try proxy.client()
        #expect(try idle.ask(get("/fast")).status == 200)
        try client.send(get("/slow"))
        #expect(eventually { server.received.joined().contains("/slow") })
        proxy.process.terminate()
        #expect(idle.isEnded(within: 5))
        #expect(eventually { (try? proxy.client()) == nil })
        #expect(proxy.process.isRunning)
        gate.open()
        let answer = try client.readResponse()
        #expect(answer.text == "done")
        #expect(answer.closes)
        #expect(proxy.process.waitForEnd(seconds: 10) == .exited(0), "\(proxy.log)")
    }

    @Test("SIGTERM without work ends at once")
    func terminateIdle() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port], workers: nil))
        #expect(try proxy.ask(get()).status == 200)
        let before = now()
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd() == .exited(0))
        #expect(now() - before < 3)
    }

    @Test("The grace has an end: process.shutdown")
    func graceEnds() throws {
        let gate = Gate()
        let server = try slowServer(gate)
        var plan = ProxyPlan(servers: [server.port], workers: nil)
        plan.rest = "process: { workers: 1, shutdown: 700ms }"
        let proxy = try ProxyProcess(plan)
        let client = try proxy.client()
        try client.send(get("/slow"))
        #expect(eventually { server.connectionCount == 1 })
        let before = now()
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd(seconds: 10) == .exited(0))
        #expect((0.5...5).contains(now() - before))
        gate.open()
    }

    @Test("A second SIGTERM does not wait")
    func terminateTwice() throws {
        let gate = Gate()
        let server = try slowServer(gate)
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]))
        let client = try proxy.client()
        try client.send(get("/slow"))
        #expect(eventually { server.connectionCount == 1 })
        proxy.process.terminate()
        Thread.sleep(milliseconds: 300)
        #expect(proxy.process.isRunning)
        let before = now()
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd(seconds: 5) != nil)
        #expect(now() - before < 2)
        gate.open()
    }

    @Test("SIGPIPE does not matter: clients and servers that vanish while we write")
    func brokenPipes() throws {
        let server = try ScriptedServer { peer, index in
            _ = try peer.readRequest()
            if index % 2 == 0 { return peer.reset() }
            try peer.send(ok(String(repeating: "x", count: 1_000_000)))
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], service: "retries: off\noutliers: off"))
        for _ in 0..<50 {
            let client = try proxy.client()
            try client.send(post("/", String(repeating: "y", count: 100_000)))
            _ = try? client.read(100)
            client.reset()
        }
        proxy.process.signal(13)
        Thread.sleep(milliseconds: 100)
        #expect(proxy.process.isRunning)
    }

    @Test("A port in use: one sentence, exit 1")
    func portInUse() throws {
        let other = try ScriptedServer(text: "x")
        let directory = TemporaryDirectory()
        let plan = ProxyPlan(port: other.port, servers: [Machine.freePort()])
        try directory.write(plan.text(socket: directory.file("s")), to: "c.yaml")
        let result = try ProxyProcess.command(["run", "-c", directory.file("c.yaml")])
        #expect(result.status == 1)
        #expect(result.errors.contains("\(other.port)"), "\(result)")
        #expect(result.errors.lowercased().contains("in use"), "\(result)")
    }

    @Test("A port below 1024 without the right to it: one sentence, exit 1")
    func noPermission() throws {
        let setpriv = try #require(Machine.program("setpriv"))
        // Where another user may read it.
        let directory = TemporaryDirectory()
        let copy = directory.file("staithe")
        let made = try run("/bin/cp", [ProxyProcess.executable, copy])
        #expect(made.status == 0, "\(made)")
        let user = Machine.isRoot ? ["--reuid=65534", "--regid=65534", "--clear-groups"] : []
        let result = try run(
            setpriv, user + ["--no-new-privs", copy, "127.0.0.1:81", "3001"])
        #expect(result.status == 1, "\(result)")
        #expect(result.errors.split(separator: "\n").count == 1, "\(result)")
        #expect(result.errors.contains("127.0.0.1:81: not allowed"), "\(result)")
    }

    @Test("Too few descriptors to begin with: one sentence, exit 1", arguments: [24, 40, 63])
    func fewDescriptors(limit: Int) throws {
        let proxy = try ChildProcess(
            ProxyProcess.executable, ["\(Machine.freePort())", "3001"], descriptorLimit: limit)
        #expect(proxy.waitForEnd() == .exited(1), "\(proxy.log)")
        #expect(proxy.errors.split(separator: "\n").count == 1, "\(proxy.log)")
        #expect(proxy.errors.contains("only \(limit) descriptors may be open"), "\(proxy.log)")
    }

    @Test("It may be process 1: signals end it there, too", .enabled(if: Machine.canUnshare))
    func processOne() throws {
        let server = try ScriptedServer(text: "x")
        let directory = TemporaryDirectory()
        let port = Machine.freePort()
        let shell = try ChildProcess(
            try #require(Machine.program("unshare")),
            ["--pid", "--fork", "--mount-proc", "--kill-child", ProxyProcess.executable]
                + ["\(port)", "\(server.port)"],
            environment: ["XDG_RUNTIME_DIR": directory.path])
        #expect(eventually { (try? ask(port: port, get()).text) == "x" }, "\(shell.log)")
        let identifier = try #require(shell.children.first)
        #expect(
            contents(ofFile: "/proc/\(identifier)/status").split(separator: "\n")
                .contains { $0.hasPrefix("NSpid:") && $0.hasSuffix("\t1") })
        shell.signal(15, toChild: identifier)
        #expect(shell.waitForEnd() == .exited(0), "\(shell.log)")
    }

    @Test("Words that mean nothing: exit 64, with the nearest that does")
    func usage() throws {
        for arguments in [
            ["statsu"], ["run", "--confg", "x"], ["99999999", "3001"], ["run"] + ["x", "y"],
        ] {
            let result = try ProxyProcess.command(arguments)
            #expect(result.status == 64, "\(arguments): \(result)")
        }
        #expect(try ProxyProcess.command(["statsu"]).errors.contains("status"))
    }

    @Test("A configuration with mistakes: exit 78, each with its place")
    func configuration() throws {
        let directory = TemporaryDirectory()
        try directory.write(
            "listeners:\n  web:\n    address: 127.0.0.1:8080\n    timeouts: { idle: 5 }\n"
                + "services:\n  app:\n    servrs: [3001]\n", to: "bad.yaml")
        for verb in [
            ["check", directory.file("bad.yaml")], ["run", "-c", directory.file("bad.yaml")],
        ] {
            let result = try ProxyProcess.command(verb)
            #expect(result.status == 78, "\(result)")
            let said = result.output + result.errors
            #expect(said.contains("bad.yaml:7:5: error:"), "\(said)")
            #expect(said.contains("did you mean 'servers'?"), "\(said)")
            #expect(said.contains("bad.yaml:4:"), "\(said)")
        }
        let missing = try ProxyProcess.command(["run", "-c", directory.file("none.yaml")])
        #expect([66, 78].contains(missing.status), "\(missing)")
    }

    @Test("check is content with a good file, --version and --help with themselves")
    func good() throws {
        let directory = TemporaryDirectory()
        let plan = ProxyPlan(servers: [3001, 3002])
        try directory.write(plan.text(socket: directory.file("s")), to: "good.yaml")
        #expect(try ProxyProcess.command(["check", directory.file("good.yaml")]).status == 0)
        let version = try ProxyProcess.command(["--version"])
        #expect(version.status == 0)
        #expect(version.output.contains("."))
        let help = try ProxyProcess.command(["--help"])
        #expect(help.status == 0)
        for word in ["run", "check", "reload", "status", "add", "drain", "remove", "set", "demo"] {
            #expect(help.output.contains(word), "\(word) is missing in --help")
        }
    }

    @Test("No running instance on that socket: exit 69")
    func nobody() throws {
        let directory = TemporaryDirectory()
        let result = try ProxyProcess.command(["status", "--socket", directory.file("none.sock")])
        #expect(result.status == 69, "\(result)")
    }

    @Test("As many connections as there may be: it keeps serving, says so once, and recovers")
    func full() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(ProxyPlan(servers: [server.port]), descriptorLimit: 100)
        try overrun(proxy, sentence: "as many as there may be: new ones wait")
    }

    @Test("Descriptors exhausted: it keeps serving, says so once, and recovers")
    func descriptors() throws {
        // More connections than it has descriptors for.
        let gate = Gate()
        let server = try ScriptedServer { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target == "/slow" { gate.wait() }
                try peer.send(ok("x"))
            }
        }
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], listener: "limits: { connections: 68 }"),
            descriptorLimit: 100)
        // These have two descriptors each.
        let slow = try (0..<30).map { _ in
            let client = try proxy.client()
            try client.send(get("/slow"))
            return client
        }
        #expect(eventually { server.received.joined().split(separator: "/slow").count == 31 })
        try overrun(proxy, sentence: "no descriptors are left: new connections wait")
        gate.open()
        for client in slow { #expect(try client.readResponse().status == 200) }
    }

    private func overrun(_ proxy: ProxyProcess, sentence: String) throws {
        let first = try proxy.client()
        #expect(try first.ask(get()).status == 200)
        var crowd: [ScriptedClient] = []
        for _ in 0..<300 { crowd.append(try proxy.client(timeout: 5)) }
        #expect(proxy.waitForLog(sentence), "\(proxy.log)")
        // Whoever is in is served.
        for _ in 0..<20 { #expect(try first.ask(get()).status == 200) }
        let before = proxy.process.processorSeconds
        Thread.sleep(milliseconds: 500)
        #expect(proxy.process.processorSeconds - before < 0.3, "it spins on a full table")
        for client in crowd { client.close() }
        #expect(
            eventually(timeout: 20) {
                (try? proxy.ask(get(), timeout: 2).status) == 200
                    && proxy.log.contains("connections are accepted again")
            }, "\(proxy.log)")
        #expect(proxy.process.isRunning)
        #expect(proxy.log.components(separatedBy: sentence).count == 2, "\(proxy.log)")
    }

    @Test("It does nothing when there is nothing to do")
    func idle() throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            ProxyPlan(servers: [server.port], health: "{ interval: 2s }", workers: nil))
        #expect(eventually { (try? proxy.ask(get()).status) == 200 })
        let clients = try (0..<20).map { _ in try proxy.client() }
        for client in clients { _ = try client.ask(get()) }
        Thread.sleep(milliseconds: 500)
        let before = proxy.process.processorSeconds
        Thread.sleep(milliseconds: 2000)
        #expect(proxy.process.processorSeconds - before < 0.2)
        withExtendedLifetime(clients) {}
    }
}
