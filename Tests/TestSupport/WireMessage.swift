/// One HTTP/1 message as it stood on the wire.
public struct WireMessage: Sendable, CustomStringConvertible {
    public struct Field: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var startLine = ""
    public var fields: [Field] = []
    /// The content as framed: with chunk sizes and trailers when it was chunked.
    public var rawContent: [UInt8] = []
    public var content: [UInt8] = []
    public var trailers: [Field] = []

    public var text: String { String(decoding: content, as: UTF8.self) }
    public var rawText: String { String(decoding: rawContent, as: UTF8.self) }
    public var method: String { String(startLine.prefix { $0 != " " }) }
    public var target: String {
        startLine.split(separator: " ").dropFirst().first.map(String.init) ?? ""
    }
    public var status: Int {
        Int(startLine.split(separator: " ").dropFirst().first ?? "") ?? 0
    }

    /// The first value of a field; names are compared as HTTP compares them.
    public subscript(_ name: String) -> String? { values(name).first }

    public func values(_ name: String) -> [String] {
        let name = name.lowercased()
        return fields.filter { $0.name.lowercased() == name }.map(\.value)
    }

    public func has(_ name: String) -> Bool { self[name] != nil }

    /// Whether the sender announced that it would close.
    public var closes: Bool { self["Connection"]?.lowercased().contains("close") ?? false }

    public var description: String {
        startLine + "\n" + fields.map { "\($0.name): \($0.value)\n" }.joined() + "\n" + text
    }

    init(head: String) throws {
        var lines = head.split(separator: "\r\n", omittingEmptySubsequences: true)[...]
        guard let first = lines.popFirst() else { throw PeerError.malformed("empty head") }
        startLine = String(first)
        fields = try lines.map(Self.field)
    }

    fileprivate static func field(_ line: Substring) throws -> Field {
        guard let colon = line.firstIndex(of: ":") else {
            throw PeerError.malformed("field line without colon: \(line)")
        }
        let value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        return Field(name: String(line[..<colon]), value: String(value))
    }
}

extension ScriptedPeer {
    /// The next request with its content; `nil` when the client has ended the connection before.
    public func nextRequest() throws -> WireMessage? {
        guard try waitForFirstByte() else { return nil }
        return try readRequest()
    }

    public func readRequest() throws -> WireMessage {
        var message = try WireMessage(head: read(through: "\r\n\r\n"))
        try readFramedContent(of: &message)
        return message
    }

    /// The next response. Interim ones (1xx, but not 101) are skipped unless asked for.
    public func readResponse(
        to method: String = "GET", skippingInterim: Bool = true
    ) throws -> WireMessage {
        while true {
            var message = try WireMessage(head: read(through: "\r\n\r\n"))
            let status = message.status
            if status < 200 {
                if skippingInterim && status != 101 { continue }
                return message
            }
            if method == "HEAD" || status == 204 || status == 304 { return message }
            if !message.has("Content-Length") && !message.has("Transfer-Encoding") {
                message.rawContent = try readToEnd()
                message.content = message.rawContent
                return message
            }
            try readFramedContent(of: &message)
            return message
        }
    }

    private func readFramedContent(of message: inout WireMessage) throws {
        if message["Transfer-Encoding"]?.lowercased().hasSuffix("chunked") ?? false {
            while true {
                let line = try read(through: "\r\n")
                message.rawContent += Array(line.utf8)
                let digits = line.prefix { $0.isHexDigit }
                guard let size = Int(digits, radix: 16) else {
                    throw PeerError.malformed("chunk size \(line.debugDescription)")
                }
                if size == 0 { break }
                let data = try read(size + 2)
                guard data.suffix(2) == [13, 10] else {
                    throw PeerError.malformed("chunk without its end")
                }
                message.content += data.dropLast(2)
                message.rawContent += data
            }
            while true {
                let line = try read(through: "\r\n")
                message.rawContent += Array(line.utf8)
                if line == "\r\n" { return }
                message.trailers.append(try WireMessage.field(line.dropLast(1)))
            }
        } else if let length = message["Content-Length"] {
            guard let count = Int(length) else {
                throw PeerError.malformed("Content-Length \(length)")
            }
            message.rawContent = try read(count)
            message.content = message.rawContent
        }
    }

    /// Sends a request and reads its response.
    public func ask(_ request: String) throws -> WireMessage {
        try send(request)
        return try readResponse(to: String(request.prefix { $0 != " " }))
    }
}

/// One request on a connection of its own.
public func ask(port: UInt16, _ request: String, timeout: Double = 20) throws -> WireMessage {
    let client = try ScriptedClient(port: port, timeout: timeout)
    return try client.ask(request)
}

/// `GET path`, with more field lines if given (each ending in CRLF).
public func get(
    _ path: String = "/", host: String = "example.test", fields: String = ""
) -> String {
    "GET \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n"
}

public func post(
    _ path: String = "/", _ content: String, host: String = "example.test", fields: String = ""
) -> String {
    "POST \(path) HTTP/1.1\r\nHost: \(host)\r\n\(fields)Content-Length: \(content.utf8.count)"
        + "\r\n\r\n\(content)"
}

/// A 200 with this text, framed by its length.
public func ok(_ text: String, fields: String = "") -> String {
    "HTTP/1.1 200 OK\r\n\(fields)Content-Length: \(text.utf8.count)\r\n\r\n\(text)"
}
