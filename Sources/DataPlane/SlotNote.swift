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

    /// For ``HeldSlots``: all but the hint. Numbers of servers and services are below 2^31 and
    /// 2^30 (``Bounds``).
    var number: UInt64 {
        UInt64(truncatingIfNeeded: cell) & 0x7FFF_FFFF
            | (UInt64(truncatingIfNeeded: service) & 0x3FFF_FFFF) << 31
            | (countsTotal ? 1 << 62 : 0) | (wantsEnd ? 1 << 63 : 0)
    }

    init(number: UInt64) {
        cell = Int(number & 0x7FFF_FFFF)
        service = Int(number >> 31 & 0x3FFF_FFFF)
        countsTotal = number & 1 << 62 != 0
        wantsEnd = number & 1 << 63 != 0
        hint = -1
    }
}
