import Balancing
import Configuration
import DataPlane
import Discovery
import Health
import Linux
import Memory
import Synchronization
import Telemetry
import Timing

extension ControlPlane {
    func statusAnswer() -> StatusAnswer {
        var path: String?
        if case .file(let file) = options.source { path = file }
        let problem = fileProblem.map {
            StatusAnswer.FileProblem(
                errors: $0.errorCount, since: WallTime.text($0.since), report: $0.text)
        }
        let answers = listeners.map {
            StatusAnswer.Listener(
                name: $0.configuration.name, address: $0.address.description,
                connections: listenerCells[$0.id].connections.load(ordering: .relaxed),
                certificates: certificateAnswers(of: $0.configuration))
        }
        let leaving = leavingServers()
        return StatusAnswer(
            version: options.version, process: Int(ThisProcess.identifier),
            generation: "g\(generation)", started: WallTime.text(startedAt),
            uptimeSeconds: Int((Clock.monotonic() - startInstant).seconds), file: path,
            fileProblem: problem, liveChanges: live.count, loops: loopCount,
            connections: answers.reduce(0) { $0 + $1.connections },
            lostLogRecords: accessLog.lostCount, stopping: isStopping,
            listeners: answers, services: services.map { answer(about: $0, leaving) },
            catalogue: catalogue.map { keeper in
                SourceAnswer(
                    "docker", keeper.standing, serverCount: servers.count(where: \.isFound))
            })
    }

    func answer(about service: ServiceEntry) -> ServiceAnswer {
        answer(about: service, leavingServers())
    }

    private func leavingServers() -> [ObjectIdentifier: [ServerEntry]] {
        Dictionary(grouping: serverOfCell.values.filter(\.isLeaving)) {
            ObjectIdentifier($0.service)
        }
    }

    private func answer(
        about service: ServiceEntry, _ leaving: [ObjectIdentifier: [ServerEntry]]
    ) -> ServiceAnswer {
        let recent = service.traffic.recent
        let whole = whole(of: service)
        let servers = service.servers.map { answer(about: $0, whole) }
        let leaving = leaving[ObjectIdentifier(service), default: []]
            .sorted { $0.cell < $1.cell }.map { answer(about: $0, whole) }
        return ServiceAnswer(
            name: service.name, balance: service.configuration.balance.strategy.rawValue,
            up: service.servers.count { $0.isInRotation && !isEjected($0) },
            total: service.servers.count,
            rps: (servers + leaving).reduce(0) { $0 + $1.rps },
            p50Ms: recent.quantile(0.5).map(\.milliseconds),
            p99Ms: recent.quantile(0.99).map(\.milliseconds),
            requests: service.traffic.requestCount,
            failed: (servers + leaving).reduce(0) { $0 + $1.failed },
            panicking: isPanicking(service) ? true : nil, shadow: shadowAnswer(of: service),
            servers: servers + leaving, sources: sourceAnswers(of: service))
    }

    private func sourceAnswers(of service: ServiceEntry) -> [SourceAnswer]? {
        let answers = sets[service.name]?.standings.map {
            SourceAnswer($0.name.text, $0.standing, serverCount: $0.serverCount)
        }
        return answers?.isEmpty == false ? answers : nil
    }

    func answer(about server: ServerEntry) -> ServerAnswer {
        answer(about: server, whole(of: server.service))
    }

    /// In the order of the service's servers.
    func serverAnswers(of service: ServiceEntry) -> [ServerAnswer] {
        let whole = whole(of: service)
        return service.servers.map { answer(about: $0, whole) }
    }

    private func answer(about server: ServerEntry, _ whole: Whole) -> ServerAnswer {
        let cell = server.cell
        let first = cells[cell].firstAnswer.load(ordering: .relaxed)
        let warmth = server.isWarming ? Double(share(of: server)) / Double(SlowStart.full) : nil
        return ServerAnswer(
            id: server.id, service: server.service.name,
            address: server.configuration.address.description,
            version: server.configuration.version, source: source(of: server),
            state: state(of: server), warmth: warmth, weight: server.configuration.weight,
            backup: server.configuration.isBackup, share: trafficShare(of: server, whole),
            inFlight: inFlightCount(of: server), rps: server.traffic.rate,
            answers: cells[cell].answers.load(ordering: .relaxed),
            failed: cells[cell].failures.load(ordering: .relaxed),
            firstAnswer: first == 0
                ? nil
                : ServerAnswer.FirstAnswer(
                    status: Int(first >> 48), ms: Double(first & 0xFFFF_FFFF_FFFF) / 1000),
            check: server.lastCheck.map { check in
                var reason: String?
                if case .failed(let failure) = check.verdict { reason = "\(failure.word)" }
                return ServerAnswer.Check(
                    ok: check.verdict == .passed, at: WallTime.text(check.at),
                    ms: check.duration.milliseconds, reason: reason)
            },
            since: WallTime.text(server.since), fullShareInMs: timeUntilFullShare(of: server),
            startToUpMs: server.timeToUp?.milliseconds,
            startToFirstRequestMs: server.timeToFirstRequest?.milliseconds)
    }

    private func source(of server: ServerEntry) -> String {
        if server.isFound || server.isLive { return server.source.text }
        if case .command = options.source { return "command" }
        return "file"
    }

    private func state(of server: ServerEntry) -> String {
        if server.isDraining { return "draining" }
        if server.operatorState == .maintenance { return "maintenance" }
        let isChecked = server.service.configuration.health.isEnabled
        // Down is worse than ejected, and stays when the ejection is over.
        if isEjected(server), !(isChecked && server.health.standing == .down) { return "ejected" }
        if server.sourceState == .down, !server.isUp { return "down" }
        if server.isUp, server.isWarming { return "warming" }
        guard isChecked else { return server.isUp ? "up" : "checking" }
        return switch server.health.standing {
        case .checking: "checking"
        case .up: "up"
        case .failing: "failing"
        case .down: "down"
        case .rising: "rising"
        }
    }

    /// What the shares of the servers of a service are parts of.
    private struct Whole {
        var rate = 0.0
        /// Weights of those in rotation.
        var primary = 0
        var backup = 0
        var hasPrimary = false
    }

    private func whole(of service: ServiceEntry) -> Whole {
        var whole = Whole()
        for server in service.servers {
            whole.rate += server.traffic.rate
            guard server.isInRotation else { continue }
            let weight = server.configuration.weight * share(of: server)
            if server.configuration.isBackup {
                whole.backup += weight
            } else {
                whole.primary += weight
                whole.hasPrimary = true
            }
        }
        return whole
    }

    /// What it has answered of late; what the weights promise when there was nothing to answer.
    private func trafficShare(of server: ServerEntry, _ whole: Whole) -> Double {
        let first = cells[server.cell].firstAnswer.load(ordering: .relaxed)
        if whole.rate > 0, first != 0, server.traffic.rate > 0 {
            return server.traffic.rate / whole.rate
        }
        guard server.isInRotation else { return 0 }
        guard !server.configuration.isBackup || !whole.hasPrimary else { return 0 }
        let total = server.configuration.isBackup ? whole.backup : whole.primary
        return total > 0
            ? Double(server.configuration.weight * share(of: server)) / Double(total) : 0
    }

    private func timeUntilFullShare(of server: ServerEntry) -> Int? {
        guard server.isWarming else { return nil }
        let since = LoopInstant(
            nanoseconds: cells[server.cell].warmSince.load(ordering: .relaxed))
        let end = since + server.service.configuration.balance.slowStart
        return (end - loop.now).wholeMilliseconds
    }
}
