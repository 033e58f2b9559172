import CLinux
import Glibc

/// Paths of Unix sockets in the kernel's form, one for each path, kept for ever: so that a
/// ``SocketAddress`` can name one by a number and be copied like any other.
///
/// ## Invariants
/// - A place that was given out is the address of an initialized entry, which is neither
///   changed nor freed.
enum UnixPath {
    private struct Entry {
        var address = sockaddr_un()
        var length: socklen_t = 0
    }

    private static let places = Locked<[String: UInt64]>([:])

    /// Where a path stands; makes the entry when it is new. `nil` when it is empty or too long.
    static func place(of path: String) -> UInt64? {
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count <= UnixSocket.longestPath, !bytes.contains(0) else {
            return nil
        }
        return places.withLock { places in
            if let place = places[path] { return place }
            let entry = UnsafeMutablePointer<Entry>.allocate(capacity: 1)
            unsafe entry.initialize(to: made(of: bytes))
            let place = UInt64(UInt(bitPattern: entry))
            places[path] = place
            return place
        }
    }

    private static func made(of bytes: [UInt8]) -> Entry {
        var entry = Entry()
        entry.address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &entry.address.sun_path) { field in
            unsafe field.copyBytes(from: bytes)
            // A name that is no file begins with a zero, and ends with its last byte (unix(7)).
            if bytes[0] == UInt8(ascii: "@") { unsafe field[0] = 0 }
        }
        let head = MemoryLayout<sa_family_t>.size
        entry.length = socklen_t(head + bytes.count)
        if bytes[0] != UInt8(ascii: "@") { entry.length += 1 }
        return entry
    }

    private static func entry(at place: UInt64) -> UnsafePointer<Entry>? {
        unsafe UnsafePointer(bitPattern: UInt(place))
    }

    /// The path; empty for a socket without a name.
    static func text(at place: UInt64) -> String {
        guard let entry = unsafe entry(at: place) else { return "" }
        let count = unsafe Int(entry.pointee.length) - MemoryLayout<sa_family_t>.size
        return unsafe withUnsafeBytes(of: entry.pointee.address.sun_path) { field in
            var bytes = unsafe Array(field.prefix(count))
            if bytes[0] == 0 { bytes[0] = UInt8(ascii: "@") }
            if bytes.last == 0 { bytes.removeLast() }
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    static func withSockaddr<R>(
        at place: UInt64, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        guard let entry = unsafe entry(at: place) else {
            preconditionFailure("a socket without a name is no place to go to")
        }
        return unsafe UnsafeRawPointer(entry).withMemoryRebound(to: sockaddr.self, capacity: 1) {
            unsafe body($0, entry.pointee.length)
        }
    }
}
