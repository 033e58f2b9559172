import CLinux
import Glibc

/// Asks the system's resolver. It waits for the network: call it on a thread of its own.
public enum NameResolver {
    /// Why a name has no address, as the resolver says it.
    public struct Failure: Error, Equatable, Sendable {
        public var reason: String
        public init(reason: String) { self.reason = reason }
    }

    /// The first address of a host; IPv4 and IPv6 in the order that the system prefers.
    public static func resolve(_ host: String, port: UInt16) -> Result<SocketAddress, Failure> {
        if let address = SocketAddress(numeric: host, port: port) { return .success(address) }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        unsafe hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        let status = unsafe getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else {
            return .failure(Failure(reason: unsafe String(cString: gai_strerror(status))))
        }
        defer { unsafe freeaddrinfo(list) }
        var entry = unsafe list
        while let current = unsafe entry {
            if let address = unsafe SocketAddress(current.pointee, port: port) {
                return .success(address)
            }
            unsafe entry = current.pointee.ai_next
        }
        return .failure(Failure(reason: "it has neither an IPv4 nor an IPv6 address"))
    }
}

extension SocketAddress {
    fileprivate init?(_ entry: addrinfo, port: UInt16) {
        let length = unsafe Int(entry.ai_addrlen)
        guard let pointer = unsafe entry.ai_addr,
            length <= MemoryLayout<sockaddr_storage>.size
        else { return nil }
        var storage = sockaddr_storage()
        unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: length))
        }
        self.init(storage)
        guard self != .unspecified else { return nil }
        self.port = port
    }
}
