import CLinux
import Glibc

/// An open file descriptor with exactly one owner.
///
/// The kernel recycles descriptor numbers at once, so a number that outlives its `close(2)`
/// names a stranger's file. This type makes that unwritable: it cannot be copied, it closes
/// when its owner's lifetime ends, and the number is only ever lent.
public struct FileDescriptor: ~Copyable, Sendable {
    private let raw: CInt

    /// Takes ownership of `number`, which must be open and owned by nobody else.
    public init(owning number: CInt) {
        precondition(number >= 0, "a negative descriptor is a failed call, not a descriptor")
        raw = number
    }

    private init(none: Void) { raw = -1 }

    /// The descriptor of what has none of its own, such as one stream of a connection: every
    /// call with it fails.
    public static var none: FileDescriptor { FileDescriptor(none: ()) }

    /// Lent for one call. Do not store it.
    public var number: CInt { raw }

    /// Gives the number away without closing it, for a new owner in another thread or process.
    public consuming func release() -> CInt {
        let number = raw
        discard self
        return number
    }

    deinit {
        // Never retried: Linux frees the number even when close(2) fails with EINTR or EIO,
        // and by the time of a retry it may belong to another connection.
        if raw >= 0 { _ = close(raw) }
    }
}
