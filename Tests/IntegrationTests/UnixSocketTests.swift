import Foundation
import TestSupport
import Testing

@Suite("Unix sockets, as listeners and as servers", .onStage)
struct UnixSocketTests {
    private let directory = TemporaryDirectory()

    /// A server behind a Unix socket: socat is not needed, a second staithe does it.
    private func server(_ name: String, at path: String) throws -> ProxyProcess {
        let server = try ScriptedServer(isRecording: false) { request in
            ok("\(name) \(request["Host"] ?? "-") \(request["X-Forwarded-For"] ?? "-")")
        }
        var plan = ProxyPlan()
        plan.listeners = "unix: { address: \"unix:\(path)\", headers: { forwarded: off } }"
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    @Test("Servers with a path and with an abstract name share the requests, and are checked")
    func servers() throws {
        let abstract = "@staithe-test-\(UInt32.random(in: 0 ... .max))"
        let path = directory.file("b.sock")
        let first = try server("a", at: abstract)
        let second = try server("b", at: path)
        var plan = ProxyPlan(
            service: "balance: round-robin\nhost: server",
            health: "{ path: /up, interval: 50ms, timeout: 40ms, up_after: 1 }")
        plan.servers = ["\"unix:\(abstract)\"", "\"unix:\(path)\""]
        let proxy = try ProxyProcess(plan)
        #expect(eventually { (try? proxy.command("status").output.contains("2 of 2 up")) == true })
        var texts: Set<String> = []
        for _ in 0..<4 { texts.insert(try proxy.ask(get("/")).text) }
        #expect(texts == ["a localhost 127.0.0.1", "b localhost 127.0.0.1"])
        // A server that ends takes its file along: nobody is there.
        second.process.terminate()
        _ = second.process.waitForEnd()
        #expect(!FileManager.default.fileExists(atPath: path))
        for _ in 0..<4 { #expect(try proxy.ask(get("/")).text.hasPrefix("a ")) }
        #expect(proxy.waitForLog("unix:\(path) down: check failed"))
        _ = first
    }

    @Test("A listener with a path has its mode, tells trusted words from others, and shares loops")
    func listener() throws {
        let server = try ScriptedServer(isRecording: false) { request in
            ok(request["X-Forwarded-For"] ?? "-")
        }
        let trusted = directory.file("trusted.sock")
        let plain = directory.file("plain.sock")
        var plan = ProxyPlan(workers: 2)
        plan.listeners =
            "t: { address: \"unix:\(trusted)\", socket_mode: \"0600\", trusted_proxies: [unix] }"
            + "\np: { address: \"unix:\(plain)\" }"
        plan.servers = [server.address]
        let proxy = try ProxyProcess(plan)
        let mode = try FileManager.default.attributesOfItem(atPath: trusted)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let request =
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n\r\n"
        for _ in 0..<20 {
            let client = try ScriptedClient(path: trusted)
            try client.send(request)
            #expect(try client.readTextToEnd().hasSuffix("192.0.2.1, unknown"))
        }
        let client = try ScriptedClient(path: plain)
        try client.send(request)
        #expect(try client.readTextToEnd().hasSuffix("\r\n\r\nunknown"))

        // A reload without it takes the file away, one with it brings it back.
        let listeners = plan.listeners
        plan.listeners = String(listeners.prefix { $0 != "\n" })
        try proxy.rewrite(plan)
        #expect(try proxy.command("reload").status == 0)
        #expect(eventually { !FileManager.default.fileExists(atPath: plain) })
        plan.listeners = listeners
        try proxy.rewrite(plan)
        #expect(try proxy.command("reload").status == 0)
        #expect(eventually { (try? ScriptedClient(path: plain)) != nil })
    }

    @Test("Who ends leaves the sockets of who took its place alone")
    func successor() throws {
        let path = directory.file("a.sock")
        let slow = try ScriptedServer(isRecording: false) { peer, _ in _ = try peer.readToEnd() }
        var plan = ProxyPlan()
        plan.listeners = "unix: { address: \"unix:\(path)\" }"
        plan.servers = [slow.address]
        let old = try ProxyProcess(plan)
        let waiting = try ScriptedClient(path: path)
        try waiting.send(get("/"))
        #expect(eventually { slow.connectionCount == 1 })
        // It finishes what it has, and listens no more.
        old.process.terminate()
        #expect(eventually { (try? ScriptedClient(path: path)) == nil }, "\(old.log)")
        try FileManager.default.removeItem(atPath: old.socket)
        try directory.write(
            "listeners: { web: { address: \"unix:\(path)\" } }\n"
                + "services: { app: { servers: [3001], health: off } }\n"
                + "admin: { socket: \(old.socket) }\n", to: "new.yaml")
        let new = try ChildProcess(
            ProxyProcess.executable, ["run", "-c", directory.file("new.yaml")])
        func answers() -> [Bool] {
            [path, old.socket].map { (try? ScriptedClient(path: $0)) != nil }
        }
        #expect(eventually { answers() == [true, true] }, "\(new.log)")
        old.process.terminate()
        _ = old.process.waitForEnd()
        #expect(answers() == [true, true], "\(old.log)")
        new.terminate()
        _ = new.waitForEnd()
        for file in [path, old.socket] {
            #expect(!FileManager.default.fileExists(atPath: file), "\(file)")
        }
    }

    @Test("A path that another program answers on is in use; one that was left behind is not")
    func taken() throws {
        let path = directory.file("a.sock")
        let first = try server("a", at: path)
        let file = directory.file("second.yaml")
        try directory.write(
            "listeners: { web: { address: \"unix:\(path)\" } }\n"
                + "services: { app: { servers: [3001] } }\nadmin: { socket: off }\n",
            to: "second.yaml")
        let check = try ProxyProcess.command(["check", "--resolve", file])
        #expect(check.status == 78)
        #expect(check.output.contains("unix:\(path) is in use by another program"), "\(check)")
        let run = try ProxyProcess.command(["run", "-c", file])
        #expect(run.status != 0)
        #expect(run.errors.contains("another program listens there"), "\(run)")
        first.process.killAtOnce()
        _ = first.process.waitForEnd()
        #expect(FileManager.default.fileExists(atPath: path))
        let again = try server("b", at: path)
        let client = try ScriptedClient(path: path)
        try client.send(get("/"))
        #expect(try client.read(through: "b ").contains("200 OK"))
        _ = again
    }
}
