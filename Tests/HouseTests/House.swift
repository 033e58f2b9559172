import Foundation

/// The house as it stands on disk: the floor plan of `Package.swift`, and every Swift file.
struct House {
    struct Room {
        var name: String
        var floor: Int
        /// Rooms and products that `Package.swift` lets it use.
        var uses: Set<String>
    }

    struct File: CustomStringConvertible {
        /// From the root: `Sources/HTTP/Method.swift`.
        var path: String
        var text: String
        /// The text without the contents of comments and string literals; lines stay lines.
        var code: String

        var description: String { path }
        /// `HTTP` of `Sources/HTTP/Method.swift`.
        var room: String {
            let parts = path.split(separator: "/")
            return parts.count > 2 ? String(parts[1]) : ""
        }
        var imports: [String] {
            let access = /(?:@\w+ )?(?:(?:public|package|internal|private|fileprivate) )?/
            return code.split(separator: "\n").compactMap { line in
                guard let match = line.prefixMatch(of: access) else { return nil }
                let words = line[match.range.upperBound...].split(separator: " ")
                // `import struct Module.Name` is written with a third word.
                guard words.first == "import", let last = words.last else { return nil }
                return last.split(separator: ".").first.map(String.init)
            }
        }
        var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

        /// Lines whose code has the pattern, as `path:line: text`.
        func places(of pattern: Regex<Substring>, inComments: Bool = false) -> [String] {
            let original = lines
            return (inComments ? text : code)
                .split(separator: "\n", omittingEmptySubsequences: false)
                .enumerated()
                .filter { $0.element.firstMatch(of: pattern) != nil }
                .map { "\(path):\($0.offset + 1): \(original[$0.offset])" }
        }
    }

    let root: URL
    let rooms: [Room]
    let sources: [File]
    let tests: [File]
    let package: File

    var files: [File] { sources + tests + [package] }

    init() throws {
        root = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        sources = try Self.swiftFiles(below: "Sources", of: root)
        tests = try Self.swiftFiles(below: "Tests", of: root)
        package = try Self.file("Package.swift", of: root)
        rooms = Self.rooms(of: package.text)
    }

    func room(_ name: String) -> Room? { rooms.first { $0.name == name } }

    func directories(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(
            at: root.appendingPathComponent(folder), includingPropertiesForKeys: nil
        ).filter(\.hasDirectoryPath).map(\.lastPathComponent).sorted()
    }

    private static func swiftFiles(below folder: String, of root: URL) throws -> [File] {
        let place = root.appendingPathComponent(folder).path
        let names = try FileManager.default.subpathsOfDirectory(atPath: place)
        return try names.filter { $0.hasSuffix(".swift") }.sorted()
            .map { try file("\(folder)/\($0)", of: root) }
    }

    private static func file(_ path: String, of root: URL) throws -> File {
        let text = try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        return File(path: path, text: text, code: codeOnly(text))
    }

    /// Reads the targets behind each `// Floor N` comment.
    static func rooms(of package: String) -> [Room] {
        var rooms: [Room] = []
        let floors = package.matches(of: /\/\/ Floor (\d+)/)
        for (index, match) in floors.enumerated() {
            let end =
                index + 1 < floors.count ? floors[index + 1].range.lowerBound : package.endIndex
            let floor = Int(match.1) ?? -1
            let part = package[match.range.upperBound..<end]
            let targets = part.matches(
                of: /(?:room\(\s*|\.systemLibrary\(\s*name: |\.executableTarget\(\s*name: )"(\w+)"/)
            for (number, target) in targets.enumerated() {
                let next =
                    number + 1 < targets.count
                    ? targets[number + 1].range.lowerBound : part.endIndex
                // What stands behind the plan (tests) is no part of the last room.
                let body = part[target.range.upperBound..<next].prefix { $0 != "]" }
                let products = body.matches(of: /\.product\(name: "(\w+)", package: "[^"]*"\)/)
                var names = Set(products.map { String($0.1) })
                let plain = body.replacing(/\.product\([^)]*\)/, with: "")
                if plain.contains("uses:") || plain.contains("dependencies:") {
                    names.formUnion(plain.matches(of: /"(\w+)"/).map { String($0.1) })
                }
                rooms.append(Room(name: String(target.1), floor: floor, uses: names))
            }
        }
        return rooms
    }

    /// Comments and the contents of string literals become spaces.
    static func codeOnly(_ text: String) -> String {
        var result: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        func starts(_ word: String, at place: Int) -> Bool {
            bytes[place...].starts(with: word.utf8)
        }
        func skip(_ count: Int) {
            for offset in index..<min(index + count, bytes.count) {
                result.append(bytes[offset] == 10 ? 10 : 32)
            }
            index += count
        }
        while index < bytes.count {
            if starts("//", at: index) {
                while index < bytes.count, bytes[index] != 10 { skip(1) }
            } else if starts("/*", at: index) {
                while index < bytes.count, !starts("*/", at: index) { skip(1) }
                skip(2)
            } else if bytes[index] == UInt8(ascii: "\"") || starts("#\"", at: index) {
                let hash = bytes[index] == UInt8(ascii: "#") ? "#" : ""
                let quote = starts("\(hash)\"\"\"", at: index) ? "\"\"\"" : "\""
                skip(hash.utf8.count + quote.utf8.count)
                while index < bytes.count, !starts(quote + hash, at: index) {
                    let isEscape = hash.isEmpty && bytes[index] == UInt8(ascii: "\\")
                    if quote == "\"", bytes[index] == 10 { break }
                    skip(isEscape ? 2 : 1)
                }
                skip(quote.utf8.count + hash.utf8.count)
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
