import Linux
import Memory

/// The socket of one connection to the proxy. While nothing has gone over it, its failure is that
/// of connecting, and the generator is told.
struct ClientSocket: ~Copyable {
    enum Progress {
        case done
        /// An edge will come.
        case waits
        case ended
    }

    private var descriptor: FileDescriptor
    private var isMade = false

    init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

    mutating func close() { descriptor = .none }

    /// Sends all that `output` holds.
    mutating func send(_ output: inout Buffer, _ generator: Generator) -> Progress {
        while !output.isEmpty {
            switch generator.loop.kernel.send(descriptor, output.bytes) {
            case .bytes(let count):
                output.consume(count)
                isMade = true
            // Not yet connected, most likely.
            case .wouldBlock: return .waits
            case .failed(let error): return fail(error, generator)
            case .endOfStream: return .ended
            }
        }
        return .done
    }

    /// Reads once, into the room of `input`.
    mutating func receive(into input: inout Buffer, _ generator: Generator) -> Progress {
        switch generator.loop.kernel.receive(descriptor, into: &input, atMost: input.room) {
        case .bytes: return .done
        case .wouldBlock: return .waits
        case .failed(let error): return fail(error, generator)
        case .endOfStream: return .ended
        }
    }

    private func fail(_ error: Errno, _ generator: Generator) -> Progress {
        if !isMade { generator.refused(error) }
        return .ended
    }
}
