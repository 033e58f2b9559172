import CLinux
import Glibc

extension ListeningSocket {
    /// Where a socket listens: tells the port that the kernel chose for port 0.
    public static func address(
        of socket: borrowing FileDescriptor
    ) throws(Errno) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe linux_getsockname(socket.number, address, &length)
            }
        }
        guard status == 0 else { throw .current }
        return SocketAddress(storage)
    }
}
