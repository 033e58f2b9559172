import Configuration
import DataPlane
import Discovery
import Linux
import Logging
import TLS

// Services and routes from labels stand beside those of the file, which win where both say
// something.
extension ControlPlane {
    /// After every change of the file: starts what it asks for, stops what it does not.
    func renewCatalogue() {
        guard catalogue?.configuration != base.catalogue else {
            catalogue?.listenersChanged()
            return
        }
        catalogue?.stop()
        catalogue = base.catalogue.map { configuration in
            CatalogueKeeper(
                configuration, engines, loop: loop,
                listeners: { [unowned self] in
                    base.listeners.filter { !$0.isTunnel }.map(\.name)
                },
                changed: { [unowned self] keeper in catalogueChanged(keeper) })
        }
        saidCatalogue = nil
        if catalogue == nil { knownCatalogue = nil }
        catalogue?.start()
    }

    /// The configuration that runs: what was read, and what labels say besides.
    func effective(_ base: ProxyConfiguration) -> ProxyConfiguration {
        guard let docker = base.catalogue, let known = knownCatalogue else { return base }
        var result = base
        let taken = Set(base.services.map(\.name))
        var served: Set<String> = []
        // Those for which there is no number are left out.
        var room = serviceNumbers.freeCount
        room -= base.services.count { serviceIDs[$0.name] == nil }
        for service in known.services where !taken.contains(service.name) {
            if serviceIDs[service.name] == nil {
                guard room > 0 else { continue }
                room -= 1
            }
            served.insert(service.name)
            var service = service
            service.discover = ServiceConfiguration.Sources()
            service.discover?.list = [.docker(docker)]
            result.services.append(service)
        }
        let own = Dictionary(grouping: base.routes) { $0.label }
        let more = known.routes.filter { route in
            guard case .service(let name) = route.action else { return false }
            return served.contains(name)
                && !own[route.label, default: []].contains { route.yields(to: $0) }
        }
        if !more.isEmpty { result.routes = RouteConfiguration.inOrder(base.routes + more) }
        return result
    }

    private func catalogueChanged(_ keeper: CatalogueKeeper) {
        guard !isStopping else { return }
        sayWhatChanged(keeper)
        // One that has just begun knows nothing yet: what another one knew stands.
        if keeper.standing.lastSync != nil { knownCatalogue = keeper.catalogue }
        let wanted = effective(base)
        sayUnplaced(wanted)
        guard wanted != file else { return }
        enqueue { [unowned self] done in
            prepare(effective(base), live) { [unowned self] prepared in
                defer { done() }
                switch prepared {
                case .ready(let change):
                    let receipt = commit(change).receipt
                    if !receipt.isEmpty { log.info("labels: \(receipt.sentence)") }
                case .refused(let problem):
                    log.error("what labels say cannot be used: \(problem.title)")
                case .unresolved(let unresolved):
                    log.error("what labels say cannot be used: \(unresolved.reason)")
                case .unusable(let failure):
                    log.error("what labels say cannot be used: \(failure.problem.sentence)")
                }
            }
        }
    }

    private func sayUnplaced(_ wanted: ProxyConfiguration) {
        let names = Set(wanted.services.map(\.name))
        let count = knownCatalogue?.services.count { !names.contains($0.name) } ?? 0
        defer { unplacedServiceCount = count }
        guard count > unplacedServiceCount else { return }
        log.warning(
            "\(count) services of labels are left out: a process has at most "
                + "\(Bounds.services)")
    }

    private func sayWhatChanged(_ keeper: CatalogueKeeper) {
        let before = saidCatalogue
        let now = keeper.standing
        saidCatalogue = now
        let known = Set(before?.warnings ?? [])
        for warning in now.warnings where !known.contains(warning) {
            log.warning("\(warning.text)")
        }
        guard before?.condition != now.condition || before?.reason != now.reason else { return }
        switch now.condition {
        case .lost:
            let reason = now.reason ?? ""
            log.warning("docker is lost, everything stays as it is known: \(reason)")
        case .connected where before?.condition == .lost || before?.condition == .resyncing:
            log.info("docker is back")
        case .resyncing:
            let reason = now.reason ?? ""
            log.warning("docker is asked again: \(reason)")
        case .connected, .connecting: break
        }
    }
}
