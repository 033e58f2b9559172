import Linux
import Memory
import Preamble
import TLS
import Telemetry
import Timing

// The PROXY protocol on its way in: a balancer in front says first who its client is. Only
// those whom the listener trusts are heard; the others could be anybody.
extension Worker where Kernel: ~Copyable {
    mutating func beginAnnouncement(_ client: Client, _ listener: Int) {
        client.value.phase = .announcing
        guard plan.value.trusts(client.value.peer, listener: listener) else {
            refuseAnnouncement(client, "proxy-untrusted")
            return
        }
        setDeadline(client, now + plan.value.listeners[listener].handshakeTimeout)
    }

    mutating func readProxyHeader(_ client: Client) {
        if client.value.ready.contains(.broken) {
            close(client, isClean: false)
            return
        }
        let listener = Int(client.value.listener)
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
            do throws(PreambleError) {
                let versions = plan.value.listeners[listener].proxyHeaders
                let parsed = try ProxyHeader.parse(client.value.input.bytes, accepting: versions)
                guard case .complete(let source, let byteCount) = parsed else { continue }
                client.value.input.consume(byteCount)
                announced(client, source, listener)
                return
            } catch {
                refuseAnnouncement(client, error.rule)
                return
            }
        }
    }

    private mutating func announced(_ client: Client, _ source: SocketAddress?, _ listener: Int) {
        if let source { client.value.peer = source }
        let bound = plan.value.listeners[listener].connectionsPerClient
        if bound != .max, !client.value.peer.isUnix {
            guard clientCounts.enter(client.value.peer, bound: bound) else {
                refuseAnnouncement(client, "connections-per-client")
                return
            }
            client.value.isCounted = true
        }
        beginTalking(client, listener)
        guard client.value.phase != .closed else { return }
        if client.value.link.kind == .secure {
            // What came with the header is ciphertext.
            let rest = exchange(&client.value.input, with: Buffer())
            if rest.isEmpty {
                blocks.recycle(rest)
            } else {
                secure(client.value.link).value.received = rest
            }
        } else if client.value.phase == .idle, client.value.input.isEmpty {
            blocks.recycle(exchange(&client.value.input, with: Buffer()))
        }
        // It may have said more already.
        enqueue(client)
    }

    private mutating func refuseAnnouncement(_ client: Client, _ rule: StaticString) {
        counters.refusedConnections &+= 1
        logRefusal(client, .badRequest, status: 0, rule: rule, id: identifiers.next())
        abort(client)
    }

    // MARK: - To servers

    /// What TLS has told of a client; `nil` when it came without.
    private func secureClient(_ client: Client) -> SecureClient? {
        let link = carrier(client).value.link
        guard link.kind == .secure else { return nil }
        let tls = secure(link)
        var told = SecureClient()
        told.alpn =
            switch tls.value.tls.alpn {
            case .http2: "h2"
            case .http1: "http/1.1"
            case .none: ""
            }
        told.name = tls.value.tls.requestedName
        (told.version, told.cipher) = tls.value.tls.words
        told.isVerified = tls.value.tls.hasVerifiedPeer
        told.commonName = tls.value.tls.peerCommonName
        return told
    }

    /// Tells a server for whom the connection is. It is for that client alone from now on: such
    /// connections are not pooled.
    ///
    /// - Returns: whether to go on; when not, an edge will come, or the attempt has failed.
    mutating func announce(_ turn: Turn, _ server: Server) -> Bool {
        guard let service = turn.value.service else { return false }
        let client = turn.value.client
        let scratch = scratch
        scratch.value.reset()
        let peer = client.value.peer
        ProxyHeader.append(
            service.value.proxyHeader, source: peer.isUnix ? nil : peer,
            target: kernel.localAddress(carrier(client).value.socket),
            secure: service.value.proxyHeader == .v2 ? secureClient(client) : nil,
            to: &scratch.value)
        switch kernel.send(server.value.socket, scratch.value.bytes) {
        case .bytes(let count) where count == scratch.value.count:
            server.value.owesAnnouncement = false
            return true
        case .wouldBlock:
            // Still connecting.
            server.value.ready.remove(.writable)
            return false
        case .failed(let error):
            attemptFailed(turn, connectReason(error), nothingSent: true)
        case .bytes, .endOfStream:
            // A new socket has room for a hundred bytes.
            attemptFailed(turn, .serverClosedEarly, nothingSent: true)
        }
        return false
    }
}
