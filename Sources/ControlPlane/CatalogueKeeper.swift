import Configuration
import Discovery
import Linux
import Timing

/// Keeps the services and routes that labels make, and says when they change.
final class CatalogueKeeper: EngineListener {
    /// Containers that come one after the other are one change.
    private static let gathering = Interval.milliseconds(5)
    /// What nobody asks for any more is looked at this often.
    private static let tidying = Interval.seconds(60)

    let configuration: DockerDiscovery
    private(set) var catalogue = ServiceCatalogue()
    private(set) var standing = SourceStanding(since: Clock.wall())
    private let engines: DockerEngines
    private let loop: ControlLoop
    private let reader: ContainerReader
    private let listeners: () -> [String]
    private let changed: (CatalogueKeeper) -> Void
    private var engine: DockerEngine?
    private var listings: [String: ServiceCatalogue.Listing] = [:]
    private var hints: [String: SourceWarning] = [:]
    private var isUpdateDue = false

    /// - Parameters:
    ///   - listeners: the names of those that have routes, whenever it is asked.
    ///   - changed: called when services, routes or warnings are other ones, or when the source is
    ///     lost or back.
    init(
        _ configuration: DockerDiscovery, _ engines: DockerEngines, loop: ControlLoop,
        listeners: @escaping () -> [String], changed: @escaping (CatalogueKeeper) -> Void
    ) {
        self.listeners = listeners
        self.configuration = configuration
        self.engines = engines
        self.loop = loop
        self.changed = changed
        reader = ContainerReader(configuration.choice)
    }

    func start() {
        engine = engines.add(self, to: configuration.engine)
        tidy()
    }

    func stop() {
        if let engine { engines.remove(self, from: engine) }
        engine = nil
    }

    /// The listeners may be other ones now.
    func listenersChanged() { updateSoon() }

    private func tidy() {
        loop.after(Self.tidying) { [weak self] in
            guard let self, engine != nil else { return }
            updateSoon()
            tidy()
        }
    }

    // MARK: - The engine

    func wants(_ labels: [String: String]) -> Bool { reader.isWanted(labels, by: nil) }

    func engine(_ engine: DockerEngine, changed id: String) {
        read(id, engine)
        updateSoon()
    }

    func engine(_ engine: DockerEngine, lost container: EngineMachine.Container, isCertain: Bool) {
        listings[container.facts.id] = nil
        hints[container.facts.id] = nil
        updateSoon()
    }

    func engine(_ engine: DockerEngine, asksToCheck id: String) {}
    func engine(_ engine: DockerEngine, says sentence: String) {}

    func engineSettled(_ engine: DockerEngine) {
        let known = engine.machine.containers
        listings = listings.filter { known[$0.key] != nil }
        hints = hints.filter { known[$0.key] != nil }
        for id in known.keys { read(id, engine) }
        update()
        standing.become(.connected, at: Clock.wall())
        standing.lastSync = Clock.wall()
        changed(self)
    }

    func engine(_ engine: DockerEngine, isUncertain reason: String, isLost: Bool) {
        standing.become(isLost ? .lost : .resyncing, at: Clock.wall(), reason: reason)
        changed(self)
    }

    // MARK: - The catalogue

    /// Containers are replaced one after the other, also where there is only one: requests wait
    /// for the next.
    private static var template: ServiceConfiguration {
        var service = ServiceConfiguration(name: "")
        service.whenAllDown = .hold
        return service
    }

    private func read(_ id: String, _ engine: DockerEngine) {
        guard let container = engine.machine.containers[id] else { return }
        let facts = container.facts
        guard wants(facts.labels) else {
            hints[id] = reader.hint(about: facts)
            return
        }
        // Labels stay what they are for the life of a container.
        guard container.isDescribed, listings[id]?.generation != container.generation else {
            return
        }
        let reading = reader.read(facts, over: Self.template)
        guard reader.isMeant(reading.labels) else { return }
        listings[id] = ServiceCatalogue.Listing(
            title: facts.title, service: ContainerReader.serviceName(facts, reading.labels),
            generation: container.generation, reading: reading)
    }

    private func updateSoon() {
        guard !isUpdateDue else { return }
        isUpdateDue = true
        loop.after(Self.gathering) { [weak self] in
            guard let self, engine != nil else { return }
            isUpdateDue = false
            let before = (catalogue.services, catalogue.routes, standing.warnings)
            update()
            if before != (catalogue.services, catalogue.routes, standing.warnings) {
                changed(self)
            }
        }
    }

    private func update() {
        catalogue.update(
            Array(listings.values), listeners: listeners(), now: Clock.monotonic())
        let readings = listings.sorted { $0.key < $1.key }.flatMap(\.value.reading.warnings)
        standing.warnings =
            readings + catalogue.warnings + hints.sorted { $0.key < $1.key }.map(\.value)
    }
}
