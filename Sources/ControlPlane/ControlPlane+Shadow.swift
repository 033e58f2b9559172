import Balancing
import Configuration
import DataPlane
import Discovery
import Memory
import Synchronization
import Timing

extension ControlPlane {
    /// What the strategy that runs beside would have done so far.
    func shadowAnswer(of service: ServiceEntry) -> ServiceAnswer.Shadow? {
        guard let strategy = service.configuration.balance.shadow else { return nil }
        let picks = serviceCells[service.id].shadowedPicks.load(ordering: .relaxed)
        let agreed = serviceCells[service.id].shadowAgreed.load(ordering: .relaxed)
        let timed = serviceCells[service.id].shadowTimed.load(ordering: .relaxed)
        let difference = serviceCells[service.id].shadowDifference.load(ordering: .relaxed)
        func share(_ count: Int) -> Double { picks > 0 ? Double(count) / Double(picks) : 0 }
        return ServiceAnswer.Shadow(
            strategy: strategy.rawValue, picks: picks, agreement: share(agreed),
            differenceMs: timed > 0 ? Double(difference) / Double(timed) / 1e6 : nil,
            shares: service.servers.map { server in
                let cell = server.cell
                return ServiceAnswer.Shadow.Share(
                    id: server.id,
                    share: share(cells[cell].shadowedPicks.load(ordering: .relaxed)),
                    shadow: share(cells[cell].shadowPicks.load(ordering: .relaxed)))
            })
    }

    /// Counts anew: the strategies that were compared are not the ones that are.
    func forgetShadow(of service: ServiceEntry) {
        forgetShadow(ofNumber: service.id)
        for server in service.servers {
            cells[server.cell].shadowedPicks.store(0, ordering: .relaxed)
            cells[server.cell].shadowPicks.store(0, ordering: .relaxed)
        }
    }

    func forgetShadow(ofNumber id: Int) {
        serviceCells[id].shadowedPicks.store(0, ordering: .relaxed)
        serviceCells[id].shadowAgreed.store(0, ordering: .relaxed)
        serviceCells[id].shadowDifference.store(0, ordering: .relaxed)
        serviceCells[id].shadowTimed.store(0, ordering: .relaxed)
    }

    /// Whether so few servers are healthy that all of them take requests.
    func isPanicking(_ service: ServiceEntry) -> Bool {
        let candidates = service.servers.filter {
            $0.operatorState == .up && !$0.isLeaving && $0.configuration.weight > 0
        }
        return PanicThreshold(percent: service.configuration.balance.panicPercent).isBelow(
            healthy: candidates.count { $0.isUp && !isEjected($0) }, of: candidates.count)
    }
}
