import Linux
import Resolving
import Timing

/// Name servers, asked from the control loop: c-ares has its sockets there and nobody waits.
final class NameService {
    typealias Completion = (Resolver.Answer) -> Void

    /// A resolver reads `/etc/resolv.conf` once. One that has nothing to do is closed after this
    /// time, so that a change of that file is seen, and name servers that are no longer named
    /// cost nothing.
    private static let lifetime = Interval.seconds(10)

    /// One resolver on the loop, and who waits for it.
    private final class Desk {
        let resolver: Resolver
        let settings: Resolver.Settings
        let made = Clock.monotonic()
        var watch: ControlLoop.Watch?
        var timer: ControlLoop.Timer?
        var waiting: [Resolver.Ticket: Completion] = [:]

        init(_ resolver: Resolver, _ settings: Resolver.Settings) {
            self.resolver = resolver
            self.settings = settings
        }
    }

    /// Who is asked when nobody is named, as `host:port`; empty for those of the system.
    var nameServers: [String] = []
    private let loop: ControlLoop
    private var desks: [Resolver.Settings: Desk] = [:]

    init(_ loop: ControlLoop) { self.loop = loop }

    /// Asks, and calls `completion` once, later.
    ///
    /// - Parameter nameServers: whom to ask, as `host:port`; empty for ``nameServers``.
    func ask(
        _ question: Question, of nameServers: [String] = [], _ completion: @escaping Completion
    ) {
        var settings = Resolver.Settings()
        settings.nameServers = nameServers.isEmpty ? self.nameServers : nameServers
        do throws(Errno) {
            let desk = try desk(for: settings)
            desk.waiting[desk.resolver.ask(question)] = completion
            // The hosts file answers at once, and nobody is called back from within his call.
            loop.after(.zero) { [self] in settle(desk) }
        } catch {
            let failure = ResolvingFailure(.other, "the resolver cannot start: \(error)")
            loop.after(.zero) { completion(.failure(failure)) }
        }
    }

    private func desk(for settings: Resolver.Settings) throws(Errno) -> Desk {
        if let desk = desks[settings] {
            let isFresh = Clock.monotonic() - desk.made < Self.lifetime
            if isFresh || !desk.waiting.isEmpty { return desk }
            forget(desk)
        }
        let desk = Desk(try Resolver(settings), settings)
        desk.watch = try loop.watch(desk.resolver.descriptor, .level) { [self] _ in
            desk.resolver.proceed()
            settle(desk)
        }
        desks[settings] = desk
        return desk
    }

    private func forget(_ desk: Desk) {
        desks[desk.settings] = nil
        if let watch = desk.watch { loop.unwatch(desk.resolver.descriptor, watch) }
        if let timer = desk.timer { loop.cancel(timer) }
        desk.watch = nil
        desk.timer = nil
    }

    /// Hands out what has come, and sees to it that what takes too long is given up.
    private func settle(_ desk: Desk) {
        let answers = desk.resolver.takeAnswers()
        if let timer = desk.timer { loop.cancel(timer) }
        desk.timer = nil
        if desk.watch != nil, let timeout = desk.resolver.timeout {
            desk.timer = loop.after(timeout) { [self] in
                desk.timer = nil
                desk.resolver.proceed()
                settle(desk)
            }
        } else if desk.watch != nil {
            desk.timer = loop.after(Self.lifetime) { [self] in
                desk.timer = nil
                if desk.waiting.isEmpty { forget(desk) }
            }
        }
        for (ticket, answer) in answers { desk.waiting.removeValue(forKey: ticket)?(answer) }
    }
}
