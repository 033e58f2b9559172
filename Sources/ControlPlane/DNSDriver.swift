import Configuration
import Discovery
import Linux
import Resolving
import Timing

/// The servers behind a name, asked for again whenever the answer expires.
final class DNSDriver: SourceDriver {
    private let dns: DNSDiscovery
    private let desk: SourceDesk
    private let names: NameService
    private var timer: ControlLoop.Timer?
    private var isStopped = false
    private var isLost = false
    private var isAbsent = false
    private var failureCount = 0
    /// Of one round over SRV targets.
    private var round: Round?

    /// The addresses of the targets, as they come.
    private struct Round {
        var services: [ServiceRecord]
        var addresses: [String: [AddressRecord]]
        var missing: Set<String>
        var shortest: Interval
        var failure: ResolvingFailure?

        mutating func shorten(to time: Interval) { shortest = min(shortest, time) }
    }

    init(_ dns: DNSDiscovery, _ desk: SourceDesk, _ names: NameService) {
        self.dns = dns
        self.desk = desk
        self.names = names
    }

    func start() { ask() }

    func stop() {
        isStopped = true
        if let timer { desk.loop.cancel(timer) }
        timer = nil
    }

    private func ask() {
        let kind: Question.Kind =
            switch dns.kind {
            case .ipv4: .ipv4
            case .ipv6: .ipv6
            case .services: .services
            }
        names.ask(Question(dns.name, kind), of: dns.nameServers) { [weak self] answer in
            guard let self, !isStopped else { return }
            switch answer {
            case .success(.addresses(let records)):
                let shortest = records.map(\.timeToLive).min() ?? .zero
                succeed(DNSServers.servers(of: records, dns), shortest)
            case .success(.services(let message)): look(into: message)
            case .failure(let failure): fail(failure)
            }
        }
    }

    // MARK: - SRV

    private func look(into message: ServiceMessage) {
        let targets = Set(message.services.map(\.target)).subtracting([""])
        let times =
            message.services.map(\.timeToLive)
            + message.addresses.values.flatMap { $0.map(\.timeToLive) }
        round = Round(
            services: message.services, addresses: message.addresses,
            missing: targets.subtracting(message.addresses.keys),
            shortest: times.min() ?? .zero)
        for target in round?.missing ?? [] {
            names.ask(Question(target, .addresses), of: dns.nameServers) { [weak self] answer in
                self?.learn(answer, of: target)
            }
        }
        finishRound()
    }

    private func learn(_ answer: Resolver.Answer, of target: String) {
        guard !isStopped else { return }
        round?.missing.remove(target)
        switch answer {
        case .success(.addresses(let records)):
            round?.addresses[target] = records
            for record in records { round?.shorten(to: record.timeToLive) }
        case .success: break
        case .failure(let failure):
            // A target that does not exist has no server; one that could not be asked for may.
            if !failure.isAnswer { round?.failure = failure }
        }
        finishRound()
    }

    private func finishRound() {
        guard let round, round.missing.isEmpty else { return }
        self.round = nil
        if let failure = round.failure { return fail(failure) }
        succeed(
            DNSServers.servers(of: round.services, addresses: round.addresses, dns),
            round.shortest)
    }

    // MARK: - Outcomes

    private func succeed(_ servers: [DiscoveredServer], _ shortest: Interval) {
        failureCount = 0
        isLost = false
        isAbsent = false
        desk.report(.snapshot(servers))
        askAgain(after: DNSServers.pause(after: shortest, dns.refresh))
    }

    /// That there is no such name, and no address, is an answer; everything else is none, and
    /// what is known stays.
    private func fail(_ failure: ResolvingFailure) {
        if failure.isAnswer {
            failureCount = 0
            isLost = false
            if !isAbsent { desk.say("\(dns.name): \(failure)", true) }
            isAbsent = true
            desk.report(.snapshot([]))
            return askAgain(after: DNSServers.pauseWhileAbsent)
        }
        failureCount += 1
        if !isLost {
            isLost = true
            desk.report(.lost("\(dns.name): \(failure)"))
        }
        askAgain(after: DNSServers.pause(afterFailures: failureCount))
    }

    private func askAgain(after pause: Interval) {
        // Up to a tenth later, so that many that began together do not go on together.
        let extra = UInt64.random(in: 0...pause.nanoseconds / 10)
        timer = desk.loop.after(Interval(nanoseconds: pause.nanoseconds + extra)) {
            [weak self] in
            guard let self, !isStopped else { return }
            timer = nil
            ask()
        }
    }
}
