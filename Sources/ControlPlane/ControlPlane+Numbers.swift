import DataPlane
import Memory
import Synchronization

// The numbers of services: what the loops know them by. A number belongs to a name for as long
// as a loop may use it for that name, and to another one after that.
extension ControlPlane {
    /// The number of a service that begins, or comes back before it was forgotten.
    func serviceID(for name: String) -> Int {
        retiredServices[name] = nil
        if let known = serviceIDs[name] { return known }
        guard let id = serviceNumbers.take(), serviceCells.open(id) else {
            preconditionFailure("there was room for it when the change was prepared")
        }
        serviceIDs[name] = id
        return id
    }

    /// The services are gone, and the loops have been told.
    func retire(_ services: [ServiceEntry]) {
        guard !services.isEmpty else { return }
        afterEveryLoop { [unowned self] in releaseServices() }
        for service in services { retiredServices[service.name] = requestedReportCount }
    }

    /// Frees the numbers that no loop uses any more: none has a request of theirs, or a slot
    /// that is held for one.
    func releaseServices() {
        guard !retiredServices.isEmpty else { return }
        let heard = receivedReportCounts.min() ?? 0
        var used: Set<Int> = []
        for case .some(let report) in reports {
            for entry in report.services { used.insert(entry.service) }
        }
        for server in serverOfCell.values { used.insert(server.service.id) }
        for (name, count) in retiredServices {
            guard heard >= count, let id = serviceIDs[name], !used.contains(id),
                serviceCells[id].waiting.load(ordering: .relaxed) == 0,
                serviceCells[id].inFlight.load(ordering: .relaxed) == 0
            else { continue }
            forgetShadow(ofNumber: id)
            retiredServices[name] = nil
            serviceIDs[name] = nil
            serviceNumbers.giveBack(id)
        }
    }
}
