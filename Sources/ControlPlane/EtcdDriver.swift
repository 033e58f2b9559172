import Configuration
import Discovery
import Linux
import TLS
import Timing

/// The servers of a service that stand in etcd.
///
/// What is to be done is ``EtcdMachine``'s business; here are the calls, the timer and the file.
final class EtcdDriver: SourceDriver {
    /// Changes that come together are written together.
    private static let saveDelay = Interval.milliseconds(200)
    private static let retry = Interval.seconds(5)

    private let etcd: EtcdDiscovery
    private let desk: SourceDesk
    private let names: NameService
    private let snapshot: EtcdSnapshot
    private var client: EtcdClient?
    private var machine: EtcdMachine
    private var timer: ControlLoop.Timer?
    private var saveTimer: ControlLoop.Timer?
    private var isStopped = false
    private var saysUnwritable = true

    init(_ etcd: EtcdDiscovery, service: String, _ desk: SourceDesk, _ names: NameService) {
        self.etcd = etcd
        self.desk = desk
        self.names = names
        let path: String? =
            switch etcd.snapshot {
            case .off: nil
            case .path(let path): path
            case .standard: EtcdSnapshot.standardPath(of: service)
            }
        snapshot = EtcdSnapshot(path: path, prefix: etcd.prefix)
        machine = EtcdMachine(etcd, endpointCount: etcd.access.endpoints.count)
    }

    func start() {
        do throws(TLSProblem) {
            client = try EtcdClient(etcd.access, desk.loop, names)
        } catch {
            let problem = error.sentence
            // Not from within this call. The files may come to be right.
            timer = desk.loop.after(.zero) { [weak self] in
                guard let self, !isStopped else { return }
                desk.report(.lost(problem))
                timer = desk.loop.after(Self.retry) { [weak self] in self?.start() }
            }
            return
        }
        timer = desk.loop.after(.zero) { [weak self] in
            guard let self, !isStopped else { return }
            perform(machine.start(remembered: snapshot.read(), now: desk.loop.now))
        }
    }

    func stop() {
        isStopped = true
        client?.hangUp()
        for timer in [timer, saveTimer] { if let timer { desk.loop.cancel(timer) } }
        timer = nil
        if saveTimer != nil { save() }
        saveTimer = nil
    }

    private var chance: Double { Double.random(in: 0..<1) }

    // MARK: - Doing

    private func perform(_ actions: [EtcdMachine.Action]) {
        guard !isStopped else { return }
        for action in actions { perform(action) }
        if let timer { desk.loop.cancel(timer) }
        timer = machine.wakeAt.map { instant in
            desk.loop.at(instant) { [weak self] in
                guard let self, !isStopped else { return }
                timer = nil
                perform(machine.woke(now: desk.loop.now, chance: chance))
            }
        }
    }

    private func perform(_ action: EtcdMachine.Action) {
        switch action {
        case .authenticate:
            client?.authenticate { [weak self] result in
                self?.follow(result) { $0.authenticated(now: $1) }
            }
        case .list:
            range(EtcdProtocol.list(prefix: etcd.prefix)) { $0.listed($1, now: $2) }
        case .probe:
            let chance = chance
            range(EtcdProtocol.count(prefix: etcd.prefix)) {
                $0.probed($1, now: $2, chance: chance)
            }
        case .watch(let revision): watch(from: revision)
        case .hangUp: client?.hangUp()
        case .useNextEndpoint: client?.useNextEndpoint()
        case .report(let report): desk.report(report)
        case .save: scheduleSave()
        case .say(let sentence, let isBad): desk.say(sentence, isBad)
        }
    }

    /// Tells the machine what came of a call.
    private func follow<Value>(
        _ result: Result<Value, EtcdMachine.Failure>,
        _ success: (inout EtcdMachine, LoopInstant) -> [EtcdMachine.Action]
    ) {
        guard !isStopped else { return }
        switch result {
        case .success: perform(success(&machine, desk.loop.now))
        case .failure(let failure):
            perform(machine.failed(failure, now: desk.loop.now, chance: chance))
        }
    }

    private func range(
        _ body: String,
        _ success:
            @escaping (inout EtcdMachine, EtcdAnswer.Listing, LoopInstant) -> [EtcdMachine.Action]
    ) {
        client?.call(EtcdProtocol.rangePath, body) { [weak self] result in
            let listing = result.flatMap { answer in
                do throws(EtcdAnswer.Refusal) {
                    return Result<EtcdAnswer.Listing, EtcdMachine.Failure>.success(
                        try EtcdAnswer.listing(answer))
                } catch {
                    return .failure(.refused(error))
                }
            }
            self?.follow(listing) { machine, now in
                guard case .success(let listing) = listing else { return [] }
                return success(&machine, listing, now)
            }
        }
    }

    private func watch(from revision: Int64) {
        client?.stream(
            EtcdProtocol.watchPath, EtcdProtocol.watch(prefix: etcd.prefix, from: revision),
            line: { [weak self] line in
                guard let self, !isStopped else { return }
                do throws(EtcdAnswer.Refusal) {
                    let message = try EtcdAnswer.watchMessage(line)
                    perform(machine.watched(message, now: desk.loop.now, chance: chance))
                } catch {
                    perform(
                        machine.failed(.refused(error), now: desk.loop.now, chance: chance))
                }
            },
            ended: { [weak self] failure in
                guard let self, !isStopped else { return }
                perform(machine.failed(failure, now: desk.loop.now, chance: chance))
            })
    }

    // MARK: - The file

    private func scheduleSave() {
        guard snapshot.path != nil, saveTimer == nil else { return }
        saveTimer = desk.loop.after(Self.saveDelay) { [weak self] in
            guard let self else { return }
            saveTimer = nil
            save()
        }
    }

    private func save() {
        do throws(Errno) {
            try snapshot.write(machine.values)
            saysUnwritable = true
        } catch {
            guard saysUnwritable else { return }
            saysUnwritable = false
            desk.say(
                "the known servers cannot be written to \(snapshot.path ?? ""), so a start "
                    + "without etcd would have none: \(error)", true)
        }
    }
}
