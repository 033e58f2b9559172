/// A raw TCP server of 127.0.0.1 that plays a script on each connection, in a thread of its own.
///
/// A connection counts from its first byte: health checks that connect and leave say nothing, and
/// are counted in ``silentConnectionCount``.
public final class ScriptedServer: Prop {
    /// What one connection is told to do; `index` counts the connections from 0.
    public typealias Play = @Sendable (_ peer: ScriptedPeer, _ index: Int) throws -> Void

    fileprivate final class Cast: Sendable {
        struct State {
            var peers: [ScriptedPeer] = []
            var silent = 0
            var requests: [WireMessage] = []
            var requestCount = 0
            var problems: [String] = []
            var isStopped = false
        }
        let state = Locked(State())
        let running = RunningCount()
        /// Those whose first byte has not come.
        let waiting = Locked<[ObjectIdentifier: ScriptedPeer]>([:])
        let keepsRequests: Bool

        init(keepsRequests: Bool) { self.keepsRequests = keepsRequests }
    }

    private let cast: Cast
    private let listener: ListeningSocket
    public var port: UInt16 { listener.port }
    public var address: String { "127.0.0.1:\(port)" }

    /// Starts listening. Without recording, long transfers cost no memory.
    public init(port: UInt16 = 0, isRecording: Bool = true, _ play: @escaping Play) throws {
        let listener = try ListeningSocket(port: port)
        let cast = Cast(keepsRequests: isRecording)
        self.listener = listener
        self.cast = cast
        Props.keep(self)
        Thread.start {
            while let descriptor = listener.accept() {
                let peer = ScriptedPeer(
                    descriptor: descriptor, timeout: 60, isRecording: isRecording)
                if cast.state.withLock({ $0.isStopped }) {
                    peer.close()
                    continue
                }
                cast.waiting.withLock { $0[ObjectIdentifier(peer)] = peer }
                cast.running.began()
                Thread.start {
                    Self.perform(play, with: peer, of: cast)
                    cast.running.ended()
                }
            }
        }
    }

    /// A server that reads whole requests and answers each with what `answer` says.
    public convenience init(
        port: UInt16 = 0, isRecording: Bool = true,
        answering answer: @escaping @Sendable (WireMessage) -> String
    ) throws {
        let holder = Locked<Cast?>(nil)
        try self.init(port: port, isRecording: isRecording) { peer, _ in
            while let request = try peer.nextRequest() {
                holder.withLock { $0 }?.note(request)
                try peer.send(answer(request))
                if request.closes { return }
            }
        }
        holder.withLock { $0 = cast }
    }

    /// Answers every request with the same text.
    public convenience init(port: UInt16 = 0, text: String) throws {
        try self.init(port: port, isRecording: false) { _ in ok(text) }
    }

    deinit { stop() }

    private static func perform(_ play: Play, with peer: ScriptedPeer, of cast: Cast) {
        defer { peer.close() }
        let speaks = (try? peer.waitForFirstByte(seconds: 120)) ?? false
        _ = cast.waiting.withLock { $0.removeValue(forKey: ObjectIdentifier(peer)) }
        guard speaks else {
            cast.state.withLock { $0.silent += 1 }
            return
        }
        let index = cast.state.withLock { state in
            state.peers.append(peer)
            return state.peers.count - 1
        }
        do {
            try play(peer, index)
        } catch {
            cast.state.withLock { state in
                if !state.isStopped { state.problems.append("connection \(index): \(error)") }
            }
        }
    }

    // MARK: What was seen

    /// Connections that said something.
    public var connectionCount: Int { cast.state.withLock { $0.peers.count } }
    /// Connections that are open.
    public var openConnectionCount: Int { cast.running.value }
    /// Connections that came and went in silence: checks.
    public var silentConnectionCount: Int { cast.state.withLock { $0.silent } }
    /// Everything that each connection received, byte for byte.
    public var received: [String] { cast.state.withLock { $0.peers }.map(\.receivedText) }
    /// The requests that an `answering:` server has read.
    public var requests: [WireMessage] { cast.state.withLock { $0.requests } }
    public var requestCount: Int { cast.state.withLock { $0.requestCount } }
    /// What the script did not expect, in order.
    public var problems: [String] { cast.state.withLock { $0.problems } }

    /// Stops listening, ends every connection and waits for the threads.
    public func stop() {
        let peers = cast.state.withLock { state in
            state.isStopped = true
            return state.peers
        }
        listener.stop()
        for peer in peers { peer.abort() }
        for peer in cast.waiting.withLock({ Array($0.values) }) { peer.abort() }
        cast.running.waitUntilNone(seconds: 2)
    }
}

extension ScriptedServer.Cast {
    fileprivate func note(_ request: WireMessage) {
        state.withLock { state in
            state.requestCount += 1
            if keepsRequests { state.requests.append(request) }
        }
    }
}
