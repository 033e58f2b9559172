import Balancing
import Testing
import Timing

private func instant(_ milliseconds: Int) -> LoopInstant {
    LoopInstant.zero + .milliseconds(milliseconds)
}

@Suite("What is measured of a server")
struct MeasurementTests {
    @Test("the average takes the first answer as it is, and a twentieth of each after it")
    func average() {
        var time = ServerTime()
        #expect(!time.isMeasured)
        time = time.answered(after: .milliseconds(100), now: instant(1))
        #expect(time.isMeasured)
        #expect(abs(time.average.milliseconds - 100) < 0.01)
        time = time.answered(after: .milliseconds(200), now: instant(2))
        #expect(abs(time.average.milliseconds - 105) < 0.01)
        #expect(ServerTime(bits: time.bits) == time)
    }

    @Test("the peak average jumps up at once and comes down with a memory of ten seconds")
    func peak() {
        var time = ServerTime().peaked(after: .milliseconds(10), now: instant(1000))
        time = time.peaked(after: .milliseconds(500), now: instant(2000))
        #expect(abs(time.average.milliseconds - 500) < 0.1)
        time = time.peaked(after: .milliseconds(10), now: instant(12_000))
        // 10 + 490 / e.
        #expect(abs(time.average.milliseconds - 190.3) < 2, "\(time.average)")
        // Answers within a millisecond do not stop time.
        for microsecond in 0..<200 {
            time = time.peaked(
                after: .milliseconds(10),
                now: instant(12_000) + .microseconds(1000 * microsecond))
        }
        #expect(time.average.milliseconds < 187, "\(time.average)")
    }

    @Test("a clock that another loop read a moment later does no harm")
    func clocks() {
        var time = ServerTime().peaked(after: .milliseconds(10), now: instant(5000))
        time = time.peaked(after: .milliseconds(5), now: instant(4990))
        #expect(abs(time.average.milliseconds - 10) < 0.1)
        var ages = InFlightAges()
        ages = InFlightAges(bits: ages.bits &+ InFlightAges.one(since: instant(100)))
        #expect(ages.mean(now: instant(99)) == .zero)
    }

    @Test("a failure counts as ten means, or as what it took")
    func failure() {
        #expect(ServerTime.failure(after: .milliseconds(1), mean: nil) == .milliseconds(1))
        #expect(
            ServerTime.failure(after: .milliseconds(1), mean: .milliseconds(7))
                == .milliseconds(70))
        #expect(
            ServerTime.failure(after: .seconds(5), mean: .milliseconds(7)) == .seconds(5))
        #expect(ServerTime.failure(after: .zero, mean: .forever) == .forever)
    }

    @Test("ages add up and come off again in any order, whatever the clock says")
    func ages() {
        var random = SeededGenerator(seed: 1)
        var word: UInt64 = 0
        var begun: [LoopInstant] = []
        let base: UInt64 = 1 << 62
        for step in 0..<2000 {
            let now = LoopInstant(nanoseconds: base + UInt64(step) * 10_000_000)
            if begun.isEmpty || Bool.random(using: &random) {
                begun.append(now)
                word = word &+ InFlightAges.one(since: now)
            } else {
                let place = Int.random(in: 0..<begun.count, using: &random)
                word = word &- InFlightAges.one(since: begun.remove(at: place))
            }
            let ages = InFlightAges(bits: word)
            #expect(ages.count == begun.count)
            let sum = begun.reduce(0.0) { $0 + (now - $1).milliseconds }
            let mean = begun.isEmpty ? 0 : sum / Double(begun.count)
            #expect(abs(ages.mean(now: now).milliseconds - mean) <= 0.2 + mean / 1000)
        }
    }

    @Test("a report counts what is not ours, for a second")
    func reports() {
        let report = ReportedLoad().reported(12, own: 5, now: instant(70_000))
        #expect(report.foreign(now: instant(70_000)) == 7)
        #expect(report.foreign(now: instant(70_900)) == 7)
        #expect(report.foreign(now: instant(71_100)) == 0)
        #expect(report.foreign(now: instant(69_999)) == 7)
        let none = ReportedLoad().reported(3, own: 5, now: instant(1))
        #expect(none.foreign(now: instant(1)) == 0)
        #expect(ReportedLoad().foreign(now: instant(1)) == 0)
        #expect(ReportedLoad(bits: report.bits) == report)
    }

    @Test("several reports count together, the last one a quarter, and old ones not at all")
    func averagedReports() {
        var load = ReportedLoad().reported(8, own: 0, now: instant(1000))
        load = load.reported(16, own: 0, now: instant(1100))
        #expect(load.foreign(now: instant(1100)) == 10)
        for step in 0..<40 { load = load.reported(16, own: 0, now: instant(1200 + step)) }
        #expect(load.foreign(now: instant(1300)) == 16)
        load = load.reported(2, own: 1, now: instant(9000))
        #expect(load.foreign(now: instant(9000)) == 1, "what was known is out of date")
        let huge = ReportedLoad().reported(9_999_999, own: 0, now: instant(1))
        #expect(huge.foreign(now: instant(1)) == 1 << 19)
    }

    @Test("classes of load hold what is near: 0, 1, then octaves, the last without end")
    func classes() {
        let numbers = [0, 1, 2, 3, 4, 7, 8, 63, 64, 1_000_000, -1].map { LoadClass(of: $0).number }
        #expect(numbers == [0, 1, 2, 2, 3, 3, 4, 6, 7, 7, 0])
    }

    @Test("the middle goes half way between the answers, and is not moved by a few long ones")
    func middle() {
        var random = SeededGenerator(seed: 11)
        var time = ServerTime().middled(after: .milliseconds(300), now: instant(0))
        #expect(abs(time.average.milliseconds - 300) < 0.1, "the first one as it is")
        var sum = 0.0
        for step in 1...4000 {
            // One of fifty takes fifty times as long.
            let isLong = Int.random(in: 0..<50, using: &random) == 0
            let sample = isLong ? 500 : Int.random(in: 5...15, using: &random)
            time = time.middled(after: .milliseconds(sample), now: instant(step))
            if step > 1000 { sum += time.average.milliseconds }
        }
        #expect(abs(sum / 3000 - 10) < 1, "\(sum / 3000)")
    }

    @Test("panic begins below the threshold, and never at 0")
    func panic() {
        let half = PanicThreshold(percent: 50)
        #expect(!half.isBelow(healthy: 2, of: 4))
        #expect(half.isBelow(healthy: 1, of: 4))
        #expect(half.isBelow(healthy: 0, of: 1))
        #expect(!half.isBelow(healthy: 0, of: 0))
        #expect(!PanicThreshold(percent: 0).isBelow(healthy: 0, of: 4))
    }
}

@Suite("Strategies that look at times")
struct TimedStrategyTests {
    private static let timed: [Strategy] = [.leastTime, .peakEWMA, .hotCold]

    private func servers(_ milliseconds: [Int?]) -> Servers {
        var servers = Servers(count: milliseconds.count)
        servers.times = milliseconds.map { time in
            time.map { ServerTime().answered(after: .milliseconds($0), now: instant(0)) }
                ?? ServerTime()
        }
        return servers
    }

    @Test("leave a slow server alone", arguments: timed)
    func slow(strategy: Strategy) {
        var random = SeededGenerator(seed: 1)
        var balancer = Balancer(strategy: strategy, count: 4, random: &random)
        let tally = balancer.tally(servers([10, 10, 200, 10]), picks: 3000, random: &random)
        #expect(tally[2] == 0, "\(tally)")
        for index in [0, 1, 3] { #expect(tally[index] > 800, "\(tally)") }
    }

    @Test("an unseen server is neither the fastest nor avoided", arguments: timed)
    func unseen(strategy: Strategy) {
        var random = SeededGenerator(seed: 2)
        var balancer = Balancer(strategy: strategy, count: 5, random: &random)
        // It counts as the mean, and all others are the mean: ties.
        let tally = balancer.tally(
            servers([20, 20, 20, 20, nil]), picks: 5000, random: &random)
        #expect((600...1400).contains(tally[4]), "\(tally)")
    }

    @Test("share by weight while nothing is known", arguments: timed, [5, 80])
    func nothing(strategy: Strategy, count: Int) {
        var random = SeededGenerator(seed: 3)
        let weights = (0..<count).map { 1 + $0 % 3 }
        var balancer = Balancer(strategy: strategy, weights: weights, random: &random)
        let tally = balancer.tally(Servers(weights: weights), picks: 600 * count, random: &random)
        #expect(fits(tally, weights: weights), "\(tally)")
    }

    @Test("least time sees what has not come back")
    func hang() {
        var random = SeededGenerator(seed: 4)
        var balancer = Balancer(strategy: .leastTime, count: 3, random: &random)
        var servers = servers([10, 10, 10])
        servers.inFlight = [1, 1, 1]
        servers.ages[1] = InFlightAges(bits: InFlightAges.one(since: instant(0)))
        var tally = [0, 0, 0]
        for _ in 0..<300 {
            let index = balancer.pick(
                servers, for: PickRequest(now: instant(500)), random: &random)
            tally[index ?? 0] += 1
        }
        #expect(tally[1] == 0 && tally[0] > 100 && tally[2] > 100, "\(tally)")
    }

    @Test("least time sends twice as fast a server twice as much at once")
    func proportion() {
        var random = SeededGenerator(seed: 5)
        var balancer = Balancer(strategy: .leastTime, count: 2, random: &random)
        var servers = servers([16, 32])
        for _ in 0..<300 {
            let index = balancer.pick(servers, random: &random) ?? 0
            servers.inFlight[index] += 1
        }
        #expect(abs(servers.inFlight[0] - 200) <= 2, "\(servers.inFlight)")
    }

    @Test("an average that nobody refreshes fades, so the server is tried again")
    func fading() {
        var random = SeededGenerator(seed: 6)
        var balancer = Balancer(strategy: .peakEWMA, count: 2, random: &random)
        var servers = servers([10, 300])
        for second in 0..<60 {
            let now = instant(1000 * second)
            servers.times[0] = servers.times[0].peaked(after: .milliseconds(10), now: now)
            let index = balancer.pick(servers, for: PickRequest(now: now), random: &random)
            // 300 · e^(−t / 10 s) falls below 10 after 34 s.
            #expect(index == (second < 33 ? 0 : second > 36 ? 1 : index), "at \(second) s")
        }
    }

    @Test(
        "a first answer that was slow is forgotten, though the others have all the traffic",
        arguments: [Strategy.leastTime, .hotCold])
    func secondChance(strategy: Strategy) {
        var random = SeededGenerator(seed: 9)
        var balancer = Balancer(strategy: strategy, count: 2, random: &random)
        var servers = servers([10, 400])
        var tally = [0, 0]
        for second in 0..<120 {
            let now = instant(1000 * second)
            let index = balancer.pick(servers, for: PickRequest(now: now), random: &random) ?? 0
            servers.times[index] = servers.times[index].answered(
                after: .milliseconds(10), now: now)
            if second >= 60 { tally[index] += 1 }
        }
        #expect(tally[1] >= 15, "equals must come to equal shares: \(tally)")
    }

    @Test("hot-cold takes the fastest cold server, and the least loaded when all are hot")
    func hotCold() {
        var random = SeededGenerator(seed: 7)
        var balancer = Balancer(strategy: .hotCold, count: 10, random: &random)
        var servers = servers([50, 50, 50, 50, 50, 50, 50, 50, 50, 5])
        servers.inFlight = Array(repeating: 4, count: 10)
        _ = balancer.tally(servers, picks: 1000, random: &random)
        #expect(balancer.tally(servers, picks: 100, random: &random)[9] == 100)
        // Above what loads usually are, it is hot however fast it is.
        servers.inFlight[9] = 9
        #expect(balancer.tally(servers, picks: 100, random: &random)[9] == 0)
        servers.inFlight = [9, 9, 9, 8, 9, 9, 9, 9, 9, 9]
        var fresh = Balancer(strategy: .hotCold, count: 10, random: &random)
        // It has seen idle servers: any load is above what is usual.
        _ = fresh.tally(Servers(count: 10), picks: 400, random: &random)
        #expect(fresh.pick(servers, random: &random) == 3)
    }

    @Test("hot-cold goes by what a server took at a load like this one, not by its average")
    func byLoad() {
        var random = SeededGenerator(seed: 12)
        var balancer = Balancer(strategy: .hotCold, count: 4, random: &random)
        var servers = servers([10, 30, 30, 30])
        // One at a time: ten for each that is there before.
        servers.timesByLoad = Array(
            repeating: (0..<LoadClass.count).map { number in
                ServerTime().middled(after: .milliseconds(10 << number), now: instant(0))
            }, count: 4)
        servers.inFlight = [2, 1, 2, 2]
        _ = balancer.tally(servers, picks: 500, random: &random)
        let tally = balancer.tally(servers, picks: 100, random: &random)
        #expect(tally == [0, 100, 0, 0], "the first has the least average, and more to do")
    }

    @Test("hot-cold takes a load that was never seen for one in line, and less for no worse")
    func unseenLoads() {
        var random = SeededGenerator(seed: 13)
        func time(_ milliseconds: Int) -> ServerTime {
            ServerTime().middled(after: .milliseconds(milliseconds), now: instant(0))
        }
        func first(_ inFlight: [Int]) -> Int? {
            var servers = servers([20, 20, 20])
            var unseen = Array(repeating: ServerTime(), count: LoadClass.count)
            unseen[0] = time(10)
            var known = unseen
            known[1] = time(14)
            var busy = Array(repeating: ServerTime(), count: LoadClass.count)
            busy[3] = time(12)
            servers.timesByLoad = [unseen, known, busy]
            servers.inFlight = inFlight
            // Everybody is cold: the mark is what all have together.
            var balancer = Balancer(strategy: .hotCold, count: 3, random: &random)
            var calm = servers
            calm.inFlight = [9, 9, 9]
            _ = balancer.tally(calm, picks: 600, random: &random)
            return balancer.pick(servers, random: &random)
        }
        // Of one more the first would take 20, by its 10 alone; the second took 14.
        #expect(first([1, 1, 9]) == 1)
        // The third took 12 with four at once, so it takes no more with none.
        #expect(first([1, 1, 0]) == 2)
    }

    @Test("hot-cold believes what servers report of their load", arguments: [2, 3, 4, 12, 80])
    func reported(count: Int) {
        var random = SeededGenerator(seed: 8)
        var balancer = Balancer(strategy: .hotCold, count: count, random: &random)
        var servers = Servers(count: count)
        // It is the fastest, and stays as loaded as it is.
        servers.times[1] = ServerTime().answered(after: .milliseconds(1), now: instant(0))
        servers.inFlight = Array(repeating: 2, count: count)
        servers.foreign[1] = 40
        _ = balancer.tally(servers, picks: 2000, random: &random)
        let tally = balancer.tally(servers, picks: 400, random: &random)
        #expect(tally[1] == 0, "\(tally)")
    }
}

@Suite("Join idle queue")
struct IdleQueueTests {
    @Test("picks idle servers while there are any, each as long as it was idle")
    func idle() {
        var random = SeededGenerator(seed: 1)
        var balancer = Balancer(strategy: .joinIdleQueue, count: 6, random: &random)
        var servers = Servers(count: 6)
        var picked: [Int] = []
        for _ in 0..<6 {
            let index = balancer.pick(servers, random: &random) ?? -1
            #expect(servers.inFlight[index] == 0)
            servers.inFlight[index] += 1
            picked.append(index)
        }
        #expect(Set(picked).count == 6)
        for index in [picked[4], picked[2]] {
            servers.inFlight[index] = 0
            balancer.ended(index, inFlight: 0)
            balancer.ended(index, inFlight: 0)
        }
        #expect(balancer.pick(servers, random: &random) == picked[4])
        servers.inFlight[picked[4]] = 1
        #expect(balancer.pick(servers, random: &random) == picked[2])
        servers.inFlight[picked[2]] = 1
        let tally = balancer.tally(servers, picks: 6000, random: &random)
        #expect(fits(tally, weights: [1, 1, 1, 1, 1, 1]), "\(tally)")
    }

    @Test("a server that another loop uses is passed over; one that is out keeps its place")
    func others() {
        var random = SeededGenerator(seed: 2)
        var balancer = Balancer(strategy: .joinIdleQueue, count: 3, random: &random)
        var servers = Servers(count: 3)
        servers.inFlight = [1, 0, 0]
        servers.weights[1] = 0
        #expect(balancer.pick(servers, random: &random) == 2)
        servers.inFlight[2] = 1
        servers.weights[1] = 256
        #expect(balancer.pick(servers, random: &random) == 1)
    }

    @Test("large pools of least-requests find the idle one among thousands", arguments: [65, 2000])
    func leastRequests(count: Int) {
        var random = SeededGenerator(seed: 3)
        var servers = Servers(count: count)
        servers.inFlight = Array(repeating: 2, count: count)
        var balancer = Balancer(strategy: .leastRequests, count: count, random: &random)
        for _ in 0..<500 { _ = balancer.pick(servers, random: &random) }
        let wantsEnds = balancer.wantsEnds
        #expect(wantsEnds)
        servers.inFlight[count / 2] = 0
        balancer.ended(count / 2, inFlight: 0)
        #expect(balancer.pick(servers, random: &random) == count / 2)
    }

    @Test("the queue follows servers to new indices, and newcomers are in it")
    func identity() {
        var random = SeededGenerator(seed: 4)
        var balancer = Balancer(strategy: .joinIdleQueue, count: 3, random: &random)
        var servers = Servers(count: 3)
        for _ in 0..<3 {
            let index = balancer.pick(servers, random: &random) ?? 0
            servers.inFlight[index] = 1
        }
        balancer.ended(2, inFlight: 0)
        balancer.rebuild(count: 4) { $0 == 3 ? nil : 2 - $0 }
        servers = Servers(count: 4)
        servers.inFlight = [0, 1, 1, 0]
        #expect(balancer.pick(servers, random: &random) == 0)
        #expect(balancer.pick(servers, random: &random) == 3)
    }
}
