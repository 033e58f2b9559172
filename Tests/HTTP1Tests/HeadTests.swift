import HTTP
import HTTP1
import Memory
import Testing

@Suite("HTTP/1 heads")
struct HeadTests {
    @Test("a request gets the verdict of the corpus", arguments: Vector.requests)
    func requests(_ vector: Vector) {
        let outcome = outcome(ofRequest: vector.bytes)
        #expect(outcome.agrees(with: vector.verdict), "\(outcome)")
    }

    @Test("a response gets the verdict of the corpus", arguments: Vector.responses)
    func responses(_ vector: Vector) {
        let outcome = outcome(ofResponse: vector.bytes, to: vector.method)
        #expect(outcome.agrees(with: vector.verdict), "\(outcome)")
    }

    /// A parser that reads from a socket meets every prefix of its input sooner or later, and
    /// must never change its mind.
    private func checkPrefixes(of bytes: [UInt8], _ parse: ([UInt8]) -> Outcome) {
        let whole = parse(bytes)
        var isDecided = false
        for count in 0..<bytes.count {
            let part = parse(Array(bytes[..<count]))
            switch (whole, part) {
            case (_, .incomplete): #expect(!isDecided, "undecided again after \(count) bytes")
            case (.accepted(_, let byteCount), .accepted):
                #expect(count >= byteCount && part == whole, "after \(count) bytes")
                isDecided = true
            default:
                #expect(part == whole, "after \(count) bytes")
                isDecided = true
            }
        }
        if case .accepted(_, let byteCount) = whole {
            #expect(parse(Array(bytes[..<(byteCount - 1)])) == .incomplete)
        }
    }

    @Test("a verdict on a request never changes", arguments: Vector.requests)
    func requestPrefixes(_ vector: Vector) {
        checkPrefixes(of: vector.bytes) { outcome(ofRequest: $0) }
    }

    @Test("a verdict on a response never changes", arguments: Vector.responses)
    func responsePrefixes(_ vector: Vector) {
        checkPrefixes(of: vector.bytes) { outcome(ofResponse: $0, to: vector.method) }
    }

    @Test("the search for the empty line agrees with the parser", arguments: Vector.requests)
    func completeness(_ vector: Vector) {
        guard case .accepted(_, let byteCount) = outcome(ofRequest: vector.bytes) else { return }
        let input = FixedArray(vector.bytes)
        for step in [1, 2, 3, 7, 1000] {
            var scanned = 0
            var count = 0
            while count < vector.bytes.count {
                count = min(count + step, vector.bytes.count)
                let isComplete = HeadParser.hasCompleteHead(
                    input.bytes.extracting(first: count), scanned: &scanned)
                #expect(isComplete == (count >= byteCount), "after \(count) bytes")
                if isComplete { break }
            }
        }
    }

    @Test("the search stops at bare line feeds, for the parser to refuse them")
    func bareLineFeeds() {
        for text in ["GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\n\r\n"] {
            let input = FixedArray(latin(text))
            var scanned = 0
            let isComplete = HeadParser.hasCompleteHead(input.bytes, scanned: &scanned)
            #expect(isComplete)
        }
    }

    @Test("each refusal has its own rule, and a status that a client can be sent")
    func rules() {
        let rules = HeadError.allCases.map { "\($0.rule)" }
        #expect(Set(rules).count == rules.count)
        for error in HeadError.allCases {
            #expect(error.status >= 400 && error.status < 600)
            let isKebab = "\(error.rule)".allSatisfy {
                $0.isLowercase || $0.isNumber || $0 == "-"
            }
            #expect(isKebab)
        }
    }

    @Test("every refusal that a head can get is in a corpus or in the limits")
    func coverage() {
        var seen: Set<HeadError> = [.requestLineTooLong, .headerTooLarge, .tooManyFields]
        for vector in Vector.requests + Vector.responses {
            if case .refused(let error) = vector.verdict { seen.insert(error) }
        }
        #expect(seen == Set(HeadError.allCases))
    }
}

@Suite("Limits of heads")
struct HeadLimitTests {
    private let limits = HeadLimits(requestLineBytes: 32, headerBytes: 40, headerCount: 3)

    private func request(target: Int = 1, fields: String = "Host: a\r\n") -> [UInt8] {
        latin(
            "GET /" + String(repeating: "x", count: target - 1) + " HTTP/1.1\r\n" + fields + "\r\n")
    }

    private func verdict(_ bytes: [UInt8]) -> Outcome {
        let whole = outcome(ofRequest: bytes, limits: limits)
        for count in 0..<bytes.count {
            let part = outcome(ofRequest: Array(bytes[..<count]), limits: limits)
            if case .refused = whole {
                #expect(part == .incomplete || part == whole, "after \(count) bytes")
            } else {
                #expect(part == .incomplete, "after \(count) bytes")
            }
        }
        return whole
    }

    @Test("a request line may be as long as the limit, and no longer")
    func requestLine() {
        // GET, two spaces, HTTP/1.1 and CRLF are 15 bytes.
        #expect(verdict(request(target: 17)).agrees(with: .accepted("get")))
        #expect(verdict(request(target: 18)) == .refused(.requestLineTooLong))
        #expect(verdict(request(target: 500)) == .refused(.requestLineTooLong))
        let method = latin(String(repeating: "M", count: 100))
        #expect(outcome(ofRequest: method, limits: limits) == .refused(.requestLineTooLong))
    }

    @Test("fields may be as long as the limit, and no longer")
    func header() {
        let exact = "Host: a\r\nA: " + String(repeating: "x", count: 24) + "\r\n"
        #expect(verdict(request(fields: exact)).agrees(with: .accepted("fields=2")))
        #expect(verdict(request(fields: "x" + exact)) == .refused(.headerTooLarge))
        let name = String(repeating: "x", count: 60)
        #expect(verdict(request(fields: name)) == .refused(.headerTooLarge))
    }

    @Test("fields may be as many as the limit, and no more")
    func count() {
        let three = "Host: a\r\nA:b\r\nA:b\r\n"
        #expect(verdict(request(fields: three)).agrees(with: .accepted("fields=3")))
        #expect(verdict(request(fields: three + "A:b\r\n")) == .refused(.tooManyFields))
    }

    @Test("no limit goes beyond the field section")
    func capacity() {
        let wide = HeadLimits(requestLineBytes: 1 << 20, headerBytes: 1 << 20, headerCount: 1000)
        let lines = String(repeating: "A:b\r\n", count: FieldSection.usualCapacity - 1)
        let fits = request(fields: "Host: a\r\n" + lines)
        #expect(outcome(ofRequest: fits, limits: wide).agrees(with: .accepted("fields=256")))
        let tooMany = request(fields: "Host: a\r\nA:b\r\n" + lines)
        #expect(outcome(ofRequest: tooMany, limits: wide) == .refused(.tooManyFields))
    }

    @Test("a response has the same limits")
    func response() {
        let line = "HTTP/1.1 200 " + String(repeating: "x", count: 40)
        #expect(
            outcome(ofResponse: latin(line), to: .get, limits: limits) == .refused(.headerTooLarge))
        let fields = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "x", count: 60)
        #expect(
            outcome(ofResponse: latin(fields), to: .get, limits: limits)
                == .refused(.headerTooLarge))
    }
}
