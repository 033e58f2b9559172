import Foundation
import Memory
import Telemetry
import Testing
import Timing

private struct Names: NameLookup {
    func name(of kind: NamedKind, _ number: UInt32, generation: UInt64) -> String? {
        // Who is asked with the wrong generation or for a stranger does not know.
        guard generation == 7, number < 10 else { return nil }
        return kind == .version && number == 3 ? nil : "\(kind)-\(number)"
    }
}

@Suite("Access records become lines of JSON")
struct AccessLineTests {
    /// A head, and a record whose texts lie in it.
    private struct Entry {
        var head: [UInt8] = []
        var record = AccessRecord()

        mutating func text(_ bytes: some Sequence<UInt8>) -> ByteRange {
            let start = head.count
            head += bytes
            return ByteRange(start, head.count)
        }
    }

    private func line(
        _ entry: Entry, id: UInt64 = 0xABC, rule: StaticString = ""
    ) throws -> String {
        var reader = AccessRecordReader(capacity: 1 << 16)
        var writer = reader.makeWriter()
        let head = FixedArray(entry.head)
        let isWritten = writer.write(entry.record, head: head.bytes, id: id, rule: rule)
        var lines = Buffer(capacity: AccessRecordReader.lineByteBound)
        let isRead = reader.readLine(into: &lines, names: Names())
        let isEmpty = reader.isEmpty
        #expect(isWritten && isRead && isEmpty)
        let bytes = (lines.start..<lines.end).map { lines[$0] }
        // Whatever was put in, it is UTF-8 and one line.
        let text = try #require(String(validating: bytes, as: UTF8.self))
        #expect(text.hasSuffix("\n") && text.utf8.count { $0 == 0x0A } == 1)
        return text
    }

    private func object(_ line: String) throws -> [String: Any] {
        try #require(
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
    }

    @Test("All that is known is there, in its order")
    func whole() throws {
        var entry = Entry()
        entry.record.endedAtNanoseconds = 1_795_644_690_607_999_999
        entry.record.client = .v4(0xC000_0201)
        entry.record.version = .http2
        entry.record.method = entry.text("GET".utf8)
        entry.record.host = entry.text("a.test".utf8)
        entry.record.path = entry.text("/x?y".utf8)
        entry.record.agent = entry.text("curl/8".utf8)
        entry.record.trace = entry.text("0af7".utf8)
        entry.record.listener = 1
        entry.record.route = 2
        entry.record.service = 4
        entry.record.server = 5
        entry.record.status = 502
        entry.record.reason = .serverRefused
        entry.record.retried = .yes
        entry.record.append(.init(server: 5, reason: .serverRefused, duration: .microseconds(1250)))
        entry.record.append(.init(server: 99, reason: .ok, duration: .milliseconds(2)))
        entry.record.queue = .milliseconds(3)
        entry.record.connect = .microseconds(449)
        entry.record.wait = .microseconds(450)
        entry.record.total = .seconds(2)
        entry.record.receivedBytes = 12
        entry.record.sentBytes = 345
        entry.record.generation = 7
        #expect(
            try line(entry, rule: "a-rule")
                == #"{"time":"2026-11-25T22:11:30.607Z","id":"0000000000000abc","#
                + #""client":"192.0.2.1","method":"GET","host":"a.test","path":"/x?y","#
                + #""protocol":"h2","listener":"listener-1","route":"route-2","#
                + #""service":"service-4","version":"version-5","server":"server-5","#
                + #""status":502,"reason":"server_refused","rule":"a-rule","retried":"yes","#
                + #""attempts":[{"server":"server-5","reason":"server_refused","ms":1.3},"#
                + #"{"reason":"ok","ms":2}],"#
                + #""ms":{"queue":3,"connect":0.4,"wait":0.5,"total":2000},"#
                + #""in":12,"out":345,"agent":"curl/8","trace":"0af7","config":"g7"}"# + "\n")
    }

    @Test("What isn't known is left out")
    func bare() throws {
        #expect(
            try line(Entry())
                == #"{"time":"1970-01-01T00:00:00.000Z","id":"0000000000000abc","reason":"ok","#
                + #""retried":"no","ms":{"queue":0,"connect":0,"wait":0,"total":0},"in":0,"out":0}"#
                + "\n")
        var entry = Entry()
        entry.record.service = 3
        entry.record.generation = 6
        let object = try object(line(entry))
        #expect(object["service"] == nil && object["config"] as? String == "g6")
    }

    @Test("Times are those of the calendar, leap years and all")
    func times() throws {
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        var seconds: UInt64 = 951_782_399  // The end of 28 February 2000.
        while seconds < 16_000_000_000 {
            var entry = Entry()
            entry.record.endedAtNanoseconds = seconds * 1_000_000_000 + 5_000_000
            let date = Date(timeIntervalSince1970: Double(seconds) + 0.0051)
            #expect(try object(line(entry))["time"] as? String == formatter.string(from: date))
            seconds += 86_400 * 97 + 12_345
        }
    }

    @Test("Addresses are written as people write them")
    func clients() throws {
        for (client, text) in [
            (AccessRecord.Client.v4(0x0A00_00FF), "10.0.0.255"),
            (.v6(high: 0, low: 1), "::1"), (.v6(high: 0, low: 0), "::"),
            (.v6(high: 0x2001_0DB8_0000_0000, low: 0), "2001:db8::"),
            (.v6(high: 0x2001_0DB8_0000_0001, low: 0x0000_0000_0000_0001), "2001:db8:0:1::1"),
            (.v6(high: 0x2001_0000_0000_0001, low: 0x0000_0000_0000_0001), "2001:0:0:1::1"),
            (.v6(high: 0x0001_0002_0003_0004, low: 0x0005_0006_0007_0008), "1:2:3:4:5:6:7:8"),
            (.v6(high: 0x0001_0000_0003_0004, low: 0x0005_0006_0007_0008), "1:0:3:4:5:6:7:8"),
            (.v6(high: 0, low: 0xFFFF_C000_0201), "192.0.2.1"), (.unixSocket, "unix"),
        ] {
            var entry = Entry()
            entry.record.client = client
            #expect(try object(line(entry))["client"] as? String == text)
        }
    }

    @Test("Texts of strangers cannot break a line or steer a terminal")
    func escapes() throws {
        var entry = Entry()
        let nasty = "\"\\\n\r\t\u{0}\u{1B}[31m\u{7F}\u{85}\u{9B}é中😀"
        entry.record.path = entry.text(nasty.utf8)
        let text = try line(entry)
        #expect(try object(text)["path"] as? String == nasty)
        #expect(text.unicodeScalars.allSatisfy { $0.value >= 0x20 || $0 == "\n" })
        #expect(text.unicodeScalars.allSatisfy { !(0x7F..<0xA0).contains($0.value) })
    }

    @Test("Any bytes at all come out as text, repaired as Swift repairs them")
    func anyBytes() throws {
        var state: UInt64 = 42
        func next() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            // Lead and continuation bytes more often than by chance.
            let byte = UInt8(truncatingIfNeeded: state >> 56)
            let kind = state >> 40 & 3
            return kind == 0 ? 0x80 | byte & 0x3F : kind == 1 ? 0xC0 | byte & 0x3F : byte
        }
        for _ in 0..<500 {
            let bytes = (0..<40).map { _ in next() }
            var entry = Entry()
            entry.record.agent = entry.text(bytes)
            let expected = String(decoding: bytes, as: UTF8.self)
            #expect(try object(line(entry))["agent"] as? String == expected, "\(bytes)")
        }
    }

    @Test("Long texts are cut, and say so")
    func cuts() throws {
        var entry = Entry()
        let long = String(repeating: "x", count: 4000)
        entry.record.id = entry.text(long.utf8)
        entry.record.method = entry.text(long.utf8)
        entry.record.host = entry.text(long.utf8)
        entry.record.path = entry.text(long.utf8)
        entry.record.agent = entry.text(long.utf8)
        entry.record.trace = entry.text(long.utf8)
        let object = try object(line(entry))
        for (name, bound) in [
            ("method", 32), ("host", 255), ("path", 1024), ("agent", 256), ("trace", 64),
        ] {
            let text = try #require(object[name] as? String)
            #expect(text == long.prefix(bound) + "…", "\(name)")
        }
        #expect((object["id"] as? String)?.hasPrefix(long.prefix(64)) == true)
        // Exactly as long as it may be: nothing is missing.
        var exact = Entry()
        exact.record.path = exact.text(long.prefix(1024).utf8)
        #expect(try self.object(line(exact))["path"] as? String == String(long.prefix(1024)))
    }

    @Test("The worst line fits into the room that is asked for")
    func worst() throws {
        var entry = Entry()
        let worst = [UInt8](repeating: 1, count: 4000)
        entry.record.id = entry.text(worst)
        entry.record.host = entry.text(worst)
        entry.record.method = entry.text(worst)
        entry.record.path = entry.text(worst)
        entry.record.agent = entry.text(worst)
        entry.record.trace = entry.text(worst)
        for _ in 0..<6 {
            entry.record.append(.init(server: 1, reason: .serverHeaderTooLarge, duration: .forever))
        }
        let object = try object(line(entry))
        #expect((object["attempts"] as? [Any])?.count == AccessRecord.attemptCapacity)
    }

    @Test("A ring that is full drops records and counts them; what is in it stays whole")
    func dropped() throws {
        var reader = AccessRecordReader(capacity: 4096)
        var writer = reader.makeWriter()
        let head = FixedArray(Array("GET".utf8))
        var record = AccessRecord()
        record.method = ByteRange(0, 3)
        var written = 0
        for _ in 0..<100 where writer.write(record, head: head.bytes, id: UInt64(written)) {
            written += 1
        }
        #expect(written > 5 && written < 100)
        let dropped = writer.droppedCount
        #expect(dropped == UInt64(100 - written))
        let seen = reader.droppedCount
        #expect(seen == dropped)
        var lines = Buffer(capacity: AccessRecordReader.lineByteBound)
        for number in 0..<written {
            lines.reset()
            let isRead = reader.readLine(into: &lines, names: Names())
            #expect(isRead)
            let bytes = (lines.start..<lines.end).map { lines[$0] }
            let object = try object(String(decoding: bytes, as: UTF8.self))
            #expect(object["method"] as? String == "GET")
            let id = String(number, radix: 16)
            #expect((object["id"] as? String)?.drop { $0 == "0" } == id.drop { $0 == "0" })
        }
        lines.reset()
        let isMore = reader.readLine(into: &lines, names: Names())
        #expect(!isMore)
        let isWritten = writer.write(record, head: head.bytes, id: 1)
        #expect(isWritten)
    }
}
