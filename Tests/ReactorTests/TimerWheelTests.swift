import Reactor
import Testing
import Timing

/// Splitmix64: the same seed gives the same run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

@Suite("Intervals")
struct IntervalTests {
    @Test(
        "A count below 0 is 0, and one that is too large is for ever",
        arguments: [
            (Int.min, UInt64.min), (-1, 0), (0, 0), (18_446_744_073, 18_446_744_073_000_000_000),
            (99_999_999_999, .max), (.max, .max),
        ])
    func seconds(count: Int, nanoseconds: UInt64) {
        #expect(Interval.seconds(count).nanoseconds == nanoseconds)
    }
}

@Suite("Timer wheel")
struct TimerWheelTests {
    /// One tick, in nanoseconds.
    static let tick: UInt64 = 1 << 22

    private func due(_ wheel: inout TimerWheel) -> [Int] {
        var timers: [Int] = []
        while let timer = wheel.takeDue() { timers.append(timer) }
        return timers
    }

    /// What the wheel promises, written down as a list that is searched from end to end.
    private struct Oracle {
        let origin: UInt64
        /// By timer: when it has certainly fired, in ticks.
        var armed: [Int: UInt64] = [:]
        var current: UInt64 = 0

        init(origin: UInt64) { self.origin = origin }

        mutating func ensure(_ timer: Int, by deadline: UInt64) {
            let whole = deadline > origin ? (deadline - origin) / tick + 1 : 0
            armed[timer] = min(armed[timer] ?? .max, max(whole, current + 1))
        }

        mutating func advance(to now: UInt64) -> [Int] {
            current = max(current, (now - min(now, origin)) / tick)
            let due = armed.filter { $0.value <= current }.map(\.key)
            for timer in due { armed[timer] = nil }
            return due.sorted()
        }

        /// In nanoseconds from `now`; `nil` when nothing is armed.
        func timeToNext(now: UInt64) -> UInt64? {
            armed.values.min().map { origin + $0 * tick - now }
        }
    }

    /// Delays of every size: of a tick, of each of the four wheels, beyond the last one.
    private func delay(_ random: inout SeededGenerator) -> UInt64 {
        let bits = UInt64.random(in: 0...48, using: &random)
        return UInt64.random(in: 0...(1 << bits), using: &random)
    }

    @Test("Agrees with a list, whatever is armed, cancelled and waited for", arguments: 0..<24)
    func oracle(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let origin = UInt64.random(in: 0...(1 << 50), using: &random)
        let capacity = [1, 3, 40][Int(seed % 3)]
        var now = origin
        var wheel = TimerWheel(capacity: capacity, now: LoopInstant(nanoseconds: origin))
        var oracle = Oracle(origin: origin)
        var fired = 0
        for step in 0..<4_000 {
            let timer = Int.random(in: 0..<capacity, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let deadline = now + delay(&random)
                wheel.ensure(timer, by: LoopInstant(nanoseconds: deadline))
                oracle.ensure(timer, by: deadline)
            case 4:
                // Already over.
                let deadline = now - min(now, delay(&random))
                wheel.ensure(timer, by: LoopInstant(nanoseconds: deadline))
                oracle.ensure(timer, by: deadline)
            case 5:
                wheel.cancel(timer)
                oracle.armed[timer] = nil
            default:
                // Mostly what a loop would sleep; sometimes far too long, or not at all.
                let sleep = wheel.timeToNext(now: LoopInstant(nanoseconds: now))
                let bits = UInt64.random(in: 0...34, using: &random)
                let other = UInt64.random(in: 0...(1 << bits), using: &random)
                now += Bool.random(using: &random) ? other : sleep?.nanoseconds ?? other
                wheel.advance(to: LoopInstant(nanoseconds: now))
                let timers = due(&wheel).sorted()
                let expected = oracle.advance(to: now)
                fired += expected.count
                guard timers == expected else {
                    Issue.record("step \(step): \(timers) fired, not \(expected)")
                    return
                }
            }
            let count = wheel.armedCount
            guard count == oracle.armed.count else {
                Issue.record("step \(step): \(count) armed, not \(oracle.armed.count)")
                return
            }
            let sleep = wheel.timeToNext(now: LoopInstant(nanoseconds: now))?.nanoseconds
            let longest = oracle.timeToNext(now: now)
            // Never overslept; and never woken for nothing more often than every 64 ticks.
            let toNextRound = 64 * Self.tick - (now - origin) % (64 * Self.tick)
            guard (sleep == nil) == (longest == nil), sleep ?? 0 <= longest ?? 0,
                sleep ?? .max >= min(longest ?? 0, toNextRound)
            else {
                Issue.record("step \(step): sleeps \(sleep ?? 0) ns of \(longest ?? 0)")
                return
            }
        }
        #expect(fired > 100)
    }

    @Test("Never early, at most one tick late")
    func bounds() {
        var random = SeededGenerator(seed: 7)
        var wheel = TimerWheel(capacity: 1, now: LoopInstant(nanoseconds: 12_345))
        var now: UInt64 = 12_345
        for _ in 0..<2_000 {
            let deadline = now + UInt64.random(in: 0...2_000_000_000, using: &random)
            wheel.ensure(0, by: LoopInstant(nanoseconds: deadline))
            while let sleep = wheel.timeToNext(now: LoopInstant(nanoseconds: now)) {
                now += sleep.nanoseconds
                wheel.advance(to: LoopInstant(nanoseconds: now))
                if wheel.takeDue() != nil { break }
            }
            #expect(now >= deadline)
            #expect(now <= deadline + Self.tick)
        }
    }

    @Test("An earlier deadline replaces the armed one, a later one does not")
    func rearming() {
        var wheel = TimerWheel(capacity: 2, now: .zero)
        let second = LoopInstant.zero + .seconds(1)
        wheel.ensure(0, by: .zero + .seconds(5))
        wheel.ensure(0, by: second)
        wheel.ensure(1, by: second)
        wheel.ensure(1, by: .zero + .seconds(5))
        wheel.advance(to: second + .milliseconds(5))
        let first = due(&wheel).sorted()
        #expect(first == [0, 1])
        wheel.advance(to: second + .seconds(10))
        let rest = due(&wheel)
        #expect(rest == [])
        let count = wheel.armedCount
        #expect(count == 0)
    }

    @Test("A due timer can be cancelled or armed again before it is taken")
    func betweenDueAndTaken() {
        var wheel = TimerWheel(capacity: 3, now: .zero)
        for timer in 0..<3 { wheel.ensure(timer, by: .zero + .milliseconds(1)) }
        wheel.advance(to: .zero + .milliseconds(20))
        wheel.cancel(1)
        // It fires now, which is early enough.
        wheel.ensure(2, by: .zero + .seconds(9))
        let timers = due(&wheel).sorted()
        #expect(timers == [0, 2])
        // A handler that arms its own timer gets it in a later turn.
        wheel.ensure(0, by: .zero)
        let none = wheel.takeDue()
        #expect(none == nil)
        wheel.advance(to: .zero + .milliseconds(30))
        let again = due(&wheel)
        #expect(again == [0])
    }

    @Test("What is armed for never does not fire, and does not keep the loop awake for long")
    func never() {
        var wheel = TimerWheel(capacity: 1, now: .zero)
        wheel.ensure(0, by: .never)
        wheel.advance(to: .zero + .seconds(3600))
        let timer = wheel.takeDue()
        #expect(timer == nil)
        let sleep = wheel.timeToNext(now: .zero + .seconds(3600))
        #expect(sleep.map { $0 > .zero && $0 < .seconds(1) } ?? false)
    }

    @Test("After a year, timers fire as on the first day")
    func longLife() {
        var wheel = TimerWheel(capacity: 2, now: .zero)
        let year = LoopInstant.zero + .seconds(366 * 86_400)
        wheel.advance(to: year)
        wheel.ensure(0, by: year + .milliseconds(100))
        wheel.ensure(1, by: year + .seconds(100))
        wheel.advance(to: year + .milliseconds(90))
        let early = due(&wheel)
        #expect(early == [])
        wheel.advance(to: year + .milliseconds(110))
        let first = due(&wheel)
        #expect(first == [0])
        wheel.advance(to: year + .seconds(101))
        let second = due(&wheel)
        #expect(second == [1])
    }
}
