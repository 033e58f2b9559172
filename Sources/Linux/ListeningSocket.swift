import CLinux
import Glibc

/// Making sockets that listen.
public enum ListeningSocket {
    /// Opens one socket that shares its address with its siblings (`SO_REUSEPORT`).
    ///
    /// Accepted connections inherit `TCP_NODELAY` and keep-alive probes from here, which saves
    /// two calls for each of them.
    ///
    /// - Throws: `addressInUse`, `permissionDenied`, and whatever `bind(2)` says.
    public static func open(_ address: SocketAddress, backlog: Int) throws(Errno) -> FileDescriptor
    {
        let descriptor = try reserve(address)
        guard listen(descriptor.number, CInt(clamping: backlog)) == 0 else { throw .current }
        return descriptor
    }

    /// Opens a socket that keeps its address for ``open(_:backlog:)`` of this user, and does not
    /// listen: as long as no sibling does, whoever connects is refused.
    public static func reserve(_ address: SocketAddress) throws(Errno) -> FileDescriptor {
        let number = socket(
            address.family,
            CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
            0)
        guard number >= 0 else { throw .current }
        let descriptor = FileDescriptor(owning: number)
        var on: CInt = 1
        unsafe setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        unsafe setsockopt(number, SOL_SOCKET, SO_REUSEPORT, &on, 4)
        unsafe setsockopt(number, SOL_SOCKET, SO_KEEPALIVE, &on, 4)
        unsafe setsockopt(number, CInt(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        if !address.isIPv4 { unsafe setsockopt(number, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, 4) }
        let bound = unsafe address.withSockaddr { address, length in
            unsafe linux_bind(number, address, length)
        }
        guard bound == 0 else { throw .current }
        return descriptor
    }

    /// Lets nobody new into the queue, so that it can be emptied and the socket closed without a
    /// reset for who connected in between. Without effect where the kernel refuses filters.
    public static func stopQueueing(_ socket: borrowing FileDescriptor) {
        _ = linux_stop_queueing(socket.number)
    }

    /// Whether somebody else already listens on `address`.
    ///
    /// `SO_REUSEPORT` lets two processes of one user share a port in silence; a socket bound
    /// without it tells the truth.
    public static func isTaken(_ address: SocketAddress) throws(Errno) -> Bool {
        let number = socket(address.family, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw .current }
        let descriptor = FileDescriptor(owning: number)
        var on: CInt = 1
        unsafe setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &on, 4)
        if !address.isIPv4 { unsafe setsockopt(number, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &on, 4) }
        let bound = unsafe address.withSockaddr { address, length in
            unsafe linux_bind(number, address, length)
        }
        let code = errno
        _ = consume descriptor
        if bound == 0 { return false }
        if code == EADDRINUSE { return true }
        throw Errno(code: code)
    }
}
