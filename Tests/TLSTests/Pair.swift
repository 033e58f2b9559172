import Memory
import TLS

/// Two ends of a connection in memory, and the bytes on their way.
struct Pair: ~Copyable {
    var client: TLSConnection
    var server: TLSConnection
    private var toServer = Buffer(capacity: 1 << 20)
    private var toClient = Buffer(capacity: 1 << 20)
    /// Bytes that are delivered at once; small numbers cut everything everywhere.
    var step = Int.max

    init(
        _ server: ServerTLS, _ client: ClientTLS, name: String = "a.test",
        session: borrowing TLSSession? = nil
    ) {
        self.server = TLSConnection(server: server)
        self.client = TLSConnection(client: client, name: name, session: session)
    }

    /// Runs the handshake to its end on both sides.
    ///
    /// - Returns: the failure of either, that of the client first.
    mutating func shake() -> (client: TLSConnection.Step, server: TLSConnection.Step) {
        var mine = TLSConnection.Step.needsMore
        var theirs = TLSConnection.Step.needsMore
        for _ in 0..<100_000 {
            let before = toServer.count + toClient.count
            if mine == .needsMore {
                mine = Self.deliver(step, from: &toClient) { client.handshake(&$0, &toServer) }
            }
            if theirs == .needsMore {
                theirs = Self.deliver(step, from: &toServer) { server.handshake(&$0, &toClient) }
            }
            if mine != .needsMore, theirs != .needsMore { break }
            if toServer.isEmpty, toClient.isEmpty, before == 0 { break }
        }
        return (mine, theirs)
    }

    /// Sends `bytes` from the client, and reads what arrives at the server.
    mutating func sendUp(_ bytes: [UInt8]) -> [UInt8] {
        Self.pass(bytes, &client, &server, &toServer, &toClient, step)
    }

    mutating func sendDown(_ bytes: [UInt8]) -> [UInt8] {
        Self.pass(bytes, &server, &client, &toClient, &toServer, step)
    }

    private static func pass(
        _ bytes: [UInt8], _ from: inout TLSConnection, _ to: inout TLSConnection,
        _ there: inout Buffer, _ back: inout Buffer, _ step: Int
    ) -> [UInt8] {
        var rest = Buffer(capacity: max(1, bytes.count))
        for byte in bytes { rest.append(byte) }
        var received: [UInt8] = []
        var plaintext = Buffer(capacity: 64 << 10)
        var idle = 0
        while received.count < bytes.count, idle < 3 {
            if !rest.isEmpty { rest.consume(from.send(rest.bytes, &there) ?? 0) }
            let outcome = deliver(step, from: &there) {
                to.receive(&$0, into: &plaintext, atMost: .max, &back)
            }
            guard case .bytes(let count) = outcome else {
                idle = there.isEmpty ? idle + 1 : 0
                continue
            }
            idle = 0
            for offset in 0..<count { received.append(plaintext.bytes.byte(offset)) }
            plaintext.reset()
        }
        return received
    }

    /// Gives the front of `buffer`, `step` bytes at most, to `body`.
    private static func deliver<Result>(
        _ step: Int, from buffer: inout Buffer, _ body: (inout Buffer) -> Result
    ) -> Result {
        if buffer.count <= step {
            let result = body(&buffer)
            if buffer.isEmpty { buffer.reset() }
            return result
        }
        var piece = Buffer(capacity: step)
        piece.append(buffer.bytes.extracting(0..<step))
        let result = body(&piece)
        buffer.consume(step - piece.count)
        if buffer.isEmpty { buffer.reset() }
        return result
    }

    mutating func readAtServer() -> TLSConnection.Read {
        var plaintext = Buffer(capacity: 1024)
        return server.receive(&toServer, into: &plaintext, atMost: .max, &toClient)
    }

    /// What the client said last reaches the server.
    mutating func closeClient() { client.close(&toServer) }

    /// The client's last words, with its end behind them.
    mutating func finishClient(saying bytes: [UInt8]) {
        var text = Buffer(capacity: bytes.count)
        for byte in bytes { text.append(byte) }
        _ = client.send(text.bytes, &toServer)
        client.close(&toServer)
    }

    mutating func feedServer(_ bytes: [UInt8]) -> TLSConnection.Step {
        toServer.reset()
        for byte in bytes { toServer.append(byte) }
        return server.handshake(&toServer, &toClient)
    }
}
