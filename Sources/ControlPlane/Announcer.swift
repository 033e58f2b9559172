public import Configuration
import Discovery
import Linux
import TLS
public import Timing

/// Keeps a server's place in etcd while it lives: `staithe announce`.
///
/// On SIGTERM the key says first that the server is about to end; the command, when there is one,
/// hears of it a little later, when no balancer sends anything more; at its end the key goes.
public final class Announcer {
    public struct Options: Sendable {
        public enum Address: Equatable, Sendable {
            /// The address from which etcd is reached, with this port.
            case own(port: UInt16)
            /// A name is resolved here.
            case given(ServerAddress)
        }

        public var access = EtcdAccess()
        public var prefix = ""
        /// `nil`: the address.
        public var name: String?
        public var address = Address.own(port: 0)
        public var weight: Int?
        public var version: String?
        public var isBackup = false
        public var leaseSeconds = 10
        /// From saying so until the command is told to end, or we do.
        public var drain = Interval.seconds(1)
        public var command: [String] = []

        public init() {}
    }

    private let options: Options
    private let loop: ControlLoop
    private let names: NameService
    private let client: EtcdClient
    private var machine: AnnouncementMachine
    private var timer: ControlLoop.Timer?
    private var address: SocketAddress?
    private var child: Int32?
    private var status = ExitStatus.done
    private var isLeaving = false

    /// Runs until the command has ended, or until it is told to stop.
    ///
    /// - Returns: the exit status: the command's, if there is one.
    public static func run(_ options: Options) -> Int32 {
        Signal.ignoreBrokenPipes()
        do {
            let signals = try SignalDescriptor()
            let announcer = try Announcer(options)
            return try announcer.run(signals)
        } catch let problem as TLSProblem {
            say(problem.sentence)
        } catch {
            say("cannot start: \(error)")
        }
        return ExitStatus.failed
    }

    private init(_ options: Options) throws {
        self.options = options
        loop = try ControlLoop()
        names = NameService(loop)
        client = try EtcdClient(options.access, loop, names)
        machine = AnnouncementMachine(
            leaseSeconds: options.leaseSeconds, endpointCount: options.access.endpoints.count,
            needsLogin: options.access.user != nil)
    }

    private func run(_ signals: consuming SignalDescriptor) throws -> Int32 {
        let descriptor = signals
        if !options.command.isEmpty {
            do throws(Errno) {
                child = try Children.start(options.command)
            } catch {
                Self.say("'\(options.command[0])' cannot be started: \(error)")
                // As a shell says it: not found, or not to be executed.
                return error == .noSuchFile ? 127 : 126
            }
        }
        let shared = SharedSignals(descriptor)
        _ = try loop.watch(shared.descriptor.descriptor, .level) { [self] _ in
            while let signal = shared.descriptor.take() { receive(signal) }
        }
        loop.after(.zero) { [self] in perform(machine.begin()) }
        loop.run()
        return status
    }

    private final class SharedSignals {
        let descriptor: SignalDescriptor
        init(_ descriptor: consuming SignalDescriptor) { self.descriptor = descriptor }
    }

    private static func say(_ sentence: String) {
        StandardStream.error.print("staithe announce: \(sentence)")
    }

    // MARK: - Signals and the command

    private func receive(_ signal: Signal) {
        switch signal {
        case .interrupt, .terminate, .quit:
            guard !isLeaving else {
                Self.say("told twice: ends at once")
                return endCommand(.terminate)
            }
            isLeaving = true
            Self.say("is about to end: no new requests are wanted")
            perform(machine.leave(now: loop.now))
        case .hangUp, .reopen, .second:
            if let child { try? signal.send(to: child) }
        case .childEnded:
            while let ended = Children.takeEnded() {
                guard ended.process == child else { continue }
                child = nil
                status = ended.status
                perform(machine.finish(now: loop.now))
            }
        }
    }

    /// The command's end, or ours when there is none.
    private func endCommand(_ signal: Signal) {
        if let child {
            try? signal.send(to: child)
        } else {
            perform(machine.finish(now: loop.now))
        }
    }

    // MARK: - Doing

    private func perform(_ actions: [AnnouncementMachine.Action]) {
        for action in actions { perform(action) }
        if let timer { loop.cancel(timer) }
        timer = machine.wakeAt.map { instant in
            loop.at(instant) { [self] in
                timer = nil
                perform(machine.woke(now: loop.now))
            }
        }
    }

    private func perform(_ action: AnnouncementMachine.Action) {
        switch action {
        case .authenticate:
            client.authenticate { [self] result in
                follow(result) { machine, _, _ in machine.authenticated() }
            }
        case .grant(let seconds):
            lease(EtcdProtocol.grantPath, EtcdProtocol.grant(seconds: seconds)) {
                $0.granted($1, now: $2)
            }
        case .put(let lease, let isDraining, let condition): put(lease, isDraining, condition)
        case .look: look()
        case .renew(let lease):
            self.lease(EtcdProtocol.keepAlivePath, EtcdProtocol.lease(lease)) {
                $0.renewed($1, now: $2)
            }
        case .revoke(let lease):
            client.call(EtcdProtocol.revokePath, EtcdProtocol.lease(lease)) { [self] result in
                follow(result) { machine, _, _ in machine.revoked() }
            }
        case .hangUp: client.hangUp()
        case .useNextEndpoint: client.useNextEndpoint()
        case .say(let sentence, _): Self.say("\(key ?? options.prefix) \(sentence)")
        case .drained: loop.after(options.drain) { [self] in endCommand(.terminate) }
        case .over: loop.stop()
        }
    }

    private func follow<Value>(
        _ result: Result<Value, EtcdMachine.Failure>,
        _ success:
            (inout AnnouncementMachine, Value, LoopInstant) -> [AnnouncementMachine.Action]
    ) {
        switch result {
        case .success(let value): perform(success(&machine, value, loop.now))
        case .failure(let failure):
            perform(
                machine.failed(failure, now: loop.now, chance: Double.random(in: 0..<1)))
        }
    }

    private func lease(
        _ path: String, _ body: String,
        _ success:
            @escaping (
                inout AnnouncementMachine, EtcdAnswer.Grant, LoopInstant
            ) -> [AnnouncementMachine.Action]
    ) {
        client.call(
            path, body,
            localAddress: { [self] local in
                guard case .own(let port) = options.address else { return }
                address = local
                address?.port = port
            },
            { [self] result in
                let grant = result.flatMap { answer in
                    do throws(EtcdAnswer.Refusal) {
                        return Result<EtcdAnswer.Grant, EtcdMachine.Failure>.success(
                            try EtcdAnswer.grant(answer))
                    } catch {
                        return .failure(.refused(error))
                    }
                }
                follow(grant, success)
            })
    }

    /// Of the server, once its address is known.
    private var key: String? {
        guard let name = options.name ?? address?.text else { return nil }
        return options.prefix + name
    }

    private func put(
        _ lease: Int64, _ isDraining: Bool, _ condition: AnnouncementMachine.Condition
    ) {
        guard address != nil else {
            return findAddress { [self] in put(lease, isDraining, condition) }
        }
        guard let key, let address else { return }
        var record = EtcdRecord(address: address.text)
        record.weight = options.weight
        record.version = options.version
        record.isBackup = options.isBackup
        record.isDraining = isDraining
        let body = EtcdProtocol.put(key: key, value: record.text, lease: lease, if: condition)
        ask(EtcdProtocol.transactionPath, body, EtcdAnswer.hasSucceeded) { $0.put($1, now: $2) }
    }

    private func look() {
        guard let key else { return }
        let body = EtcdProtocol.get(key: key)
        ask(EtcdProtocol.rangePath, body, EtcdAnswer.listing) {
            $0.looked($1.entries.first, now: $2)
        }
    }

    private func ask<Value>(
        _ path: String, _ body: String,
        _ read: @escaping ([UInt8]) throws(EtcdAnswer.Refusal) -> Value,
        _ success:
            @escaping (inout AnnouncementMachine, Value, LoopInstant) -> [AnnouncementMachine
            .Action]
    ) {
        client.call(path, body) { [self] result in
            let value = result.flatMap { answer in
                do throws(EtcdAnswer.Refusal) {
                    return Result<Value, EtcdMachine.Failure>.success(try read(answer))
                } catch {
                    return .failure(.refused(error))
                }
            }
            follow(value, success)
        }
    }

    /// A name stands for where it leads from here, now.
    private func findAddress(_ completion: @escaping () -> Void) {
        guard case .given(let server) = options.address else { return }
        Naming(names).resolve([Naming.Name(server)]) { [self] answer in
            switch answer {
            case .success(let addresses):
                address = addresses.values.first
                completion()
            case .failure(let unresolved):
                let sentence = "'\(server.host)' has no address: \(unresolved.reason)"
                perform(
                    machine.failed(
                        .unreachable(sentence), now: loop.now, chance: Double.random(in: 0..<1)))
            }
        }
    }
}

extension SocketAddress {
    fileprivate var text: String {
        host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
