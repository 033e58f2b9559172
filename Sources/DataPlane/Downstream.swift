import Linux
import Memory
import Timing

/// One connection from a client.
///
///               first byte            head complete
///      idle ──────────▶ readingHead ──────────▶ exchanging
///       │ ▲                  │                    │    │
///       │ └──────────────────┼────────────────────┘    │
///       │    exchange done, connection persists        │
///       │ timed out, drain,  │ too slow: 408           │ close required
///       ▼ peer finished      ▼                         ▼
///     closed ◀──────────── lingering ◀─────────────────┘
///
/// ## Ownership
/// - `input` holds the head of the exchange under way, whole and unchanged until the exchange
///   ends, then its content, then what the client sent ahead. An idle connection has no block.
/// - `output` holds what could not be sent at once; empty, without a block, nearly always.
struct Downstream: ~Copyable {
    enum Phase: UInt8 {
        /// The balancer in front says who the client is.
        case announcing
        /// Its first message says which name it wants; TLS is the server's affair.
        case naming
        /// TLS is being agreed on.
        case handshaking
        case idle
        case readingHead
        case exchanging
        /// HTTP/2: its streams have exchanges, each through a client of its own.
        case multiplexing
        /// Sending is shut down; what arrives is discarded (RFC 9112 §9.6).
        case lingering
        /// Removed at the end of the turn.
        case closed
    }

    let socket: FileDescriptor
    var link = Link()
    /// The slot of the HTTP/2 session.
    var session = UInt32.max
    var input = Buffer()
    var output = Buffer()
    var exchange: Place<Exchange>?
    /// The client: of the connection, or as a trusted balancer says.
    var peer: SocketAddress
    /// When the timer has something to say; later than the wheel knows, possibly.
    var deadline = LoopInstant.never
    /// When a connection that lingers ends, however much its client still sends.
    var lingersUntil = LoopInstant.never
    /// How far the search for the end of the head has come, from the start of `input`.
    var scanned: Int32 = 0
    var requestCount: UInt32 = 0
    let listener: UInt16
    var phase = Phase.idle
    var ready: Readiness = []
    var isQueued = false
    /// Counts towards `connections_per_client`.
    var isCounted = false

    init(socket: consuming FileDescriptor, peer: SocketAddress, listener: UInt16) {
        self.socket = socket
        self.peer = peer
        self.listener = listener
    }
}

typealias Client = Place<Downstream>
