import CCAres
import Glibc
import Linux
import Timing

/// What `ares_getaddrinfo(3)` hands out, as values.
enum AddressList {
    /// No more addresses of one name are looked at.
    private static let bound = 4096

    /// - Parameter list: valid during the call.
    static func records(of list: UnsafeMutablePointer<ares_addrinfo>) -> [AddressRecord] {
        var shortest = CInt.max
        var alias = unsafe list.pointee.cnames
        var aliasCount = 0
        while let current = unsafe alias, aliasCount < bound {
            unsafe shortest = min(shortest, current.pointee.ttl)
            unsafe alias = current.pointee.next
            aliasCount += 1
        }
        var records: [AddressRecord] = []
        var node = unsafe list.pointee.nodes
        while let current = unsafe node, records.count < bound {
            if let address = unsafe address(of: current.pointee) {
                let seconds = unsafe min(shortest, current.pointee.ai_ttl)
                let record = AddressRecord(
                    address, timeToLive: .seconds(Int(max(0, seconds))))
                // The same socket address comes once for each kind of socket.
                if !records.contains(where: { $0.address == address }) { records.append(record) }
            }
            unsafe node = current.pointee.ai_next
        }
        return records
    }

    private static func address(of node: ares_addrinfo_node) -> SocketAddress? {
        guard let pointer = unsafe UnsafeRawPointer(node.ai_addr) else { return nil }
        switch unsafe (node.ai_family, Int(node.ai_addrlen)) {
        case (AF_INET, MemoryLayout<sockaddr_in>.size...):
            let value = unsafe pointer.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            return .ipv4(UInt32(bigEndian: value), port: 0)
        case (AF_INET6, MemoryLayout<sockaddr_in6>.size...):
            return unsafe SocketAddress(
                high: UInt64(
                    bigEndian: pointer.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                low: UInt64(
                    bigEndian: pointer.loadUnaligned(fromByteOffset: 16, as: UInt64.self)),
                port: 0)
        default: return nil
        }
    }
}

extension ResolvingFailure {
    /// - Parameter status: one of the library's, not success.
    init(_ status: CInt) {
        switch status {
        case ARES_ENOTFOUND: self.init(.noName, "the name is not known")
        case ARES_ENODATA: self.init(.noRecord, "the name has no record of this kind")
        case ARES_ETIMEOUT: self.init(.timeout, "no name server answered in time")
        case ARES_ECONNREFUSED: self.init(.unreachable, "no name server can be reached")
        case ARES_ESERVFAIL: self.init(.refused, "the name server could not find out")
        case ARES_EREFUSED: self.init(.refused, "the name server refused to answer")
        case ARES_EBADRESP, ARES_EFORMERR:
            self.init(.malformed, "the name server's answer cannot be read")
        case ARES_EBADNAME: self.init(.other, "this cannot be a name")
        default: self.init(.other, unsafe String(cString: ares_strerror(status)))
        }
    }
}
