public import Configuration
public import HTTP
public import Memory

/// The routes of a configuration, compiled into plain tables: a match retains, allocates and
/// copies nothing.
///
/// The routes come sorted by precedence (exact host, longer wildcard, any; exact path, longest
/// prefix, any; more conditions first), so the first that matches is the most specific one.
public struct RouteTable: ~Copyable {
    fileprivate enum Host: BitwiseCopyable {
        case any
        case exact(ByteRange)
        case suffix(ByteRange)
    }
    fileprivate enum Path: BitwiseCopyable {
        case any
        case exact(ByteRange)
        case prefix(ByteRange)
    }

    /// Public because the compiler needs it where the table is part of a generic type; nobody
    /// else has a use for it.
    public struct Entry: BitwiseCopyable {
        fileprivate var host: Host
        fileprivate var path: Path
        fileprivate var methods: ByteRange
        fileprivate var conditions: ByteRange
    }

    /// Likewise.
    public struct Condition: BitwiseCopyable {
        fileprivate var name: ByteRange
        fileprivate var value: ByteRange
        fileprivate var asksForValue: Bool
    }

    private let entries: FixedArray<Entry>
    /// Ranges of `text`.
    private let methods: FixedArray<ByteRange>
    private let conditions: FixedArray<Condition>
    private let text: FixedArray<UInt8>

    /// - Parameter routes: sorted by precedence, as the loader leaves them.
    public init(_ routes: [RouteConfiguration]) {
        var text: [UInt8] = []
        func add(_ string: String) -> ByteRange {
            let start = text.count
            text += Array(string.utf8)
            return ByteRange(start, text.count)
        }
        var methods: [ByteRange] = []
        var conditions: [Condition] = []
        var entries: [Entry] = []
        for route in routes {
            let firstMethod = methods.count
            for method in route.methods { methods.append(add(method)) }
            let firstCondition = conditions.count
            for header in route.headers {
                conditions.append(
                    Condition(
                        name: add(header.name), value: add(header.value ?? ""),
                        asksForValue: header.value != nil))
            }
            let host: Host =
                switch route.host {
                case .any: .any
                case .exact(let name): .exact(add(name))
                case .suffix(let name): .suffix(add(name))
                }
            let path: Path =
                switch route.path {
                case .any: .any
                case .exact(let path): .exact(add(path))
                case .prefix(let path): .prefix(add(path))
                }
            entries.append(
                Entry(
                    host: host, path: path, methods: ByteRange(firstMethod, methods.count),
                    conditions: ByteRange(firstCondition, conditions.count)))
        }
        self.entries = FixedArray(entries)
        self.methods = FixedArray(methods)
        self.conditions = FixedArray(conditions)
        self.text = FixedArray(text)
    }

    /// The index of the route that takes a request; `nil` when none does.
    ///
    /// - Parameters:
    ///   - block: the request head, which `host`, `method` and the fields refer to.
    ///   - host: without port; may be empty.
    ///   - path: without query, normalised.
    /// - Complexity: O(routes).
    public func match(
        block: RawSpan, host: ByteRange, path: RawSpan, method: ByteRange,
        fields: borrowing FieldSection
    ) -> Int? {
        for index in 0..<entries.count {
            let entry = entries[index]
            if matches(entry.host, block, host), matches(entry.path, path),
                allows(entry.methods, block, method),
                holds(entry.conditions, block, fields)
            {
                return index
            }
        }
        return nil
    }

    private func matches(_ rule: Host, _ block: RawSpan, _ host: ByteRange) -> Bool {
        switch rule {
        case .any: return true
        case .exact(let name):
            return host.count == name.count && isText(name, block, host.lower, foldsCase: true)
        case .suffix(let name):
            // At least one label stands for the star.
            return host.count > name.count
                && isText(name, block, host.upper - Int(name.count), foldsCase: true)
        }
    }

    private func matches(_ rule: Path, _ path: RawSpan) -> Bool {
        switch rule {
        case .any: return true
        case .exact(let text):
            return path.byteCount == Int(text.count) && isText(text, path, 0, foldsCase: false)
        case .prefix(let text):
            let count = Int(text.count)
            guard path.byteCount >= count, isText(text, path, 0, foldsCase: false) else {
                return false
            }
            return path.byteCount == count || path.byte(count) == UInt8(ascii: "/")
        }
    }

    private func allows(_ range: ByteRange, _ block: RawSpan, _ method: ByteRange) -> Bool {
        guard !range.isEmpty else { return true }
        for index in range.lower..<range.upper
        where methods[index].count == method.count
            && isText(methods[index], block, method.lower, foldsCase: false)
        {
            return true
        }
        return false
    }

    private func holds(
        _ range: ByteRange, _ block: RawSpan, _ fields: borrowing FieldSection
    ) -> Bool {
        for index in range.lower..<range.upper where !holds(conditions[index], block, fields) {
            return false
        }
        return true
    }

    private func holds(
        _ condition: Condition, _ block: RawSpan, _ fields: borrowing FieldSection
    ) -> Bool {
        for index in 0..<fields.count {
            let line = fields[index]
            guard line.nameRange.count == condition.name.count,
                isText(condition.name, block, line.nameRange.lower, foldsCase: true)
            else { continue }
            if !condition.asksForValue { return true }
            if line.valueRange.count == condition.value.count,
                isText(condition.value, block, line.valueRange.lower, foldsCase: false)
            {
                return true
            }
        }
        return false
    }

    /// Whether the bytes from `start` are those at `range` of the table's text, which is in
    /// lower case where case is folded.
    private func isText(
        _ range: ByteRange, _ bytes: RawSpan, _ start: Int, foldsCase: Bool
    ) -> Bool {
        for offset in 0..<Int(range.count) {
            var byte = bytes.byte(start + offset)
            if foldsCase, byte &- 0x41 < 26 { byte |= 0x20 }
            if byte != text[range.lower + offset] { return false }
        }
        return true
    }
}
