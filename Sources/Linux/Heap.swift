import CLinux

/// The allocator's account of the process.
public enum Heap {
    /// Bytes that are allocated and not freed, as malloc counts them.
    public static func usedBytes() -> Int {
        let account = mallinfo2()
        return Int(account.uordblks) + Int(account.hblkhd)
    }
}
