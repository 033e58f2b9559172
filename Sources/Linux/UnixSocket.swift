import CLinux
import Glibc
public import Timing

/// Who sits at the other end of a Unix socket, as the kernel says it.
public struct PeerCredentials: Sendable, Equatable, BitwiseCopyable {
    public var process: Int32
    public var user: UInt32
    public var group: UInt32
}

/// Stream sockets with a path as their address.
public enum UnixSocket {
    /// The longest path that fits into an address, in bytes.
    public static var longestPath: Int { 107 }

    /// Listens at `path`, which must not exist; behind `@`, at a name without a file.
    ///
    /// - Parameter mode: who may connect: the permission bits of the file.
    public static func listen(
        at path: String, mode: UInt16, backlog: Int
    ) throws(Errno) -> FileDescriptor {
        let descriptor = try make(blocking: false)
        let number = descriptor.number
        let status = try unsafe withAddress(path) { address, length in
            // Nobody may connect before the mode is right.
            let mask = umask(0o777 & ~mode_t(mode))
            defer { umask(mask) }
            return unsafe linux_bind(number, address, length)
        }
        guard status == 0 else { throw .current }
        guard Glibc.listen(number, CInt(clamping: backlog)) == 0 else { throw .current }
        return descriptor
    }

    /// Connects; reads and writes of the descriptor wait.
    ///
    /// - Parameter time: how long to wait for room in the queue of a process that accepts nothing.
    /// - Throws: `ETIMEDOUT` when there was none; what `connect(2)` says otherwise.
    public static func connect(
        to path: String, within time: Interval
    ) throws(Errno) -> FileDescriptor {
        let descriptor = try make(blocking: true)
        let number = descriptor.number
        // connect(2) of a Unix socket waits as long as a send may.
        var limit = timeval(
            tv_sec: Int(clamping: time.nanoseconds / 1_000_000_000),
            tv_usec: max(1, Int(clamping: time.nanoseconds % 1_000_000_000 / 1000)))
        let size = socklen_t(MemoryLayout<timeval>.size)
        guard unsafe setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, size) == 0 else {
            throw .current
        }
        do throws(Errno) {
            try connect(descriptor, to: path)
        } catch {
            throw error == .again ? .timedOut : error
        }
        return descriptor
    }

    private static func connect(
        _ descriptor: borrowing FileDescriptor, to path: String
    ) throws(Errno) {
        let number = descriptor.number
        let status = try unsafe withAddress(path) { address, length in
            unsafe linux_connect(number, address, length)
        }
        guard status == 0 else { throw .current }
    }

    /// Another descriptor for the same queue: sockets with a path cannot share it as those with
    /// a port do (`SO_REUSEPORT`).
    public static func share(_ listener: borrowing FileDescriptor) throws(Errno) -> FileDescriptor {
        let number = linux_duplicate(listener.number)
        guard number >= 0 else { throw .current }
        return FileDescriptor(owning: number)
    }

    /// The process at the other end, as it was when it connected.
    public static func peer(of socket: borrowing FileDescriptor) -> PeerCredentials? {
        var peer = PeerCredentials(process: 0, user: 0, group: 0)
        let status = unsafe linux_peer(socket.number, &peer.process, &peer.user, &peer.group)
        return status == 0 ? peer : nil
    }

    private static func make(blocking: Bool) throws(Errno) -> FileDescriptor {
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue
        let number = socket(
            AF_UNIX, CInt(blocking ? kind : kind | SOCK_NONBLOCK.rawValue), 0)
        guard number >= 0 else { throw .current }
        return FileDescriptor(owning: number)
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) throws(Errno) -> CInt {
        guard let address = SocketAddress.unix(path) else { throw Errno(code: ENAMETOOLONG) }
        return unsafe address.withSockaddr(body)
    }
}

extension UnixSocket {
    /// Connects without waiting, now or later: a Unix socket says at once whether somebody
    /// listens. Reads and writes do not wait either.
    public static func beginConnecting(to path: String) throws(Errno) -> FileDescriptor {
        let descriptor = try make(blocking: false)
        let number = descriptor.number
        let status = try unsafe withAddress(path) { address, length in
            unsafe linux_connect(number, address, length)
        }
        guard status == 0 else { throw .current }
        return descriptor
    }
}
