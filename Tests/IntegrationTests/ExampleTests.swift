import Foundation
import TestSupport
import Testing

/// The examples are promises, too.
@Suite("Examples", .onStage)
struct ExampleTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let foreign: Set<String> = ["compose.yaml", "kubernetes.yaml"]

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.path + "/config")
            .filter { $0.hasSuffix(".yaml") }.sorted()
    }

    /// The certificates that examples name are not there: everything else must be right.
    private func mistakes(in path: String) throws -> [Substring] {
        let result = try ProxyProcess.command(["check", path, "--format", "json"])
        return result.output.split(separator: "\n").filter {
            $0.contains("\"error\"") && !$0.contains("unreadable-file")
        }
    }

    @Test("Every configuration in config/ is accepted")
    func configurations() throws {
        let names = try Self.names().filter { !Self.foreign.contains($0) }
        #expect(names.count >= 6)
        for name in names {
            let mistakes = try mistakes(in: Self.root.path + "/config/" + name)
            #expect(mistakes.isEmpty, "\(name): \(mistakes)")
        }
    }

    @Test("The configurations inside the compose file and the Kubernetes manifest are accepted")
    func embedded() throws {
        for name in Self.foreign.sorted() {
            let text = contents(ofFile: Self.root.path + "/config/" + name)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            let start = try #require(
                lines.firstIndex { $0.hasSuffix("content: |") || $0.hasSuffix("staithe.yaml: |") })
            let depth = lines[start + 1].prefix { $0 == " " }.count
            let block = lines[(start + 1)...].prefix {
                $0.isEmpty || $0.prefix { $0 == " " }.count >= depth
            }
            let directory = TemporaryDirectory()
            try directory.write(
                block.map { $0.dropFirst(depth) }.joined(separator: "\n") + "\n",
                to: "inside.yaml")
            let mistakes = try mistakes(in: directory.file("inside.yaml"))
            #expect(mistakes.isEmpty && block.count > 3, "\(name): \(mistakes)")
        }
    }

    @Test(
        "kubectl reads the Kubernetes manifest, and misses a field that is misspelt",
        .enabled(if: Machine.program("kubectl") != nil, "kubectl is not installed"))
    func manifest() throws {
        let script = Self.root.path + "/Packaging/check_manifest.py"
        let path = Self.root.path + "/config/kubernetes.yaml"
        let result = try run("/usr/bin/python3", [script, path])
        #expect(result.status == 0, "\(result)")
        let directory = TemporaryDirectory()
        try directory.write(
            contents(ofFile: path).replacingOccurrences(of: "readOnlyRoot", with: "readOnlyRot"),
            to: "bad.yaml")
        let bad = try run("/usr/bin/python3", [script, directory.file("bad.yaml")])
        #expect(bad.status != 0, "\(bad)")
    }
}
