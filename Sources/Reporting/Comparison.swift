public import Scenarios
public import Simulation
public import Statistics

/// Strategies in the variants of one scenario.
public struct Comparison: Sendable {
    public let file: ScenarioFile
    public var variants: [Variant]

    /// One variant: the same requests for every strategy.
    public struct Variant: Sendable {
        public let scenario: Scenario
        public var cells: [Cell]

        public func cell(_ contender: Contender) -> Cell? {
            cells.first { $0.contender == contender }
        }

        /// How much more one strategy has of something than another, as a share of the other's,
        /// from runs in pairs.
        public func relativeDifference(
            _ measure: Measure, of a: Contender, from b: Contender
        ) -> Estimate? {
            guard let first = cell(a), let second = cell(b) else { return nil }
            let count = min(first.runs.count, second.runs.count)
            guard count > 0 else { return nil }
            return Estimate.relativeDifference(
                of: Array(first.values(measure).prefix(count)),
                from: Array(second.values(measure).prefix(count)))
        }

        /// The same, not as a share.
        public func difference(
            _ measure: Measure, of a: Contender, from b: Contender
        ) -> Estimate? {
            guard let first = cell(a), let second = cell(b) else { return nil }
            let count = min(first.runs.count, second.runs.count)
            guard count > 0 else { return nil }
            return Estimate.difference(
                of: Array(first.values(measure).prefix(count)),
                from: Array(second.values(measure).prefix(count)))
        }
    }

    /// Whether anything was played: not when it ended early.
    public var hasRuns: Bool {
        variants.contains { variant in variant.cells.contains { !$0.runs.isEmpty } }
    }

    public init(file: ScenarioFile, contenders: [Contender]) {
        self.file = file
        variants = file.variants.map { scenario in
            Variant(scenario: scenario, cells: contenders.map { Cell($0) })
        }
    }
}

/// What a program measured, and on what.
public struct Report: Sendable {
    public var comparisons: [Comparison]
    /// What verdicts are about.
    public var standard: Contender
    public var seed: UInt64
    public var repetitions: Int
    public var version: String
    /// `2 × some processor`; empty when it is not to be told.
    public var machine: String
    public var pickCosts: [PickCost] = []
    /// Ended before all of it was done.
    public var isPartial = false
    /// `nil` for a simulated one.
    public var live: LiveFacts?
    /// The same as ``comparisons``, simulated: what a live report is held against.
    public var simulated: [Comparison] = []

    /// What a pick costs, as `staithe bench pick` measured it.
    public struct PickCost: Sendable, Equatable {
        public var strategy: String
        public var servers: Int
        public var nanoseconds: Double

        public init(strategy: String, servers: Int, nanoseconds: Double) {
            self.strategy = strategy
            self.servers = servers
            self.nanoseconds = nanoseconds
        }
    }

    public init(
        comparisons: [Comparison], standard: Contender, seed: UInt64, repetitions: Int,
        version: String, machine: String
    ) {
        self.comparisons = comparisons
        self.standard = standard
        self.seed = seed
        self.repetitions = repetitions
        self.version = version
        self.machine = machine
    }
}
