import Balancing
import Configuration
import DataPlane
import Discovery
import Health
import Linux
import Logging
import Memory
import Synchronization
public import Timing

extension ControlPlane {
    // MARK: - Joining

    /// A new server begins: with checks, or at once when there are none.
    func join(_ server: ServerEntry) {
        if vouchedServers.remove(server.key) != nil {
            server.isAdmitted = true
            _ = server.health.vouched()
        }
        if server.isUp, !server.isDraining { rise(server) }
        writeFlags(of: server)
        guard isChecked(server) else { return }
        if !isServing, !server.isUp, !server.isDraining {
            awaitedFirstChecks.insert(ObjectIdentifier(server))
        }
        // Not within the commit that brought it.
        server.checkTimer = loop.after(.zero) { [unowned self] in check(server) }
    }

    /// By its service's checks; one that a source has found needs at least a connection.
    private func isChecked(_ server: ServerEntry) -> Bool {
        server.service.configuration.health.isEnabled || !server.isAdmitted
    }

    /// Timers and thresholds of a service changed.
    func changeSettings(of service: ServiceEntry, to configuration: ServiceConfiguration) {
        let old = service.configuration.health
        let oldBalance = service.configuration.balance
        service.configuration = configuration
        if oldBalance.strategy != configuration.balance.strategy
            || oldBalance.shadow != configuration.balance.shadow
        {
            forgetShadow(of: service)
        }
        guard old != configuration.health else { return }
        for server in service.servers {
            stopChecking(server)
            if isChecked(server) {
                server.checkTimer = loop.after(.zero) { [unowned self] in check(server) }
            }
            writeFlags(of: server)
        }
    }

    // MARK: - Checks

    /// How soon a found server that does not listen yet is asked again; doubled each time, up to
    /// the interval of its checks. It has been started a moment ago, and traffic waits for it.
    private static let eagerness = Interval.milliseconds(20)

    /// From the end of a check to the next one, of a server that is new; `nil` for others.
    private func eagerPause(of server: ServerEntry) -> Interval? {
        let isNew = !server.isAdmitted || server.health.standing == .checking
        guard server.isFound, isNew, !server.hasBeenUp, server.failureCount < 16 else {
            return nil
        }
        // Hundreds that come at once are not asked fifty times a second each.
        let crowd = UInt64(max(1, server.service.servers.count / 32))
        let pause = Self.eagerness.nanoseconds << UInt64(server.failureCount / 4)
        return Interval(nanoseconds: pause * crowd)
    }

    /// Begins a check. There is no timer while it is under way: it ends with a verdict, at its
    /// timeout at the latest, and only then the next one is planned. Nothing else ends it but
    /// ``stopChecking(_:)``.
    private func check(_ server: ServerEntry) {
        server.checkTimer = nil
        guard server.probe == nil else { return }
        server.isCheckDue = false
        server.schedule.checkStarted(
            now: loop.now, interval: server.service.configuration.health.interval,
            random: &random)
        let probe = Probe(
            Probe.Question(
                server.service.configuration, tls: credentials.services[server.service.name],
                server: server.configuration.address, at: server.address),
            loop: loop
        ) { [unowned self] verdict, duration in
            server.probe = nil
            checked(server, verdict, duration)
            if let address = server.addressAfterCheck.take(), !server.isLeaving {
                lookBeforeMoving(server, to: address)
            }
            planCheck(of: server)
        }
        server.probe = probe
        probe.start()
    }

    /// After a verdict.
    private func planCheck(of server: ServerEntry) {
        guard isChecked(server), !server.isLeaving, !isStopping, server.probe == nil,
            server.checkTimer == nil
        else { return }
        let pause = server.isCheckDue ? Interval.zero : eagerPause(of: server)
        server.schedule.checkEnded(now: loop.now, pause: pause)
        server.checkTimer = loop.at(server.schedule.next) { [unowned self] in check(server) }
    }

    /// Something has happened to the server: its next check is due, at once or when the one that
    /// is under way has ended.
    func checkNow(_ server: ServerEntry) {
        guard isChecked(server), !server.isLeaving, !isStopping else { return }
        guard server.probe == nil else {
            server.isCheckDue = true
            return
        }
        if let timer = server.checkTimer { loop.cancel(timer) }
        server.checkTimer = loop.after(.zero) { [unowned self] in check(server) }
    }

    func stopChecking(_ server: ServerEntry) {
        awaitedFirstChecks.remove(ObjectIdentifier(server))
        server.probe?.cancel()
        server.probe = nil
        server.isCheckDue = false
        server.addressAfterCheck = nil
        if let timer = server.checkTimer { loop.cancel(timer) }
        server.checkTimer = nil
    }

    private func checked(
        _ server: ServerEntry, _ verdict: ProbeVerdict, _ duration: Interval
    ) {
        server.lastCheck = ServerEntry.Check(
            verdict: verdict, duration: duration, at: Clock.wall())
        let thresholds = server.service.thresholds
        if server.isFound { tellDriver(of: server, hasPassed: verdict == .passed) }
        guard server.service.configuration.health.isEnabled else {
            return admit(server, verdict, duration)
        }
        switch verdict {
        case .passed:
            server.failureCount = 0
            server.isAdmitted = true
            if server.health.checkPassed(thresholds) == .becameUp {
                rise(server)
                say(server, "up: check passed in \(duration.words)\(Self.sinceStart(server))")
            }
        case .failed(let reason):
            server.failureCount += 1
            switch server.health.checkFailed(reason, thresholds) {
            case .becameDown(let reason):
                server.since = Clock.wall()
                server.isWarming = false
                // One that is about to end may well have closed its doors.
                guard !server.isDraining else { break }
                say(
                    server, "down: check failed \(server.failureCount) times, last \(reason.word)",
                    isBad: true)
            case .becameUp, .nothing:
                // A container that has just been started takes a moment.
                if !server.hasBeenUp, server.failureCount == (server.isFound ? 16 : 1) {
                    say(server, "not up yet: check failed, \(reason.word)", isBad: true)
                }
            }
        }
        judgeSources(of: server.service)
        writeFlags(of: server)
        awaitedFirstChecks.remove(ObjectIdentifier(server))
    }

    /// Without checks, one connection lets a found server in.
    private func admit(
        _ server: ServerEntry, _ verdict: ProbeVerdict, _ duration: Interval
    ) {
        guard case .passed = verdict, !server.isAdmitted else {
            server.failureCount += 1
            return
        }
        server.failureCount = 0
        server.isAdmitted = true
        stopChecking(server)
        awaitedFirstChecks.remove(ObjectIdentifier(server))
        rise(server)
        say(server, "up: it listens\(Self.sinceStart(server))")
        judgeSources(of: server.service)
        writeFlags(of: server)
    }

    /// `, 0.4 s after its start`, when its source knows.
    static func sinceStart(_ server: ServerEntry) -> String {
        server.timeToUp.map { ", \($0.words) after its start" } ?? ""
    }

    func say(_ server: ServerEntry, _ sentence: String, isBad: Bool = false) {
        let text = "\(describe(server)) \(sentence)"
        // The first lines of a run are the announcement's.
        if !isServing, announcesOnTerminal { return }
        if isBad { log.warning("\(text)") } else { log.info("\(text)") }
    }

    /// With the service's name where that helps.
    func describe(_ server: ServerEntry) -> String {
        services.count > 1 ? "\(server.service.name)/\(server.id)" : server.id
    }

    // MARK: - Warming

    /// How long after its start a process still counts first rises as its own.
    private static let initialPeriod = Interval.seconds(5)

    /// A server that serves from now on starts with a small share, unless there is nobody to
    /// leave the rest to, or everybody is new.
    func rise(_ server: ServerEntry) {
        server.since = Clock.wall()
        let isFirst = !server.hasBeenUp
        server.hasBeenUp = true
        if isFirst { timeStart(of: server) }
        let isBeginning =
            server.isInitial && isFirst && loop.now - startInstant < Self.initialPeriod
        // Last, because it may look at all of them.
        guard !isBeginning, server.service.configuration.balance.slowStart > .zero,
            server.service.servers.contains(where: { $0 !== server && $0.isInRotation })
        else { return }
        let cell = server.cell
        // What it took before it went says nothing about a process that is new.
        cells[cell].forgetTimes()
        cells[cell].warmSince.store(loop.now.nanoseconds, ordering: .relaxed)
        cells[cell].warmAnswers.store(
            cells[cell].answers.load(ordering: .relaxed), ordering: .relaxed)
        server.isWarming = true
    }

    /// How much of its weight a server gets, of ``SlowStart/full``.
    func share(of server: ServerEntry) -> Int {
        guard server.isWarming else { return SlowStart.full }
        let cell = server.cell
        let since = LoopInstant(
            nanoseconds: cells[cell].warmSince.load(ordering: .relaxed))
        let answered =
            cells[cell].answers.load(ordering: .relaxed)
            - cells[cell].warmAnswers.load(ordering: .relaxed)
        return SlowStart(window: server.service.configuration.balance.slowStart).share(
            now: loop.now, since: since, answered: answered)
    }

    /// Ends the warming of those that have come to their full weight.
    func warm() {
        for server in servers where server.isWarming && share(of: server) == SlowStart.full {
            server.isWarming = false
            writeFlags(of: server)
            log.debug("\(describe(server)) has its full share")
        }
    }

    // MARK: - For the loops

    /// What the loops look at before they pick a server.
    func writeFlags(of server: ServerEntry) {
        var flags = ServerFlags(weight: server.configuration.weight, isUp: server.isUp)
        flags.isDraining = server.isDraining
        flags.isInMaintenance = server.operatorState == .maintenance
        flags.isWarming = server.isWarming
        // What a server needs to be warm is written before it may be picked.
        cells[server.cell].flags.store(flags.rawValue, ordering: .releasing)
    }
}

extension Interval {
    /// `3 ms`, `0.4 ms`, `10 s`, `1.5 s`, for sentences.
    public var words: String {
        let microseconds = nanoseconds / 1000
        if microseconds >= 1_000_000 {
            return Self.decimal(microseconds / 100_000) + " s"
        }
        if microseconds >= 10_000 { return "\(microseconds / 1000) ms" }
        return Self.decimal(microseconds / 100) + " ms"
    }

    private static func decimal(_ tenths: UInt64) -> String {
        tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
