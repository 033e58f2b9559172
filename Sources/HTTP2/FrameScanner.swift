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

    /// CONTINUATION frames in one head (CVE-2024-27983): the largest head allowed fits into
    /// four.
    static let continuationBound = 16

    /// Of the connection preface (§3.4), which is no frame.
    private var prefaceLeft: Int
    private var header: [9 of UInt8] = .init(repeating: 0)
    private var headerFill = 0
    private var payloadLeft = 0
    private var continuations = 0
    private(set) var type: UInt8 = .max
    private(set) var flags: UInt8 = 0
    private(set) var isAtStart = false

    /// - Parameter expectsPreface: the peer is a client.
    init(expectsPreface: Bool) { prefaceLeft = expectsPreface ? 24 : 0 }

    /// How many of the bytes go to the library now: to the end of a frame at most.
    ///
    /// - Returns: `rule` when the frame that begins here is one too many.
    mutating func next(
        _ bytes: RawSpan, _ meter: inout AbuseMeter, now: LoopInstant
    ) -> (count: Int, rule: StaticString?) {
        if prefaceLeft > 0 {
            let count = min(prefaceLeft, bytes.byteCount)
            prefaceLeft -= count
            return (count, nil)
        }
        var position = 0
        if payloadLeft == 0 {
            while headerFill < 9, position < bytes.byteCount {
                header[headerFill] = bytes.byte(position)
                headerFill += 1
                position += 1
            }
            guard headerFill == 9 else { return (position, nil) }
            headerFill = 0
            payloadLeft = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
            type = header[3]
            flags = header[4]
            if let rule = judge(&meter, now) { return (0, rule) }
        }
        let count = min(payloadLeft, bytes.byteCount - position)
        payloadLeft -= count
        return (position + count, nil)
    }

    private mutating func judge(_ meter: inout AbuseMeter, _ now: LoopInstant) -> StaticString? {
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
            return continuations > Self.continuationBound ? "h2-continuation-flood" : nil
        case FrameType.priority, FrameType.priorityUpdate: kind = .priority
        case FrameType.reset: kind = .reset
        case FrameType.settings: kind = .settings
        case FrameType.ping: kind = .ping
        case FrameType.windowUpdate: kind = .windowUpdate
        case FrameType.goAway: return nil
        default: kind = .unknown
        }
        return meter.take(kind, now: now) ? nil : kind.rule
    }
}
