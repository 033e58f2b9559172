import Glibc

/// A table of shared cells that every thread may reach without a reference count.
///
/// Its memory is mapped once, at start, and never returned: that is what makes a copy of the
/// table safe to hold anywhere, and costs nothing per use. Elements guard themselves, usually
/// by being atomics. Cells that are never touched cost address space only.
///
/// ## Invariants
/// - All bytes zero must be a valid `Element`, which then holds what a new cell means. True of
///   structs made of integer atomics and padding, and of nothing else that may be put here.
@safe public struct SharedTable<Element: ~Copyable & Sendable>: @unchecked Sendable {
    private let elements: UnsafeMutablePointer<Element>
    public let count: Int

    public init(zeroed count: Int) {
        precondition(count > 0)
        self.count = count
        let byteCount = count * MemoryLayout<Element>.stride
        let memory = unsafe mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard unsafe memory != MAP_FAILED, let memory = unsafe memory else {
            preconditionFailure("no memory for \(byteCount) bytes of shared cells")
        }
        unsafe elements = memory.bindMemory(to: Element.self, capacity: count)
    }

    public subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe UnsafePointer(elements + index)
        }
    }
}
