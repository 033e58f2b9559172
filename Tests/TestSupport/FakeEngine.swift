import Foundation
import Glibc

/// An engine played by the test, on a unix socket: it answers what a proxy may ask, and tells the
/// events that the test says.
public final class FakeEngine: Prop {
    private struct State {
        var version = #"{"ApiVersion":"1.41","MinAPIVersion":"1.12"}"#
        var list = "[]"
        /// By id.
        var inspections: [String: String] = [:]
        var streams: [ScriptedPeer] = []
        var requests: [String] = []
        var isDribbling = false
        var descriptor: Int32 = -1
        var isStopped = false
    }

    public let path: String
    private let state = Locked(State())

    public init(path: String) throws {
        self.path = path
        try open()
        Props.keep(self)
    }

    // MARK: - What it says

    /// The answer to `/version`.
    public func setVersion(_ json: String) { state.withLock { $0.version = json } }

    /// The answer to a list.
    public func setList(_ json: String) { state.withLock { $0.list = json } }

    /// The answer about one container; without one, 404.
    public func setInspection(_ json: String?, of id: String) {
        state.withLock { $0.inspections[id] = json }
    }

    /// Every answer and event goes out byte by byte.
    public func dribble() { state.withLock { $0.isDribbling = true } }

    /// What was asked so far: method and path of each request.
    public var requests: [String] { state.withLock { $0.requests } }

    public var streamCount: Int { state.withLock { $0.streams.count } }

    /// Tells an event to whoever listens.
    public func tell(_ event: String) {
        let (streams, isDribbling) = state.withLock { ($0.streams, $0.isDribbling) }
        for stream in streams { try? send(chunk(event + "\n"), to: stream, isDribbling) }
    }

    /// Ends all streams: in the middle of a line, when `partial` is the beginning of one.
    public func cutStreams(after partial: String = "") {
        let streams = state.withLock { state in
            defer { state.streams = [] }
            return state.streams
        }
        for stream in streams {
            if !partial.isEmpty { try? stream.send(chunk(partial)) }
            stream.close()
        }
    }

    private func chunk(_ text: String) -> String {
        "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
    }

    private func send(_ text: String, to peer: ScriptedPeer, _ isDribbling: Bool) throws {
        guard isDribbling else { return try peer.send(text) }
        for byte in Array(text.utf8) { try peer.send([byte]) }
    }

    // MARK: - The socket

    /// Listens (again).
    public func open() throws {
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
                unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, listen(descriptor, 512) == 0 else {
            let error = errno
            Glibc.close(descriptor)
            throw PeerError.failed("bind", errno: error)
        }
        state.withLock { $0.descriptor = descriptor }
        Thread.start { [self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                if connection < 0 {
                    if errno == EINTR || errno == ECONNABORTED { continue }
                    break
                }
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                Thread.start { [self] in
                    try? serve(ScriptedPeer(descriptor: connection, isRecording: false))
                }
            }
            Glibc.close(descriptor)
        }
    }

    /// Nobody listens any more, and the socket is gone; streams end.
    public func goAway() {
        unlinkSocket()
        _ = shutdown(state.withLock { $0.descriptor }, Int32(SHUT_RDWR))
        cutStreams()
    }

    private func unlinkSocket() { _ = unsafe unlink(path) }

    public func stop() {
        let isFirst = state.withLock { state in
            defer { state.isStopped = true }
            return !state.isStopped
        }
        if isFirst { goAway() }
    }

    // MARK: - Answers

    private func serve(_ peer: ScriptedPeer) throws {
        let head = try peer.read(through: "\r\n\r\n")
        let line = head.prefix { $0 != "\r\n" }
        let words = line.split(separator: " ")
        guard words.count == 3 else { return peer.close() }
        let path = words[1].split(separator: "?")[0]
        let isDribbling = state.withLock { state in
            state.requests.append("\(words[0]) \(path)")
            return state.isDribbling
        }
        if path.hasSuffix("/events") {
            let text = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n"
            try send(text, to: peer, isDribbling)
            return state.withLock { $0.streams.append(peer) }
        }
        let (status, body) = answer(String(path))
        try send(
            "HTTP/1.1 \(status)\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
                + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)",
            to: peer, isDribbling)
        peer.close()
    }

    private func answer(_ path: String) -> (status: String, body: String) {
        state.withLock { state in
            if path == "/_ping" { return ("200 OK", "OK") }
            if path == "/version" {
                return state.version == "403" ? ("403 Forbidden", "") : ("200 OK", state.version)
            }
            if path.hasSuffix("/containers/json") { return ("200 OK", state.list) }
            let parts = path.split(separator: "/")
            if parts.count == 4, parts[1] == "containers",
                let found = state.inspections[String(parts[2])]
            {
                return ("200 OK", found)
            }
            return ("404 Not Found", #"{"message":"No such container"}"#)
        }
    }
}
