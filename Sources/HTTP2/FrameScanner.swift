import Memory
import Timing

/// Sees where frames begin and end (RFC 9113 §4.1), so that the library is given one at a time,
/// and that what costs without use is counted before anything is done for it.
struct FrameScanner: Sendable {
    enum FrameType {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let push: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
        /// RFC 9218 §7.1.
        static let priorityUpdate: UInt8 = 16
    }

    /// CONTINUATION frames in one head (CVE-2024-27983): the largest head that is usual fits into
    /// three frames. Some builds of the library end at nine, without a word of why.
    static let continuationBound = 6

    /// Of the connection preface (§3.4), which is no frame.
    private var prefaceLeft: Int
    private(set) var header: [9 of UInt8] = .init(repeating: 0)
    private var headerFill = 0
    private var payloadLeft = 0
    private var continuations = 0
    private var type: UInt8 = .max
    private var flags: UInt8 = 0
    private var stream: UInt32 = 0
    private let isOfClient: Bool
    /// The last stream that a client has opened, and those it has passed over before it.
    private var lastStream: UInt32 = 0
    /// The present frame has opened it.
    private var opensStream = false
    private var firstSkipped: UInt32 = .max
    private var lastSkipped: UInt32 = 0
    /// Streams that the client has reset, the latest few: it must be silent about them.
    private var resets: [8 of UInt32] = .init(repeating: 0)
    private var resetCount = 0

    /// A frame that ends the connection: which rule it broke, and what the peer is told.
    struct Fault {
        var rule: StaticString
        var code: HTTP2ErrorCode
    }

    /// What becomes of the bytes at hand.
    struct Next {
        /// So many are used.
        var count: Int
        /// Of them, those in front belong to the header of a frame that came in pieces.
        var headerCount = 0
        /// That header is whole now: it goes first, from ``header``.
        var hasHeader = false
        /// The frame that begins here is HEADERS or DATA of this stream, which is not a new one;
        /// 0 for other frames.
        var streamAgain: UInt32 = 0
        /// The frame that begins here is one too many.
        var fault: Fault?
    }

    /// - Parameter isOfClient: the peer is a client, and begins with the preface.
    init(isOfClient: Bool) {
        self.isOfClient = isOfClient
        prefaceLeft = isOfClient ? HTTP2Preface.byteCount : 0
    }

    /// How many of the bytes go to the library now: to the end of a frame at most.
    ///
    /// The header of a frame goes as a whole: some builds of the library count each piece of it
    /// as a frame of its own, and end a connection whose CONTINUATION comes in more than eight.
    mutating func next(
        _ bytes: RawSpan, _ meter: inout AbuseMeter, now: LoopInstant
    ) -> Next {
        if prefaceLeft > 0 {
            let count = min(prefaceLeft, bytes.byteCount)
            prefaceLeft -= count
            return Next(count: count)
        }
        var position = 0
        var next = Next(count: 0)
        if payloadLeft == 0 {
            let isCut = headerFill > 0
            while headerFill < 9, position < bytes.byteCount {
                header[headerFill] = bytes.byte(position)
                headerFill += 1
                position += 1
            }
            guard headerFill == 9 else { return Next(count: position, headerCount: position) }
            headerFill = 0
            if isCut {
                next.hasHeader = true
                next.headerCount = position
            }
            payloadLeft = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            type = header[3]
            flags = header[4]
            stream =
                UInt32(header[5] & 0x7F) << 24 | UInt32(header[6]) << 16
                | UInt32(header[7]) << 8 | UInt32(header[8])
            next.fault = judge(&meter, now)
            if next.fault != nil { return next }
            if isOfClient, type <= FrameType.headers, isKnown { next.streamAgain = stream }
        }
        let count = min(payloadLeft, bytes.byteCount - position)
        payloadLeft -= count
        next.count = position + count
        return next
    }

    private mutating func judge(_ meter: inout AbuseMeter, _ now: LoopInstant) -> Fault? {
        if let fault = judgeStream() { return fault }
        let kind: AbuseMeter.Kind
        switch type {
        case FrameType.data:
            guard payloadLeft == 0, flags & 1 == 0 else { return nil }
            kind = .emptyData
        case FrameType.headers, FrameType.push:
            continuations = 0
            return nil
        case FrameType.continuation:
            continuations += 1
            guard continuations > Self.continuationBound else { return nil }
            return Fault(rule: "h2-continuation-flood", code: .enhanceYourCalm)
        case FrameType.priority, FrameType.priorityUpdate: kind = .priority
        case FrameType.reset: kind = .reset
        case FrameType.settings: kind = .settings
        case FrameType.ping: kind = .ping
        case FrameType.windowUpdate: kind = .windowUpdate
        case FrameType.goAway: return nil
        default: kind = .unknown
        }
        guard !meter.take(kind, now: now) else { return nil }
        return Fault(rule: kind.rule, code: .enhanceYourCalm)
    }

    /// Whether the present HEADERS or DATA frame is for a stream that was opened before it.
    private var isKnown: Bool {
        stream & 1 == 1 && (stream < lastStream || stream == lastStream && !opensStream)
    }

    /// What the library lets pass, because it keeps nothing of streams that are closed.
    private mutating func judgeStream() -> Fault? {
        opensStream = false
        guard isOfClient else { return nil }
        switch type {
        case FrameType.priority:
            return stream == 0 ? Fault(rule: "h2-stream-zero", code: .protocolError) : nil
        case FrameType.reset:
            resets[resetCount & 7] = stream
            resetCount += 1
        case FrameType.data, FrameType.headers:
            if stream > lastStream, type == FrameType.headers {
                if stream > lastStream + 2 {
                    firstSkipped = lastStream + 1
                    lastSkipped = stream - 1
                }
                lastStream = stream
                opensStream = true
                return nil
            }
            for index in 0..<8 where resets[index] == stream && stream != 0 {
                return Fault(rule: "h2-stream-reset", code: .streamClosed)
            }
            if stream >= firstSkipped, stream <= lastSkipped {
                return Fault(rule: "h2-stream-skipped", code: .protocolError)
            }
        default: break
        }
        return nil
    }
}
