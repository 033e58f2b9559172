public import Configuration
import Linux

extension ConfigurationLoader.Outcome {
    /// What only the machine can tell of a configuration: names without an address, and ports
    /// that another program uses. Waits for name servers.
    public func resolved() -> [Diagnostic] {
        guard let configuration else { return [] }
        var diagnostics: [Diagnostic] = []
        var asked: Set<Naming.Name> = []
        for name in configuration.serverNames where asked.insert(name).inserted {
            if case .failure(let failure) = Naming.resolve(
                [name], of: configuration.process.nameServers)
            {
                diagnostics += unresolved(failure)
            }
        }
        let ours = AdminSockets.running().flatMap { Self.listeners(of: $0) }
        for (listener, place) in zip(configuration.listeners, places.listeners)
        where !ours.contains(listener.address.description) {
            if (try? listener.address.isTaken()) ?? false {
                diagnostics.append(
                    .portInUse(listener.address, at: place.location, keyPath: place.keyPath))
            }
        }
        return diagnostics
    }

    /// A staithe that runs with this very file is no stranger on its ports.
    private static func listeners(of socket: String) -> [String] {
        let answer = try? AdminClient(path: socket).call("GET", "/v1/status")
        let status = try? answer?.value(StatusAnswer.self)
        return status?.listeners.map(\.address) ?? []
    }
}
