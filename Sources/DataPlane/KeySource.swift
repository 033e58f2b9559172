import Balancing
import Configuration
import HTTP
import HTTP1
import Linux
import Memory

/// Where a service finds the key of a request, for the strategies that have one.
enum KeySource: BitwiseCopyable {
    case none
    case clientAddress
    case path
    /// Names are in the roster's text.
    case header(ByteRange)
    case cookie(ByteRange)
    case query(ByteRange)

    init(_ key: ServiceConfiguration.Balance.Key?, text: inout [UInt8]) {
        func add(_ name: String) -> ByteRange {
            let start = text.count
            text += Array(name.utf8)
            return ByteRange(start, text.count)
        }
        switch key {
        case nil: self = .none
        case .clientIP?: self = .clientAddress
        case .path?: self = .path
        case .header(let name)?: self = .header(add(name))
        case .cookie(let name)?: self = .cookie(add(name))
        case .query(let name)?: self = .query(add(name))
        }
    }
}

/// What an exchange knows of its key.
enum RequestKey: BitwiseCopyable {
    /// Not looked for yet.
    case unknown
    /// The request does not have what the key is made of.
    case missing
    case hash(UInt64)
}

extension Worker where Kernel: ~Copyable {
    /// What the next pick knows of the exchange. The key is looked for once.
    mutating func pickRequest(_ turn: Turn, of service: Place<ServiceState>) -> PickRequest {
        guard service.value.needsKey else { return PickRequest(now: now) }
        if case .unknown = turn.value.key {
            turn.value.key = findKey(turn, service.value.keySource, of: service)
        }
        guard case .hash(let hash) = turn.value.key else { return PickRequest(now: now) }
        return PickRequest(now: now, key: hash)
    }

    private mutating func findKey(
        _ turn: Turn, _ source: KeySource, of service: Place<ServiceState>
    ) -> RequestKey {
        if case .clientAddress = source {
            let peer = turn.value.client.value.peer
            return .hash(StableHash.hash(peer.high.byteSwapped, peer.low.byteSwapped))
        }
        guard !turn.value.isRaw else { return .missing }
        recallFields(turn)
        let start = turn.value.headStart
        let bytes = turn.value.client.value.input
            .span(from: start, to: start + turn.value.head.headByteCount)
        let found: ByteRange?
        switch source {
        case .none, .clientAddress: found = nil
        case .path: found = turn.value.head.path
        case .header(let name):
            found = header(bytes, name, of: service)
        case .cookie(let name):
            found = cookie(bytes, name, of: service)
        case .query(let name):
            let head = turn.value.head
            found = Self.parameter(
                bytes, ByteRange(head.path.upper, head.pathAndQuery.upper), named: name,
                in: service.value.roster.text.bytes)
        }
        return found.map { .hash(StableHash.hash(bytes, $0)) } ?? .missing
    }

    /// The value of the first field line with the name; `nil` when there is none or it is empty.
    private func header(
        _ bytes: RawSpan, _ name: ByteRange, of service: Place<ServiceState>
    ) -> ByteRange? {
        let text = service.value.roster.text.bytes
        for index in 0..<fields.count
        where bytes.isSame(fields[index].nameRange, as: name, of: text, ignoresCase: true) {
            let value = fields[index].valueRange
            return value.isEmpty ? nil : value
        }
        return nil
    }

    private func cookie(
        _ bytes: RawSpan, _ name: ByteRange, of service: Place<ServiceState>
    ) -> ByteRange? {
        let text = service.value.roster.text.bytes
        for index in 0..<fields.count where fields[index].name == .cookie {
            let value = fields[index].valueRange
            let found = bytes.value(
                of: name, in: text, among: value, separatedBy: UInt8(ascii: ";"))
            if let found { return found }
        }
        return nil
    }

    /// - Parameter range: from the `?` on, or empty.
    private static func parameter(
        _ bytes: RawSpan, _ range: ByteRange, named name: ByteRange, in text: RawSpan
    ) -> ByteRange? {
        guard range.lower < range.upper else { return nil }
        return bytes.value(
            of: name, in: text, among: ByteRange(range.lower + 1, range.upper),
            separatedBy: UInt8(ascii: "&"))
    }
}

extension RawSpan {
    func isSame(
        _ range: ByteRange, as other: ByteRange, of text: RawSpan, ignoresCase: Bool
    ) -> Bool {
        guard range.count == other.count else { return false }
        for offset in 0..<Int(range.count) {
            let a = byte(range.lower + offset)
            let b = text.byte(other.lower + offset)
            guard a == b || ignoresCase && a | 0x20 == b | 0x20 else { return false }
        }
        return true
    }

    /// The value of `name=value` in a list of such; `nil` when it is not there or empty.
    func value(
        of name: ByteRange, in text: RawSpan, among list: ByteRange, separatedBy separator: UInt8
    ) -> ByteRange? {
        var position = list.lower
        while position < list.upper {
            while position < list.upper, byte(position) == UInt8(ascii: " ") { position += 1 }
            var end = position
            var sign = -1
            while end < list.upper, byte(end) != separator {
                if sign < 0, byte(end) == UInt8(ascii: "=") { sign = end }
                end += 1
            }
            if sign >= 0, isSame(ByteRange(position, sign), as: name, of: text, ignoresCase: false)
            {
                return sign + 1 < end ? ByteRange(sign + 1, end) : nil
            }
            position = end + 1
        }
        return nil
    }
}
