import Linux
import Resolving
import Testing
import Timing

/// Writes a DNS message, record by record (RFC 1035 §4).
struct MessageDraft {
    var bytes: [UInt8] = []
    private var counts: [UInt16] = [0, 0, 0, 0]

    init() { bytes = [0x12, 0x34, 0x81, 0x80] + [UInt8](repeating: 0, count: 8) }

    static func number(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
    static func long(_ value: UInt32) -> [UInt8] {
        number(UInt16(value >> 16)) + number(UInt16(value & 0xFFFF))
    }
    static func name(_ text: String) -> [UInt8] {
        text.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    private mutating func count(_ section: Int) {
        counts[section] += 1
        bytes.replaceSubrange(
            (4 + 2 * section)..<(6 + 2 * section), with: Self.number(counts[section]))
    }

    mutating func question(_ name: String, type: UInt16) {
        count(0)
        bytes += Self.name(name) + Self.number(type) + Self.number(1)
    }

    /// - Parameter section: 1 for answers, 2 for authorities, 3 for additional records.
    mutating func record(
        _ section: Int, owner: [UInt8], type: UInt16, seconds: UInt32, _ data: [UInt8]
    ) {
        count(section)
        bytes += owner + Self.number(type) + Self.number(1) + Self.long(seconds)
        bytes += Self.number(UInt16(data.count)) + data
    }

    static func service(
        _ priority: UInt16, _ weight: UInt16, _ port: UInt16, _ target: [UInt8]
    ) -> [UInt8] {
        number(priority) + number(weight) + number(port) + target
    }
}

@Suite("SRV messages")
struct ServiceMessageTests {
    /// The name at byte 12: that of the question.
    private let pointer: [UInt8] = [0xC0, 0x0C]

    private func draft() -> MessageDraft {
        var draft = MessageDraft()
        draft.question("_http._tcp.api.internal", type: 33)
        draft.record(
            1, owner: pointer, type: 33, seconds: 30,
            MessageDraft.service(10, 5, 3000, MessageDraft.name("A.api.Internal")))
        draft.record(
            1, owner: pointer, type: 33, seconds: 7,
            // `b` and then the name of the question without its first two labels.
            MessageDraft.service(20, 0, 3001, [1, 0x62, 0xC0, 0x17]))
        draft.record(
            3, owner: MessageDraft.name("a.api.internal"), type: 1, seconds: 60, [10, 0, 0, 1])
        draft.record(
            3, owner: MessageDraft.name("a.api.internal"), type: 28, seconds: 60,
            [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [9])
        return draft
    }

    @Test("Services, compressed names, additional addresses, and the shortest time to live")
    func reading() throws {
        let message = try #require(ServiceMessage(draft().bytes))
        #expect(
            message.services == [
                ServiceRecord(
                    priority: 10, weight: 5, port: 3000, target: "a.api.internal",
                    timeToLive: .seconds(7)),
                ServiceRecord(
                    priority: 20, weight: 0, port: 3001, target: "b.api.internal",
                    timeToLive: .seconds(7)),
            ])
        #expect(
            message.addresses["a.api.internal"]?.map(\.address.host) == ["10.0.0.1", "2001:db8::9"])
        #expect(message.addresses.count == 1)
    }

    @Test("A message that is cut anywhere is refused, and nothing traps")
    func cut() {
        let bytes = draft().bytes
        for count in 0..<bytes.count {
            #expect(ServiceMessage(Array(bytes[..<count])) == nil, "\(count) bytes")
        }
    }

    @Test("Every byte changed in every bit: an answer or none, never a trap or a loop")
    func mutations() {
        let bytes = draft().bytes
        var readCount = 0
        for index in bytes.indices {
            for bit in 0..<8 {
                var mutant = bytes
                mutant[index] ^= 1 << bit
                if ServiceMessage(mutant) != nil { readCount += 1 }
            }
        }
        // What changes a number or a letter is still a message; what changes a length is not.
        #expect(readCount > 0 && readCount < bytes.count * 8)
    }

    @Test("A name that points at itself or forwards is refused")
    func loops() {
        for target: [UInt8] in [[0xC0, 0x50], [0xFF, 0xFF], [0x40], [1, 0x2E, 0]] {
            var draft = MessageDraft()
            draft.question("_a._tcp.b", type: 33)
            draft.record(
                1, owner: [0xC0, 0x0C], type: 33, seconds: 1,
                MessageDraft.service(0, 0, 1, target))
            #expect(ServiceMessage(draft.bytes) == nil, "\(target)")
        }
    }

    @Test("Too many records are refused, and a time beyond 2^31 - 1 seconds is none")
    func bounds() throws {
        var draft = MessageDraft()
        draft.question("_a._tcp.b", type: 33)
        let data = MessageDraft.service(0, 0, 1, MessageDraft.name("c"))
        draft.record(1, owner: [0xC0, 0x0C], type: 33, seconds: 0x8000_0000, data)
        let message = try #require(ServiceMessage(draft.bytes))
        #expect(message.services.first?.timeToLive == .zero)
        for _ in 0..<ServiceMessage.recordBound {
            draft.record(1, owner: [0xC0, 0x0C], type: 33, seconds: 1, data)
        }
        #expect(ServiceMessage(draft.bytes) == nil)
    }
}
