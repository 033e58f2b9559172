import COpenSSL
import Linux

/// The keys under which clients keep their sessions (RFC 5077, RFC 8446 §4.6.1): one for new
/// tickets, and those before it, so that a rotation ends no session.
///
/// Shared by all loops and listeners, and kept across reloads.
public final class TicketKeys: Sendable {
    struct Key: Sendable {
        var name: [UInt8]
        var cipher: [UInt8]
        var digest: [UInt8]

        init() {
            name = Key.random(16)
            cipher = Key.random(32)
            digest = Key.random(32)
        }

        private static func random(_ count: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            let status = unsafe RAND_bytes(&bytes, CInt(count))
            precondition(status == 1, "a machine without randomness cannot speak TLS")
            return bytes
        }
    }

    private static let previousCount = 2
    /// The newest first.
    private let keys = Locked<[Key]>([Key()])

    public init() {}

    /// Makes a new key; tickets under the one three rotations ago are no longer known.
    public func rotate() {
        keys.withLock { keys in
            keys.insert(Key(), at: 0)
            if keys.count > Self.previousCount + 1 { keys.removeLast() }
        }
    }

    var newest: Key { keys.withLock { $0[0] } }

    /// The key of a ticket, and whether the ticket is to be replaced.
    func key(named name: UnsafeBufferPointer<UInt8>) -> (key: Key, isOld: Bool)? {
        keys.withLock { keys in
            for (index, key) in keys.enumerated() where unsafe key.name.elementsEqual(name) {
                return (key, index > 0)
            }
            return nil
        }
    }
}
