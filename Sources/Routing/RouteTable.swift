public import HTTP
public import Memory

/// The routes of a configuration, compiled into plain tables: a match retains, allocates and
/// copies nothing.
///
/// The most specific route wins: exact host, then the longest wildcard, then any; exact path,
/// then the longest prefix, then any; then one for some listeners only, then more conditions. A
/// route that fits in host and path but not in the rest leaves the request to the next one in
/// that order. Among routes that have a priority, the greater one goes before all that; those
/// without keep their place.
///
/// A few routes are asked one after the other. More of them are found by hash: each pattern
/// knows the next less specific one that covers it, so a request looks up the most specific
/// host that fits, in it the most specific path, and walks on from there.
///
/// ## Invariants
/// - `entries` stands in order of precedence, and the routes of one host and path are
///   neighbours in it.
/// - What a pattern matches, its `next` matches too; the last `next` is negative.
public struct RouteTable: ~Copyable {
    enum Host: BitwiseCopyable, Sendable {
        case any
        case exact(ByteRange)
        case suffix(ByteRange)
    }
    enum Path: BitwiseCopyable, Sendable {
        case any
        case exact(ByteRange)
        case prefix(ByteRange)
    }

    /// Public because the compiler needs it where the table is part of a generic type; nobody
    /// else has a use for it.
    public struct Entry: BitwiseCopyable, Sendable {
        var host: Host
        var path: Path
        var methods: ByteRange
        var conditions: ByteRange
        /// The listeners that it is for, unless it is for all.
        var listeners: ByteRange
        var isForAll: Bool
        var priority: Int32
    }

    /// The priority of a route that no other one overtakes.
    static var fixedPriority: Int32 { .max }

    /// Likewise.
    public struct Condition: BitwiseCopyable, Sendable {
        var name: ByteRange
        var value: ByteRange
        var asksForValue: Bool
    }

    /// The routes of one host pattern. Public likewise.
    public struct HostGroup: BitwiseCopyable, Sendable {
        /// Empty for any host.
        var text: ByteRange
        /// The next less specific host that covers this one; negative for none.
        var next: Int32
        /// The group of routes without a path; negative for none.
        var anyPath: Int32
        /// In bytes; −1 when no route of this host names a path.
        var longestPath: Int
    }

    /// The routes of one host and path pattern. Public likewise.
    public struct PathGroup: BitwiseCopyable, Sendable {
        var host: Int32
        /// Empty for any path.
        var text: ByteRange
        /// The next less specific path of the same host that covers this one; negative for
        /// none.
        var next: Int32
        /// Of `entries`.
        var routes: ByteRange
    }

    /// One place of a hash table with open addressing. Public likewise.
    public struct Slot: BitwiseCopyable, Sendable {
        var hash: UInt64
        /// Negative where the slot is free.
        var group: Int32
    }

    /// Up to here a scan is as fast as the hashes: measured with hosts of 20 bytes, 63 and 57 ns
    /// for the last of four routes, 30 and 56 ns for one.
    private static var scanLimit: Int { 4 }

    private let entries: FixedArray<Entry>
    /// Ranges of `text`.
    private let methods: FixedArray<ByteRange>
    private let conditions: FixedArray<Condition>
    private let listeners: FixedArray<UInt32>
    private let text: FixedArray<UInt8>
    private let hosts: FixedArray<HostGroup>
    private let paths: FixedArray<PathGroup>
    private let hostSlots: FixedArray<Slot>
    private let pathSlots: FixedArray<Slot>
    /// The group of routes without a host; negative for none.
    private let anyHost: Int32
    /// Of the names and wildcards, in bytes; −1 when no route has a host.
    private let longestHost: Int
    /// The first route that fits may not be the one.
    private let hasPriorities: Bool

    /// - Complexity: O(n) in the bytes of the routes; copies, and compares nothing.
    public init(_ compiled: CompiledRoutes) {
        entries = FixedArray(compiled.entries)
        methods = FixedArray(compiled.methods)
        conditions = FixedArray(compiled.conditions)
        listeners = FixedArray(compiled.listeners)
        text = FixedArray(compiled.text)
        hosts = FixedArray(compiled.hosts)
        paths = FixedArray(compiled.paths)
        hostSlots = FixedArray(compiled.hostSlots)
        pathSlots = FixedArray(compiled.pathSlots)
        anyHost = compiled.anyHost
        longestHost = compiled.longestHost
        hasPriorities = compiled.hasPriorities
    }

    /// The index of the route that takes a request; `nil` when none does.
    ///
    /// - Parameters:
    ///   - block: the request head, which `host`, `method` and the fields refer to.
    ///   - host: without port; may be empty.
    ///   - path: without query, normalised.
    ///   - listener: the number of the one through which it comes.
    /// - Complexity: O(h + k · p) in the bytes of host and path that any route has, where k is
    ///   the number of nested wildcards that cover the host; and O(1) per route of a host and
    ///   path that fit. Independent of the number of other routes.
    public func match(
        block: RawSpan, host: ByteRange, path: RawSpan, method: ByteRange,
        fields: borrowing FieldSection, listener: Int
    ) -> Int? {
        if entries.count <= Self.scanLimit {
            return scan(
                block: block, host: host, path: path, method: method, fields: fields, listener)
        }
        var found: Int?
        var hostIndex = mostSpecificHost(block, host)
        while hostIndex >= 0 {
            let group = hosts[Int(hostIndex)]
            var pathIndex = mostSpecificPath(of: hostIndex, group, path)
            while pathIndex >= 0 {
                let place = paths[Int(pathIndex)]
                for index in place.routes.lower..<place.routes.upper
                where serves(entries[index], listener)
                    && allows(entries[index].methods, block, method)
                    && holds(entries[index].conditions, block, fields)
                {
                    guard hasPriorities else { return index }
                    if isSettled(by: index, &found) { return found }
                }
                pathIndex = place.next
            }
            hostIndex = group.next
        }
        return found
    }

    /// Whether a route for `host`, or for any host that covers it, names a path.
    ///
    /// - Complexity: O(h) in the bytes of the host.
    public func namesPaths(block: RawSpan, host: ByteRange) -> Bool {
        var index = mostSpecificHost(block, host)
        while index >= 0 {
            let group = hosts[Int(index)]
            if group.longestPath >= 0 { return true }
            index = group.next
        }
        return false
    }

    /// Weighs a route that fits against the one that was found before it, which is more specific.
    ///
    /// - Returns: whether none that follows can be asked before it.
    private func isSettled(by index: Int, _ found: inout Int?) -> Bool {
        let priority = entries[index].priority
        guard let other = found else {
            found = index
            return priority == Self.fixedPriority
        }
        if priority == Self.fixedPriority { return true }
        if priority > entries[other].priority { found = index }
        return false
    }

    // MARK: - By hash

    /// The group of the host itself or else of the longest wildcard that covers it.
    private func mostSpecificHost(_ block: RawSpan, _ host: ByteRange) -> Int32 {
        var found = anyHost
        let end = host.upper
        // What is longer than every name can only fit a wildcard that is shorter.
        let start = max(host.lower, end &- longestHost)
        var hash = RouteHash(seed: 0)
        var cursor = end
        while cursor > start {
            cursor &-= 1
            var byte = block.byte(cursor)
            if byte &- 0x41 < 26 { byte |= 0x20 }
            hash.add(byte)
            // At least one label stands for the star.
            guard byte == UInt8(ascii: "."), cursor > host.lower else { continue }
            let group = lookUpHost(hash.value, block, ByteRange(cursor, end))
            if group >= 0 { found = group }
        }
        guard cursor == host.lower, cursor < end else { return found }
        let group = lookUpHost(hash.value ^ RouteHash.exact, block, host)
        return group >= 0 ? group : found
    }

    private func lookUpHost(_ hash: UInt64, _ block: RawSpan, _ name: ByteRange) -> Int32 {
        let mask = hostSlots.count &- 1
        var index = RouteHash.slot(hash) & mask
        while hostSlots[index].group >= 0 {
            let slot = hostSlots[index]
            if slot.hash == hash, hosts[Int(slot.group)].text.count == name.count,
                isText(hosts[Int(slot.group)].text, block, name.lower, foldsCase: true)
            {
                return slot.group
            }
            index = (index &+ 1) & mask
        }
        return -1
    }

    /// The group of the path itself or else of the longest prefix that covers it.
    private func mostSpecificPath(
        of host: Int32, _ group: HostGroup, _ path: RawSpan
    ) -> Int32 {
        var found = group.anyPath
        guard group.longestPath >= 0 else { return found }
        let end = min(path.byteCount, group.longestPath)
        var hash = RouteHash(seed: UInt64(host) &+ 1)
        var cursor = 0
        while true {
            let isWhole = cursor == path.byteCount
            if isWhole || path.byte(cursor) == UInt8(ascii: "/") {
                let prefix = lookUpPath(hash.value, host, path, cursor)
                if prefix >= 0 { found = prefix }
                if isWhole {
                    let exact = lookUpPath(hash.value ^ RouteHash.exact, host, path, cursor)
                    return exact >= 0 ? exact : found
                }
            }
            if cursor == end { return found }
            hash.add(path.byte(cursor))
            cursor &+= 1
        }
    }

    private func lookUpPath(
        _ hash: UInt64, _ host: Int32, _ path: RawSpan, _ byteCount: Int
    ) -> Int32 {
        let mask = pathSlots.count &- 1
        var index = RouteHash.slot(hash) & mask
        while pathSlots[index].group >= 0 {
            let slot = pathSlots[index]
            if slot.hash == hash {
                let group = paths[Int(slot.group)]
                if group.host == host, Int(group.text.count) == byteCount,
                    isText(group.text, path, 0, foldsCase: false)
                {
                    return slot.group
                }
            }
            index = (index &+ 1) & mask
        }
        return -1
    }

    // MARK: - One after the other

    private func scan(
        block: RawSpan, host: ByteRange, path: RawSpan, method: ByteRange,
        fields: borrowing FieldSection, _ listener: Int
    ) -> Int? {
        var found: Int?
        for index in 0..<entries.count {
            let entry = entries[index]
            if serves(entry, listener), matches(entry.host, block, host),
                matches(entry.path, path), allows(entry.methods, block, method),
                holds(entry.conditions, block, fields)
            {
                guard hasPriorities else { return index }
                if isSettled(by: index, &found) { return found }
            }
        }
        return found
    }

    private func serves(_ entry: Entry, _ listener: Int) -> Bool {
        entry.isForAll || names(entry.listeners, listener)
    }

    private func names(_ range: ByteRange, _ listener: Int) -> Bool {
        for index in range.lower..<range.upper where listeners[index] == UInt32(listener) {
            return true
        }
        return false
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
