import HTTP
import HTTP1
import Memory
import Testing

/// The bytes of `text`, one per scalar up to U+00FF, so that a vector can hold any byte.
func latin(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}

/// What a parser says about some bytes.
enum Verdict: Sendable, Equatable {
    /// The facts that must be among those of the head, or must not when they begin with `!`.
    case accepted(String)
    case refused(HeadError)
    case incomplete
}

/// One line of a corpus: bytes as they arrive, and what must come of them.
struct Vector: Sendable, CustomTestStringConvertible {
    var title: String
    var rule: String
    var bytes: [UInt8]
    var method = Method.get
    var verdict: Verdict
    var testDescription: String { "\(rule): \(title)" }

    init(_ rule: String, _ title: String, _ text: String, _ verdict: Verdict) {
        self.rule = rule
        self.title = title
        bytes = latin(text)
        self.verdict = verdict
    }

    /// An answer to `method`.
    init(
        _ rule: String, _ title: String, to method: Method, _ text: String, _ verdict: Verdict
    ) {
        self.init(rule, title, text, verdict)
        self.method = method
    }
}

/// What became of a head, as words: `path=/a`, `persists`, `removed:Connection`.
enum Outcome: Equatable {
    case accepted(Set<String>, byteCount: Int)
    case refused(HeadError)
    case incomplete

    func agrees(with verdict: Verdict) -> Bool {
        switch (self, verdict) {
        case (.incomplete, .incomplete): true
        case (.refused(let a), .refused(let b)): a == b
        case (.accepted(let facts, _), .accepted(let expected)):
            expected.split(separator: " ").allSatisfy { word in
                word.hasPrefix("!")
                    ? !facts.contains(String(word.dropFirst())) : facts.contains(String(word))
            }
        default: false
        }
    }
}

func outcome(
    ofRequest bytes: [UInt8], limits: HeadLimits = HeadLimits()
) -> Outcome {
    let input = FixedArray(bytes)
    var fields = FieldSection()
    do throws(HeadError) {
        let parsed = try HeadParser.parseRequest(input.bytes, limits: limits, fields: &fields)
        guard case .complete(let head, let byteCount) = parsed else { return .incomplete }
        func text(_ range: ByteRange) -> String {
            String(decoding: bytes[range.lower..<range.upper], as: UTF8.self)
        }
        var facts: Set<String> = [
            "\(head.method)", "\(head.form)", "1.\(head.minorVersion)",
            "name=\(text(head.methodRange))", "target=\(text(head.target))",
            "path=\(text(head.path))", "pathAndQuery=\(text(head.pathAndQuery))",
            "authority=\(text(head.authority))", "host=\(text(head.hostRange))",
            "port=\(head.port)", framing(head.framing), "fields=\(fields.count)",
            "head=\(head.headByteCount)", "fieldsStart=\(head.fieldsStart)",
        ]
        if head.persists { facts.insert("persists") }
        if head.expectsContinue { facts.insert("expects") }
        if head.isUpgrade { facts.insert("upgrade") }
        if head.teTrailers { facts.insert("trailers") }
        if head.hasViaField { facts.insert("via") }
        if head.isServerWide { facts.insert("serverWide") }
        facts.formUnion(words(bytes, fields))
        if head.hasHopByHopLines != facts.contains(where: { $0.hasPrefix("removed:") }) {
            facts.insert("wrong-hop-by-hop-flag")
        }
        return .accepted(facts, byteCount: byteCount)
    } catch {
        return .refused(error)
    }
}

func outcome(
    ofResponse bytes: [UInt8], to method: Method, limits: HeadLimits = HeadLimits()
) -> Outcome {
    let input = FixedArray(bytes)
    var fields = FieldSection()
    do throws(HeadError) {
        let parsed = try HeadParser.parseResponse(
            input.bytes, limits: limits, requestMethod: method, fields: &fields)
        guard case .complete(let head, let byteCount) = parsed else { return .incomplete }
        let reason = bytes[head.reasonRange.lower..<head.reasonRange.upper]
        var facts: Set<String> = [
            "\(head.status)", "1.\(head.minorVersion)",
            "reason=\(String(decoding: reason, as: UTF8.self))", framing(head.framing),
            "fields=\(fields.count)", "head=\(head.headByteCount)",
        ]
        if head.persists { facts.insert("persists") }
        if head.isUpgrade { facts.insert("upgrade") }
        if head.isInformational { facts.insert("informational") }
        if head.hasDate { facts.insert("date") }
        if head.hasServer { facts.insert("server") }
        facts.formUnion(words(bytes, fields))
        if head.hasHopByHopLines != facts.contains(where: { $0.hasPrefix("removed:") }) {
            facts.insert("wrong-hop-by-hop-flag")
        }
        return .accepted(facts, byteCount: byteCount)
    } catch {
        return .refused(error)
    }
}

private func framing(_ framing: Framing) -> String {
    switch framing {
    case .noContent: "none"
    case .contentLength(let byteCount): "length=\(byteCount)"
    case .chunked: "chunked"
    }
}

private func framing(_ framing: ResponseFraming) -> String {
    switch framing {
    case .noContent: "none"
    case .contentLength(let byteCount): "length=\(byteCount)"
    case .chunked: "chunked"
    case .untilClose: "close"
    }
}

/// `Name=value` and `removed:Name` for each field line.
private func words(_ bytes: [UInt8], _ fields: borrowing FieldSection) -> [String] {
    var words: [String] = []
    for index in 0..<fields.count {
        let line = fields[index]
        let name = String(
            decoding: bytes[line.nameRange.lower..<line.nameRange.upper], as: UTF8.self)
        let value = String(
            decoding: bytes[line.valueRange.lower..<line.valueRange.upper], as: UTF8.self)
        words.append("\(name)=\(value)")
        if line.isHopByHop { words.append("removed:\(name)") }
        if !bytes[line.lineRange.lower..<line.lineRange.upper].elementsEqual(
            bytes[line.lineRange.lower..<line.lineRange.upper - 2] + [0x0D, 0x0A])
        {
            words.append("wrong-line")
        }
    }
    return words
}
