public import Configuration
import Linux

/// Where the configuration comes from.
public enum ConfigurationSource: Sendable, Equatable {
    case file(String)
    /// The one-line command: where to listen, and the servers.
    case command(listen: String, servers: [String])
    /// The same without servers: containers say what there is. The engine's socket, `nil` for the
    /// usual one, and the labels of other proxies that count.
    case docker(listen: String, engine: String?, dialects: [String])

    /// Reads and validates.
    public func load() -> Loaded {
        switch self {
        case .file(let path):
            let text: [UInt8]
            do throws(Errno) {
                text = try File.read(path)
            } catch {
                return .unreadable("configuration file '\(path)' cannot be read: \(error)")
            }
            return .read(Self.load(text, path: path), text: text)
        case .command(let listen, let servers):
            return .read(
                ProxyConfiguration.shortForm(listen: listen, servers: servers), text: [])
        case .docker(let listen, let engine, let dialects):
            return .read(
                ProxyConfiguration.dockerForm(listen: listen, engine: engine, dialects: dialects),
                text: [])
        }
    }

    public static func load(_ text: [UInt8], path: String) -> ConfigurationLoader.Outcome {
        ConfigurationLoader.load(
            text: text, file: path, environment: ThisProcess.environment,
            readFile: { path in
                guard let bytes = try? File.read(path) else { return nil }
                return String(decoding: bytes, as: UTF8.self)
            })
    }

    public enum Loaded: Sendable {
        case read(ConfigurationLoader.Outcome, text: [UInt8])
        /// There is no text to point into; one sentence.
        case unreadable(String)
    }
}
