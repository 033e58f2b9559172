import Foundation
import TestSupport
import Testing

@Suite("Servers that speak HTTP/2 are checked in it", .onStage)
struct HealthOverHTTP2Tests {
    private let check = "interval: 500ms, timeout: 400ms, up_after: 1, down_after: 1"

    /// A server of frames that answers each request with these.
    private func server(
        _ answer: @escaping @Sendable (FrameClient, UInt32) throws -> Void
    ) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { peer, _ in
            let connection = try FrameClient(serving: peer)
            while let frame = try? connection.next() {
                let isLast =
                    frame.flags & Frame.endStream != 0
                    && (frame.type == Frame.Kind.headers.rawValue
                        || frame.type == Frame.Kind.data.rawValue)
                if isLast { try answer(connection, frame.stream) }
            }
        }
    }

    /// What becomes of a server with a check.
    private func proxy(_ server: ScriptedServer, _ health: String) throws -> ProxyProcess {
        var plan = ProxyPlan(service: "protocol: h2c", health: "{ \(health), \(check) }")
        plan.servers = [server.address]
        return try ProxyProcess(plan)
    }

    @Test("A status and a text are looked at as in HTTP/1.1")
    func path() throws {
        let server = try server { connection, stream in
            try connection.send(
                .response(stream, "103", [("link", "</a>")]), .response(stream),
                .data(stream, Array("all is well".utf8)))
        }
        #expect(try proxy(server, "path: /up, body: well").waitForLog("up: check passed"))
        #expect(try proxy(server, "path: /up, body: ill").waitForLog("body_mismatch"))
        #expect(try proxy(server, "path: /up, status: 204").waitForLog("bad_status"))
        let reset = try self.server { connection, stream in try connection.send(.reset(stream)) }
        #expect(try proxy(reset, "path: /up").waitForLog("server_bad_answer"))
    }

    @Test("gRPC's health service is understood: serving, not serving, unknown")
    func grpc() throws {
        let status = Locked<(message: [UInt8], code: String)>(([8, 1], "0"))
        let server = try server { connection, stream in
            let (message, code) = status.withLock { $0 }
            guard code == "0" else {
                try connection.send(
                    .response(
                        stream, "200", [("grpc-status", code)],
                        flags: Frame.endStream | Frame.endHeaders))
                return
            }
            try connection.send(
                .response(stream, "200", [("content-type", "application/grpc")]),
                .data(stream, [0, 0, 0, 0, UInt8(message.count)] + message, flags: 0),
                .headers(stream, [("grpc-status", "0")]))
        }
        let proxy = try proxy(server, "grpc: true")
        #expect(proxy.waitForLog("up: check passed"))
        status.withLock { $0 = ([8, 2], "0") }
        #expect(proxy.waitForLog("down: check failed"))
        status.withLock { $0 = ([8, 1], "0") }
        #expect(eventually { (try? proxy.command("status").output.contains("1 of 1 up")) == true })
        status.withLock { $0 = ([], "12") }
        #expect(eventually { (try? proxy.command("status").output.contains("0 of 1 up")) == true })
    }
}
