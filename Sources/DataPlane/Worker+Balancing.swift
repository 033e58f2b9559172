import Balancing
import HTTP
import HTTP1
import Linux
import Memory
import Synchronization
import Timing

// What exchanges tell the balancers: how long answers take, what servers report, and how
// another strategy would have chosen.
extension Worker where Kernel: ~Copyable {
    /// Tries before a measurement is given up to faster loops.
    private static var swapLimit: Int { 4 }

    /// The attempt was answered, or has failed: its time goes into the server's average.
    mutating func recordTime(_ turn: Turn, _ cell: Int, failed: Bool) {
        guard let service = turn.value.service else { return }
        var duration = now - turn.value.attemptBegan
        if failed {
            duration = ServerTime.failure(
                after: duration, mean: service.value.answerTimes.meanSuccess)
        } else {
            service.value.answerTimes.succeeded(after: duration)
        }
        let strategy = service.value.balancer.strategy
        update(cells[cell].time) { $0.measured(duration, by: strategy, now: now) }
        guard service.value.recordsTimesByLoad else { return }
        let load = Int(turn.value.loadClass)
        update(cells[cell].timesByLoad[load]) {
            failed ? $0.answered(after: duration, now: now) : $0.middled(after: duration, now: now)
        }
    }

    private func update(
        _ word: borrowing Atomic<UInt64>, _ change: (ServerTime) -> ServerTime
    ) {
        for _ in 0..<Self.swapLimit {
            let bits = word.load(ordering: .relaxed)
            let time = change(ServerTime(bits: bits))
            guard time.bits != bits else { return }
            let (isDone, _) = word.compareExchange(
                expected: bits, desired: time.bits, ordering: .relaxed)
            if isDone { return }
        }
    }

    // MARK: - What servers report

    /// A final head came, whose fields are in the field section: does it tell the server's load?
    mutating func noteLoad(_ turn: Turn, _ server: Server) {
        let cell = Int(turn.value.heldCell)
        guard cell >= 0, let service = turn.value.service,
            !service.value.loadHeader.isEmpty
        else { return }
        let bytes = server.value.input.bytes
        let text = service.value.roster.text.bytes
        for index in 0..<fields.count
        where bytes.isSame(
            fields[index].nameRange, as: service.value.loadHeader, of: text, ignoresCase: true)
        {
            guard let load = Self.number(bytes, fields[index].valueRange) else { return }
            let own = cells[cell].inFlight.load(ordering: .relaxed)
            let known = ReportedLoad(bits: cells[cell].reported.load(ordering: .relaxed))
            let report = known.reported(load, own: own, now: now)
            cells[cell].reported.store(report.bits, ordering: .relaxed)
            return
        }
    }

    /// A whole number of up to seven digits; `nil` for anything else.
    private static func number(_ bytes: RawSpan, _ range: ByteRange) -> Int? {
        guard (1...7).contains(Int(range.count)) else { return nil }
        var number = 0
        for position in range.lower..<range.upper {
            let digit = Int(bytes.byte(position)) - 0x30
            guard (0...9).contains(digit) else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    // MARK: - The shadow

    /// Has the shadow choose too, and counts what came of it.
    mutating func compare(_ index: Int, _ request: PickRequest, of service: Place<ServiceState>) {
        let id = service.value.id
        let choice = service.value.shadow.pick(
            service.value.roster, for: request, random: &random)
        guard let choice else { return }
        let cell = Int(service.value.roster.members[index].cell)
        let other = Int(service.value.roster.members[choice].cell)
        cells[cell].shadowedPicks.wrappingAdd(1, ordering: .relaxed)
        cells[other].shadowPicks.wrappingAdd(1, ordering: .relaxed)
        serviceCells[id].shadowedPicks.wrappingAdd(1, ordering: .relaxed)
        if cell == other { serviceCells[id].shadowAgreed.wrappingAdd(1, ordering: .relaxed) }
        let mine = service.value.roster.answerTime(index)
        let its = service.value.roster.answerTime(choice)
        guard mine.isMeasured, its.isMeasured else { return }
        serviceCells[id].shadowTimed.wrappingAdd(1, ordering: .relaxed)
        let difference =
            Int(clamping: its.average.nanoseconds) - Int(clamping: mine.average.nanoseconds)
        serviceCells[id].shadowDifference.wrappingAdd(difference, ordering: .relaxed)
    }
}
