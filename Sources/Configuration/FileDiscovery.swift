/// Servers that stand in a file of their own, in the form of `servers:`.
public struct FileDiscovery: Equatable, Sendable {
    public struct Mistake: Error, Equatable, Sendable {
        public var sentence: String
    }

    public var path: String
    /// Of servers that do not name theirs, from the service.
    public var version: String?
    /// From the service: how its servers are spoken to.
    public var isSecure = false

    public init(path: String) { self.path = path }

    /// The servers of a text.
    ///
    /// A list that is wrong anywhere is wrong as a whole: a part of it would take servers out.
    public func servers(in text: [UInt8]) -> Result<[ServerConfiguration], Mistake> {
        let (servers, diagnostics) = ConfigurationLoader.loadServers(
            text: text, file: path, version: version)
        if let first = diagnostics.first(where: { $0.severity == .error }) {
            return .failure(
                Mistake(
                    sentence: "line \(first.location.line): \(first.sentence)"
                        + (first.help.map { "; \($0)" } ?? "")))
        }
        var result: [ServerConfiguration] = []
        for var server in servers {
            let address = server.address
            if address.isSecure, !isSecure {
                return .failure(
                    Mistake(
                        sentence: "'https://\(address)' needs TLS, and the service has none; add "
                            + "'tls: {}' to the service"))
            }
            let isNumeric =
                NumericAddress.version4(address.host[...]) != nil
                || NumericAddress.version6(address.host[...]) != nil
            guard isNumeric || address.unixPath != nil else {
                return .failure(
                    Mistake(
                        sentence: "'\(address)' has a name where a numeric address must stand; "
                            + "write the name into the service's 'servers', or find it by 'dns'"))
            }
            server.address.isSecure = isSecure
            result.append(server)
        }
        return .success(result)
    }
}
