import Configuration
import Discovery
import Linux
import Memory
import TLS
import Timing

/// How an engine is reached, once names and files have been read.
struct EngineDoor {
    enum Way {
        case unix(String)
        case tcp(SocketAddress, ClientTLS, name: String)
    }

    var way: Way
    /// What stands in `Host`.
    var host: String
}

/// One request to an engine, on a connection of its own.
final class EngineCall {
    enum Event {
        case head(EngineResponse.Head)
        case content([UInt8])
        /// Nothing follows. With a sentence when the response is not whole.
        case end(String?)
    }

    private enum Stage { case connecting, shaking, sending, reading, over }

    private let loop: ControlLoop
    private let door: EngineDoor
    private let handler: (Event) -> Void
    private let headPatience: Interval
    private let totalPatience: Interval?
    private var response: EngineResponse
    private var output: Buffer
    private var input = Buffer(capacity: 64 << 10)
    private var stage = Stage.connecting
    private var socket: OpenSocket?
    private var secure: SecureExchange?
    private var watch: ControlLoop.Watch?
    private var timer: ControlLoop.Timer?

    /// - Parameters:
    ///   - contentBound: `nil` for a stream, which may go on for ever.
    ///   - patience: for the whole answer; for a stream, until it begins.
    ///   - handler: called until ``Event/end(_:)``, never from within ``start()``.
    init(
        _ target: String, at door: EngineDoor, contentBound: Int?, patience: Interval,
        loop: ControlLoop, handler: @escaping (Event) -> Void
    ) {
        self.loop = loop
        self.door = door
        self.handler = handler
        headPatience = patience
        totalPatience = contentBound == nil ? nil : patience
        response = EngineResponse(contentBound: contentBound)
        output = Buffer(holding: EngineProtocol.request(target, host: door.host))
    }

    func start() {
        timer = loop.after(headPatience) { [self] in
            finish("no answer within \(headPatience.words)")
        }
        let socket: OpenSocket
        do throws(Errno) {
            socket = try open()
            self.socket = socket
            watch = try loop.watch(socket.descriptor, .edges) { [self] in ready($0) }
        } catch {
            let sentence = sentence(about: error)
            loop.after(.zero) { [self] in finish(sentence) }
        }
    }

    /// Ends without another word.
    func cancel() { close() }

    private func open() throws(Errno) -> OpenSocket {
        switch door.way {
        case .unix(let path): return OpenSocket(try UnixSocket.beginConnecting(to: path))
        case .tcp(let address, let tls, let name):
            secure = SecureExchange(tls, name: name)
            switch loop.withKernel({ $0.connect(to: address) }) {
            case .failed(let error): throw error
            case .started(let descriptor): return OpenSocket(descriptor)
            }
        }
    }

    private func sentence(about error: Errno) -> String {
        guard case .unix(let path) = door.way else {
            return "\(door.host) cannot be reached: \(error)"
        }
        switch error {
        case .noSuchFile: return "there is no socket \(path): does the engine run?"
        case .connectionRefused: return "nobody listens on \(path): does the engine run?"
        case .permissionDenied, .notPermitted:
            return "not allowed to use \(path): the user of this process needs the group of "
                + "that socket"
        default: return "\(path) cannot be used: \(error)"
        }
    }

    private func close() {
        guard stage != .over else { return }
        stage = .over
        if let timer { loop.cancel(timer) }
        if let socket, let watch { loop.unwatch(socket.descriptor, watch) }
        timer = nil
        watch = nil
        socket = nil
    }

    private func finish(_ failure: String?) {
        guard stage != .over else { return }
        close()
        handler(.end(failure))
    }

    // MARK: - The conversation

    private func ready(_ readiness: Readiness) {
        guard let socket else { return }
        if stage == .connecting {
            guard !readiness.isDisjoint(with: [.writable, .broken]) else { return }
            if let error = loop.withKernel({ $0.takeError(socket.descriptor) }) {
                return finish(sentence(about: error))
            }
            stage = .shaking
        }
        if stage == .shaking {
            if let secure {
                switch secure.handshake(socket, loop) {
                case .done: break
                case .needsMore: return
                case .failed(let failure): return finish("\(door.host): \(failure.sentence)")
                }
            }
            stage = .sending
        }
        if stage == .sending { send(socket) }
        if stage == .reading { read(socket) }
    }

    private func send(_ socket: OpenSocket) {
        while !output.isEmpty {
            switch secure?.send(socket, loop, from: &output)
                ?? loop.send(socket.descriptor, from: &output)
            {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed: return finish("the engine closed the connection")
            }
        }
        stage = .reading
    }

    private func read(_ socket: OpenSocket) {
        while stage == .reading {
            input.reset()
            switch secure?.receive(socket, loop, into: &input)
                ?? loop.receive(socket.descriptor, into: &input)
            {
            case .bytes:
                take { (response) throws(EngineResponse.Mistake) in
                    try response.receive(input.array)
                }
            case .wouldBlock: return
            case .endOfStream, .failed:
                take { (response) throws(EngineResponse.Mistake) in
                    try response.connectionEnded()
                }
                return finish("the engine closed the connection")
            }
        }
    }

    private func take(
        _ body: (inout EngineResponse) throws(EngineResponse.Mistake) -> [EngineResponse.Piece]
    ) {
        do throws(EngineResponse.Mistake) {
            for piece in try body(&response) {
                guard stage != .over else { return }
                switch piece {
                case .head(let head):
                    if totalPatience == nil, let timer { loop.cancel(timer) }
                    handler(.head(head))
                case .content(let bytes): handler(.content(bytes))
                case .end: finish(nil)
                }
            }
        } catch {
            switch error {
            case .malformed: finish("the engine's answer is not HTTP")
            case .cut: finish("the engine closed the connection in the middle of its answer")
            case .tooLarge: finish("the engine's answer is larger than is read")
            }
        }
    }
}
