/// Whose slot it is that a request gives back, now or when it has been held long enough.
struct SlotNote: BitwiseCopyable {
    var cell: Int
    var service: Int
    /// It was counted in ``ServiceCell/inFlight`` as well.
    var countsTotal: Bool
    /// The balancer keeps a list of idle servers.
    var wantsEnd: Bool
    /// The index of the server when the request began; −1 when that is not known any more.
    var hint: Int

    init(cell: Int, service: Int, countsTotal: Bool, wantsEnd: Bool, hint: Int) {
        self.cell = cell
        self.service = service
        self.countsTotal = countsTotal
        self.wantsEnd = wantsEnd
        self.hint = hint
    }

    /// For ``HeldSlots``: all but the hint. Cells need 12 bits and services 10.
    var number: UInt32 {
        UInt32(cell) | UInt32(service) << 12 | (countsTotal ? 1 << 22 : 0)
            | (wantsEnd ? 1 << 23 : 0)
    }

    init(number: UInt32) {
        cell = Int(number & 0xFFF)
        service = Int(number >> 12 & 0x3FF)
        countsTotal = number & 1 << 22 != 0
        wantsEnd = number & 1 << 23 != 0
        hint = -1
    }
}
