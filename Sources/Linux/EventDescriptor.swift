import CLinux
import Glibc

/// An eventfd: a counter in the kernel that makes a descriptor readable.
public struct EventDescriptor: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init() throws(Errno) {
        let number = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        guard number >= 0 else { throw .current }
        descriptor = FileDescriptor(owning: number)
    }

    /// Callable from any thread.
    public func ring() {
        // EAGAIN means that the counter is full: the bell is ringing already.
        _ = eventfd_write(descriptor.number, 1)
    }

    public func silence() {
        var count: eventfd_t = 0
        _ = unsafe eventfd_read(descriptor.number, &count)
    }
}
