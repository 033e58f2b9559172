import Foundation
import TestSupport
import Testing

@Suite("The demo", .onStage)
struct DemoTests {
    private func start(_ arguments: String...) throws -> (demo: ChildProcess, port: UInt16) {
        let port = Machine.freePort()
        let directory = TemporaryDirectory()
        let demo = try ChildProcess(
            ProxyProcess.executable, ["demo", "\(port)"] + arguments,
            environment: ["XDG_RUNTIME_DIR": directory.path])
        return (demo, port)
    }

    @Test("Nobody looks at it: it tells its story, shares move, and it ends with 0")
    func unattended() throws {
        let (demo, _) = try start("--seconds", "7")
        #expect(demo.waitForEnd(seconds: 30) == .exited(0), "\(demo.log)")
        let lines = demo.output.split(separator: "\n").map { $0.split(separator: " ") }
        func row(_ second: Int) throws -> [Substring] {
            // second, three times a number and "%" or "–", requests, failed
            try #require(lines.first { $0.first == "\(second)" }, "\(demo.output)")
        }
        #expect(try row(3).contains("–"), "three has not come yet")
        #expect(try !row(7).contains("–"), "three has its share")
        for second in 1...7 {
            let row = try row(second)
            #expect(row.last == "0", "a request failed")
            #expect(try #require(Int(row[row.count - 2])) > 20)
        }
        #expect(demo.output.contains("$ staithe add"))
        #expect(demo.output.contains("serves: first answer 200"))
        #expect(demo.output.hasSuffix("the demo is over\n"))
    }

    @Test("HTTPS and HTTP/2, with a certificate made on the spot, are one command")
    func secure() throws {
        let (demo, port) = try start("--https", "--seconds", "6")
        #expect(eventually { demo.output.contains("cert.pem") }, "\(demo.log)")
        let words = demo.output.split(whereSeparator: \.isWhitespace).map(String.init)
        let certificate = try #require(words.first { $0.hasSuffix("cert.pem") })
        let answer = try run(
            "/usr/bin/curl",
            [
                "-sS", "-w", " %{http_version}", "--max-time", "20", "--cacert", certificate,
                "https://localhost:\(port)/",
            ])
        #expect(answer.output.hasPrefix("Hello from server "), "\(answer)")
        #expect(answer.output.hasSuffix(" 2"), "\(answer)")
        #expect(demo.waitForEnd(seconds: 30) == .exited(0), "\(demo.log)")
        #expect(demo.output.contains("serves: first answer 200"))
        #expect(demo.output.hasSuffix("the demo is over\n"))
        // Nothing is left behind.
        #expect(!FileManager.default.fileExists(atPath: certificate))
    }

    @Test("Ctrl-C ends everything")
    func interrupted() throws {
        let (demo, port) = try start("--seconds", "60")
        #expect(eventually { demo.output.contains("\n       2 ") }, "\(demo.log)")
        demo.signal(2)
        #expect(demo.waitForEnd(seconds: 10) == .exited(0), "\(demo.log)")
        #expect((try? ScriptedClient(port: port)) == nil)
        // The example servers live in the same process; none is left.
        let line = try #require(demo.output.split(separator: "\n").first)
        let ports = line.split(whereSeparator: { " ,".contains($0) }).compactMap { UInt16($0) }
        #expect(ports.count == 3, "\(line)")
        for port in ports { #expect((try? ScriptedClient(port: port)) == nil) }
    }

    @Test("A port that is taken: one sentence, with the command that helps")
    func portTaken() throws {
        let other = try ScriptedServer(text: "x")
        let result = try ProxyProcess.command(["demo", "\(other.port)"])
        #expect(result.status == 1)
        #expect(result.errors.split(separator: "\n").count == 1, "\(result)")
        #expect(result.errors.contains("staithe demo \(other.port + 1)"), "\(result)")
    }
}
