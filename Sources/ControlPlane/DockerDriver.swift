import Configuration
import Discovery
import Timing

/// The containers of an engine that serve one service.
final class DockerDriver: SourceDriver, EngineListener {
    private let engines: DockerEngines
    private let desk: SourceDesk
    private let service: String
    private let engineConfiguration: DockerDiscovery.Engine
    private let template: () -> ServiceConfiguration
    private var reader: ContainerReader
    private var engine: DockerEngine?
    /// What was reported, by the container's id.
    private var servers: [String: DiscoveredServer] = [:]
    /// The identities of those that were reported to have left, by the container's id, until the
    /// engine is certain: they may be in use.
    private var left: [String: String] = [:]
    /// Of the containers, by the identities of their servers: asked for at each check.
    private var ids: [String: String] = [:]
    private var warnings: [String: [SourceWarning]] = [:]
    private var saidWarnings: [SourceWarning] = []
    private var hasSettled = false
    private var pending: [ServerChange] = []
    private var isFlushDue = false

    /// - Parameter template: the service as the file has it.
    init(
        _ configuration: DockerDiscovery, service: String, _ engines: DockerEngines,
        _ desk: SourceDesk, template: @escaping () -> ServiceConfiguration
    ) {
        self.engines = engines
        self.desk = desk
        self.service = service
        self.template = template
        engineConfiguration = configuration.engine
        reader = ContainerReader(configuration.choice)
    }

    func start() { engine = engines.add(self, to: engineConfiguration) }

    func stop() {
        if let engine { engines.remove(self, from: engine) }
        engine = nil
    }

    func checked(_ identity: String, hasPassed: Bool) {
        guard let id = ids[identity] else { return }
        engine?.checked(id, hasPassed: hasPassed)
    }

    // MARK: - The engine

    func wants(_ labels: [String: String]) -> Bool { reader.isWanted(labels, by: service) }

    func engine(_ engine: DockerEngine, changed id: String) {
        guard let container = engine.machine.containers[id], container.isDescribed else { return }
        let before = servers[id]
        let saidBefore = warnings[id]
        let now = server(of: container, engine)
        if warnings[id] != saidBefore { flushSoon() }
        guard before != now else { return }
        servers[id] = now
        if now != nil { left[id] = nil }
        if let before { ids[before.identity] = nil }
        if let now { ids[now.identity] = id }
        switch (before, now) {
        case (let before?, let now?) where before.identity == now.identity:
            var same = before
            same.state = now.state
            report(same == now ? .state(now.identity, now.state) : .put(now))
        case (let before?, let now?):
            report(.ended(before.identity))
            report(.put(now))
        case (nil, let now?): report(.put(now))
        case (let before?, nil):
            left[id] = before.identity
            report(.left(before.identity))
        case (nil, nil): break
        }
    }

    func engine(_ engine: DockerEngine, lost container: EngineMachine.Container, isCertain: Bool) {
        let id = container.facts.id
        warnings[id] = nil
        let departed = left.removeValue(forKey: id)
        let server = servers.removeValue(forKey: id)
        guard let identity = server?.identity ?? departed else { return }
        ids[identity] = nil
        if isCertain { return report(.ended(identity)) }
        left[id] = identity
        if server != nil { report(.left(identity)) }
    }

    func engine(_ engine: DockerEngine, asksToCheck id: String) {
        if let server = servers[id] { report(.check(server.identity)) }
    }

    func engineSettled(_ engine: DockerEngine) {
        reader.ownNetworks = engine.ownNetworks
        var known: [String: DiscoveredServer] = [:]
        for (id, container) in engine.machine.containers where container.isDescribed {
            known[id] = server(of: container, engine)
        }
        // Ended ones are told as such before the list leaves them out.
        flush()
        servers = known
        ids = [:]
        for (id, server) in known { ids[server.identity] = id }
        hasSettled = true
        desk.report(.snapshot(known.values.sorted { $0.identity < $1.identity }))
        sayWarnings()
    }

    func engine(_ engine: DockerEngine, isUncertain reason: String, isLost: Bool) {
        flush()
        desk.report(isLost ? .lost(reason) : .resyncNeeded(reason))
    }

    func engine(_ engine: DockerEngine, says sentence: String) { desk.say(sentence, false) }

    // MARK: - Servers

    private func server(
        of container: EngineMachine.Container, _ engine: DockerEngine
    ) -> DiscoveredServer? {
        let facts = container.facts
        guard wants(facts.labels) else { return nil }
        let reading = reader.read(facts, over: template())
        if reader.choice.isCatalogued {
            guard reader.isMeant(reading.labels),
                ContainerReader.serviceName(facts, reading.labels) == service
            else { return nil }
        } else if !reader.isMeant(reading.labels) {
            warnings[facts.id] = reading.warnings
            return nil
        }
        let (server, problems) = reader.server(container, reading) { id in
            engine.machine.containers[id]?.facts
        }
        var found = problems
        // What labels say of a service is told by the catalogue.
        if !reader.choice.isCatalogued {
            found = reading.warnings + problems
            if let setting = reading.labels.serviceSettings.first {
                found.append(
                    SourceWarning(
                        facts.title,
                        "label '\(ContainerReader.prefix)\(setting)' has no effect: the file says "
                            + "how service '\(service)' is run",
                        help: "remove the label, or write it into the file"))
            }
        }
        warnings[facts.id] = found.isEmpty ? nil : found
        return server
    }

    // MARK: - Reports

    private func report(_ change: ServerChange) {
        pending.append(change)
        let isUrgent: Bool = if case .put = change { false } else { true }
        if isUrgent { return flush() }
        flushSoon()
    }

    /// Many containers that are described one after the other are one report.
    private func flushSoon() {
        guard !isFlushDue else { return }
        isFlushDue = true
        desk.loop.after(.milliseconds(hasSettled ? 2 : 100)) { [weak self] in self?.flush() }
    }

    private func flush() {
        isFlushDue = false
        guard engine != nil else { return }
        let changes = pending
        pending = []
        if !changes.isEmpty { desk.report(.changes(changes)) }
        sayWarnings()
    }

    private func sayWarnings() {
        let all = warnings.sorted { $0.key < $1.key }.flatMap(\.value)
        guard all != saidWarnings else { return }
        saidWarnings = all
        desk.report(.warnings(all))
    }
}
