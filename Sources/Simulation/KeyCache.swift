/// What a server remembers of keys: the ones used lately, by the CLOCK rule.
struct KeyCache {
    private var slotOfKey: [Int32]
    private var keyOfSlot: [Int32]
    private var isUsed: [Bool]
    private var hand = 0

    init(keys: Int, capacity: Int) {
        slotOfKey = Array(repeating: -1, count: keys)
        keyOfSlot = Array(repeating: -1, count: max(1, capacity))
        isUsed = Array(repeating: false, count: max(1, capacity))
    }

    /// Whether the key was there; it is afterwards.
    mutating func touch(_ key: Int) -> Bool {
        let slot = Int(slotOfKey[key])
        if slot >= 0 {
            isUsed[slot] = true
            return true
        }
        while isUsed[hand] {
            isUsed[hand] = false
            hand = hand + 1 == keyOfSlot.count ? 0 : hand + 1
        }
        let old = Int(keyOfSlot[hand])
        if old >= 0 { slotOfKey[old] = -1 }
        keyOfSlot[hand] = Int32(key)
        slotOfKey[key] = Int32(hand)
        hand = hand + 1 == keyOfSlot.count ? 0 : hand + 1
        return false
    }

    mutating func clear() {
        for index in slotOfKey.indices { slotOfKey[index] = -1 }
        for index in keyOfSlot.indices {
            keyOfSlot[index] = -1
            isUsed[index] = false
        }
        hand = 0
    }
}
