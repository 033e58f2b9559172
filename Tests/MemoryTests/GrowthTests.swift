import Memory
import Synchronization
import Testing

@Suite("What grows")
struct GrowthTests {
    struct Cell: ~Copyable, Sendable {
        let value: Atomic<Int>
        let padding: [15 of Int]
    }

    @Test("Cells that are opened later stand where the table always was, and are zero")
    func table() {
        let table = SharedTable<Cell>(reserving: 1 << 20)
        #expect(table.open(0))
        table[0].value.store(7, ordering: .relaxed)
        // A copy from before sees what was opened after.
        let copy = table
        for index in [1, 511, 512, 513, 100_000, (1 << 20) - 1] {
            #expect(table.open(index))
            #expect(copy[index].value.load(ordering: .relaxed) == 0)
            copy[index].value.store(index, ordering: .relaxed)
        }
        #expect(table.open(0))
        #expect(table[0].value.load(ordering: .relaxed) == 7)
        #expect(table[513].value.load(ordering: .relaxed) == 513)
    }

    @Test("A slab holds many large values without moving one, and no memory for the others")
    func slab() {
        struct Large { var bytes = [4096 of UInt8](repeating: 1) }
        var slab = Slab<Large>(capacity: 1 << 24)
        let places = (0..<200).map { _ in slab.insert(Large()) }
        for (index, place) in places.enumerated() { place.value.bytes[0] = UInt8(index) }
        for (index, place) in places.enumerated() {
            #expect(place.value.bytes[0] == UInt8(index) && place.value.bytes[4095] == 1)
        }
    }

    @Test("An array that grows keeps what it holds, and each element once")
    func array() {
        final class Count { var value = 0 }
        final class Held {
            let count: Count
            init(_ count: Count) {
                self.count = count
                count.value += 1
            }
            deinit { count.value -= 1 }
        }
        let count = Count()
        do {
            var array = FixedArray<Held?>(count: 0) { _ in nil }
            for index in 0..<1000 {
                array.grow(to: index + 1) { _ in nil }
                array[index] = Held(count)
            }
            #expect(count.value == 1000)
            #expect(array.count >= 1000 && array.count < 2000)
        }
        #expect(count.value == 0)
    }
}
