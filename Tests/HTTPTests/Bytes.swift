import HTTP
import Memory

extension FixedArray where Element == UInt8 {
    /// The bytes of `text`.
    init(text: String) {
        self.init(Array(text.utf8))
    }
}

/// All of `text`, as a range.
func all(_ text: String) -> ByteRange { ByteRange(0, text.utf8.count) }

extension StaticString {
    var text: String { "\(self)" }
}

extension Buffer {
    /// What the buffer holds, as text.
    var text: String { bytes.text(ByteRange(0, count)) }
}
