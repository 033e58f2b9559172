import Numerics

/// How long requests take, as multiples of their mean: every law has mean 1.
public enum ServiceLaw: Sendable, Equatable {
    case constant
    case exponential
    /// - Parameter scv: variance over squared mean.
    case lognormal(scv: Double)
    /// Most requests are cheap; `share` of them cost `ratio` times as much.
    case bimodal(share: Double, ratio: Double)
    /// A tail that falls with the power `shape`, over 1; no variance up to 2.
    case pareto(shape: Double)
    /// Measured ones: each value with its count, brought to mean 1.
    case histogram([Bucket])

    public struct Bucket: Sendable, Equatable {
        public var value: Double
        public var count: Double

        public init(value: Double, count: Double) {
            self.value = value
            self.count = count
        }
    }

    /// Variance over squared mean; ∞ where there is no variance.
    public var scv: Double {
        switch self {
        case .constant: return 0
        case .exponential: return 1
        case .lognormal(let scv): return scv
        case .bimodal(let share, let ratio):
            let mean = 1 - share + share * ratio
            return (1 - share + share * ratio * ratio) / (mean * mean) - 1
        case .pareto(let shape):
            return shape > 2 ? 1 / (shape * (shape - 2)) : .infinity
        case .histogram(let buckets):
            let total = buckets.reduce(0) { $0 + $1.count }
            let mean = buckets.reduce(0) { $0 + $1.value * $1.count } / total
            let square = buckets.reduce(0) { $0 + $1.value * $1.value * $1.count } / total
            return square / (mean * mean) - 1
        }
    }
}

/// Draws from a ``ServiceLaw``: the same number of draws of one stream for every request, so
/// that strategies that are compared meet the same requests.
struct ServiceSampler {
    private let law: ServiceLaw
    /// Constants of the law, worked out once.
    private let first: Double
    private let second: Double
    private let values: [Double]
    private let lottery: AliasTable?

    init(_ law: ServiceLaw) {
        self.law = law
        var values: [Double] = []
        var lottery: AliasTable?
        switch law {
        case .constant, .exponential:
            (first, second) = (0, 0)
        case .lognormal(let scv):
            let variance = (1 + scv).logarithm
            (first, second) = (-variance / 2, variance.squareRoot())
        case .bimodal(let share, let ratio):
            let cheap = 1 / (1 - share + share * ratio)
            (first, second) = (cheap, cheap * ratio)
        case .pareto(let shape):
            (first, second) = ((shape - 1) / shape, -1 / shape)
        case .histogram(let buckets):
            let total = buckets.reduce(0) { $0 + $1.count }
            let mean = buckets.reduce(0) { $0 + $1.value * $1.count } / total
            values = buckets.map { $0.value / mean }
            lottery = AliasTable(weights: buckets.map(\.count))
            (first, second) = (0, 0)
        }
        self.values = values
        self.lottery = lottery
    }

    func draw(_ random: inout SeededRandom) -> Double {
        switch law {
        case .constant: 1
        case .exponential: random.exponential()
        case .lognormal: (first + second * random.normal()).exponential
        case .bimodal(let share, _): random.unit() <= share ? second : first
        case .pareto: first * (second * random.unit().logarithm).exponential
        case .histogram: values[lottery?.draw(&random) ?? 0]
        }
    }
}
