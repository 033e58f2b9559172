public import Memory

/// Writes addresses as text (RFC 5952).
public enum AddressText {
    /// The longest text: an IPv6 address in brackets.
    public static let maximumByteCount = 47

    /// Appends an IPv6 address, or the IPv4 address that is mapped into it (`::ffff:0:0/96`) in
    /// dotted decimal.
    ///
    /// - Parameters:
    ///   - high: its first eight bytes, read as a big-endian number.
    ///   - low: its last eight bytes.
    ///   - inBrackets: whether an IPv6 address gets brackets, as beside a port (RFC 3986
    ///     §3.2.2) and in Forwarded (RFC 7239 §6).
    ///   - buffer: has room for ``maximumByteCount`` bytes.
    public static func append(
        high: UInt64, low: UInt64, inBrackets: Bool = false, to buffer: inout Buffer
    ) {
        if high == 0, low &>> 32 == 0xFFFF {
            append(ipv4: UInt32(truncatingIfNeeded: low), to: &buffer)
            return
        }
        if inBrackets { buffer.append(UInt8(ascii: "[")) }
        let gap = longestGap(high, low)
        var index = 0
        while index < 8 {
            if index == gap.start, gap.count > 1 {
                buffer.append("::")
                index += gap.count
                continue
            }
            if index > 0, index != gap.start + gap.count || gap.count < 2 {
                buffer.append(UInt8(ascii: ":"))
            }
            buffer.append(hexadecimal: group(high, low, index))
            index += 1
        }
        if inBrackets { buffer.append(UInt8(ascii: "]")) }
    }

    /// - Parameter address: as a big-endian number: 127.0.0.1 is 0x7F00_0001.
    public static func append(ipv4 address: UInt32, to buffer: inout Buffer) {
        var shift: UInt32 = 24
        while true {
            buffer.append(decimal: UInt64(address &>> shift & 0xFF))
            guard shift > 0 else { return }
            buffer.append(UInt8(ascii: "."))
            shift &-= 8
        }
    }

    private static func group(_ high: UInt64, _ low: UInt64, _ index: Int) -> UInt64 {
        let half = index < 4 ? high : low
        return half &>> UInt64((3 - index % 4) * 16) & 0xFFFF
    }

    /// The first of the longest runs of zero groups (RFC 5952 §4.2.3).
    private static func longestGap(_ high: UInt64, _ low: UInt64) -> (start: Int, count: Int) {
        var best = (start: -1, count: 0)
        var start = 0
        var index = 0
        while index < 8 {
            if group(high, low, index) == 0 {
                if index - start + 1 > best.count { best = (start, index - start + 1) }
            } else {
                start = index + 1
            }
            index += 1
        }
        return best
    }
}
