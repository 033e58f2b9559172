import CLinux
import Glibc

/// An IPv4 or IPv6 address with a port, as sixteen bytes: IPv4 in its IPv6-mapped form. Or a
/// Unix socket.
///
/// ## Invariants
/// - Of a Unix socket, `high` is 0 and `low` says where its ``UnixPath`` stands, which is never
///   freed; 0 for a socket without a name. Only ``unix(_:)`` and the kernel's answers make one.
public struct SocketAddress: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes in network order, read as a big-endian number.
    public private(set) var high: UInt64
    /// The last eight bytes, likewise.
    public private(set) var low: UInt64
    public var port: UInt16
    /// It is the address of a Unix socket, and has no port.
    public private(set) var isUnix = false

    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    /// A Unix socket.
    ///
    /// Equal paths give equal addresses. A path is kept for as long as the process lives: their
    /// number is bounded by what the configurations have named.
    ///
    /// - Parameter path: of a file, or behind `@` a name without a file. `nil` when it is longer
    ///   than ``UnixSocket/longestPath``.
    public static func unix(_ path: String) -> SocketAddress? {
        guard let place = UnixPath.place(of: path) else { return nil }
        var address = unspecified
        address.low = place
        address.isUnix = true
        return address
    }

    /// Who connected to a Unix socket: clients have no name there.
    public static var unixClient: SocketAddress {
        var address = unspecified
        address.isUnix = true
        return address
    }

    public static var unspecified: SocketAddress { SocketAddress(high: 0, low: 0, port: 0) }

    public static func ipv4(_ address: UInt32, port: UInt16) -> SocketAddress {
        SocketAddress(high: 0, low: 0xFFFF_0000_0000 | UInt64(address), port: port)
    }

    public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF && !isUnix }

    /// Reads a numeric address, without brackets and without port; `nil` for anything else.
    public init?(numeric host: String, port: UInt16) {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            self = .ipv4(UInt32(bigEndian: four.s_addr), port: port)
            return
        }
        var six = in6_addr()
        guard unsafe inet_pton(AF_INET6, host, &six) == 1 else { return nil }
        self = unsafe withUnsafeBytes(of: &six) { bytes in
            unsafe SocketAddress(
                high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                port: port)
        }
    }

    init(_ storage: sockaddr_storage) {
        self = unsafe withUnsafeBytes(of: storage) { bytes in
            let port = unsafe UInt16(
                bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            if storage.ss_family == sa_family_t(AF_INET) {
                let address = unsafe bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
                return .ipv4(UInt32(bigEndian: address), port: port)
            }
            guard storage.ss_family == sa_family_t(AF_INET6) else {
                return storage.ss_family == sa_family_t(AF_UNIX) ? .unixClient : .unspecified
            }
            return unsafe SocketAddress(
                high: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                port: port)
        }
    }

    var family: CInt { isUnix ? AF_UNIX : isIPv4 ? AF_INET : AF_INET6 }

    /// Lends the address in the kernel's form.
    func withSockaddr<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        if isUnix { return unsafe UnixPath.withSockaddr(at: low, body) }
        var storage = sockaddr_storage()
        let length: Int
        if isIPv4 {
            length = MemoryLayout<sockaddr_in>.size
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.storeBytes(of: sa_family_t(AF_INET), as: sa_family_t.self)
                unsafe bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                unsafe bytes.storeBytes(
                    of: UInt32(truncatingIfNeeded: low).bigEndian, toByteOffset: 4,
                    as: UInt32.self)
            }
        } else {
            length = MemoryLayout<sockaddr_in6>.size
            unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                unsafe bytes.storeBytes(of: sa_family_t(AF_INET6), as: sa_family_t.self)
                unsafe bytes.storeBytes(of: port.bigEndian, toByteOffset: 2, as: UInt16.self)
                unsafe bytes.storeBytes(of: high.bigEndian, toByteOffset: 8, as: UInt64.self)
                unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 16, as: UInt64.self)
            }
        }
        return unsafe withUnsafePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, socklen_t(length))
            }
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `10.0.0.1:80`, `[::1]:80` or `unix:/run/app.sock`. Allocates: for logs.
    public var description: String {
        isUnix ? host : isIPv4 ? "\(host):\(port)" : "[\(host)]:\(port)"
    }

    /// The address without its port. Allocates.
    public var host: String {
        if isUnix { return "unix:\(UnixPath.text(at: low))" }
        if isIPv4 {
            let value = UInt32(truncatingIfNeeded: low)
            return "\(value >> 24).\(value >> 16 & 255).\(value >> 8 & 255).\(value & 255)"
        }
        var six = in6_addr()
        unsafe withUnsafeMutableBytes(of: &six) { bytes in
            unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        unsafe inet_ntop(AF_INET6, &six, &text, socklen_t(text.count))
        let digits = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: digits, as: UTF8.self)
    }
}
