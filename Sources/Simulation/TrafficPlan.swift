import Numerics

/// The requests of one repetition, worked out ahead: those that ``Simulator`` meets with the same
/// seed, to the last bit.
public struct TrafficPlan: Sendable {
    public struct Request: Sendable, BitwiseCopyable {
        /// When it comes, in mean service times from the start.
        public var time: Double
        /// Mean service times of a server of speed 1.
        public var size: Double
        /// −1 for none.
        public var key: Int32
        public var worker: Int32

        public init(time: Double, size: Double, key: Int32 = -1, worker: Int32 = 0) {
            self.time = time
            self.size = size
            self.key = key
            self.worker = worker
        }
    }

    /// By time; those behind ``counted`` keep the load up until the last of them has its answer.
    public let requests: [Request]
    /// Those that are judged.
    public let counted: Range<Int>

    public init(_ scenario: Scenario, seed: UInt64, repetition: Int) {
        let streams = RandomStreams(seed: seed, repetition: repetition)
        var arrivals = ArrivalClock(
            scenario, random: streams[.arrivals], switching: streams[.switching])
        let sampler = ServiceSampler(scenario.service)
        var sizing = streams[.sizes]
        var assigning = streams[.workers]
        var keying = streams[.keys]
        let lottery = scenario.keys.map { $0.lottery }
        var requests: [Request] = []
        let count = scenario.requestCount + scenario.extraRequestCount
        requests.reserveCapacity(count)
        while requests.count < count {
            let time = arrivals.next()
            guard time.isFinite else { break }
            requests.append(
                Request(
                    time: time, size: sampler.draw(&sizing),
                    key: lottery.map { Int32($0.draw(&keying)) } ?? -1,
                    worker: scenario.workers > 1 ? Int32(assigning.below(scenario.workers)) : 0))
        }
        self.requests = requests
        let last = min(requests.count, scenario.requestCount)
        counted = min(last, scenario.firstCounted)..<last
    }

    /// From the first request that counts to the last, in mean service times.
    public var countedTime: ClosedRange<Double> {
        guard let first = counted.first, let last = counted.last else { return 0...0 }
        return requests[first].time...requests[last].time
    }
}
