import Linux
import Memory
import Timing

/// One connection to a server: leased to an exchange, or idle in the pool of its server.
///
///             connected            checked out
///  connecting ─────────▶ leased ◀──────────────▶ idle
///      │ refused,          │        checked in     │ idle too long, peer finished,
///      ▼ timed out         ▼ failed, must close    ▼ drain
///    closed              closed                  closed
struct Upstream: ~Copyable {
    enum Phase: UInt8 {
        case connecting
        case leased
        case idle
        /// HTTP/2: its streams are leased, each as a connection of its own.
        case multiplexing
        case closed
    }

    /// What the end of a stream says about the request on it (RFC 9113 §8.7).
    enum Ending: UInt8 {
        /// Nothing: the server may have acted on it.
        case unknown
        /// REFUSED_STREAM: it was not looked at, and may be sent again.
        case refused
        /// The connection ended before the stream's turn came (GOAWAY): the same, and no sign
        /// of an overloaded server.
        case passedOver
    }

    let socket: FileDescriptor
    var link = Link()
    /// The slot of the HTTP/2 session.
    var session = UInt32.max
    var input = Buffer()
    /// The part of a request head that could not be sent at once.
    var output = Buffer()
    var exchange: Place<Exchange>?
    /// The pool's list, freshest first, by slot.
    var older = UInt32.max
    var fresher = UInt32.max
    let cell: Int32
    var deadline = LoopInstant.never
    let since: LoopInstant
    /// Of its ``SessionSlot``, when it was opened.
    let trust: UInt32
    var requestCount: UInt32 = 0
    var phase = Phase.connecting
    var ready: Readiness = []
    /// Bytes of the present request that this connection has accepted.
    var hasSentAnything = false
    var ending = Ending.unknown
    /// The server waits for a PROXY header before anything else.
    var owesAnnouncement = false

    init(socket: consuming FileDescriptor, cell: Int, since: LoopInstant, trust: UInt32) {
        self.socket = socket
        self.cell = Int32(cell)
        self.since = since
        self.trust = trust
    }

    /// Its peer may have closed it a moment ago, so a failure before the first byte of an
    /// answer is no sign of a bad server (RFC 9112 §9.3.1).
    var isReused: Bool { requestCount > 1 }
}

typealias Server = Place<Upstream>

/// The idle connections of one loop to one server: a list through the connections.
///
/// Last in, first out: the one used most recently has the warmest congestion window and is
/// the least likely to have been closed by the peer meanwhile.
struct ServerPool: BitwiseCopyable {
    var freshest = UInt32.max
    var oldest = UInt32.max
    var idleCount: UInt32 = 0
}
