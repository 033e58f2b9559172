public import Linux

/// The one door between threads: anybody posts, the loop that owns it collects.
///
/// Messages are rare (a reload, a drain), so a mutex is the right tool: the loop pays for it
/// only in turns in which the bell rang. Request handling never touches a mailbox.
public final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Locked<[Message]>([])
    private let bell: EventDescriptor

    public init() throws(Errno) { bell = try EventDescriptor() }

    /// Callable from any thread. Never blocks on the loop.
    public func post(_ message: Message) {
        messages.withLock { $0.append(message) }
        bell.ring()
    }

    /// Called by the loop that owns this mailbox, when the bell is readable.
    public func collect() -> [Message] {
        bell.silence()
        return messages.withLock { queue in
            defer { queue = [] }
            return queue
        }
    }

    /// Watches the bell with `key`.
    public func attach<Kernel: KernelCalls & ~Copyable>(
        to kernel: inout Kernel, key: UInt64
    ) throws(Errno) {
        try kernel.watch(bell.descriptor, key: key, .level)
    }
}
