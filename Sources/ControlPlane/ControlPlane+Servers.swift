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
    /// How often somebody who waits for a server is looked after.
    private static let glance = Interval.milliseconds(10)
    private static let defaultTimeout = Interval.seconds(30)
    /// How long a request is waited for when nobody said how long.
    private static let firstRequestPatience = Interval.seconds(10)

    /// Who asks, for the log.
    typealias Caller = PeerCredentials?

    // MARK: - Add

    /// Adds a server to a service, and waits for what was asked for. A server whose checks fail
    /// is taken out again.
    func add(
        _ request: AddRequest, to service: ServiceEntry, by caller: Caller,
        _ completion: @escaping (Result<ServerChangeAnswer, Problem>) -> Void
    ) {
        let server: ServerConfiguration
        var timeout: Interval?
        do throws(Problem) {
            server = try Self.server(request)
            if let text = request.timeout { timeout = try Self.duration(text) }
        } catch {
            return completion(.failure(error))
        }
        enqueue { [unowned self] done in
            var server = server
            if server.address.isSecure, service.configuration.tls == nil {
                completion(
                    .failure(
                        Problem(
                            status: 422, code: "conflict",
                            "the servers of \(service.name) are spoken to without TLS",
                            help: "write the address without https://")))
                return done()
            }
            server.address.isSecure = service.configuration.tls != nil
            if let problem = duplicate(server, in: service) {
                completion(.failure(problem))
                return done()
            }
            var live = live
            live.add(server, to: service.name)
            change(live) { [unowned self] outcome in
                defer { done() }
                switch outcome {
                case .refused(let problem): completion(.failure(problem))
                case .applied(let committed):
                    log.info("add by \(caller.words): \(committed.receipt.sentence)")
                    guard let entry = service.servers.first(where: { $0.id == server.name })
                    else { return }
                    follow(
                        Arrival(
                            server: entry, wait: request.wait ?? .serving, timeout: timeout,
                            receipt: committed.receipt, completion: completion))
                }
            }
        }
    }

    /// Somebody waits for a server that was added.
    private struct Arrival {
        var server: ServerEntry
        var wait: AddRequest.Wait
        /// `nil` when nobody said: then `down_after` failed checks are enough.
        var timeout: Interval?
        var receipt: ChangeReceipt
        var completion: (Result<ServerChangeAnswer, Problem>) -> Void
        var began = Clock.monotonic()
        var upAt: LoopInstant?

        func succeed(_ answer: ServerAnswer, note: String? = nil) {
            completion(.success(ServerChangeAnswer(server: answer, receipt: receipt, note: note)))
        }
    }

    private func follow(_ arrival: Arrival) {
        let server = arrival.server
        var arrival = arrival
        let now = Clock.monotonic()
        guard arrival.wait != .none else { return arrival.succeed(answer(about: server)) }
        guard !server.isLeaving else {
            return arrival.completion(
                .failure(
                    Problem(
                        status: 409, code: "removed", "\(server.id) was removed meanwhile")))
        }
        if server.isUp {
            if arrival.wait == .checked { return arrival.succeed(answer(about: server)) }
            if cells[server.cell].firstAnswer.load(ordering: .relaxed) != 0 {
                return arrival.succeed(answer(about: server))
            }
            let upAt = arrival.upAt ?? now
            arrival.upAt = upAt
            let deadline =
                arrival.timeout.map { arrival.began + $0 } ?? upAt + Self.firstRequestPatience
            if now >= deadline {
                return arrival.succeed(
                    answer(about: server),
                    note: "checked, but no request arrived in \((now - upAt).words)")
            }
        } else {
            let hasFailed =
                arrival.timeout == nil
                && server.failureCount >= server.service.configuration.health.downAfter
            let deadline = arrival.began + (arrival.timeout ?? Self.defaultTimeout)
            if hasFailed || now >= deadline { return giveUp(arrival) }
        }
        let next = arrival
        loop.after(Self.glance) { [unowned self] in follow(next) }
    }

    /// The server never became healthy: it is not left behind.
    private func giveUp(_ arrival: Arrival) {
        let server = arrival.server
        let count = server.failureCount
        let tries = "\(count) \(count == 1 ? "try" : "tries")"
        var reason = "no check has ended"
        if case .failed(let failure)? = server.lastCheck?.verdict {
            reason = "\(failure.word), \(tries)"
        }
        drainTimes[ObjectIdentifier(server)] = .zero
        enqueue { [unowned self] done in
            var live = live
            live.remove(server.key, file: fileEntry(of: server))
            change(live) { [unowned self] _ in
                drainTimes[ObjectIdentifier(server)] = nil
                log.warning("\(server.id) was not added: \(reason)")
                arrival.completion(
                    .failure(
                        Problem(
                            status: 409, code: "check-failed",
                            "\(server.id) was not added: its check failed (\(reason))",
                            help: "start the server first, or give it time with --timeout 60s")))
                done()
            }
        }
    }

    private func duplicate(_ server: ServerConfiguration, in service: ServiceEntry) -> Problem? {
        guard services.contains(where: { $0 === service }) else {
            return Problem(
                status: 404, code: "no-service", "there is no service '\(service.name)' any more")
        }
        let twin = service.servers.first {
            $0.id == server.name || $0.configuration.address == server.address
        }
        return twin.map {
            Problem(
                status: 422, code: "duplicate-address",
                "service \(service.name) has \($0.id) already",
                help: "change it with 'staithe set \($0.id) weight=2'")
        }
    }

    // MARK: - Set

    func set(
        _ request: SetRequest, _ server: ServerEntry, by caller: Caller,
        _ completion: @escaping (Result<ServerChangeAnswer, Problem>) -> Void
    ) {
        if let weight = request.weight, !(0...1000).contains(weight) {
            return completion(
                .failure(
                    Problem(
                        status: 422, code: "out-of-range",
                        "weight \(weight) is out of range: it must be from 0 to 1000")))
        }
        var state: LiveChanges.OperatorState?
        if let word = request.state {
            guard let known = LiveChanges.OperatorState(rawValue: word) else {
                return completion(
                    .failure(
                        Problem(
                            status: 422, code: "bad-word", "there is no state '\(word)'",
                            help: "use up, maintenance or drain")))
            }
            state = known
        }
        enqueue { [unowned self] done in
            guard !server.isLeaving else {
                completion(
                    .failure(Problem(status: 404, code: "no-server", "\(server.id) is leaving")))
                return done()
            }
            var live = live
            if let weight = request.weight {
                if server.isFound {
                    live.setWeight(weight, ofFound: server.key)
                } else {
                    live.setWeight(weight, of: server.key, file: fileEntry(of: server))
                }
            }
            if let state {
                if server.isFound {
                    live.setState(state, ofFound: server.key)
                } else {
                    live.setState(state, of: server.key)
                }
            }
            change(live) { [unowned self] outcome in
                defer { done() }
                switch outcome {
                case .refused(let problem): completion(.failure(problem))
                case .applied(let committed):
                    log.info("set by \(caller.words): \(committed.receipt.sentence)")
                    completion(
                        .success(
                            ServerChangeAnswer(
                                server: answer(about: server), receipt: committed.receipt)))
                }
            }
        }
    }

    // MARK: - Remove

    /// Takes a server out of its service; answers when it is gone.
    ///
    /// - Parameter drain: how long its requests may take; `nil` for the service's own time.
    func remove(
        _ server: ServerEntry, drain: Interval?, by caller: Caller,
        _ completion: @escaping (Result<ServerChangeAnswer, Problem>) -> Void
    ) {
        enqueue { [unowned self] done in
            guard !server.isLeaving else {
                completion(
                    .failure(Problem(status: 404, code: "no-server", "\(server.id) is leaving")))
                return done()
            }
            var live = live
            if server.isFound {
                live.withdraw(server.key)
            } else {
                live.remove(server.key, file: fileEntry(of: server))
            }
            drainTimes[ObjectIdentifier(server)] = drain
            change(live) { [unowned self] outcome in
                defer { done() }
                // Taken by its leaving; a change that was refused leaves nothing behind.
                drainTimes[ObjectIdentifier(server)] = nil
                switch outcome {
                case .refused(let problem): completion(.failure(problem))
                case .applied(let committed):
                    log.info("remove by \(caller.words): \(committed.receipt.sentence)")
                    whenGone[ObjectIdentifier(server), default: []].append { [unowned self] in
                        completion(
                            .success(
                                ServerChangeAnswer(
                                    server: answer(about: server), receipt: committed.receipt)))
                    }
                }
            }
        }
    }

    private func fileEntry(of server: ServerEntry) -> ServerConfiguration? {
        file.services.first { $0.name == server.service.name }?
            .servers.first { $0.name == server.id }
    }

    /// Applies live changes over the same file.
    func change(_ live: LiveChanges, _ completion: @escaping (ChangeOutcome) -> Void) {
        guard !isStopping else {
            return completion(
                .refused(Problem(status: 503, code: "stopping", "this staithe is stopping")))
        }
        prepare(file, live) { [unowned self] prepared in
            switch prepared {
            case .ready(let change): completion(.applied(commit(change)))
            case .unresolved(let unresolved): completion(.refused(Problem(unresolved)))
            case .unusable(let failure): completion(.refused(Problem(failure)))
            case .refused(let problem): completion(.refused(problem))
            }
        }
    }

    // MARK: - Reading requests

    private static func server(_ request: AddRequest) throws(Problem) -> ServerConfiguration {
        // The one-line command's reader knows every form of an address and its mistakes.
        let outcome = ProxyConfiguration.shortForm(listen: "1", servers: [request.address])
        guard var server = outcome.configuration?.services.first?.servers.first else {
            let diagnostic = outcome.diagnostics.first { $0.severity == .error }
            throw Problem(
                status: 422, code: diagnostic?.code.rawValue ?? "bad-address",
                diagnostic?.sentence ?? "'\(request.address)' is not an address",
                help: diagnostic?.help)
        }
        let weight = request.weight ?? 1
        guard (0...1000).contains(weight) else {
            throw Problem(
                status: 422, code: "out-of-range",
                "weight \(weight) is out of range: it must be from 0 to 1000")
        }
        server.weight = weight
        server.isBackup = request.backup ?? false
        server.version = request.version
        if let name = request.name {
            guard !name.isEmpty, !name.contains(where: { $0.isWhitespace || $0 == "/" }) else {
                throw Problem(
                    status: 422, code: "bad-name", "'\(name)' is not a name",
                    help: "use letters, digits, '-', '.' and '_'")
            }
            server.name = name
        }
        return server
    }

    static func duration(_ text: String) throws(Problem) -> Interval {
        guard let interval = Interval(words: text) else {
            throw Problem(
                status: 422, code: "bad-duration", "'\(text)' is not a duration",
                help: "write it with its unit, as 250ms, 30s or 1m30s")
        }
        return interval
    }
}

extension PeerCredentials? {
    fileprivate var words: String { map { "uid \($0.user) (pid \($0.process))" } ?? "somebody" }
}

extension Interval {
    /// Reads `250ms`, `30s`, `1m30s`, `1h`; `0` alone needs no unit. `nil` for anything else,
    /// and for more than 584 years.
    public init?(words text: String) {
        if text == "0" {
            self = .zero
            return
        }
        var total: UInt64 = 0
        var rest = Substring(text)
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            guard let number = UInt64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !("0"..."9").contains($0) }
            rest = rest.dropFirst(unit.count)
            let scale: UInt64? =
                switch unit {
                case "ms": 1_000_000
                case "s": 1_000_000_000
                case "m": 60_000_000_000
                case "h": 3_600_000_000_000
                case "d": 86_400_000_000_000
                default: nil
                }
            guard let scale else { return nil }
            let (part, isPartTooLong) = number.multipliedReportingOverflow(by: scale)
            let (sum, isSumTooLong) = total.addingReportingOverflow(part)
            guard !isPartTooLong, !isSumTooLong else { return nil }
            total = sum
        }
        guard total > 0 else { return nil }
        self.init(nanoseconds: total)
    }
}
