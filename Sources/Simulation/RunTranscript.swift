/// What was seen in a run that was not simulated, in the order of time, to be brought into the
/// form of one that was.
public struct RunTranscript: Sendable {
    /// Times in mean service times from the start, requests by their number in the
    /// ``TrafficPlan``.
    public enum Event: Sendable, BitwiseCopyable {
        case arrived(request: Int32)
        /// A try has come to a server.
        case picked(request: Int32, server: Int32)
        /// That try got no usable answer.
        case attemptFailed(request: Int32, server: Int32)
        case answered(request: Int32, server: Int32, after: Double)
        case failed(request: Int32, RunResult.Failure)
        case remembered(request: Int32)
        /// A server may be picked from now on.
        case joined(server: Int32)
        case left(server: Int32)
        /// A server that was taken out for a restart may be picked again.
        case returned(server: Int32)
    }

    private struct Entry: Sendable, BitwiseCopyable {
        var time: Double
        var event: Event
    }

    private var entries: [Entry] = []

    public init() {}

    public mutating func note(_ event: Event, at time: Double) {
        entries.append(Entry(time: time, event: event))
    }

    /// What two saw of the same run.
    public mutating func add(_ other: RunTranscript) { entries += other.entries }

    /// - Parameters:
    ///   - busyAtStart: slot times that each server had been busy for when counting began; as
    ///     `busyAtEnd`, for when it ended.
    ///   - slots: by server.
    ///   - weights: by server, those included that joined later.
    public func result(
        of scenario: Scenario, plan: TrafficPlan, busyAtStart: [Double], busyAtEnd: [Double],
        slots: [Int], weights: [Int]
    ) -> RunResult {
        var recorder = RunRecorder(scenario, capacity: slots.count)
        var isCounted = Array(repeating: false, count: plan.requests.count)
        var attempts = Array(repeating: UInt8(0), count: plan.requests.count)
        var isOver = Array(repeating: false, count: plan.requests.count)
        let serving = scenario.serverCount
        var weightThere = weights.prefix(serving).reduce(0, +)
        // The first of equal times first: a request comes before it is answered.
        let order = entries.indices.sorted {
            entries[$0].time != entries[$1].time ? entries[$0].time < entries[$1].time : $0 < $1
        }
        recorder.beginCounting(now: plan.countedTime.lowerBound, busy: busyAtStart)
        for index in order {
            let (time, event) = (entries[index].time, entries[index].event)
            switch event {
            case .arrived(let request):
                isCounted[Int(request)] = recorder.arrived(Int(request))
            case .picked(let request, let server):
                attempts[Int(request)] &+= 1
                let counts = isCounted[Int(request)]
                recorder.picked(Int(server), now: time, isCounted: counts)
                if attempts[Int(request)] > 1 { recorder.retried(isCounted: counts) }
            case .attemptFailed(let request, let server):
                recorder.failedAttempt(Int(server), isCounted: isCounted[Int(request)])
            case .answered(let request, let server, let duration):
                isOver[Int(request)] = true
                recorder.answered(
                    Int(server), after: duration, now: time, isCounted: isCounted[Int(request)])
            case .failed(let request, let reason):
                isOver[Int(request)] = true
                if isCounted[Int(request)] { recorder.fail(reason, count: 1) }
                recorder.failed(now: time)
            case .remembered(let request):
                recorder.hit(isCounted: isCounted[Int(request)])
            // From outside it is not to be seen how long the proxy takes it for a newcomer.
            case .joined(let server), .returned(let server):
                if case .joined = event { weightThere += weights[Int(server)] }
                recorder.joined(
                    Int(server), now: time,
                    fairShare: Double(weights[Int(server)]) / Double(max(1, weightThere)),
                    isWarming: false, countsFromStart: true)
            case .left(let server):
                weightThere -= weights[Int(server)]
                recorder.left(Int(server), now: time)
            }
        }
        recorder.endCounting(now: plan.countedTime.upperBound, busy: busyAtEnd, slots: slots)
        let unanswered = plan.counted.reduce(0) { $0 + (isCounted[$1] && !isOver[$1] ? 1 : 0) }
        if unanswered > 0 { recorder.fail(.unanswered, count: unanswered) }
        return recorder.result(names: slots.indices.map { "s\($0 + 1)" })
    }
}
