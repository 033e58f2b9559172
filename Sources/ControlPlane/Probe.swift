import Configuration
import HTTP
import HTTP1
import Health
import Linux
import Memory
import Preamble
import TLS
import Timing

/// One check of one server: a connection, and for HTTP a request and its answer.
final class Probe {
    /// What is asked, and what must come back.
    struct Question {
        var address: SocketAddress
        /// `nil`: that the connection opens is the answer.
        var request: [UInt8]?
        /// What follows the request's head; of gRPC only.
        var content: [UInt8] = []
        /// The answer is one of gRPC's health service.
        var isGRPC = false
        var spoken: ServiceConfiguration.Spoken
        var statuses: [ClosedRange<Int>]
        /// Must appear in the first 4 KiB of the content.
        var body: [UInt8]?
        var timeout: Interval
        /// `nil`: the server is asked as it is.
        var tls: ClientTLS?
        /// For whom its certificate must be.
        var tlsName: String
        /// Our own connections are announced as such.
        var proxyHeader: ProxyHeader.Versions = []

        init(
            _ service: ServiceConfiguration, tls: ClientTLS?, server: ServerAddress,
            at: SocketAddress
        ) {
            let check = service.health
            switch service.sendsProxyProtocol {
            case .off: break
            case .v1: proxyHeader = .v1
            case .v2: proxyHeader = .v2
            }
            self.tls = tls
            tlsName = service.tls?.serverName ?? server.host
            address = at
            if let port = check.port, !address.isUnix { address.port = port }
            statuses = check.status
            body = check.body.map { Array($0.utf8) }
            timeout = check.timeout
            spoken = service.spoken
            if let service = check.grpcService {
                isGRPC = true
                content = GRPCHealth.request(of: service)
                request = GRPCHealth.head(
                    authority: check.host ?? server.authority, contentByteCount: content.count,
                    milliseconds: Int(check.timeout.milliseconds.rounded()))
            } else if let path = check.path {
                let host = check.host ?? server.authority
                request = Array(
                    ("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n"
                        + "User-Agent: staithe-check\r\nAccept: */*\r\n\r\n").utf8)
            }
        }
    }

    private enum Stage { case connecting, shaking, sending, reading, over }

    private static let bodyByteBound = 4096

    private let loop: ControlLoop
    private let question: Question
    private let completion: (ProbeVerdict, Interval) -> Void
    private let started: LoopInstant
    private var socket: OpenSocket?
    private let secure: SecureExchange?
    private var watch: ControlLoop.Watch?
    private var timer: ControlLoop.Timer?
    private var stage = Stage.connecting
    private var output = Buffer()
    private var input = Buffer()
    private var fields = FieldSection()
    private var head: ResponseHead?
    /// The conversation, when it is HTTP/2's.
    private var stream: HTTP2Question?

    /// - Parameter completion: called once, later, unless the probe is cancelled before.
    init(
        _ question: Question, loop: ControlLoop,
        completion: @escaping (ProbeVerdict, Interval) -> Void
    ) {
        self.loop = loop
        self.question = question
        self.completion = completion
        started = Clock.monotonic()
        secure = question.tls.map { SecureExchange($0, name: question.tlsName) }
    }

    func start() {
        timer = loop.after(question.timeout) { [self] in
            let isOpening = stage == .connecting || stage == .shaking
            finish(.failed(isOpening ? .connectTimeout : .serverSlow))
        }
        switch loop.withKernel({ $0.connect(to: question.address) }) {
        case .failed(let error):
            // Not from within the call of whoever started us.
            loop.after(.zero) { [self] in finish(.failed(Self.failure(of: error))) }
        case .started(let descriptor):
            let socket = OpenSocket(descriptor)
            self.socket = socket
            do throws(Errno) {
                watch = try loop.watch(socket.descriptor, .edges) { [self] in ready($0) }
            } catch {
                loop.after(.zero) { [self] in finish(.failed(.serverUnreachable)) }
            }
        }
    }

    /// Ends without a verdict.
    func cancel() { end() }

    private func finish(_ verdict: ProbeVerdict) {
        guard stage != .over else { return }
        end()
        completion(verdict, Clock.monotonic() - started)
    }

    private func end() {
        stage = .over
        if let timer { loop.cancel(timer) }
        if let socket, let watch { loop.unwatch(socket.descriptor, watch) }
        timer = nil
        watch = nil
        socket = nil
        input = Buffer()
    }

    private func ready(_ readiness: Readiness) {
        guard let socket else { return }
        if stage == .connecting {
            guard !readiness.isDisjoint(with: [.writable, .broken]) else { return }
            if let error = loop.withKernel({ $0.takeError(socket.descriptor) }) {
                return finish(.failed(Self.failure(of: error)))
            }
            guard !readiness.contains(.broken) else {
                return finish(.failed(.serverClosedEarly))
            }
            guard announce(socket) else { return finish(.failed(.serverClosedEarly)) }
            stage = .shaking
        }
        if stage == .shaking {
            if let secure {
                switch secure.handshake(socket, loop) {
                case .done: break
                case .needsMore: return
                case .failed: return finish(.failed(.serverTLSFailed))
                }
            }
            guard let request = question.request else { return finish(.passed) }
            ask(request)
            stage = .sending
        }
        if stage == .sending { send(socket) }
        if stage == .reading { read(socket) }
    }

    private func ask(_ request: [UInt8]) {
        let isHTTP2: Bool =
            switch question.spoken {
            case .http1: false
            case .h2, .h2c: true
            case .auto: secure?.speaksHTTP2 ?? false
            }
        guard isHTTP2 else {
            output = Buffer(holding: request)
            return
        }
        let stream = HTTP2Question(
            head: request, content: question.content, isSecure: secure != nil)
        self.stream = stream
        output = Buffer(capacity: 16 << 10)
        stream.write(to: &output)
    }

    private func announce(_ socket: OpenSocket) -> Bool {
        guard !question.proxyHeader.isEmpty else { return true }
        var header = Buffer(capacity: 128)
        ProxyHeader.append(
            question.proxyHeader, source: nil, target: question.address, to: &header)
        if case .bytes = loop.send(socket.descriptor, from: &header) { return header.isEmpty }
        return false
    }

    private func send(_ socket: OpenSocket) {
        while !output.isEmpty {
            switch secure?.send(socket, loop, from: &output)
                ?? loop.send(socket.descriptor, from: &output)
            {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed: return finish(.failed(.serverClosedEarly))
            }
        }
        input = Buffer(capacity: 32 << 10)
        stage = .reading
    }

    private func read(_ socket: OpenSocket) {
        while stage == .reading {
            guard input.room > 0 else { return judge(isComplete: true) }
            switch secure?.receive(socket, loop, into: &input)
                ?? loop.receive(socket.descriptor, into: &input)
            {
            case .bytes:
                if let stream { hear(stream, socket) } else { judge(isComplete: false) }
            case .wouldBlock: return
            case .endOfStream:
                return stream == nil
                    ? judge(isComplete: true) : finish(.failed(.serverClosedEarly))
            case .failed: return finish(.failed(.serverClosedEarly))
            }
        }
    }

    /// Goes on with a conversation in HTTP/2; what it owes the server, such as the
    /// acknowledgement of settings, is sent as it comes.
    private func hear(_ stream: HTTP2Question, _ socket: OpenSocket) {
        stream.receive(&input, now: Clock.monotonic())
        input.reset()
        if stream.isBroken { return finish(.failed(.serverBadAnswer)) }
        if stream.isOver { return finish(verdict(on: stream)) }
        if output.isEmpty { output.reset() }
        stream.write(to: &output)
        while !output.isEmpty {
            switch secure?.send(socket, loop, from: &output)
                ?? loop.send(socket.descriptor, from: &output)
            {
            case .bytes: break
            // The rest goes with the next answer, or the check's time runs out.
            case .wouldBlock: return
            case .endOfStream, .failed: return finish(.failed(.serverClosedEarly))
            }
        }
    }

    private func verdict(on stream: HTTP2Question) -> ProbeVerdict {
        // What the session has let through is a head; one that is none has its reason there.
        guard let found = try? stream.parsedHead(&fields) else {
            return .failed(.serverBadAnswer)
        }
        if question.isGRPC {
            guard found.status == 200 else { return .failed(.badStatus) }
            return stream.grpcStatus == 0 && GRPCHealth.isServing(stream.answer)
                ? .passed : .failed(.badStatus)
        }
        guard question.statuses.contains(where: { $0.contains(found.status) }) else {
            return .failed(.badStatus)
        }
        guard let body = question.body else { return .passed }
        return stream.answer.contains(body) ? .passed : .failed(.bodyMismatch)
    }

    /// - Parameter isComplete: nothing more will come.
    private func judge(isComplete: Bool) {
        while head == nil {
            do throws(HeadError) {
                switch try HeadParser.parseResponse(
                    input.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields)
                {
                case .incomplete:
                    if isComplete {
                        finish(
                            .failed(input.room == 0 ? .serverBadAnswer : .serverClosedEarly))
                    }
                    return
                case .complete(let found, let byteCount):
                    input.consume(byteCount)
                    // After 1xx the answer itself follows.
                    if found.isInformational, found.status != 101 { continue }
                    head = found
                }
            } catch {
                return finish(.failed(.serverBadAnswer))
            }
        }
        guard let head else { return }
        guard question.statuses.contains(where: { $0.contains(head.status) }) else {
            return finish(.failed(.badStatus))
        }
        guard let body = question.body else { return finish(.passed) }
        if contains(body) { return finish(.passed) }
        let isOver: Bool =
            switch head.framing {
            case .noContent: true
            case .contentLength(let count): input.count >= count
            case .chunked, .untilClose: false
            }
        if isOver || isComplete || input.count >= Self.bodyByteBound {
            finish(.failed(.bodyMismatch))
        }
    }

    private func contains(_ text: [UInt8]) -> Bool {
        let count = min(input.count, Self.bodyByteBound)
        guard text.count <= count else { return false }
        for start in 0...(count - text.count) {
            var offset = 0
            while offset < text.count, input[input.start + start + offset] == text[offset] {
                offset += 1
            }
            if offset == text.count { return true }
        }
        return false
    }

    private static func failure(of error: Errno) -> ProbeFailure {
        switch error {
        case .connectionRefused: .serverRefused
        case .timedOut: .connectTimeout
        case .connectionReset, .brokenPipe: .serverClosedEarly
        default: .serverUnreachable
        }
    }
}
