/// A heap array with one owner: no reference count, and no growth but by ``grow(to:_:)``.
///
/// `Array` pays a uniqueness check before a write and may pay a retain for a read; hot tables
/// pay neither here.
@safe public struct FixedArray<Element: ~Copyable>: ~Copyable {
    private var elements: UnsafeMutablePointer<Element>
    public private(set) var count: Int

    public init(count: Int, _ make: (Int) -> Element) {
        precondition(count >= 0)
        self.count = count
        unsafe elements = .allocate(capacity: max(1, count))
        for index in 0..<count { unsafe (elements + index).initialize(to: make(index)) }
    }

    /// Makes room for at least `least` elements, and for more when it grows at all, so that
    /// growing by one each time costs no more than growing at once. Moves what is there.
    public mutating func grow(to least: Int, _ make: (Int) -> Element) {
        guard least > count else { return }
        let wider = max(least, count + count / 2, 16)
        let target = UnsafeMutablePointer<Element>.allocate(capacity: wider)
        unsafe target.moveInitialize(from: elements, count: count)
        for index in count..<wider { unsafe (target + index).initialize(to: make(index)) }
        unsafe elements.deallocate()
        unsafe elements = target
        count = wider
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
