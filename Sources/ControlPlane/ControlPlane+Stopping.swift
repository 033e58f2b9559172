import Configuration
import DataPlane
import Linux
import Logging
import Timing

extension ControlPlane {
    func receive(_ signal: Signal) {
        switch signal {
        case .hangUp:
            reload(cause: "SIGHUP") { _ in }
        case .interrupt, .terminate, .quit:
            stop()
        case .reopen:
            accessLog.reopen()
            log.info("SIGUSR1: log files are opened again")
        case .second: break
        case .childEnded:
            Children.reap()
        }
    }

    /// How long the loops may take to notice that their time is over.
    private static let patience = Interval.seconds(5)

    /// The first time, finishes what is under way; the second time, ends at once with status 1,
    /// because what was promised to clients was not kept.
    func stop() {
        guard !isStopping else {
            log.warning("stopped at once: requests in flight are cut")
            exitStatus = ExitStatus.failed
            loop.stop()
            return
        }
        isStopping = true
        let time = file.process.shutdown
        log.info("stopping: requests in flight have \(time.words) to finish")
        stopDrivers()
        stopFollowingNames()
        for server in servers { stopChecking(server) }
        if runningLoops.isEmpty { return loop.stop() }
        post(.drain(deadline: Clock.monotonic() + time))
        loop.after(Interval(nanoseconds: time.nanoseconds + Self.patience.nanoseconds)) {
            [unowned self] in
            log.error("\(runningLoops.count) loops did not stop in time")
            exitStatus = ExitStatus.failed
            loop.stop()
        }
    }

    func finished(_ index: Int, cutCount count: Int) {
        runningLoops.remove(index)
        cutCount += count
        guard runningLoops.isEmpty else { return }
        log.info(
            cutCount == 0
                ? "stopped: every request was finished"
                : "stopped: \(cutCount) requests were cut")
        loop.stop()
    }

    /// After the loop: leaves nothing behind.
    func end() {
        let lostCount = accessLog.flush()
        if lostCount > 0 { log.warning("\(Self.sentence(aboutLost: lostCount))") }
        adminServer?.close()
        for listener in listeners + retiredListeners { listener.address.remove(listener.file) }
        // A service and its servers hold each other.
        for service in services { service.servers = [] }
        for _ in 0..<100 where !sentences.flush() { ThisProcess.sleep(.milliseconds(10)) }
    }
}
