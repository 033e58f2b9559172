import Configuration
import DataPlane
import Linux
import Logging
import Memory
import Synchronization
import Timing

extension ControlPlane {
    /// How often a leaving server is looked at.
    private static let glance = Interval.milliseconds(20)

    /// A server that is no longer in the configuration finishes its requests, up to its
    /// service's drain time, then its connections are closed and its cell is free.
    func leave(_ server: ServerEntry) {
        guard !server.isLeaving else { return }
        server.isLeaving = true
        stopChecking(server)
        writeFlags(of: server)
        let drain = drainTimes.removeValue(forKey: ObjectIdentifier(server))
        let time = drain ?? server.service.configuration.timeouts.drain
        let deadline = Clock.monotonic() + time
        // A loop may have picked the server before it saw the flag and be about to count its
        // request: only when each has come round is nothing in flight the truth.
        afterEveryLoop { [unowned self] in wait(for: server, until: deadline) }
    }

    private func wait(for server: ServerEntry, until deadline: LoopInstant) {
        let inFlight = inFlightCount(of: server)
        guard inFlight == 0 || Clock.monotonic() >= deadline else {
            loop.after(Self.glance) { [unowned self] in wait(for: server, until: deadline) }
            return
        }
        if inFlight > 0 {
            log.warning(
                "\(server.id) did not finish in time: \(inFlight) requests in flight are cut")
        }
        post(.abandon(cell: server.cell))
        afterEveryLoop { [unowned self] in release(server) }
    }

    /// No loop picks the server any more; the cell is free when nothing is under way there.
    private func release(_ server: ServerEntry) {
        guard inFlightCount(of: server) == 0 else {
            loop.after(Self.glance) { [unowned self] in release(server) }
            return
        }
        serverOfCell[server.cell] = nil
        cellNumbers.giveBack(server.cell)
        log.info("\(server.id) has left service \(server.service.name)")
        if unplacedCount > 0 { scheduleMembership() }
        for action in whenGone.removeValue(forKey: ObjectIdentifier(server)) ?? [] { action() }
    }

    func inFlightCount(of server: ServerEntry) -> Int {
        cells[server.cell].inFlight.load(ordering: .relaxed)
    }

    /// Runs `action` once every loop has done what it was told so far.
    func afterEveryLoop(_ action: @escaping () -> Void) {
        requestReports()
        barriers.append((requestedReportCount, action))
    }

    func requestReports() {
        requestedReportCount += 1
        post(.report)
    }
}
