import Linux
public import Reactor
public import Telemetry
public import Timing

/// What the control plane may say to a loop.
public enum LoopMessage: Sendable {
    case adopt(Snapshot)
    /// A listening socket that the loop owns from now on.
    case listen(listener: Int, socket: CInt)
    /// Accept what waits in the queue, then close the listening socket.
    case stopListening(listener: Int)
    /// Finish what is under way, accept and keep nothing; end by `deadline`.
    case drain(deadline: LoopInstant)
    /// Close the idle connections of a server that is about to end; busy ones go on.
    case closeIdle(cell: Int)
    /// Close the connections of a server that was removed: idle ones at once, busy ones too.
    case abandon(cell: Int)
    /// A slot of a full server came free on another loop.
    case slotFreed(service: Int)
    /// Answer with ``LoopNotice/report(loop:_:)``.
    case report
}

/// What a loop tells the control plane.
public enum LoopNotice: Sendable {
    /// Why a loop does not accept.
    public enum PauseCause: Sendable {
        case descriptors
        /// As many connections are open as there may be.
        case bound(listener: Int, connections: Int)
        /// As many handshakes are under way in the loop as there may be.
        case handshakes(listener: Int, count: Int)
    }

    case ejected(cell: Int, service: Int, failures: Int, interval: Interval)
    /// New connections wait in the queue of the kernel.
    case acceptingPaused(loop: Int, PauseCause)
    /// This many connections of the loop had not begun TLS: from now on, the oldest is closed
    /// for each new one. Said once a minute at most.
    case silentClosed(listener: Int, connections: Int)
    /// Nobody waits there any more.
    case acceptingResumed(loop: Int)
    case report(loop: Int, LoopReport)
    /// Nothing is left to do after a drain.
    case finished(loop: Int, cutCount: Int)
}

/// The counters of one loop at one moment.
public struct LoopReport: Sendable {
    public var counters: LoopCounters
    public var connections: Int
    public var exchanges: Int
    public var idleServerConnections: Int
    /// By service number; only services with traffic.
    public var services: [ServiceReport]
    public var waiting: Int
}

/// What a loop has counted of a service since it knows it.
public struct ServiceReport: Sendable {
    public var service: Int
    public var requests: Int
    /// Of them: those with an answer of ours, and those of 500 and above.
    public var failed: Int
    /// Those with an answer of ours, by reason.
    public var failures: ExchangeCounters
    /// Of the answers that servers gave.
    public var latencies: Histogram
}

public typealias LoopMailbox = Mailbox<LoopMessage>
public typealias ControlMailbox = Mailbox<LoopNotice>
