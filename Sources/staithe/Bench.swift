import ArgumentParser

/// `staithe bench`: which strategy for my traffic?
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare strategies, by the code that serves traffic.",
        subcommands: [
            BenchStrategies.self,
            BenchScenarios.self,
            BenchReplay.self,
            BenchPick.self,
            BenchSequence.self,
            BenchTheory.self,
        ])
}
