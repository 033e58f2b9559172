import Memory

extension Buffer {
    /// A block that holds a copy of `bytes`, and room for as many more as asked for.
    init(holding bytes: [UInt8], room: Int = 0) {
        self.init(capacity: max(1, bytes.count + room))
        for byte in bytes { append(byte) }
    }

    /// A copy of what it holds.
    var array: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        for position in start..<end { bytes.append(self[position]) }
        return bytes
    }
}
