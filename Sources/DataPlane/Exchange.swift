import HTTP
import HTTP1
import Linux
import Memory
import Telemetry
import Timing

/// One request and its response, from the complete head to the last byte sent.
///
///     request   awaiting server → sending head → relaying content → sent
///     response  awaiting head → relaying content → complete
///     attempt   choosing → (queued | backing off) → connecting → in flight → settled
///
/// The halves advance independently, because a server may answer before it has read all.
struct Exchange: ~Copyable {
    enum Stage: UInt8 {
        /// All eligible servers are full.
        case queued
        /// An attempt has ended: the turn chooses a server for the next one.
        case choosing
        /// Waiting before another attempt.
        case backingOff
        case connecting
        case relaying
        /// After 101: bytes both ways (RFC 9110 §7.8).
        case tunnel
        /// Our own answer, or the rest of one, is on its way out.
        case answering
        case finished
    }

    enum ResponseStage: UInt8 { case awaitingHead, content, complete }

    let client: Client
    var server: Server?
    /// The configuration it began with; with `terms`, the current one, which says nothing for it.
    var plan: Place<Plan>
    /// What counts instead, once its answer has begun and its plan has been replaced.
    var terms: Place<LateTerms>?
    var service: Place<ServiceState>?

    // MARK: The request

    /// Positions in it count from `headStart` in the client's input.
    var head: RequestHead
    var headStart: Int
    var route: Int32 = -1
    var stage = Stage.connecting
    var responseStage = ResponseStage.awaitingHead
    /// The content of the request: validated up to `validEnd`, sent up to `sentEnd`; raw bytes
    /// from `rawStart`. Positions in the client's input.
    var validEnd = 0
    var sentEnd = 0
    var rawStart = 0
    var requestRemaining: UInt64 = 0
    var requestDecoder = ChunkedDecoder()
    var isRequestReceived = false
    var isRequestSent = false
    /// The server takes no more of the request; an answer may still come.
    var isSendingRefused = false
    /// The decoder cannot go on with the raw bytes that are left: it needs more of them.
    var isDecoderHungry = false
    var isResponseDecoderHungry = false
    /// The response waits for the client to take what there is.
    var isAwaitingClient = false
    /// Everything received of the content is still in the client's input.
    var canReplay = true
    /// The client's own request identifier is to be kept.
    var keepsRequestID = false
    /// The client is a proxy whose word about its own client counts.
    var isTrusted = false
    var hasQueued = false
    /// It waits, or has waited, because nobody could be picked.
    var isHeld = false
    /// It is its turn to go on after that.
    var isReleased = false
    /// It has waited, and comes before those who are only beginning.
    var isWoken = false
    /// Attempts that do not count against their servers any more: the service has been empty
    /// since.
    var forgivenCount = 0
    var queuedAt = LoopInstant.zero
    var queueDeadline = LoopInstant.never
    var requestID: UInt64 = 0

    // MARK: The response

    /// As for the request, in the server's input.
    var responseValidEnd = 0
    var responseRawStart = 0
    var responseRemaining: UInt64 = 0
    var responseDecoder = ChunkedDecoder()
    var responseFraming = ResponseFraming.noContent
    var responseRewrite = ContentRewrite.none
    var serverPersists = false
    /// A chunk of ours has been begun and its line end is still to come.
    var hasOpenChunk = false
    var clientPersists: Bool
    /// A byte of a final response has gone to the client.
    var hasAnswered = false
    var isTunnelTimed = false
    /// Bytes from the beginning: there is no request, and no answer of ours.
    var isRaw = false
    var closesTunnelToServer = false
    var closesTunnelToClient = false
    var requestPipe: Place<Pipe>?
    var responsePipe: Place<Pipe>?

    // MARK: The attempts

    var attemptCount = 0
    /// Attempts that were repeated without counting as retries.
    var freeRepeatCount: UInt8 = 0
    var tried: [8 of AttemptNote] = .init(repeating: AttemptNote())
    /// The server whose in-flight count includes this exchange; −1 for none.
    var heldCell: Int32 = -1
    /// Where that server was in the roster from which it was chosen: a hint, which is compared
    /// with the cell, since the roster may have changed.
    var memberIndex: Int32 = -1
    /// Where its attempt was counted besides, and is to be taken off again.
    var countsAge = false
    var countsTotal = false
    /// Of its server when it came there (``LoadClass``), where times are recorded by load.
    var loadClass: UInt8 = 0
    var key = RequestKey.unknown
    var mustConnectAnew = false
    var whyNoRetry = Retried.no
    /// The queue of exchanges that wait for a slot, or that of those which are to choose anew,
    /// by exchange slot.
    var nextWaiting = UInt32.max
    var previousWaiting = UInt32.max

    // MARK: The account

    let began: LoopInstant
    /// Of the configuration in which it began: the log names servers by it, also those whose
    /// cells have been given to others since.
    let generation: Int
    var attemptBegan: LoopInstant
    /// Time spent waiting for a free server, and connecting, in nanoseconds.
    var queuedNanoseconds: UInt64 = 0
    var connectNanoseconds: UInt64 = 0
    var sentAt = LoopInstant.zero
    var answeredAt = LoopInstant.zero
    var deadline = LoopInstant.never
    var totalDeadline = LoopInstant.never
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    var status: UInt16 = 0
    var reason = Reason.ok
    /// The rule that a refused message broke, for the log.
    var rule: StaticString = ""
    /// A tunnel keeps its head here, in a block of its size, and gives the large one back.
    var savedHead = Buffer()

    init(
        client: Client, plan: Place<Plan>, head: RequestHead, headStart: Int, now: LoopInstant
    ) {
        self.client = client
        self.plan = plan
        self.head = head
        self.headStart = headStart
        clientPersists = head.persists
        began = now
        generation = plan.value.generation
        attemptBegan = now
        let contentStart = headStart + head.headByteCount
        validEnd = contentStart
        sentEnd = contentStart
        rawStart = contentStart
        switch head.framing {
        case .noContent: isRequestReceived = true
        case .contentLength(let byteCount):
            requestRemaining = byteCount
            isRequestReceived = byteCount == 0
        case .chunked: break
        }
    }

    var contentStart: Int { headStart + head.headByteCount }
}

/// What happens to content on its way to the client.
enum ContentRewrite: UInt8 {
    case none
    /// An HTTP/1.0 client does not know chunked coding: the end of the connection ends it.
    case removeChunks
    /// The server ends its content by closing: chunks tell the client where it ends, and that
    /// it was not cut.
    case addChunks
}

struct AttemptNote: BitwiseCopyable {
    var cell: UInt32 = .max
    var reason = Reason.ok
    var microseconds: UInt32 = 0
}

typealias Turn = Place<Exchange>
