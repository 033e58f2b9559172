import Glibc
import Synchronization

/// What went wrong between two peers, with what had arrived until then.
public enum PeerError: Error, CustomStringConvertible {
    case timedOut(received: String)
    case closed(received: String)
    case reset(received: String)
    case failed(String, errno: Int32)
    case malformed(String)

    public var description: String {
        switch self {
        case .timedOut(let received): "timed out after \(received.debugDescription)"
        case .closed(let received): "closed after \(received.debugDescription)"
        case .reset(let received): "reset after \(received.debugDescription)"
        case .failed(let call, let errno):
            "\(call) failed: \(unsafe String(cString: strerror(errno)))"
        case .malformed(let what): "malformed: \(what)"
        }
    }

    /// One word for counting.
    public var kind: String {
        switch self {
        case .timedOut: "timed out"
        case .closed: "closed"
        case .reset: "reset"
        case .failed(let call, _): call
        case .malformed: "malformed"
        }
    }
}

/// A socket of 127.0.0.1 that accepts.
final class ListeningSocket: Sendable {
    let descriptor: Int32
    let port: UInt16
    private let isClosed = Mutex(false)

    init(port wanted: UInt16 = 0, backlog: Int32 = 4096) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PeerError.failed("socket", errno: errno) }
        var yes: Int32 = 1
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port: wanted)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (descriptor, size) = (descriptor, length)
        let bound = unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0 && listen(descriptor, backlog) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else {
            let error = errno
            Glibc.close(descriptor)
            throw PeerError.failed("bind", errno: error)
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close() }

    /// The next connection; `nil` once ``stop()`` was called.
    func accept() -> Int32? {
        while true {
            let connection = Glibc.accept(descriptor, nil, nil)
            if connection >= 0 {
                var yes: Int32 = 1
                unsafe setsockopt(
                    connection, Int32(IPPROTO_TCP), TCP_NODELAY, &yes,
                    socklen_t(MemoryLayout<Int32>.size))
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                return connection
            }
            if errno == EINTR || errno == ECONNABORTED { continue }
            if errno == EMFILE {
                usleep(1000)
                continue
            }
            return nil
        }
    }

    /// Wakes a thread that waits in ``accept()``. Harmless after ``close()``, when the number may
    /// be that of somebody else's connection.
    func stop() {
        isClosed.withLock { closed in
            if !closed { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    func close() {
        let isFirst = isClosed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        if isFirst { _ = Glibc.close(descriptor) }
    }
}

func loopback(port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
}
