/// A heap array of fixed length with one owner: no growth, no reference count.
///
/// `Array` pays a uniqueness check before a write and may pay a retain for a read; hot tables
/// pay neither here.
@safe public struct FixedArray<Element: ~Copyable>: ~Copyable {
    private let elements: UnsafeMutablePointer<Element>
    public let count: Int

    public init(count: Int, _ make: (Int) -> Element) {
        precondition(count >= 0)
        self.count = count
        unsafe elements = .allocate(capacity: max(1, count))
        for index in 0..<count { unsafe (elements + index).initialize(to: make(index)) }
    }

    deinit {
        unsafe elements.deinitialize(count: count)
        unsafe elements.deallocate()
    }

    public subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe UnsafePointer(elements + index)
        }
        unsafeMutableAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: count))
            return unsafe elements + index
        }
    }
}

extension FixedArray where Element: Copyable {
    public init(_ source: [Element]) {
        self.init(count: source.count) { source[$0] }
    }

    public init(repeating element: Element, count: Int) {
        self.init(count: count) { _ in element }
    }
}

extension FixedArray where Element: BitwiseCopyable {
    public var span: Span<Element> {
        @_lifetime(borrow self)
        get {
            let span = unsafe Span(_unsafeStart: elements, count: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}

extension FixedArray where Element == UInt8 {
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(elements), byteCount: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }
}
