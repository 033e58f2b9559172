import TestSupport
import Testing

@Suite("Whoever abuses HTTP/2 is ended, and others do not notice", .onStage)
struct AbuseTests {
    struct Abuse: Sendable, CustomTestStringConvertible {
        var rule: String
        /// What goes before.
        var begin: [Frame] = []
        /// As many steps as no honest client makes at once.
        var most: Int
        /// Does it once more; the number counts from 0.
        var step: @Sendable (Int) -> [Frame]

        var testDescription: String { rule }

        /// All of it from the preface on, in one piece.
        func bytes(steps: Int) -> [UInt8] {
            var bytes = FrameClient.preface + Frame.settings().bytes
            for frame in begin { bytes += frame.bytes }
            for number in 0..<steps { for frame in step(number) { bytes += frame.bytes } }
            return bytes
        }
    }

    private static func ofStream(_ number: Int) -> UInt32 { UInt32(number * 2 + 1) }

    static let abuses: [Abuse] = [
        Abuse(rule: "h2-rapid-reset", most: 20_000) {
            [.get(ofStream($0), "/slow"), .reset(ofStream($0))]
        },
        Abuse(rule: "h2-made-you-reset", most: 20_000) {
            [.get(ofStream($0), "/slow"), .windowUpdate(ofStream($0), 0x7FFF_FFFF)]
        },
        Abuse(
            rule: "h2-continuation-flood", begin: [.get(1, flags: Frame.endStream)], most: 20_000
        ) { [Frame(.continuation, stream: 1, Frame.block([("a", "\($0)")]))] },
        Abuse(rule: "h2-ping-flood", most: 100_000) { _ in
            [Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8])]
        },
        Abuse(rule: "h2-settings-flood", most: 100_000) { _ in [.settings()] },
        Abuse(rule: "h2-empty-data-flood", begin: [.post(1, "/slow")], most: 100_000) { _ in
            [.data(1, [], flags: 0)]
        },
        Abuse(rule: "h2-priority-flood", most: 100_000) {
            [Frame(.priority, stream: ofStream($0 % 1000), [0, 0, 0, 0, 1])]
        },
        Abuse(rule: "h2-window-update-flood", most: 200_000) { _ in [.windowUpdate(0, 1)] },
        Abuse(rule: "h2-unknown-frame-flood", most: 100_000) { _ in [Frame(type: 0xAA, [1])] },
        Abuse(
            rule: "h2-header-bomb",
            // One large entry in the table, referred to again and again.
            begin: [
                Frame(
                    .headers, flags: Frame.endStream | Frame.endHeaders, stream: 1,
                    Frame.block(Frame.pseudo("GET")) + [0x40, 1, 0x61, 0x7F, 0xA1, 0x1E]
                        + [UInt8](repeating: 0x62, count: 4000))
            ], most: 50
        ) { number in
            [
                Frame(
                    .headers, flags: Frame.endStream | Frame.endHeaders,
                    stream: ofStream(number + 1),
                    Frame.block(Frame.pseudo("GET")) + [UInt8](repeating: 0xBE, count: 16_000))
            ]
        },
    ]

    private func stage(_ listener: String = "") throws -> (ProxyProcess, ScriptedServer) {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            while let request = try peer.nextRequest() {
                if request.target == "/slow" {
                    _ = try? peer.readToEnd()
                    return
                }
                let size = request.target == "/large" ? 300_000 : 2
                try peer.send(ok(String(repeating: "x", count: size)))
            }
        }
        var plan = ProxyPlan(listener: listener)
        plan.servers = [server.address]
        return (try ProxyProcess(plan), server)
    }

    @Test("What costs them nothing has an end", arguments: abuses)
    func floods(_ abuse: Abuse) throws {
        let (proxy, _) = try stage()
        let others = LoadClient(port: proxy.port, rate: 200, threadCount: 4)
        others.waitForRequests(100)
        let before = proxy.process.residentBytes
        var number = 0
        for _ in 0..<3 {
            let client = try FrameClient(port: proxy.port)
            number = 0
            do {
                try client.send(abuse.begin)
                while number < abuse.most {
                    try client.send(abuse.step(number))
                    number += 1
                }
            } catch {
                // It was ended: that is what must come of it.
            }
            // All of it may have gone into the socket before the end was noticed.
            #expect(number < abuse.most || !client.isAlive())
            client.peer.close()
        }
        #expect(proxy.waitForLog(abuse.rule))
        let growth = proxy.process.residentBytes - before
        #expect(growth < 32 << 20)
        others.waitForRequests(others.result.requestCount + 50)
        let result = others.finish()
        #expect(result.failures.isEmpty, "\(result)")
    }

    @Test("Who opens no window is not waited for without end, nor kept much for")
    func zeroWindow() throws {
        let (proxy, _) = try stage("timeouts: { write: 1s }")
        let before = proxy.process.residentBytes
        let client = try FrameClient(port: proxy.port, greets: false)
        try client.peer.send(FrameClient.preface)
        try client.send(.settings([(4, 0)]))
        for number in 0..<100 { try client.send(.get(UInt32(number * 2 + 1), "/large")) }
        var resets = 0
        while resets < 100 {
            _ = try client.next(.reset)
            resets += 1
        }
        #expect(proxy.waitForLog("client_slow"))
        #expect(proxy.process.residentBytes - before < 64 << 20)
        #expect(client.isAlive())
        #expect(try proxy.ask(get()).status == 200)
    }

    @Test("Who reads nothing at all is left")
    func unread() throws {
        let (proxy, _) = try stage("timeouts: { write: 1s }")
        let client = try FrameClient(port: proxy.port, timeout: 60)
        try client.send(.windowUpdate(0, 0x7000_0000), .settings([(4, 0x7000_0000)]))
        for number in 0..<100 { try client.send(.get(UInt32(number * 2 + 1), "/large")) }
        #expect(proxy.waitForLog("client_slow", seconds: 30))
        #expect(proxy.waitForLog("h2-not-read", seconds: 60))
        #expect(try proxy.ask(get()).status == 200)
    }

    @Test("No more streams are open than the listener allows")
    func concurrency() throws {
        let (proxy, server) = try stage("limits: { h2_streams: 10 }")
        let client = try FrameClient(port: proxy.port)
        _ = client.wait { $0.type == Frame.Kind.settings.rawValue && $0.flags == Frame.ack }
        for number in 0..<30 { try? client.send(.get(UInt32(number * 2 + 1), "/slow")) }
        _ = client.outcome()
        #expect(server.connectionCount <= 10)
        #expect(try proxy.ask(get()).status == 200)
    }
}
