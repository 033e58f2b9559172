/// When requests come, as a shape around the rate that the scenario's load asks for.
public enum ArrivalProcess: Sendable, Equatable {
    /// Independent arrivals: many clients that know nothing of each other.
    case poisson
    /// Equal gaps.
    case constant
    /// Poisson whose rate is `peak` times the mean for exponential stretches of mean length
    /// `length`, and low in between, so that the mean stays. Lengths in mean service times.
    ///
    /// - Parameter share: of the time that is high; `peak · share` is at most 1.
    case bursty(peak: Double, length: Double, share: Double)
    /// Poisson whose rate goes from one multiple of the mean to another over the run.
    case ramp(from: Double, to: Double)
    /// No rate of its own: so many clients that send, wait for the answer and send again. A
    /// strategy under which requests wait gets fewer of them, and so looks better than it is;
    /// for comparison with experiments that were made so.
    case closed(clients: Int)
    /// Measured gaps, repeated from the start when a run needs more; brought to the rate asked.
    case gaps([Double])
}
