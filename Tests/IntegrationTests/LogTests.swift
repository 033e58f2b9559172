import Foundation
import TestSupport
import Testing

@Suite("The access log", .onStage)
struct LogTests {
    private func plan(_ servers: [UInt16], mode: String, to place: String = "stdout") -> ProxyPlan {
        ProxyPlan(
            servers: servers, rest: "access_log: { mode: \(mode), to: \(place) }",
            health: LiveChangeTests.quickChecks)
    }

    @Test(
        "Its modes: everything, failures only, nothing",
        arguments: ["all": 4, "failures": 1, "off": 0])
    func modes(mode: String, lineCount: Int) throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(plan([server.port], mode: mode))
        #expect(proxy.waitUntilServing(1))
        for _ in 0..<3 { #expect(try proxy.ask(get("/fine")).status == 200) }
        #expect(try proxy.ask("GET /bad HTTP/1.1\r\n\r\n").status == 400)
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd() == .exited(0), "\(proxy.log)")
        let lines = proxy.process.output.split(separator: "\n")
        #expect(lines.count == lineCount, "\(lines)")
        #expect(lines.allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
        #expect(lines.count { $0.contains("\"status\":400") } == min(1, lineCount))
    }

    @Test(
        "A reader that stalls delays nobody; what is lost is counted and said",
        arguments: [false, true])
    func stalledReader(hasBoth: Bool) throws {
        let directory = TemporaryDirectory()
        let pipe = try NamedPipe(directory.file("pipe"))
        let servers = try ["a", "b"].map { try NginxServer(text: $0) }
        let proxy = try ProxyProcess(
            plan(servers.map(\.port), mode: "all"), outputPath: pipe.path,
            errorPath: hasBoth ? pipe.path : nil)
        #expect(proxy.waitUntilServing(2))
        let load = LoadClient(port: proxy.port, rate: 1_000_000, threadCount: 8)
        #expect(try eventually(timeout: 60) { try proxy.status().lostLogRecords > 100 })
        // Nothing waits for the reader: requests, checks, changes.
        let address = "127.0.0.1:\(servers[0].port)"
        servers[0].process.killAtOnce()
        #expect(eventually { proxy.serverStates()[address] == "down" })
        #expect(try proxy.command("reload").status == 0)
        load.waitForRequests(load.result.requestCount + 1000)
        let result = load.finish()
        #expect(result.failureCount == 0, "\(result)")
        if hasBoth {
            // It reads again: whole lines, and what it missed.
            pipe.startReading()
            #expect(eventually { pipe.text.contains("access log records were lost") })
        } else {
            #expect(proxy.waitForLog("access log records were lost"))
        }
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd() == .exited(0))
        if hasBoth {
            #expect(eventually { pipe.text.contains("stopped: every request was finished") })
            for line in pipe.text.split(separator: "\n") {
                #expect(line.hasPrefix("{") && line.hasSuffix("}"), "\(line)")
            }
        }
    }

    @Test("A full file system: said once, and requests go on", arguments: [false, true])
    func full(isFile: Bool) throws {
        let server = try ScriptedServer(text: "x")
        let proxy = try ProxyProcess(
            plan([server.port], mode: "all", to: isFile ? "/dev/full" : "stdout"),
            outputPath: isFile ? nil : "/dev/full")
        #expect(proxy.waitUntilServing(1))
        let client = try proxy.client()
        for _ in 0..<2 {
            let before = try proxy.status().lostLogRecords
            for _ in 0..<20 { #expect(try client.ask(get()).status == 200) }
            #expect(try eventually { try proxy.status().lostLogRecords >= before + 20 })
        }
        let sentence = "the access log cannot be written: No space left on device"
        #expect(proxy.waitForLog(sentence))
        proxy.process.terminate()
        #expect(proxy.process.waitForEnd() == .exited(0), "\(proxy.log)")
        #expect(proxy.log.components(separatedBy: sentence).count == 2, "\(proxy.log)")
    }
}
