public import Configuration
public import Simulation

/// Laws and processes as people write them.
extension ServiceLaw {
    private static let words =
        "'exponential', 'constant', 'lognormal 4', 'bimodal 1% x50' or 'pareto 2.5'"

    /// From `exp`, `det`, `lognormal4`, `bimodal 1% x50`, `pareto 1.5`, with or without a space
    /// before the number.
    public static func parse(_ text: String) -> Parsed<ServiceLaw> {
        let parts = split(text)
        switch (parts.word, parts.rest.count) {
        case ("exponential", 0), ("exp", 0): return .success(.exponential)
        case ("constant", 0), ("det", 0): return .success(.constant)
        case ("lognormal", 1):
            return Value.number(parts.rest[0], in: 0...1000).map { .lognormal(scv: $0) }
        case ("pareto", 1):
            return Value.number(parts.rest[0], in: 1.05...100).map { .pareto(shape: $0) }
        case ("bimodal", 0):
            return .success(.bimodal(share: 0.01, ratio: 50))
        case ("bimodal", 2):
            let ratio = parts.rest[1].hasPrefix("x") ? String(parts.rest[1].dropFirst()) : ""
            return Value.percent(parts.rest[0]).flatMap { share in
                Value.number(ratio, in: 1...1_000_000).map { .bimodal(share: share, ratio: $0) }
            }
        case ("lognormal", _), ("pareto", _), ("bimodal", _):
            return .failure(
                ValueMistake(.wrongType, "is not a law of service", help: "write \(words)"))
        default:
            let known = ["exponential", "constant", "lognormal", "bimodal", "pareto"]
            let near = Spelling.nearest(to: parts.word, among: known)
            return .failure(
                ValueMistake(
                    .badWord, "is not a law of service",
                    help: near.map { "did you mean '\($0)'?" } ?? "write \(words)"))
        }
    }

    /// A word, and what follows it by spaces; digits that touch the word follow it, too.
    private static func split(_ text: String) -> (word: String, rest: [String]) {
        let word = text.prefix { $0.isLetter }
        let rest = text.dropFirst(word.count).split(separator: " ").map(String.init)
        return (String(word), rest)
    }

    public var words: String {
        switch self {
        case .constant: "constant"
        case .exponential: "exponential"
        case .lognormal(let scv): "lognormal \(short(scv))"
        case .bimodal(let share, let ratio): "bimodal \(short(share * 100))% x\(short(ratio))"
        case .pareto(let shape): "pareto \(short(shape))"
        case .histogram(let buckets): "measured in \(buckets.count) buckets"
        }
    }
}

extension ArrivalProcess {
    public var words: String {
        switch self {
        case .poisson: "Poisson"
        case .constant: "equal gaps"
        case .bursty(let peak, let length, let share):
            "bursts of \(short(peak)) times the mean rate for \(short(length)), "
                + "\(short(share * 100)) % of the time"
        case .ramp(let from, let to): "ramp from \(short(from)) to \(short(to)) times the rate"
        case .closed(let clients): "\(clients) clients that wait for their answers"
        case .gaps(let gaps): "\(gaps.count) measured gaps"
        }
    }
}

/// Without a fraction that is zero, and with four digits after the point at most.
public func short(_ number: Double) -> String {
    guard number.isFinite else { return number > 0 ? "∞" : "−∞" }
    let scaled = (abs(number) * 10_000).rounded()
    guard scaled < 1e15 else { return String(number) }
    let whole = Int(scaled) / 10_000
    var fraction = String(Int(scaled) % 10_000)
    fraction = String(repeating: "0", count: 4 - fraction.utf8.count) + fraction
    while fraction.hasSuffix("0") { fraction.removeLast() }
    let sign = number < 0 && scaled > 0 ? "−" : ""
    return fraction.isEmpty ? "\(sign)\(whole)" : "\(sign)\(whole).\(fraction)"
}
