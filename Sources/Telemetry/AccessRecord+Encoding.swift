import Memory
import Timing

/// How a record lies in the ring: 23 words, then the texts one after the other.
///
///     word  0  time                      9  connect, nanoseconds
///           1  client's kind, version,  10  wait
///              reason, retried,         11  total
///              attempt count, status    12  received bytes
///           2  client, high             13  sent bytes
///           3  client, low              14  generation
///           4  listener, route       15 … 22  attempts: server and reason, microseconds
///           5  service, server
///           6  lengths of id, method, host, path
///           7  lengths of agent, trace, rule,
///              identity
///           8  queue, nanoseconds
///
/// A length has 16 bits; the highest tells that the text was cut.
extension AccessRecord {
    static let wordCount = 23
    static let byteCount = wordCount * 8

    func encode(lengths: TextLengths, into ring: inout ByteRingProducer) {
        ring.write(word: endedAtNanoseconds)
        let (kind, high, low): (UInt64, UInt64, UInt64) =
            switch client {
            case .unknown: (0, 0, 0)
            case .v4(let address): (1, 0, UInt64(address))
            case .v6(let high, let low): (2, high, low)
            case .unixSocket: (3, 0, 0)
            }
        ring.write(
            word: kind | UInt64(version.rawValue) << 8 | UInt64(reason.rawValue) << 16
                | UInt64(retried.rawValue) << 24 | UInt64(attemptCount) << 32
                | UInt64(status) << 48)
        ring.write(word: high)
        ring.write(word: low)
        ring.write(word: UInt64(listener) | UInt64(route) << 32)
        ring.write(word: UInt64(service) | UInt64(server) << 32)
        ring.write(word: lengths.first)
        ring.write(word: lengths.second)
        ring.write(word: queue.nanoseconds)
        ring.write(word: connect.nanoseconds)
        ring.write(word: wait.nanoseconds)
        ring.write(word: total.nanoseconds)
        ring.write(word: receivedBytes)
        ring.write(word: sentBytes)
        ring.write(word: generation)
        for index in 0..<Self.attemptCapacity {
            let attempt = index < attemptCount ? self.attempt(index) : Attempt()
            ring.write(word: UInt64(attempt.server) | UInt64(attempt.reason.rawValue) << 32)
            ring.write(word: UInt64(attempt.microseconds))
        }
    }

    /// Reads a record back; its texts are positions in `bytes`.
    ///
    /// - Returns: also the position of the request's id, and which texts were cut.
    static func decode(_ bytes: RawSpan) -> (record: AccessRecord, texts: AccessTexts) {
        var record = AccessRecord()
        record.endedAtNanoseconds = bytes.word(0)
        let small = bytes.word(8)
        let (high, low) = (bytes.word(16), bytes.word(24))
        record.client =
            switch small & 0xFF {
            case 1: .v4(UInt32(truncatingIfNeeded: low))
            case 2: .v6(high: high, low: low)
            case 3: .unixSocket
            default: .unknown
            }
        record.version =
            HTTPVersion(rawValue: UInt8(truncatingIfNeeded: small >> 8)) ?? .unknown
        record.reason = reason(of: small >> 16)
        record.retried = Retried(rawValue: UInt8(truncatingIfNeeded: small >> 24)) ?? .no
        record.status = UInt16(truncatingIfNeeded: small >> 48)
        record.listener = UInt32(truncatingIfNeeded: bytes.word(32))
        record.route = UInt32(truncatingIfNeeded: bytes.word(32) >> 32)
        record.service = UInt32(truncatingIfNeeded: bytes.word(40))
        record.server = UInt32(truncatingIfNeeded: bytes.word(40) >> 32)
        record.queue = Interval(nanoseconds: bytes.word(64))
        record.connect = Interval(nanoseconds: bytes.word(72))
        record.wait = Interval(nanoseconds: bytes.word(80))
        record.total = Interval(nanoseconds: bytes.word(88))
        record.receivedBytes = bytes.word(96)
        record.sentBytes = bytes.word(104)
        record.generation = bytes.word(112)
        let attemptCount = min(Int(small >> 32 & 0xFF), attemptCapacity)
        for index in 0..<attemptCount {
            let word = bytes.word(120 + index * 16)
            var attempt = Attempt()
            attempt.server = UInt32(truncatingIfNeeded: word)
            attempt.reason = reason(of: word >> 32)
            attempt.microseconds = UInt32(truncatingIfNeeded: bytes.word(128 + index * 16))
            record.append(attempt)
        }
        let texts = AccessTexts(
            lengths: TextLengths(first: bytes.word(48), second: bytes.word(56)), start: byteCount)
        return (record, texts)
    }

    private static func reason(of word: UInt64) -> Reason {
        Reason(rawValue: UInt8(truncatingIfNeeded: word)) ?? .internalError
    }
}

/// The lengths of a record's texts, in bytes, and whether each was cut.
struct TextLengths: BitwiseCopyable {
    private static let cutBit: UInt64 = 1 << 15

    var first: UInt64 = 0
    var second: UInt64 = 0

    init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }

    init() {}

    /// Notes a text; returns how many of its bytes are kept.
    mutating func set(_ index: Int, count: Int, bound: Int) -> Int {
        let kept = min(count, bound)
        let word = (UInt64(kept) | (kept < count ? Self.cutBit : 0)) << UInt64(index % 4 * 16)
        if index < 4 { first |= word } else { second |= word }
        return kept
    }

    func count(_ index: Int) -> Int { Int(field(index) & (Self.cutBit - 1)) }
    func isCut(_ index: Int) -> Bool { field(index) & Self.cutBit != 0 }

    private func field(_ index: Int) -> UInt64 {
        (index < 4 ? first : second) >> UInt64(index % 4 * 16) & 0xFFFF
    }
}

/// Where the texts of an encoded record are.
struct AccessTexts: BitwiseCopyable {
    struct Text: BitwiseCopyable {
        var range: ByteRange
        /// There was more of it.
        var isCut: Bool
        var isEmpty: Bool { range.isEmpty }
    }

    let id, method, host, path, agent, trace, rule, identity: Text

    init(lengths: TextLengths, start: Int) {
        var position = start
        func next(_ index: Int) -> Text {
            let range = ByteRange(position, position + lengths.count(index))
            position = range.upper
            return Text(range: range, isCut: lengths.isCut(index))
        }
        id = next(0)
        method = next(1)
        host = next(2)
        path = next(3)
        agent = next(4)
        trace = next(5)
        rule = next(6)
        identity = next(7)
    }
}
