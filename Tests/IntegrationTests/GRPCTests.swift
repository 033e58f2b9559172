import Foundation
import TestSupport
import Testing

@Suite("Real gRPC passes, every shape of it", .onStage)
struct GRPCTests {
    let authority: Authority

    init() throws { authority = try Authority() }

    /// A server of bytes, which says its name.
    private func server(_ name: String, isSecure: Bool) throws -> UInt16 {
        let port = Machine.freePort()
        var words = [Machine.support("grpc_server.py"), "\(port)", name]
        if isSecure {
            let certificate = try authority.certificate(["localhost"])
            words += [certificate.certificate, certificate.key]
        }
        let child = try ChildProcess("/usr/bin/python3", words)
        let isThere = eventually(timeout: 30) { (try? ScriptedClient(port: port)) != nil }
        #expect(isThere, "\(child.log)")
        return port
    }

    private func proxy(_ servers: [UInt16], isSecure: Bool) throws -> ProxyProcess {
        let certificate = try authority.certificate(["a.test"])
        let service =
            isSecure
            ? "protocol: h2\ntls: { ca: \(authority.file), server_name: localhost }"
            : "protocol: h2c"
        var plan = ProxyPlan(
            service: service, listener: "tls: { certificates: [\(certificate.entry)] }",
            rest: "access_log: { mode: all }", workers: nil)
        plan.servers = servers.map { (isSecure ? "https://" : "") + "127.0.0.1:\($0)" }
        return try ProxyProcess(plan)
    }

    private func calls(
        _ proxy: ProxyProcess, _ mode: String, _ rest: String...
    ) throws -> ChildProcess {
        try ChildProcess(
            "/usr/bin/python3",
            [Machine.support("grpc_calls.py"), "\(proxy.port)", authority.file, mode] + rest)
    }

    @Test(
        "Messages, statuses, trailers, cancellation and deadlines are exact, by h2c and by TLS",
        arguments: [false, true])
    func cases(isSecure: Bool) throws {
        let proxy = try proxy([server("one", isSecure: isSecure)], isSecure: isSecure)
        let child = try calls(proxy, "check")
        #expect(child.waitForEnd(seconds: 120) == .exited(0), "\(child.log)")
        let lines = child.output.split(separator: "\n")
        for line in lines.dropLast() { #expect(line.hasPrefix("ok "), "\(line)") }
        #expect(lines.last == "end" && lines.count == 18, "\(child.log)")
        // Who gives up a call is seen to have done so.
        #expect(proxy.waitForLog("client_closed"))
    }

    @Test(
        "Calls of four shapes go on while a server is added and another is drained",
        arguments: [false, true])
    func changes(isSecure: Bool) throws {
        let first = try server("first", isSecure: isSecure)
        let second = try server("second", isSecure: isSecure)
        let proxy = try proxy([first], isSecure: isSecure)
        let stop = authority.directory.file("stop")
        let load = try calls(proxy, "load", stop)
        func more() throws {
            let before = try proxy.status().servers.values.reduce(0) { $0 + $1.answers }
            let isMore = try eventually(timeout: 60) {
                try proxy.status().servers.values.reduce(0) { $0 + $1.answers }
                    > before + (Machine.isSoak ? 1000 : 100)
            }
            #expect(isMore, "\(load.log)")
        }
        func address(_ port: UInt16) -> String {
            (isSecure ? "https://" : "") + "127.0.0.1:\(port)"
        }
        try more()
        for _ in 0..<(Machine.isSoak ? 5 : 1) {
            for (new, old) in [(second, first), (first, second)] {
                let added = try proxy.command("add", address(new))
                #expect(added.status == 0, "\(added)")
                try more()
                let drained = try proxy.command("drain", address(old))
                #expect(drained.status == 0, "\(drained)")
                #expect(proxy.waitUntilServing(1), "\(proxy.serverStates())")
                try more()
                _ = try proxy.command("remove", address(old))
                let isGone = eventually { proxy.serverStates().count == 1 }
                #expect(isGone, "\(proxy.serverStates())")
            }
        }
        try Data().write(to: URL(fileURLWithPath: stop))
        #expect(load.waitForEnd(seconds: 60) == .exited(0))
        #expect(load.output.hasPrefix("shapes 4 "), "\(load.log)")
        #expect(load.output.contains(" failed 0\n"), "\(load.log)\n\(proxy.log.suffix(2000))")
        #expect(load.output.contains("'first'") && load.output.contains("'second'"))
        if Machine.isSoak { print("gRPC, TLS to servers \(isSecure): \(load.output)") }
    }
}
