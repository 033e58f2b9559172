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
        let entries =
            service.servers
            + leaving[ObjectIdentifier(service), default: []].sorted { $0.cell < $1.cell }
        let shares = shares(of: entries)
        let servers = entries.indices.map { index in
            answer(
                about: entries[index], share: shares.measured?[index],
                expectedShare: shares.expected[index])
        }
        return ServiceAnswer(
            name: service.name, balance: service.configuration.balance.strategy.rawValue,
            up: service.servers.count { $0.isInRotation && !isEjected($0) },
            total: service.servers.count,
            rps: servers.reduce(0) { $0 + $1.rps },
            p50Ms: recent.quantile(0.5).map(\.milliseconds),
            p99Ms: recent.quantile(0.99).map(\.milliseconds),
            requests: service.traffic.requestCount,
            failed: service.traffic.failedCount,
            failures: failureAnswers(of: service),
            panicking: isPanicking(service) ? true : nil, shadow: shadowAnswer(of: service),
            servers: servers, sources: sourceAnswers(of: service))
    }

    /// Those in the configuration in its order, then those that leave.
    private func entries(of service: ServiceEntry) -> [ServerEntry] {
        service.servers
            + serverOfCell.values.filter { $0.service === service && $0.isLeaving }
            .sorted { $0.cell < $1.cell }
    }

    private func shares(of servers: [ServerEntry]) -> ServiceShares {
        ServiceShares(
            servers.map { server in
                ServiceShares.Server(
                    rate: server.traffic.rate,
                    weight: server.configuration.weight * share(of: server),
                    isBackup: server.configuration.isBackup,
                    takesRequests: server.isInRotation && !isEjected(server))
            })
    }

    private func failureAnswers(of service: ServiceEntry) -> [String: Int]? {
        var counts: [String: Int] = [:]
        for reason in Reason.allCases where reason.isFailure {
            let count = service.traffic.failures.count(of: reason)
            if count > 0 { counts["\(reason.word)"] = Int(clamping: count) }
        }
        return counts.isEmpty ? nil : counts
    }

    private func sourceAnswers(of service: ServiceEntry) -> [SourceAnswer]? {
        let answers = sets[service.name]?.standings.map {
            SourceAnswer($0.name.text, $0.standing, serverCount: $0.serverCount)
        }
        return answers?.isEmpty == false ? answers : nil
    }

    func answer(about server: ServerEntry) -> ServerAnswer {
        let entries = entries(of: server.service)
        let shares = shares(of: entries)
        guard let index = entries.firstIndex(where: { $0 === server }) else {
            return answer(about: server, share: 0, expectedShare: 0)
        }
        return answer(
            about: server, share: shares.measured?[index], expectedShare: shares.expected[index])
    }

    /// In the order of the service's servers, without those that leave: these have no series of
    /// their own any more.
    func serverAnswers(of service: ServiceEntry) -> [ServerAnswer] {
        Array(answer(about: service).servers.prefix(service.servers.count))
    }

    private func answer(
        about server: ServerEntry, share: Double?, expectedShare: Double
    ) -> ServerAnswer {
        let cell = server.cell
        let first = cells[cell].firstAnswer.load(ordering: .relaxed)
        let warmth =
            server.isWarming ? Double(self.share(of: server)) / Double(SlowStart.full) : nil
        return ServerAnswer(
            id: server.id, service: server.service.name,
            address: server.configuration.address.description,
            version: server.configuration.version, source: source(of: server),
            state: state(of: server), warmth: warmth, weight: server.configuration.weight,
            backup: server.configuration.isBackup, share: share, expectedShare: expectedShare,
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
            fullShareInAnswers: answersUntilFullShare(of: server),
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
        // A new server needs one pass, however often it has failed; that it is down is true all
        // the same.
        case .checking:
            server.failureCount >= Int(server.service.thresholds.downAfter) ? "down" : "checking"
        case .up: "up"
        case .failing: "failing"
        case .down: "down"
        case .rising: "rising"
        }
    }

    /// `nil` when time is not what it waits for.
    private func timeUntilFullShare(of server: ServerEntry) -> Int? {
        guard server.isWarming else { return nil }
        let since = LoopInstant(
            nanoseconds: cells[server.cell].warmSince.load(ordering: .relaxed))
        let end = since + server.service.configuration.balance.slowStart
        return end > loop.now ? (end - loop.now).wholeMilliseconds : nil
    }

    /// `nil` when answers are not what it waits for.
    private func answersUntilFullShare(of server: ServerEntry) -> Int? {
        guard server.isWarming else { return nil }
        let answered =
            cells[server.cell].answers.load(ordering: .relaxed)
            - cells[server.cell].warmAnswers.load(ordering: .relaxed)
        return answered < SlowStart.answersUntilTrusted
            ? SlowStart.answersUntilTrusted - max(0, answered) : nil
    }
}
