import Balancing
import Configuration
import Health
import Linux
import Logging
import Timing

extension ControlPlane {
    /// Whether a person started this with the one-line command and looks at it.
    var announcesOnTerminal: Bool {
        switch options.source {
        case .file: return false
        case .command, .docker: break
        }
        return switch file.log.format {
        case .auto: StandardStream.error.isTerminal
        case .text: true
        case .json: false
        }
    }

    /// Says what serves where: for a person as a small table, else as sentences.
    func announce() {
        let places = listeners.map { listener in
            let isSecure = listener.configuration.tls != nil
            let scheme =
                !listener.configuration.isTunnel
                ? (isSecure ? "https" : "http") : (isSecure ? "tls" : "tcp")
            return "\(scheme)://\(listener.address)"
        }.joined(separator: ", ")
        if announcesOnTerminal, case .docker = options.source {
            return sentences.print(containerAnnouncement(places))
        }
        if announcesOnTerminal {
            let service = services.first
            let strategy = service?.configuration.balance.strategy.rawValue ?? ""
            var text =
                "staithe \(options.version)  \(places) → \(service?.name ?? "") (\(strategy))"
            let width = servers.map(\.id.count).max() ?? 0
            for server in servers {
                let padding = String(repeating: " ", count: width - server.id.count)
                text += "\n  \(server.id)\(padding)   \(Self.standing(of: server))"
            }
            text += "\nmore servers: staithe add 3003   watch: staithe status   stop: Ctrl-C"
            sentences.print(text)
            return
        }
        for service in services {
            let up = service.servers.count { $0.isInRotation }
            log.info(
                "service \(service.name) (\(service.configuration.balance.strategy.rawValue)): "
                    + "\(up) of \(service.servers.count) servers up"
            )
        }
        log.info("staithe \(options.version) serves \(places)")
    }

    private func containerAnnouncement(_ places: String) -> String {
        let engine = base.catalogue?.engine.endpoint.description ?? ""
        var text = "staithe \(options.version)  \(places) → the containers of \(engine)"
        for service in services {
            text += "\n\(service.name) (\(service.configuration.balance.strategy.rawValue))"
            for server in service.servers {
                text += "\n  \(server.id)   \(Self.standing(of: server))"
            }
        }
        if services.isEmpty {
            text +=
                "\nno container has the label staithe.enable=true yet; it will be seen when one "
                + "starts"
        }
        return text + "\nwatch: staithe status   stop: Ctrl-C"
    }

    /// `up     check passed in 1 ms`
    private static func standing(of server: ServerEntry) -> String {
        guard server.service.configuration.health.isEnabled else { return "up     not checked" }
        guard let check = server.lastCheck else { return "waits  no check has ended yet" }
        switch check.verdict {
        case .passed: return "up     check passed in \(check.duration.words)"
        case .failed(let failure): return "down   check failed, \(failure.word)"
        }
    }
}
