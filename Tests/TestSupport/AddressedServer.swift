import Glibc

/// An HTTP server on one address of 127.0.0.0/8, or on ::1, that answers every request with a text.
public final class AddressedServer: Prop {
    private let descriptor: Int32

    /// Runs until the end of the play.
    @discardableResult
    public static func start(
        _ address: String, port: UInt16, text: String
    ) throws -> AddressedServer {
        let server = try AddressedServer(address, port: port)
        let descriptor = server.descriptor
        Thread.start {
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                Thread.start {
                    let peer = ScriptedPeer(
                        descriptor: connection, timeout: 60, isRecording: false)
                    defer { peer.close() }
                    do {
                        while let request = try peer.nextRequest() {
                            _ = request
                            try peer.send(ok(text))
                        }
                    } catch {}
                }
            }
        }
        return server
    }

    private init(_ address: String, port: UInt16) throws {
        let isIPv6 = address.contains(":")
        let descriptor = socket(
            isIPv6 ? AF_INET6 : AF_INET,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = descriptor
        var yes: Int32 = 1
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, 4)
        let isListening: Bool
        if isIPv6 {
            var place = sockaddr_in6()
            place.sin6_family = sa_family_t(AF_INET6)
            place.sin6_port = port.bigEndian
            unsafe inet_pton(AF_INET6, address, &place.sin6_addr)
            isListening = Self.listens(descriptor, at: place)
        } else {
            var place = loopback(port: port)
            unsafe inet_pton(AF_INET, address, &place.sin_addr)
            isListening = Self.listens(descriptor, at: place)
        }
        guard isListening else { throw PeerError.failed("bind \(address)", errno: errno) }
        Props.keep(self)
    }

    private static func listens<Place>(
        _ descriptor: Int32, at place: Place
    ) -> Bool {
        let size = socklen_t(MemoryLayout<Place>.size)
        return unsafe withUnsafePointer(to: place) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, size) == 0 && listen(descriptor, 512) == 0
            }
        }
    }

    public func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
