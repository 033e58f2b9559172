public import Linux
public import Memory

/// Why the first bytes of a connection were refused.
public struct PreambleError: Error, Equatable, Sendable {
    /// For logs, like the rules of heads.
    public let rule: StaticString

    public init(_ rule: StaticString) { self.rule = rule }

    public static func == (a: PreambleError, b: PreambleError) -> Bool {
        "\(a.rule)" == "\(b.rule)"
    }
}

/// The first bytes of a connection from a balancer in front: who its client is (the PROXY
/// protocol of HAProxy, versions 1 and 2).
///
/// Strict: what is not exactly as the specification says is refused, because who can write this
/// header can be anybody.
public enum ProxyHeader {
    public struct Versions: OptionSet, Sendable, BitwiseCopyable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        public static let v1 = Versions(rawValue: 1)
        public static let v2 = Versions(rawValue: 2)
    }

    public enum Parsed: Equatable, Sendable {
        case incomplete
        /// - source: `nil` when the balancer speaks for itself, or for somebody without an
        ///   address: then the connection's own counts.
        case complete(source: SocketAddress?, byteCount: Int)
    }

    /// The longest line of version 1, with its end.
    private static let lineByteBound = 107
    /// Extensions of version 2 beyond this are nothing that we could need.
    private static let extensionByteBound = 4096

    /// Reads the header at the front of `bytes`.
    ///
    /// - Throws: the rule that was broken; close the connection.
    public static func parse(
        _ bytes: RawSpan, accepting versions: Versions
    ) throws(PreambleError) -> Parsed {
        guard bytes.byteCount > 0 else { return .incomplete }
        switch bytes.byte(0) {
        case UInt8(ascii: "P") where versions.contains(.v1): return try parseLine(bytes)
        case 0x0D where versions.contains(.v2): return try parseBinary(bytes)
        default: throw PreambleError("proxy-header-missing")
        }
    }

    // MARK: - Version 1

    private static func parseLine(_ bytes: RawSpan) throws(PreambleError) -> Parsed {
        let start = Array("PROXY ".utf8)
        for index in 0..<min(start.count, bytes.byteCount) where bytes.byte(index) != start[index] {
            throw PreambleError("proxy-header-missing")
        }
        var end = 0
        while end < bytes.byteCount, end < lineByteBound, bytes.byte(end) != 0x0A { end += 1 }
        guard end < lineByteBound else { throw PreambleError("proxy-line-too-long") }
        guard end < bytes.byteCount else { return .incomplete }
        guard end > 0, bytes.byte(end - 1) == 0x0D else { throw PreambleError("proxy-line-end") }
        let words = bytes.text(ByteRange(0, end - 1))
            .split(separator: " ", omittingEmptySubsequences: false)
        // What follows UNKNOWN is to be ignored.
        if words.count > 1, words[1] == "UNKNOWN" {
            return .complete(source: nil, byteCount: end + 1)
        }
        guard words.count == 6, words[1] == "TCP4" || words[1] == "TCP6",
            let sourcePort = port(words[4]), port(words[5]) != nil,
            let source = SocketAddress(numeric: String(words[2]), port: sourcePort),
            let target = SocketAddress(numeric: String(words[3]), port: 0)
        else { throw PreambleError("proxy-line-invalid") }
        let isVersion4 = words[1] == "TCP4"
        guard isVersion4 != words[2].contains(":"), isVersion4 != words[3].contains(":"),
            !isVersion4 || target.isIPv4
        else { throw PreambleError("proxy-line-invalid") }
        return .complete(source: source, byteCount: end + 1)
    }

    /// A number without leading zeros.
    private static func port(_ word: Substring) -> UInt16? {
        guard !word.isEmpty, word.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            word.utf8.count == 1 || word.utf8.first != 0x30
        else { return nil }
        return UInt16(word)
    }

    // MARK: - Version 2

    private static let signature: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]

    private static func parseBinary(_ bytes: RawSpan) throws(PreambleError) -> Parsed {
        for index in 0..<min(signature.count, bytes.byteCount)
        where bytes.byte(index) != signature[index] {
            throw PreambleError("proxy-header-missing")
        }
        guard bytes.byteCount >= 16 else { return .incomplete }
        let command = bytes.byte(12)
        guard command == 0x20 || command == 0x21 else { throw PreambleError("proxy-version") }
        let family = bytes.byte(13)
        let length = Int(bytes.byte(14)) << 8 | Int(bytes.byte(15))
        let addressCount: Int
        switch family >> 4 {
        case 0: addressCount = 0
        case 1: addressCount = 12
        case 2: addressCount = 36
        case 3: addressCount = 216
        default: throw PreambleError("proxy-family")
        }
        guard family & 0xF <= 2 else { throw PreambleError("proxy-family") }
        guard length <= addressCount + extensionByteBound else {
            throw PreambleError("proxy-header-too-long")
        }
        // Of its own connections, and of those without a family, nothing else counts.
        let isLocal = command == 0x20
        guard isLocal || length >= addressCount else { throw PreambleError("proxy-length") }
        guard bytes.byteCount >= 16 + length else { return .incomplete }
        let end = 16 + length
        if isLocal || addressCount == 0 { return .complete(source: nil, byteCount: end) }
        try checkExtensions(bytes.extracting(0..<end), from: 16 + addressCount)
        guard family & 0xF == 1 else { return .complete(source: nil, byteCount: end) }
        switch family >> 4 {
        case 1:
            let address = UInt32(truncatingIfNeeded: number(bytes, 16, 4))
            let port = UInt16(truncatingIfNeeded: number(bytes, 24, 2))
            return .complete(source: .ipv4(address, port: port), byteCount: end)
        case 2:
            let source = SocketAddress(
                high: number(bytes, 16, 8), low: number(bytes, 24, 8),
                port: UInt16(truncatingIfNeeded: number(bytes, 48, 2)))
            return .complete(source: source, byteCount: end)
        default: return .complete(source: nil, byteCount: end)
        }
    }

    private static func number(_ bytes: RawSpan, _ start: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for offset in 0..<count { value = value << 8 | UInt64(bytes.byte(start + offset)) }
        return value
    }

    /// Extensions are not needed, but must be whole, and their checksum must be right.
    private static func checkExtensions(_ header: RawSpan, from start: Int) throws(PreambleError) {
        var position = start
        while position < header.byteCount {
            guard position + 3 <= header.byteCount else { throw PreambleError("proxy-extension") }
            let count = Int(number(header, position + 1, 2))
            guard position + 3 + count <= header.byteCount else {
                throw PreambleError("proxy-extension")
            }
            if header.byte(position) == 0x03 {
                guard count == 4,
                    checksum(header, skipping: position + 3)
                        == UInt32(truncatingIfNeeded: number(header, position + 3, 4))
                else { throw PreambleError("proxy-checksum") }
            }
            position += 3 + count
        }
    }

    /// CRC-32C of the header with the four bytes of the checksum itself as zeros.
    private static func checksum(_ header: RawSpan, skipping start: Int) -> UInt32 {
        var value = UInt32.max
        for offset in 0..<header.byteCount {
            let isOwn = offset >= start && offset < start + 4
            value ^= isOwn ? 0 : UInt32(header.byte(offset))
            for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
        }
        return ~value
    }

    // MARK: - Our own

    /// Appends a header for a connection that is made for `source`; `nil` when it is our own.
    /// 108 bytes at most, and with `secure` 1,000. Allocates: once for a connection.
    ///
    /// - Parameter secure: what the client has agreed on with us in TLS; version 2 tells it.
    public static func append(
        _ version: Versions, source: SocketAddress?, target: SocketAddress,
        secure: SecureClient? = nil, to output: inout Buffer
    ) {
        if version == .v1 {
            appendLine(source, target, to: &output)
        } else {
            appendBinary(source, target, secure?.extensions ?? [], to: &output)
        }
    }

    private static func appendLine(
        _ source: SocketAddress?, _ target: SocketAddress, to output: inout Buffer
    ) {
        guard let source else {
            output.append("PROXY UNKNOWN\r\n")
            return
        }
        let isVersion4 = source.isIPv4 && target.isIPv4
        let family = isVersion4 ? "TCP4" : "TCP6"
        output.append(
            text: "PROXY \(family) \(host(source, isVersion4)) \(host(target, isVersion4)) "
                + "\(source.port) \(target.port)\r\n")
    }

    /// In a line for IPv6, an IPv4 address is written as one.
    private static func host(_ address: SocketAddress, _ isVersion4: Bool) -> String {
        address.isIPv4 && !isVersion4 ? "::ffff:\(address.host)" : address.host
    }

    private static func appendBinary(
        _ source: SocketAddress?, _ target: SocketAddress, _ extensions: [UInt8],
        to output: inout Buffer
    ) {
        for byte in signature { output.append(byte) }
        guard let source else {
            for byte: UInt8 in [0x20, 0, 0, 0] { output.append(byte) }
            return
        }
        let isVersion4 = source.isIPv4 && target.isIPv4
        output.append(0x21)
        output.append(isVersion4 ? 0x11 : 0x21)
        append(UInt64((isVersion4 ? 12 : 36) + extensions.count), bytes: 2, to: &output)
        defer { for byte in extensions { output.append(byte) } }
        for address in [source, target] {
            if isVersion4 {
                append(address.low & 0xFFFF_FFFF, bytes: 4, to: &output)
            } else {
                append(address.high, bytes: 8, to: &output)
                append(address.low, bytes: 8, to: &output)
            }
        }
        append(UInt64(source.port), bytes: 2, to: &output)
        append(UInt64(target.port), bytes: 2, to: &output)
    }

    private static func append(_ number: UInt64, bytes count: Int, to output: inout Buffer) {
        for index in (0..<count).reversed() {
            output.append(UInt8(truncatingIfNeeded: number >> UInt64(index * 8)))
        }
    }
}
