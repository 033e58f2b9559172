import Balancing
import Configuration
import HTTP
import HTTP1
import HTTP2
import Health
import Linux
public import Memory
public import Reactor
import Routing
public import Synchronization
import TLS
import Telemetry
import Timing

/// What every loop is given at its start.
public struct WorkerParameters: Sendable {
    public var loop: Int
    public var loopCount: Int
    public var cells: ServerCells
    public var listenerCells: ListenerCells
    public var serviceCells: ServiceCells
    public var clientCounts: ClientCounts
    public var mailbox: LoopMailbox
    public var control: ControlMailbox
    /// The mailboxes of all loops, this one's included.
    public var siblings: [LoopMailbox]
    public var snapshot: Snapshot
    /// What `auto` stands for, over all loops and listeners.
    public var connectionCapacity: Int
    /// Bytes that the blocks of one loop may hold.
    public var blockBytes: Int
    /// How we call ourselves in `Via`; unique to this process, so that a loop is recognised.
    public var pseudonym: String

    public init(
        loop: Int, loopCount: Int, cells: ServerCells, listenerCells: ListenerCells,
        serviceCells: ServiceCells, clientCounts: ClientCounts, mailbox: LoopMailbox,
        control: ControlMailbox, siblings: [LoopMailbox],
        snapshot: Snapshot, connectionCapacity: Int, blockBytes: Int,
        pseudonym: String
    ) {
        self.loop = loop
        self.loopCount = loopCount
        self.cells = cells
        self.listenerCells = listenerCells
        self.serviceCells = serviceCells
        self.clientCounts = clientCounts
        self.mailbox = mailbox
        self.control = control
        self.siblings = siblings
        self.snapshot = snapshot
        self.connectionCapacity = connectionCapacity
        self.blockBytes = blockBytes
        self.pseudonym = pseudonym
    }
}

/// What all loops share of one listener.
public struct ListenerCell: ~Copyable, Sendable {
    public let connections: Atomic<Int>
    private let padding: [15 of Int]
}

public typealias ListenerCells = SharedTable<ListenerCell>

/// What all loops share of one service.
public struct ServiceCell: ~Copyable, Sendable {
    /// Exchanges that wait for a slot.
    public let waiting: Atomic<Int>
    /// Requests in flight on all its servers, while its strategy bounds their load; held slots
    /// included. Counted by exchanges that began while it does.
    public let inFlight: Atomic<Int>
    /// First attempts since the shadow was set, and those in which it agreed.
    public let shadowedPicks: Atomic<Int>
    public let shadowAgreed: Atomic<Int>
    /// The answer times of the servers that the shadow chose, less those of the ones that were
    /// used, in nanoseconds, over `shadowTimed` picks.
    public let shadowDifference: Atomic<Int>
    public let shadowTimed: Atomic<Int>
    private let padding: [10 of Int]
}

public typealias ServiceCells = SharedTable<ServiceCell>

/// One event loop's share of the proxy: its clients, its connections to servers, and the
/// exchanges between them. Nothing of it is shared but the cells.
///
/// Generic over the kernel, and specialised in this module by ``Serving``.
struct Worker<Kernel: KernelCalls & ~Copyable>: ~Copyable {
    var kernel: Kernel
    let loop: Int
    let loopCount: Int
    let cells: ServerCells
    let listenerCells: ListenerCells
    let serviceCells: ServiceCells
    let clientCounts: ClientCounts
    let mailbox: LoopMailbox
    let control: ControlMailbox
    let siblings: [LoopMailbox]
    let connectionCapacity: Int

    var clients: Slab<Downstream>
    var servers: Slab<Upstream>
    var secures: Slab<Secure>
    /// Handshakes that clients have begun, with a ClientHello, and not ended.
    var handshakeCount = 0
    /// Connections to listeners with TLS that have not said a ClientHello: a list through
    /// ``secures``, oldest first.
    var silentCount = 0
    var oldestSilent = UInt32.max
    var newestSilent = UInt32.max
    /// When it may be said again that some were closed.
    var silentSayableAt = LoopInstant.zero
    /// Steps of handshakes that this turn may still take.
    var handshakeBudget = 0
    /// This turn has put steps off.
    var postponesHandshakes = false
    /// The last turn has: those come first, however many clients come after them.
    var hasWaitingHandshakes = false
    /// The queue of what stopped early is being run.
    var isRunningQueue = false
    /// By the server's cell: what makes the next handshake short.
    var tlsSessions: FixedArray<SessionSlot>
    var sessions: Slab<Session>
    var streams: Slab<Stream>
    /// Clients that are streams.
    var streamClientCount = 0
    /// The first session by the server's cell.
    var sessionsOfCell: FixedArray<UInt32>
    /// Sessions that have something to send.
    var dirtySessions: TokenQueue
    var fieldScratch = FieldScratch()
    var exchanges: Slab<Exchange>
    var plans: Slab<Plan>
    var plan: Place<Plan>
    /// What the plan was made of.
    var snapshot: Snapshot
    var lateTerms: Slab<LateTerms>
    var services: Slab<ServiceState>
    /// The states of services by their number.
    var serviceTokens: FixedArray<Token>
    /// Idle connections by the server's cell.
    var pools: FixedArray<ServerPool>
    var listeners: Slab<ListenerState>
    /// The listening sockets by the listener's number.
    var listenerTokens: FixedArray<Token>
    var pausedListenerCount = 0
    /// Exchanges of this loop that wait for a slot, over all services.
    var waitingCount = 0
    /// Services in which something has become possible for those who wait.
    var wakingServices: TokenQueue
    /// Exchanges whose attempt has ended and who are to have another one: a list by slot.
    var firstChoosing = UInt32.max
    var lastChoosing = UInt32.max
    /// Services with a bound on requests per server.
    var limitedServiceCount = 0
    var hasSaidPaused = false

    var blocks: BufferPool
    /// When surplus blocks are looked at.
    var trimAt = LoopInstant.never
    /// When held requests are looked at; `.never` while there are none.
    var holdAt = LoopInstant.never
    var pipes: PipePool
    var wheel: TimerWheel
    var runQueue: TokenQueue
    var closedClients: TokenQueue
    var closedServers: TokenQueue
    var held = HeldSlots()

    /// Blocks of the loop's own. They stand in a slab because a span of a stored property
    /// would borrow the whole worker, kernel included.
    private var ownBlocks: Slab<Buffer>
    /// Where heads are composed before they are sent.
    let scratch: Place<Buffer>
    let pathScratch: Place<Buffer>
    /// Ciphertext on its way in and out; empty between two calls.
    let cipherIn: Place<Buffer>
    let cipherOut: Place<Buffer>
    var fields = FieldSection(capacity: Bounds.headerCount.upperBound)
    /// The exchange whose head the field section describes.
    var fieldsOwner = Token(slot: 0, generation: 0)
    var date = DateText()
    /// Add to the monotonic clock for the time of day.
    var wallOffset: Int64 = 0
    var wallReadAt = LoopInstant.zero
    /// For the choice of servers and the like; nothing of it is said to anybody.
    var random: LoopRandom
    var identifiers: IdentifierStream
    var now: LoopInstant
    /// Counts the turns, and starts again.
    var turnNumber: UInt32 = 0
    var counters = LoopCounters()
    var log: AccessRecordWriter
    /// What we call ourselves in Via.
    let pseudonym: Place<Buffer>

    var drainDeadline: LoopInstant?
    var cutCount = 0
    var isStopped = false

    /// Capacities are reserved as address space and touched as they are used.
    init(
        kernel: consuming Kernel, parameters: WorkerParameters, log: consuming AccessRecordWriter
    ) {
        var kernel = kernel
        let clientCapacity = parameters.connectionCapacity + 64
        let serverCapacity = clientCapacity
        now = kernel.now()
        random = LoopRandom(seed: kernel.entropy())
        identifiers = IdentifierStream(key: (kernel.entropy(), kernel.entropy()))
        self.kernel = kernel
        loop = parameters.loop
        loopCount = parameters.loopCount
        cells = parameters.cells
        listenerCells = parameters.listenerCells
        serviceCells = parameters.serviceCells
        clientCounts = parameters.clientCounts
        mailbox = parameters.mailbox
        control = parameters.control
        siblings = parameters.siblings
        connectionCapacity = parameters.connectionCapacity
        clients = Slab(capacity: clientCapacity)
        servers = Slab(capacity: serverCapacity)
        secures = Slab(capacity: clientCapacity + serverCapacity)
        tlsSessions = FixedArray(count: 0) { _ in SessionSlot() }
        sessions = Slab(capacity: clientCapacity + serverCapacity)
        streams = Slab(capacity: clientCapacity + serverCapacity)
        sessionsOfCell = FixedArray(repeating: .max, count: 0)
        dirtySessions = TokenQueue(capacity: clientCapacity + serverCapacity)
        exchanges = Slab(capacity: clientCapacity)
        // A plan that is not the current one is there for an exchange, and so is the state of a
        // service that is not configured any more: so neither table is ever full.
        plans = Slab(capacity: clientCapacity + 2)
        lateTerms = Slab(capacity: clientCapacity)
        snapshot = parameters.snapshot
        services = Slab(capacity: Bounds.services + clientCapacity)
        wakingServices = TokenQueue(capacity: 64)
        serviceTokens = FixedArray(repeating: Token(slot: 0, generation: 0), count: 0)
        pools = FixedArray(repeating: ServerPool(), count: 0)
        listeners = Slab(capacity: Bounds.listeners)
        listenerTokens = FixedArray(repeating: Token(slot: 0, generation: 0), count: 0)
        blocks = BufferPool(capacityBytes: parameters.blockBytes)
        pipes = PipePool()
        wheel = TimerWheel(capacity: clientCapacity + serverCapacity, now: now)
        runQueue = TokenQueue(capacity: clientCapacity)
        closedClients = TokenQueue(capacity: clientCapacity)
        closedServers = TokenQueue(capacity: serverCapacity)
        ownBlocks = Slab(capacity: 5)
        scratch = ownBlocks.insert(Buffer(capacity: BufferPool.largeByteCount * 2))
        pathScratch = ownBlocks.insert(Buffer(capacity: BufferPool.smallByteCount * 4))
        cipherIn = ownBlocks.insert(Buffer(capacity: BufferPool.largeByteCount))
        cipherOut = ownBlocks.insert(Buffer(capacity: BufferPool.largeByteCount))
        pseudonym = ownBlocks.insert(Buffer(capacity: 64))
        pseudonym.value.append(text: parameters.pseudonym)
        self.log = log
        plan = plans.insert(Plan(parameters.snapshot))
        adoptServices(of: parameters.snapshot)
    }

    /// The timers of clients come first, those of servers behind them.
    func timer(of client: Client) -> Int { Int(client.token.slot) }
    func timer(of server: Server) -> Int { clients.capacity + Int(server.token.slot) }
}

/// A listening socket of this loop.
struct ListenerState: ~Copyable {
    let socket: FileDescriptor
    let id: Int
    var isPaused = false
    /// After accept has failed.
    var restsUntil = LoopInstant.zero

    init(socket: consuming FileDescriptor, id: Int) {
        self.socket = socket
        self.id = id
    }
}

/// A ring of tokens. There is an entry or so for each slot of its slab; more only where the
/// tenant of a slot has left and the next one is here before the ring was gone through: then it
/// grows.
struct TokenQueue: ~Copyable {
    private var entries: FixedArray<Token>
    private var first = 0
    private(set) var count = 0

    init(capacity: Int) {
        entries = FixedArray(repeating: Token(slot: 0, generation: 0), count: capacity)
    }

    var isEmpty: Bool { count == 0 }

    mutating func push(_ token: Token) {
        if count == entries.count { grow() }
        var index = first + count
        if index >= entries.count { index -= entries.count }
        entries[index] = token
        count += 1
    }

    private mutating func grow() {
        var larger = FixedArray(
            repeating: Token(slot: 0, generation: 0), count: max(16, entries.count * 2))
        for index in 0..<count {
            let position = first + index
            larger[index] =
                entries[position < entries.count ? position : position - entries.count]
        }
        entries = larger
        first = 0
    }

    mutating func pop() -> Token? {
        guard count > 0 else { return nil }
        let token = entries[first]
        first = first + 1 == entries.count ? 0 : first + 1
        count -= 1
        return token
    }
}

/// Pipes for splicing, bounded for each loop; an exchange that gets none copies instead.
struct PipePool: ~Copyable {
    static let capacity = 64
    private var pipes = Slab<Pipe>(capacity: capacity)
    private var spare = TokenQueue(capacity: capacity)

    /// An empty pipe; `nil` when all are in use or the system has none left.
    mutating func take<Kernel: KernelCalls & ~Copyable>(_ kernel: inout Kernel) -> Place<Pipe>? {
        if let token = spare.pop() { return pipes.place(of: token) }
        guard !pipes.isFull, let pipe = kernel.makePipe() else { return nil }
        return pipes.insert(pipe)
    }

    /// Takes a pipe back. One with bytes inside is closed: they belong to nobody now.
    mutating func put(_ pipe: Place<Pipe>) {
        if pipe.value.fill == 0 {
            spare.push(pipe.token)
        } else {
            _ = pipes.remove(pipe)
        }
    }
}
