import Discovery
import Linux
import Memory
import TLS
import Timing

/// One request of the control plane to a program beside it, and its response: over a Unix socket,
/// or over TCP with or without TLS. The response may be a stream that never ends.
final class OutgoingCall {
    enum Event {
        case head(EngineResponse.Head)
        case content([UInt8])
        /// The response is whole.
        case ended
        /// Why there is no response, or not all of it; a sentence without a subject.
        case failed(String)

        var failure: String? { if case .failed(let sentence) = self { sentence } else { nil } }
    }

    struct Target {
        enum Way {
            case unix(String)
            /// TLS with the name for whom the certificate must be; `nil`: without.
            case tcp(SocketAddress, TLS?)
        }

        struct TLS {
            var client: ClientTLS
            var name: String
        }

        var way: Way
    }

    private enum Stage { case connecting, shaking, sending, reading, over }

    private let loop: ControlLoop
    private let target: Target
    /// `nil` once the call is over: whoever waits for it may hold it.
    private var handler: ((Event) -> Void)?
    private let secure: SecureExchange?
    private var socket: OpenSocket?
    private var watch: ControlLoop.Watch?
    private var timer: ControlLoop.Timer?
    private var stage = Stage.connecting
    private var output: Buffer
    private var input = Buffer(capacity: 64 << 10)
    private var response: EngineResponse
    private let isStream: Bool

    /// - Parameters:
    ///   - contentBound: bytes of content at most; `nil` for a stream, which may also last.
    ///   - handler: called on the loop, never from within ``start(patience:)``; last with `ended`
    ///     or `failed`, unless the call is cancelled before.
    init(
        _ request: [UInt8], to target: Target, loop: ControlLoop, contentBound: Int?,
        handler: @escaping (Event) -> Void
    ) {
        self.loop = loop
        self.target = target
        self.handler = handler
        isStream = contentBound == nil
        secure =
            if case .tcp(_, let tls?) = target.way {
                SecureExchange(tls.client, name: tls.name)
            } else {
                nil
            }
        output = Buffer(holding: request)
        response = EngineResponse(contentBound: contentBound)
    }

    /// - Parameter patience: for the whole call; of a stream, until its head has come.
    func start(patience: Interval) {
        timer = loop.after(patience) { [self] in fail("no answer within \(patience.words)") }
        do throws(Errno) {
            let socket = try open()
            self.socket = socket
            watch = try loop.watch(socket.descriptor, .edges) { [self] in ready($0) }
        } catch {
            // Not from within the call of whoever started us.
            let sentence = sentence(about: error)
            loop.after(.zero) { [self] in fail(sentence) }
        }
    }

    private func open() throws(Errno) -> OpenSocket {
        switch target.way {
        case .unix(let path): return OpenSocket(try UnixSocket.beginConnecting(to: path))
        case .tcp(let address, _):
            switch loop.withKernel({ $0.connect(to: address) }) {
            case .failed(let error): throw error
            case .started(let descriptor): return OpenSocket(descriptor)
            }
        }
    }

    private func sentence(about error: Errno) -> String {
        guard case .unix(let path) = target.way else { return "it cannot be reached: \(error)" }
        switch error {
        case .noSuchFile: return "there is no socket \(path): does the engine run?"
        case .connectionRefused: return "nobody listens on \(path): does the engine run?"
        case .permissionDenied, .notPermitted:
            return "not allowed to use \(path): the user of this process needs the group of "
                + "that socket"
        default: return "\(path) cannot be used: \(error)"
        }
    }

    /// Our own address, as the other end sees it; while the call is under way.
    var localAddress: SocketAddress? {
        guard let socket else { return nil }
        return loop.withKernel { $0.localAddress(socket.descriptor) }
    }

    /// Ends without another event.
    func cancel() {
        stage = .over
        if let timer { loop.cancel(timer) }
        if let socket, let watch { loop.unwatch(socket.descriptor, watch) }
        timer = nil
        watch = nil
        socket = nil
        handler = nil
    }

    private func end(_ event: Event) {
        guard stage != .over else { return }
        let handler = handler
        cancel()
        handler?(event)
    }

    private func fail(_ sentence: String) { end(.failed(sentence)) }

    private func ready(_ readiness: Readiness) {
        guard let socket else { return }
        if stage == .connecting {
            guard !readiness.isDisjoint(with: [.writable, .broken]) else { return }
            if let error = loop.withKernel({ $0.takeError(socket.descriptor) }) {
                return fail(sentence(about: error))
            }
            stage = .shaking
        }
        if stage == .shaking {
            if let secure {
                switch secure.handshake(socket, loop) {
                case .done: break
                case .needsMore: return
                case .failed(let failure):
                    return fail("TLS: \(failure.sentence)")
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
            case .endOfStream, .failed: return fail("it hung up before it had the request")
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
            case .endOfStream:
                take { (response) throws(EngineResponse.Mistake) in
                    try response.connectionEnded()
                }
                return fail("it hung up")
            case .failed(let error): return fail("the connection broke: \(error)")
            }
        }
    }

    private func take(
        _ read: (inout EngineResponse) throws(EngineResponse.Mistake) -> [EngineResponse.Piece]
    ) {
        do throws(EngineResponse.Mistake) {
            for piece in try read(&response) where stage != .over {
                switch piece {
                case .head(let head):
                    if isStream, let timer { loop.cancel(timer) }
                    handler?(.head(head))
                case .content(let bytes): handler?(.content(bytes))
                case .end: end(.ended)
                }
            }
        } catch {
            switch error {
            case .malformed: fail("what answers is not HTTP")
            case .cut: fail("it hung up in the middle of its answer")
            case .tooLarge: fail("its answer is too large")
            }
        }
    }
}
