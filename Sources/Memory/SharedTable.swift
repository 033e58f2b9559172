/// A table of shared cells that every thread may reach without a reference count.
///
/// Its addresses are reserved once, at start, and never returned: that is what makes a copy of
/// the table safe to hold anywhere, and costs nothing per use. Elements guard themselves,
/// usually by being atomics. There is memory behind the cells that were opened.
///
/// ## Invariants
/// - All bytes zero must be a valid `Element`, which then holds what a new cell means. True of
///   structs made of integer atomics and padding, and of nothing else that may be put here.
/// - Whoever gives out indices opens a cell before it tells anybody of it.
@safe public struct SharedTable<Element: ~Copyable & Sendable>: @unchecked Sendable {
    private let elements: UnsafeMutablePointer<Element>
    public let count: Int

    /// A table of cells of which none is open.
    ///
    /// - Parameter count: the most cells that may ever be opened.
    public init(reserving count: Int) {
        precondition(count > 0)
        self.count = count
        let memory = unsafe AddressSpace.reserve(count * MemoryLayout<Element>.stride)
        unsafe elements = memory.bindMemory(to: Element.self, capacity: count)
    }

    /// A table whose cells are all open. Ends the process when there is no memory for them.
    public init(zeroed count: Int) {
        self.init(reserving: count)
        guard open(upTo: count) else {
            preconditionFailure("no memory for \(count) shared cells")
        }
    }

    /// Opens the cells below `end`; what was opened before stays as it is. One thread at a time.
    ///
    /// - Returns: `false` when there is no memory for them.
    public func open(upTo end: Int) -> Bool {
        precondition(end <= count)
        return unsafe AddressSpace.open(
            UnsafeMutableRawPointer(elements), from: 0, to: end * MemoryLayout<Element>.stride)
    }

    /// Opens one cell more, and its neighbours.
    ///
    /// - Returns: `false` when there is no memory for it.
    public func open(_ index: Int) -> Bool {
        precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
        let stride = MemoryLayout<Element>.stride
        return unsafe AddressSpace.open(
            UnsafeMutableRawPointer(elements), from: index * stride, to: (index + 1) * stride)
    }

    public subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe UnsafePointer(elements + index)
        }
    }
}
