import Configuration
import DataPlane
import Discovery
import Health
import Linux
import Logging
import Resolving
import Timing

// Servers of the file, and live ones, that are given by name: when the name leads elsewhere, the
// server goes there, without a reload.
extension ControlPlane {
    /// A name that is asked for again whenever its answer has expired.
    final class FollowedName {
        var timer: ControlLoop.Timer?
        var failureCount = 0
        /// Since when the answer is that there is no address; `nil` while there is one.
        var absentSince: LoopInstant?
        var isOver = false
    }

    /// After every change: follows the names that stand in it, and no others.
    func followNames() {
        let servers = servers.filter { !$0.isFound }
        let hosts = Set(
            servers.map { Naming.Name($0.configuration.address) }
                .filter { $0.fixedAddress == nil }.map(\.host))
        for (host, followed) in followedNames where !hosts.contains(host) {
            followed.isOver = true
            if let timer = followed.timer { loop.cancel(timer) }
            followedNames[host] = nil
        }
        for host in hosts where followedNames[host] == nil {
            let followed = FollowedName()
            followedNames[host] = followed
            // It has just been resolved, but nobody kept for how long that counts.
            askAgain(for: host, followed, after: DNSDiscovery.shortest)
        }
    }

    func stopFollowingNames() {
        for followed in followedNames.values {
            followed.isOver = true
            if let timer = followed.timer { loop.cancel(timer) }
        }
        followedNames = [:]
    }

    private func askAgain(for host: String, _ followed: FollowedName, after pause: Interval) {
        followed.timer = loop.after(pause) { [unowned self] in
            followed.timer = nil
            nameService.ask(Question(host, .addresses)) { [weak self] answer in
                guard let self, !followed.isOver, !isStopping else { return }
                learn(answer, of: host, followed)
            }
        }
    }

    private func learn(_ answer: Resolver.Answer, of host: String, _ followed: FollowedName) {
        switch answer {
        case .success(.addresses(let records)):
            if followed.failureCount > 0 { log.info("'\(host)' has an address again") }
            followed.failureCount = 0
            followed.absentSince = nil
            readmit(host, records)
            move(host, to: records)
            let shortest = records.map(\.timeToLive).min() ?? .zero
            askAgain(for: host, followed, after: DNSServers.pause(after: shortest, .timeToLive))
        case .failure(let failure):
            followed.failureCount += 1
            if followed.failureCount == 1 {
                log.warning("'\(host)' has no address now, its servers stay: \(failure)")
            }
            if failure.isAnswer {
                believe(host, followed)
                return askAgain(for: host, followed, after: DNSServers.pauseWhileAbsent)
            }
            // Who cannot tell does not say that there is none.
            followed.absentSince = nil
            let pause = DNSServers.pause(afterFailures: followed.failureCount)
            askAgain(for: host, followed, after: pause)
        case .success: break
        }
    }

    /// The answer is once more that a name has no address. When it has been so for long enough,
    /// its servers get nothing more: their address may be another server's now.
    private func believe(_ host: String, _ followed: FollowedName) {
        let since = followed.absentSince ?? loop.now
        followed.absentSince = since
        let patience = file.process.absentAfter
        guard loop.now >= since + patience else { return }
        let affected = servers.filter {
            !$0.isFound && $0.configuration.address.host == host && !$0.isLeaving && !$0.isNameless
        }
        guard !affected.isEmpty else { return }
        log.warning(
            "'\(host)' has had no address for \(patience.words): its servers get no requests until "
                + "it has one")
        for server in affected {
            server.isNameless = true
            server.since = Clock.wall()
            post(.closeIdle(cell: server.cell))
            writeFlags(of: server)
        }
    }

    /// Servers that are still where their name leads go on.
    private func readmit(_ host: String, _ records: [AddressRecord]) {
        let known = Set(records.map(\.address.host))
        for server in servers
        where server.isNameless && server.configuration.address.host == host
            && known.contains(server.address.host)
        {
            server.isNameless = false
            server.since = Clock.wall()
            writeFlags(of: server)
        }
    }

    /// Servers whose address is none of the name's any more are put anew; the others stay, also
    /// when the name has others besides.
    private func move(_ host: String, to records: [AddressRecord]) {
        let known = Set(records.map(\.address.host))
        let named = servers.filter {
            !$0.isFound && $0.configuration.address.host == host && !$0.isLeaving
        }
        // What an earlier answer said does not count any more.
        for server in named { server.addressAfterCheck = nil }
        let moved = named.filter { !known.contains($0.address.host) }
        guard !moved.isEmpty, var address = Naming.best(of: records, for: host) else { return }
        for server in moved {
            address.port = server.configuration.address.port
            lookBeforeMoving(server, to: address)
        }
    }

    /// A server that serves goes on until somebody answers at its new address: nobody would be
    /// there until the first check of the new one has passed. Of one that does not serve, the
    /// check that is under way ends first: a name that leads elsewhere with every answer would
    /// otherwise keep each check from its verdict.
    func lookBeforeMoving(_ server: ServerEntry, to address: SocketAddress) {
        guard server.isUp, !server.isNameless else {
            guard server.isNameless || server.probe == nil else {
                server.addressAfterCheck = address
                return
            }
            return put(server, isKnownToServe: false)
        }
        guard server.probeOfMove == nil else { return }
        let service = server.service
        let probe = Probe(
            Probe.Question(
                service.configuration, tls: credentials.services[service.name],
                server: server.configuration.address, at: address),
            loop: loop
        ) { [unowned self] verdict, _ in
            server.probeOfMove = nil
            guard !isStopping, !server.isLeaving else { return }
            // Otherwise the name is asked for again soon, and this is tried again.
            if verdict == .passed || !server.isUp {
                put(server, isKnownToServe: verdict == .passed)
            }
        }
        server.probeOfMove = probe
        probe.start()
    }

    /// Puts a server anew, at the address that its name has now.
    private func put(_ server: ServerEntry, isKnownToServe: Bool) {
        let host = server.configuration.address.host
        movedServers.insert(ObjectIdentifier(server))
        if isKnownToServe { vouchedServers.insert(server.key) }
        log.info("'\(host)' leads elsewhere now: \(server.id) follows it")
        enqueue { [unowned self] done in
            change(live) { [unowned self] outcome in
                if case .refused(let problem) = outcome {
                    log.warning("'\(host)' cannot be followed: \(problem.title)")
                }
                movedServers.remove(ObjectIdentifier(server))
                vouchedServers.remove(server.key)
                done()
            }
        }
    }
}
