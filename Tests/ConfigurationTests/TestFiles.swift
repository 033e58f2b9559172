import Glibc

/// Files beside the tests, read and written without Foundation.
enum TestFiles {
    /// The package's directory.
    static var root: String {
        // …/Tests/ConfigurationTests/TestFiles.swift
        let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return parts.dropLast(3).joined(separator: "/")
    }

    static func read(_ path: String) -> [UInt8]? {
        guard let file = unsafe fopen(path, "r") else { return nil }
        defer { unsafe fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe fread(&chunk, 1, chunk.count, file)
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    static func write(_ text: String, to path: String) {
        guard let file = unsafe fopen(path, "w") else { return }
        defer { unsafe fclose(file) }
        let bytes = Array(text.utf8)
        _ = unsafe fwrite(bytes, 1, bytes.count, file)
    }

    /// The names in a directory that end with `suffix`, sorted.
    static func names(in directory: String, suffix: String) -> [String] {
        guard let stream = unsafe opendir(directory) else { return [] }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                var text: [UInt8] = []
                for index in 0..<bytes.count {
                    let byte = unsafe bytes[index]
                    if byte == 0 { break }
                    text.append(byte)
                }
                return String(decoding: text, as: UTF8.self)
            }
            if name.hasSuffix(suffix) { names.append(name) }
        }
        return names.sorted()
    }

    static func environment(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}
