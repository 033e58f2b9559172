import Foundation
import TestSupport
import Testing

/// `staithe bench replay` on logs that the programs themselves have written.
@Suite("Replaying logs", .onStage)
struct ReplayTests {
    private static let requestCount = 150

    /// Waits for all requests to be logged, and plays the log.
    private func replay(_ log: String, _ more: String...) throws -> String {
        func lineCount() -> Int {
            let text = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").count { $0.contains("/item/") }
        }
        #expect(eventually { lineCount() == Self.requestCount }, "\(lineCount())")
        let result = try ProxyProcess.command(
            ["bench", "replay", log, "--strategies", "least-requests,random", "--reps", "2"]
                + ["--requests", "5000"] + more)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.contains("least-requests"), "\(result.output)")
        #expect(!result.output.contains("not understood"), "\(result.output)")
        return result.output
    }

    private func ask(_ port: UInt16) throws {
        let client = try ScriptedClient(port: port, timeout: 20)
        for number in 0..<Self.requestCount {
            let head =
                "GET /item/\(number)?q=[1] HTTP/1.1\r\nHost: shop.test\r\n"
                + "User-Agent: \"odd\" agent [2]\r\n\r\n"
            #expect(try client.ask(head).status == 200)
        }
    }

    @Test("a log of our own says when requests came, how long they took, and who served")
    func own() throws {
        let servers = try (0..<3).map { try ScriptedServer(text: "s\($0)") }
        let directory = TemporaryDirectory()
        let log = directory.file("access.log")
        var plan = ProxyPlan(servers: servers.map(\.port))
        plan.rest = "access_log: { mode: all, to: \(log) }"
        let proxy = try ProxyProcess(plan)
        try ask(proxy.port)
        let text = try replay(log)
        #expect(text.contains("\(Self.requestCount) requests, "), "\(text)")
        #expect(text.contains("; 3 servers with "), "\(text)")
    }

    @Test(
        "a log of nginx with times is enough; the combined one needs --mean and --service",
        .enabled(if: Machine.program("nginx") != nil))
    func nginx() throws {
        let format =
            "'$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
            + "\"$http_referer\" \"$http_user_agent\" $request_time'"
        let server = try NginxServer(
            log: "log_format timed \(format); access_log $directory/timed.log timed; "
                + "access_log $directory/combined.log combined;")
        try ask(server.port)
        let timed = try replay(server.directory.file("timed.log"), "--servers", "4")
        #expect(timed.contains("4 servers") && timed.contains("whole seconds"), "\(timed)")
        let combined = server.directory.file("combined.log")
        let refused = try ProxyProcess.command(["bench", "replay", combined])
        #expect(refused.status == 64)
        #expect(refused.errors.contains("give --mean and --service"), "\(refused.errors)")
        let one = try replay(combined, "--mean", "20ms", "--service", "exp")
        #expect(one.contains("give --servers"), "\(one)")
    }

    @Test("a log of HAProxy names its servers", .enabled(if: Machine.program("haproxy") != nil))
    func haproxy() throws {
        let program = try #require(Machine.program("haproxy"))
        let servers = try (0..<2).map { try ScriptedServer(text: "s\($0)") }
        let directory = TemporaryDirectory()
        let port = Machine.freePort()
        try directory.write(
            """
            global
              log stdout format raw local0
            defaults
              mode http
              log global
              option httplog
              timeout connect 5s
              timeout client 30s
              timeout server 30s
            frontend web
              bind 127.0.0.1:\(port)
              default_backend app
            backend app
              server s0 127.0.0.1:\(servers[0].port)
              server s1 127.0.0.1:\(servers[1].port)

            """, to: "haproxy.cfg")
        let log = directory.file("haproxy.log")
        let process = try ChildProcess(
            "/bin/sh",
            ["-c", "exec \(program) -f \(directory.file("haproxy.cfg")) >\(log)"])
        try waitUntilListening(process, port)
        try ask(port)
        let text = try replay(log)
        #expect(text.contains("; 2 servers with "), "\(text)")
    }
}
