import Foundation
import TestSupport
import Testing

@Suite("Each change of the file is one reload, however it is made", .onStage)
struct FileWatchingTests {
    /// A proxy whose file is changed again and again.
    private struct Play {
        let proxy: ProxyProcess
        let first: String
        let second: String
        private var plan: ProxyPlan
        private var count = 0

        init() throws {
            first = try ScriptedServer(text: "first").address
            second = try ScriptedServer(text: "second").address
            plan = ProxyPlan()
            plan.servers = [first]
            proxy = try ProxyProcess(plan)
        }

        var directory: TemporaryDirectory { proxy.directory }
        var path: String { directory.file(ProxyProcess.fileName) }

        /// Another file than the last one.
        mutating func nextText() -> String {
            plan.servers = plan.servers == [first] ? [second] : [first]
            return plan.text(socket: proxy.socket)
        }

        /// The change is in effect, and so far each has been one reload.
        mutating func expectReload(
            _ way: String, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            count += 1
            let expected = plan.servers == [first] ? "first" : "second"
            let isThere = eventually { (try? proxy.ask(get()).text) == expected }
            #expect(isThere, "\(way): \(proxy.log)", sourceLocation: sourceLocation)
            #expect(proxy.waitForLog("g\(count + 1): "), sourceLocation: sourceLocation)
            let reloads = proxy.log.components(separatedBy: "reload (").count - 1
            #expect(reloads == count, "\(way): \(proxy.log)", sourceLocation: sourceLocation)
        }
    }

    @Test("Written in place, renamed over, deleted and made again, switched by a link")
    func ways() throws {
        var play = try Play()
        let files = FileManager.default
        for round in 1...2 {
            try play.directory.write(play.nextText(), to: ProxyProcess.fileName)
            try play.expectReload("in place, round \(round)")

            try play.directory.replace(ProxyProcess.fileName, with: play.nextText())
            try play.expectReload("renamed over")

            try files.removeItem(atPath: play.path)
            try play.directory.write(play.nextText(), to: ProxyProcess.fileName)
            try play.expectReload("deleted and made again")

            // A slow writer: nothing is read before it has closed the file.
            let bytes = Array(play.nextText().utf8)
            let file = try #require(FileHandle(forWritingAtPath: play.path))
            try file.truncate(atOffset: 0)
            for part in [bytes[..<40], bytes[40..<80], bytes[80...]] {
                try file.write(contentsOf: Data(part))
                Thread.sleep(milliseconds: 120)
            }
            try file.close()
            try play.expectReload("slowly in place")

            // What editors leave beside it changes nothing.
            try play.directory.write("x", to: ".\(ProxyProcess.fileName).swp")
            try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: play.path)
            try play.directory.write(play.nextText(), to: "other.yaml")
            try files.removeItem(atPath: play.path)
            try files.createSymbolicLink(
                atPath: play.path, withDestinationPath: "other.yaml")
            try play.expectReload("replaced by a link")

            // Through the link.
            try play.directory.write(play.nextText(), to: "other.yaml")
            try play.expectReload("what the link leads to")
        }
    }

    @Test("A link two directories away is followed, as Kubernetes mounts a ConfigMap")
    func kubernetes() throws {
        var play = try Play()
        let files = FileManager.default
        func link(_ name: String, to target: String) throws {
            let next = play.directory.file(name + ".next")
            try files.createSymbolicLink(atPath: next, withDestinationPath: target)
            _ = try TestSupport.run("/bin/mv", ["-T", next, play.directory.file(name)])
        }
        for round in 1...3 {
            let version = "..v\(round)"
            try files.createDirectory(
                atPath: play.directory.file(version), withIntermediateDirectories: false)
            try play.directory.write(play.nextText(), to: "\(version)/\(ProxyProcess.fileName)")
            try link("..data", to: version)
            if round == 1 {
                try link(ProxyProcess.fileName, to: "..data/\(ProxyProcess.fileName)")
            } else {
                // The old version goes as soon as the new one is in place.
                try files.removeItem(atPath: play.directory.file("..v\(round - 1)"))
            }
            try play.expectReload("round \(round)")
        }
    }

    @Test("A directory in which something always happens does not put the reading off for ever")
    func busyDirectory() throws {
        var play = try Play()
        let stop = play.directory.file("stop")
        let other = play.directory.file("other")
        let busy = try ChildProcess(
            "/bin/sh", ["-c", "while [ ! -e \(stop) ]; do : >\(other); sleep 0.01; done"])
        #expect(eventually { FileManager.default.fileExists(atPath: other) })
        try play.directory.replace(ProxyProcess.fileName, with: play.nextText())
        try play.expectReload("beside a busy file")
        try play.directory.write("", to: "stop")
        #expect(busy.waitForEnd(seconds: 30) == .exited(0))
    }

    @Test("What changes before the doors are open is not missed")
    func duringStart() throws {
        for _ in 0..<5 {
            var play = try Play()
            try play.directory.replace(ProxyProcess.fileName, with: play.nextText())
            let isThere = eventually { (try? play.proxy.ask(get()).text) == "second" }
            #expect(isThere, "\(play.proxy.log)")
        }
    }
}
