import Configuration
import Discovery

/// What finds servers on behalf of a service: it keeps a source's sockets and timers on the
/// control loop, and says what it hears.
///
/// All of it happens on the loop's thread. What a driver reports is applied in order, batched by
/// the turn of the loop: a thousand reports of one turn are one change. A driver looks after its
/// source for ever: it connects again with a growing pause and a little chance in it, and reports
/// ``SourceReport/lost(_:)`` once each time its source goes.
protocol SourceDriver: AnyObject {
    /// Begins. Nothing is reported before this returns.
    func start()
    /// Closes everything; nothing is reported from now on.
    func stop()
    /// A check of one of its servers has ended.
    func checked(_ identity: String, hasPassed: Bool)
}

extension SourceDriver {
    func checked(_ identity: String, hasPassed: Bool) {}
}

/// What a driver has to work with.
struct SourceDesk {
    /// Descriptors, timers and messages of other threads.
    let loop: ControlLoop
    /// What the source says.
    let report: (SourceReport) -> Void
    /// A sentence for the log, for what is not a report; with whether it is a warning.
    let say: (String, Bool) -> Void
}

/// A source of a service.
struct SourceKey: Hashable {
    var service: String
    var name: ServerSet.SourceName
}

/// A driver that runs, with what it was made of.
struct RunningDriver {
    var configuration: ServiceConfiguration.Sources.Source
    var driver: any SourceDriver
}
