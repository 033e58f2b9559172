import Foundation
import FuzzProperties
import Testing

/// What the fuzzer found worth keeping, judged in every run of the tests.
@Suite("The corpus of the fuzzer")
struct CorpusTests {
    private func files(of parser: FuzzedParser) throws -> [URL] {
        let folder = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Corpus").appendingPathComponent(parser.rawValue)
        return try FileManager.default.contentsOfDirectory(
            at: folder, includingPropertiesForKeys: nil
        ).filter { !$0.lastPathComponent.hasPrefix(".") }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
    }

    @Test("Every property holds for every file", arguments: FuzzedParser.allCases)
    func replay(_ parser: FuzzedParser) throws {
        let files = try files(of: parser)
        #expect(files.count >= 10)
        for file in files {
            let bytes = [UInt8](try Data(contentsOf: file))
            #expect(throws: Never.self, "\(parser)/\(file.lastPathComponent)") {
                try parser.check(bytes)
            }
        }
    }

    /// Without this a check that is never reached would look like one that passes.
    @Test("Every file has a first line, and is small", arguments: FuzzedParser.allCases)
    func form(_ parser: FuzzedParser) throws {
        for file in try files(of: parser) {
            let bytes = [UInt8](try Data(contentsOf: file))
            #expect(bytes.contains(0x0A) && bytes.count <= 8192, "\(file.lastPathComponent)")
        }
    }
}
