import HTTP2
import Linux
import Memory
import Timing

/// One HTTP/2 connection of this loop: of a client, or to a server.
///
///               handshake done         GOAWAY, too old, drain
///  connecting ────────────────▶ open ─────────────────────────▶ ending
///      │ failed                  │ peer gone, rule broken          │ the last stream
///      ▼                         ▼                                 ▼ has ended
///    closed                    closed                            closed
///
/// Its streams are connections of their own to everybody else: a ``Downstream`` or an
/// ``Upstream`` without a socket, whose ``Link`` leads here.
struct Session: ~Copyable {
    enum Owner {
        case client(Client)
        case server(Server)
    }

    var http2: HTTP2Session
    let owner: Owner
    /// What the socket has not taken. Without a block when there is nothing.
    var output = Buffer()
    var firstStream = UInt32.max
    var streamCount = 0
    /// Streams since the beginning.
    var streamTotal = 0
    var share = TurnShare()
    /// Waits for its turn to be flushed.
    var isDirty = false
    /// Events are being gone through: whoever adds some leaves them to that.
    var isHandling = false
    /// The socket takes no more for now.
    var isBlocked = false
    /// The connection stands; before, requests wait.
    var isOpen = false
    /// No further streams; what is open goes on.
    var isEnding = false
    /// The connection is gone; streams that have all they need still read it.
    var isDead = false
    var isSecure = false
    var lastReceived: LoopInstant
    /// Since when the peer is silent although something is expected of it.
    var silentSince: LoopInstant
    var pingedAt = LoopInstant.never
    /// Since when the socket has taken nothing.
    var blockedAt = LoopInstant.never
    /// When the socket has last taken something.
    var progressAt: LoopInstant

    // MARK: Of connections to servers

    let cell: Int32
    /// The server's SETTINGS have come: how many streams it takes is known.
    var knowsLimit = false
    /// The server has said GOAWAY.
    var hasGoneAway = false
    /// Streams whose head has been handed to the library. The others wait.
    var begunCount = 0
    /// The next session to the same server.
    var next = UInt32.max
    var streamLimit = Int.max
    var idleTimeout = Interval.seconds(60)
    let since: LoopInstant

    init(_ http2: consuming HTTP2Session, owner: Owner, cell: Int32, now: LoopInstant) {
        self.http2 = http2
        self.owner = owner
        self.cell = cell
        lastReceived = now
        silentSince = now
        progressAt = now
        since = now
    }
}

/// What one client's connection with many streams may cost its loop in one turn, so that the
/// loop's other clients never wait for all of them. In points, each some microsecond of work.
struct TurnShare {
    /// A request that finds its connection to a server ready.
    static let streamCost = 8
    /// A connection to a server.
    static let connectionCost = 40
    private static let whole = 256

    private var turn: UInt32 = 0
    private var left = whole

    /// Nothing more of this client is begun or moved before the next turn.
    func isSpent(in turn: UInt32) -> Bool { turn == self.turn && left <= 0 }

    mutating func spend(_ points: Int, in turn: UInt32) {
        if turn != self.turn { self = TurnShare(turn: turn) }
        left -= points
    }

    /// Content is read, copied and written.
    mutating func spend(bytes: Int, in turn: UInt32) { spend(bytes >> 11, in: turn) }

    init(turn: UInt32 = 0) { self.turn = turn }
}

/// One end of one exchange on a session: the text of HTTP/1.1 towards the exchange, frames
/// towards the peer.
struct Stream: ~Copyable {
    enum Owner {
        case client(Client)
        case server(Server)
    }

    /// How what comes in is told to the exchange.
    enum Incoming: UInt8 {
        /// As it is, for as long as it comes.
        case plain
        /// In chunks.
        case chunked
    }

    let session: Place<Session>
    let owner: Owner
    /// 0 before it is opened.
    var id: Int32
    var next = UInt32.max
    var previous = UInt32.max

    /// Heads that the exchange has not read.
    var head = Buffer()
    /// Content that the exchange has not read: no more than the stream's window.
    var pending = Buffer()
    /// How much of what a client sent keeps the connection's window closed until it is read.
    var heldWindow = 0
    /// Lines that came behind the content.
    var trailers = Buffer()
    var incoming = Incoming.plain
    /// The peer has finished.
    var isReceived = false
    /// The exchange knows.
    var hasToldEnd = false
    /// The stream is gone; nothing can be sent or will come.
    var isGone = false

    var outgoing = OutgoingKind.interim
    var reader = ChunkReader()
    /// Lines to go behind the content.
    var outgoingTrailers = Buffer()
    /// Our side has finished.
    var hasEnded = false
    /// The end could not be sent yet.
    var owesEnd = false
    var answersHead = false
    var isTunnel = false

    init(session: Place<Session>, owner: Owner, id: Int32) {
        self.session = session
        self.owner = owner
        self.id = id
    }
}
