public import Configuration
import TLS

/// What TLS needs of a configuration, read from its files: all of it, or the first problem.
///
/// A class for its identity alone; an object in it, too, is another as soon as anything of it
/// is: its settings, or the contents of a file.
final class Credentials {
    /// By the listener's name.
    let listeners: [String: ServerTLS]
    /// By the service's name.
    let services: [String: ClientTLS]

    struct Failure: Error {
        enum Part {
            case listener(Int)
            case service(Int)
        }

        var part: Part
        var problem: TLSProblem
    }

    /// Of a configuration without TLS.
    init() {
        listeners = [:]
        services = [:]
    }

    /// Those of `old` that are others here, by the names under which people know them.
    func changes(from old: Credentials) -> (listeners: [String], services: [String]) {
        let listeners = listeners.filter { name, tls in
            old.listeners[name].map { $0 !== tls } ?? false
        }
        let services = services.filter { name, tls in
            old.services[name].map { $0 !== tls } ?? false
        }
        return (listeners.keys.sorted(), services.keys.sorted())
    }

    /// - Parameter known: what has not changed is taken from there, so that its holder
    ///   knows that it is the same.
    init(
        _ configuration: ProxyConfiguration, _ keys: TicketKeys, keeping known: Credentials? = nil,
        refusesExpired: Bool = false
    ) throws(Failure) {
        var listeners: [String: ServerTLS] = [:]
        for (index, listener) in configuration.listeners.enumerated() {
            guard let tls = listener.tls else { continue }
            var settings = ServerTLSSettings(tls)
            settings.listener = listener.name
            settings.protocols = listener.alpn
            settings.refusesExpired = refusesExpired
            do throws(TLSProblem) {
                let tls = try ServerTLS(settings, ticketKeys: keys)
                let old = known?.listeners[listener.name]
                listeners[listener.name] = old.flatMap { $0.isSame(as: tls) ? $0 : nil } ?? tls
            } catch {
                throw Failure(part: .listener(index), problem: error)
            }
        }
        var services: [String: ClientTLS] = [:]
        for (index, service) in configuration.services.enumerated() {
            guard let tls = service.tls else { continue }
            do throws(TLSProblem) {
                let tls = try ClientTLS(ClientTLSSettings(tls, service.spoken))
                let old = known?.services[service.name]
                services[service.name] = old.flatMap { $0.isSame(as: tls) ? $0 : nil } ?? tls
            } catch {
                throw Failure(part: .service(index), problem: error)
            }
        }
        self.listeners = listeners
        self.services = services
    }
}

extension ListenerConfiguration {
    /// What it offers, the better one first.
    fileprivate var alpn: [ALPNProtocol] {
        var offered: [ALPNProtocol] = []
        if protocols.contains(.h2) { offered.append(.http2) }
        if protocols.contains(.http1) { offered.append(.http1) }
        return offered
    }
}

extension ServerTLSSettings {
    init(_ tls: ListenerConfiguration.TLS) {
        self.init(
            certificates: tls.certificates.map {
                CertificateFiles(certificate: $0.certificate, key: $0.key)
            })
        minimumVersion = tls.minimumVersion == .tls12 ? .tls12 : .tls13
        ciphers = tls.ciphers
        cipherSuites = tls.cipherSuites
        groups = tls.groups
        clientCAFile = tls.clientCA
        clientAuthentication =
            switch tls.clientAuthentication {
            case .off: .off
            case .optional: .optional
            case .required: .required
            }
        staplesOCSP = tls.staplesOCSP
        usesTickets = tls.usesTickets
        isStrict = tls.isStrict
    }
}

extension ClientTLSSettings {
    init(_ tls: ServiceConfiguration.TLS, _ spoken: ServiceConfiguration.Spoken) {
        self.init()
        verifies = tls.verifies
        caFile = tls.ca
        pins = tls.pins
        certificate = tls.certificate.map {
            CertificateFiles(certificate: $0.certificate, key: $0.key)
        }
        protocols =
            switch spoken {
            case .http1, .h2c: [.http1]
            case .h2: [.http2]
            case .auto: [.http2, .http1]
            }
    }
}

extension ConfigurationLoader.Outcome {
    /// Where the problem is, as the person wrote it.
    func diagnostics(_ failure: Credentials.Failure) -> [Diagnostic] {
        var place: ConfigurationPlaces.Place?
        switch failure.part {
        case .listener(let index):
            let certificates = configuration?.listeners[index].tls?.certificates ?? []
            let number = certificates.firstIndex {
                $0.certificate == failure.problem.file || $0.key == failure.problem.file
            }
            place = number.map { places.certificates[index][$0] } ?? places.listenerTLS[index]
        case .service(let index): place = places.serviceTLS[index]
        }
        return [
            Diagnostic(
                .error, .unreadableFile, failure.problem.sentence,
                at: place?.location
                    ?? SourceLocation(
                        file: "", line: 1, column: 1, endLine: 1, endColumn: 1),
                keyPath: place?.keyPath ?? [], help: failure.problem.advice)
        ]
    }

    /// What is wrong with the certificates of a configuration that is otherwise right; for
    /// `check`, which refuses expired ones.
    public func credentialMistakes() -> [Diagnostic] {
        guard let configuration else { return [] }
        do throws(Credentials.Failure) {
            _ = try Credentials(configuration, TicketKeys(), refusesExpired: true)
            return []
        } catch {
            return diagnostics(error)
        }
    }
}

extension Problem {
    init(_ failure: Credentials.Failure) {
        self.init(
            status: 422, code: "unreadable-file", failure.problem.sentence,
            help: failure.problem.advice)
    }
}
