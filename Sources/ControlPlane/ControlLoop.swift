public import Linux
public import Memory
public import Reactor
public import Timing

/// The epoll loop of the calm side: descriptors, timers and mailboxes call closures, all of
/// them on the thread that runs it.
///
/// Not for requests: it allocates as it likes.
public final class ControlLoop {
    /// A descriptor that is watched.
    public struct Watch: Hashable, Sendable {
        fileprivate let key: UInt64
    }

    /// An action that is to come. It outlives its action harmlessly.
    public struct Timer: Hashable, Sendable {
        fileprivate let slot: Int
        fileprivate let turn: UInt64
    }

    private struct TimerSlot {
        var turn: UInt64 = 0
        var action: (() -> Void)?
    }

    private var kernel: LinuxKernel
    private var handlers: [UInt64: (Readiness) -> Void] = [:]
    private var nextKey: UInt64 = 1
    private var wheel: TimerWheel
    private var timers: [TimerSlot] = []
    private var freeTimers: [Int] = []
    private var isRunning = false
    /// The time at which this turn began.
    public private(set) var now: LoopInstant

    /// - Throws: what `epoll_create1(2)` says.
    public init() throws(Errno) {
        let start = Clock.monotonic()
        now = start
        kernel = try LinuxKernel(capacity: 128)
        wheel = TimerWheel(capacity: 1024, now: start)
    }

    // MARK: - Running

    /// Runs until ``stop()``. What was watched or timed is forgotten then: its closures hold
    /// whoever made them, and would hold them for ever.
    public func run() {
        isRunning = true
        while isRunning { turn() }
        handlers = [:]
        for slot in timers.indices { timers[slot].action = nil }
    }

    public func stop() { isRunning = false }

    private func turn() {
        let count = kernel.wait(wheel.timeToNext(now: kernel.now()))
        now = kernel.now()
        for index in 0..<count {
            let event = kernel.event(index)
            // Keys are never used twice, so an event for what was unwatched finds nothing.
            handlers[event.key]?(event.readiness)
        }
        wheel.advance(to: now)
        while let slot = wheel.takeDue() {
            let action = timers[slot].action
            release(slot)
            action?()
        }
    }

    /// Lends the kernel for one call.
    public func withKernel<Result: ~Copyable>(
        _ body: (inout LinuxKernel) -> Result
    ) -> Result {
        body(&kernel)
    }

    /// Reads into the free room of `buffer`.
    public func receive(_ socket: borrowing FileDescriptor, into buffer: inout Buffer) -> Transfer {
        kernel.receive(socket, into: &buffer, atMost: buffer.room)
    }

    /// Sends what `buffer` holds, and takes from it what was sent.
    public func send(_ socket: borrowing FileDescriptor, from buffer: inout Buffer) -> Transfer {
        let transfer = kernel.send(socket, buffer.bytes)
        if case .bytes(let count) = transfer { buffer.consume(count) }
        return transfer
    }

    // MARK: - Descriptors

    /// - Throws: what `epoll_ctl(2)` says.
    public func watch(
        _ descriptor: borrowing FileDescriptor, _ watching: Watching,
        _ handler: @escaping (Readiness) -> Void
    ) throws(Errno) -> Watch {
        let key = nextKey
        try kernel.watch(descriptor, key: key, watching)
        nextKey += 1
        handlers[key] = handler
        return Watch(key: key)
    }

    /// To be called before the descriptor is closed.
    public func unwatch(_ descriptor: borrowing FileDescriptor, _ watch: Watch) {
        kernel.unwatch(descriptor)
        handlers[watch.key] = nil
    }

    /// Hands every message of a mailbox to `handler`.
    public func attach<Message: Sendable>(
        _ mailbox: Mailbox<Message>, _ handler: @escaping (Message) -> Void
    ) throws(Errno) {
        let key = nextKey
        try mailbox.attach(to: &kernel, key: key)
        nextKey += 1
        handlers[key] = { _ in
            for message in mailbox.collect() { handler(message) }
        }
    }

    // MARK: - Time

    /// Runs `action` once, at the earliest after `delay`; a few milliseconds late at most.
    @discardableResult
    public func after(_ delay: Interval, _ action: @escaping () -> Void) -> Timer {
        // What runs for long before it asks must not have its timers early.
        at(Clock.monotonic() + delay, action)
    }

    /// Runs `action` once, at or soon after `instant`.
    @discardableResult
    public func at(_ instant: LoopInstant, _ action: @escaping () -> Void) -> Timer {
        let slot: Int
        if let free = freeTimers.popLast() {
            slot = free
        } else {
            slot = timers.count
            timers.append(TimerSlot())
            wheel.grow(to: timers.count)
        }
        timers[slot].action = action
        wheel.ensure(slot, by: instant)
        return Timer(slot: slot, turn: timers[slot].turn)
    }

    /// Harmless when its time has come already.
    public func cancel(_ timer: Timer) {
        guard timers[timer.slot].turn == timer.turn else { return }
        wheel.cancel(timer.slot)
        release(timer.slot)
    }

    /// Runs `action` after each `interval`, until the loop ends.
    public func every(_ interval: Interval, _ action: @escaping () -> Void) {
        after(interval) { [self] in
            action()
            every(interval, action)
        }
    }

    private func release(_ slot: Int) {
        timers[slot].turn += 1
        timers[slot].action = nil
        freeTimers.append(slot)
    }
}

/// A descriptor that closures share; it is closed with the last of them, or before.
final class OpenSocket {
    let descriptor: FileDescriptor

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }
}
