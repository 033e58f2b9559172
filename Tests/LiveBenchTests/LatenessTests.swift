import LiveBench
import Testing
import Timing

@Suite("Lateness")
struct LatenessTests {
    @Test("counts one in a thousand, and is judged beside the 99th percentile")
    func quantiles() {
        var lateness = Lateness()
        #expect(lateness.p999 == .zero)
        for number in 1...1000 { lateness.record(.microseconds(number)) }
        #expect(lateness.count == 1000)
        #expect(lateness.quantile(0.5) == .microseconds(500))
        #expect(lateness.p999 == .microseconds(999))
        #expect(lateness.longest == .milliseconds(1))
        #expect(lateness.isTolerable(besides: .milliseconds(10)))
        #expect(!lateness.isTolerable(besides: .microseconds(9980)))
    }
}
