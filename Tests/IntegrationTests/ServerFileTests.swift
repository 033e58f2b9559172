import Foundation
import TestSupport
import Testing

@Suite("Servers in a file of their own", .onStage)
struct ServerFileTests {
    private func names(_ proxy: ProxyProcess) -> Set<String> {
        Set(((try? proxy.status())?.servers ?? [:]).keys)
    }

    @Test("Each change is taken over as a whole; what is wrong or missing changes nothing")
    func changing() throws {
        let servers = try ["a", "b"].map { try NginxServer(text: $0) }
        let a = "127.0.0.1:\(servers[0].port)"
        let b = "127.0.0.1:\(servers[1].port)"
        let directory = TemporaryDirectory()
        let file = directory.file("app.yaml")
        let proxy = try ProxyProcess(
            ProxyPlan(service: "discover: { file: { path: \(file) } }"))
        #expect(proxy.waitForLog("it cannot be read"), "\(proxy.log)")
        #expect(try proxy.ask(get()).status == 503)
        try directory.write("[\(a)]\n", to: "app.yaml")
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
        #expect(proxy.waitForLog("is back"), "\(proxy.log)")
        let load = LoadClient(port: proxy.port, rate: 200, threadCount: 4)
        #expect(load.waitForRequests(50))
        let text = "- \(a)\n- { address: \(b), name: other, weight: 3, version: v2 }\n"
        try directory.replace("app.yaml", with: text)
        #expect(eventually { names(proxy) == [a, "other"] }, "\(proxy.log)")
        let before = try proxy.status()
        for (wrong, sentence) in [
            ("- \(a)\n- \(a)\n", "line 2: server \(a) is listed twice"),
            ("- { adress: \(a) }\n", "line 1: unknown key 'adress' in servers.0"),
            ("[]\n", "'servers' is empty"),
            ("- app-1:3000\n", "'app-1:3000' has a name where a numeric address must stand"),
            ("- https://127.0.0.1:1\n", "needs TLS, and the service has none"),
            ("- [\n", "line "), ("servers: [1]\n", "'servers' must be a list"),
            ("- ${HOME}\n", "'HOME'"),
        ] {
            try directory.replace("app.yaml", with: wrong)
            #expect(
                eventually {
                    ((try? proxy.command("status").output) ?? "").contains(sentence)
                }, "\(wrong): \((try? proxy.command("status").output) ?? "")")
        }
        try FileManager.default.removeItem(atPath: file)
        #expect(
            eventually {
                ((try? proxy.command("status").output) ?? "").contains("it cannot be read")
            }, "\(proxy.log)")
        let after = try proxy.status()
        #expect(after.generation == before.generation, "\(proxy.log)")
        #expect(after.servers.mapValues(\.since) == before.servers.mapValues(\.since))
        try directory.replace("app.yaml", with: "- { address: \(b), name: other }\n")
        #expect(eventually { names(proxy) == ["other"] }, "\(proxy.log)")
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)\n\(proxy.log)")
        #expect(result.answers.count == 2)
    }

    @Test("Without a path there is a sentence; a relative one counts from the file that names it")
    func paths() throws {
        let directory = TemporaryDirectory()
        func check(_ file: String) throws -> String {
            try directory.write(
                "listeners: { web: { address: \":8080\" } }\n"
                    + "services:\n  app:\n    discover:\n      file: \(file)\n", to: "a.yaml")
            return try ProxyProcess.command(["check", directory.file("a.yaml")]).output
        }
        #expect(try check("{}").contains("must have 'path'"))
        #expect(try check("{ pth: x }").contains("did you mean 'path'?"))
        let server = try NginxServer(text: "a")
        let plan = ProxyPlan(service: "discover: { file: { path: servers.yaml } }")
        let proxy = try ProxyProcess(plan)
        try proxy.directory.write("[127.0.0.1:\(server.port)]", to: "servers.yaml")
        #expect(proxy.waitUntilServing(1), "\(proxy.log)")
    }
}
