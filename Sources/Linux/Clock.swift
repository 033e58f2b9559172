import CLinux
import Glibc
public import Timing

/// The clocks, for the kernel and for the threads that have none.
public enum Clock {
    /// `CLOCK_MONOTONIC`: the same for every thread of the machine.
    public static func monotonic() -> LoopInstant {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return LoopInstant(
            nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    /// Nanoseconds since 1970, UTC.
    public static func wall() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}

public enum Entropy {
    /// Sixty-four bits from `getrandom(2)`.
    public static func number() -> UInt64 {
        var number: UInt64 = 0
        let count = unsafe getrandom(&number, 8, 0)
        precondition(count == 8, "getrandom(2) never fails for eight bytes once the system is up")
        return number
    }
}
