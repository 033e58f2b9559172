import ArgumentParser
import Balancing
import Linux

/// `staithe explain`
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what something means.",
        subcommands: [
            ExplainBalance.self
        ])
}

/// `staithe explain balance`
struct ExplainBalance: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "balance",
        abstract: "What each strategy does, costs, is good at, and what breaks it.")

    @Argument(help: "Only this strategy.")
    var strategy: StrategyName?

    func run() {
        let texts = (strategy.map { [$0.strategy] } ?? Strategy.allCases).map(Self.text)
        StandardStream.output.print(texts.joined(separator: "\n\n"))
    }

    static func text(_ strategy: Strategy) -> String {
        let explanation = strategy.explanation
        let parts = [
            ("", explanation.choice), ("from", explanation.source),
            ("pick", explanation.pickCost), ("change", explanation.changeCost),
            ("good at", explanation.goodAt), ("breaks on", explanation.brokenBy),
        ]
        var lines = [strategy.rawValue + (strategy == .leastRequests ? " (default)" : "")]
        for (name, text) in parts {
            let label = name + String(repeating: " ", count: 11 - name.count)
            for (number, line) in wrapped(text, columns: 85).enumerated() {
                let margin = number == 0 ? label : String(repeating: " ", count: 11)
                lines.append("  " + (name.isEmpty ? "" : margin) + line)
            }
        }
        return lines.joined(separator: "\n")
    }

    /// Lines of at most so many characters, broken between words.
    private static func wrapped(_ text: String, columns: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= columns {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}
