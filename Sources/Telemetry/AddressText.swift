import Memory

/// Addresses as people write them.
enum AddressText {
    static func append(v4 address: UInt32, to line: inout Buffer) {
        for shift: UInt32 in [24, 16, 8, 0] {
            if shift < 24 { line.append(UInt8(ascii: ".")) }
            line.append(decimal: UInt64(address >> shift & 0xFF))
        }
    }

    /// In the canonical form of RFC 5952 §4: lower case, no leading zeros, the longest run of
    /// two or more zero groups (the first of equals) as `::`. An IPv4 address that came through
    /// an IPv6 socket is written as what it is.
    static func append(v6 high: UInt64, _ low: UInt64, to line: inout Buffer) {
        if high == 0, low >> 32 == 0xFFFF {
            append(v4: UInt32(truncatingIfNeeded: low), to: &line)
            return
        }
        func group(_ index: Int) -> UInt64 {
            (index < 4 ? high : low) >> UInt64((3 - index % 4) * 16) & 0xFFFF
        }
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            guard group(index) == 0 else {
                start = index + 1
                continue
            }
            if index + 1 - start > max(1, longest.count) { longest = start..<index + 1 }
        }
        var index = 0
        while index < 8 {
            if index == longest.lowerBound, !longest.isEmpty {
                line.append("::")
                index = longest.upperBound
                continue
            }
            if index > 0, index != longest.upperBound || longest.isEmpty {
                line.append(UInt8(ascii: ":"))
            }
            line.append(hexadecimal: group(index))
            index += 1
        }
    }
}
