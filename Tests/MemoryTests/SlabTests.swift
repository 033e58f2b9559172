import Memory
import Testing

@Suite("Slab")
struct SlabTests {
    @Test("A token finds its value until the value is removed, and never the next one")
    func generations() {
        var slab = Slab<Int>(capacity: 2)
        let first = slab.insert(1)
        let token = first.token
        let found = slab.place(of: token)?.value
        #expect(found == 1)
        let removed = slab.remove(first)
        #expect(removed == 1)
        let isGone = slab.place(of: token) == nil
        #expect(isGone && !first.isValid)
        let second = slab.insert(2)
        #expect(second.token.slot == token.slot)
        #expect(second.token.generation != token.generation)
        let isStillGone = slab.place(of: token) == nil
        #expect(isStillGone)
    }

    @Test("A place reaches the value in its slot")
    func places() {
        var slab = Slab<Int>(capacity: 4)
        let place = slab.insert(7)
        place.value += 1
        let value = slab.place(of: place.token)?.value
        #expect(value == 8)
        let (byIndex, beyond) = (slab.place(at: 0)?.value, slab.place(at: 1) == nil)
        #expect(byIndex == 8 && beyond)
    }

    @Test("Random insertions and removals agree with a dictionary, to the last slot")
    func model() {
        let capacity = 64
        var slab = Slab<Int>(capacity: capacity)
        var model: [Int: Place<Int>] = [:]
        var retired: [Token] = []
        var random = SystemRandomNumberGenerator()
        for number in 0..<20_000 {
            let isFull = slab.isFull
            #expect(isFull == (model.count == capacity))
            if !isFull, model.isEmpty || Bool.random(using: &random) {
                model[number] = slab.insert(number)
            } else if let (key, place) = model.randomElement(using: &random) {
                retired.append(place.token)
                let removed = slab.remove(place)
                #expect(removed == key)
                model[key] = nil
            }
            if let (key, place) = model.randomElement(using: &random) {
                let value = slab.place(of: place.token)?.value
                #expect(value == key)
            }
            if let token = retired.randomElement(using: &random) {
                let isGone = slab.place(of: token) == nil
                #expect(isGone)
            }
        }
    }

    @Test("What is still inside goes with the slab, once")
    func deinitialization() {
        final class Witness {}
        weak var witness: Witness?
        do {
            var slab = Slab<Witness>(capacity: 3)
            let object = Witness()
            witness = object
            _ = slab.insert(object)
        }
        #expect(witness == nil)
    }
}
