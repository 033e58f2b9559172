import HTTP
import Memory

/// Takes the framing off a chunked body that ``HTTP1/ChunkedDecoder`` has passed, or that we
/// have written ourselves: its form is certain, only where it is cut is not.
///
/// What is not content is taken at once; content is handed out for as long as its receiver takes
/// it.
public struct ChunkReader: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case size
        case sizeEnd
        case content
        case contentEnd
        case trailers
        case lastLineFeed
        case complete
    }

    private(set) var state = State.size
    private var remaining: UInt64 = 0
    /// At the beginning of a line behind the last chunk.
    private var lineByteCount = 0

    public init() {}

    public enum Step: Equatable, Sendable {
        /// Content, from the position given on: pass on up to so many bytes, then say with
        /// ``took(_:)`` how many it were.
        case content(Int)
        /// A trailer line, or a part of one, of so many bytes.
        case trailer(Int)
        /// The body has ended, so many bytes further on.
        case end(Int)
        /// All that was given is used, or so many bytes of it are.
        case used(Int)
    }

    /// Whether the end of the body has been seen.
    public var isComplete: Bool { state == .complete }

    /// Looks at the bytes from `position` on.
    public mutating func next(_ bytes: RawSpan, from position: Int) -> Step {
        var cursor = position
        while cursor < bytes.byteCount {
            let byte = bytes.byte(cursor)
            switch state {
            case .size:
                if let digit = Bytewise.hexadecimalDigit(byte) {
                    remaining = remaining << 4 | UInt64(digit)
                } else if byte == 0x0D {
                    state = .sizeEnd
                }
                cursor += 1
            case .sizeEnd:
                state = remaining == 0 ? .trailers : .content
                lineByteCount = 0
                cursor += 1
                if state == .content { return .used(cursor - position) }
            case .content:
                let count = Int(min(remaining, UInt64(bytes.byteCount - cursor)))
                guard cursor == position else { return .used(cursor - position) }
                return .content(count)
            case .contentEnd:
                if byte == 0x0A { state = .size }
                cursor += 1
            case .trailers:
                guard cursor == position else { return .used(cursor - position) }
                return takeTrailer(bytes, position)
            case .lastLineFeed:
                state = .complete
                return .end(cursor + 1 - position)
            case .complete:
                return .used(cursor - position)
            }
        }
        return .used(cursor - position)
    }

    private mutating func takeTrailer(_ bytes: RawSpan, _ position: Int) -> Step {
        var cursor = position
        if lineByteCount == 0, bytes.byte(cursor) == 0x0D {
            state = .lastLineFeed
            return next(bytes, from: position + 1).moved(by: 1)
        }
        while cursor < bytes.byteCount {
            let byte = bytes.byte(cursor)
            cursor += 1
            lineByteCount += 1
            if byte == 0x0A {
                lineByteCount = 0
                break
            }
        }
        return .trailer(cursor - position)
    }

    public mutating func took(_ count: Int) {
        remaining -= UInt64(count)
        if remaining == 0 { state = .contentEnd }
    }
}

extension ChunkReader.Step {
    /// The same step, for a caller who began `count` bytes earlier.
    fileprivate func moved(by count: Int) -> Self {
        switch self {
        case .used(let used): .used(used + count)
        case .end(let used): .end(used + count)
        case .content, .trailer: self
        }
    }
}
