import CNGHTTP2
import Glibc
import HTTP
import Memory

/// Where the field lines of a head stand while they are handed to the library: names and values
/// point into the text, for the length of one call. One for each loop.
@safe public struct FieldScratch: ~Copyable {
    private var entries: UnsafeMutablePointer<nghttp2_nv>
    private var capacity = 64
    private(set) var count = 0

    public init() { unsafe entries = .allocate(capacity: 64) }

    deinit { unsafe entries.deallocate() }

    mutating func removeAll() { count = 0 }

    /// The library copies what it is given, and writes names in lower case on its way.
    private mutating func append(_ entry: nghttp2_nv) {
        if count == capacity {
            let wider = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: capacity * 2)
            unsafe wider.moveInitialize(from: entries, count: count)
            unsafe entries.deallocate()
            unsafe entries = wider
            capacity *= 2
        }
        unsafe (entries + count).initialize(to: entry)
        count += 1
    }

    private static func pointer(
        _ text: UnsafeRawBufferPointer, _ offset: Int
    ) -> UnsafeMutablePointer<UInt8> {
        unsafe UnsafeMutablePointer(
            mutating: (text.baseAddress! + offset).assumingMemoryBound(to: UInt8.self))
    }

    /// A field whose value stands in `text`.
    mutating func append(_ name: StaticString, _ text: UnsafeRawBufferPointer, _ value: ByteRange) {
        unsafe append(
            nghttp2_nv(
                name: UnsafeMutablePointer(mutating: name.utf8Start),
                value: Self.pointer(text, value.lower), namelen: name.utf8CodeUnitCount,
                valuelen: Int(value.count), flags: 0))
    }

    mutating func append(_ name: StaticString, _ value: StaticString) {
        unsafe append(
            nghttp2_nv(
                name: UnsafeMutablePointer(mutating: name.utf8Start),
                value: UnsafeMutablePointer(mutating: value.utf8Start),
                namelen: name.utf8CodeUnitCount, valuelen: value.utf8CodeUnitCount, flags: 0))
    }

    /// A place for a field whose value is not known yet.
    mutating func reserve() -> Int {
        append(":authority", "")
        return count - 1
    }

    mutating func set(
        _ place: Int, _ name: StaticString, _ text: UnsafeRawBufferPointer, _ value: ByteRange
    ) {
        unsafe append(name, text, value)
        count -= 1
        unsafe entries[place] = unsafe entries[count]
    }

    /// Takes an entry out; the last one takes its place.
    mutating func remove(_ place: Int) {
        count -= 1
        unsafe entries[place] = unsafe entries[count]
    }

    func withEntries<Result>(
        _ body: (UnsafeMutablePointer<nghttp2_nv>, Int) -> Result
    ) -> Result {
        unsafe body(entries, count)
    }

    /// Appends the field lines of a head or of trailers; those that HTTP/2 does not have stay
    /// behind.
    ///
    /// - Parameter position: of the first line; the text ends with an empty one.
    mutating func appendLines(of text: UnsafeRawBufferPointer, from position: Int) -> LinesSeen {
        var seen = LinesSeen()
        var start = position
        let bytes = unsafe RawSpan(_unsafeBytes: text)
        while start + 2 < text.count {
            guard
                let found = unsafe memchr(text.baseAddress! + start, 0x0A, text.count - start)
            else { break }
            let end = unsafe UnsafeRawPointer(found) - text.baseAddress! - 1
            guard end > start else { break }
            unsafe appendLine(text, bytes, start, end, &seen)
            start = end + 2
        }
        return seen
    }

    private mutating func appendLine(
        _ text: UnsafeRawBufferPointer, _ bytes: RawSpan, _ start: Int, _ end: Int,
        _ seen: inout LinesSeen
    ) {
        var colon = start
        while colon < end, bytes.byte(colon) != UInt8(ascii: ":") { colon += 1 }
        var lower = colon + 1
        var upper = end
        while lower < upper, Bytewise.isWhitespace(bytes.byte(lower)) { lower += 1 }
        while upper > lower, Bytewise.isWhitespace(bytes.byte(upper - 1)) { upper -= 1 }
        guard colon < end, lower <= upper else { return }
        var flags: UInt8 = 0
        switch colon - start {
        case 4 where bytes.isWord(start, colon, "host"):
            seen.host = ByteRange(lower, upper)
            return
        case 12:
            if bytes.isWord(start, colon, "content-type") {
                seen.isGRPC =
                    upper - lower >= 16 && bytes.isWord(lower, lower + 16, "application/grpc")
            } else if bytes.isWord(start, colon, "x-request-id") {
                // Never the same twice: not worth a place in anybody's table.
                flags = UInt8(NGHTTP2_NV_FLAG_NO_INDEX.rawValue)
            }
        case 14 where bytes.isWord(start, colon, "content-length"):
            var number: UInt64 = 0
            for index in lower..<upper {
                let digit = bytes.byte(index) &- 0x30
                guard digit < 10 else { break }
                number = number &* 10 &+ UInt64(digit)
            }
            seen.contentLength = number
            seen.contentLengthEntry = count
        case 17 where bytes.isWord(start, colon, "transfer-encoding"):
            seen.isChunked = true
            return
        case 7 where bytes.isWord(start, colon, "upgrade"),
            10
        where bytes.isWord(start, colon, "connection")
            || bytes.isWord(start, colon, "keep-alive"),
            16 where bytes.isWord(start, colon, "proxy-connection"),
            14 where bytes.isWord(start, colon, "http2-settings"),
            20 where bytes.isWord(start, colon, "sec-websocket-accept"):
            return
        default: break
        }
        unsafe append(
            nghttp2_nv(
                name: Self.pointer(text, start), value: Self.pointer(text, lower),
                namelen: colon - start, valuelen: upper - lower, flags: flags))
    }
}

/// What the lines of a head said about its content and its target.
struct LinesSeen {
    var host = ByteRange.empty
    var contentLength: UInt64?
    /// Where the length stands among the entries.
    var contentLengthEntry = 0
    var isChunked = false
    var isGRPC = false
}
