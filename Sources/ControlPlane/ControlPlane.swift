import Configuration
import DataPlane
import Discovery
import Linux
import Logging
import Memory
import Reactor
import TLS
import Timing

/// The calm side: reads the configuration, starts the loops, checks servers, changes things
/// while they run, and answers the admin socket.
///
/// Everything happens on the thread that calls ``run(_:)``, between two waits of its loop, so
/// nothing here is locked. The loops hear of it by mail; what they need at every request, and
/// the control plane alone decides, stands in the cells they share.
public final class ControlPlane {
    let loop: ControlLoop
    let options: ControlOptions
    var log: Logger
    let sentences: SentenceOutput

    // What is shared with the loops.
    let cells: ServerCells
    let listenerCells: ListenerCells
    let serviceCells: ServiceCells
    let mailboxes: [LoopMailbox]
    let control: ControlMailbox
    let names = NameTable()
    let accessLog: AccessLog
    let accessLogEvents: Mailbox<AccessLog.Event>

    // The configuration.
    /// As it was read last without a mistake.
    var base: ProxyConfiguration
    /// The same, with what labels say besides.
    var file: ProxyConfiguration
    var live = LiveChanges()
    /// 0 before the first configuration is published.
    var generation = 0
    var fileProblem: FileProblem?
    /// What the file contained when it was read last.
    var fileText: [UInt8] = []
    /// What TLS needs of `file`.
    var credentials = Credentials()
    let ticketKeys: TicketKeys
    var certificateWatchers: [FileWatcher] = []
    /// How often the files of certificates were seen to change.
    var certificateNotices = 0
    /// The files are about to be read anew.
    var isRenewalQueued = false
    /// The last thing said about certificates that cannot be used.
    var certificateComplaint: String?
    let nameService: NameService
    var followedNames: [String: FollowedName] = [:]
    /// Their names lead elsewhere: they are about to be put anew.
    var movedServers: Set<ObjectIdentifier> = []
    /// Of those, the ones at whose new address a check has passed.
    var vouchedServers: Set<LiveChanges.Key> = []
    let naming: Naming
    var watcher: FileWatcher?
    /// One change at a time: each waits for names to resolve, the others for it.
    var pendingChanges: [() -> Void] = []
    var isChanging = false

    // Where servers are found.
    /// By the name of the service.
    var sets: [String: ServerSet] = [:]
    var drivers: [SourceKey: RunningDriver] = [:]
    let engines: DockerEngines
    var catalogue: CatalogueKeeper?
    var saidCatalogue: SourceStanding?
    /// What labels said when somebody knew it last.
    var knownCatalogue: ServiceCatalogue?
    /// Services whose sources have said something that has not been applied yet.
    var heardServices: Set<String> = []
    /// Of the services with servers that only `min_servers` keeps: when they are let go.
    var givingUp: [String: ControlLoop.Timer] = [:]
    var isMembershipDue = false
    /// Found servers for which there was no room.
    var unplacedCount = 0

    // What runs.
    var services: [ServiceEntry] = []
    /// Of those that run, and of those that are gone and that a loop may still know.
    var serviceIDs: [String: Int] = [:]
    var serviceNumbers = Numbers(capacity: Bounds.services)
    /// Gone, and which report of the loops is the first that may say so.
    var retiredServices: [String: Int] = [:]
    /// Of labels, for which there are no numbers left.
    var unplacedServiceCount = 0
    var listeners: [ListenerEntry] = []
    /// Closed, but clients that came through them are still there.
    var retiredListeners: [ListenerEntry] = []
    var listenerNumbers = Numbers(capacity: Bounds.listeners)
    /// In service or leaving.
    var serverOfCell: [Int: ServerEntry] = [:]
    /// Over the service's own, for servers that an operator takes out.
    var drainTimes: [ObjectIdentifier: Interval] = [:]
    /// What waits for a leaving server to be gone.
    var whenGone: [ObjectIdentifier: [() -> Void]] = [:]
    var cellNumbers = Numbers(capacity: Bounds.servers)
    var random = SystemRandomNumberGenerator()

    // What the loops report.
    var requestedReportCount = 0
    var receivedReportCounts: [Int]
    var reports: [LoopReport?]
    var barriers: [(reportCount: Int, action: () -> Void)] = []
    /// Loops that do not accept.
    var pausedLoops: Set<Int> = []
    var pauseCount = 0
    var hasSaidPaused = false

    // Starting and stopping.
    let startedAt: Int64
    let startInstant: LoopInstant
    var isServing = false
    /// Initial servers whose first check has no verdict yet.
    var awaitedFirstChecks: Set<ObjectIdentifier> = []
    /// What is opened then.
    var closedDoors: [OpenedListener] = []
    var adminServer: AdminServer?
    var adminSocketPath: String?
    var isStopping = false
    var runningLoops: Set<Int> = []
    var cutCount = 0
    var exitStatus = ExitStatus.done

    /// Errors of the file that was read last; what runs is older.
    struct FileProblem {
        var errorCount: Int
        /// The diagnostics, or a sentence.
        var text: String
        /// In nanoseconds since 1970.
        var since: Int64
    }

    init(
        options: ControlOptions, configuration: ProxyConfiguration, ticketKeys: TicketKeys,
        workerCount: Int
    ) throws(Errno) {
        self.options = options
        self.ticketKeys = ticketKeys
        base = configuration
        file = configuration
        loop = try ControlLoop()
        let sentences = SentenceOutput()
        self.sentences = sentences
        log = Logger(label: "staithe") { _ in
            SentenceLogHandler(configuration.log, to: sentences)
        }
        cells = ServerCells(reserving: Bounds.servers)
        listenerCells = ListenerCells(reserving: Bounds.listeners)
        serviceCells = ServiceCells(reserving: Bounds.services)
        var mailboxes: [LoopMailbox] = []
        for _ in 0..<workerCount { mailboxes.append(try LoopMailbox()) }
        self.mailboxes = mailboxes
        control = try ControlMailbox()
        nameService = NameService(loop)
        naming = Naming(nameService)
        engines = DockerEngines(loop: loop, naming: naming)
        let events = try Mailbox<AccessLog.Event>()
        accessLogEvents = events
        accessLog = AccessLog(names: names) { events.post($0) }
        receivedReportCounts = Array(repeating: 0, count: workerCount)
        reports = Array(repeating: nil, count: workerCount)
        startedAt = Clock.wall()
        startInstant = Clock.monotonic()
    }

    var loopCount: Int { mailboxes.count }

    /// Every server that is in service.
    var servers: [ServerEntry] { services.flatMap(\.servers) }

    func post(_ message: LoopMessage) {
        for mailbox in mailboxes { mailbox.post(message) }
    }
}
