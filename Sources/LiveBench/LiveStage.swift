import Linux
import Simulation
import Synchronization
import Timing

/// What one run needs besides servers and generator: a directory, and running proxies.
final class LiveStage {
    private static let patience = Interval.seconds(15)

    private let scenario: Scenario
    private let contender: Contender
    private let setting: LiveSetting
    private let directory: String
    private var files: [String] = []
    private var proxies: [Int32] = []
    private(set) var targets: [SocketAddress] = []
    let orders: Orders

    init(_ scenario: Scenario, _ contender: Contender, _ setting: LiveSetting) throws(LiveFailure) {
        self.scenario = scenario
        self.contender = contender
        self.setting = setting
        orders = Orders(setting.changes)
        do throws(Errno) {
            directory = try File.makePrivateDirectory()
        } catch {
            throw LiveFailure(.broken, "no directory can be made for the proxy: \(error)")
        }
    }

    /// Ends what was started, and removes what was made.
    func clear() {
        for process in proxies where Children.isRunning(process) {
            try? Signal.terminate.send(to: process)
        }
        let deadline = Clock.monotonic() + .seconds(3)
        for process in proxies {
            while Children.isRunning(process) {
                if Clock.monotonic() > deadline { Children.kill(process) }
                ThisProcess.sleep(.milliseconds(5))
            }
        }
        proxies = []
        for file in files { File.remove(file) }
        // What other programs have made there.
        for name in File.names(in: directory) {
            File.remove("\(directory)/\(name)")
            File.removeDirectory("\(directory)/\(name)")
        }
        File.removeDirectory(directory)
    }

    private var log: String { "\(directory)/proxy.log" }

    /// Workers that share their counts are loops of one process; others know nothing of each
    /// other, and are processes.
    private var processCount: Int { scenario.sharesCounts ? 1 : scenario.workers }

    func startProxies(_ ports: [UInt16], _ progress: RunProgress) throws(LiveFailure) {
        let groups = scenario.groups.flatMap { Array(repeating: $0, count: $0.count) }
        let servers = groups.enumerated().map { index, group in
            LiveServer(
                name: "s\(index + 1)", port: ports[index], weight: group.weight,
                isBackup: group.isBackup)
        }
        for number in 0..<processCount {
            let order = RecipeOrder(
                scenario: scenario, contender: contender, servers: servers,
                port: try freePort(), directory: directory, number: number, unit: setting.unit,
                workers: scenario.sharesCounts ? scenario.workers : 1, http: setting.http)
            try start(order, progress)
        }
        guard processCount == 1, scenario.workers > 1 else { return }
        targets = Array(repeating: targets[0], count: scenario.workers)
    }

    private func start(_ order: RecipeOrder, _ progress: RunProgress) throws(LiveFailure) {
        let recipe: ProxyRecipe
        if let rival = contender.rival {
            guard let path = setting.rivals[rival], let made = rival.make(order, executable: path)
            else { throw LiveFailure(.broken, "\(rival.title) has no \(contender.name)") }
            recipe = made
        } else {
            recipe = StaitheRecipe.make(order, executable: setting.executable)
        }
        let process: Int32
        do throws(Errno) {
            for file in recipe.files {
                try File.writePrivately(Array(file.text.utf8), to: file.name)
                files.append(file.name)
            }
            process = try Children.start(recipe.words, log: log)
        } catch {
            throw LiveFailure(.broken, "\(recipe.words[0]) cannot be started: \(error)")
        }
        proxies.append(process)
        let address = SocketAddress.ipv4(0x7F00_0001, port: order.port)
        targets.append(address)
        if let socket = recipe.socket { orders.add(socket) }
        try wait(for: process, address, recipe, order.servers.count, progress)
    }

    private func wait(
        for process: Int32, _ address: SocketAddress, _ recipe: ProxyRecipe, _ serverCount: Int,
        _ progress: RunProgress
    ) throws(LiveFailure) {
        let deadline = Clock.monotonic() + Self.patience
        while Clock.monotonic() < deadline {
            guard !progress.isStopped else { throw LiveFailure(.stopped, "stopped") }
            guard Children.isRunning(process) else {
                proxies.removeAll { $0 == process }
                throw LiveFailure(.broken, "\(recipe.words[0]) ended at once:\n\(lastWords)")
            }
            if (try? ListeningSocket.isTaken(address)) ?? false {
                guard let socket = recipe.socket else { return }
                if setting.changes.isReady(socket, servers: serverCount) { return }
            }
            ThisProcess.sleep(.milliseconds(10))
        }
        throw LiveFailure(.broken, "\(recipe.words[0]) does not serve:\n\(lastWords)")
    }

    /// - Throws: when a proxy has ended during the run.
    func checkAlive() throws(LiveFailure) {
        for process in proxies where !Children.isRunning(process) {
            proxies.removeAll { $0 == process }
            throw LiveFailure(.broken, "the proxy ended during the run:\n\(lastWords)")
        }
    }

    private var lastWords: String {
        let bytes = (try? File.read(log)) ?? []
        return String(decoding: bytes.suffix(2000), as: UTF8.self)
    }

    private func freePort() throws(LiveFailure) -> UInt16 {
        do throws(Errno) {
            let place = try ListeningSocket.reserve(SocketAddress.ipv4(0x7F00_0001, port: 0))
            return try ListeningSocket.address(of: place).port
        } catch {
            throw LiveFailure(.broken, "there is no free port: \(error)")
        }
    }
}

/// Carries out at the proxies what the scenario wants done, each order on a thread of its own:
/// some take as long as a server takes to finish.
final class Orders: Sendable {
    private struct State {
        var sockets: [String] = []
        var servers: LiveServers?
        var groups: [ServerGroup] = []
    }

    private let changes: any ProxyOperator
    private let state = Locked(State())
    private let underWay = Atomic<Int>(0)

    init(_ changes: any ProxyOperator) { self.changes = changes }

    func add(_ socket: String) { state.withLock { $0.sockets.append(socket) } }

    func begin(_ servers: LiveServers, _ scenario: Scenario) {
        var groups = scenario.groups.flatMap { Array(repeating: $0, count: $0.count) }
        let joins = scenario.disturbances.filter { if case .join = $0.kind { true } else { false } }
            .sorted { scenario.beginning(of: $0) < scenario.beginning(of: $1) }
        for join in joins {
            if case .join(let group) = join.kind {
                groups += Array(repeating: group, count: group.count)
            }
        }
        state.withLock { state in
            state.servers = servers
            state.groups = groups
        }
    }

    /// Waits for those that are under way.
    func wait() {
        while underWay.load(ordering: .acquiring) > 0 { ThisProcess.sleep(.milliseconds(2)) }
    }

    func carryOut(_ order: LiveServers.Order) {
        underWay.wrappingAdd(1, ordering: .relaxed)
        let started: Void? = try? Thread.start(name: "bench-order") { [self] in
            carryOutNow(order)
            underWay.wrappingSubtract(1, ordering: .releasing)
        }
        guard started == nil else { return }
        underWay.wrappingSubtract(1, ordering: .releasing)
        state.withLock { $0.servers }?.failed("a thread for an order cannot be started")
    }

    private func carryOutNow(_ order: LiveServers.Order) {
        let (sockets, found, groups) = state.withLock { ($0.sockets, $0.servers, $0.groups) }
        guard let servers = found else { return }
        do throws(LiveFailure) {
            for socket in sockets { try carryOut(order, servers, groups, at: socket) }
            servers.done(order)
        } catch {
            servers.failed(error.sentence)
        }
    }

    private func carryOut(
        _ order: LiveServers.Order, _ servers: LiveServers, _ groups: [ServerGroup],
        at socket: String
    ) throws(LiveFailure) {
        switch order {
        case .join(let server), .bringBack(let server):
            let new = LiveServer(
                name: Self.name(server), port: servers.ports[server],
                weight: groups[server].weight, isBackup: groups[server].isBackup)
            try changes.add(new, at: socket)
        case .drain(let server), .takeOut(let server):
            try changes.drain(Self.name(server), at: socket)
        case .leave(let server): try changes.remove(Self.name(server), at: socket)
        }
    }

    private static func name(_ server: Int) -> String { "s\(server + 1)" }
}
