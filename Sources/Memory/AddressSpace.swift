import Glibc

/// Addresses that are reserved before there is memory behind them, so that what stands there
/// can grow and never moves. Reserved addresses cost nothing; they are not counted against the
/// memory of the process or the system.
enum AddressSpace {
    /// Memory is opened in steps of this many bytes: a multiple of every page size.
    static let step = 64 << 10

    /// Rounded up to whole steps.
    static func size(of byteCount: Int) -> Int { (byteCount + step - 1) & ~(step - 1) }

    /// Ends the process when there are no addresses left, as an allocation does.
    @unsafe static func reserve(_ byteCount: Int) -> UnsafeMutableRawPointer {
        let base = unsafe mmap(
            nil, size(of: byteCount), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard unsafe base != MAP_FAILED, let base = unsafe base else {
            preconditionFailure("no addresses for \(byteCount) bytes")
        }
        return unsafe base
    }

    /// Puts memory, all bytes zero, behind the addresses from `lower` up to `upper`; harmless
    /// where there is some.
    ///
    /// - Returns: `false` when there is none left.
    @unsafe static func open(
        _ base: UnsafeMutableRawPointer, from lower: Int, to upper: Int
    ) -> Bool {
        let start = lower & ~(step - 1)
        return unsafe mprotect(base + start, size(of: upper) - start, PROT_READ | PROT_WRITE) == 0
    }

    @unsafe static func release(_ base: UnsafeMutableRawPointer, _ byteCount: Int) {
        unsafe munmap(base, size(of: byteCount))
    }
}
