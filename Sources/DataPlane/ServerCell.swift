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
    /// The same as ``time`` by the load that the server had when the request came
    /// (``LoadClass``), for hot-cold.
    public let timesByLoad: [8 of Atomic<UInt64>]

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

    /// What the server took says nothing any more of what it will take.
    public func forgetTimes() {
        time.store(0, ordering: .relaxed)
        for load in timesByLoad.indices { timesByLoad[load].store(0, ordering: .relaxed) }
    }
}

public typealias ServerCells = SharedTable<ServerCell>
