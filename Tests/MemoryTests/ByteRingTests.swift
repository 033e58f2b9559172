import Glibc
import Memory
import Testing

@Suite("Byte ring")
struct ByteRingTests {
    private func append(
        _ bytes: [UInt8], to producer: inout ByteRingProducer
    ) -> Bool {
        guard producer.begin(byteCount: bytes.count) else { return false }
        unsafe producer.write(bytes.span.bytes)
        producer.commit()
        return true
    }

    private func first(_ consumer: borrowing ByteRingConsumer) -> [UInt8] {
        let span = consumer.first
        return (0..<span.byteCount).map { span.byte($0) }
    }

    @Test("gives back what was put in, in order")
    func order() {
        var consumer = ByteRingConsumer(capacity: 256)
        var producer = consumer.makeProducer()
        #expect(first(consumer).isEmpty)
        let isEmpty = consumer.isEmpty
        #expect(isEmpty)
        for round in 0..<100 {
            let one = Array(repeating: UInt8(round), count: 1 + round % 40)
            let two: [UInt8] = [1, 2, UInt8(round)]
            #expect(append(one, to: &producer))
            #expect(append(two, to: &producer))
            #expect(first(consumer) == one)
            consumer.removeFirst()
            #expect(first(consumer) == two)
            consumer.removeFirst()
            #expect(first(consumer).isEmpty)
        }
        #expect(producer.droppedCount == 0)
    }

    @Test("a record is not seen before it is committed")
    func uncommitted() {
        var consumer = ByteRingConsumer(capacity: 256)
        var producer = consumer.makeProducer()
        let isReserved = producer.begin(byteCount: 24)
        #expect(isReserved)
        producer.write(word: 0x0807_0605_0403_0201)
        let text: [UInt8] = Array(repeating: 7, count: 8)
        unsafe producer.write(text.span.bytes)
        #expect(first(consumer).isEmpty)
        producer.write(word: 1)
        #expect(first(consumer).isEmpty)
        producer.commit()
        #expect(first(consumer).prefix(9) == [1, 2, 3, 4, 5, 6, 7, 8, 7])
        let word = consumer.first.word(16)
        #expect(word == 1)
    }

    @Test("a full ring drops and counts, and works on when there is room")
    func full() {
        var consumer = ByteRingConsumer(capacity: 64)
        var producer = consumer.makeProducer()
        // Each takes 16 bytes: four fit.
        for number in 0..<4 { #expect(append([UInt8(number)], to: &producer)) }
        #expect(!append([9], to: &producer))
        #expect(!append([9], to: &producer))
        let dropped = consumer.droppedCount
        #expect(dropped == 2)
        #expect(first(consumer) == [0])
        consumer.removeFirst()
        #expect(append([4], to: &producer))
        for number in 1...4 {
            #expect(first(consumer) == [UInt8(number)])
            consumer.removeFirst()
        }
    }

    @Test("a record beyond half the ring is dropped, one of half always fits an empty ring")
    func large() {
        var consumer = ByteRingConsumer(capacity: 128)
        var producer = consumer.makeProducer()
        #expect(!append(Array(repeating: 1, count: 57), to: &producer))
        for size in 1...56 {
            #expect(append(Array(repeating: 2, count: size), to: &producer))
            #expect(first(consumer).count == size)
            consumer.removeFirst()
        }
    }

    @Test("behaves as a queue of bounded bytes under any sequence of calls", arguments: 0..<20)
    func model(seed: UInt64) {
        var consumer = ByteRingConsumer(capacity: 512)
        var producer = consumer.makeProducer()
        var queue: [[UInt8]] = []
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func draw(_ bound: UInt64) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % bound)
        }
        var dropped: UInt64 = 0
        for step in 0..<5000 {
            if draw(2) == 0 {
                let record = (0..<1 + draw(120)).map { UInt8(truncatingIfNeeded: $0 + step) }
                if append(record, to: &producer) {
                    queue.append(record)
                } else {
                    dropped += 1
                    #expect(queue.reduce(0) { $0 + $1.count + 15 } + 136 > 256)
                }
            } else if !queue.isEmpty {
                #expect(first(consumer) == queue.removeFirst())
                consumer.removeFirst()
            }
        }
        #expect(producer.droppedCount == dropped)
    }

    @Test("either end may go first")
    func ends() {
        var consumer = ByteRingConsumer(capacity: 64)
        do {
            var producer = consumer.makeProducer()
            #expect(append([1, 2, 3], to: &producer))
        }
        #expect(first(consumer) == [1, 2, 3])

        var left = Ends()
        do {
            var other = ByteRingConsumer(capacity: 64)
            left.producer = other.makeProducer()
        }
        left.appendOne()
    }

    private struct Ends: ~Copyable {
        var producer: ByteRingProducer?
        mutating func appendOne() {
            guard var taken = producer.take() else { return }
            if taken.begin(byteCount: 8) {
                taken.write(word: 1)
                taken.commit()
            }
        }
    }

    @Test("two threads: nothing is torn, lost or out of order, and drops are counted")
    func threads() async {
        var consumer = ByteRingConsumer(capacity: 4096)
        let producer = consumer.makeProducer()
        let total: UInt64 = 200_000
        let box = Box(producer)
        let task = Task.detached { box.run(total: total) }

        var last: UInt64 = 0
        var received: UInt64 = 0
        var torn = 0
        var isDone = false
        while !isDone {
            while !consumer.isEmpty {
                let (number, isWhole) = check(consumer.first)
                if number == .max {
                    isDone = true
                } else {
                    if !isWhole || number <= last { torn += 1 }
                    last = number
                    received += 1
                }
                consumer.removeFirst()
            }
            sched_yield()
        }
        let dropped = await task.value
        #expect(torn == 0)
        #expect(received + dropped.numbers == total)
        let counted = consumer.droppedCount
        #expect(counted == dropped.numbers + dropped.ends)
    }

    /// A record is its number, and as many copies of it as it says.
    private func check(_ record: RawSpan) -> (number: UInt64, isWhole: Bool) {
        let number = record.word(0)
        var isWhole = record.byteCount == 8 + Int(number % 16) * 8 || number == .max
        for offset in stride(from: 8, to: record.byteCount, by: 8)
        where record.word(offset) != number { isWhole = false }
        return (number, isWhole)
    }

    /// Takes a producer over to another thread.
    private final class Box: @unchecked Sendable {
        var producer: ByteRingProducer?
        init(_ producer: consuming ByteRingProducer) { self.producer = consume producer }

        /// - Returns: the numbers that were dropped, and how often the end was before it fitted.
        func run(total: UInt64) -> (numbers: UInt64, ends: UInt64) {
            guard var producer = producer.take() else { return (0, 0) }
            var dropped: UInt64 = 0
            for number in 1...total {
                let words = Int(number % 16)
                guard producer.begin(byteCount: 8 + words * 8) else {
                    dropped += 1
                    sched_yield()
                    continue
                }
                for _ in 0...words { producer.write(word: number) }
                producer.commit()
            }
            // The end must arrive.
            var lost: UInt64 = 0
            while !producer.begin(byteCount: 8) {
                lost += 1
                sched_yield()
            }
            producer.write(word: .max)
            producer.commit()
            return (dropped, lost)
        }
    }
}
