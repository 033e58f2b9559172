import HTTP
import HTTP1
import Memory

/// What the generator and the servers tell each other through the proxy.
enum BenchFields {
    /// Of a request: its number in the plan.
    static let request = "bench-request"
    /// Of an answer: who gave it, from 1.
    static let server = "bench-server"
    /// What checks ask for.
    static let checkPath = "/bench-check"

    /// The number in a field; `nil` when there is none.
    ///
    /// - Parameter name: in lower case.
    static func number(
        _ name: String, in fields: borrowing FieldSection, of bytes: RawSpan
    ) -> Int? {
        for index in 0..<fields.count {
            let line = fields[index]
            guard line.name == .other, line.nameRange.count == name.utf8.count,
                bytes.text(line.nameRange).lowercased() == name
            else { continue }
            return Int(bytes.text(line.valueRange))
        }
        return nil
    }
}
