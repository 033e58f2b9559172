import Numerics

/// Says when the next request comes.
///
/// Requests come when a unit of work has been done: one exponential (or constant) amount, used
/// up at the rate of the moment. The rate is constant between breakpoints (steps of a ramp,
/// disturbances of the load) and switches of a bursty process.
struct ArrivalClock {
    private static let rampSteps = 400

    private let isConstant: Bool
    private let meanRate: Double
    private let gaps: [Double]
    private var gapIndex = 0

    /// From each time on, the factor of the rate; the first is at 0.
    private var steps: [(time: Double, factor: Double)] = [(0, 1)]
    private var step = 0

    private let highFactor: Double
    private let lowFactor: Double
    private let highLength: Double
    private let lowLength: Double
    private var isHigh = false
    /// ∞ for a process that does not switch.
    private var switchesAt = Double.infinity

    private var random: SeededRandom
    private var switching: SeededRandom
    private(set) var time = 0.0

    init(_ scenario: Scenario, random: SeededRandom, switching: SeededRandom) {
        self.random = random
        self.switching = switching
        meanRate = scenario.arrivalRate
        var gaps: [Double] = []
        var isConstant = false
        var factors = (high: 1.0, low: 1.0)
        var lengths = (high: 0.0, low: 0.0)
        var ramp: (from: Double, to: Double)?
        switch scenario.arrivals {
        case .poisson, .closed: break
        case .constant: isConstant = true
        case .bursty(let peak, let length, let share):
            factors = (peak, (1 - peak * share) / (1 - share))
            lengths = (length, length * (1 - share) / share)
        case .ramp(let from, let to): ramp = (from, to)
        case .gaps(let measured):
            let mean = measured.reduce(0, +) / Double(measured.count)
            gaps = measured.map { $0 / mean }
        }
        self.gaps = gaps
        self.isConstant = isConstant
        (highFactor, lowFactor) = factors
        (highLength, lowLength) = lengths
        if lengths.high > 0 { switchesAt = lengths.low * self.switching.exponential() }
        steps = Self.steps(scenario, ramp)
    }

    /// The factors of ramp and disturbances, multiplied.
    private static func steps(
        _ scenario: Scenario, _ ramp: (from: Double, to: Double)?
    ) -> [(time: Double, factor: Double)] {
        var times: Set<Double> = [0]
        let horizon = scenario.horizon
        if ramp != nil {
            for step in 0..<rampSteps { times.insert(horizon * Double(step) / Double(rampSteps)) }
        }
        var loads: [(from: Double, to: Double, factor: Double)] = []
        for disturbance in scenario.disturbances {
            guard case .load(let factor) = disturbance.kind else { continue }
            let from = scenario.beginning(of: disturbance)
            let to = scenario.end(of: disturbance) ?? .infinity
            loads.append((from, to, factor))
            times.insert(from)
            if to.isFinite { times.insert(to) }
        }
        return times.sorted().map { time in
            var factor = 1.0
            if let ramp {
                let progress = min(
                    1, (time / horizon * Double(rampSteps) + 0.5) / Double(rampSteps))
                factor = ramp.from + (ramp.to - ramp.from) * progress
            }
            for load in loads where load.from <= time && time < load.to { factor *= load.factor }
            return (time, factor)
        }
    }

    /// When the next request comes; ∞ when the rate has sunk to 0 for good.
    mutating func next() -> Double {
        var work: Double
        if !gaps.isEmpty {
            work = gaps[gapIndex]
            gapIndex = gapIndex + 1 == gaps.count ? 0 : gapIndex + 1
        } else {
            work = isConstant ? 1 : random.exponential()
        }
        while true {
            let rate = meanRate * steps[step].factor * (isHigh ? highFactor : lowFactor)
            let nextStep = step + 1 < steps.count ? steps[step + 1].time : .infinity
            let change = min(nextStep, switchesAt)
            if rate > 0, time + work / rate <= change {
                time += work / rate
                return time
            }
            guard change.isFinite else { return .infinity }
            work -= (change - time) * rate
            time = change
            if change == nextStep { step += 1 }
            if change == switchesAt {
                isHigh.toggle()
                switchesAt = time + (isHigh ? highLength : lowLength) * switching.exponential()
            }
        }
    }
}
