import Configuration
import DataPlane
import Discovery
import Linux
import Logging
import Memory
import Reactor
import TLS
import Timing

extension ControlPlane {
    /// Descriptors for files, pipes, checks and mailboxes: not for clients.
    private static let descriptorReserve = 128
    /// Enough for one machine; a listener's explicit limit may raise it.
    private static let automaticConnectionBound = 65_536
    /// Memory for messages under way, over all loops.
    private static let blockByteBound = 1 << 30

    /// Runs the proxy until it is told to stop.
    ///
    /// - Returns: the process's exit status; what went wrong has been said on standard error.
    public static func run(_ options: ControlOptions) -> Int32 {
        do {
            return try start(options)
        } catch let failure as StartFailure {
            StandardStream.error.print("staithe: \(failure.sentence)")
            return failure.status
        } catch {
            StandardStream.error.print("staithe: cannot start: \(error)")
            return ExitStatus.failed
        }
    }

    private static func start(_ options: ControlOptions) throws -> Int32 {
        Signal.ignoreBrokenPipes()
        let signals = try SignalDescriptor()
        let keys = TicketKeys()
        let (configuration, addresses, credentials, text) = try read(options.source, keys)
        let descriptorCount = ResourceLimits.raiseDescriptors()
        let capacity = try connectionCapacity(configuration, descriptorCount: descriptorCount)
        let workerCount = configuration.process.workers ?? Processors.usableCount()
        let plane = try ControlPlane(
            options: options, configuration: configuration, ticketKeys: keys,
            workerCount: workerCount)
        plane.fileText = text
        let opened = try plane.openListeners(of: configuration)
        try plane.begin(
            configuration, addresses: addresses, credentials: credentials, opened: opened,
            signals: signals,
            connectionCapacity: capacity)
        plane.loop.run()
        plane.end()
        return plane.exitStatus
    }

    // MARK: - Before anything runs

    private static func read(
        _ source: ConfigurationSource, _ keys: TicketKeys
    ) throws(StartFailure) -> (
        ProxyConfiguration, [Naming.Name: SocketAddress], Credentials, [UInt8]
    ) {
        switch source.load() {
        case .unreadable(let sentence):
            throw StartFailure(sentence: sentence, status: ExitStatus.configuration)
        case .read(let outcome, let text):
            if !outcome.diagnostics.isEmpty {
                StandardStream.error.print(outcome.report(colour: coloursErrors))
            }
            guard let configuration = outcome.configuration else {
                throw StartFailure(
                    sentence: "not started: \(Diagnostic.summary(of: outcome.diagnostics))",
                    status: ExitStatus.configuration)
            }
            let credentials: Credentials
            do throws(Credentials.Failure) {
                credentials = try Credentials(configuration, keys)
            } catch {
                throw refusal(outcome.diagnostics(error), outcome)
            }
            switch Naming.resolve(
                configuration.serverNames, of: configuration.process.nameServers)
            {
            case .success(let addresses):
                return (configuration, addresses, credentials, text)
            case .failure(let unresolved):
                throw refusal(outcome.unresolved(unresolved), outcome)
            }
        }
    }

    /// Says what is wrong with a file that could be read.
    private static func refusal(
        _ diagnostics: [Diagnostic], _ outcome: ConfigurationLoader.Outcome
    ) -> StartFailure {
        StandardStream.error.print(
            Diagnostic.render(diagnostics, source: outcome.source, colour: coloursErrors))
        return StartFailure(
            sentence: "not started: \(Diagnostic.summary(of: diagnostics))",
            status: ExitStatus.configuration)
    }

    /// Colour on a terminal, unless the person has none of it (no-color.org).
    public static var coloursErrors: Bool {
        StandardStream.error.isTerminal && (ThisProcess.environment("NO_COLOR") ?? "").isEmpty
    }

    private static func connectionCapacity(
        _ configuration: ProxyConfiguration, descriptorCount: Int
    ) throws(StartFailure) -> Int {
        // Checks, files and loops need some; of a small allowance, not the half.
        let reserve = min(descriptorReserve, max(32, descriptorCount / 8))
        guard descriptorCount >= 2 * reserve else {
            throw StartFailure(
                sentence: "only \(descriptorCount) descriptors may be open, and "
                    + "\(2 * reserve) are needed at least: raise the limit with "
                    + "'ulimit -n' or LimitNOFILE=")
        }
        // Each client may need a connection to a server, too.
        let automatic = min(
            (descriptorCount - reserve) / 2, automaticConnectionBound)
        let wanted = configuration.listeners.map { $0.limits.connections ?? automatic }
        return min(max(automatic, wanted.max() ?? 0), descriptorCount - reserve)
    }

    // MARK: - Listening

    /// The sockets of a listener, one for each loop.
    struct OpenedListener {
        var address: ListenAddress
        var sockets: [CInt]
        /// Of a Unix socket.
        var file: File.Identity?

        /// Nobody will listen there after all.
        func close() {
            address.remove(file)
            for socket in sockets { _ = FileDescriptor(owning: socket) }
        }
    }

    private static let backlog = 4096

    /// Opens the listeners that are not open yet: all of them, or none.
    func openListeners(of configuration: ProxyConfiguration) throws(StartFailure)
        -> [OpenedListener]
    {
        var opened: [OpenedListener] = []
        do throws(StartFailure) {
            for listener in configuration.listeners
            where !listeners.contains(where: { $0.address == listener.address }) {
                opened.append(try open(listener))
            }
        } catch {
            for listener in opened { listener.close() }
            throw error
        }
        return opened
    }

    private func open(_ listener: ListenerConfiguration) throws(StartFailure) -> OpenedListener {
        var opened = OpenedListener(address: listener.address, sockets: [])
        do throws(Errno) {
            // SO_REUSEPORT lets two programs of one user share a port in silence.
            // Our own loops may be about to close a listener that comes back now.
            let isReturning = retiredListeners.contains {
                $0.address == listener.address && !$0.isClosed
            }
            if !isReturning, try listener.address.isTaken() { throw Errno.addressInUse }
            switch listener.address {
            case .tcp:
                for _ in 0..<loopCount {
                    let socket = try ListeningSocket.open(
                        listener.address.socketAddress, backlog: Self.backlog)
                    opened.sockets.append(socket.release())
                }
            case .unix(let path):
                listener.address.removeDeadFile()
                let socket = try UnixSocket.listen(
                    at: path, mode: listener.socketMode, backlog: Self.backlog)
                opened.file = listener.address.file
                for _ in 1..<loopCount {
                    opened.sockets.append(try UnixSocket.share(socket).release())
                }
                opened.sockets.append(socket.release())
            }
        } catch {
            opened.close()
            throw StartFailure(sentence: Self.sentence(about: listener, error))
        }
        return opened
    }

    private static func sentence(about listener: ListenerConfiguration, _ error: Errno) -> String {
        let name = "listener '\(listener.name)' cannot listen on \(listener.address)"
        let port = listener.address.port
        switch error {
        case .addressInUse:
            return port.map {
                "\(name): the port is in use by another program "
                    + "(ss -ltnp 'sport = :\($0)' names it)"
            } ?? "\(name): another program listens there, or the path is no socket"
        case .permissionDenied, .notPermitted:
            return port != nil
                ? "\(name): not allowed; ports below 1024 need root or CAP_NET_BIND_SERVICE"
                : "\(name): not allowed to write in its directory"
        case _ where error.isExhaustion:
            return "\(name): too few descriptors; raise the limit with 'ulimit -n' or LimitNOFILE="
        default:
            return "\(name): \(error)"
        }
    }

    // MARK: - The first configuration

    private func begin(
        _ configuration: ProxyConfiguration, addresses: [Naming.Name: SocketAddress],
        credentials: Credentials, opened: [OpenedListener], signals: consuming SignalDescriptor,
        connectionCapacity: Int
    ) throws {
        try accessLog.setDestination(configuration.accessLog.destination)
        try loop.attach(control) { [unowned self] in receive($0) }
        try loop.attach(accessLogEvents) { [unowned self] in receive($0) }
        try watch(signals)
        try openAdminSocket(configuration.admin)
        let change = Change(
            file: configuration, live: live, addresses: addresses, credentials: credentials,
            opened: [])
        let snapshot = commit(change, isStart: true).snapshot
        try startLoops(snapshot, connectionCapacity: connectionCapacity)
        try accessLog.start()
        watchFile()
        watchCertificates()
        renewCatalogue()
        nameService.nameServers = configuration.process.nameServers
        renewDrivers()
        followNames()
        loop.every(.seconds(1)) { [unowned self] in sample() }
        loop.every(.milliseconds(250)) { [unowned self] in
            warm()
            sentences.flush()
        }
        log.info(
            "\(loopCount) loop\(loopCount == 1 ? "" : "s"), "
                + "at most \(connectionCapacity) connections"
        )
        // Requests wait in the queue of the kernel until the first checks have told who is up,
        // but not for long.
        awaitedFirstChecks = Set(
            servers.filter { $0.service.configuration.health.isEnabled && !$0.isUp }
                .map { ObjectIdentifier($0) })
        closedDoors = opened
        serveWhenReady(until: loop.now + patience)
    }

    /// Requests wait for the first checks at most this long, and for sources that have to be
    /// asked first.
    private var patience: Interval {
        if !drivers.isEmpty || catalogue != nil { return .seconds(5) }
        return min(services.map(\.configuration.health.timeout).max() ?? .zero, .seconds(1))
    }

    private static let glanceAtDoors = Interval.milliseconds(5)

    private func serveWhenReady(until deadline: LoopInstant) {
        guard !isServing, !isStopping else { return }
        let isReady = awaitedFirstChecks.isEmpty && !awaitsSources
        if isReady || loop.now >= deadline { return serve() }
        loop.after(Self.glanceAtDoors) { [unowned self] in serveWhenReady(until: deadline) }
    }

    /// Whether a source has not said yet which servers there are, or that it does not know.
    private var awaitsSources: Bool {
        if catalogue?.standing.condition == .connecting || isMembershipDue || isChanging {
            return true
        }
        guard heardServices.isEmpty, effective(base) == file else { return true }
        return sets.values.contains { set in
            set.standings.contains { $0.standing.condition == .connecting }
        }
    }

    private func startLoops(_ snapshot: Snapshot, connectionCapacity: Int) throws(Errno) {
        // Our name in Via is unlike that of any other staithe, so that a loop is one of ours.
        let pseudonym = "staithe-" + String(UInt32.random(in: .min ... .max), radix: 16)
        let clientCounts = ClientCounts()
        for index in 0..<loopCount {
            let parameters = WorkerParameters(
                loop: index, loopCount: loopCount, cells: cells, listenerCells: listenerCells,
                serviceCells: serviceCells, clientCounts: clientCounts,
                mailbox: mailboxes[index], control: control, siblings: mailboxes,
                snapshot: snapshot, connectionCapacity: connectionCapacity,
                blockBytes: Self.blockByteBound / loopCount, pseudonym: pseudonym)
            let box = accessLog.addLoop()
            runningLoops.insert(index)
            try Thread.start(name: "staithe-loop-\(index)") {
                guard let writer = box.take() else { return }
                do throws(Errno) {
                    try Serving.run(parameters, log: writer)
                } catch {
                    StandardStream.error.print("staithe: loop \(index) cannot run: \(error)")
                    ThisProcess.exit(ExitStatus.failed)
                }
            }
        }
    }

    /// Opens the doors.
    private func serve() {
        isServing = true
        awaitedFirstChecks = []
        hand(closedDoors)
        closedDoors = []
        announce()
        options.whenServing?(adminSocketPath)
    }

    private func watch(_ signals: consuming SignalDescriptor) throws(Errno) {
        let signals = SharedSignals(signals)
        _ = try loop.watch(signals.descriptor.descriptor, .level) { [unowned self] _ in
            while let signal = signals.descriptor.take() { receive(signal) }
        }
    }

    private func watchFile() {
        guard case .file(let path) = options.source else { return }
        let watcher = FileWatcher(path, loop: loop) { [unowned self] in fileMayHaveChanged() }
        self.watcher = watcher
        watcher.start()
    }
}

private final class SharedSignals {
    let descriptor: SignalDescriptor
    init(_ descriptor: consuming SignalDescriptor) { self.descriptor = descriptor }
}

extension ProxyConfiguration {
    /// What has to be resolved before the configuration can be used.
    var serverNames: [Naming.Name] {
        services.flatMap { $0.servers.map { Naming.Name($0.address) } }
    }
}

extension Naming.Name {
    init(_ address: ServerAddress) { self.init(host: address.host, port: address.port) }
}

extension ConfigurationLoader.Outcome {
    /// A diagnostic for each server whose name has no address.
    func unresolved(_ unresolved: Naming.Unresolved) -> [Diagnostic] {
        var diagnostics: [Diagnostic] = []
        for (service, servicePlaces) in zip(configuration?.services ?? [], places.servers) {
            for (server, place) in zip(service.servers, servicePlaces)
            where server.address.host == unresolved.name.host {
                diagnostics.append(
                    .unresolvable(
                        host: unresolved.name.host, reason: unresolved.reason,
                        at: place.location, keyPath: place.keyPath))
            }
        }
        return diagnostics
    }
}
