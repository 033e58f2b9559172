public import Memory
public import Timing

/// The facts of one exchange, as its loop writes them to the log's ring.
///
/// Numbers, and positions of texts: the loop copies no name and formats nothing. Names of
/// listeners, routes, services and servers are looked up from their numbers by the writer's
/// thread (``NameLookup``). What isn't known is left at its initial value and left out of the
/// line.
public struct AccessRecord: BitwiseCopyable {
    /// A number that names nothing.
    public static let noNumber = UInt32.max
    /// Attempts that a record has room for.
    public static let attemptCapacity = 4

    /// The address a request came from.
    public enum Client: Equatable, Sendable, BitwiseCopyable {
        case unknown
        /// The first byte of the address is the highest.
        case v4(UInt32)
        case v6(high: UInt64, low: UInt64)
        case unixSocket
    }

    public enum HTTPVersion: UInt8, Sendable, CaseIterable, BitwiseCopyable {
        case unknown, http10, http11, http2

        var word: StaticString {
            switch self {
            case .unknown: ""
            case .http10: "http/1.0"
            case .http11: "http/1.1"
            case .http2: "h2"
            }
        }
    }

    public struct Attempt: Equatable, Sendable, BitwiseCopyable {
        public var server = AccessRecord.noNumber
        public var reason = Reason.ok
        public var microseconds: UInt32 = 0

        public init() {}
        public init(server: UInt32, reason: Reason, duration: Interval) {
            self.server = server
            self.reason = reason
            microseconds = UInt32(clamping: duration.nanoseconds / 1000)
        }
    }

    /// When the exchange ended, in nanoseconds since 1970, UTC.
    public var endedAtNanoseconds: UInt64 = 0
    public var client = Client.unknown
    public var version = HTTPVersion.unknown

    // Texts, as positions in the head that is written along. Longer ones are cut to the bounds
    // of ``AccessRecordWriter``.
    /// The identifier that the client gave the request, if it counts; else the number does.
    public var id = ByteRange.empty
    public var method = ByteRange.empty
    public var host = ByteRange.empty
    public var path = ByteRange.empty
    public var agent = ByteRange.empty
    public var trace = ByteRange.empty

    public var listener = AccessRecord.noNumber
    public var route = AccessRecord.noNumber
    public var service = AccessRecord.noNumber
    /// The server of the last attempt.
    public var server = AccessRecord.noNumber

    /// What the client was sent; 0 if nothing was.
    public var status: UInt16 = 0
    public var reason = Reason.ok
    public var retried = Retried.no

    public private(set) var attemptCount = 0
    private var attempts = InlineArray<4, Attempt>(repeating: Attempt())

    public var queue = Interval.zero
    public var connect = Interval.zero
    public var wait = Interval.zero
    public var total = Interval.zero

    /// Content from the client and to it.
    public var receivedBytes: UInt64 = 0
    public var sentBytes: UInt64 = 0

    /// The generation of the configuration that routed it.
    public var generation: UInt64 = 0

    public init() {}

    public func attempt(_ index: Int) -> Attempt {
        precondition(index < attemptCount)
        return attempts[index]
    }

    /// Notes one more attempt. Beyond the room for them the last one stands for all later ones.
    public mutating func append(_ attempt: Attempt) {
        if attemptCount < Self.attemptCapacity { attemptCount += 1 }
        attempts[attemptCount - 1] = attempt
    }
}
