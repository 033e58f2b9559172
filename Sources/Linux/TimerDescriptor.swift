import CLinux
import Glibc
public import Timing

/// A timerfd: an instant that makes a descriptor readable, to the microsecond, where a wait's
/// own limit knows milliseconds only.
///
/// To be watched for edges: then nobody has to read what it counts.
public struct TimerDescriptor: ~Copyable, Sendable {
    public let descriptor: FileDescriptor

    public init() throws(Errno) {
        let number = timerfd_create(CLOCK_MONOTONIC, CInt(TFD_CLOEXEC) | CInt(TFD_NONBLOCK))
        guard number >= 0 else { throw .current }
        descriptor = FileDescriptor(owning: number)
    }

    /// Fires once after `wait`, at once for none; what was set before is forgotten.
    public func set(after wait: Interval) {
        // 0 would stop it.
        let nanoseconds = max(1, min(wait.nanoseconds, 1_000_000_000_000_000))
        var time = itimerspec()
        time.it_value.tv_sec = Int(nanoseconds / 1_000_000_000)
        time.it_value.tv_nsec = Int(nanoseconds % 1_000_000_000)
        _ = unsafe timerfd_settime(descriptor.number, 0, &time, nil)
    }
}
