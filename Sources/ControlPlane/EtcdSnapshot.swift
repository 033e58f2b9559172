import Discovery
import Linux

/// The servers of a source in etcd as they were known last, in a file.
struct EtcdSnapshot {
    /// `nil`: nothing is written.
    let path: String?
    /// Of the keys: a file of other keys is nobody's.
    let prefix: String

    /// A directory that a service manager has made for this, or the usual one.
    static func standardPath(of service: String) -> String? {
        let directory = ThisProcess.environment("STATE_DIRECTORY") ?? "/var/lib/staithe"
        guard File.isWritableDirectory(directory) else { return nil }
        return "\(directory)/etcd-\(service).json"
    }

    /// The values by name; none for a file that is missing or not ours.
    func read() -> [String: String] {
        guard let path, let bytes = try? File.read(path) else { return [:] }
        var reader = JSONReader(bytes, maximumDepth: 8)
        var found: String?
        var values: [String: String] = [:]
        do throws(JSONReader.Mistake) {
            try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                switch key {
                case "prefix": found = try reader.readText()
                case "servers": values = try reader.readTexts()
                default: try reader.skipValue()
                }
            }
            try reader.finish()
        } catch {
            return [:]
        }
        return found == prefix ? values : [:]
    }

    func write(_ values: [String: String]) throws(Errno) {
        guard let path else { return }
        let entries = values.sorted { $0.key < $1.key }.map { name, value in
            "    \(EtcdProtocol.quoted(name)): \(EtcdProtocol.quoted(value))"
        }
        let text = """
            {
              "prefix": \(EtcdProtocol.quoted(prefix)),
              "servers": {
            \(entries.joined(separator: ",\n"))
              }
            }

            """
        try File.replace(path, with: Array(text.utf8))
    }
}
