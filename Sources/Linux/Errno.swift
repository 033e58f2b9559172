import CLinux
import Glibc

/// The `errno` of a failed system call, captured before anything can overwrite it.
public struct Errno: Error, Equatable, Hashable, Sendable, BitwiseCopyable {
    public let code: CInt

    public init(code: CInt) { self.code = code }
    public static var current: Errno { Errno(code: errno) }

    public static let addressInUse = Errno(code: EADDRINUSE)
    public static let again = Errno(code: EAGAIN)
    public static let brokenPipe = Errno(code: EPIPE)
    public static let connectionRefused = Errno(code: ECONNREFUSED)
    public static let connectionReset = Errno(code: ECONNRESET)
    public static let hostUnreachable = Errno(code: EHOSTUNREACH)
    public static let networkUnreachable = Errno(code: ENETUNREACH)
    public static let noDescriptors = Errno(code: EMFILE)
    public static let noDescriptorsInSystem = Errno(code: ENFILE)
    public static let noSuchFile = Errno(code: ENOENT)
    public static let notPermitted = Errno(code: EPERM)
    public static let permissionDenied = Errno(code: EACCES)
    public static let timedOut = Errno(code: ETIMEDOUT)

    /// Whether the process or the machine ran out of descriptors or of memory for sockets.
    public var isExhaustion: Bool {
        code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM
    }
}

extension Errno: CustomStringConvertible {
    /// As `strerror(3)` says it: for logs, never for the wire. Allocates.
    public var description: String { unsafe String(cString: strerror(code)) }
}
