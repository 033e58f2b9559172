public import Memory

/// The first message of a TLS client: which name it asks for, read without taking part
/// (RFC 8446 §4.1.2, RFC 6066 §3).
///
/// Only as much is judged as must be to find the name: the rest is the server's affair.
public enum ClientHello {
    public enum Parsed: Equatable, Sendable {
        case incomplete
        /// - hasName: the name has been appended.
        case complete(hasName: Bool)
    }

    /// A fatal alert `unrecognized_name`, for who asks for a name that nobody here has
    /// (RFC 8446 §6.2).
    public static let unrecognizedName: [UInt8] = [0x15, 3, 1, 0, 2, 2, 112]

    /// The longest name, as the DNS has it.
    public static var longestName: Int { 255 }

    /// Reads the message at the front of `bytes`, which may come in several records.
    ///
    /// - Parameter name: gets the name in lower case and without a dot at its end; has room for
    ///   ``longestName`` bytes.
    /// - Throws: the rule that was broken; close the connection.
    public static func parse(
        _ bytes: RawSpan, name: inout Buffer
    ) throws(PreambleError) -> Parsed {
        var reader = HelloReader()
        guard let found = try parse(bytes, &reader, &name) else { return .incomplete }
        return .complete(hasName: found)
    }

    /// - Returns: whether it has a name; `nil` when the message is not whole yet.
    private static func parse(
        _ bytes: RawSpan, _ reader: inout HelloReader, _ name: inout Buffer
    ) throws(PreambleError) -> Bool? {
        guard let kind = try reader.number(bytes, 1) else { return nil }
        guard kind == 1 else { throw PreambleError("tls-no-client-hello") }
        guard let count = try reader.number(bytes, 3) else { return nil }
        guard count <= HelloReader.messageBound else { throw PreambleError("tls-hello-too-long") }
        reader.limit(to: count)
        guard let version = try reader.number(bytes, 2) else { return nil }
        guard version >> 8 == 3 else { throw PreambleError("tls-version") }
        // The random, then session, suites and compression, each behind its length.
        guard try reader.skip(bytes, 32), try reader.skip(bytes, behindLengthOf: 1),
            try reader.skip(bytes, behindLengthOf: 2), try reader.skip(bytes, behindLengthOf: 1)
        else { return nil }
        // Extensions are optional before TLS 1.3.
        if reader.isAtLimit { return false }
        guard try reader.number(bytes, 2) != nil else { return nil }
        while !reader.isAtLimit {
            guard let type = try reader.number(bytes, 2), let length = try reader.number(bytes, 2)
            else {
                return nil
            }
            guard type == 0 else {
                guard try reader.skip(bytes, length) else { return nil }
                continue
            }
            return try readNames(bytes, &reader, length, &name)
        }
        return false
    }

    /// `server_name`: one entry of the kind `host_name`, and others that nobody has defined.
    private static func readNames(
        _ bytes: RawSpan, _ reader: inout HelloReader, _ length: Int, _ name: inout Buffer
    ) throws(PreambleError) -> Bool? {
        guard let listLength = try reader.number(bytes, 2) else { return nil }
        guard listLength + 2 == length else { throw PreambleError("tls-server-name") }
        var left = listLength
        while left > 0 {
            guard let kind = try reader.number(bytes, 1), let count = try reader.number(bytes, 2)
            else {
                return nil
            }
            left -= 3 + count
            guard left >= 0 else { throw PreambleError("tls-server-name") }
            guard kind == 0 else {
                guard try reader.skip(bytes, count) else { return nil }
                continue
            }
            guard count > 0, count <= longestName else { throw PreambleError("tls-server-name") }
            let start = name.end
            for _ in 0..<count {
                guard let byte = try reader.number(bytes, 1) else {
                    name.setBounds(start: name.start, end: start)
                    return nil
                }
                // Nothing that a host name or an address has not.
                guard byte > 0x20, byte < 0x7F else { throw PreambleError("tls-server-name") }
                let isCapital = byte >= 0x41 && byte <= 0x5A
                name.append(UInt8(byte) | (isCapital ? 0x20 : 0))
            }
            if name.end - start > 1, name[name.end - 1] == UInt8(ascii: ".") {
                name.setBounds(start: name.start, end: name.end - 1)
            }
            return true
        }
        return false
    }
}

/// Goes through a handshake message, whatever records it comes in.
private struct HelloReader {
    /// A first message has some hundred bytes, with keys for quantum computers two thousand.
    static let messageBound = 15 << 10

    private var position = 0
    /// Of the present record.
    private var recordLeft = 0
    /// Of the message; before its length is known, any number.
    private var messageLeft = Int.max

    var isAtLimit: Bool { messageLeft == 0 }

    mutating func limit(to count: Int) { messageLeft = count }

    /// Makes sure that the present record has a byte, though it may not have come yet.
    private mutating func enterRecord(_ bytes: RawSpan) throws(PreambleError) -> Bool {
        while recordLeft == 0 {
            guard position < bytes.byteCount else { return false }
            guard bytes.byte(position) == 22 else { throw PreambleError("tls-no-handshake") }
            guard position + 5 <= bytes.byteCount else { return false }
            guard bytes.byte(position + 1) == 3 else { throw PreambleError("tls-version") }
            recordLeft = Int(bytes.byte(position + 3)) << 8 | Int(bytes.byte(position + 4))
            guard recordLeft > 0, recordLeft <= 1 << 14 else { throw PreambleError("tls-record") }
            position += 5
        }
        return true
    }

    /// - Returns: a big-endian number of `count` bytes; `nil` when it has not come yet.
    mutating func number(_ bytes: RawSpan, _ count: Int) throws(PreambleError) -> Int? {
        guard count <= messageLeft else { throw PreambleError("tls-hello-length") }
        var value = 0
        for _ in 0..<count {
            guard try enterRecord(bytes), position < bytes.byteCount else { return nil }
            value = value << 8 | Int(bytes.byte(position))
            position += 1
            recordLeft -= 1
        }
        messageLeft -= count
        return value
    }

    /// - Returns: `false` when not all of it has come.
    mutating func skip(_ bytes: RawSpan, _ count: Int) throws(PreambleError) -> Bool {
        guard count <= messageLeft else { throw PreambleError("tls-hello-length") }
        var left = count
        while left > 0 {
            guard try enterRecord(bytes) else { return false }
            let step = min(left, min(recordLeft, bytes.byteCount - position))
            guard step > 0 else { return false }
            position += step
            recordLeft -= step
            left -= step
        }
        messageLeft -= count
        return true
    }

    mutating func skip(_ bytes: RawSpan, behindLengthOf count: Int) throws(PreambleError) -> Bool {
        guard let length = try number(bytes, count) else { return false }
        return try skip(bytes, length)
    }
}
