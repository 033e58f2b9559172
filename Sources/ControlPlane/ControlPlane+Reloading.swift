import Configuration
import DataPlane
import Discovery
import Linux
import Logging
import Timing

extension ControlPlane {
    /// What became of a change.
    enum ChangeOutcome {
        case applied(Committed)
        case refused(Problem)
    }

    /// The watcher saw something in the file's directory.
    func fileMayHaveChanged() {
        guard case .file(let path) = options.source, !isStopping else { return }
        // A file that is being replaced is gone for a moment: then there is nothing to compare.
        guard let text = try? File.read(path), text != fileText else { return }
        reload(cause: "the file has changed") { _ in }
    }

    /// Reads the configuration again and applies the difference; a broken one changes nothing.
    ///
    /// - Parameter cause: for the log.
    func reload(cause: String, _ completion: @escaping (ChangeOutcome) -> Void) {
        enqueue { [unowned self] done in
            reloadNow { [unowned self] outcome in
                tell(outcome, cause: cause)
                completion(outcome)
                done()
            }
        }
    }

    private func reloadNow(_ completion: @escaping (ChangeOutcome) -> Void) {
        guard !isStopping else {
            return completion(
                .refused(Problem(status: 503, code: "stopping", "this staithe is stopping")))
        }
        switch options.source.load() {
        case .unreadable(let sentence):
            refuse(
                Problem(status: 422, code: "unreadable-file", sentence), errorCount: 1,
                completion)
        case .read(let outcome, let text):
            if case .file = options.source { fileText = text }
            guard let configuration = outcome.configuration else {
                return refuse(Problem(outcome.diagnostics, source: outcome.source), completion)
            }
            for warning in outcome.diagnostics {
                log.warning("\(warning.location.link): \(warning.sentence)")
            }
            var live = live
            let wanted = effective(configuration)
            let dropped = live.reconcile(with: wanted)
            prepare(wanted, live, readsFiles: true) { [unowned self] result in
                switch result {
                case .unresolved(let unresolved):
                    let diagnostics = outcome.unresolved(unresolved)
                    if diagnostics.isEmpty {
                        refuse(Problem(unresolved), errorCount: 1, completion)
                    } else {
                        refuse(Problem(diagnostics, source: outcome.source), completion)
                    }
                case .unusable(let failure):
                    refuse(
                        Problem(outcome.diagnostics(failure), source: outcome.source), completion)
                case .refused(let problem):
                    refuse(problem, errorCount: 1, completion)
                case .ready(let change):
                    for sentence in dropped { log.warning("\(sentence)") }
                    fileProblem = nil
                    base = configuration
                    completion(.applied(commit(change)))
                }
            }
        }
    }

    // MARK: - What a change needs

    enum Prepared {
        case ready(Change)
        case unresolved(Naming.Unresolved)
        case unusable(Credentials.Failure)
        case refused(Problem)
    }

    /// Finds all that can fail before anything is changed: addresses, ports and places.
    ///
    /// - Parameter readsFiles: certificates and authorities are read again although the same
    ///   are asked for. Otherwise they are not: a file that is wrong at the moment must not
    ///   stand in the way of a container.
    func prepare(
        _ file: ProxyConfiguration, _ live: LiveChanges, readsFiles: Bool = false,
        _ completion: @escaping (Prepared) -> Void
    ) {
        // What runs keeps its address.
        let known = Set(
            services.flatMap { service in
                service.servers.filter { !movedServers.contains(ObjectIdentifier($0)) }
                    .map { Member(service.name, $0.configuration) }
            })
        let new = file.services.flatMap { service in
            live.members(memberSet(of: service, live).members, of: service.name)
                .map { ($0, Member(service.name, $0.server.configuration)) }
                .filter { !known.contains($0.1) }
        }
        // Of what sources find, as many serve as there is room for.
        guard new.count(where: { $0.0.source.isOperators }) <= cellNumbers.freeCount else {
            return completion(
                .refused(
                    Problem(
                        status: 422, code: "too-many-servers",
                        "there is room for \(cellNumbers.capacity) servers, leaving ones included"
                    )))
        }
        var counts: [String: Int] = [:]
        for (member, place) in new where member.source.isOperators {
            counts[place.service, default: 0] += 1
        }
        for service in services where counts[service.name] != nil {
            counts[service.name, default: 0] += service.servers.count { !$0.isFound }
        }
        if let full = counts.first(where: { $0.value > Bounds.serversPerService })?.key {
            return completion(
                .refused(
                    Problem(
                        status: 422, code: "too-many-servers",
                        "service \(full) may have at most \(Bounds.serversPerService) servers")))
        }
        let newServices = file.services.count { serviceIDs[$0.name] == nil }
        guard newServices <= serviceNumbers.freeCount else {
            return completion(
                .refused(
                    Problem(
                        status: 422, code: "too-many-services",
                        "there is room for \(Bounds.services) services, those included whose last "
                            + "requests are under way")))
        }
        let credentials: Credentials
        do throws(Credentials.Failure) {
            credentials =
                try !readsFiles && file.asksForSameTLS(as: self.file)
                ? self.credentials : Credentials(file, ticketKeys, keeping: self.credentials)
        } catch {
            return completion(.unusable(error))
        }
        nameService.nameServers = file.process.nameServers
        naming.resolve(new.map { Naming.Name($0.1.address) }) { [unowned self] answer in
            switch answer {
            case .failure(let unresolved): completion(.unresolved(unresolved))
            case .success(let addresses):
                do throws(StartFailure) {
                    let opened = try openListeners(of: file)
                    guard opened.count <= listenerNumbers.freeCount else {
                        for listener in opened { listener.close() }
                        throw StartFailure(
                            sentence: "there is room for \(listenerNumbers.capacity) listeners")
                    }
                    completion(
                        .ready(
                            Change(
                                file: file, live: live, addresses: addresses,
                                credentials: credentials, opened: opened)))
                } catch {
                    completion(
                        .refused(
                            Problem(status: 409, code: "cannot-listen", error.sentence)))
                }
            }
        }
    }

    private struct Member: Hashable {
        var service: String
        var name: String
        var address: ServerAddress

        init(_ service: String, _ server: ServerConfiguration) {
            self.service = service
            name = server.name
            address = server.address
        }
    }

    // MARK: - What is said

    private func refuse(
        _ problem: Problem, errorCount: Int? = nil,
        _ completion: (ChangeOutcome) -> Void
    ) {
        let errors =
            errorCount ?? problem.diagnostics?.count { $0.severity == "error" } ?? 1
        fileProblem = FileProblem(
            errorCount: errors, text: problem.report ?? problem.title,
            since: fileProblem?.since ?? Clock.wall())
        completion(.refused(problem))
    }

    private func tell(_ outcome: ChangeOutcome, cause: String) {
        switch outcome {
        case .applied(let committed):
            log.info("reload (\(cause)): \(committed.receipt.sentence)")
        case .refused(let problem):
            let report = problem.report.map { "\n\($0)" } ?? ""
            log.error(
                "reload (\(cause)) refused, g\(generation) still runs: \(problem.title)\(report)")
        }
    }
}

extension ProxyConfiguration {
    fileprivate func asksForSameTLS(as other: ProxyConfiguration) -> Bool {
        guard listeners == other.listeners else { return self == other }
        func wants(_ configuration: ProxyConfiguration) -> [String: ServiceConfiguration] {
            var services: [String: ServiceConfiguration] = [:]
            for service in configuration.services where service.tls != nil {
                var only = ServiceConfiguration(name: service.name)
                only.tls = service.tls
                only.spoken = service.spoken
                services[service.name] = only
            }
            return services
        }
        return wants(self) == wants(other)
    }
}

extension Problem {
    init(_ diagnostics: [Diagnostic], source: [UInt8]) {
        self.init(
            status: 422, code: diagnostics.first?.code.rawValue ?? "configuration",
            "the configuration has \(Diagnostic.summary(of: diagnostics))")
        report = Diagnostic.render(diagnostics, source: source)
        self.diagnostics = diagnostics.map { DiagnosticAnswer($0) }
    }

    init(_ unresolved: Naming.Unresolved) {
        self.init(
            status: 422, code: "unresolvable-host",
            "host '\(unresolved.name.host)' has no address: \(unresolved.reason)",
            help: "correct the name, or write the numeric address of the server")
    }
}

extension DiagnosticAnswer {
    init(_ diagnostic: Diagnostic) {
        self.init(
            file: diagnostic.location.file, line: diagnostic.location.line,
            column: diagnostic.location.column, severity: diagnostic.severity.rawValue,
            code: diagnostic.code.rawValue, message: diagnostic.sentence, help: diagnostic.help)
    }
}
