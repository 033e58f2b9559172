import Configuration
import DataPlane
import Linux
import Logging
import Memory
import Synchronization
import Telemetry
import Timing

extension ControlPlane {
    /// What a loop says.
    func receive(_ notice: LoopNotice) {
        switch notice {
        case .ejected(let cell, _, let failures, let interval):
            ejected(cell, failures: failures, interval: interval)
        case .acceptingPaused(let index, let cause):
            acceptingPaused(index, cause)
        case .silentClosed(let id, let connections):
            let name = listeners.first { $0.id == id }?.configuration.name ?? ""
            log.warning(
                "\(connections) connections, of listener '\(name)' too, have not begun TLS: the "
                    + "oldest are closed for new ones; limits.connections_per_client bounds what "
                    + "one client may have")
        case .acceptingResumed(let index):
            pausedLoops.remove(index)
            if pausedLoops.isEmpty { sayWhenCalm() }
        case .report(let index, let report):
            received(report, from: index)
        case .finished(let index, let count):
            finished(index, cutCount: count)
        }
    }

    /// What the access log's thread says.
    func receive(_ event: AccessLog.Event) {
        switch event {
        case .lost(let count):
            log.warning("\(Self.sentence(aboutLost: count))")
        case .failed(let sentence):
            log.error("\(sentence)")
        }
    }

    // MARK: - Full

    private func acceptingPaused(_ index: Int, _ cause: LoopNotice.PauseCause) {
        pausedLoops.insert(index)
        pauseCount += 1
        guard !hasSaidPaused else { return }
        hasSaidPaused = true
        switch cause {
        case .descriptors:
            log.error(
                "no descriptors are left: new connections wait, open ones are served; "
                    + "raise 'ulimit -n' or LimitNOFILE="
            )
        case .handshakes(let id, let count):
            let name = listeners.first { $0.id == id }?.configuration.name ?? ""
            log.warning(
                "\(count) TLS handshakes are under way in one loop, of listener '\(name)' too: "
                    + "new connections wait, open ones are served; limits.connections_per_client "
                    + "bounds what one client may have")
        case .bound(let id, let connections):
            let listener = listeners.first { $0.id == id }?.configuration
            let remedy =
                listener?.limits.connections.map { $0 > connections } ?? true
                ? "raise 'ulimit -n' or LimitNOFILE=" : "raise limits.connections"
            log.error(
                "\(connections) connections are open on listener '\(listener?.name ?? "")', "
                    + "as many as there may be: new ones wait, open ones are served; \(remedy)"
            )
        }
    }

    /// Around the bound, one connection closes and the next one comes: that is one episode, not
    /// many.
    private func sayWhenCalm() {
        let count = pauseCount
        loop.after(.seconds(1)) { [unowned self] in
            guard hasSaidPaused, pausedLoops.isEmpty, pauseCount == count else { return }
            hasSaidPaused = false
            log.info("connections are accepted again")
        }
    }

    // MARK: - Lost

    static func sentence(aboutLost count: Int) -> String {
        "\(count) access log \(count == 1 ? "record was" : "records were") lost: "
            + "the log cannot be written, or is not read fast enough"
    }

    // MARK: - Ejection

    private func ejected(_ cell: Int, failures: Int, interval: Interval) {
        guard let server = serverOfCell[cell], !server.isLeaving else { return }
        server.since = Clock.wall()
        log.warning(
            "\(describe(server)) ejected for \(interval.words): "
                + "\(failures) requests in a row failed"
        )
        server.ejectedUntil = loop.now + interval
        loop.after(interval) { [unowned self] in readmitted(server) }
    }

    private func readmitted(_ server: ServerEntry) {
        // Ejected once more in between: that one's end counts.
        guard !server.isLeaving, loop.now >= server.ejectedUntil,
            server.ejectedUntil != .zero
        else { return }
        server.ejectedUntil = .zero
        server.since = Clock.wall()
        log.info("\(describe(server)) takes requests again: its ejection is over")
    }

    func isEjected(_ server: ServerEntry) -> Bool {
        cells[server.cell].ejectedUntil.load(ordering: .relaxed) > loop.now.nanoseconds
    }

    // MARK: - Reports

    private func received(_ report: LoopReport, from index: Int) {
        reports[index] = report
        receivedReportCounts[index] += 1
        let common = receivedReportCounts.min() ?? 0
        let due = barriers.filter { $0.reportCount <= common }
        barriers.removeAll { $0.reportCount <= common }
        for barrier in due { barrier.action() }
    }

    /// Once a second: how much each server and service has done.
    func sample() {
        guard !isStopping else { return }
        releaseListeners()
        for server in serverOfCell.values {
            server.traffic.sample(
                answers: cells[server.cell].answers.load(ordering: .relaxed), now: loop.now)
        }
        afterEveryLoop { [unowned self] in addUpReports() }
    }

    func addUpReports() {
        releaseServices()
        let known = Dictionary(
            services.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for service in services { service.traffic.begin() }
        for case .some(let report) in reports {
            for entry in report.services {
                known[entry.service]?.traffic.add(
                    requests: entry.requests, failed: entry.failed, failures: entry.failures,
                    latencies: entry.latencies)
            }
        }
        for service in services { service.traffic.end() }
    }
}
