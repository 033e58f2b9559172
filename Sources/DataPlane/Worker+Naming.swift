import Linux
import Memory
import Preamble
import Telemetry

// TLS that ends at the servers: the first message of a client says which name it wants, in
// clear, and that tells the service. Not a byte is changed.
extension Worker where Kernel: ~Copyable {
    mutating func readName(_ client: Client) {
        if client.value.ready.contains(.broken) {
            close(client, isClean: false)
            return
        }
        // After a PROXY header, it may all be here.
        if !client.value.input.isEmpty, judgeName(client) { return }
        while client.value.ready.contains(.readable) {
            if !client.value.input.hasBlock {
                guard let block = blocks.take(.small) else {
                    close(client, isClean: false)
                    return
                }
                client.value.input = block
            }
            switch receive(client) {
            case .bytes: break
            case .wouldBlock: return
            case .endOfStream, .failed:
                close(client, isClean: false)
                return
            }
            if judgeName(client) { return }
        }
    }

    /// - Returns: whether the connection has gone on to its server, or to its end.
    private mutating func judgeName(_ client: Client) -> Bool {
        let listener = Int(client.value.listener)
        let scratch = scratch
        scratch.value.reset()
        do throws(PreambleError) {
            switch try ClientHello.parse(client.value.input.bytes, name: &scratch.value) {
            case .incomplete:
                guard client.value.input.room > 0 else {
                    throw PreambleError("tls-hello-too-long")
                }
                return false
            case .complete(let hasName):
                let route =
                    hasName
                    ? plan.value.tunnelRoute(named: scratch.value.bytes, listener: listener)
                    : plan.value.listeners[listener].tunnelRoute
                if route >= 0 {
                    beginTunnel(client, route)
                } else {
                    refuseName(client, hasName ? "tls-unknown-name" : "tls-no-name")
                }
            }
        } catch {
            counters.refusedConnections &+= 1
            logRefusal(client, .badRequest, status: 0, rule: error.rule, id: identifiers.next())
            abort(client)
        }
        return true
    }

    /// Tells the client, in TLS, that nobody here has that name.
    private mutating func refuseName(_ client: Client, _ rule: StaticString) {
        counters.refusedConnections &+= 1
        logRefusal(client, .noRoute, status: 0, rule: rule, id: identifiers.next())
        let scratch = scratch
        scratch.value.reset()
        for byte in ClientHello.unrecognizedName { scratch.value.append(byte) }
        // A new socket has room for seven bytes; if not, the end of the connection says it.
        _ = kernel.send(client.value.socket, scratch.value.bytes)
        closeGently(client)
    }
}
