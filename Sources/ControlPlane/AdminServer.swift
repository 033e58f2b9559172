import FoundationEssentials
import HTTP
import HTTP1
import Linux
import Memory
import Timing

/// A request to the admin socket, read completely.
struct AdminRequest {
    var method: HTTP.Method
    /// Percent-decoded segments of the path.
    var path: [String]
    var query: [String: String]
    var body: [UInt8]
    var caller: PeerCredentials?

    func decode<Value: Decodable>(_ type: Value.Type) throws(Problem) -> Value {
        do {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(type, from: Data(body))
        } catch {
            throw Problem(
                status: 422, code: "bad-json", "the body is not the JSON that this needs",
                help: "see the description of the interface")
        }
    }
}

/// An answer of the admin socket.
struct AdminResponse {
    var status: Int
    var body: [UInt8]
    var generation: Int?
    /// `nil` for JSON.
    var contentType: String?

    init(text: String, contentType: String) {
        status = 200
        body = Array(text.utf8)
        self.contentType = contentType
    }

    init(_ value: some Encodable, status: Int = 200, generation: Int? = nil) {
        self.status = status
        self.generation = generation
        body = AdminJSON.encode(value)
    }

    init(_ problem: Problem) { self.init(problem, status: problem.status) }

    func bytes(isHead: Bool) -> [UInt8] {
        let kind =
            contentType ?? (status >= 400 ? "application/problem+json" : "application/json")
        var head = "HTTP/1.1 \(status) \(Status.reason(status))\r\n"
        head += "Content-Type: \(kind)\r\nContent-Length: \(body.count)\r\n"
        if let generation { head += "ETag: \"g\(generation)\"\r\n" }
        head += "Connection: close\r\n\r\n"
        return Array(head.utf8) + (isHead ? [] : body)
    }
}

/// The JSON of the admin socket, both ways.
public enum AdminJSON {
    public static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Structs of numbers and texts cannot fail, unless a number is not one.
        guard let data = try? encoder.encode(value) else { return Array("{}".utf8) }
        return Array(data) + [0x0A]
    }

    public static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) -> Value? {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try? decoder.decode(type, from: Data(bytes))
    }
}

/// HTTP/1.1 over a Unix socket: one request for each connection.
final class AdminServer {
    typealias Handler = (AdminRequest, @escaping (AdminResponse) -> Void) -> Void

    private static let connectionBound = 64

    private let loop: ControlLoop
    private let path: String
    private let handler: Handler
    private var listener: OpenSocket?
    /// Of our socket: who ends does not remove the one of who took its place.
    private var file: File.Identity?
    private var watch: ControlLoop.Watch?
    private var connections: [ObjectIdentifier: AdminConnection] = [:]

    init(path: String, loop: ControlLoop, handler: @escaping Handler) {
        self.path = path
        self.loop = loop
        self.handler = handler
    }

    func listen(mode: UInt16) throws(Errno) {
        let listener = OpenSocket(try UnixSocket.listen(at: path, mode: mode, backlog: 64))
        self.listener = listener
        file = File.identity(of: path)
        watch = try loop.watch(listener.descriptor, .level) { [unowned self] _ in accept() }
    }

    /// Leaves no socket behind.
    func close() {
        guard let listener else { return }
        if let watch { loop.unwatch(listener.descriptor, watch) }
        if let file { File.remove(path, if: file) }
        self.listener = nil
    }

    private func accept() {
        guard let listener else { return }
        while true {
            switch loop.withKernel({ $0.accept(listener.descriptor) }) {
            case .none: return
            case .failed: return
            case .connection(let descriptor, _):
                guard connections.count < Self.connectionBound else { continue }
                let connection = AdminConnection(
                    OpenSocket(descriptor), loop: loop, handler: handler)
                let number = ObjectIdentifier(connection)
                connections[number] = connection
                // The connection holds this closure, so the closure must not hold it.
                connection.start { [unowned self] in connections[number] = nil }
            }
        }
    }
}

/// One connection to the admin socket.
private final class AdminConnection {
    private enum Stage { case reading, answering, writing, over }

    private static let byteBound = 1 << 20
    private static let patience = Interval.seconds(10)

    private let socket: OpenSocket
    private let loop: ControlLoop
    private let handler: AdminServer.Handler
    private var ended: () -> Void = {}
    private var watch: ControlLoop.Watch?
    private var timer: ControlLoop.Timer?
    private var stage = Stage.reading
    private var input = Buffer(capacity: 16 << 10)
    private var fields = FieldSection()
    private var output = Buffer()
    private var isHead = false

    init(_ socket: OpenSocket, loop: ControlLoop, handler: @escaping AdminServer.Handler) {
        self.socket = socket
        self.loop = loop
        self.handler = handler
    }

    func start(_ ended: @escaping () -> Void) {
        self.ended = ended
        timer = loop.after(Self.patience) { [unowned self] in end() }
        watch = try? loop.watch(socket.descriptor, .edges) { [unowned self] in ready($0) }
        if watch == nil { end() }
    }

    private func end() {
        guard stage != .over else { return }
        stage = .over
        if let timer { loop.cancel(timer) }
        if let watch { loop.unwatch(socket.descriptor, watch) }
        // Not while one of our own methods runs.
        let ended = ended
        self.ended = {}
        loop.after(.zero) { ended() }
    }

    private func ready(_ readiness: Readiness) {
        switch stage {
        case .reading:
            read()
            // The edge tells of both at once, and comes once.
            if stage == .answering, readiness.contains(.broken) { end() }
        case .writing: write()
        // The client has gone: its connection must not keep others out meanwhile.
        case .answering: if readiness.contains(.broken) { end() }
        case .over: break
        }
    }

    private func read() {
        while stage == .reading {
            if input.room == 0 {
                guard input.capacity < Self.byteBound else {
                    return answer(
                        AdminResponse(
                            Problem(status: 413, code: "too-large", "the request is too large")))
                }
                var larger = Buffer(capacity: input.capacity * 4)
                larger.append(input.bytes)
                input = larger
            }
            switch loop.receive(socket.descriptor, into: &input) {
            case .bytes: parse()
            case .wouldBlock: return
            case .endOfStream, .failed: return end()
            }
        }
    }

    private func parse() {
        do throws(HeadError) {
            let parsed = try HeadParser.parseRequest(
                input.bytes, limits: HeadLimits(), fields: &fields)
            guard case .complete(let head, let byteCount) = parsed else { return }
            var bodyCount = 0
            switch head.framing {
            case .noContent: break
            case .contentLength(let count): bodyCount = Int(clamping: count)
            case .chunked:
                return answer(
                    AdminResponse(
                        Problem(
                            status: 411, code: "length-required", "send a Content-Length")))
            }
            guard bodyCount < Self.byteBound else {
                return answer(
                    AdminResponse(
                        Problem(status: 413, code: "too-large", "the request is too large")))
            }
            if head.expectsContinue, input.count == byteCount {
                var interim = Buffer(holding: Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
                _ = loop.send(socket.descriptor, from: &interim)
            }
            guard input.count >= byteCount + bodyCount else { return }
            handle(head, bodyStart: byteCount, bodyCount: bodyCount)
        } catch {
            answer(
                AdminResponse(
                    Problem(
                        status: error.status, code: "bad-request", "the request is malformed")))
        }
    }

    private func handle(_ head: RequestHead, bodyStart: Int, bodyCount: Int) {
        let target = input.bytes.text(head.pathAndQuery)
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var query: [String: String] = [:]
        if parts.count == 2 {
            for pair in parts[1].split(separator: "&") {
                // A pair may be `=` alone: then there is a key, and it is empty.
                let key = pair.prefix { $0 != "=" }
                query[key.percentDecoded] = pair.dropFirst(key.count + 1).percentDecoded
            }
        }
        var body: [UInt8] = []
        for offset in 0..<bodyCount { body.append(input.bytes.byte(bodyStart + offset)) }
        let request = AdminRequest(
            method: head.method,
            path: (parts.first ?? "").split(separator: "/").map(\.percentDecoded), query: query,
            body: body, caller: UnixSocket.peer(of: socket.descriptor))
        isHead = head.method == .head
        stage = .answering
        if let timer { loop.cancel(timer) }
        timer = nil
        handler(request) { response in self.answer(response) }
    }

    private func answer(_ response: AdminResponse) {
        guard stage != .over else { return }
        output = Buffer(holding: response.bytes(isHead: isHead))
        stage = .writing
        if timer == nil { timer = loop.after(Self.patience) { [unowned self] in end() } }
        write()
    }

    private func write() {
        while !output.isEmpty {
            switch loop.send(socket.descriptor, from: &output) {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed: return end()
            }
        }
        loop.withKernel { $0.shutdownSending(socket.descriptor) }
        end()
    }
}

extension Substring {
    /// RFC 3986 §2.1; what is no escape stays as it is.
    fileprivate var percentDecoded: String {
        var bytes: [UInt8] = []
        var rest = Array(utf8)[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, rest.count >= 2,
                let value = UInt8(
                    String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
