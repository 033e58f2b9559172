import Numerics

/// Draws one of n by weight with one random number (Vose): O(n) to make, O(1) to draw.
struct AliasTable {
    private var chances: [Double]
    private var aliases: [Int32]

    /// - Parameter weights: none negative, at least one positive.
    init(weights: [Double]) {
        let count = weights.count
        let total = weights.reduce(0, +)
        precondition(total > 0, "nothing can be drawn")
        chances = Array(repeating: 1, count: count)
        aliases = (0..<count).map { Int32($0) }
        var scaled = weights.map { $0 * Double(count) / total }
        var small = scaled.indices.filter { scaled[$0] < 1 }
        var large = scaled.indices.filter { scaled[$0] >= 1 }
        while let poor = small.popLast(), let rich = large.popLast() {
            chances[poor] = scaled[poor]
            aliases[poor] = Int32(rich)
            scaled[rich] -= 1 - scaled[poor]
            if scaled[rich] < 1 { small.append(rich) } else { large.append(rich) }
        }
    }

    func draw(_ random: inout SeededRandom) -> Int {
        let place = random.unit() * Double(chances.count)
        let index = min(Int(place), chances.count - 1)
        return place - Double(index) < chances[index] ? index : Int(aliases[index])
    }
}
