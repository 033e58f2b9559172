import Balancing
import Testing
import Timing

@Suite("Slow start")
struct SlowStartTests {
    private let slowStart = SlowStart(window: .seconds(30))

    private func share(_ seconds: Double, answered: Int) -> Int {
        let start = LoopInstant(nanoseconds: 7_000_000_000)
        let now = start + Interval(nanoseconds: UInt64(seconds * 1e9))
        return slowStart.share(now: now, since: start, answered: answered)
    }

    @Test("begins at 10 % and ends at all, when both time and answers allow")
    func ends() {
        #expect(share(0, answered: 0) == SlowStart.floor)
        #expect(share(15, answered: 100) == SlowStart.floor + (256 - SlowStart.floor) / 2)
        #expect(share(30, answered: 10) == SlowStart.full)
        #expect(share(29.9, answered: 1000) < SlowStart.full)
        #expect(share(3600, answered: 9) < SlowStart.full)
        #expect(share(3600, answered: 0) == SlowStart.floor)
        #expect(share(0, answered: 1000) == SlowStart.floor)
    }

    @Test("never shrinks while time passes and answers come")
    func monotonic() {
        for answered in 0...12 {
            var last = 0
            for second in 0...40 {
                let now = share(Double(second), answered: answered)
                #expect(now >= last && now >= share(Double(second), answered: max(0, answered - 1)))
                #expect((SlowStart.floor...SlowStart.full).contains(now))
                last = now
            }
        }
    }

    @Test("is off with a window of zero")
    func off() {
        let none = SlowStart(window: .zero)
        #expect(none.share(now: .zero, since: .zero, answered: 0) == SlowStart.full)
        #expect(none.isOver(now: .zero, since: .zero, answered: 0))
    }

    @Test("caps a warming server a quarter above the mean of the others")
    func cap() {
        #expect(SlowStart.inFlightCap(inFlight: 0, servers: 4) == 1)
        #expect(SlowStart.inFlightCap(inFlight: 1, servers: 4) == 1)
        #expect(SlowStart.inFlightCap(inFlight: 4, servers: 4) == 2)
        #expect(SlowStart.inFlightCap(inFlight: 40, servers: 4) == 13)
        #expect(SlowStart.inFlightCap(inFlight: 0, servers: 0) == .max)
    }

    @Test("the cap of one among many compares it with the others, not with itself")
    func tierLoad() {
        var load = TierLoad()
        #expect(load.serverCount == 0)
        #expect(load.rawValue == 0)
        load.add(inFlight: 3)
        // Alone.
        #expect(load.warmCap(without: 3) == .max)
        for inFlight in [10, 10, 10, 10] { load.add(inFlight: inFlight) }
        #expect(load.serverCount == 5)
        #expect(load.inFlight == 43)
        #expect(load.warmCap(without: 3) == SlowStart.inFlightCap(inFlight: 40, servers: 4))
        #expect(load.warmCap(without: 10) == SlowStart.inFlightCap(inFlight: 33, servers: 4))
        // A counter that moved between the two looks.
        #expect(load.warmCap(without: 100) == 1)
        #expect(TierLoad(rawValue: load.rawValue) == load)
        var idle = TierLoad()
        for _ in 0..<4096 { idle.add(inFlight: 0) }
        #expect(idle.serverCount == 4096)
        #expect(idle.warmCap(without: 0) == 1)
        idle.add(inFlight: 1 << 40)
        #expect(idle.inFlight == 1 << 40)
    }

    @Test("a cold newcomer does not get the first requests of a busy service")
    func noFlood() {
        var random = SeededGenerator(seed: 40)
        var servers = Servers(count: 5)
        servers.inFlight = [8, 8, 8, 8, 0]
        servers.weights[4] = SlowStart.floor
        var balancer = Balancer(strategy: .leastRequests, count: 5, random: &random)
        var newcomer = 0
        for _ in 0..<20 {
            let cap = SlowStart.inFlightCap(
                inFlight: servers.inFlight[..<4].reduce(0, +), servers: 4)
            servers.weights[4] = servers.inFlight[4] < cap ? SlowStart.floor : 0
            guard let index = balancer.pick(servers, random: &random) else { continue }
            servers.inFlight[index] += 1
            if index == 4 { newcomer += 1 }
        }
        #expect(newcomer <= 2, "its fair share of twenty is four")
    }
}

@Suite("The slot of a failed request")
struct FailedSlotHoldTests {
    @Test("is held until the request has lasted as long as the mean success")
    func hold() {
        var hold = FailedSlotHold()
        #expect(hold.holdInterval(failedAfter: .zero) == nil, "nothing to compare with yet")
        hold.succeeded(after: .milliseconds(10))
        hold.succeeded(after: .milliseconds(30))
        #expect(hold.meanSuccess == .milliseconds(20))
        #expect(hold.holdInterval(failedAfter: .milliseconds(1)) == .milliseconds(19))
        #expect(hold.holdInterval(failedAfter: .milliseconds(20)) == nil)
        #expect(hold.holdInterval(failedAfter: .seconds(5)) == nil)
    }

    @Test("follows a service that becomes slower")
    func follows() {
        var hold = FailedSlotHold()
        for _ in 0..<1000 { hold.succeeded(after: .milliseconds(10)) }
        for _ in 0..<300 { hold.succeeded(after: .milliseconds(100)) }
        let mean = hold.meanSuccess ?? .zero
        #expect(mean > .milliseconds(98) && mean <= .milliseconds(100))
    }

    @Test("comes back in the order of release, all of them, and no more than fit")
    func heap() {
        var random = SeededGenerator(seed: 50)
        var slots = HeldSlots()
        #expect(slots.next == .never && slots.popDue(now: .never) == nil)
        var releases: [UInt64] = []
        for server in 0..<HeldSlots.capacity {
            let at = UInt64.random(in: 0..<1000, using: &random)
            releases.append(at)
            let isHeld = slots.hold(
                server: UInt64(server), until: LoopInstant(nanoseconds: at))
            #expect(isHeld)
        }
        let isHeld = slots.hold(server: 0, until: .zero)
        #expect(!isHeld)
        var last: UInt64 = 0
        var seen = Set<UInt64>()
        for now in stride(from: UInt64(0), through: 1000, by: 50) {
            while let server = slots.popDue(now: LoopInstant(nanoseconds: now)) {
                let at = releases[Int(server)]
                #expect(at <= now && at >= last)
                last = at
                seen.insert(server)
            }
            #expect(slots.next > LoopInstant(nanoseconds: now))
        }
        #expect(seen.count == HeldSlots.capacity)
        #expect(slots.count == 0)
    }
}

/// Open arrivals, exponential service, one server of `count` that fails at once: what share of
/// the requests fails?
private func failureShare(holding: Bool, seed: UInt64) -> Double {
    let count = 10
    let load = 0.7
    var random = SeededGenerator(seed: seed)
    var servers = Servers(count: count)
    var balancer = Balancer(strategy: .leastRequests, count: count, random: &random)
    var hold = FailedSlotHold()
    var held = HeldSlots()
    // First in, first out: a server's next answer comes after all it has.
    var freeAt = Array(repeating: UInt64(0), count: count)
    var leaving = HeldSlots()
    func exponential(_ mean: Double) -> UInt64 {
        UInt64(
            -mean * logarithm(Double.random(in: Double.leastNonzeroMagnitude..<1, using: &random)))
    }
    let service = 10_000_000.0
    var now: UInt64 = 0
    var failures = 0
    let requests = 60_000
    for _ in 0..<requests {
        now += exponential(service / (load * Double(count - 1)))
        let instant = LoopInstant(nanoseconds: now)
        while let server = held.popDue(now: instant) { servers.inFlight[Int(server)] -= 1 }
        while let server = leaving.popDue(now: instant) { servers.inFlight[Int(server)] -= 1 }
        guard let index = balancer.pick(servers, random: &random) else { continue }
        servers.inFlight[index] += 1
        if index == 0 {
            failures += 1
            let failed = Interval.microseconds(100)
            let kept = holding ? hold.holdInterval(failedAfter: failed) : nil
            _ = held.hold(server: 0, until: instant + failed + (kept ?? .zero))
        } else {
            freeAt[index] = max(freeAt[index], now) + exponential(service)
            hold.succeeded(after: Interval(nanoseconds: freeAt[index] - now))
            _ = leaving.hold(
                server: UInt64(index), until: LoopInstant(nanoseconds: freeAt[index]))
        }
    }
    return Double(failures) / Double(requests)
}

/// The natural logarithm of a number in (0, 1], by its exponent and a series of its significand.
private func logarithm(_ value: Double) -> Double {
    let reduced = (value.significand - 1) / (value.significand + 1)
    var term = reduced
    var sum = 0.0
    for odd in stride(from: 1.0, through: 31, by: 2) {
        sum += term / odd
        term *= reduced * reduced
    }
    return Double(value.exponent) * 0.693_147_180_559_945_3 + 2 * sum
}

@Suite("A server that fails at once")
struct SinkholeTests {
    @Test("swallows a service without the hold, and gets about its fair share with it")
    func sinkhole() {
        let without = failureShare(holding: false, seed: 60)
        let with = failureShare(holding: true, seed: 60)
        #expect(without > 0.2, "the trap must be there to be avoided: \(without)")
        #expect(with < 0.13, "a tenth is fair: \(with)")
        #expect(with > 0.05, "and it must be tried, to be found out about: \(with)")
    }
}
