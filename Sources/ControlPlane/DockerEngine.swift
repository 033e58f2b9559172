import Configuration
import Discovery
import Linux
import TLS
import Timing

/// Who wants to know of an engine's containers.
protocol EngineListener: AnyObject {
    func wants(_ labels: [String: String]) -> Bool
    func engine(_ engine: DockerEngine, changed id: String)
    func engine(_ engine: DockerEngine, lost container: EngineMachine.Container, isCertain: Bool)
    /// Something happened to it; it should be checked.
    func engine(_ engine: DockerEngine, asksToCheck id: String)
    /// Everything is known.
    func engineSettled(_ engine: DockerEngine)
    /// What is known may be old; with whether the engine is away, and why.
    func engine(_ engine: DockerEngine, isUncertain reason: String, isLost: Bool)
    func engine(_ engine: DockerEngine, says sentence: String)
}

/// A connection to a Docker or Podman engine: a stream of events, lists, and questions about
/// single containers. Everybody who wants something of the same engine shares it.
///
/// It subscribes before it lists, lists every minute because engines skip events when they are
/// busy, and pings on a connection of its own because the stream has no sign of life. What it
/// hears goes through ``EngineMachine``, which decides what it means.
final class DockerEngine {
    private static let shortestPause = Interval.milliseconds(100)
    private static let longestPause = Interval.seconds(5)
    private static let resyncInterval = Interval.seconds(60)
    private static let pingInterval = Interval.seconds(10)
    private static let patience = Interval.seconds(10)
    /// Engines may send nothing at all before the first event.
    private static let subscriptionPatience = Interval.seconds(3600)
    /// Engines that send nothing before the first event have subscribed us by then.
    private static let silentSubscription = Interval.seconds(1)
    private static let parallelDescriptions = 4

    let configuration: DockerDiscovery.Engine
    private(set) var machine: EngineMachine
    private let loop: ControlLoop
    private let naming: Naming
    private var listeners: [any EngineListener] = []
    private var door: Door?
    private var version = EngineProtocol.newest
    private var isStopped = false
    /// Changes with each attempt; what belongs to an old one is not heard any more.
    private var attempt = 0
    private var pause = DockerEngine.shortestPause
    private var lostReason: String?
    private var isSubscribed = false
    private var stream: OutgoingCall?
    private var calls: [ObjectIdentifier: OutgoingCall] = [:]
    private var lines = LineSplitter()
    private var isListing = false
    /// When lists are due, ascending.
    private var dueLists: [LoopInstant] = []
    private var descriptions: [String] = []
    private var describing: Set<String> = []
    private var random = SystemRandomNumberGenerator()

    init(_ configuration: DockerDiscovery.Engine, loop: ControlLoop, naming: Naming) {
        self.configuration = configuration
        self.loop = loop
        self.naming = naming
        machine = EngineMachine { _ in false }
        let wants = Wants()
        machine = EngineMachine(inspects: configuration.inspects) {
            wants.engine?.isWanted($0) ?? false
        }
        wants.engine = self
    }

    /// Breaks the circle between the machine and whom it asks.
    private final class Wants {
        weak var engine: DockerEngine?
    }

    private func isWanted(_ labels: [String: String]) -> Bool {
        listeners.contains { $0.wants(labels) }
    }

    /// The networks of our own container, when we live in one: its host name is the beginning of
    /// its id.
    var ownNetworks: Set<String> {
        guard let host = ThisProcess.environment("HOSTNAME"), host.utf8.count == 12 else {
            return []
        }
        let own = machine.containers.values.first { $0.facts.id.hasPrefix(host) }
        return Set(own?.facts.networks.keys.map { $0 } ?? [])
    }

    // MARK: - Listeners

    func add(_ listener: any EngineListener) {
        listeners.append(listener)
        guard listeners.count > 1 else {
            loop.after(.zero) { [weak self] in self?.connect() }
            return
        }
        if let lostReason {
            loop.after(.zero) { [weak self, weak listener] in
                guard let self, let listener else { return }
                listener.engine(self, isUncertain: lostReason, isLost: true)
            }
        } else if isSubscribed {
            // Containers that nobody wanted so far have to be looked at.
            listLater(after: .zero)
        }
    }

    /// - Returns: whether nobody is left, and the connection is closed.
    func remove(_ listener: any EngineListener) -> Bool {
        listeners.removeAll { $0 === listener }
        guard listeners.isEmpty else { return false }
        isStopped = true
        disconnect()
        return true
    }

    // MARK: - Connecting

    private func connect() {
        guard !isStopped else { return }
        attempt += 1
        let attempt = attempt
        findDoor { [weak self] door in
            guard let self, self.attempt == attempt, !isStopped else { return }
            switch door {
            case .success(let door):
                self.door = door
                negotiate()
            case .failure(let failure): lose(failure.sentence)
            }
        }
    }

    private struct DoorFailure: Error { var sentence: String }

    /// How it is reached, once names and files have been read.
    private struct Door {
        var target: OutgoingCall.Target
        /// What stands in `Host`.
        var host: String
    }

    private func findDoor(_ completion: @escaping (Result<Door, DoorFailure>) -> Void) {
        switch configuration.endpoint {
        case .unix(let path):
            completion(.success(Door(target: .init(way: .unix(path)), host: "docker")))
        case .tls(let host, let port):
            var settings = ClientTLSSettings()
            settings.caFile = configuration.authority
            if let certificate = configuration.certificate, let key = configuration.key {
                settings.certificate = CertificateFiles(certificate: certificate, key: key)
            }
            let tls: ClientTLS
            do throws(TLSProblem) {
                // Read again each time: certificates are renewed.
                tls = try ClientTLS(settings)
            } catch {
                return completion(.failure(DoorFailure(sentence: error.sentence)))
            }
            let name = Naming.Name(host: host, port: port)
            naming.resolve([name]) { answer in
                switch answer {
                case .failure(let failure):
                    completion(
                        .failure(
                            DoorFailure(sentence: "\(host) has no address: \(failure.reason)")))
                case .success(let addresses):
                    guard let address = addresses[name] else { return }
                    completion(
                        .success(
                            Door(
                                target: .init(
                                    way: .tcp(address, .init(client: tls, name: host))),
                                host: "\(host):\(port)")))
                }
            }
        }
    }

    private func negotiate() {
        ask(EngineProtocol.version) { [weak self] head, body, failure in
            guard let self else { return }
            if let failure { return lose(failure) }
            if let status = head?.status, status == 403 || status == 405 {
                return lose(
                    "it refuses GET \(EngineProtocol.version) (\(status)): a filter before the "
                        + "engine has to allow that")
            }
            guard let head, head.status == 200,
                let told = try? EngineProtocol.versions(body),
                let newest = told.version ?? head.apiVersion.flatMap({ .init($0) })
            else { return lose("it answers, but not as an engine does") }
            switch EngineProtocol.negotiate(version: newest, minimum: told.minimum) {
            case .failure(let refusal): lose(refusal.sentence)
            case .success(let version):
                self.version = version
                subscribe()
            }
        }
    }

    private func subscribe() {
        guard let door else { return }
        lines = LineSplitter()
        let attempt = attempt
        let call = OutgoingCall(
            EngineProtocol.request(EngineProtocol.events(version), host: door.host),
            to: door.target, loop: loop, contentBound: nil
        ) { [weak self] event in
            guard let self, self.attempt == attempt else { return }
            switch event {
            case .head(let head):
                guard head.status == 200 else { return lose("it refuses events (\(head.status))") }
                subscribed()
            case .content(let bytes): hear(bytes)
            case .ended: lose("it ended the stream of events")
            case .failed(let reason): lose(reason)
            }
        }
        stream = call
        call.start(patience: Self.subscriptionPatience)
        loop.after(Self.silentSubscription) { [weak self] in
            guard let self, self.attempt == attempt, stream != nil else { return }
            subscribed()
        }
    }

    private func subscribed() {
        guard !isSubscribed else { return }
        isSubscribed = true
        carryOut(machine.subscribed())
        let attempt = attempt
        repeatedly(Self.pingInterval, attempt) { [weak self] in self?.ping() }
        repeatedly(Self.resyncInterval, attempt) { [weak self] in self?.listLater(after: .zero) }
    }

    private func repeatedly(
        _ interval: Interval, _ attempt: Int, _ action: @escaping () -> Void
    ) {
        loop.after(interval) { [weak self] in
            guard let self, self.attempt == attempt, isSubscribed else { return }
            action()
            repeatedly(interval, attempt, action)
        }
    }

    private func ping() {
        ask(EngineProtocol.ping) { [weak self] head, _, failure in
            guard let self else { return }
            if let failure { return lose(failure) }
            if head?.status != 200 { lose("it does not answer a ping as an engine does") }
        }
    }

    private func disconnect() {
        attempt += 1
        stream?.cancel()
        stream = nil
        for call in calls.values { call.cancel() }
        calls = [:]
        isSubscribed = false
        isListing = false
        dueLists = []
        descriptions = []
        describing = []
        machine.streamLost()
    }

    /// What is known stays; the connection is made again.
    private func lose(_ reason: String) {
        disconnect()
        guard !isStopped else { return }
        let isNew = lostReason != reason
        lostReason = reason
        if isNew {
            for listener in listeners { listener.engine(self, isUncertain: reason, isLost: true) }
        }
        let jitter = UInt64.random(in: 0...pause.nanoseconds / 4, using: &random)
        loop.after(Interval(nanoseconds: pause.nanoseconds + jitter)) { [weak self] in
            self?.connect()
        }
        pause = min(Self.longestPause, Interval(nanoseconds: pause.nanoseconds * 2))
    }

    // MARK: - What it says

    private func hear(_ bytes: [UInt8]) {
        let found: [[UInt8]]
        do throws(LineSplitter.TooLong) {
            found = try lines.receive(bytes)
        } catch {
            return lose("an event is longer than \(LineSplitter.lineBound >> 20) MiB")
        }
        for line in found {
            let event: EngineEvent?
            do throws(JSONReader.Mistake) {
                event = try EngineEvent.read(line)
            } catch {
                return lose("an event is not JSON")
            }
            if let event { carryOut(machine.happened(event, now: loop.now)) }
        }
    }

    func checked(_ id: String, hasPassed: Bool) {
        carryOut(machine.checked(id, hasPassed: hasPassed))
    }

    private func carryOut(_ actions: [EngineMachine.Action]) {
        for action in actions {
            switch action {
            case .describe(let id):
                descriptions.append(id)
                describeMore()
            case .list(let delay): listLater(after: delay)
            case .changed(let id):
                for listener in listeners { listener.engine(self, changed: id) }
            case .ended(let container):
                for listener in listeners {
                    listener.engine(self, lost: container, isCertain: true)
                }
            case .left(let container):
                for listener in listeners {
                    listener.engine(self, lost: container, isCertain: false)
                }
            case .check(let id):
                for listener in listeners { listener.engine(self, asksToCheck: id) }
            case .settled:
                lostReason = nil
                pause = Self.shortestPause
                for listener in listeners { listener.engineSettled(self) }
            case .doubted(let reason):
                for listener in listeners {
                    listener.engine(self, isUncertain: reason, isLost: false)
                }
            case .survived(let id):
                let title = machine.containers[id]?.facts.title ?? id
                for listener in listeners {
                    listener.engine(
                        self, says: "\(title) got a signal to stop and went on: it serves again")
                }
            }
        }
    }

    // MARK: - What it is asked

    /// One request whose answer is read whole.
    private func ask(
        _ target: String, contentBound: Int = EngineProtocol.answerBound,
        _ completion: @escaping (EngineResponse.Head?, [UInt8], String?) -> Void
    ) {
        guard let door else { return }
        let attempt = attempt
        var head: EngineResponse.Head?
        var body: [UInt8] = []
        var number: ObjectIdentifier?
        let call = OutgoingCall(
            EngineProtocol.request(target, host: door.host), to: door.target, loop: loop,
            contentBound: contentBound
        ) { [weak self] event in
            guard let self, self.attempt == attempt else { return }
            switch event {
            case .head(let found): head = found
            case .content(let bytes): body += bytes
            case .ended, .failed:
                if let number { calls[number] = nil }
                completion(head, body, event.failure)
            }
        }
        number = ObjectIdentifier(call)
        calls[ObjectIdentifier(call)] = call
        call.start(patience: Self.patience)
    }

    private func listLater(after delay: Interval) {
        let due = loop.now + delay
        // What is due at nearly the same time is one list.
        let slack = Interval.milliseconds(delay == .zero ? 0 : 1000)
        guard !dueLists.contains(where: { $0 >= due && $0 <= due + slack }) else { return }
        dueLists.append(due)
        dueLists.sort()
        let attempt = attempt
        loop.after(delay) { [weak self] in
            guard let self, self.attempt == attempt else { return }
            list()
        }
    }

    private func list() {
        let now = loop.now
        guard isSubscribed, let first = dueLists.first, first <= now else { return }
        guard !isListing else { return }
        dueLists.removeAll { $0 <= now }
        isListing = true
        machine.listBegan()
        ask(EngineProtocol.list(version), contentBound: EngineProtocol.listBound) {
            [weak self] head, body, failure in
            guard let self else { return }
            isListing = false
            if failure == nil, head?.status == 200, let list = try? ContainerFacts.list(body) {
                carryOut(machine.listed(list, now: loop.now))
            } else {
                let said = EngineProtocol.message(body).map { ": \($0)" } ?? ""
                let reason =
                    failure ?? "its list cannot be read (\(head?.status ?? 0))\(said)"
                for listener in listeners {
                    listener.engine(self, isUncertain: reason, isLost: false)
                }
                carryOut(machine.listFailed(now: loop.now))
            }
            if let next = dueLists.first, next <= loop.now { list() }
        }
    }

    private func describeMore() {
        while describing.count < Self.parallelDescriptions, !descriptions.isEmpty {
            // In the order in which they were asked; each container once at a time.
            guard let index = descriptions.firstIndex(where: { !describing.contains($0) }) else {
                return
            }
            let id = descriptions.remove(at: index)
            describing.insert(id)
            let target =
                configuration.inspects
                ? EngineProtocol.inspect(version, id: id) : EngineProtocol.listOne(version, id: id)
            ask(target) { [weak self] head, body, failure in
                guard let self else { return }
                describing.remove(id)
                carryOut(machine.described(id, facts(head, body, failure)))
                describeMore()
            }
        }
    }

    private func facts(
        _ head: EngineResponse.Head?, _ body: [UInt8], _ failure: String?
    ) -> ContainerFacts? {
        guard failure == nil, head?.status == 200 else { return nil }
        if configuration.inspects { return (try? ContainerFacts.inspected(body)) ?? nil }
        return (try? ContainerFacts.list(body))?.first
    }
}

/// The engines that somebody uses, one for each way to reach and ask one.
final class DockerEngines {
    private let loop: ControlLoop
    private let naming: Naming
    private var engines: [DockerDiscovery.Engine: DockerEngine] = [:]

    init(loop: ControlLoop, naming: Naming) {
        self.loop = loop
        self.naming = naming
    }

    func add(_ listener: any EngineListener, to configuration: DockerDiscovery.Engine)
        -> DockerEngine
    {
        let engine =
            engines[configuration] ?? DockerEngine(configuration, loop: loop, naming: naming)
        engines[configuration] = engine
        engine.add(listener)
        return engine
    }

    func remove(_ listener: any EngineListener, from engine: DockerEngine) {
        if engine.remove(listener) { engines[engine.configuration] = nil }
    }
}
