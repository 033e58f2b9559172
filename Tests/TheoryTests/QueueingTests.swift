import Testing
import Theory

/// The table that an implementation is checked against; computed independently.
struct ClosedFormRow: Sendable, CustomTestStringConvertible {
    var load: Double
    var single: Double
    /// Of 2, 3, 4 and 5 choices.
    var choices: [Double]
    /// Over 2, 10 and 100 servers.
    var rotation: [Double]
    var central: [Double]
    var testDescription: String { "load \(load)" }

    static let all: [ClosedFormRow] = [
        .init(
            load: 0.50, single: 2, choices: [1.26569, 1.12524, 1.06250, 1.03125],
            rotation: [1.61803, 1.32464, 1.26186], central: [1.33333, 1.00722, 1.00000]),
        .init(
            load: 0.70, single: 3.3333, choices: [1.61445, 1.35684, 1.24090, 1.16809],
            rotation: [2.60062, 2.01980, 1.89048], central: [1.96078, 1.07391, 1.00002]),
        .init(
            load: 0.80, single: 5, choices: [1.94736, 1.58089, 1.42113, 1.32892],
            rotation: [3.84398, 2.92227, 2.71566], central: [2.77778, 1.20459, 1.00098]),
        .init(
            load: 0.90, single: 10, choices: [2.61406, 2.02786, 1.77782, 1.63288],
            rotation: [7.58828, 5.66028, 5.22681], central: [5.26316, 1.66873, 1.02169]),
        .init(
            load: 0.95, single: 20, choices: [3.38305, 2.53513, 2.18644, 1.98877],
            rotation: [15.0857, 11.1550, 10.2707], central: [10.2564, 2.65117, 1.10129]),
        .init(
            load: 0.99, single: 100, choices: [5.43200, 3.85785, 3.24120, 2.90168],
            rotation: [75.0838, 55.1510, 50.6661], central: [50.2513, 10.6374, 1.88277]),
    ]
}

@Suite("Closed forms")
struct QueueingTests {
    private func isClose(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-5 * max(1, b) }

    @Test("are those of the table", arguments: ClosedFormRow.all)
    func table(_ row: ClosedFormRow) {
        let load = row.load
        #expect(abs(Queueing.singleServerMean(load: load) - row.single) < 1e-4)
        for (choices, expected) in zip(2...5, row.choices) {
            let mean = Queueing.supermarketMean(choices: choices, load: load)
            #expect(isClose(mean, expected), "d = \(choices): \(mean)")
        }
        for (servers, expected) in zip([2, 10, 100], row.rotation) {
            let mean = Queueing.rotationMean(servers: servers, load: load)
            #expect(isClose(mean, expected), "E_\(servers)/M/1: \(mean)")
        }
        for (servers, expected) in zip([2, 10, 100], row.central) {
            let mean = Queueing.centralQueueMean(servers: servers, load: load)
            #expect(isClose(mean, expected), "M/M/\(servers): \(mean)")
        }
    }

    @Test("of general service have their known special cases")
    func generalService() {
        #expect(
            Queueing.generalServiceMean(load: 0.8, scv: 1) == Queueing.singleServerMean(load: 0.8))
        #expect(abs(Queueing.generalServiceMean(load: 0.5, scv: 0) - 1.5) < 1e-12)
        #expect(Queueing.generalServiceMean(load: 0.5, scv: .infinity) == .infinity)
        #expect(Queueing.processorSharingMean(load: 0.75) == 4)
    }

    /// A mean is the area under the tail.
    private func area(_ tail: (Double) -> Double, to end: Double) -> Double {
        let step = end / 4000
        var sum = (tail(0) + tail(end)) / 2
        for index in 1..<4000 { sum += tail(Double(index) * step) }
        return sum * step
    }

    @Test("have tails that begin at 1, fall, and hold the mean", arguments: [0.5, 0.8, 0.9])
    func tails(load: Double) {
        let end = 60 / (1 - load)
        let cases: [(Double, (Double) -> Double)] = [
            (Queueing.singleServerMean(load: load), { Queueing.singleServerTail($0, load: load) }),
            (
                Queueing.supermarketMean(choices: 2, load: load),
                { Queueing.supermarketTail($0, choices: 2, load: load) }
            ),
            (
                Queueing.rotationMean(servers: 10, load: load),
                { Queueing.rotationTail($0, servers: 10, load: load) }
            ),
            (
                Queueing.centralQueueMean(servers: 10, load: load),
                { Queueing.centralQueueTail($0, servers: 10, load: load) }
            ),
        ]
        for (mean, tail) in cases {
            #expect(abs(tail(0) - 1) < 1e-9)
            #expect(tail(1) > tail(2) && tail(2) > tail(4))
            #expect(abs(area(tail, to: end) - mean) < 0.01 * mean)
        }
    }

    @Test("give percentiles: p99 of one server is 4.605 means")
    func percentiles() {
        let p99 = Queueing.quantile(0.99) { Queueing.singleServerTail($0, load: 0.9) }
        #expect(abs(p99 - 46.0517) < 1e-3)
    }
}
