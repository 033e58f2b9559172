import HTTP
import HTTP1
import Linux
import Memory

/// A connection of HTTP/1.1 to the proxy: one request at a time.
final class ExclusiveConnection: ClientConnection {
    /// What is still to come of an answer's content.
    private enum Rest {
        case head
        case bytes(UInt64)
        case chunks(ChunkedDecoder)
        case untilEnd
    }

    private let key: UInt64
    let target: Int
    private var socket: ClientSocket
    private(set) var isOpen = true
    private var input = Buffer(capacity: 16 << 10)
    private var output = Buffer(capacity: 512)
    private var fields = FieldSection()
    private var scanned = 0
    /// The request under way; −1 for none.
    private var request: Int32 = -1
    private var rest = Rest.head
    private var answer = Answer()
    private var persists = true

    init(key: UInt64, target: Int, _ socket: consuming FileDescriptor) {
        self.key = key
        self.target = target
        self.socket = ClientSocket(socket)
    }

    func begin(_ number: Int32, _ generator: Generator) {
        request = number
        output.reset()
        generator.compose(number, into: &output)
        flush(generator)
    }

    func ready(_ readiness: Readiness, _ generator: Generator) {
        if readiness.contains(.writable) { flush(generator) }
        while isOpen {
            if input.isEmpty { input.reset() }
            guard input.room > 0 else { return end(generator) }
            switch socket.receive(into: &input, generator) {
            case .done: read(generator)
            case .waits: return
            case .ended:
                if case .untilEnd = rest { return complete(generator) }
                return end(generator)
            }
        }
    }

    func end(_ generator: Generator) {
        guard isOpen else { return }
        isOpen = false
        socket.close()
        generator.forget(key)
        if request >= 0 { generator.lost(request) }
        request = -1
    }

    private func flush(_ generator: Generator) {
        guard isOpen, !output.isEmpty else { return }
        switch socket.send(&output, generator) {
        case .done: if request >= 0 { generator.sent(request) }
        case .waits: return
        case .ended: end(generator)
        }
    }

    private func read(_ generator: Generator) {
        while isOpen {
            switch rest {
            case .head:
                guard readHead(generator) else { return }
            case .bytes(let left):
                let count = min(left, UInt64(input.count))
                input.consume(Int(count))
                rest = .bytes(left - count)
                guard count == left else { return }
                return complete(generator)
            case .chunks(var decoder):
                guard
                    let decoded = try? decoder.decode(
                        &input, from: input.start, to: input.end, keepsFraming: true)
                else { return end(generator) }
                input.consume(decoded.consumedEnd - input.start)
                rest = .chunks(decoder)
                guard decoded.isComplete else { return }
                return complete(generator)
            case .untilEnd:
                return input.reset()
            }
        }
    }

    /// - Returns: whether a head has been read.
    private func readHead(_ generator: Generator) -> Bool {
        guard HeadParser.hasCompleteHead(input.bytes, scanned: &scanned) else { return false }
        guard request >= 0,
            let parsed = try? HeadParser.parseResponse(
                input.bytes, limits: HeadLimits(), requestMethod: .get, fields: &fields),
            case .complete(let head, let byteCount) = parsed
        else {
            end(generator)
            return false
        }
        scanned = 0
        guard !head.isInformational else {
            input.consume(byteCount)
            return true
        }
        answer = Answer(head, fields, of: input.bytes)
        persists = head.persists
        input.consume(byteCount)
        switch head.framing {
        case .noContent: rest = .bytes(0)
        case .contentLength(let count): rest = .bytes(count)
        case .chunked: rest = .chunks(ChunkedDecoder())
        case .untilClose: rest = .untilEnd
        }
        return true
    }

    private func complete(_ generator: Generator) {
        let number = request
        request = -1
        rest = .head
        generator.answered(number, answer)
        if persists, input.isEmpty {
            generator.free(self)
        } else {
            end(generator)
        }
    }
}
