import CLinux

/// Counts what the calling thread asks of the allocator, exactly: the processor's breakpoint
/// registers stand on `malloc`, `calloc`, `realloc` and `posix_memalign`. A call that is counted
/// takes about a microsecond longer, so it is not for measuring time.
public struct AllocationCount: ~Copyable {
    private static let functionCount = 4

    private let counters: [4 of Int32]

    /// `nil` where the kernel does not let us (`perf_event_paranoid`, a container's filter).
    public init?() {
        var counters = [4 of Int32](repeating: -1)
        var isWhole = true
        for number in 0..<Self.functionCount {
            counters[number] = linux_count_calls(Int32(number))
            if counters[number] < 0 { isWhole = false }
        }
        self.counters = counters
        guard isWhole else { return nil }
    }

    /// Calls since it was made.
    public var value: Int {
        var sum: UInt64 = 0
        for number in 0..<Self.functionCount {
            var count: UInt64 = 0
            let length = unsafe withUnsafeMutableBytes(of: &count) { bytes in
                unsafe CLinux.read(counters[number], bytes.baseAddress, bytes.count)
            }
            if length == MemoryLayout<UInt64>.size { sum &+= count }
        }
        return Int(truncatingIfNeeded: sum)
    }

    deinit {
        for number in 0..<Self.functionCount where counters[number] >= 0 {
            close(counters[number])
        }
    }
}
