import HTTP
public import Memory

/// What ``ChunkedDecoder/decode(_:from:to:keepsFraming:)`` did. Positions in the buffer.
public struct Decoded: Equatable, Sendable, BitwiseCopyable {
    /// The result stands from `from` up to here, and may go on to its receiver.
    public var outputEnd: Int
    /// The input up to here is used; what follows must be given again, with more behind it.
    public var consumedEnd: Int
    /// Bytes of content among the result.
    public var contentByteCount: Int
    /// The empty line behind the last chunk has come; bytes from `consumedEnd` on belong to
    /// the next message.
    public var isComplete: Bool
}

/// Checks a chunked body (RFC 9112 §7.1) and takes out what must not go on, in place.
///
/// With its framing kept, the result is itself a valid chunked body: sizes as they came, without
/// chunk extensions (§7.1.1: they are for this hop), trailers without those that have no place
/// there (RFC 9110 §6.5.1). Without it, only the content is left.
///
/// ## How to feed it
/// Give the bytes that arrived, get back how many were used. Everything is used, at whatever
/// byte the input is cut, except the beginning of a trailer line: it stays until the line is
/// whole, at most ``maximumTrailerLineByteCount``. The next call begins with those bytes. Between
/// `outputEnd` and `consumedEnd` are removed bytes: move what is left if that is in the way.
///
/// Nothing wrong is passed on, but what was right before it may have gone already: on an error
/// the receiver must be left with an incomplete body, so close its connection.
///
/// ## Invariants
/// - Never writes behind what it has read: the result fits where the input was.
/// - The result does not depend on where the input was cut.
public struct ChunkedDecoder: Sendable, BitwiseCopyable {
    public static let maximumSizeLineByteCount = 4096
    /// As much as gRPC lets its trailers have: the details of an error travel in one line.
    public static let maximumTrailerLineByteCount = 8 << 10
    /// With the last chunk before them and the empty line behind them they fit into one block.
    public static let maximumTrailerByteCount = 15 << 10
    /// Chunk extensions may take this much, and as much again as the content so far: more is
    /// an attack on the receiver's patience (CVE-2023-39326).
    public static let extensionAllowanceByteCount = 16 << 10

    private enum State: UInt8 {
        /// At the first digit of a size.
        case size
        /// Behind the first digit.
        case moreSize
        /// Whitespace behind the digits: a semicolon must follow.
        case beforeExtension
        case chunkExtension
        /// Behind the CR of a size line.
        case sizeLineFeed
        case content
        /// Behind the content of a chunk.
        case contentReturn
        case contentLineFeed
        /// At the beginning of a trailer line or of the empty line.
        case trailer
        case complete
    }

    private var state = State.size
    private var digitCount: UInt8 = 0
    private var sizeLineByteCount: UInt16 = 0
    private var trailerByteCount: UInt16 = 0
    /// Of the size while it is read, then of the chunk's content that is still to come.
    private var remaining: UInt64 = 0
    private var extensionByteCount: UInt64 = 0
    /// Content of all chunks so far, saturating.
    private var totalByteCount: UInt64 = 0

    public init() {}

    public var isComplete: Bool { state == .complete }

    /// Decodes the bytes between two positions of `buffer`, in place.
    ///
    /// - Parameters:
    ///   - buffer: its start and end are not looked at, and stay.
    ///   - from: where the input begins and the result will.
    ///   - to: where the input ends.
    ///   - keepsFraming: the same in every call for one body.
    /// - Throws: ``ChunkedError``; close both connections.
    /// - Complexity: O(n); content moves only when something before it was removed.
    public mutating func decode(
        _ buffer: inout Buffer, from: Int, to: Int, keepsFraming: Bool
    ) throws(ChunkedError) -> Decoded {
        var output = Output(end: from, keepsFraming: keepsFraming)
        var cursor = from
        while cursor < to, state != .complete {
            switch state {
            case .content: cursor = takeContent(&buffer, cursor, to, &output)
            case .trailer:
                guard let next = try takeTrailer(&buffer, cursor, to, &output) else {
                    return decoded(output, cursor)
                }
                cursor = next
            default:
                try takeFraming(buffer[cursor], &buffer, &output)
                cursor &+= 1
            }
        }
        return decoded(output, cursor)
    }

    private func decoded(_ output: Output, _ consumedEnd: Int) -> Decoded {
        Decoded(
            outputEnd: output.end, consumedEnd: consumedEnd,
            contentByteCount: output.contentByteCount, isComplete: state == .complete)
    }

    private mutating func takeContent(
        _ buffer: inout Buffer, _ cursor: Int, _ end: Int, _ output: inout Output
    ) -> Int {
        let count = Int(min(remaining, UInt64(end &- cursor)))
        output.move(&buffer, from: cursor, count: count)
        output.contentByteCount &+= count
        remaining &-= UInt64(count)
        let (total, overflows) = totalByteCount.addingReportingOverflow(UInt64(count))
        totalByteCount = overflows ? .max : total
        if remaining == 0 { state = .contentReturn }
        return cursor &+ count
    }

    // MARK: - Size lines

    /// One byte of a size line, or of the CRLF behind a chunk's content.
    private mutating func takeFraming(
        _ byte: UInt8, _ buffer: inout Buffer, _ output: inout Output
    ) throws(ChunkedError) {
        switch state {
        case .size, .moreSize:
            sizeLineByteCount &+= 1
            if let digit = Bytewise.hexadecimalDigit(byte) {
                guard digitCount < 16 else { throw .sizeTooLarge }
                digitCount &+= 1
                remaining = remaining &<< 4 | UInt64(digit)
                // A receiver with signed sizes would take it for a negative one.
                guard remaining <= UInt64(Int64.max) else { throw .sizeTooLarge }
                state = .moreSize
                output.put(&buffer, byte)
            } else {
                guard state == .moreSize else { throw .invalidSize }
                try endSize(byte, &buffer, &output)
            }
        case .beforeExtension:
            try countExtensionByte()
            if byte == UInt8(ascii: ";") {
                state = .chunkExtension
            } else if !Bytewise.isWhitespace(byte) {
                throw .whitespaceAfterSize
            }
        case .chunkExtension:
            if byte == 0x0D {
                state = .sizeLineFeed
                output.put(&buffer, byte)
                return
            }
            guard byte != 0x0A else { throw .bareLineFeed }
            guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { throw .invalidExtension }
            try countExtensionByte()
        case .sizeLineFeed:
            guard byte == 0x0A else { throw .bareCarriageReturn }
            output.put(&buffer, byte)
            endSizeLine()
        case .contentReturn:
            guard byte == 0x0D else { throw byte == 0x0A ? .bareLineFeed : .sizeMismatch }
            state = .contentLineFeed
            output.put(&buffer, byte)
        default:
            guard byte == 0x0A else { throw .bareCarriageReturn }
            state = .size
            output.put(&buffer, byte)
        }
    }

    /// The first byte behind the digits of a size.
    private mutating func endSize(
        _ byte: UInt8, _ buffer: inout Buffer, _ output: inout Output
    ) throws(ChunkedError) {
        switch byte {
        case 0x0D:
            state = .sizeLineFeed
            output.put(&buffer, byte)
        case UInt8(ascii: ";"):
            state = .chunkExtension
            try countExtensionByte()
        case 0x20, 0x09:
            state = .beforeExtension
            try countExtensionByte()
        case 0x0A: throw .bareLineFeed
        default: throw .invalidSize
        }
    }

    private mutating func countExtensionByte() throws(ChunkedError) {
        sizeLineByteCount &+= 1
        guard Int(sizeLineByteCount) <= Self.maximumSizeLineByteCount else {
            throw .sizeLineTooLong
        }
        extensionByteCount &+= 1
        let (allowance, overflows) = totalByteCount.addingReportingOverflow(
            UInt64(Self.extensionAllowanceByteCount))
        guard overflows || extensionByteCount <= allowance else { throw .excessiveExtensions }
    }

    private mutating func endSizeLine() {
        state = remaining == 0 ? .trailer : .content
        digitCount = 0
        sizeLineByteCount = 0
    }

    // MARK: - Trailers

    /// One trailer line, or the empty line that ends the body.
    ///
    /// - Returns: the position behind it, or `nil` when it is cut.
    private mutating func takeTrailer(
        _ buffer: inout Buffer, _ cursor: Int, _ end: Int, _ output: inout Output
    ) throws(ChunkedError) -> Int? {
        var line = FieldLine(
            name: .other, isHopByHop: false, nameRange: .empty, valueRange: .empty,
            lineRange: .empty)
        let kind: LineKind
        let limit = min(end, cursor &+ Self.maximumTrailerLineByteCount)
        do throws(HeadError) {
            // The line before was either the last chunk's or a field: a folded line either way.
            kind = try HeadParser.fieldLine(
                buffer.span(from: cursor, to: limit), 0, isFirst: false, into: &line)
        } catch {
            throw .trailer(error)
        }
        switch kind {
        case .incomplete:
            guard end &- cursor < Self.maximumTrailerLineByteCount else { throw .trailersTooLarge }
            return nil
        case .empty:
            state = .complete
            output.keep(&buffer, from: cursor, count: 2)
            return cursor &+ 2
        case .field:
            let count = Int(line.lineRange.count)
            guard Int(trailerByteCount) &+ count <= Self.maximumTrailerByteCount else {
                throw .trailersTooLarge
            }
            trailerByteCount &+= UInt16(count)
            if !line.name.isForbiddenInTrailers {
                output.keep(&buffer, from: cursor, count: count)
            }
            return cursor &+ count
        }
    }
}

/// Where the result of a decoder is written: never behind what was read.
private struct Output {
    var end: Int
    let keepsFraming: Bool
    var contentByteCount = 0

    init(end: Int, keepsFraming: Bool) {
        self.end = end
        self.keepsFraming = keepsFraming
    }

    mutating func move(_ buffer: inout Buffer, from position: Int, count: Int) {
        if position != end { buffer.copy(from: position, to: end, count: count) }
        end &+= count
    }

    /// A byte of the framing.
    mutating func put(_ buffer: inout Buffer, _ byte: UInt8) {
        guard keepsFraming else { return }
        buffer[end] = byte
        end &+= 1
    }

    /// A stretch of the framing.
    mutating func keep(_ buffer: inout Buffer, from position: Int, count: Int) {
        if keepsFraming { move(&buffer, from: position, count: count) }
    }
}
