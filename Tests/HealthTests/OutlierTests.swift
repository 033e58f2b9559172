import Health
import Testing
import Timing

@Suite("Outliers")
struct OutlierTests {
    private let limits = OutlierLimits()
    private func at(_ seconds: Int) -> LoopInstant { .zero + .seconds(seconds) }

    /// Five errors at `seconds`; says whether the last one ejects.
    private func fail(_ state: inout OutlierState, at seconds: Int) -> Bool {
        for _ in 0..<4 { _ = state.failed(limits, now: at(seconds), mayEject: true) }
        return state.failed(limits, now: at(seconds), mayEject: true)
    }

    @Test("the fifth error in a row ejects, a success in between forgives")
    func consecutive() {
        var state = OutlierState()
        for round in 0..<3 {
            for _ in 0..<4 {
                #expect(state.failed(limits, now: at(round), mayEject: true) == false)
            }
            #expect(state.hasErrors)
            state.succeeded()
            #expect(!state.hasErrors)
        }
        #expect(fail(&state, at: 100))
        #expect(state.isEjected(now: at(100)))
        #expect(state.isEjected(now: at(109)))
        #expect(!state.isEjected(now: at(110)))
        #expect(state.ejectedUntil == at(110))
    }

    @Test("each ejection is twice as long as the one before, up to five minutes")
    func doubling() {
        var state = OutlierState()
        var now = 1000
        for expected in [10, 20, 40, 80, 160, 300, 300] {
            #expect(fail(&state, at: now))
            #expect(state.ejectedUntil == at(now + expected))
            now += expected
        }
    }

    @Test("a doubling is forgiven after as long a time in health")
    func forgiven() {
        var state = OutlierState()
        #expect(fail(&state, at: 0))  // 10 s, next 20
        #expect(fail(&state, at: 10))  // 20 s until 30, next 40
        #expect(fail(&state, at: 30))  // 40 s until 70, next 80
        // 40 s forgive the last doubling, 20 s more the one before, 5 s are not enough.
        #expect(fail(&state, at: 70 + 65))
        #expect(state.ejectedUntil == at(135 + 20))
        // After 20 + 10 s of health and more it is as new.
        #expect(fail(&state, at: 10_000))
        #expect(state.ejectedUntil == at(10_010))
    }

    @Test("errors of requests under way change nothing while it is out")
    func whileEjected() {
        var state = OutlierState()
        #expect(fail(&state, at: 5))
        let before = state
        for _ in 0..<20 {
            #expect(state.failed(limits, now: at(8), mayEject: true) == false)
        }
        #expect(state == before)
    }

    @Test("when no more may be out the server stays, and goes when there is room")
    func noRoom() {
        var state = OutlierState()
        for _ in 0..<70_000 {
            #expect(state.failed(limits, now: at(1), mayEject: false) == false)
        }
        #expect(state.errorCount == 65_535)
        #expect(state.failed(limits, now: at(2), mayEject: true) == true)
    }

    @Test("may be taken back early, and keeps its record")
    func readmitted() {
        var state = OutlierState()
        #expect(fail(&state, at: 0))
        state.readmit(now: at(3))
        #expect(!state.isEjected(now: at(3)))
        #expect(fail(&state, at: 4))
        #expect(state.ejectedUntil == at(4 + 20))
    }

    @Test("fits in one word, and a word of zeros is a new server")
    func word() {
        #expect(OutlierState(bits: 0) == OutlierState())
        var state = OutlierState()
        _ = fail(&state, at: 86_400 * 365 * 10)
        #expect(OutlierState(bits: state.bits).ejectedUntil == at(86_400 * 365 * 10 + 10))
        #expect(!OutlierState().isEjected(now: .zero))
    }

    @Test("half may be out, but one of two or more, and never the only one")
    func share() {
        func most(_ total: Int, _ percent: Int) -> Int {
            let limits = OutlierLimits(maximumEjectedPercent: percent)
            return (0...total).first { !limits.mayEject(alreadyEjected: $0, of: total) } ?? -1
        }
        #expect((0...7).map { most($0, 50) } == [0, 0, 1, 1, 2, 2, 3, 3])
        #expect((0...4).map { most($0, 10) } == [0, 0, 1, 1, 1])
        #expect((0...4).map { most($0, 0) } == [0, 0, 0, 0, 0])
        #expect((1...3).map { most($0, 100) } == [1, 2, 3])
    }
}
