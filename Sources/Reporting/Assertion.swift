import Scenarios
public import Simulation
import Statistics

/// What must be true of a report: `p99(least-requests) <= 1.05*p99(p2c)`.
///
/// A comparison of two sums of products: numbers, and measures of a strategy, with a variant
/// behind a comma where not every variant is meant: `p99(p2c, load 0.9)`. A percentage is a
/// hundredth: `errors(random) < 10.5%`.
public struct Assertion: Sendable {
    /// What is wrong with a text, and where.
    public struct Mistake: Error, Equatable, Sendable {
        public var sentence: String
        /// The first character that could not be understood; from 0.
        public var offset: Int
    }

    /// What became of it.
    public struct Result: Sendable, Equatable {
        public var holds: Bool
        public var variant: String
        public var left: Double
        public var right: Double
    }

    indirect enum Term: Sendable, Equatable {
        case number(Double)
        case measure(Measure, Contender, variant: String?)
        case sum(Term, Term, sign: Double)
        case product(Term, Term, divides: Bool)
    }

    public let text: String
    let left: Term
    let right: Term
    let relation: String

    public init(_ text: String) throws(Mistake) {
        self.text = text
        var parser = AssertionParser(text)
        left = try parser.sum()
        relation = try parser.relation()
        right = try parser.sum()
        try parser.end()
    }

    /// The measures that it is about.
    var measures: [(Measure, Contender, variant: String?)] {
        func list(_ term: Term) -> [(Measure, Contender, variant: String?)] {
            switch term {
            case .number: []
            case .measure(let measure, let contender, let variant):
                [(measure, contender, variant)]
            case .sum(let a, let b, _), .product(let a, let b, _): list(a) + list(b)
            }
        }
        return list(left) + list(right)
    }

    /// Strategies that it names.
    public var contenders: [Contender] { measures.map(\.1) }

    /// Looks at every variant that has what it names.
    ///
    /// - Returns: nothing when no variant has it, which is a failure too.
    public func results(in report: Report) -> [Result] {
        var results: [Result] = []
        for comparison in report.comparisons {
            for variant in comparison.variants {
                let named = measures.compactMap(\.variant)
                let name = variant.scenario.variant
                guard named.allSatisfy({ $0 == name || $0 == comparison.file.name }) else {
                    continue
                }
                guard let a = value(of: left, in: variant), let b = value(of: right, in: variant)
                else { continue }
                let holds =
                    switch relation {
                    case "<=": a <= b
                    case ">=": a >= b
                    case "<": a < b
                    case ">": a > b
                    default: a == b
                    }
                let title = name.isEmpty ? comparison.file.name : "\(comparison.file.name), \(name)"
                results.append(Result(holds: holds, variant: title, left: a, right: b))
            }
        }
        return results
    }

    private func value(of term: Term, in variant: Comparison.Variant) -> Double? {
        switch term {
        case .number(let number):
            return number
        case .measure(let measure, let contender, _):
            guard let cell = variant.cell(contender), !cell.runs.isEmpty else { return nil }
            return cell.estimate(measure).value
        case .sum(let a, let b, let sign):
            guard let a = value(of: a, in: variant), let b = value(of: b, in: variant) else {
                return nil
            }
            return a + sign * b
        case .product(let a, let b, let divides):
            guard let a = value(of: a, in: variant), let b = value(of: b, in: variant) else {
                return nil
            }
            return divides ? a / b : a * b
        }
    }
}

/// Reads an assertion from left to right.
private struct AssertionParser {
    private let characters: [Character]
    private var position = 0

    init(_ text: String) { characters = Array(text) }

    private mutating func skipSpaces() {
        while position < characters.count, characters[position] == " " { position += 1 }
    }

    private mutating func take(_ character: Character) -> Bool {
        skipSpaces()
        guard position < characters.count, characters[position] == character else { return false }
        position += 1
        return true
    }

    private func mistake(_ sentence: String) -> Assertion.Mistake {
        Assertion.Mistake(sentence: sentence, offset: position)
    }

    mutating func end() throws(Assertion.Mistake) {
        skipSpaces()
        guard position == characters.count else {
            throw mistake("nothing is expected behind the comparison")
        }
    }

    mutating func relation() throws(Assertion.Mistake) -> String {
        skipSpaces()
        for relation in ["<=", ">=", "==", "<", ">"] {
            let end = position + relation.count
            if end <= characters.count, String(characters[position..<end]) == relation {
                position = end
                return relation
            }
        }
        throw mistake("expected <=, >=, <, > or ==")
    }

    mutating func sum() throws(Assertion.Mistake) -> Assertion.Term {
        var term = try product()
        while true {
            if take("+") {
                term = .sum(term, try product(), sign: 1)
            } else if take("-") {
                term = .sum(term, try product(), sign: -1)
            } else {
                return term
            }
        }
    }

    private mutating func product() throws(Assertion.Mistake) -> Assertion.Term {
        var term = try factor()
        while true {
            if take("*") {
                term = .product(term, try factor(), divides: false)
            } else if take("/") {
                term = .product(term, try factor(), divides: true)
            } else {
                return term
            }
        }
    }

    private mutating func factor() throws(Assertion.Mistake) -> Assertion.Term {
        skipSpaces()
        guard position < characters.count else {
            throw mistake("a number or p99(strategy) is missing")
        }
        if characters[position].isNumber { return try number() }
        return try measure()
    }

    private mutating func number() throws(Assertion.Mistake) -> Assertion.Term {
        let start = position
        while position < characters.count,
            characters[position].isNumber || characters[position] == "."
        {
            position += 1
        }
        guard let number = Double(String(characters[start..<position])) else {
            position = start
            throw mistake("this is not a number")
        }
        return .number(take("%") ? number / 100 : number)
    }

    private mutating func measure() throws(Assertion.Mistake) -> Assertion.Term {
        let start = position
        while position < characters.count,
            characters[position].isLetter
                || characters[position].isNumber || characters[position] == "."
        {
            position += 1
        }
        guard let measure = Measure(rawValue: String(characters[start..<position])) else {
            position = start
            let known = Measure.allCases.map(\.rawValue).joined(separator: ", ")
            throw mistake("expected a number or one of \(known)")
        }
        guard take("(") else { throw mistake("expected '(' and a strategy") }
        let inside = position
        while position < characters.count, characters[position] != ")" { position += 1 }
        let parts = String(characters[inside..<position]).split(
            separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        guard take(")") else { throw mistake("expected ')'") }
        guard let contender = Contender(name: trimmed(parts[0])) else {
            position = inside
            throw mistake("'\(trimmed(parts[0]))' is not a strategy")
        }
        return .measure(measure, contender, variant: parts.count > 1 ? trimmed(parts[1]) : nil)
    }

    private func trimmed(_ text: Substring) -> String {
        var text = text.drop { $0 == " " }
        while text.hasSuffix(" ") { text.removeLast() }
        return String(text)
    }
}
