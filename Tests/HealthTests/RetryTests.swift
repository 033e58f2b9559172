import Health
import Testing
import Timing

struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

@Suite("Retry budget")
struct RetryBudgetTests {
    /// A clock that has run for a while, as they have.
    private func at(_ milliseconds: Int) -> LoopInstant {
        .zero + .seconds(123_456) + .milliseconds(milliseconds)
    }

    private func takeAll(_ budget: inout RetryBudget, at milliseconds: Int) -> Int {
        var taken = 0
        while taken < 100_000, budget.tryTake(now: at(milliseconds)) { taken += 1 }
        return taken
    }

    @Test("an idle service may retry ten times a second, over its window")
    func floor() {
        var budget = RetryBudget(loops: 1)
        #expect(takeAll(&budget, at: 0) == 100)
        #expect(takeAll(&budget, at: 9_000) == 0)
        #expect(takeAll(&budget, at: 10_000) == 100)
        #expect(budget.remainingShare == 0)
    }

    @Test("a busy service may retry a fifth of its requests")
    func share() {
        var budget = RetryBudget(loops: 1)
        for request in 0..<10_000 { budget.requestStarted(now: at(request)) }
        #expect(takeAll(&budget, at: 9_999) == 2000)
    }

    @Test("what is older than the window is forgotten")
    func window() {
        var budget = RetryBudget(percent: 50, perSecond: 0, loops: 1)
        for _ in 0..<100 { budget.requestStarted(now: at(0)) }
        for _ in 0..<40 { budget.requestStarted(now: at(5_000)) }
        #expect(budget.remainingShare == 1)
        #expect(takeAll(&budget, at: 6_000) == 70)
        #expect(takeAll(&budget, at: 12_000) == 0, "70 retries, 40 requests")
        for _ in 0..<100 { budget.requestStarted(now: at(15_900)) }
        #expect(takeAll(&budget, at: 16_100) == 50)
        #expect(takeAll(&budget, at: 900_000) == 0)
    }

    @Test("loops divide the floor between them, and none gets nothing")
    func loops() {
        var budget = RetryBudget(loops: 4)
        #expect(takeAll(&budget, at: 0) == 25)
        var small = RetryBudget(percent: 0, perSecond: 1, loops: 64)
        #expect(takeAll(&small, at: 0) == 1)
        var none = RetryBudget(percent: 0, perSecond: 0, loops: 1)
        #expect(takeAll(&none, at: 0) == 0)
        #expect(none.remainingShare == 0)
    }

    @Test("in a long outage retries stay at a fifth of the requests")
    func outage() {
        var budget = RetryBudget(loops: 2)
        var retries = 0
        for request in 0..<200_000 {
            budget.requestStarted(now: at(request))
            if budget.tryTake(now: at(request)) { retries += 1 }
        }
        #expect(retries <= 200_000 / 5 + 2000)
        #expect(retries >= 200_000 / 5 - 2000)
    }
}

@Suite("Retry backoff")
struct RetryBackoffTests {
    @Test("doubles, less up to a half, up to five seconds")
    func doubling() {
        var random = SeededGenerator(seed: 1)
        let backoff = RetryBackoff()
        for (retry, full) in [(1, 25), (2, 50), (3, 100), (8, 3200), (9, 5000), (400, 5000)] {
            for _ in 0..<200 {
                let delay = backoff.delay(retry: retry, random: &random)
                #expect(delay <= .milliseconds(full))
                #expect(delay.nanoseconds >= UInt64(full) * 500_000)
            }
        }
        #expect(RetryBackoff(base: .zero).delay(retry: 3, random: &random) == .zero)
        let long = RetryBackoff(base: .forever).delay(retry: 9, random: &random)
        #expect(long <= RetryBackoff.longest)
    }
}

@Suite("Check schedule")
struct CheckScheduleTests {
    @Test("checks at once, then at the interval give or take a tenth")
    func jitter() {
        var random = SeededGenerator(seed: 2)
        var now = LoopInstant.zero + .seconds(77)
        var schedule = CheckSchedule(now: now)
        #expect(schedule.isDue(now: now))
        var total = Interval.zero
        var shortest = Interval.forever
        var longest = Interval.zero
        for _ in 0..<1000 {
            schedule.checkStarted(now: now, interval: .seconds(2), random: &random)
            #expect(!schedule.isDue(now: now))
            let gap = schedule.next - now
            shortest = min(shortest, gap)
            longest = max(longest, gap)
            total = Interval(nanoseconds: total.nanoseconds + gap.nanoseconds)
            now = schedule.next
        }
        #expect(shortest >= .milliseconds(1800) && shortest < .milliseconds(1810))
        #expect(longest <= .milliseconds(2200) && longest > .milliseconds(2190))
        #expect(abs(total.seconds - 2000) < 20)
    }

    @Test("a check that takes longer than the interval puts off the next one")
    func slow() {
        var random = SeededGenerator(seed: 3)
        let now = LoopInstant.zero + .seconds(5)
        var schedule = CheckSchedule(now: now)
        schedule.checkStarted(now: now, interval: .seconds(2), random: &random)
        let planned = schedule.next
        // An answer within the interval leaves the plan as it is.
        schedule.checkEnded(now: now + .milliseconds(900))
        #expect(schedule.next == planned)
        // A pause counts from the end, and never makes the next check later.
        schedule.checkEnded(now: now + .milliseconds(900), pause: .milliseconds(20))
        #expect(schedule.next == now + .milliseconds(920))
        schedule.checkStarted(now: now, interval: .seconds(2), random: &random)
        let next = schedule.next
        schedule.checkEnded(now: now + .milliseconds(900), pause: .seconds(30))
        #expect(schedule.next == next)
        schedule.checkEnded(now: now + .seconds(5))
        #expect(schedule.next == now + .seconds(5), "at once, and not in the past")
    }
}
