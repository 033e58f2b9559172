public import Linux
import Memory
import Reactor
import TLS
public import Timing

/// One GET over TLS and HTTP/2, on a connection of its own: the client of the demo.
public final class SecureGet {
    /// What came back.
    public struct Answer: Sendable {
        public var status: Int
        /// The value of `X-Server`; empty without one.
        public var server: String
    }

    /// How such connections are made: the one authority that is believed.
    public struct Rules {
        let tls: ClientTLS

        /// - Parameter authority: a file in PEM; `nil` when it cannot be used.
        public init?(authority: String) {
            var settings = ClientTLSSettings()
            settings.caFile = authority
            settings.protocols = [.http2]
            guard let tls = try? ClientTLS(settings) else { return nil }
            self.tls = tls
        }
    }

    private let loop: ControlLoop
    private let secure: SecureExchange
    private let question: HTTP2Question
    private let completion: (Answer?) -> Void
    private var socket: OpenSocket?
    private var watch: ControlLoop.Watch?
    private var timer: ControlLoop.Timer?
    private var input = Buffer(capacity: 32 << 10)
    private var output = Buffer(capacity: 32 << 10)
    private var isEstablished = false

    /// Asks; calls `completion` once, later, with `nil` when there was no answer in time.
    public static func start(
        _ address: SocketAddress, name: String, rules: Rules, timeout: Interval,
        loop: ControlLoop, completion: @escaping (Answer?) -> Void
    ) {
        SecureGet(name, rules, loop, completion).start(address, timeout)
    }

    private init(
        _ name: String, _ rules: Rules, _ loop: ControlLoop,
        _ completion: @escaping (Answer?) -> Void
    ) {
        self.loop = loop
        self.completion = completion
        secure = SecureExchange(rules.tls, name: name)
        question = HTTP2Question(
            head: Array("GET / HTTP/1.1\r\nHost: \(name)\r\n\r\n".utf8), content: [],
            isSecure: true)
    }

    private func start(_ address: SocketAddress, _ timeout: Interval) {
        timer = loop.after(timeout) { [self] in finish(nil) }
        guard case .started(let descriptor) = loop.withKernel({ $0.connect(to: address) }) else {
            loop.after(.zero) { [self] in finish(nil) }
            return
        }
        let socket = OpenSocket(descriptor)
        self.socket = socket
        watch = try? loop.watch(socket.descriptor, .edges) { [self] _ in goOn() }
        if watch == nil { loop.after(.zero) { [self] in finish(nil) } }
    }

    private func finish(_ answer: Answer?) {
        guard let timer else { return }
        loop.cancel(timer)
        self.timer = nil
        if let socket, let watch { loop.unwatch(socket.descriptor, watch) }
        watch = nil
        socket = nil
        completion(answer)
    }

    private func goOn() {
        guard let socket else { return }
        if !isEstablished {
            switch secure.handshake(socket, loop) {
            case .needsMore: return
            case .failed: return finish(nil)
            case .done: isEstablished = true
            }
        }
        while true {
            if output.isEmpty { output.reset() }
            question.write(to: &output)
            while !output.isEmpty {
                guard case .bytes = secure.send(socket, loop, from: &output) else { break }
            }
            input.reset()
            switch secure.receive(socket, loop, into: &input) {
            case .bytes: question.receive(&input, now: Clock.monotonic())
            case .wouldBlock: return
            case .endOfStream, .failed: return finish(nil)
            }
            if question.isBroken { return finish(nil) }
            if question.isOver { return finish(answer()) }
        }
    }

    private func answer() -> Answer? {
        // `HTTP/1.1 200`, then field lines.
        let lines = question.headText.split(separator: "\r\n")
        guard let words = lines.first?.split(separator: " "), words.count > 1,
            let status = Int(words[1])
        else { return nil }
        let server = lines.first { $0.lowercased().hasPrefix("x-server: ") }
        return Answer(status: status, server: String(server?.dropFirst(10) ?? ""))
    }
}
