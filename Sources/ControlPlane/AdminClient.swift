import HTTP
import HTTP1
import Linux
import Memory

/// Calls the admin socket of a running staithe, and waits for the answer.
public struct AdminClient: Sendable {
    /// Why there is no answer at all.
    public enum Failure: Error, Equatable, Sendable {
        case notRunning
        case notAllowed
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

    /// Sends a request.
    ///
    /// - Parameter body: to be sent as JSON.
    public func call(
        _ method: String, _ target: String, body: [UInt8]? = nil
    ) throws(Failure) -> Answer {
        let bytes: [UInt8]
        do throws(Errno) {
            let socket = try UnixSocket.connect(to: path)
            var request = "\(method) \(target) HTTP/1.1\r\nHost: staithe\r\nConnection: close\r\n"
            if let body {
                request += "Content-Type: application/json\r\n"
                request += "Content-Length: \(body.count)\r\n"
            }
            try socket.writeAll(Array((request + "\r\n").utf8) + (body ?? []))
            bytes = try socket.readToEnd()
        } catch {
            throw Self.failure(error)
        }
        return try Self.parse(bytes)
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
