import HTTP
import Memory
import Testing

@Suite("Dates")
struct DateTextTests {
    @Test(
        "are IMF-fixdates",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (.max, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] as [(Int64, String)])
    func text(_ second: Int64, _ expected: String) {
        var date = DateText()
        date.update(secondsSinceEpoch: second)
        let text = date.text.text
        #expect(text == expected)
        #expect(text.utf8.count == DateText.byteCount)
        date.update(secondsSinceEpoch: second)
        let again = date.text.text
        #expect(again == expected)
    }

    @Test("follow each other day by day through 400 years")
    func calendar() {
        var expected = CivilDate(daysSinceEpoch: 0)
        for day in 1...146_097 {
            let isLeap =
                expected.year % 4 == 0 && (expected.year % 100 != 0 || expected.year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            expected.day += 1
            if expected.day > lengths[expected.month - 1] {
                expected.day = 1
                expected.month += 1
            }
            if expected.month > 12 {
                expected.month = 1
                expected.year += 1
            }
            guard CivilDate(daysSinceEpoch: day) == expected else {
                Issue.record("day \(day)")
                return
            }
        }
        #expect(expected.year == 2370)
    }
}

@Suite("Addresses as text")
struct AddressTextTests {
    @Test(
        "follow RFC 5952",
        arguments: [
            (0, 0, "::"),
            (0, 1, "::1"),
            (0x2001_0DB8_0000_0000, 0x0000_0000_0000_0001, "2001:db8::1"),
            (0x2001_0DB8_0000_0000, 0x0001_0000_0000_0001, "2001:db8::1:0:0:1"),
            (0x2001_0DB8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"),
            (0x2001_0000_0000_0001, 0x0000_0000_0000_0001, "2001:0:0:1::1"),
            (0xFE80_0000_0000_0000, 0, "fe80::"),
            (0x0001_0002_0003_0004, 0x0005_0006_0007_0008, "1:2:3:4:5:6:7:8"),
            (0, 0x0000_FFFF_7F00_0001, "127.0.0.1"),
            (0, 0x0000_FFFF_FFFF_FFFF, "255.255.255.255"),
            (0, 0x0000_FFFF_0A00_0A0A, "10.0.10.10"),
            (.max, .max, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] as [(UInt64, UInt64, String)])
    func address(_ high: UInt64, _ low: UInt64, _ expected: String) {
        var buffer = Buffer(capacity: 64)
        AddressText.append(high: high, low: low, to: &buffer)
        let text = buffer.text
        #expect(text == expected)
        buffer.reset()
        AddressText.append(high: high, low: low, inBrackets: true, to: &buffer)
        let bracketed = buffer.text
        #expect(bracketed == (expected.contains(":") ? "[\(expected)]" : expected))
        #expect(bracketed.utf8.count <= AddressText.maximumByteCount)
    }
}

@Suite("Statuses")
struct StatusTests {
    @Test("what we send has a phrase")
    func phrases() {
        let sent = [100, 200, 308, 400, 404, 405, 408, 413, 414, 417, 421, 429, 431]
        for status in sent + [500, 501, 502, 503, 504, 505, 508] {
            #expect(!Status.reason(status).text.isEmpty, "\(status)")
        }
        #expect(Status.reason(502).text == "Bad Gateway")
        #expect(Status.reason(599).text.isEmpty)
    }
}
