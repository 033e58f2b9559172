import ControlPlane
import Linux
import Memory
import Synchronization
import Timing

/// Small HTTP servers for the demo: each answers with its name. They share one thread.
enum DemoServers {
    /// Starts a server for each name.
    ///
    /// - Returns: their ports on 127.0.0.1.
    static func start(_ names: [String]) throws(Errno) -> [UInt16] {
        var ports: [UInt16] = []
        var sockets: [CInt] = []
        for _ in names {
            let socket = try ListeningSocket.open(
                SocketAddress.ipv4(0x7F00_0001, port: 0), backlog: 128)
            ports.append(try ListeningSocket.address(of: socket).port)
            sockets.append(socket.release())
        }
        let numbers = sockets
        try Thread.start(name: "demo-servers") {
            guard let loop = try? ControlLoop() else { return }
            var servers: [DemoServer] = []
            for (name, number) in zip(names, numbers) {
                let server = DemoServer(
                    name: name, socket: FileDescriptor(owning: number), loop: loop)
                try? server.start()
                servers.append(server)
            }
            loop.run()
        }
        return ports
    }
}

/// One of them.
private final class DemoServer {
    private let answer: [UInt8]
    private let socket: FileDescriptor
    private let loop: ControlLoop
    private var connections: [ObjectIdentifier: DemoConnection] = [:]

    init(name: String, socket: consuming FileDescriptor, loop: ControlLoop) {
        self.socket = socket
        self.loop = loop
        let body = "Hello from server \(name).\n"
        answer = Array(
            ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)"
                + "\r\nX-Server: \(name)\r\n\r\n" + body).utf8)
    }

    func start() throws(Errno) {
        _ = try loop.watch(socket, .level) { [self] _ in accept() }
    }

    private func accept() {
        while true {
            switch loop.withKernel({ $0.accept(socket) }) {
            case .none: return
            case .failed: return
            case .connection(let descriptor, _):
                let connection = DemoConnection(descriptor, loop: loop)
                connections[ObjectIdentifier(connection)] = connection
                connection.start(
                    request: { [self] _ in answer },
                    ended: { [self] in connections[ObjectIdentifier(connection)] = nil })
            }
        }
    }
}

/// A connection of the demo, of a server or of the client: whole heads without content in,
/// bytes out.
final class DemoConnection {
    private let socket: FileDescriptor
    private let loop: ControlLoop
    private var watch: ControlLoop.Watch?
    private var input = Buffer(capacity: 16 << 10)
    private var output = Buffer(capacity: 16 << 10)
    private var received: (String) -> [UInt8]? = { _ in nil }
    private var ended: () -> Void = {}
    private(set) var isOpen = true

    init(_ socket: consuming FileDescriptor, loop: ControlLoop) {
        self.socket = socket
        self.loop = loop
    }

    /// - Parameter request: gets all text up to the end of a head, and what follows it in the
    ///   same piece; what it returns is sent.
    func start(request: @escaping (String) -> [UInt8]?, ended: @escaping () -> Void) {
        received = request
        self.ended = ended
        watch = try? loop.watch(socket, .edges) { [self] in ready($0) }
        if watch == nil { end() }
    }

    func send(_ bytes: [UInt8]) {
        if output.isEmpty { output.reset() }
        guard isOpen, output.room >= bytes.count else { return }
        for byte in bytes { output.append(byte) }
        write()
    }

    func end() {
        guard isOpen else { return }
        isOpen = false
        if let watch { loop.unwatch(socket, watch) }
        received = { _ in nil }
        let ended = ended
        self.ended = {}
        loop.after(.zero) { ended() }
    }

    private func ready(_ readiness: Readiness) {
        if readiness.contains(.writable) { write() }
        while isOpen {
            if input.room == 0 { return end() }
            switch loop.receive(socket, into: &input) {
            case .bytes: deliver()
            case .wouldBlock: return
            case .endOfStream, .failed: return end()
            }
        }
    }

    private func deliver() {
        let text = input.bytes.text(ByteRange(0, input.count))
        guard text.contains("\r\n\r\n") else { return }
        input.reset()
        if let answer = received(text) { send(answer) }
    }

    private func write() {
        while isOpen, !output.isEmpty {
            switch loop.send(socket, from: &output) {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed: return end()
            }
        }
    }
}
