/// What we ask an engine, and which version of its interface we speak. All of it reads: the
/// methods are HEAD and GET, and the paths are these.
public enum EngineProtocol {
    public struct Version: Comparable, Hashable, Sendable, CustomStringConvertible {
        public var major: Int
        public var minor: Int

        public init(_ major: Int, _ minor: Int) {
            self.major = major
            self.minor = minor
        }

        /// `1.41`
        public init?(_ text: String) {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]),
                major >= 0, minor >= 0
            else { return nil }
            self.init(major, minor)
        }

        public static func < (a: Version, b: Version) -> Bool {
            (a.major, a.minor) < (b.major, b.minor)
        }

        public var description: String { "\(major).\(minor)" }
    }

    /// An engine that does not speak this is too old for us.
    public static let oldest = Version(1, 41)
    /// What was written for. Newer engines speak it, too.
    public static let newest = Version(1, 52)

    public static let listBound = 16 << 20
    public static let answerBound = 4 << 20

    /// Which version is spoken with an engine, or why none can be.
    ///
    /// - Parameters:
    ///   - version: the newest that the engine speaks, from `Api-Version` or `/version`.
    ///   - minimum: the oldest, from `/version`; `nil` when nobody said.
    public static func negotiate(
        version: Version, minimum: Version?
    ) -> Result<Version, Refusal> {
        guard version >= oldest else {
            return .failure(
                Refusal(
                    sentence: "the engine is too old: it speaks version \(version) of its "
                        + "interface, and \(oldest) is needed (Docker 20.10, Podman 4)"))
        }
        let spoken = min(version, newest)
        if let minimum, spoken < minimum {
            return .failure(
                Refusal(
                    sentence: "the engine is too new: it speaks version \(minimum) of its "
                        + "interface at least, and this staithe knows \(newest)"))
        }
        return .success(spoken)
    }

    public struct Refusal: Error, Equatable, Sendable {
        public var sentence: String
    }

    // MARK: - Requests

    public static let ping = "/_ping"
    public static let version = "/version"

    public static func list(_ version: Version) -> String {
        "/v\(version)/containers/json?filters="
            + escaped(#"{"status":["running","paused"]}"#)
    }

    /// One container, as a list tells it.
    public static func listOne(_ version: Version, id: String) -> String {
        "/v\(version)/containers/json?all=1&filters="
            + escaped("{\"id\":[\"\(plain(id))\"]}")
    }

    public static func inspect(_ version: Version, id: String) -> String {
        "/v\(version)/containers/\(plain(id))/json"
    }

    /// `died` and `remove` are Podman's: it matches its own words only. `exec_*`, three for each
    /// probe of each container, stays away.
    public static func events(_ version: Version) -> String {
        let kinds = [
            "start", "kill", "die", "died", "stop", "destroy", "remove", "pause", "unpause",
            "rename", "health_status", "connect", "disconnect",
        ]
        let list = kinds.map { "\"\($0)\"" }.joined(separator: ",")
        return "/v\(version)/events?filters="
            + escaped("{\"type\":[\"container\",\"network\"],\"event\":[\(list)]}")
    }

    public static func request(
        _ target: String, host: String, persists: Bool = false
    ) -> [UInt8] {
        let connection = persists ? "" : "Connection: close\r\n"
        return Array(
            ("GET \(target) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: staithe\r\n"
                + "Accept: application/json\r\n\(connection)\r\n").utf8)
    }

    /// Identifiers are hexadecimal; what is not has no place in a path.
    private static func plain(_ id: String) -> String {
        String(id.filter { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") })
    }

    /// For the value of a query (RFC 3986 §2.1).
    private static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }

    // MARK: - Answers

    /// Versions in the answer to `/version`; those in its parts are other things.
    public static func versions(
        _ body: [UInt8]
    ) throws(JSONReader.Mistake) -> (version: Version?, minimum: Version?) {
        var reader = JSONReader(body)
        var version: Version?
        var minimum: Version?
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "ApiVersion": version = try reader.readText().flatMap { Version($0) }
            case "MinAPIVersion": minimum = try reader.readText().flatMap { Version($0) }
            default: try reader.skipValue()
            }
        }
        try reader.finish()
        return (version, minimum)
    }

    /// What an engine says in an error: `{"message": "…"}`; Podman says more, and that too.
    public static func message(_ body: [UInt8]) -> String? {
        var reader = JSONReader(body)
        var message: String?
        try? reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            if key == "message" { message = try reader.readText() } else { try reader.skipValue() }
        }
        return message
    }
}
