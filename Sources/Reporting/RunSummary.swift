public import Simulation
import Statistics

/// The numbers of one run that are compared between strategies.
public struct RunSummary: Sendable, Equatable {
    public var mean = 0.0
    public var p50 = 0.0
    public var p90 = 0.0
    public var p99 = 0.0
    public var p999 = 0.0
    public var longest = 0.0
    /// Of the requests, those without a usable answer.
    public var failureShare = 0.0
    /// Of the requests, those answered within the scenario's deadline.
    public var goodShare = 0.0
    public var retryShare = 0.0
    public var jainIndex = 0.0
    public var hitShare = 0.0
    /// Largest share of a newcomer in any fifty picks; 0 without a newcomer.
    public var peakBurst = 0.0

    public init(_ result: RunResult) {
        let quantiles = result.durations.quantiles([0.5, 0.9, 0.99, 0.999]).map { $0 ?? 0 }
        mean = result.durations.mean ?? 0
        (p50, p90, p99, p999) = (quantiles[0], quantiles[1], quantiles[2], quantiles[3])
        longest = result.durations.longest
        let count = Double(max(1, result.requestCount))
        failureShare = result.failureShare
        goodShare = Double(result.inTime) / count
        retryShare = Double(result.retryCount) / count
        jainIndex = result.jainIndex
        hitShare = Double(result.cacheHits) / count
        peakBurst =
            Double(result.newcomers.map(\.peakBurst).max() ?? 0)
            / Double(RunResult.Newcomer.burstLength)
    }
}

/// A number of a run by the name that assertions and files use.
public enum Measure: String, Sendable, CaseIterable {
    case mean, p50, p90, p99
    case p999 = "p99.9"
    case longest = "max"
    case errors, goodput, retries, jain, hits, burst

    public func value(of run: RunSummary) -> Double {
        switch self {
        case .mean: run.mean
        case .p50: run.p50
        case .p90: run.p90
        case .p99: run.p99
        case .p999: run.p999
        case .longest: run.longest
        case .errors: run.failureShare
        case .goodput: run.goodShare
        case .retries: run.retryShare
        case .jain: run.jainIndex
        case .hits: run.hitShare
        case .burst: run.peakBurst
        }
    }

    /// Whether it is a duration, in mean service times.
    public var isDuration: Bool {
        switch self {
        case .mean, .p50, .p90, .p99, .p999, .longest: true
        case .errors, .goodput, .retries, .jain, .hits, .burst: false
        }
    }
}
