import Linux
import Memory
import TLS

/// TLS for a connection of the control plane: a check of a server.
final class SecureExchange {
    private var tls: TLSConnection
    private var received = Buffer(capacity: 32 << 10)
    private var pending = Buffer(capacity: 64 << 10)

    init(_ rules: ClientTLS, name: String) {
        tls = TLSConnection(client: rules, name: name, session: nil)
    }

    /// The server has chosen HTTP/2.
    var speaksHTTP2: Bool { tls.alpn == .http2 }

    /// Goes on as far as the socket allows.
    func handshake(_ socket: OpenSocket, _ loop: ControlLoop) -> TLSConnection.Step {
        while true {
            let step = tls.handshake(&received, &pending)
            guard flush(socket, loop) else { return .failed(.protocolError) }
            guard step == .needsMore else { return step }
            received.reset()
            switch loop.receive(socket.descriptor, into: &received) {
            case .bytes: continue
            case .wouldBlock: return .needsMore
            case .endOfStream, .failed: return .failed(.truncated)
            }
        }
    }

    func send(
        _ socket: OpenSocket, _ loop: ControlLoop, from output: inout Buffer
    ) -> Transfer {
        guard flush(socket, loop) else { return .failed(.brokenPipe) }
        guard pending.isEmpty else { return .wouldBlock }
        guard let count = tls.send(output.bytes, &pending), count > 0 else {
            return .failed(.brokenPipe)
        }
        output.consume(count)
        return flush(socket, loop) ? .bytes(count) : .failed(.brokenPipe)
    }

    func receive(
        _ socket: OpenSocket, _ loop: ControlLoop, into input: inout Buffer
    ) -> Transfer {
        guard flush(socket, loop) else { return .failed(.brokenPipe) }
        while true {
            switch tls.receive(&received, into: &input, atMost: .max, &pending) {
            case .bytes(let count): return .bytes(count)
            case .endOfStream: return .endOfStream
            case .failed: return .failed(.connectionReset)
            case .needsMore: break
            }
            received.reset()
            switch loop.receive(socket.descriptor, into: &received) {
            case .bytes: continue
            case .wouldBlock: return .wouldBlock
            // A check has its answer by its length; one that was cut is judged as it is.
            case .endOfStream: return .endOfStream
            case .failed(let error): return .failed(error)
            }
        }
    }

    /// - Returns: `false` when the connection is broken.
    private func flush(_ socket: OpenSocket, _ loop: ControlLoop) -> Bool {
        while !pending.isEmpty {
            switch loop.send(socket.descriptor, from: &pending) {
            case .bytes: break
            case .wouldBlock: return true
            case .endOfStream, .failed: return false
            }
        }
        pending.reset()
        return true
    }
}
