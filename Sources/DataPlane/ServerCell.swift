public import Memory
public import Synchronization
import Timing

/// What all loops share of one server: how busy it is, and whether it may be picked.
///
/// Two pairs of cache lines: the first is written with every request, the second rarely and
/// read with every pick. All bytes zero is a server that may not be picked, as
/// ``SharedTable`` asks.
public struct ServerCell: ~Copyable, Sendable {
    /// Requests in flight, failed ones that still hold their slot included. Exact at rest;
    /// relaxed, so a pick may see it a moment late.
    public let inFlight: Atomic<Int>
    /// Final answers since the process started.
    public let answers: Atomic<Int>
    /// Attempts that failed, and answers of 500 and above.
    public let failures: Atomic<Int>
    /// ``InFlightAges`` of the requests in flight, for the strategies that ask.
    public let ages: Atomic<UInt64>
    /// ``ServerTime``: how long answers take, for those that ask, or for a shadow.
    public let time: Atomic<UInt64>
    /// ``ReportedLoad``: what the server says of itself.
    public let reported: Atomic<UInt64>
    /// First attempts since the shadow was set: those that came here, and those that the
    /// shadow would have sent.
    public let shadowedPicks: Atomic<Int>
    public let shadowPicks: Atomic<Int>
    private let busyPadding: [8 of Int]

    /// ``ServerFlags``; the control plane writes it, and it alone.
    public let flags: Atomic<UInt64>
    /// Monotonic nanoseconds until which traffic has put this server out; 0 when it is in.
    public let ejectedUntil: Atomic<UInt64>
    /// The outlier detector's memory, in its own encoding.
    public let outlier: Atomic<UInt64>
    /// Monotonic nanoseconds when the ramp of slow start began.
    public let warmSince: Atomic<UInt64>
    /// ``answers`` at that moment.
    public let warmAnswers: Atomic<Int>
    /// The first answer: status in the upper 16 bits, microseconds below; 0 before.
    public let firstAnswer: Atomic<UInt64>
    private let calmPadding: [10 of Int]
}

/// Whether a server may be picked, in one word so that it changes at once.
public struct ServerFlags: Equatable, Sendable, BitwiseCopyable {
    public var rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }
    public init(weight: Int, isUp: Bool) {
        rawValue = UInt64(weight & 0xFFFF)
        self.isUp = isUp
    }

    /// 0 to 1000.
    public var weight: Int {
        get { Int(rawValue & 0xFFFF) }
        set { rawValue = rawValue & ~0xFFFF | UInt64(newValue & 0xFFFF) }
    }
    /// Its checks pass, or there are none.
    public var isUp: Bool {
        get { rawValue & 1 << 16 != 0 }
        set { setBit(16, newValue) }
    }
    /// Finishes what it has and takes no more.
    public var isDraining: Bool {
        get { rawValue & 1 << 17 != 0 }
        set { setBit(17, newValue) }
    }
    /// Put out by an operator.
    public var isInMaintenance: Bool {
        get { rawValue & 1 << 18 != 0 }
        set { setBit(18, newValue) }
    }
    /// Joined or came back a short time ago: its share still grows.
    public var isWarming: Bool {
        get { rawValue & 1 << 19 != 0 }
        set { setBit(19, newValue) }
    }

    /// Whether new requests may go there as far as checks and operators are concerned.
    public var isInRotation: Bool { rawValue & 7 << 16 == 1 << 16 }

    private mutating func setBit(_ bit: UInt64, _ isSet: Bool) {
        if isSet { rawValue |= 1 << bit } else { rawValue &= ~(1 << bit) }
    }
}

/// The most servers that all services of a process may have at once, draining ones included.
public let serverCapacity = 4096
/// The most services over the life of a process: a name keeps its number.
public let serviceCapacity = 1024
public let listenerCapacity = 64

public typealias ServerCells = SharedTable<ServerCell>
