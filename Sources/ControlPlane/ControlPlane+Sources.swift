import Configuration
import DataPlane
import Discovery
import Health
import Linux
import Logging
import Memory
import Synchronization
import Timing

// Servers that nobody listed: drivers report what their sources say, the sets of the services
// join it, and what differs from what runs is applied.
extension ControlPlane {
    /// Servers that come one after the other are joined by one change.
    private static let gathering = Interval.milliseconds(5)

    // MARK: - Drivers

    /// Makes the driver of a source. New kinds of sources are added here.
    private func makeDriver(
        _ source: ServiceConfiguration.Sources.Source, of service: ServiceConfiguration,
        desk: SourceDesk
    ) -> any SourceDriver {
        switch source {
        case .docker(let docker):
            DockerDriver(docker, service: service.name, engines, desk) { [unowned self] in
                services.first { $0.name == service.name }?.configuration ?? service
            }
        case .dns(let dns): DNSDriver(dns, desk, nameService)
        case .etcd(let etcd): EtcdDriver(etcd, service: service.name, desk, nameService)
        case .file(let list): FileDriver(list, desk)
        }
    }

    /// After every change: starts what is new, stops what is gone.
    func renewDrivers() {
        var wanted: [(SourceKey, ServiceConfiguration.Sources.Source, ServiceConfiguration)] = []
        for service in file.services {
            for source in service.discover?.list ?? [] {
                let key = SourceKey(service: service.name, name: .init(source.name))
                wanted.append((key, source, service))
            }
        }
        let keys = Set(wanted.map(\.0))
        for (key, running) in drivers where !keys.contains(key) {
            running.driver.stop()
            drivers[key] = nil
        }
        for (key, source, service) in wanted where drivers[key]?.configuration != source {
            drivers[key]?.driver.stop()
            let desk = SourceDesk(
                loop: loop,
                report: { [unowned self] in heard($0, from: key) },
                say: { [unowned self] sentence, isBad in
                    let text = "\(key.service): \(sentence)"
                    if isBad { log.warning("\(text)") } else { log.info("\(text)") }
                })
            let driver = makeDriver(source, of: service, desk: desk)
            drivers[key] = RunningDriver(configuration: source, driver: driver)
            driver.start()
        }
    }

    func stopDrivers() {
        for running in drivers.values { running.driver.stop() }
        drivers = [:]
        catalogue?.stop()
        catalogue = nil
    }

    func tellDriver(of server: ServerEntry, hasPassed: Bool) {
        let key = SourceKey(service: server.service.name, name: server.source)
        let identity = server.identity.dropFirst(server.source.text.utf8.count + 1)
        drivers[key]?.driver.checked(String(identity), hasPassed: hasPassed)
    }

    // MARK: - Sets

    /// The servers of a service as its sources and `live` have them.
    func memberSet(of service: ServiceConfiguration, _ live: LiveChanges) -> ServerSet {
        let now = Clock.wall()
        var set = sets[service.name] ?? ServerSet()
        set.minimum = service.discover?.minimumServers ?? 0
        set.patience = file.process.absentAfter
        set.setSources(
            [.file, .live] + (service.discover?.list.map { .init($0.name) } ?? []), at: now)
        let listed = live.servers(of: service)
        func snapshot(isLive: Bool) -> SourceReport {
            .snapshot(
                listed.filter { $0.isLive == isLive }.map {
                    DiscoveredServer(identity: $0.server.name, configuration: $0.server)
                })
        }
        set.apply(snapshot(isLive: false), from: .file, at: now)
        set.apply(snapshot(isLive: true), from: .live, at: now)
        return set
    }

    /// The same, remembered.
    func keepMembers(
        of service: ServiceConfiguration, _ live: LiveChanges
    ) -> [ServerSet.Member] {
        let set = memberSet(of: service, live)
        sets[service.name] = set
        return live.members(set.members, of: service.name)
    }

    func forgetWishes(of service: ServiceEntry) {
        guard let set = sets[service.name] else { return }
        live.forget(of: service.name, except: set.members)
    }

    // MARK: - What sources say

    private func heard(_ report: SourceReport, from key: SourceKey) {
        guard !isStopping, sets[key.service] != nil else { return }
        let before = standing(of: key)
        sets[key.service]?.patience = file.process.absentAfter
        let outcome = sets[key.service]?.apply(
            report, from: key.name, at: Clock.wall(), clock: loop.now)
        sayWhatChanged(before, standing(of: key), key)
        if let outcome, !outcome.keptNames.isEmpty, file.process.absentAfter > .zero {
            let names = Self.list(outcome.keptNames)
            log.warning(
                "\(key.service): \(key.name) no longer names \(names), which would leave fewer "
                    + "servers than min_servers: kept for \(file.process.absentAfter.words)")
        }
        if let outcome, !outcome.givenUpNames.isEmpty {
            sayGivenUp(outcome.givenUpNames, of: key.service)
        }
        giveUpLater(in: key.service)
        for identity in outcome?.checks ?? [] {
            let service = services.first { $0.name == key.service }
            for server in service?.servers ?? [] where server.identity == identity {
                checkNow(server)
            }
        }
        switch report {
        case .snapshot, .changes: hear(key.service)
        case .resyncNeeded, .lost, .warnings: break
        }
    }

    private func sayGivenUp(_ names: [String], of service: String) {
        log.warning(
            "\(service): \(Self.list(names)) has not been named for "
                + "\(file.process.absentAfter.words) and gets no more requests")
    }

    /// Lets go of what is kept when it has been kept for long enough.
    private func giveUpLater(in service: String) {
        if let timer = givingUp.removeValue(forKey: service) { loop.cancel(timer) }
        guard let due = sets[service]?.givesUpAt else { return }
        givingUp[service] = loop.at(max(due, loop.now)) { [unowned self] in
            givingUp[service] = nil
            guard !isStopping, let names = sets[service]?.giveUp(clock: loop.now) else { return }
            if !names.isEmpty {
                sayGivenUp(names, of: service)
                hear(service)
            }
            giveUpLater(in: service)
        }
    }

    /// What a source has said of a service is applied at the end of this turn, so that many
    /// reports are one change.
    private func hear(_ service: String) {
        if heardServices.isEmpty {
            loop.after(.zero) { [unowned self] in applyWhatWasHeard() }
        }
        heardServices.insert(service)
    }

    private func standing(of key: SourceKey) -> SourceStanding? {
        sets[key.service]?.standings.first { $0.name == key.name }?.standing
    }

    private func sayWhatChanged(
        _ before: SourceStanding?, _ now: SourceStanding?, _ key: SourceKey
    ) {
        guard let now else { return }
        let known = Set(before?.warnings ?? [])
        for warning in now.warnings where !known.contains(warning) {
            log.warning("\(key.service): \(warning.text)")
        }
        guard before?.condition != now.condition || before?.reason != now.reason else { return }
        switch now.condition {
        case .lost:
            let reason = now.reason ?? ""
            log.warning(
                "\(key.service): \(key.name) is lost, its servers stay as they are known: \(reason)"
            )
        case .connected where before?.condition != .connecting:
            log.info("\(key.service): \(key.name) is back")
        case .resyncing:
            let reason = now.reason ?? ""
            log.warning("\(key.service): \(key.name) is asked again: \(reason)")
        case .connected, .connecting: break
        }
    }

    // MARK: - What follows

    /// What changes for servers that are there counts at once; who comes and goes is a change.
    private func applyWhatWasHeard() {
        let names = heardServices
        heardServices = []
        for name in names.sorted() {
            guard let service = services.first(where: { $0.name == name }), let set = sets[name]
            else { continue }
            if applyStates(of: live.members(set.members, of: name), to: service) {
                scheduleMembership()
            }
        }
    }

    /// - Returns: whether servers come, go or have another configuration.
    private func applyStates(of members: [ServerSet.Member], to service: ServiceEntry) -> Bool {
        struct Place: Hashable {
            var identity: String
            var address: ServerAddress
        }
        var isDifferent = members.count != service.servers.count
        var rest = Dictionary(
            members.filter { !$0.source.isOperators }.map {
                (Place(identity: $0.identity, address: $0.server.configuration.address), $0)
            },
            uniquingKeysWith: { first, _ in first })
        for server in service.servers where server.isFound {
            let place = Place(identity: server.identity, address: server.configuration.address)
            guard let member = rest.removeValue(forKey: place) else {
                isDifferent = true
                // Not one more request, whatever the change has to wait for.
                server.isForsaken = true
                writeFlags(of: server)
                continue
            }
            if server.isForsaken {
                server.isForsaken = false
                writeFlags(of: server)
            }
            if server.configuration != member.server.configuration { isDifferent = true }
            change(server, to: member.server.state)
        }
        if !rest.isEmpty { isDifferent = true }
        judgeSources(of: service)
        return isDifferent
    }

    /// What a source makes of a server is another thing now.
    private func change(_ server: ServerEntry, to state: ServerState) {
        let old = server.sourceState
        guard old != state else { return }
        let wasUp = server.isUp
        server.sourceState = state
        server.since = Clock.wall()
        switch state {
        case .draining:
            post(.closeIdle(cell: server.cell))
            say(server, "draining: \(server.source) says that it is about to end")
        case .down:
            say(server, "down: \(server.source) says that it is unhealthy", isBad: true)
        case .pending:
            // Paused or away: nothing that was believed of it counts.
            if old == .down || old == .draining {
                server.health = ServerHealth(server.service.thresholds)
                server.isAdmitted = false
                checkNow(server)
            }
        case .ready, .admitted:
            let isNew = !server.isAdmitted || server.health.standing == .checking
            server.isAdmitted = true
            _ = server.health.vouched()
            if server.isUp, !wasUp || old == .draining {
                rise(server)
                say(
                    server,
                    isNew && state == .admitted
                        ? "up: \(server.source) says that it is healthy\(Self.sinceStart(server))"
                        : "up again: \(server.source) says so")
            }
        }
        writeFlags(of: server)
    }

    /// When a source's word would leave nobody, it is not enough.
    func judgeSources(of service: ServiceEntry) {
        let hasDoubtful = service.servers.contains { $0.sourceState == .down }
        guard hasDoubtful || service.doubtsItsSources else { return }
        let hasOthers = service.servers.contains { $0.sourceState != .down && $0.isInRotation }
        guard service.doubtsItsSources == hasOthers || !hasDoubtful else { return }
        service.doubtsItsSources = hasDoubtful && !hasOthers
        if service.doubtsItsSources {
            log.warning(
                "\(service.name): nobody would be left without the servers that are said to be "
                    + "unhealthy, so they go on")
        }
        for server in service.servers where server.sourceState == .down { writeFlags(of: server) }
    }

    /// Applies who came and who went, soon.
    func scheduleMembership() {
        guard !isMembershipDue else { return }
        isMembershipDue = true
        loop.after(Self.gathering) { [unowned self] in
            isMembershipDue = false
            guard !isStopping else { return }
            enqueue { [unowned self] done in
                changeMembership()
                done()
            }
        }
    }

    private func changeMembership() {
        change(live) { [unowned self] outcome in
            switch outcome {
            case .applied(let committed):
                if !committed.receipt.isEmpty { log.info("found: \(committed.receipt.sentence)") }
                sayUnplaced()
            case .refused(let problem):
                log.error("what was found cannot be used: \(problem.title)")
            }
        }
    }

    private func sayUnplaced() {
        guard unplacedCount > 0 else { return }
        log.warning(
            "\(unplacedCount) servers were found for which there is no room: a service has "
                + "\(Bounds.serversPerService) at most, and a process \(Bounds.servers), leaving "
                + "ones included")
    }

    static func list(_ names: [String]) -> String {
        guard names.count > 8 else { return names.joined(separator: ", ") }
        return names.prefix(8).joined(separator: ", ") + " and \(names.count - 8) more"
    }

    // MARK: - From the start of a server to its first request

    /// How often a server that is up is looked at for its first answer.
    private static let glance = Interval.milliseconds(10)

    /// A server serves for the first time.
    func timeStart(of server: ServerEntry) {
        guard let start = server.startedAt else { return }
        server.timeToUp = Interval(nanoseconds: UInt64(max(0, Clock.wall() - start)))
        watchFirstRequest(of: server, since: start, glance: Self.glance)
    }

    private func watchFirstRequest(of server: ServerEntry, since start: Int64, glance: Interval) {
        loop.after(glance) { [unowned self] in
            guard !server.isLeaving, !isStopping else { return }
            let first = cells[server.cell].firstAnswer.load(ordering: .relaxed)
            guard first == 0 else {
                // The answer came within the last glance, its request before that.
                let took = UInt64(first & 0xFFFF_FFFF_FFFF) * 1000
                let now = UInt64(max(0, Clock.wall() - start))
                let time = Interval(nanoseconds: now > took ? now - took : 0)
                server.timeToFirstRequest = time
                return say(server, "first request \(time.words) after its start")
            }
            let next = min(
                Interval(nanoseconds: glance.nanoseconds * 21 / 20), Interval.seconds(1))
            watchFirstRequest(of: server, since: start, glance: next)
        }
    }
}
