import Telemetry
import Testing
import Timing

@Suite("Histogram")
struct HistogramTests {
    private func histogram(_ microseconds: some Sequence<Int>) -> Histogram {
        var histogram = Histogram()
        for value in microseconds { histogram.record(.microseconds(value)) }
        return histogram
    }

    @Test("Nothing recorded has no quantile and no mean")
    func empty() {
        let none = Histogram()
        #expect(none.count == 0 && none.quantile(0.5) == nil && none.mean == nil)
        #expect(none.count(atMost: .seconds(1)) == 0)
    }

    @Test("A value read back is at most 1/32 wrong, from a microsecond to an hour")
    func precision() throws {
        var value = 1
        while value < 3_600_000_000 {
            for near in [value - 1, value, value + 1] where near > 0 {
                let read = try #require(histogram([near]).quantile(0.5))
                let exact = Interval.microseconds(near)
                #expect(abs(read.milliseconds - exact.milliseconds) <= exact.milliseconds / 32)
            }
            value = value * 3 / 2 + 1
        }
    }

    @Test("Below 16 µs values are exact; above 71 minutes they count as that")
    func ends() throws {
        for value in 0..<16 {
            #expect(histogram([value]).quantile(1) == .microseconds(value))
        }
        var long = Histogram()
        long.record(.seconds(100_000))
        let read = try #require(long.quantile(1))
        #expect(read > .seconds(4000) && read < .seconds(4295))
        // The sum knows better.
        #expect(long.mean == .seconds(100_000))
        long.record(.forever)
        #expect(long.count == 2)
    }

    @Test("Quantiles are ranks: p50 of 1 … 1000 is 500, p99 is 990, and 0 and 1 are the ends")
    func ranks() throws {
        let all = histogram(1...1000)
        for (share, expected) in [(0.5, 500.0), (0.99, 990), (0.999, 999), (1, 1000)] {
            let read = try #require(all.quantile(share)).milliseconds * 1000
            #expect(abs(read - expected) <= expected / 32 + 0.5, "\(share): \(read)")
        }
        #expect(all.quantile(0) == .microseconds(1))
        #expect(all.quantile(-3) == all.quantile(0) && all.quantile(7) == all.quantile(1))
        #expect(all.mean == Interval(nanoseconds: 500_500))
    }

    @Test("What two have recorded is the sum of them, and the difference is one of them again")
    func merging() {
        let fast = histogram(1...100)
        let slow = histogram(stride(from: 1000, through: 9000, by: 10))
        var both = fast
        both.add(slow)
        #expect(both.count == fast.count + slow.count)
        #expect(both.sumMicroseconds == fast.sumMicroseconds + slow.sumMicroseconds)
        let rest = both.subtracting(fast)
        for share in [0.01, 0.5, 0.99] { #expect(rest.quantile(share) == slow.quantile(share)) }
        #expect(rest.count == slow.count && rest.mean == slow.mean)
        #expect(both.contains(fast) && both.contains(slow) && !fast.contains(slow))
    }

    @Test("Cumulative counts never fall, and end with all")
    func cumulative() {
        let all = histogram(stride(from: 5, to: 2_000_000, by: 997))
        var before: UInt64 = 0
        for bound in [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 3_000_000] {
            let count = all.count(atMost: .microseconds(bound))
            #expect(count >= before)
            let exact = UInt64(stride(from: 5, to: 2_000_000, by: 997).count { $0 <= bound })
            let wrong = Double(count) - Double(exact)
            #expect(abs(wrong) <= 1 + Double(bound) / 32 / 997, "\(bound): \(count), not \(exact)")
            before = count
        }
        #expect(before == all.count)
    }
}
