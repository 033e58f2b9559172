import Configuration
import Discovery
import Health
import Linux
import Timing

/// A service as it runs. Its number stays with its name until no loop knows it any more.
final class ServiceEntry {
    let name: String
    let id: Int
    var configuration: ServiceConfiguration
    var servers: [ServerEntry] = []
    var traffic = ServiceTraffic()
    /// Nobody would be left without those that their source calls down, so they count.
    var doubtsItsSources = false

    init(_ configuration: ServiceConfiguration, id: Int) {
        name = configuration.name
        self.id = id
        self.configuration = configuration
    }

    var thresholds: HealthThresholds {
        HealthThresholds(
            upAfter: configuration.health.upAfter, downAfter: configuration.health.downAfter,
            beforeTraffic: configuration.health.isEnabled ? configuration.health.beforeTraffic : 0)
    }
}

/// A server as it runs, from the change that brought it to the moment when its cell is free.
final class ServerEntry {
    /// The last check that ended.
    struct Check {
        var verdict: ProbeVerdict
        var duration: Interval
        /// Nanoseconds since 1970.
        var at: Int64
    }

    /// Kept alive by its servers: they may outlive its place in the configuration.
    let service: ServiceEntry
    let cell: Int
    let address: SocketAddress
    var configuration: ServerConfiguration
    /// Unique in its service, over all sources.
    let identity: String
    var source: ServerSet.SourceName
    /// What its source makes of it; ``ServerState/ready`` for those of an operator.
    var sourceState: ServerState
    /// Its source names it no more: it is about to leave.
    var isForsaken = false
    /// The name in its address has had none for so long that the one it had may be another's.
    var isNameless = false
    /// Without checks: a connection to it has been made, or nobody asks for one.
    var isAdmitted: Bool
    /// When it was started, in nanoseconds since 1970, as its source says.
    let startedAt: Int64?
    /// From that moment to the one when it could take requests, and to its first answer.
    var timeToUp: Interval?
    var timeToFirstRequest: Interval?
    /// In service since the process started: its first rise is nothing to warm up for.
    let isInitial: Bool
    var health: ServerHealth
    var schedule: CheckSchedule
    var probe: Probe?
    /// Of the address to which its name leads now.
    var probeOfMove: Probe?
    /// Where its name leads now, when that was learnt while a check was under way.
    var addressAfterCheck: SocketAddress?
    /// Of the next check; none while one is under way.
    var checkTimer: ControlLoop.Timer?
    /// Something has happened since the check that is under way began.
    var isCheckDue = false
    var lastCheck: Check?
    /// Failed checks in a row.
    var failureCount = 0
    /// When its state changed last, in nanoseconds since 1970.
    var since: Int64
    var operatorState = LiveChanges.OperatorState.up
    var hasBeenUp = false
    var isWarming = false
    var isLeaving = false
    var ejectedUntil = LoopInstant.zero
    var traffic = ServerTraffic()

    init(
        _ member: ServerSet.Member, service: ServiceEntry, cell: Int, address: SocketAddress,
        isInitial: Bool, now: LoopInstant
    ) {
        configuration = member.server.configuration
        self.service = service
        self.cell = cell
        self.address = address
        self.isInitial = isInitial
        identity = member.identity
        source = member.source
        sourceState = member.server.state
        isAdmitted = member.server.state == .ready || member.server.state == .admitted
        startedAt = member.server.startedAt
        health = ServerHealth(service.thresholds)
        if member.server.state == .admitted { _ = health.vouched() }
        schedule = CheckSchedule(now: now)
        since = Clock.wall()
    }

    var id: String { configuration.name }
    /// Under which an operator's wishes are remembered.
    var key: LiveChanges.Key {
        LiveChanges.Key(service: service.name, server: isFound ? identity : id)
    }
    var isLive: Bool { source == .live }
    /// By a source, and not by a person.
    var isFound: Bool { !source.isOperators }

    /// Its checks pass, or nobody asks for any; and its source has nothing against it.
    var isUp: Bool {
        if sourceState == .down, !service.doubtsItsSources { return false }
        return service.configuration.health.isEnabled ? health.isServing : isAdmitted
    }

    /// It finishes what it has.
    var isDraining: Bool {
        isLeaving || isForsaken || isNameless || operatorState == .drain || sourceState == .draining
    }

    /// New requests may go there.
    var isInRotation: Bool {
        isUp && operatorState == .up && !isDraining && configuration.weight > 0
    }
}

/// A listener as it runs. Its number stays with its address.
final class ListenerEntry {
    let id: Int
    let address: ListenAddress
    var configuration: ListenerConfiguration
    /// Removed, and no loop listens there any more.
    var isClosed = false
    /// Of a Unix socket.
    var file: File.Identity?

    init(_ configuration: ListenerConfiguration, id: Int) {
        self.id = id
        address = configuration.address
        self.configuration = configuration
    }
}

extension ListenAddress {
    /// For the kernel. The configuration holds numeric addresses only.
    var socketAddress: SocketAddress {
        switch self {
        case .tcp(let host, let port):
            guard let address = SocketAddress(numeric: host, port: port) else {
                preconditionFailure("'\(host)' was read as a numeric address")
            }
            return address
        case .unix(let path):
            guard let address = SocketAddress.unix(path) else {
                preconditionFailure("'\(path)' was read as the path of a socket")
            }
            return address
        }
    }

    /// Whether somebody else listens there.
    func isTaken() throws(Errno) -> Bool {
        switch self {
        case .tcp: try ListeningSocket.isTaken(socketAddress)
        case .unix(let path): AdminSockets.owner(of: path) != nil
        }
    }

    /// The path of the file of a Unix socket; none for a name without a file.
    private var filePath: String? {
        guard case .unix(let path) = self, path.hasPrefix("/") else { return nil }
        return path
    }

    /// Which file stands there.
    var file: File.Identity? { filePath.flatMap { File.identity(of: $0) } }

    /// Removes our own file, and not that of another process that listens there by now.
    func remove(_ file: File.Identity?) {
        if let filePath, let file { File.remove(filePath, if: file) }
    }

    /// Removes the file of a Unix socket on which no process listens any more.
    func removeDeadFile() {
        if let filePath, File.isSocket(filePath) { File.remove(filePath) }
    }
}

/// Hands out small numbers: first the one that has been free for longest, so that tables are as
/// long as what there was at once, and not as what there ever was.
public struct Numbers {
    /// One more than the highest number that was ever handed out.
    public private(set) var count = 0
    /// From `firstFree` on.
    private var free: [Int] = []
    private var firstFree = 0
    public let capacity: Int

    public init(capacity: Int) { self.capacity = capacity }

    public var freeCount: Int { capacity - count + free.count - firstFree }

    /// `nil` when all are in use.
    public mutating func take() -> Int? {
        if firstFree < free.count {
            defer {
                firstFree += 1
                if firstFree == free.count {
                    free.removeAll()
                    firstFree = 0
                } else if firstFree > 1024, firstFree > free.count / 2 {
                    free.removeFirst(firstFree)
                    firstFree = 0
                }
            }
            return free[firstFree]
        }
        guard count < capacity else { return nil }
        count += 1
        return count - 1
    }

    public mutating func giveBack(_ number: Int) { free.append(number) }
}
