import Balancing
import Configuration
import DataPlane
import Discovery
import Linux
import Logging
import Memory
import Reactor
import Synchronization
import Timing

/// A change that has everything it needs, so that it cannot fail halfway.
struct Change {
    var file: ProxyConfiguration
    var live: LiveChanges
    var addresses: [Naming.Name: SocketAddress]
    var credentials: Credentials
    var opened: [ControlPlane.OpenedListener]
}

extension ControlPlane {
    /// The numbers of what differs, and the servers that go.
    struct Committed {
        var snapshot: Snapshot
        var receipt: ChangeReceipt
        var leaving: [ServerEntry]
    }

    /// Runs changes one after the other; `change` calls its argument when it is over.
    func enqueue(_ change: @escaping (@escaping () -> Void) -> Void) {
        pendingChanges.append { [unowned self] in
            change { [unowned self] in
                isChanging = false
                runNextChange()
            }
        }
        runNextChange()
    }

    private func runNextChange() {
        guard !isChanging, !pendingChanges.isEmpty else { return }
        isChanging = true
        pendingChanges.removeFirst()()
    }

    // MARK: - Commit

    /// Makes a change true: what stays keeps its cells, its counters and its health.
    func commit(_ change: Change, isStart: Bool = false) -> Committed {
        let began = Clock.monotonic()
        var receipt = ChangeReceipt()
        noteSettings(from: file, to: change.file, isStart: isStart, in: &receipt)
        let removedListeners = commitListeners(of: change, in: &receipt)
        var leaving: [ServerEntry] = []
        let before = services
        let known = Dictionary(
            before.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        unplacedCount = 0
        services = change.file.services.map { configuration in
            let service = entry(for: configuration, known[configuration.name], in: &receipt)
            leaving += commitServers(of: service, change, isStart: isStart, in: &receipt)
            return service
        }
        let staying = Set(services.map { ObjectIdentifier($0) })
        let removedServices = before.filter { !staying.contains(ObjectIdentifier($0)) }
        for service in removedServices {
            receipt.removed.append("service \(service.name)")
            leaving += service.servers
            receipt.removed += service.servers.map { "\(service.name)/\($0.id)" }
            service.servers = []
            sets[service.name] = nil
        }
        file = change.file
        live = change.live
        for service in services {
            forgetWishes(of: service)
            judgeSources(of: service)
        }
        noteCredentials(from: credentials, to: change.credentials, in: &receipt)
        credentials = change.credentials

        let isChange = isStart || !receipt.isEmpty
        if isChange { generation += 1 }
        let snapshot = makeSnapshot()
        if isChange {
            publishNames()
            if !isStart { post(.adopt(snapshot)) }
        }
        retire(removedServices)
        for listener in removedListeners { post(.stopListening(listener: listener.id)) }
        if !removedListeners.isEmpty {
            afterEveryLoop { [unowned self] in
                for listener in removedListeners {
                    listener.isClosed = true
                    listener.address.remove(listener.file)
                }
                releaseListeners()
            }
        }
        hand(change.opened)
        for server in leaving { leave(server) }
        if !isStart {
            renewCertificateWatchers()
            renewCatalogue()
            renewDrivers()
            followNames()
        }
        receipt.generation = generation
        receipt.milliseconds = (Clock.monotonic() - began).milliseconds
        return Committed(snapshot: snapshot, receipt: receipt, leaving: leaving)
    }

    private func noteSettings(
        from old: ProxyConfiguration, to new: ProxyConfiguration, isStart: Bool,
        in receipt: inout ChangeReceipt
    ) {
        guard !isStart else { return }
        if old.routes != new.routes { receipt.changed.append("routes") }
        if old.accessLog != new.accessLog {
            receipt.changed.append("access_log")
            do throws(Errno) {
                try accessLog.setDestination(new.accessLog.destination)
            } catch {
                log.error("the access log cannot be opened, the old one is kept: \(error)")
            }
        }
        if old.log != new.log {
            receipt.changed.append("log")
            log = Logger(label: "staithe") { [sentences] _ in
                SentenceLogHandler(new.log, to: sentences)
            }
        }
        if old.process.shutdown != new.process.shutdown
            || old.process.absentAfter != new.process.absentAfter
        {
            receipt.changed.append("process")
        }
        if old.process.workers != new.process.workers {
            log.warning("process.workers has changed: it counts from the next start on")
        }
        if old.admin != new.admin {
            log.warning("admin has changed: it counts from the next start on")
        }
    }

    /// Files whose contents are others, of what is otherwise as it was.
    private func noteCredentials(
        from old: Credentials, to new: Credentials, in receipt: inout ChangeReceipt
    ) {
        let changes = new.changes(from: old)
        let names =
            changes.listeners.map { "listener \($0)" }
            + changes.services.map { "service \($0)" }
        for name in names where !receipt.changed.contains(name) {
            receipt.changed.append("certificates of \(name)")
            receipt.untouched -= 1
        }
    }

    // MARK: - Listeners

    /// - Returns: those that go.
    private func commitListeners(
        of change: Change, in receipt: inout ChangeReceipt
    ) -> [ListenerEntry] {
        let before = listeners
        listeners = change.file.listeners.compactMap { configuration in
            if let known = before.first(where: { $0.address == configuration.address }) {
                if known.configuration == configuration {
                    receipt.untouched += 1
                } else {
                    receipt.changed.append("listener \(configuration.name)")
                    known.configuration = configuration
                }
                return known
            }
            // There was room for it when the change was prepared, or the file was refused.
            guard let id = listenerNumbers.take(), listenerCells.open(id) else { return nil }
            receipt.added.append("listener \(configuration.name)")
            return ListenerEntry(configuration, id: id)
        }
        let removed = before.filter { old in !listeners.contains { $0 === old } }
        receipt.removed += removed.map { "listener \($0.configuration.name)" }
        retiredListeners += removed
        return removed
    }

    /// Gives each loop its socket of new listeners.
    func hand(_ opened: [OpenedListener]) {
        for new in opened {
            guard let listener = listeners.first(where: { $0.address == new.address }) else {
                new.close()
                continue
            }
            listener.file = new.file
            for (mailbox, socket) in zip(mailboxes, new.sockets) {
                mailbox.post(.listen(listener: listener.id, socket: socket))
            }
        }
    }

    /// The number of a listener that every loop has closed is free when its last client has
    /// gone.
    func releaseListeners() {
        retiredListeners.removeAll { listener in
            guard listener.isClosed,
                listenerCells[listener.id].connections.load(ordering: .relaxed) == 0
            else { return false }
            listenerNumbers.giveBack(listener.id)
            return true
        }
    }

    // MARK: - Services and servers

    private func entry(
        for configuration: ServiceConfiguration, _ known: ServiceEntry?,
        in receipt: inout ChangeReceipt
    ) -> ServiceEntry {
        if let known {
            if known.configuration.hasSameSettings(as: configuration) {
                receipt.untouched += 1
            } else {
                receipt.changed.append("service \(configuration.name)")
                changeSettings(of: known, to: configuration)
            }
            known.configuration = configuration
            return known
        }
        let id = serviceID(for: configuration.name)
        if generation > 0 { receipt.added.append("service \(configuration.name)") }
        return ServiceEntry(configuration, id: id)
    }

    /// - Returns: the servers that go.
    private func commitServers(
        of service: ServiceEntry, _ change: Change, isStart: Bool,
        in receipt: inout ChangeReceipt
    ) -> [ServerEntry] {
        let before = service.servers
        let known = Dictionary(
            before.filter { !movedServers.contains(ObjectIdentifier($0)) }
                .map { (Twin($0.identity, $0.configuration.address), $0) },
            uniquingKeysWith: { first, _ in first })
        var joined: [ServerEntry] = []
        let members = keepMembers(of: service.configuration, change.live)
        var placedCount = before.count
        service.servers = members.compactMap { member in
            let configuration = member.server.configuration
            if let known = known[Twin(member.identity, configuration.address)] {
                update(known, member, change.live, in: &receipt)
                return known
            }
            let address =
                change.addresses[Naming.Name(configuration.address)]
                ?? SocketAddress(
                    numeric: configuration.address.host, port: configuration.address.port)
            // Of an operator's there was room when the change was prepared.
            guard let address, placedCount < Bounds.serversPerService || member.source.isOperators,
                let cell = cellNumbers.take(), cells.open(cell)
            else {
                unplacedCount += 1
                return nil
            }
            placedCount += 1
            let server = ServerEntry(
                member, service: service, cell: cell, address: address,
                isInitial: isStart || member.source.isOperators == false && !isServing,
                now: loop.now)
            server.operatorState = operatorState(of: server, change.live)
            receipt.added.append("\(service.name)/\(server.id)")
            serverOfCell[cell] = server
            clearCell(cell)
            joined.append(server)
            return server
        }
        for server in joined { join(server) }
        let staying = Set(service.servers.map { ObjectIdentifier($0) })
        let leaving = before.filter { !staying.contains(ObjectIdentifier($0)) }
        receipt.removed += leaving.map { "\(service.name)/\($0.id)" }
        return leaving
    }

    /// A server stays the same as long as both stay.
    private struct Twin: Hashable {
        var identity: String
        var address: ServerAddress

        init(_ identity: String, _ address: ServerAddress) {
            self.identity = identity
            self.address = address
        }
    }

    private func update(
        _ known: ServerEntry, _ member: ServerSet.Member, _ live: LiveChanges,
        in receipt: inout ChangeReceipt
    ) {
        known.source = member.source
        known.isForsaken = false
        let state = operatorState(of: known, live)
        if known.configuration == member.server.configuration, known.operatorState == state {
            receipt.untouched += 1
        } else {
            receipt.changed.append("\(known.service.name)/\(known.id)")
            if known.operatorState != state { known.since = Clock.wall() }
            known.configuration = member.server.configuration
            known.operatorState = state
        }
        writeFlags(of: known)
    }

    private func operatorState(
        of server: ServerEntry, _ live: LiveChanges
    ) -> LiveChanges.OperatorState {
        server.isFound ? live.state(ofFound: server.key) : live.state(of: server.key)
    }

    private func clearCell(_ cell: Int) {
        cells[cell].inFlight.store(0, ordering: .relaxed)
        cells[cell].answers.store(0, ordering: .relaxed)
        cells[cell].failures.store(0, ordering: .relaxed)
        cells[cell].ages.store(0, ordering: .relaxed)
        cells[cell].forgetTimes()
        cells[cell].reported.store(0, ordering: .relaxed)
        cells[cell].shadowedPicks.store(0, ordering: .relaxed)
        cells[cell].shadowPicks.store(0, ordering: .relaxed)
        cells[cell].flags.store(0, ordering: .relaxed)
        cells[cell].ejectedUntil.store(0, ordering: .relaxed)
        cells[cell].outlier.store(0, ordering: .relaxed)
        cells[cell].warmSince.store(0, ordering: .relaxed)
        cells[cell].warmAnswers.store(0, ordering: .relaxed)
        cells[cell].firstAnswer.store(0, ordering: .relaxed)
    }

    // MARK: - Publishing

    private func makeSnapshot() -> Snapshot {
        Snapshot(
            generation: generation, routes: file.routes,
            listeners: (listeners + retiredListeners).map {
                Snapshot.Listener(
                    id: $0.id, configuration: $0.configuration,
                    tls: credentials.listeners[$0.configuration.name])
            },
            services: services.map { service in
                Snapshot.Service(
                    id: service.id, configuration: service.configuration,
                    members: service.servers.map { server in
                        Snapshot.Member(
                            cell: server.cell, address: server.address,
                            authority: server.configuration.address.authority,
                            identity: ServerIdentity(
                                name: server.id, weight: server.configuration.weight,
                                isBackup: server.configuration.isBackup),
                            tlsName: service.configuration.tls?.serverName
                                ?? server.configuration.address.host)
                    },
                    tls: credentials.services[service.name])
            },
            accessLog: file.accessLog,
            counts: Snapshot.Counts(
                listeners: listenerNumbers.count, services: serviceNumbers.count,
                servers: cellNumbers.count))
    }

    private func publishNames() {
        var table = GenerationNames()
        for listener in listeners + retiredListeners {
            table.listeners[listener.id] = listener.configuration.name
        }
        table.routes = file.routes.map(\.label)
        for service in services { table.services[service.id] = service.name }
        // Leaving servers too: requests that are under way may end in this generation.
        for (cell, server) in serverOfCell {
            table.servers[cell] = server.id
            table.versions[cell] = server.configuration.version
        }
        names.set(table, generation: generation)
    }
}

extension ServiceConfiguration {
    /// Equal but for the servers.
    fileprivate func hasSameSettings(as other: ServiceConfiguration) -> Bool {
        var mine = self
        mine.servers = other.servers
        return mine == other
    }
}
