import Glibc

/// One end of a connection that says exactly what a play tells it, and keeps what it hears.
///
/// Every wait has an end. Meant for one thread at a time; ``received`` and ``abort()`` may be used
/// from any.
public final class ScriptedPeer: Sendable {
    private struct State {
        var unread: [UInt8] = []
        var received: [UInt8] = []
        var isClosed = false
        var sawEnd = false
    }

    private let descriptor: Int32
    private let isRecording: Bool
    private let state = Locked(State())
    /// Seconds that one read or write may take.
    public let timeout: Double

    init(descriptor: Int32, timeout: Double = 20, isRecording: Bool = true) {
        self.descriptor = descriptor
        self.timeout = timeout
        self.isRecording = isRecording
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
    }

    /// Connects to a port of 127.0.0.1. Without recording, ``received`` stays empty.
    public convenience init(
        port: UInt16, timeout: Double = 20, isRecording: Bool = true, receiveBuffer: Int32? = nil
    ) throws {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PeerError.failed("socket", errno: errno) }
        if var size = receiveBuffer {
            unsafe setsockopt(
                descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var yes: Int32 = 1
        unsafe setsockopt(
            descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes,
            socklen_t(MemoryLayout<Int32>.size))
        var address = loopback(port: port)
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw PeerError.failed("connect", errno: error)
        }
        self.init(descriptor: descriptor, timeout: timeout, isRecording: isRecording)
    }

    /// Connects to a unix socket.
    public convenience init(path: String, timeout: Double = 20) throws {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw PeerError.failed("socket", errno: errno) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        precondition(path.utf8.count < 108)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            for (index, byte) in path.utf8.enumerated() { unsafe bytes[index] = byte }
        }
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw PeerError.failed("connect", errno: error)
        }
        self.init(descriptor: descriptor, timeout: timeout)
    }

    deinit { close() }

    // MARK: Saying

    public func send(_ text: String) throws { try send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) throws {
        var sent = 0
        let end = now() + timeout
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    descriptor, buffer.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                if !wait(for: Int16(POLLOUT), until: end) {
                    throw PeerError.timedOut(received: receivedText)
                }
            } else if errno == EPIPE || errno == ECONNRESET {
                throw PeerError.reset(received: receivedText)
            } else if errno != EINTR {
                throw PeerError.failed("send", errno: errno)
            }
        }
    }

    /// Sends each piece in a segment of its own.
    public func send(pieces: [String], gapMilliseconds: Int = 5) throws {
        for (index, piece) in pieces.enumerated() {
            if index > 0 { Thread.sleep(milliseconds: gapMilliseconds) }
            try send(piece)
        }
    }

    /// Half-closes: the other side sees the end, and may still answer.
    public func finishSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes; the kernel still delivers what was sent.
    public func close() {
        let isFirst = state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        if isFirst { _ = Glibc.close(descriptor) }
    }

    /// Closes with a reset (SO_LINGER 0).
    public func reset() {
        var lingering = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &lingering, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    /// Ends both directions from another thread: who waits here sees the end.
    public func abort() {
        state.withLock { state in
            if !state.isClosed { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    // MARK: Hearing

    /// Everything that arrived, read or not.
    public var received: [UInt8] { state.withLock { $0.received } }
    public var receivedText: String { String(decoding: received, as: UTF8.self) }

    /// Waits for a first byte without taking it; `false` at the end of the stream or a reset.
    public func waitForFirstByte(seconds: Double? = nil) throws -> Bool {
        let end = now() + (seconds ?? timeout)
        while state.withLock({ $0.unread.isEmpty }) {
            do {
                if try !fill(until: end) { return false }
            } catch PeerError.reset {
                return false
            }
        }
        return true
    }

    /// Exactly `count` bytes.
    public func read(_ count: Int) throws -> [UInt8] {
        try consume { $0.count >= count ? count : nil }
    }

    /// Everything through the first occurrence of `end`.
    public func read(through end: String) throws -> String {
        let pattern = Array(end.utf8)
        var searched = 0
        let bytes = try consume { unread in
            let start = max(0, searched - pattern.count)
            searched = unread.count
            return firstIndex(of: pattern, in: unread, from: start).map { $0 + pattern.count }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Everything up to the end of the stream. A reset is an error.
    public func readToEnd() throws -> [UInt8] {
        let end = now() + timeout
        while try fill(until: end) {}
        return state.withLock { state in
            defer { state.unread = [] }
            return state.unread
        }
    }

    public func readTextToEnd() throws -> String {
        String(decoding: try readToEnd(), as: UTF8.self)
    }

    /// Reads without keeping anything, to the end or to `limit` bytes; how many there were.
    public func discardToEnd(limit: Int = .max) throws -> Int {
        var count = 0
        while true {
            count += state.withLock { state in
                defer { state.unread.removeAll(keepingCapacity: true) }
                return state.unread.count
            }
            if count >= limit { return count }
            let end = now() + timeout
            if try !fill(until: end) { return count }
        }
    }

    /// Whatever has arrived and was not read, without waiting.
    public func readAvailable() -> [UInt8] {
        _ = try? fill(until: now())
        return state.withLock { state in
            defer { state.unread = [] }
            return state.unread
        }
    }

    /// Whether the other side ends the connection, by end or reset, and says nothing before.
    public func isEnded(within seconds: Double = 5) -> Bool {
        do {
            return try !waitForFirstByte(seconds: seconds)
        } catch {
            return false
        }
    }

    /// Whether nothing at all happens for a while: no byte, no end.
    public func isQuiet(for seconds: Double) -> Bool {
        do {
            _ = try waitForFirstByte(seconds: seconds)
            return false
        } catch PeerError.timedOut {
            return true
        } catch {
            return false
        }
    }

    // MARK: Private

    private func consume(_ length: ([UInt8]) -> Int?) throws -> [UInt8] {
        let end = now() + timeout
        while true {
            let taken: [UInt8]? = state.withLock { state in
                guard let count = length(state.unread) else { return nil }
                let bytes = Array(state.unread.prefix(count))
                state.unread.removeFirst(count)
                return bytes
            }
            if let taken { return taken }
            if try !fill(until: end) { throw PeerError.closed(received: receivedText) }
        }
    }

    /// Reads once; `false` at the end of the stream.
    private func fill(until end: Double) throws -> Bool {
        if state.withLock({ $0.sawEnd || $0.isClosed }) { return false }
        var bytes = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            }
            if count > 0 {
                state.withLock { state in
                    state.unread.append(contentsOf: bytes[..<count])
                    if isRecording { state.received.append(contentsOf: bytes[..<count]) }
                }
                return true
            }
            if count == 0 {
                state.withLock { $0.sawEnd = true }
                return false
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                if !wait(for: Int16(POLLIN), until: end) {
                    throw PeerError.timedOut(received: receivedText)
                }
            case ECONNRESET:
                state.withLock { $0.sawEnd = true }
                throw PeerError.reset(received: receivedText)
            default: throw PeerError.failed("recv", errno: errno)
            }
        }
    }

    private func wait(for events: Int16, until end: Double) -> Bool {
        let left = Int32(max(0, (end - now()) * 1000).rounded(.up))
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        return unsafe poll(&entry, 1, left) > 0
    }
}

/// A client is a peer that connected.
public typealias ScriptedClient = ScriptedPeer

func firstIndex(of pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard let first = pattern.first, bytes.count >= pattern.count else { return nil }
    var index = start
    while index <= bytes.count - pattern.count {
        if bytes[index] == first
            && bytes[index..<index + pattern.count].elementsEqual(pattern)
        {
            return index
        }
        index += 1
    }
    return nil
}
