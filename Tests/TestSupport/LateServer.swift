/// A server whose connections stay half-made until ``accept()``: its queue is full, so the kernel
/// drops what asks for another connection, and the client's kernel asks again a second later.
public final class LateServer {
    private let listener: ListeningSocket
    private let filler: ScriptedClient

    public init() throws {
        listener = try ListeningSocket(backlog: 0)
        filler = try ScriptedClient(port: listener.port)
    }

    deinit { listener.close() }

    public var port: UInt16 { listener.port }
    public var address: String { "127.0.0.1:\(port)" }

    /// Makes room, and takes the next connection.
    public func accept() throws -> ScriptedPeer {
        filler.close()
        while let descriptor = listener.accept() {
            let peer = ScriptedPeer(descriptor: descriptor)
            if try peer.waitForFirstByte() { return peer }
        }
        throw PeerError.malformed("nobody came")
    }
}
