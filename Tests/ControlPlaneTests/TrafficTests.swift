import ControlPlane
import Telemetry
import Testing
import Timing

@Suite("Traffic, as status shows it")
struct TrafficTests {
    /// One loop's report, which counts from its start on.
    private struct Loop {
        var requests = 0
        var latencies = Histogram()

        mutating func answer(_ count: Int, in milliseconds: Int) {
            for _ in 0..<count {
                requests += 1
                latencies.record(.milliseconds(milliseconds))
            }
        }
    }

    private func sample(_ traffic: inout ServiceTraffic, _ loops: [Loop]) {
        traffic.begin()
        for loop in loops {
            traffic.add(
                requests: loop.requests, failed: 0, failures: ExchangeCounters(),
                latencies: loop.latencies)
        }
        traffic.end()
    }

    /// Within 3 %, as the histogram promises.
    private func isNear(_ interval: Interval?, _ milliseconds: Double) -> Bool {
        guard let interval else { return false }
        return abs(interval.milliseconds - milliseconds) <= milliseconds * 0.035
    }

    @Test("No answers, no quantiles")
    func none() {
        var traffic = ServiceTraffic()
        #expect(traffic.recent.quantile(0.5) == nil)
        sample(&traffic, [Loop(), Loop()])
        #expect(traffic.recent.quantile(0.99) == nil)
        #expect(traffic.requestCount == 0)
    }

    @Test("p50 and p99 of all loops together, over the last ten seconds")
    func window() {
        var traffic = ServiceTraffic()
        var loops = [Loop(), Loop()]
        sample(&traffic, loops)
        // A bad second, and nine good ones.
        loops[0].answer(1_000, in: 800)
        sample(&traffic, loops)
        #expect(isNear(traffic.recent.quantile(0.5), 800))
        for _ in 0..<9 {
            loops[0].answer(150, in: 5)
            loops[1].answer(100, in: 20)
            sample(&traffic, loops)
        }
        #expect(isNear(traffic.recent.quantile(0.99), 800))
        #expect(isNear(traffic.recent.quantile(0.3), 5))
        #expect(traffic.recent.count == 3_250)
        // The bad one is eleven seconds ago.
        loops[0].answer(150, in: 5)
        loops[1].answer(100, in: 20)
        sample(&traffic, loops)
        #expect(traffic.recent.count == 2_500)
        #expect(isNear(traffic.recent.quantile(0.5), 5))
        #expect(isNear(traffic.recent.quantile(0.99), 20))
        #expect(traffic.requestCount == 3_500)
    }

    @Test("When nobody asked lately, the quantiles are those of all time")
    func silence() {
        var traffic = ServiceTraffic()
        var loop = Loop()
        loop.answer(10, in: 40)
        for _ in 0..<30 { sample(&traffic, [loop]) }
        #expect(isNear(traffic.recent.quantile(0.5), 40))
    }

    @Test("A service that loops count anew leaves no nonsense behind")
    func fresh() {
        var traffic = ServiceTraffic()
        var loop = Loop()
        loop.answer(1_000, in: 10)
        for _ in 0..<3 { sample(&traffic, [loop]) }
        loop = Loop()
        loop.answer(2_000, in: 30)
        sample(&traffic, [loop])
        #expect(traffic.recent.count == 2_000)
        #expect(isNear(traffic.recent.quantile(0.01), 30))
        loop.answer(1_000, in: 60)
        sample(&traffic, [loop])
        #expect(traffic.recent.count == 1_000)
        #expect(isNear(traffic.recent.quantile(0.5), 60))
    }

    @Test("A server's rate is what it answered since it was looked at last")
    func rate() {
        var traffic = ServerTraffic()
        let start = LoopInstant.zero + .seconds(100)
        traffic.sample(answers: 5_000, now: start)
        #expect(traffic.rate == 0)
        traffic.sample(answers: 5_300, now: start + .seconds(1))
        #expect(traffic.rate == 300)
        traffic.sample(answers: 5_300, now: start + .milliseconds(1_500))
        #expect(traffic.rate == 0)
        traffic.sample(answers: 5_400, now: start + .milliseconds(3_500))
        #expect(traffic.rate == 50)
        // The same moment again changes nothing; a counter that was cleared is no negative rate.
        traffic.sample(answers: 9_999, now: start + .milliseconds(3_500))
        #expect(traffic.rate == 50)
        traffic.sample(answers: 0, now: start + .seconds(5))
        #expect(traffic.rate == 0)
    }
}

@Suite("Numbers")
struct NumbersTests {
    @Test("The one that has been free for longest first, then fresh ones; none beyond the bound")
    func order() {
        var numbers = Numbers(capacity: 3)
        #expect(numbers.freeCount == 3)
        #expect([numbers.take(), numbers.take()] == [0, 1])
        numbers.giveBack(1)
        numbers.giveBack(0)
        #expect(numbers.freeCount == 3)
        #expect(numbers.count == 2)
        #expect(
            [numbers.take(), numbers.take(), numbers.take(), numbers.take()] == [1, 0, 2, nil])
        #expect(numbers.freeCount == 0)
        #expect(numbers.count == 3)
    }

    @Test("However many come and go, no more numbers are in use than there were at once")
    func churn() {
        var numbers = Numbers(capacity: 1 << 20)
        var taken = (0..<5000).compactMap { _ in numbers.take() }
        for _ in 0..<20_000 {
            numbers.giveBack(taken.removeFirst())
            if let number = numbers.take() { taken.append(number) }
        }
        #expect(Set(taken).count == 5000)
        #expect(numbers.count <= 5001)
        #expect(numbers.freeCount == (1 << 20) - 5000)
    }
}

@Suite("Shares of a service's servers")
struct ServiceShareTests {
    private typealias Server = ServiceShares.Server

    private func server(
        _ rate: Double, weight: Int = 1, isBackup: Bool = false, takes: Bool = true
    ) -> Server {
        Server(rate: rate, weight: weight, isBackup: isBackup, takesRequests: takes)
    }

    @Test("Measured is measured: shares are 1 together, also beside servers that get nothing")
    func measured() {
        let cases: [[Server]] = [
            [server(10), server(0), server(30)],
            // Ejected or leaving, with answers of the last second still.
            [server(10, takes: false), server(30)],
            [server(1.5), server(2.5, weight: 0), server(0, isBackup: true)],
        ]
        for servers in cases {
            let shares = ServiceShares(servers)
            #expect(abs((shares.measured?.reduce(0, +) ?? 0) - 1) < 1e-9)
        }
        #expect(ServiceShares(cases[0]).measured == [0.25, 0, 0.75])
        #expect(ServiceShares(cases[1]).measured == [0.25, 0.75])
    }

    @Test("Without answers nothing is measured")
    func silence() {
        #expect(ServiceShares([server(0), server(0)]).measured == nil)
        #expect(ServiceShares([]).measured == nil)
    }

    @Test("What is expected goes to those that take requests, by weight, backups last")
    func expected() {
        let shares = ServiceShares([
            server(0, weight: 3), server(0, takes: false), server(0, isBackup: true), server(0),
        ])
        #expect(shares.expected == [0.75, 0, 0, 0.25])
        let backups = ServiceShares([server(9, takes: false), server(0, isBackup: true)])
        #expect(backups.expected == [0, 1])
        #expect(ServiceShares([server(9, takes: false)]).expected == [0])
        #expect(ServiceShares([server(9, weight: 0)]).expected == [0])
    }
}
