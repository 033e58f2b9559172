/// A numeric address, read without asking the system.
struct NumericAddress: Equatable {
    /// As in ``AddressRange``: IPv4 is held as its IPv4-mapped IPv6 address.
    var high: UInt64
    var low: UInt64
    var isVersion4: Bool

    /// `192.0.2.1`: four numbers without leading zeros.
    static func version4(_ text: Substring) -> NumericAddress? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt64 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count),
                part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || !part.hasPrefix("0"),
                let number = UInt64(part), number <= 255
            else { return nil }
            bits = bits << 8 | number
        }
        return NumericAddress(high: 0, low: 0xFFFF << 32 | bits, isVersion4: true)
    }

    /// RFC 4291 §2.2, without a zone.
    static func version6(_ text: Substring) -> NumericAddress? {
        let halves = split(text)
        guard let head = groups(halves.head, isLast: halves.tail == nil) else { return nil }
        var words = head
        if let tailText = halves.tail {
            guard let tail = groups(tailText, isLast: true), head.count + tail.count <= 7 else {
                return nil
            }
            words += Array(repeating: 0, count: 8 - head.count - tail.count) + tail
        }
        guard words.count == 8 else { return nil }
        let high = words[..<4].reduce(0) { $0 << 16 | UInt64($1) }
        let low = words[4...].reduce(0) { $0 << 16 | UInt64($1) }
        return NumericAddress(high: high, low: low, isVersion4: false)
    }

    /// The parts around `::`; `tail` is `nil` without one.
    private static func split(_ text: Substring) -> (head: Substring, tail: Substring?) {
        var previous: Character = " "
        for index in text.indices {
            if text[index] == ":", previous == ":" {
                return (text[..<text.index(before: index)], text[text.index(after: index)...])
            }
            previous = text[index]
        }
        return (text, nil)
    }

    private static func groups(_ text: Substring, isLast: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var words: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if isLast, index == parts.count - 1, part.contains("."), let tail = version4(part) {
                words.append(UInt16(truncatingIfNeeded: tail.low >> 16))
                words.append(UInt16(truncatingIfNeeded: tail.low))
            } else {
                guard (1...4).contains(part.utf8.count), part.first != "+", part.first != "-",
                    let word = UInt16(part, radix: 16)
                else { return nil }
                words.append(word)
            }
            if words.count > 8 { return nil }
        }
        return words
    }

    /// RFC 5952 §4: lower case, no leading zeros, the longest run of zeros as `::`.
    var description: String {
        if isVersion4 {
            return [24, 16, 8, 0].map { (shift: UInt64) in String((low >> shift) & 0xFF) }
                .joined(separator: ".")
        }
        let words = (0..<8).map { (index: Int) -> UInt64 in
            let half: UInt64 = index < 4 ? high : low
            return (half >> UInt64((3 - index % 4) * 16)) & 0xFFFF
        }
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, words[end] == 0 { end += 1 }
            if end - start > max(1, best.count) { best = start..<end }
            start = max(end, start + 1)
        }
        let texts = words.map { String($0, radix: 16) }
        guard !best.isEmpty else { return texts.joined(separator: ":") }
        return texts[..<best.lowerBound].joined(separator: ":") + "::"
            + texts[best.upperBound...].joined(separator: ":")
    }
}

extension AddressRange {
    /// Whether a numeric address, as text, lies inside.
    public func contains(_ text: String) -> Bool {
        guard let address = NumericAddress.version4(text[...]) ?? NumericAddress.version6(text[...])
        else { return false }
        let highMask: UInt64 =
            prefixBitCount >= 64
            ? .max : prefixBitCount == 0 ? 0 : ~0 << UInt64(64 - prefixBitCount)
        let lowMask: UInt64 =
            prefixBitCount >= 128
            ? .max : prefixBitCount <= 64 ? 0 : ~0 << UInt64(128 - prefixBitCount)
        return address.high & highMask == high & highMask && address.low & lowMask == low & lowMask
    }
}
