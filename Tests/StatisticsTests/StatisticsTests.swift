import Numerics
import Statistics
import Testing

@Suite("Functions written out")
struct FunctionTests {
    @Test(
        "the logarithm is that of the tables",
        arguments: [
            (1.0, 0.0), (2.0, 0.693_147_180_559_945_3), (10.0, 2.302_585_092_994_045_7),
            (0.1, -2.302_585_092_994_045_5), (1e-300, -690.775_527_898_213_7),
            (1.414_213_562_373_095_1, 0.346_573_590_279_972_7), (3.0, 1.098_612_288_668_109_8),
        ])
    func logarithm(_ pair: (Double, Double)) {
        let (number, expected) = pair
        #expect(abs(number.logarithm - expected) <= 4e-16 * max(abs(expected), 1e-3))
    }

    @Test("the exponential is the inverse of the logarithm over the range")
    func exponential() {
        #expect(0.0.exponential == 1)
        #expect(abs(1.0.exponential - 2.718_281_828_459_045) < 1e-15)
        #expect((-800.0).exponential == 0)
        #expect(800.0.exponential == .infinity)
        for step in -600...600 {
            let power = Double(step) * 1.1
            let back = power.exponential.logarithm
            #expect(abs(back - power) <= 4e-16 * max(1, abs(power)), "\(power)")
        }
    }

    @Test("special values")
    func special() {
        #expect(0.0.logarithm == -.infinity)
        #expect((-1.0).logarithm.isNaN)
        #expect(2.0.raised(to: 10) == 1024)
        #expect(abs(2.0.raised(to: 0.5) - 1.414_213_562_373_095_1) < 1e-15)
        #expect(0.0.raised(to: 3) == 0)
        #expect(2.0.raised(to: -2) == 0.25)
    }
}

@Suite("Random numbers from a seed")
struct SeededRandomTests {
    @Test("the same seed gives the same numbers, another stream others")
    func streams() {
        var a = SeededRandom(seed: 1, stream: 2)
        var b = SeededRandom(seed: 1, stream: 2)
        var c = SeededRandom(seed: 1, stream: 3)
        let first = (0..<8).map { _ in a.next() }
        let second = (0..<8).map { _ in b.next() }
        let third = (0..<8).map { _ in c.next() }
        #expect(first == second)
        #expect(first != third)
    }

    @Test("uniform, exponential and normal numbers have their moments")
    func moments() {
        var random = SeededRandom(seed: 7)
        let count = 40_000
        var uniform = (sum: 0.0, square: 0.0)
        var exponential = (sum: 0.0, square: 0.0)
        var normal = (sum: 0.0, square: 0.0)
        for _ in 0..<count {
            let u = random.unit()
            #expect(u > 0 && u <= 1)
            let e = random.exponential()
            let n = random.normal()
            uniform = (uniform.sum + u, uniform.square + u * u)
            exponential = (exponential.sum + e, exponential.square + e * e)
            normal = (normal.sum + n, normal.square + n * n)
        }
        let n = Double(count)
        #expect(abs(uniform.sum / n - 0.5) < 0.006)
        #expect(abs(uniform.square / n - 1.0 / 3) < 0.006)
        #expect(abs(exponential.sum / n - 1) < 0.02)
        #expect(abs(exponential.square / n - 2) < 0.1)
        #expect(abs(normal.sum / n) < 0.02)
        #expect(abs(normal.square / n - 1) < 0.03)
    }

    @Test("numbers below a bound reach all of it evenly")
    func below() {
        var random = SeededRandom(seed: 3)
        var counts = Array(repeating: 0, count: 7)
        for _ in 0..<14_000 { counts[random.below(7)] += 1 }
        for count in counts { #expect(abs(count - 2000) < 200, "\(counts)") }
    }
}

@Suite("Student's intervals")
struct StudentTests {
    @Test(
        "the factors are those of the tables",
        arguments: [
            (0.95, 1, 12.7062), (0.95, 2, 4.30265), (0.95, 7, 2.36462), (0.95, 9, 2.26216),
            (0.95, 30, 2.04227), (0.99, 7, 3.49948), (0.90, 4, 2.13185), (0.95, 1000, 1.96234),
        ])
    func factors(_ entry: (confidence: Double, degrees: Int, expected: Double)) {
        let factor = StudentDistribution.factor(
            confidence: entry.confidence, degrees: entry.degrees)
        #expect(abs(factor - entry.expected) < 6e-6 * max(1, entry.expected), "\(factor)")
    }

    @Test("an interval of known numbers")
    func interval() {
        // Mean 5, deviation √(32/7), error √(32/56).
        let estimate = Estimate(ofRuns: [2, 4, 4, 4, 5, 5, 7, 9])
        #expect(estimate.value == 5)
        #expect(abs(estimate.halfWidth - 2.36462 * (32.0 / 56).squareRoot()) < 1e-4)
        #expect(Estimate(ofRuns: [3]).halfWidth == .infinity)
        #expect(Estimate(ofRuns: [3]).includesZero)
    }

    @Test("the interval holds the truth as often as it says")
    func coverage() {
        var random = SeededRandom(seed: 11)
        var hits = 0
        for _ in 0..<2000 {
            let estimate = Estimate(ofRuns: (0..<8).map { _ in 3 + random.normal() })
            if estimate.low <= 3, 3 <= estimate.high { hits += 1 }
        }
        #expect(abs(hits - 1900) < 40, "\(hits) of 2000")
    }

    @Test("pairs see a difference that the runs' own scatter hides")
    func pairs() {
        var random = SeededRandom(seed: 12)
        let common = (0..<10).map { _ in 100 + 30 * random.normal() }
        let a = common.map { $0 * 1.05 + 0.1 * random.normal() }
        let paired = Estimate.relativeDifference(of: a, from: common)
        #expect(paired.map { abs($0.value - 0.05) < 0.005 && !$0.includesZero } ?? false)
        #expect(Estimate(ofRuns: a).low < Estimate(ofRuns: common).high)
        let none = Estimate.relativeDifference(
            of: common.map { $0 + random.normal() }, from: common)
        #expect(none?.includesZero == true, "there is no difference to speak of")
        #expect(Estimate.relativeDifference(of: [1], from: [0]) == nil)
    }
}

@Suite("Durations")
struct DurationsTests {
    @Test("quantiles are those of the sorted list, to 0.05 %")
    func quantiles() {
        var random = SeededRandom(seed: 20)
        var durations = Durations()
        var list: [Double] = []
        for _ in 0..<20_000 {
            let value = random.exponential() * 7
            durations.record(value)
            list.append(value)
        }
        list.sort()
        for share in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1] {
            let exact = list[max(0, Int((share * 20_000).rounded(.up)) - 1)]
            let value = durations.quantile(share) ?? 0
            #expect(abs(value - exact) <= 0.0005 * exact, "\(share): \(value) for \(exact)")
        }
        #expect(durations.longest == list.last)
        #expect(abs((durations.mean ?? 0) - list.reduce(0, +) / 20_000) < 1e-9)
        #expect(abs(durations.share(within: 7) - (1 - (-1.0).exponential)) < 0.01)
    }

    @Test("merged runs are one long run")
    func merge() {
        var a = Durations()
        var b = Durations()
        var both = Durations()
        for index in 1...1000 {
            let value = Double(index)
            if index % 3 == 0 { a.record(value) } else { b.record(value) }
            both.record(value)
        }
        a.add(b)
        #expect(a.count == both.count && a.sum == both.sum && a.longest == both.longest)
        let shares = [0.1, 0.5, 0.95]
        #expect(a.quantiles(shares) == both.quantiles(shares))
    }

    @Test("nothing recorded is nothing said; the ends take what is beyond them")
    func ends() {
        var durations = Durations()
        #expect(durations.mean == nil && durations.quantile(0.5) == nil)
        durations.record(0)
        durations.record(1e300)
        #expect(durations.count == 2)
        #expect((durations.quantile(0.5) ?? 1) < 1e-5)
        #expect((durations.quantile(1) ?? 0) > 1e9)
    }
}

@Suite("Fairness and warm-up")
struct FairnessTests {
    @Test("Jain's index is 1 for even and 1/n for one who has all")
    func jain() {
        #expect(Fairness.jainIndex([3, 3, 3]) == 1)
        #expect(abs(Fairness.jainIndex([0, 8, 0, 0]) - 0.25) < 1e-15)
        #expect(abs(Fairness.jainIndex([1, 2, 3]) - 36.0 / 42) < 1e-15)
        #expect(Fairness.jainIndex([]) == 1)
        #expect(Fairness.peakToMean([1, 2, 3]) == 1.5)
    }

    @Test("a run that begins empty crosses its mean where it has filled")
    func crossing() {
        let means = (0..<100).map { (index: Int) -> Double in
            if index < 10 { return Double(index) / 10 }
            return index.isMultiple(of: 2) ? 1.05 : 1.0
        }
        let crossing = WarmUp.crossing(means: means)
        #expect(crossing.map { $0 > 0.05 && $0 <= 0.2 } ?? false)
        #expect(WarmUp.crossing(means: [1, 2]) == nil)
    }
}
