import Memory
public import Timing

/// Deadlines in constant time, for as many timers as there are slots; more can be added.
///
/// Four wheels of 64 buckets; one tick is 2²² ns, about 4.2 ms, so the last wheel reaches 19
/// hours and anything later is looked at again then. A timer is a number that its owner
/// chooses, below `capacity`; it has one deadline at most.
///
/// Owners keep their exact deadline themselves and arm the wheel only when the new deadline
/// is *earlier* than what is armed. A busy connection whose deadline moves forward with every
/// request therefore costs nothing per request: its timer fires once in a while, finds that
/// the deadline is later, and is armed again.
///
/// A deadline never fires early; it fires at most one tick, and one turn, late.
public struct TimerWheel: ~Copyable {
    /// Public because the compiler needs it to be where the wheel is part of a generic type;
    /// nobody else has a use for it.
    public struct Node: BitwiseCopyable {
        var next: UInt32
        var previous: UInt32
        var bucket: UInt32
        /// `notArmed`, or the tick. 64 bits: with 32, ticks would run out after 208 days.
        var tick: UInt64
    }

    private static let tickShift: UInt64 = 22
    private static let none = UInt32.max
    private static let notArmed = UInt64.max
    private static let bucketCount = 256

    private var nodes: FixedArray<Node>
    /// The first timer of each bucket: four wheels, one after the other.
    private var heads: FixedArray<UInt32>
    private var occupied: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    private let origin: UInt64
    private var current: UInt64 = 0
    public private(set) var armedCount = 0
    private var due: UInt32 = none

    private static var empty: Node {
        Node(next: none, previous: none, bucket: none, tick: notArmed)
    }

    public init(capacity: Int, now: LoopInstant) {
        nodes = FixedArray(repeating: Self.empty, count: capacity)
        heads = FixedArray(repeating: Self.none, count: Self.bucketCount)
        origin = now.nanoseconds
    }

    /// Makes room for timers below `capacity`, at least.
    public mutating func grow(to capacity: Int) {
        nodes.grow(to: capacity) { _ in Self.empty }
    }

    /// The tick after which `instant` has certainly passed.
    private func tick(of instant: LoopInstant) -> UInt64 {
        guard instant.nanoseconds > origin else { return current &+ 1 }
        return (instant.nanoseconds - origin) >> Self.tickShift &+ 1
    }

    /// Makes sure that `timer` fires soon after `deadline`, and not only later: earlier arming
    /// stays as it is. O(1).
    public mutating func ensure(_ timer: Int, by deadline: LoopInstant) {
        let tick = max(tick(of: deadline), current &+ 1)
        let armed = nodes[timer].tick
        if armed != Self.notArmed {
            if armed <= tick { return }
            unlink(timer)
        }
        link(timer, tick: tick)
    }

    /// Takes `timer` out; harmless when it is not armed.
    public mutating func cancel(_ timer: Int) {
        if nodes[timer].tick != Self.notArmed { unlink(timer) }
    }

    private mutating func link(_ timer: Int, tick: UInt64) {
        let distance = tick &- current
        let level: UInt64 =
            distance < 64 ? 0 : distance < 4096 ? 1 : distance < 262_144 ? 2 : 3
        // Later than the last wheel reaches: looked at again when that bucket comes up.
        let placed = level == 3 ? min(tick, current &+ 16_515_072) : tick
        let bucket = UInt32(level * 64 + (placed >> (6 * level)) & 63)
        let head = heads[Int(bucket)]
        nodes[timer] = Node(next: head, previous: Self.none, bucket: bucket, tick: tick)
        if head != Self.none { nodes[Int(head)].previous = UInt32(timer) }
        heads[Int(bucket)] = UInt32(timer)
        mark(bucket, true)
        armedCount += 1
    }

    private mutating func unlink(_ timer: Int) {
        let node = nodes[timer]
        if node.previous != Self.none {
            nodes[Int(node.previous)].next = node.next
        } else if node.bucket != Self.none {
            heads[Int(node.bucket)] = node.next
            if node.next == Self.none { mark(node.bucket, false) }
        } else {
            due = node.next
        }
        if node.next != Self.none { nodes[Int(node.next)].previous = node.previous }
        nodes[timer].tick = Self.notArmed
        armedCount -= 1
    }

    private mutating func mark(_ bucket: UInt32, _ isOccupied: Bool) {
        let bit = UInt64(1) << UInt64(bucket & 63)
        switch bucket >> 6 {
        case 0: occupied.0 = isOccupied ? occupied.0 | bit : occupied.0 & ~bit
        case 1: occupied.1 = isOccupied ? occupied.1 | bit : occupied.1 & ~bit
        case 2: occupied.2 = isOccupied ? occupied.2 | bit : occupied.2 & ~bit
        default: occupied.3 = isOccupied ? occupied.3 | bit : occupied.3 & ~bit
        }
    }

    /// How long the loop may sleep; `nil` when nothing is armed.
    public func timeToNext(now: LoopInstant) -> Interval? {
        guard armedCount > 0 else { return nil }
        var wait: UInt64 = 64
        let place = current & 63
        if occupied.0 != 0 {
            // Rotated so that bit 0 is the current bucket.
            let rotated = occupied.0 >> place | (place == 0 ? 0 : occupied.0 << (64 - place))
            let ahead = UInt64((rotated & ~1).trailingZeroBitCount)
            wait = min(wait, ahead)
        }
        if occupied.1 | occupied.2 | occupied.3 != 0 || wait == 64 {
            // A higher wheel is opened when the lowest one comes round.
            wait = min(wait, 64 - place)
        }
        let at = origin + (current &+ wait) << Self.tickShift
        return Interval(nanoseconds: at > now.nanoseconds ? at - now.nanoseconds : 0)
    }

    /// Moves to `now`; what has become due is then taken with ``takeDue()``.
    public mutating func advance(to now: LoopInstant) {
        let target = (now.nanoseconds - min(origin, now.nanoseconds)) >> Self.tickShift
        while current < target {
            if armedCount == 0 {
                current = target
                return
            }
            current &+= 1
            if current & 63 == 0 { cascade(level: 1) }
            let bucket = current & 63
            guard occupied.0 >> bucket & 1 == 1 else { continue }
            drain(UInt32(bucket))
        }
    }

    /// The next timer that became due, which is no longer armed; `nil` when there is none.
    public mutating func takeDue() -> Int? {
        guard due != Self.none else { return nil }
        let timer = Int(due)
        unlink(timer)
        return timer
    }

    private mutating func cascade(level: UInt64) {
        guard level < 4 else { return }
        let place = (current >> (6 * level)) & 63
        if place == 0 { cascade(level: level + 1) }
        let bucket = UInt32(level * 64 + place)
        var timer = heads[Int(bucket)]
        heads[Int(bucket)] = Self.none
        mark(bucket, false)
        while timer != Self.none {
            let node = nodes[Int(timer)]
            armedCount -= 1
            if node.tick <= current {
                pushDue(Int(timer), tick: node.tick)
            } else {
                link(Int(timer), tick: node.tick)
            }
            timer = node.next
        }
    }

    private mutating func drain(_ bucket: UInt32) {
        var timer = heads[Int(bucket)]
        heads[Int(bucket)] = Self.none
        mark(bucket, false)
        while timer != Self.none {
            let node = nodes[Int(timer)]
            armedCount -= 1
            pushDue(Int(timer), tick: node.tick)
            timer = node.next
        }
    }

    private mutating func pushDue(_ timer: Int, tick: UInt64) {
        nodes[timer] = Node(next: due, previous: Self.none, bucket: Self.none, tick: tick)
        if due != Self.none { nodes[Int(due)].previous = UInt32(timer) }
        due = UInt32(timer)
        armedCount += 1
    }
}
