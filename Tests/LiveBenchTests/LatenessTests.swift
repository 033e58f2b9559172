import LiveBench
import Simulation
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

@Suite("Other proxies")
struct RivalTests {
    @Test(
        "say their versions, each in its way",
        arguments: [
            ("nginx version: nginx/1.22.1\n", "1.22.1"),
            (
                "HAProxy version 2.6.12-1+deb12u4 2026/01/02 - https://haproxy.org/\n",
                "2.6.12-1+deb12u4"
            ),
            (
                "\n/opt/python/3.11.7/bin/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n",
                "1.40.0"
            ),
            ("\n9e55/1.40.0/Clean\n", "1.40.0"), ("setpriv: failed to execute x: no\n", nil),
        ])
    func version(said: String, number: String?) {
        #expect(Rival.number(in: said) == number)
    }
}
