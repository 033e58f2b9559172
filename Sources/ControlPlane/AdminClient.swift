import HTTP
import HTTP1
import Linux
import Memory
public import Timing

/// Calls the admin socket of a running staithe, and waits for the answer.
public struct AdminClient: Sendable {
    /// Why there is no answer at all.
    public enum Failure: Error, Equatable, Sendable {
        case notRunning
        case notAllowed
        /// The process is there and has said nothing for so long.
        case silent(Interval)
        case broken(String)
    }

    public let path: String

    public init(path: String) { self.path = path }

    /// The answer as it came.
    public struct Answer: Sendable {
        public var status: Int
        public var body: [UInt8]

        /// What the body says.
        ///
        /// - Throws: the problem that it tells of instead.
        public func value<Value: Decodable>(
            _ type: Value.Type = Value.self
        ) throws(Problem) -> Value {
            guard status < 400 else {
                throw AdminJSON.decode(Problem.self, body)
                    ?? Problem(
                        status: status, code: "unknown", "staithe answered with status \(status)")
            }
            guard let value = AdminJSON.decode(type, body) else {
                throw Problem(
                    status: status, code: "unknown",
                    "the answer cannot be read: another version of staithe runs there")
            }
            return value
        }
    }

    /// How long a process that is well may let a caller wait before it is asked whether it is.
    public static let patience = Interval.seconds(5)

    /// Sends a request, and waits for the answer.
    ///
    /// An answer may take as long as what it tells of: a drained server, names that are looked
    /// up. So an answer that is late is waited for as long as the process answers
    /// `GET /healthz`, which is asked every ``patience``.
    ///
    /// - Parameter body: to be sent as JSON.
    public func call(
        _ method: String, _ target: String, body: [UInt8]? = nil
    ) throws(Failure) -> Answer {
        let socket = try send(method, target, body: body, within: Self.patience)
        while !socket.waitUntilReadable(until: Clock.monotonic() + Self.patience) {
            _ = try call("GET", "/healthz", within: Self.patience)
        }
        return try Self.receive(socket, within: Self.patience)
    }

    /// Sends a request whose answer takes no time, and waits for it.
    ///
    /// - Throws: ``Failure/silent(_:)`` when it has not come within `time`.
    public func call(
        _ method: String, _ target: String, within time: Interval
    ) throws(Failure) -> Answer {
        let deadline = Clock.monotonic() + time
        let socket = try send(method, target, body: nil, within: time)
        guard socket.waitUntilReadable(until: deadline) else { throw .silent(time) }
        return try Self.receive(socket, within: time)
    }

    private func send(
        _ method: String, _ target: String, body: [UInt8]?, within time: Interval
    ) throws(Failure) -> FileDescriptor {
        do throws(Errno) {
            let socket = try UnixSocket.connect(to: path, within: time)
            var request = "\(method) \(target) HTTP/1.1\r\nHost: staithe\r\nConnection: close\r\n"
            if let body {
                request += "Content-Type: application/json\r\n"
                request += "Content-Length: \(body.count)\r\n"
            }
            try socket.writeAll(Array((request + "\r\n").utf8) + (body ?? []))
            return socket
        } catch {
            throw error == .timedOut ? .silent(time) : Self.failure(error)
        }
    }

    /// Reads the answer to its end, as long as bytes keep coming.
    private static func receive(
        _ socket: borrowing FileDescriptor, within time: Interval
    ) throws(Failure) -> Answer {
        var bytes: [UInt8] = []
        while let more = try read(socket) {
            bytes += more
            guard bytes.count <= File.byteBound else { throw .broken("the answer has no end") }
            guard socket.waitUntilReadable(until: Clock.monotonic() + time) else {
                throw .silent(time)
            }
        }
        return try parse(bytes)
    }

    private static func read(
        _ socket: borrowing FileDescriptor
    ) throws(Failure) -> [UInt8]? {
        do throws(Errno) {
            return try socket.readSome()
        } catch {
            throw failure(error)
        }
    }

    /// Reads an answer whose end is the connection's.
    private static func parse(_ bytes: [UInt8]) throws(Failure) -> Answer {
        var fields = FieldSection()
        let input = Buffer(holding: bytes)
        guard
            let parsed = try? HeadParser.parseResponse(
                input.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields),
            case .complete(let head, let byteCount) = parsed
        else { throw .broken("staithe ended before it answered") }
        return Answer(status: head.status, body: Array(bytes[byteCount...]))
    }

    private static func failure(_ error: Errno) -> Failure {
        switch error {
        case .permissionDenied, .notPermitted: .notAllowed
        case .connectionRefused, .noSuchFile: .notRunning
        default: .broken("\(error)")
        }
    }

    /// A name as one segment of a path (RFC 3986 §3.3).
    public static func segment(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x3A:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
