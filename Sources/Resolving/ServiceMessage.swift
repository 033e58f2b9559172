import Linux
import Timing

/// The SRV records of a DNS message (RFC 1035 §4), and the addresses of their targets that came
/// with them.
///
/// c-ares reads such a message, too, but leaves the time to live out. Every length is checked, a
/// compressed name may point backwards only, and the work is bounded by the message: at most
/// 64 KiB of it, and ``recordBound`` records.
public struct ServiceMessage: Equatable, Sendable {
    /// More records than this are refused.
    public static var recordBound: Int { 1024 }

    public var services: [ServiceRecord] = []
    /// From the additional section, by name.
    public var addresses: [String: [AddressRecord]] = [:]

    /// - Returns: `nil` for what is no message, or one with a record that is cut.
    public init?(_ message: [UInt8]) {
        var reader = Reader(bytes: message)
        guard message.count <= 65_535, reader.skip(4), let questions = reader.number(),
            let answers = reader.number(), let authorities = reader.number(),
            let additionals = reader.number()
        else { return nil }
        let total = Int(answers) + Int(authorities) + Int(additionals)
        guard total <= Self.recordBound, questions <= 16 else { return nil }
        for _ in 0..<questions {
            guard reader.name() != nil, reader.skip(4) else { return nil }
        }
        var shortest = Interval.seconds(Int(Int32.max))
        for index in 0..<total {
            let isAnswer = index < answers
            guard let record = reader.record() else { return nil }
            if isAnswer { shortest = min(shortest, record.timeToLive) }
            switch record.content {
            case .service(let service) where isAnswer: services.append(service)
            case .address(let address) where index >= answers + authorities:
                addresses[record.name, default: []].append(
                    AddressRecord(address, timeToLive: record.timeToLive))
            default: break
            }
        }
        // An alias that leads here is believed no longer than what it leads to.
        for index in services.indices {
            services[index].timeToLive = min(services[index].timeToLive, shortest)
        }
    }

    private struct Record {
        enum Content {
            case service(ServiceRecord)
            case address(SocketAddress)
            case other
        }

        var name: String
        var timeToLive: Interval
        var content: Content
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        mutating func skip(_ count: Int) -> Bool {
            guard position + count <= bytes.count else { return false }
            position += count
            return true
        }

        mutating func number() -> UInt16? {
            guard position + 2 <= bytes.count else { return nil }
            defer { position += 2 }
            return UInt16(bytes[position]) << 8 | UInt16(bytes[position + 1])
        }

        mutating func longNumber() -> UInt32? {
            guard let high = number(), let low = number() else { return nil }
            return UInt32(high) << 16 | UInt32(low)
        }

        mutating func eightBytes() -> UInt64? {
            guard let high = longNumber(), let low = longNumber() else { return nil }
            return UInt64(high) << 32 | UInt64(low)
        }

        /// A name in lower case, compressed or not (RFC 1035 §4.1.4).
        mutating func name() -> String? {
            var labels: [String] = []
            var place = position
            var end: Int?
            var length = 0
            while true {
                guard place < bytes.count else { return nil }
                let count = Int(bytes[place])
                if count == 0 { break }
                if count >= 0xC0 {
                    guard place + 1 < bytes.count else { return nil }
                    let target = (count & 0x3F) << 8 | Int(bytes[place + 1])
                    // Backwards only, so it ends.
                    guard target < place else { return nil }
                    if end == nil { end = place + 2 }
                    place = target
                    length += 1
                    // A pointer may lead to a pointer: each is shorter than what it saves.
                    guard length < 256 else { return nil }
                    continue
                }
                guard count < 64, place + 1 + count <= bytes.count else { return nil }
                length += count + 1
                guard length < 256 else { return nil }
                let label = bytes[(place + 1)..<(place + 1 + count)]
                // What a host name cannot hold would become a name that it is not.
                guard label.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2E }) else { return nil }
                labels.append(String(decoding: label, as: UTF8.self).lowercased())
                place += 1 + count
            }
            position = end ?? place + 1
            return labels.joined(separator: ".")
        }

        mutating func record() -> Record? {
            guard let owner = name(), let type = number(), let kind = number(),
                let seconds = longNumber(), let length = number(),
                position + Int(length) <= bytes.count
            else { return nil }
            let end = position + Int(length)
            // More than 2^31 - 1 means 0 (RFC 2181 §8).
            let timeToLive = Interval.seconds(seconds > UInt32(Int32.max) ? 0 : Int(seconds))
            var record = Record(name: owner, timeToLive: timeToLive, content: .other)
            if kind == 1 {
                switch (type, length) {
                case (1, 4):
                    guard let address = longNumber() else { return nil }
                    record.content = .address(.ipv4(address, port: 0))
                case (28, 16):
                    guard let high = eightBytes(), let low = eightBytes() else { return nil }
                    record.content = .address(SocketAddress(high: high, low: low, port: 0))
                case (33, _):
                    guard let priority = number(), let weight = number(), let port = number(),
                        let target = name(), position == end
                    else { return nil }
                    record.content = .service(
                        ServiceRecord(
                            priority: priority, weight: weight, port: port, target: target,
                            timeToLive: timeToLive))
                default: break
                }
            }
            position = end
            return record
        }
    }
}
