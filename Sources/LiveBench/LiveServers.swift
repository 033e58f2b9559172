import HTTP
import HTTP1
public import Linux
import Memory
import Reactor
public import Simulation
import Synchronization
public import Timing

/// The servers of a scenario with sockets before them: they answer when the scenario's law of
/// service says so, refuse, hang and die as it says, and otherwise sleep. All on one thread.
public final class LiveServers: Sendable {
    /// What an operator is to do at the proxy.
    public enum Order: Sendable, Equatable {
        case join(Int)
        case drain(Int)
        case leave(Int)
        case takeOut(Int)
        case bringBack(Int)
    }

    /// What came of the run.
    public struct Account: Sendable {
        public var transcript = RunTranscript()
        public var busyAtStart: [Double] = []
        public var busyAtEnd: [Double] = []
        public var slots: [Int] = []
        public var weights: [Int] = []
        /// Of answers, behind the time that the scenario gives them.
        public var lateness = Lateness()
        public var connectionCount = 0
        /// Why the scenario could not be obeyed.
        public var failure: String?
    }

    enum Command: Sendable {
        case begin(LoopInstant)
        case done(Order)
        case failed(String)
        case stop
    }

    /// By server, those included that join later.
    public let ports: [UInt16]
    private let commands: Mailbox<Command>
    private let account = Locked<Account?>(nil)
    private let isReady = Atomic<Bool>(false)

    /// Opens the servers' sockets, and starts.
    ///
    /// - Parameters:
    ///   - unit: the mean service time.
    ///   - operate: is told on the servers' thread what is to be done at the proxy; whoever does
    ///     it says so with ``done(_:)``.
    public init(
        _ scenario: Scenario, plan: TrafficPlan, seed: UInt64, repetition: Int, unit: Interval,
        operate: @escaping @Sendable (Order) -> Void = { _ in }
    ) throws(Errno) {
        var ports: [UInt16] = []
        var places: [CInt] = []
        for _ in 0..<scenario.largestServerCount {
            let place = try ListeningSocket.reserve(SocketAddress.ipv4(0x7F00_0001, port: 0))
            ports.append(try ListeningSocket.address(of: place).port)
            places.append(place.release())
        }
        self.ports = ports
        commands = try Mailbox()
        let numbers = places
        try Thread.start(name: "bench-servers") { [self] in
            var result = Account()
            do throws(Errno) {
                let staged = StagedServers(
                    scenario, countedTime: plan.countedTime, seed: seed, repetition: repetition)
                let loop = try ServerLoop(
                    staged, plan: plan, unit: unit, ports: self.ports, operate: operate)
                try loop.open(scenario.serverCount, commands)
                isReady.store(true, ordering: .releasing)
                loop.run()
                result = loop.result()
            } catch {
                result.failure = "the servers of the scenario cannot be started: \(error)"
            }
            for number in numbers { _ = FileDescriptor(owning: number) }
            account.withLock { $0 = result }
        }
        while !isReady.load(ordering: .acquiring), !hasEnded { ThisProcess.sleep(.milliseconds(1)) }
    }

    private var hasEnded: Bool { account.withLock { $0 != nil } }

    public var addresses: [SocketAddress] {
        ports.map { SocketAddress.ipv4(0x7F00_0001, port: $0) }
    }

    /// Lets the scenario's time begin at `origin`.
    public func begin(at origin: LoopInstant) { commands.post(.begin(origin)) }

    /// The proxy has been told.
    public func done(_ order: Order) { commands.post(.done(order)) }

    /// The proxy could not be told.
    public func failed(_ sentence: String) { commands.post(.failed(sentence)) }

    /// Ends all servers and waits until they have.
    public func stop() -> Account {
        commands.post(.stop)
        while true {
            if let account = account.withLock({ $0 }) { return account }
            ThisProcess.sleep(.milliseconds(1))
        }
    }
}

/// A listening socket that comes and goes.
private final class Listener {
    var socket = FileDescriptor.none
    var isOpen = false
}

/// A connection that the proxy has made to a server.
private final class ServerConnection {
    let server: Int
    var socket: FileDescriptor
    var input = Buffer(capacity: 16 << 10)
    var output = Buffer(capacity: 512)
    var scanned = 0
    /// The request under way; −1 for none.
    var request: Int32 = -1
    /// Ends behind the answer that it waits for.
    var closes = false
    /// A check that is not to be answered.
    var hangs = false

    init(server: Int, _ socket: consuming FileDescriptor) {
        self.server = server
        self.socket = socket
    }
}

/// What the thread of the servers does.
private final class ServerLoop {
    private static let bellKey: UInt64 = 1
    private static let firstListenerKey: UInt64 = 2
    private static let patience = Interval.milliseconds(100)

    private var loop: PreciseLoop
    private var staged: StagedServers
    private let plan: TrafficPlan
    private let unit: Interval
    private let ports: [UInt16]
    private let operate: (LiveServers.Order) -> Void
    private var clock: ScenarioTime?
    private var isStopping = false
    private var listeners: [Listener]
    private var connections: [UInt64: ServerConnection] = [:]
    private var nextKey: UInt64
    private var fields = FieldSection()
    private var account = LiveServers.Account()
    private var commands: Mailbox<LiveServers.Command>?

    init(
        _ staged: consuming StagedServers, plan: TrafficPlan, unit: Interval, ports: [UInt16],
        operate: @escaping (LiveServers.Order) -> Void
    ) throws(Errno) {
        loop = try PreciseLoop()
        self.staged = staged
        self.plan = plan
        self.unit = unit
        self.ports = ports
        self.operate = operate
        listeners = ports.map { _ in Listener() }
        nextKey = Self.firstListenerKey + UInt64(ports.count)
    }

    func open(_ count: Int, _ commands: Mailbox<LiveServers.Command>) throws(Errno) {
        self.commands = commands
        try commands.attach(to: &loop.kernel, key: Self.bellKey)
        for server in 0..<count { try listen(server) }
    }

    func result() -> LiveServers.Account {
        account.busyAtStart = staged.busyAtStart
        account.busyAtEnd = staged.busyAtEnd
        account.slots = staged.slots
        account.weights = account.slots.indices.map { staged.group(of: $0).weight }
        return account
    }

    // MARK: - The turn

    func run() {
        while !isStopping {
            let now = Clock.monotonic()
            let count = loop.wait(until: nextWake(now), now: now)
            for index in 0..<count {
                let event = loop.kernel.event(index)
                switch event.key {
                case 0: break  // The timer.
                case Self.bellKey: obey()
                case ..<(Self.firstListenerKey + UInt64(listeners.count)):
                    accept(Int(event.key - Self.firstListenerKey))
                default:
                    if let connection = connections[event.key] {
                        ready(event.key, connection, event.readiness)
                    }
                }
            }
            play()
        }
        for key in connections.keys { close(key) }
        for server in listeners.indices { stopListening(server) }
    }

    private func nextWake(_ now: LoopInstant) -> LoopInstant {
        var wake = now + Self.patience
        if let clock { wake = min(wake, clock.instant(of: staged.nextTime)) }
        return wake
    }

    private var now: Double { clock?.time(of: Clock.monotonic()) ?? 0 }

    private func obey() {
        for command in commands?.collect() ?? [] {
            switch command {
            case .begin(let origin): clock = ScenarioTime(origin: origin, unit: unit)
            case .done(.join(let server)):
                account.transcript.note(.joined(server: Int32(server)), at: now)
            case .done(.drain(let server)), .done(.leave(let server)):
                account.transcript.note(.left(server: Int32(server)), at: now)
            case .done(.takeOut(let server)): staged.finished(server, at: now)
            case .done(.bringBack(let server)):
                account.transcript.note(.returned(server: Int32(server)), at: now)
            case .failed(let sentence): account.failure = account.failure ?? sentence
            case .stop: isStopping = true
            }
        }
    }

    /// Does what the scenario wants done by now.
    private func play() {
        guard let clock else { return }
        while let happening = staged.next(until: now) {
            switch happening.action {
            case .answer(let tag, let fails):
                answer(tag, fails: fails)
                account.lateness.record(Clock.monotonic() - clock.instant(of: happening.time))
            case .refuse(let server):
                stopListening(server)
                endIdle(server)
            case .accept(let server): listenAgain(server)
            case .die(let server, _):
                stopListening(server)
                reset(server)
            case .join(let server):
                listenAgain(server)
                operate(.join(server))
            case .drain(let server): operate(.drain(server))
            case .leave(let server): operate(.leave(server))
            case .takeOut(let server): operate(.takeOut(server))
            case .bringBack(let server): operate(.bringBack(server))
            }
        }
    }

    // MARK: - Sockets

    private func listen(_ server: Int) throws(Errno) {
        guard !listeners[server].isOpen else { return }
        let address = SocketAddress.ipv4(0x7F00_0001, port: ports[server])
        let socket = try ListeningSocket.open(address, backlog: 4096)
        try loop.kernel.watch(socket, key: Self.firstListenerKey + UInt64(server), .level)
        listeners[server].socket = socket
        listeners[server].isOpen = true
    }

    private func listenAgain(_ server: Int) {
        do throws(Errno) {
            try listen(server)
        } catch {
            account.failure = "server s\(server + 1) cannot listen again: \(error)"
        }
    }

    private func stopListening(_ server: Int) {
        guard listeners[server].isOpen else { return }
        listeners[server].isOpen = false
        listeners[server].socket = .none
    }

    private func accept(_ server: Int) {
        while listeners[server].isOpen {
            switch loop.kernel.accept(listeners[server].socket) {
            case .none: return
            case .failed: return
            case .connection(let socket, _):
                let key = nextKey
                nextKey += 1
                guard (try? loop.kernel.watch(socket, key: key, .edges)) != nil else { return }
                connections[key] = ServerConnection(server: server, socket)
                account.connectionCount += 1
            }
        }
    }

    private func close(_ key: UInt64) {
        guard let connection = connections.removeValue(forKey: key) else { return }
        connection.socket = .none
    }

    private func endIdle(_ server: Int) {
        for (key, connection) in connections where connection.server == server {
            if connection.request < 0 { close(key) } else { connection.closes = true }
        }
    }

    private func reset(_ server: Int) {
        for (key, connection) in connections where connection.server == server {
            if connection.request >= 0 {
                account.transcript.note(
                    .attemptFailed(request: connection.request, server: Int32(server)), at: now)
            }
            loop.kernel.resetOnClose(connection.socket)
            close(key)
        }
    }

    // MARK: - Requests

    private func ready(_ key: UInt64, _ connection: ServerConnection, _ readiness: Readiness) {
        if readiness.contains(.writable) { write(key, connection) }
        while connections[key] != nil {
            if connection.input.isEmpty { connection.input.reset() }
            guard connection.input.room > 0 else { return close(key) }
            switch loop.kernel.receive(
                connection.socket, into: &connection.input, atMost: connection.input.room)
            {
            case .bytes: read(key, connection)
            case .wouldBlock: return
            // The proxy has given up; a request that it had sent goes on all the same.
            case .endOfStream, .failed: return close(key)
            }
        }
    }

    private func read(_ key: UInt64, _ connection: ServerConnection) {
        guard connection.request < 0, !connection.hangs,
            HeadParser.hasCompleteHead(connection.input.bytes, scanned: &connection.scanned)
        else { return }
        guard
            let parsed = try? HeadParser.parseRequest(
                connection.input.bytes, limits: HeadLimits(), fields: &fields),
            case .complete(let head, let byteCount) = parsed, !head.framing.hasContent
        else { return close(key) }
        let number = BenchFields.number(
            BenchFields.request, in: fields, of: connection.input.bytes)
        connection.input.consume(byteCount)
        connection.scanned = 0
        guard let number, plan.requests.indices.contains(number), clock != nil else {
            return check(key, connection)
        }
        begin(number, key, connection)
    }

    private func begin(_ number: Int, _ key: UInt64, _ connection: ServerConnection) {
        connection.request = Int32(number)
        let time = now
        account.transcript.note(
            .picked(request: Int32(number), server: Int32(connection.server)), at: time)
        let isHit = staged.take(
            plan.requests[number], tag: key, at: connection.server, now: time)
        if isHit { account.transcript.note(.remembered(request: Int32(number)), at: time) }
        play()
    }

    private func check(_ key: UInt64, _ connection: ServerConnection) {
        switch staged.check(connection.server) {
        case .passes: send(key, connection, isError: false)
        case .fails: send(key, connection, isError: true)
        case .hangs: connection.hangs = true
        }
    }

    private func answer(_ key: UInt64, fails: Bool) {
        guard let connection = connections[key], connection.request >= 0 else { return }
        if fails {
            account.transcript.note(
                .attemptFailed(request: connection.request, server: Int32(connection.server)),
                at: now)
        }
        connection.request = -1
        send(key, connection, isError: fails)
        // Another request may have come before this answer.
        if connections[key] != nil, !connection.input.isEmpty { read(key, connection) }
    }

    private func send(_ key: UInt64, _ connection: ServerConnection, isError: Bool) {
        if connection.output.isEmpty { connection.output.reset() }
        guard connection.output.room >= 200 else { return close(key) }
        connection.output.append(
            isError ? "HTTP/1.1 503 Service Unavailable\r\n" : "HTTP/1.1 200 OK\r\n")
        if connection.closes { connection.output.append("Connection: close\r\n") }
        connection.output.append("Content-Length: 2\r\n")
        connection.output.append(text: BenchFields.server)
        connection.output.append(": ")
        connection.output.append(decimal: UInt64(connection.server + 1))
        connection.output.append(isError ? "\r\n\r\nno" : "\r\n\r\nok")
        write(key, connection)
        if connection.closes, connection.output.isEmpty { close(key) }
    }

    private func write(_ key: UInt64, _ connection: ServerConnection) {
        while connections[key] != nil, !connection.output.isEmpty {
            switch loop.kernel.send(connection.socket, connection.output.bytes) {
            case .bytes(let count): connection.output.consume(count)
            case .wouldBlock: return
            case .endOfStream, .failed: return close(key)
            }
        }
    }
}
