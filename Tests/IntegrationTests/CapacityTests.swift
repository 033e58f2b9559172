import TestSupport
import Testing

@Suite("As many services, servers and listeners as the file asks for", .onStage)
struct CapacityTests {
    private func services(_ names: [String], at address: String) -> String {
        names.map { "\($0): { servers: [\(address)], health: off }\n" }.joined()
    }

    private func routes(_ names: [String]) -> String {
        "routes:\n  - service: app\n"
            + names.map { "  - { host: \($0).test, service: \($0) }\n" }.joined()
    }

    @Test("1,100 services serve, on the last of 70 listeners as on the first")
    func manyServices() throws {
        let (app, other) = (try ScriptedServer(text: "app"), try ScriptedServer(text: "other"))
        let names = (1...1100).map { "s\($0)" }
        let ports = (1...70).map { _ in Machine.freePort() }
        var plan = ProxyPlan(
            servers: [app.port], services: services(names, at: other.address),
            rest: routes(names))
        plan.listeners = ports.enumerated()
            .map { "l\($0.offset + 1): { address: 127.0.0.1:\($0.element) }" }
            .joined(separator: "\n")
        let proxy = try ProxyProcess(plan)
        for name in ["s1", "s1024", "s1025", "s1100"] {
            #expect(try proxy.ask(get(host: "\(name).test")).text == "other", "\(name)")
        }
        #expect(try proxy.ask(get(host: "else.test")).text == "app")
        for port in [ports[0], ports[63], ports[64], ports[69]] {
            #expect(try ask(port: port, get(host: "s1100.test")).text == "other", "\(port)")
        }
    }

    @Test("The 4,097th server is there; the last of them serves")
    func manyServers() throws {
        let server = try ScriptedServer(text: "x")
        let absent = (0..<4200).map { "127.1.\($0 / 250).\($0 % 250 + 1):9" }
        let list = absent.map { "{ address: \"\($0)\", weight: 0 }" } + [server.address]
        var plan = ProxyPlan(services: "")
        plan.servers = list
        let proxy = try ProxyProcess(plan)
        #expect(try proxy.status().servers.count == 4201)
        #expect(try proxy.ask(get()).text == "x")
    }

    @Test("Names of services come and go for ever, and a tunnel of one that is gone goes on")
    func names() throws {
        let app = try ScriptedServer(text: "app")
        let other = try ScriptedServer(text: "other")
        let long = try ScriptedServer { peer, _ in
            _ = try peer.readRequest()
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            try peer.send(try peer.read(10))
        }
        var plan = ProxyPlan(servers: [app.port])
        func change(_ round: Int) -> [String] {
            let names = (1...300).map { "r\(round)-\($0)" }
            plan.services = services(names, at: other.address)
            plan.rest = routes(names)
            return names
        }
        plan.services =
            "long: { servers: [\(long.address)], health: off, timeouts: { drain: 1h } }\n"
        plan.rest = routes(["long"])
        let proxy = try ProxyProcess(plan)
        let tunnel = try proxy.client()
        try tunnel.send(
            get(host: "long.test", fields: "Upgrade: x\r\nConnection: upgrade\r\n"))
        #expect(try tunnel.read(through: "\r\n\r\n").hasPrefix("HTTP/1.1 101 "))
        for round in 1...6 {
            let names = change(round)
            try proxy.rewrite(plan)
            let reload = try proxy.command("reload")
            #expect(reload.status == 0, "round \(round): \(reload.errors)")
            #expect(try proxy.ask(get(host: "\(names[299]).test")).text == "other")
        }
        try tunnel.send("still here")
        #expect(try tunnel.read(10) == Array("still here".utf8))
    }
}
