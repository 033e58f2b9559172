import HTTP
import HTTP1
import Memory

/// What the generator and the servers tell each other through the proxy.
enum BenchFields {
    /// Of a request: its number in the plan.
    static var request: StaticString { "bench-request" }
    /// Of an answer: who gave it, from 1.
    static var server: StaticString { "bench-server" }

    static let requestName = "Bench-Request"
    static let serverName = "Bench-Server"
    /// What checks ask for.
    static let checkPath = "/bench-check"

    /// The number in a field; `nil` when there is none.
    ///
    /// - Parameter name: in lower case.
    static func number(
        _ name: StaticString, in fields: borrowing FieldSection, of bytes: RawSpan
    ) -> Int? {
        for index in 0..<fields.count {
            let line = fields[index]
            guard line.name == .other, matches(name, bytes, line.nameRange) else { continue }
            return Int(bytes.text(line.valueRange))
        }
        return nil
    }

    private static func matches(
        _ name: StaticString, _ bytes: RawSpan, _ range: ByteRange
    ) -> Bool {
        guard range.count == name.utf8CodeUnitCount else { return false }
        return bytes.text(range).lowercased() == name.description
    }
}
