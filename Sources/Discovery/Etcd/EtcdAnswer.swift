/// An answer of etcd's JSON gateway. Numbers of 64 bits come as texts there.
public enum EtcdAnswer {
    /// Why etcd did not do it.
    public struct Refusal: Error, Equatable, Sendable {
        /// Of gRPC; `nil` when the answer is none of etcd's.
        public var code: Int?
        public var message: String

        public init(code: Int?, message: String) {
            self.code = code
            self.message = message
        }

        /// The token is unknown, or too old: another one must be asked for.
        public var needsLogin: Bool {
            code == 16 || message.contains("invalid auth token")
                || message.contains("auth token is not provided")
                || message.contains("user name is empty")
        }
    }

    public struct Header: Equatable, Sendable {
        public var cluster: UInt64
        public var revision: Int64

        public init(cluster: UInt64 = 0, revision: Int64 = 0) {
            self.cluster = cluster
            self.revision = revision
        }
    }

    public struct KeyValue: Equatable, Sendable {
        public var key: String
        public var value: String
        public var revision: Int64
        /// Under which it stands; 0 for none.
        public var lease: Int64

        public init(
            key: String = "", value: String = "", revision: Int64 = 0, lease: Int64 = 0
        ) {
            self.key = key
            self.value = value
            self.revision = revision
            self.lease = lease
        }
    }

    /// Of a range.
    public struct Listing: Equatable, Sendable {
        public var header: Header
        public var count: Int
        public var entries: [KeyValue]

        public init(
            header: Header = Header(), count: Int = 0, entries: [KeyValue] = []
        ) {
            self.header = header
            self.count = count
            self.entries = entries
        }
    }

    public enum Event: Equatable, Sendable {
        case put(KeyValue)
        /// The entry as it was, if etcd still knew; its revision is that of the end.
        case delete(key: String, revision: Int64, before: KeyValue?)
    }

    /// One line of a watch.
    public enum WatchMessage: Equatable, Sendable {
        case created(Header)
        case events(Header, [Event])
        /// Ended by etcd; with the oldest revision that is left, if that is the reason.
        case canceled(reason: String, compactRevision: Int64)
        case progress(Header)
    }

    public struct Grant: Equatable, Sendable {
        public var lease: Int64
        public var seconds: Int

        public init(lease: Int64, seconds: Int) {
            self.lease = lease
            self.seconds = seconds
        }
    }

    /// More keys than this are not counted: the number is compared with what is known, and added
    /// to.
    private static let countBound: Int64 = 1 << 40

    // MARK: - Reading

    /// - Throws: what an answer with another status than 200 says.
    public static func listing(_ body: [UInt8]) throws(Refusal) -> Listing {
        var listing = Listing()
        try read(body) { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "header": listing.header = try header(&reader)
            case "count":
                listing.count = Int(min(max(try number(&reader) ?? 0, 0), Self.countBound))
            case "kvs":
                try reader.readArray { (reader) throws(JSONReader.Mistake) in
                    if let entry = try keyValue(&reader) { listing.entries.append(entry) }
                }
            default: try reader.skipValue()
            }
        }
        return listing
    }

    /// Whether a transaction found what it was to find, and was carried out.
    public static func hasSucceeded(_ body: [UInt8]) throws(Refusal) -> Bool {
        var hasSucceeded = false
        var isEtcds = false
        try read(body) { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "header":
                isEtcds = true
                try reader.skipValue()
            // Left out when it is false.
            case "succeeded": hasSucceeded = try reader.readBoolean() ?? false
            default: try reader.skipValue()
            }
        }
        guard isEtcds else { throw Refusal(code: nil, message: "its answer is not one of etcd's") }
        return hasSucceeded
    }

    public static func token(_ body: [UInt8]) throws(Refusal) -> String {
        var token: String?
        try read(body) { (reader, key) throws(JSONReader.Mistake) in
            if key == "token" { token = try reader.readText() } else { try reader.skipValue() }
        }
        guard let token, !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw Refusal(code: nil, message: "etcd gave no token")
        }
        return token
    }

    /// Of a grant, or of a keep-alive, whose answer is a line of a stream. A lease that is gone
    /// has 0 seconds.
    public static func grant(_ body: [UInt8]) throws(Refusal) -> Grant {
        var grant = Grant(lease: 0, seconds: 0)
        var failure: Refusal?
        func member(_ reader: inout JSONReader, _ key: String) throws(JSONReader.Mistake) {
            switch key {
            case "ID": grant.lease = try number(&reader) ?? 0
            case "TTL": grant.seconds = Int(clamping: try number(&reader) ?? 0)
            case "result":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    try member(&reader, key)
                }
            case "error": failure = try refusal(&reader)
            default: try reader.skipValue()
            }
        }
        try read(body) { (reader, key) throws(JSONReader.Mistake) in try member(&reader, key) }
        if let failure { throw failure }
        return grant
    }

    /// - Throws: a refusal that ends the watch.
    public static func watchMessage(_ line: [UInt8]) throws(Refusal) -> WatchMessage {
        var header = Header()
        var events: [Event] = []
        var isCreated = false
        var isCanceled = false
        var reason = ""
        var compactRevision: Int64 = 0
        var failure: Refusal?
        try read(line) { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "error": failure = try refusal(&reader)
            case "result":
                try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                    switch key {
                    case "header": header = try Self.header(&reader)
                    case "created": isCreated = try reader.readBoolean() ?? false
                    case "canceled": isCanceled = try reader.readBoolean() ?? false
                    case "cancel_reason": reason = try reader.readText() ?? ""
                    case "compact_revision": compactRevision = try number(&reader) ?? 0
                    case "events":
                        try reader.readArray { (reader) throws(JSONReader.Mistake) in
                            if let event = try event(&reader) { events.append(event) }
                        }
                    default: try reader.skipValue()
                    }
                }
            default: try reader.skipValue()
            }
        }
        if let failure { throw failure }
        if isCanceled { return .canceled(reason: reason, compactRevision: compactRevision) }
        if isCreated, events.isEmpty { return .created(header) }
        return events.isEmpty ? .progress(header) : .events(header, events)
    }

    /// What stands in an answer whose status is not 200.
    public static func refusal(status: Int, _ body: [UInt8]) -> Refusal {
        var reader = JSONReader(body)
        if let refusal = try? refusal(&reader), !refusal.message.isEmpty { return refusal }
        return Refusal(code: nil, message: "it answered with status \(status)")
    }

    // MARK: - Parts

    private static func read(
        _ bytes: [UInt8],
        _ member: (inout JSONReader, String) throws(JSONReader.Mistake) -> Void
    ) throws(Refusal) {
        do throws(JSONReader.Mistake) {
            var reader = JSONReader(bytes, maximumDepth: 16)
            try reader.readObject(member)
            try reader.finish()
        } catch {
            throw Refusal(code: nil, message: "its answer is not the JSON of etcd")
        }
    }

    private static func refusal(
        _ reader: inout JSONReader
    ) throws(JSONReader.Mistake) -> Refusal {
        var code: Int?
        var texts: [String: String] = [:]
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "code", "grpc_code": code = try reader.readInteger()
            // Older gateways have the one, newer ones the other, some both.
            case "error", "message": texts[key] = try reader.readText()
            default: try reader.skipValue()
            }
        }
        return Refusal(code: code, message: texts["message"] ?? texts["error"] ?? "")
    }

    private static func header(_ reader: inout JSONReader) throws(JSONReader.Mistake) -> Header {
        var header = Header()
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "cluster_id": header.cluster = UInt64(try reader.readText() ?? "") ?? 0
            case "revision":
                // There is always a next one.
                header.revision = min(max(try number(&reader) ?? 0, 0), .max - 1)
            default: try reader.skipValue()
            }
        }
        return header
    }

    /// - Returns: `nil` for a key or value that is no text: it is nobody's of ours.
    private static func keyValue(
        _ reader: inout JSONReader
    ) throws(JSONReader.Mistake) -> KeyValue? {
        var entry = KeyValue()
        var isText = true
        func text(_ reader: inout JSONReader) throws(JSONReader.Mistake) -> String {
            guard let bytes = Base64.decode(try reader.readText() ?? ""),
                let text = String(validating: bytes, as: UTF8.self)
            else {
                isText = false
                return ""
            }
            return text
        }
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "key": entry.key = try text(&reader)
            case "value": entry.value = try text(&reader)
            case "mod_revision": entry.revision = try number(&reader) ?? 0
            case "lease": entry.lease = try number(&reader) ?? 0
            default: try reader.skipValue()
            }
        }
        return isText && !entry.key.isEmpty ? entry : nil
    }

    private static func event(_ reader: inout JSONReader) throws(JSONReader.Mistake) -> Event? {
        var isDelete = false
        var entry: KeyValue?
        var before: KeyValue?
        try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
            switch key {
            case "type": isDelete = try reader.readText() == "DELETE"
            case "kv": entry = try keyValue(&reader)
            case "prev_kv": before = try keyValue(&reader)
            default: try reader.skipValue()
            }
        }
        guard let entry else { return nil }
        return isDelete
            ? .delete(key: entry.key, revision: entry.revision, before: before) : .put(entry)
    }

    /// Of 64 bits, as a text or, for small ones in other gateways, as a number.
    private static func number(_ reader: inout JSONReader) throws(JSONReader.Mistake) -> Int64? {
        var copy = reader
        if let text = try copy.readText() {
            reader = copy
            return Int64(text)
        }
        return try reader.readInteger().map { Int64($0) }
    }
}
