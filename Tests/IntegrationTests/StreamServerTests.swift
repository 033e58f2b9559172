import TestSupport
import Testing

@Suite("Servers are spoken to in HTTP/2", .onStage)
struct StreamServerTests {
    private func proxy(_ servers: [String], service: String = "") throws -> ProxyProcess {
        var plan = ProxyPlan(service: "protocol: h2c\n" + service)
        plan.servers = servers
        return try ProxyProcess(plan)
    }

    /// A server that answers each stream as `answer` says, once the stream has ended.
    private func server(
        settings: [(UInt16, UInt32)] = [],
        _ answer: @escaping @Sendable (FrameClient, UInt32, _ number: Int) throws -> Void
    ) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer, settings: settings)
            var number = 0
            while let frame = try? connection.next() {
                let isLast =
                    frame.flags & Frame.endStream != 0
                    && (frame.type == Frame.Kind.headers.rawValue
                        || frame.type == Frame.Kind.data.rawValue)
                if isLast {
                    try answer(connection, frame.stream, number)
                    number += 1
                }
            }
        }
    }

    @Test("Requests share one connection, and answers come whole")
    func sharing() throws {
        let server = try server { connection, stream, _ in
            try connection.send(
                .response(stream, "200", [("content-length", "2")]),
                .data(stream, Array("hi".utf8)))
        }
        let proxy = try proxy([server.address])
        let clients = try (0..<5).map { _ in try proxy.client() }
        for _ in 0..<4 {
            for client in clients { try client.send(get()) }
            for client in clients {
                let answer = try client.readResponse()
                #expect(answer.status == 200)
                #expect(answer.text == "hi")
            }
        }
        #expect(server.connectionCount == 1)
    }

    @Test("Content without a length, trailers and interim responses reach HTTP/1.1")
    func translation() throws {
        let server = try server { connection, stream, _ in
            try connection.send(
                .response(stream, "103", [("link", "</a>")]), .response(stream),
                .data(stream, Array("hel".utf8), flags: 0),
                .data(stream, Array("lo".utf8), flags: 0), .headers(stream, [("x-sum", "5")]))
        }
        let client = try proxy([server.address]).client()
        try client.send(get())
        #expect(try client.readResponse(skippingInterim: false).status == 103)
        let answer = try client.readResponse()
        #expect(answer.text == "hello")
        #expect(answer["Transfer-Encoding"] == "chunked")
        #expect(answer.trailers.first?.value == "5")
        // The connection goes on.
        try client.send(get())
        #expect(try client.readResponse().text == "hello")
    }

    struct Vector: Sendable, CustomTestStringConvertible {
        var name: String
        var fields: [(String, String)]
        var content = "x"

        var testDescription: String { name }
    }

    static let broken: [Vector] = [
        Vector(name: "no status", fields: [("a", "b")]),
        Vector(name: "status of four digits", fields: [(":status", "2000")]),
        Vector(name: "status that is no number", fields: [(":status", "2x0")]),
        Vector(name: "two statuses", fields: [(":status", "200"), (":status", "200")]),
        Vector(name: "101", fields: [(":status", "101")]),
        Vector(name: "status behind a field", fields: [("a", "b"), (":status", "200")]),
        Vector(
            name: "pseudo-header field of a request", fields: [(":status", "200"), (":path", "/")]),
        Vector(name: "upper case", fields: [(":status", "200"), ("Bad", "b")]),
        Vector(name: "space in a name", fields: [(":status", "200"), ("a b", "b")]),
        Vector(name: "line end in a value", fields: [(":status", "200"), ("a", "b\r\nc: d")]),
        Vector(name: "NUL in a value", fields: [(":status", "200"), ("a", "b\0")]),
        Vector(name: "connection", fields: [(":status", "200"), ("connection", "close")]),
        Vector(
            name: "transfer-encoding",
            fields: [(":status", "200"), ("transfer-encoding", "chunked")]),
        Vector(
            name: "two lengths",
            fields: [(":status", "200"), ("content-length", "1"), ("content-length", "1")]),
    ]

    @Test("Answers that break a rule do not come through", arguments: broken)
    func vectors(_ vector: Vector) throws {
        let server = try server { connection, stream, _ in
            try connection.send(
                .headers(stream, vector.fields, flags: Frame.endHeaders),
                .data(stream, Array(vector.content.utf8)))
        }
        let proxy = try proxy([server.address], service: "retries: off")
        #expect(try proxy.ask(get()).status == 502)
    }

    @Test("Content that does not agree with its length is cut")
    func lengths() throws {
        let server = try server { connection, stream, number in
            try connection.send(
                .response(stream, "200", [("content-length", "5")]),
                .data(stream, Array((number == 0 ? "1234" : "123456").utf8)))
        }
        let proxy = try proxy([server.address], service: "retries: off")
        for _ in 0..<2 {
            #expect(throws: (any Error).self) {
                let answer = try proxy.ask(get())
                #expect(answer.status != 200)
                throw PeerError.malformed("answered with \(answer.status)")
            }
        }
    }

    @Test("What a server provably has not done is asked again")
    func refused() throws {
        let server = try server { connection, stream, number in
            guard number > 0 else { return try connection.send(.reset(stream, 7)) }
            try connection.send(.response(stream, "204", flags: Frame.endHeaders | 1))
        }
        let other = try self.server { connection, stream, _ in
            try connection.send(.response(stream, "204", flags: Frame.endHeaders | 1))
        }
        let proxy = try proxy([server.address, other.address])
        for _ in 0..<6 { #expect(try proxy.ask(post("/", "x")).status == 204) }
    }

    @Test("A server that says GOAWAY finishes what it has, and gets no more on that connection")
    func goAway() throws {
        let server = try server { connection, stream, _ in
            try connection.send(Frame(.goAway, Frame.number(stream) + Frame.number(0)))
            try connection.send(.response(stream), .data(stream, Array("done".utf8)))
        }
        let proxy = try proxy([server.address])
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "done") }
        #expect(server.connectionCount == 4)
    }

    @Test("No more streams than a server takes are opened on one connection")
    func capacity() throws {
        let most = Locked(0)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer, settings: [(3, 2)])
            var open: [UInt32] = []
            while let frame = try? connection.next() {
                if frame.type == Frame.Kind.headers.rawValue { open.append(frame.stream) }
                most.withLock { $0 = max($0, open.count) }
                guard open.count == 2 || peer.isQuiet(for: 0.2) else { continue }
                for stream in open {
                    try connection.send(.response(stream), .data(stream, Array("x".utf8)))
                }
                open = []
            }
        }
        let proxy = try proxy([server.address])
        // The first request learns the limit.
        #expect(try proxy.ask(get()).text == "x")
        let clients = try (0..<4).map { _ in try proxy.client() }
        for client in clients { try client.send(get()) }
        for client in clients { #expect(try client.readResponse().text == "x") }
        #expect(most.withLock { $0 } <= 2)
    }

    @Test("A client that leaves resets its stream, and no other")
    func cancel() throws {
        let resets = Locked(0)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer)
            while let frame = try? connection.next() {
                if frame.type == Frame.Kind.reset.rawValue { resets.withLock { $0 += 1 } }
                if frame.type == Frame.Kind.headers.rawValue, frame.stream > 1 {
                    try connection.send(
                        .response(frame.stream), .data(frame.stream, Array("x".utf8)))
                }
            }
        }
        let proxy = try proxy([server.address])
        let leaving = try proxy.client()
        try leaving.send(get())
        #expect(eventually { server.connectionCount == 1 })
        #expect(try proxy.ask(get()).text == "x")
        leaving.reset()
        #expect(eventually { resets.withLock { $0 } == 1 })
        #expect(try proxy.ask(get()).text == "x")
        #expect(server.connectionCount == 1)
    }

    @Test(
        "A real server is spoken to: plain, with TLS, and as it chooses",
        arguments: ["h2c", "h2", "auto"])
    func real(_ word: String) throws {
        let authority = try Authority()
        let certificate = try authority.certificate(["localhost"])
        let directory = TemporaryDirectory()
        let content = String(repeating: "0123456789abcdef", count: 40_000)
        try directory.write(content, to: "file")
        let port = Machine.freePort()
        let isSecure = word != "h2c"
        let program = try #require(Machine.program("nghttpd"))
        _ = try ChildProcess(
            program,
            ["-a", "127.0.0.1", "-d", directory.path]
                + (isSecure
                    ? ["\(port)", certificate.key, certificate.certificate]
                    : ["--no-tls", "\(port)"]))
        #expect(eventually { (try? ScriptedClient(port: port)) != nil })
        var plan = ProxyPlan(
            service: "protocol: \(word)"
                + (isSecure ? "\ntls: { ca: \(authority.file), server_name: localhost }" : ""))
        plan.servers = [(isSecure ? "https://" : "") + "127.0.0.1:\(port)"]
        let proxy = try ProxyProcess(plan)
        for _ in 0..<3 { #expect(try proxy.ask(get("/file")).text == content) }
        let answer = try run(
            "/usr/bin/h2load",
            ["-n", "2000", "-c", "4", "-m", "16", "http://127.0.0.1:\(proxy.port)/file"],
            seconds: 60)
        #expect(answer.output.contains("2000 succeeded, 0 failed, 0 errored"), "\(answer)")
    }

    // MARK: - What is sent again, and what is not

    /// How a server says that it has not looked at a request.
    enum Refusal: String, CaseIterable, CustomTestStringConvertible {
        case refusedStream, goAway
        var testDescription: String { rawValue }

        func frame(_ stream: UInt32) -> Frame {
            switch self {
            case .refusedStream: .reset(stream, 7)
            case .goAway: Frame(.goAway, Frame.number(0) + Frame.number(0))
            }
        }
    }

    @Test(
        "A request whose beginning is no longer there is not sent again, however it was refused",
        arguments: Refusal.allCases)
    func truncation(_ refusal: Refusal) throws {
        let heads = Locked(0)
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer)
            var count = 0
            while let frame = try? connection.next() {
                switch Frame.Kind(rawValue: frame.type) {
                case .headers:
                    heads.withLock { $0 += 1 }
                    count = 0
                case .data:
                    count += frame.payload.count
                    let isFirst = heads.withLock { $0 } == 1
                    if isFirst, count >= 200_000 {
                        try connection.send(refusal.frame(frame.stream))
                        continue
                    }
                    if frame.flags & Frame.endStream != 0 {
                        try connection.send(
                            .response(frame.stream), .data(frame.stream, Array("\(count)".utf8)))
                    } else if !frame.payload.isEmpty {
                        let size = UInt32(frame.payload.count)
                        try connection.send(
                            .windowUpdate(0, size), .windowUpdate(frame.stream, size))
                    }
                default: break
                }
            }
        }
        let other = try self.server { connection, stream, _ in
            try connection.send(.response(stream), .data(stream, Array("other".utf8)))
        }
        let proxy = try proxy(
            [server.address, other.address],
            service: "balance: { strategy: first }\nretries: { methods: all }")
        let client = try proxy.client()
        try client.send(
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        // Its client goes on for as long as it can, and hears of the failure.
        let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
        for _ in 0..<26 where (try? client.send(chunk)) == nil { break }
        try? client.send("0\r\n\r\n")
        let answer = try? client.readResponse()
        #expect(answer.map { $0.status == 502 } ?? true, "\(answer.map { "\($0)" } ?? "")")
        #expect(heads.withLock { $0 } == 1)
        #expect(other.connectionCount == 0)
        #expect(proxy.waitForLog("body_too_large_to_replay"))
    }

    @Test("A stream that its server resets is a failure, and not a connection that was idle")
    func resets() throws {
        let heads = Locked(0)
        let server = try server { connection, stream, _ in
            heads.withLock { $0 += 1 }
            try connection.send(.reset(stream, 2))
        }
        let proxy = try proxy([server.address], service: "retries: off")
        for _ in 0..<5 { #expect(try proxy.ask(get()).status == 502) }
        #expect(heads.withLock { $0 } == 5)
        #expect(server.connectionCount == 1)
    }

    @Test("Requests in flight on a connection that ends are not repeated unasked")
    func inFlight() throws {
        let heads = Locked(0)
        let count = 20
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer)
            while let frame = try? connection.next() {
                guard frame.type == Frame.Kind.headers.rawValue else { continue }
                let number = heads.withLock { heads in
                    heads += 1
                    return heads
                }
                switch number {
                case 1:
                    try connection.send(.response(frame.stream), .data(frame.stream, [0x78]))
                case 2: try connection.send(Frame(.ping, [1, 2, 3, 4, 5, 6, 7, 8]))
                case count + 1: return
                default: break
                }
            }
        }
        let proxy = try proxy([server.address], service: "retries: off")
        #expect(try proxy.ask(get()).text == "x")
        let clients = try (0..<count).map { _ in try proxy.client() }
        for client in clients { try client.send(get()) }
        for client in clients { #expect(try client.readResponse().status == 502) }
        #expect(heads.withLock { $0 } == count + 1)
        #expect(server.connectionCount == 1)
    }

    @Test("An idle connection that ends as it is used again costs nobody anything")
    func stale() throws {
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer)
            let first = try connection.next(.headers)
            try connection.send(.response(first.stream), .data(first.stream, [0x78]))
            _ = try connection.next(.headers)
        }
        let proxy = try proxy([server.address], service: "retries: off")
        for _ in 0..<4 { #expect(try proxy.ask(get()).text == "x") }
        #expect(server.connectionCount == 4)
    }

    @Test("Streams beyond the last one of a GOAWAY go on elsewhere, whatever their method")
    func passedOver() throws {
        let server = try ScriptedServer(isRecording: false) { peer, index in
            let connection = try FrameClient(serving: peer)
            while let frame = try? connection.next() {
                guard frame.flags & Frame.endStream != 0, frame.stream > 0 else { continue }
                if index == 0 {
                    try connection.send(Frame(.goAway, Frame.number(0) + Frame.number(0)))
                } else {
                    try connection.send(.response(frame.stream), .data(frame.stream, [0x78]))
                }
            }
        }
        let proxy = try proxy([server.address], service: "retries: off")
        #expect(try proxy.ask(post("/", "y")).text == "x")
        #expect(server.connectionCount == 2)
    }

    @Test("The only server may be asked again after it has refused a stream")
    func refusedByTheOnlyOne() throws {
        let server = try server { connection, stream, number in
            guard number > 0 else { return try connection.send(.reset(stream, 7)) }
            try connection.send(.response(stream, "204", flags: Frame.endHeaders | 1))
        }
        let proxy = try proxy([server.address])
        #expect(try proxy.ask(post("/", "x")).status == 204)
        #expect(server.connectionCount == 1)
    }

    @Test("A server that allows no streams costs a request an answer, and few connections")
    func noStreams() throws {
        let server = try server(settings: [(3, 0)]) { connection, stream, _ in
            try connection.send(.reset(stream, 7))
        }
        let proxy = try proxy([server.address])
        for number in 1...3 {
            #expect(try proxy.ask(get()).status == 502)
            #expect(server.connectionCount <= number * 6)
        }
    }

    @Test("A burst does not exceed what a server takes before it has said so")
    func burst() throws {
        let limit = 10
        let refused = Locked(0)
        let haveAllCome = Gate()
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            // It has not said anything when the last request comes.
            #expect(haveAllCome.wait(seconds: 60))
            let connection = try FrameClient(serving: peer, settings: [(3, UInt32(limit))])
            var open: Set<UInt32> = []
            var ended: [UInt32] = []
            while let frame = try? connection.next() {
                if frame.type == Frame.Kind.headers.rawValue {
                    if open.count == limit {
                        refused.withLock { $0 += 1 }
                        try connection.send(.reset(frame.stream, 7))
                    } else {
                        open.insert(frame.stream)
                    }
                }
                if frame.flags & Frame.endStream != 0, open.contains(frame.stream) {
                    ended.append(frame.stream)
                }
                guard !ended.isEmpty, ended.count == limit || peer.isQuiet(for: 0.2) else {
                    continue
                }
                for stream in ended {
                    open.remove(stream)
                    try connection.send(.response(stream), .data(stream, [0x78]))
                }
                ended = []
            }
        }
        let proxy = try proxy([server.address])
        let clients = try (0..<40).map { _ in try proxy.client() }
        for client in clients { try client.send(post("/", "y")) }
        #expect(
            eventually { (try? proxy.status())?.servers.values.first?.inFlight == clients.count })
        haveAllCome.open()
        for client in clients { #expect(try client.readResponse().text == "x") }
        #expect(refused.withLock { $0 } == 0)
    }

    // MARK: - Connections that do not come about, or die in silence

    @Test("A connection attempt that hangs does not take all later requests")
    func hungAttempt() throws {
        // It hears the beginning of a handshake, and never answers.
        let server = try ScriptedServer(isRecording: false) { peer, _ in
            _ = try? peer.readToEnd()
        }
        var plan = ProxyPlan(
            service: "protocol: h2\ntls: { verify: false }\nretries: off\noutliers: off\n"
                + "timeouts: { connect: 300ms }")
        plan.servers = ["https://\(server.address)"]
        let proxy = try ProxyProcess(plan)
        // There is always somebody who waits.
        var clients: [ScriptedClient] = []
        let hasTriedAgain = eventually(timeout: 10) {
            if let client = try? proxy.client(), (try? client.send(get())) != nil {
                clients.append(client)
            }
            return server.connectionCount >= 4
        }
        #expect(hasTriedAgain, "\(server.connectionCount)")
    }

    @Test("A connection that has died in silence is left after one request's time")
    func silentDeath() throws {
        let isOver = Gate()
        defer { isOver.open() }
        let server = try ScriptedServer(isRecording: false) { peer, index in
            let connection = try FrameClient(serving: peer)
            var count = 0
            while let frame = try? connection.next() {
                guard frame.type == Frame.Kind.headers.rawValue else { continue }
                count += 1
                if index == 0, count > 1 {
                    // From now on it hears nothing and says nothing.
                    #expect(isOver.wait(seconds: 60))
                    return
                }
                try connection.send(.response(frame.stream), .data(frame.stream, [0x78]))
            }
        }
        let proxy = try proxy(
            [server.address],
            service: "retries: off\noutliers: off\ntimeouts: { response: 500ms }")
        #expect(try proxy.ask(get()).status == 200)
        #expect(try proxy.ask(get()).status == 504)
        for _ in 0..<5 { #expect(try proxy.ask(get()).status == 200) }
        #expect(server.connectionCount == 2)
    }
}
