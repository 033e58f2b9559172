import CLinux
import Glibc
public import Memory
public import Timing

/// The real kernel: thin wrappers, no policy. One of it for each loop.
///
/// `@safe`: `epoll_event` counts as unsafe because its C union can hold a pointer. Only
/// integers are ever stored in it.
@safe public struct LinuxKernel: KernelCalls, ~Copyable {
    private let epoll: FileDescriptor
    private var events: [epoll_event]
    private var readyCount = 0

    /// - Parameter capacity: the most events one ``wait(_:)`` returns.
    public init(capacity: Int) throws(Errno) {
        let number = epoll_create1(CInt(EPOLL_CLOEXEC))
        guard number >= 0 else { throw .current }
        epoll = FileDescriptor(owning: number)
        unsafe events = Array(repeating: epoll_event(), count: capacity)
    }

    // MARK: - Clocks and entropy

    public mutating func now() -> LoopInstant { Clock.monotonic() }
    public mutating func wallClock() -> Int64 { Clock.wall() }

    public mutating func entropy() -> UInt64 { Entropy.number() }

    // MARK: - Waiting

    public mutating func wait(_ timeout: Interval?) -> Int {
        let capacity = unsafe CInt(events.count)
        let milliseconds: CInt
        if let timeout {
            // Rounded up, or a timer due in half a millisecond would spin.
            milliseconds = CInt(clamping: (timeout.nanoseconds + 999_999) / 1_000_000)
        } else {
            milliseconds = -1
        }
        let count = unsafe epoll_wait(epoll.number, &events, capacity, milliseconds)
        readyCount = max(0, Int(count))
        return readyCount
    }

    public func event(_ index: Int) -> (key: UInt64, readiness: Readiness) {
        precondition(index < readyCount)
        let event = unsafe events[index]
        let bits = unsafe event.events
        var readiness: Readiness = []
        if bits & EPOLLIN.rawValue != 0 { readiness.insert(.readable) }
        if bits & EPOLLOUT.rawValue != 0 { readiness.insert(.writable) }
        if bits & EPOLLRDHUP.rawValue != 0 { readiness.insert(.peerFinished) }
        if bits & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { readiness.insert(.broken) }
        return unsafe (event.data.u64, readiness)
    }

    public mutating func watch(
        _ descriptor: borrowing FileDescriptor, key: UInt64, _ watching: Watching
    ) throws(Errno) {
        var event = unsafe epoll_event()
        switch watching {
        case .edges:
            unsafe event.events =
                EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        case .level:
            unsafe event.events = EPOLLIN.rawValue
        }
        unsafe event.data.u64 = key
        guard unsafe epoll_ctl(epoll.number, EPOLL_CTL_ADD, descriptor.number, &event) == 0 else {
            throw .current
        }
    }

    public mutating func unwatch(_ descriptor: borrowing FileDescriptor) {
        // Fails only for a descriptor that was never watched, which needs no unwatching.
        _ = epoll_ctl(epoll.number, EPOLL_CTL_DEL, descriptor.number, nil)
    }

    // MARK: - Making connections

    public mutating func accept(_ listener: borrowing FileDescriptor) -> Accepted {
        while true {
            var storage = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let number = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe linux_accept4(
                        listener.number, address, &length,
                        CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
                }
            }
            guard number < 0 else {
                return .connection(
                    FileDescriptor(owning: number), peer: SocketAddress(storage))
            }
            switch errno {
            case EAGAIN: return .none
            // The client gave up while it waited in the queue: look at the next one.
            case ECONNABORTED, EINTR, EPROTO: continue
            default: return .failed(.current)
            }
        }
    }

    public mutating func connect(to address: SocketAddress) -> Connecting {
        let number = socket(
            address.family,
            CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
            0)
        guard number >= 0 else { return .failed(.current) }
        let descriptor = FileDescriptor(owning: number)
        if !address.isUnix {
            var on: CInt = 1
            unsafe setsockopt(number, CInt(IPPROTO_TCP), TCP_NODELAY, &on, 4)
        }
        let status = unsafe address.withSockaddr { address, length in
            unsafe linux_connect(number, address, length)
        }
        guard status != 0, errno != EINPROGRESS else { return .started(descriptor) }
        // A Unix socket answers at once: nobody is there, or its queue is full (unix(7)).
        if address.isUnix, errno == ENOENT || errno == EAGAIN {
            return .failed(.connectionRefused)
        }
        return .failed(.current)
    }

    public mutating func takeError(_ socket: borrowing FileDescriptor) -> Errno? {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard unsafe getsockopt(socket.number, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else {
            return .current
        }
        return code == 0 ? nil : Errno(code: code)
    }

    public mutating func localAddress(_ socket: borrowing FileDescriptor) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe linux_getsockname(socket.number, address, &length)
            }
        }
        return status == 0 ? SocketAddress(storage) : .unspecified
    }
    public mutating func isQuiet(_ socket: borrowing FileDescriptor) -> Bool {
        var byte: UInt8 = 0
        let count = unsafe recv(
            socket.number, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT))
        return count < 0 && errno == EAGAIN
    }

    // MARK: - Moving bytes

    public mutating func receive(
        _ socket: borrowing FileDescriptor, into buffer: inout Buffer, atMost limit: Int
    ) -> Transfer {
        precondition(buffer.room > 0, "reading without room looks like the end of the stream")
        var outcome = Transfer.endOfStream
        _ = unsafe buffer.fill(atMost: limit) { room in
            while true {
                let count = unsafe recv(socket.number, room.baseAddress, room.count, 0)
                if count > 0 {
                    outcome = .bytes(count)
                    return count
                }
                if count == 0 { return 0 }
                if errno == EINTR { continue }
                outcome = errno == EAGAIN ? .wouldBlock : .failed(.current)
                return 0
            }
        }
        return outcome
    }

    public mutating func send(_ socket: borrowing FileDescriptor, _ bytes: RawSpan) -> Transfer {
        precondition(bytes.byteCount > 0)
        return unsafe bytes.withUnsafeBytes { pointer in
            while true {
                let count = unsafe Glibc.send(
                    socket.number, pointer.baseAddress, pointer.count,
                    CInt(MSG_NOSIGNAL))
                if count >= 0 { return .bytes(count) }
                if errno == EINTR { continue }
                return errno == EAGAIN ? .wouldBlock : .failed(.current)
            }
        }
    }

    public mutating func send(
        _ socket: borrowing FileDescriptor, _ first: RawSpan, _ second: RawSpan
    ) -> Transfer {
        guard first.byteCount > 0 else { return send(socket, second) }
        guard second.byteCount > 0 else { return send(socket, first) }
        return unsafe first.withUnsafeBytes { head in
            unsafe second.withUnsafeBytes { tail in
                var pieces = unsafe (
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: head.baseAddress),
                        iov_len: head.count),
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: tail.baseAddress),
                        iov_len: tail.count)
                )
                return unsafe withUnsafeMutablePointer(to: &pieces) { pair in
                    unsafe pair.withMemoryRebound(to: iovec.self, capacity: 2) { vector in
                        var message = unsafe msghdr()
                        unsafe message.msg_iov = unsafe vector
                        unsafe message.msg_iovlen = 2
                        while true {
                            let count = unsafe sendmsg(
                                socket.number, &message, CInt(MSG_NOSIGNAL))
                            if count >= 0 { return .bytes(count) }
                            if errno == EINTR { continue }
                            return errno == EAGAIN ? .wouldBlock : .failed(.current)
                        }
                    }
                }
            }
        }
    }

    public mutating func makePipe() -> Pipe? {
        var ends: (CInt, CInt) = (-1, -1)
        let status = unsafe withUnsafeMutablePointer(to: &ends) { pair in
            unsafe pair.withMemoryRebound(to: CInt.self, capacity: 2) { ends in
                unsafe pipe2(ends, O_CLOEXEC | O_NONBLOCK)
            }
        }
        guard status == 0 else { return nil }
        // A larger pipe halves the calls; when the user's allowance is used up, 64 KiB must do.
        let size = fcntl(ends.1, F_SETPIPE_SZ, 256 << 10)
        return Pipe(
            readEnd: FileDescriptor(owning: ends.0), writeEnd: FileDescriptor(owning: ends.1),
            capacity: size > 0 ? Int(size) : 64 << 10)
    }

    public mutating func splice(
        from socket: borrowing FileDescriptor, into pipe: inout Pipe, atMost limit: Int
    ) -> Transfer {
        while true {
            let count = CLinux.splice(
                socket.number, nil, pipe.writeEnd.number, nil, limit,
                CUnsignedInt(SPLICE_F_MOVE | SPLICE_F_NONBLOCK))
            if count > 0 {
                pipe.fill += count
                return .bytes(count)
            }
            if count == 0 { return .endOfStream }
            if errno == EINTR { continue }
            return errno == EAGAIN ? .wouldBlock : .failed(.current)
        }
    }

    public mutating func splice(
        from pipe: inout Pipe, to socket: borrowing FileDescriptor
    ) -> Transfer {
        while true {
            // There is no MSG_NOSIGNAL here: the process ignores SIGPIPE.
            let count = CLinux.splice(
                pipe.readEnd.number, nil, socket.number, nil, pipe.fill,
                CUnsignedInt(SPLICE_F_MOVE | SPLICE_F_NONBLOCK))
            if count > 0 {
                pipe.fill -= count
                return .bytes(count)
            }
            if count < 0 && errno == EINTR { continue }
            return count < 0 && errno != EAGAIN ? .failed(.current) : .wouldBlock
        }
    }

    // MARK: - Ending

    public mutating func shutdownSending(_ socket: borrowing FileDescriptor) {
        // ENOTCONN: the peer was faster.
        _ = shutdown(socket.number, CInt(SHUT_WR))
    }

    public mutating func close(_ descriptor: consuming FileDescriptor) {
        let number = descriptor.release()
        // A stream of a connection has no descriptor.
        if number >= 0 { _ = Glibc.close(number) }
    }

    public mutating func resetOnClose(_ socket: borrowing FileDescriptor) {
        var linger = Glibc.linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            socket.number, SOL_SOCKET, SO_LINGER, &linger,
            socklen_t(MemoryLayout<Glibc.linger>.size))
    }
}
