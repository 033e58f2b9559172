import Discovery
import Foundation
import Testing

/// What real engines said, byte for byte; see `Samples/README.md`. Their labels have the prefix
/// `lb.`, which stands for ours.
enum Samples {
    static let docker = "engine-20.10"
    static let podman = "podman-4.3"
    static let synthetic = "synthetic"

    static func bytes(_ engine: String, _ name: String, here: String = #filePath) throws -> [UInt8]
    {
        let directory = URL(fileURLWithPath: here).deletingLastPathComponent()
        let file = directory.appending(path: "Samples/\(engine)/\(name)")
        return Array(try Data(contentsOf: file))
    }

    static func names(_ engine: String, here: String = #filePath) throws -> [String] {
        let directory = URL(fileURLWithPath: here).deletingLastPathComponent()
        return try FileManager.default.contentsOfDirectory(
            atPath: directory.appending(path: "Samples/\(engine)").path
        ).sorted()
    }

    /// With the prefix of labels that is ours.
    static func ours(_ bytes: [UInt8]) -> [UInt8] {
        Array(
            String(decoding: bytes, as: UTF8.self).replacing("\"lb.", with: "\"staithe.").utf8)
    }

    /// The events of a file, in order.
    static func events(_ engine: String, _ name: String) throws -> [EngineEvent] {
        try lines(bytes(engine, name)).compactMap { try EngineEvent.read(ours($0)) }
    }

    static func lines(_ bytes: [UInt8]) -> [[UInt8]] {
        bytes.split(separator: 0x0A).map { Array($0) }
    }

    static func list(_ engine: String, _ name: String) throws -> [ContainerFacts] {
        try ContainerFacts.list(ours(bytes(engine, name)))
    }

    static func inspected(_ engine: String, _ name: String) throws -> ContainerFacts {
        try #require(try ContainerFacts.inspected(ours(bytes(engine, name))))
    }
}
