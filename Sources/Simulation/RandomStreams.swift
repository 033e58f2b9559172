import Numerics

/// The independent sources of chance of one repetition: which one is drawn from never changes
/// what the others give, so that every strategy, and every engine, meets the same requests and
/// the same accidents.
struct RandomStreams {
    enum Purpose: UInt64 {
        case arrivals = 1
        case switching
        case sizes
        case workers
        case keys
        case failures
        case picks
        case proxy
    }

    private let base: UInt64

    init(seed: UInt64, repetition: Int) {
        base = SeededRandom.mixed(seed &+ SeededRandom.mixed(UInt64(repetition) &+ 1))
    }

    subscript(purpose: Purpose) -> SeededRandom {
        SeededRandom(seed: base, stream: purpose.rawValue)
    }

    /// The neighbours of one server.
    func antagonists(of server: Int) -> SeededRandom {
        SeededRandom(seed: base, stream: 1000 + UInt64(server))
    }
}
