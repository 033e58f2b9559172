import Configuration
import Simulation
import YAML

/// Servers, arrivals and keys.
extension ScenarioReader {
    private static let groupKeys = [
        "count", "speed", "slots", "discipline", "weight", "backup", "antagonist", "cold",
    ]

    /// `10`, one group, or a list of groups.
    func groups(_ entry: YAMLEntry) -> [ServerGroup] {
        var groups: [ServerGroup] = []
        switch entry.value.content {
        case .scalar:
            var count = 1
            read(entry, into: &count) { Value.integer($0, in: 1...10_000) }
            groups = [ServerGroup(count: count)]
        case .map:
            groups = [group(entry.value, in: ["servers"])]
        case .list(let items):
            groups = items.enumerated().map { group($1, in: ["servers", String($0)]) }
        }
        let total = groups.reduce(0) { $0 + $1.count }
        if total < 1 || total > 10_000 {
            report(
                .outOfRange, "a scenario has from 1 to 10000 servers, and this has \(total)",
                at: entry.value.place, key: ["servers"], help: "change the counts of its groups")
        }
        return groups
    }

    func group(_ node: YAMLNode, in path: [String]) -> ServerGroup {
        var group = ServerGroup()
        each(node, known: Self.groupKeys, in: path) { entry in
            switch entry.key {
            case "count":
                read(entry, in: path, into: &group.count) { Value.integer($0, in: 1...10_000) }
            case "speed":
                read(entry, in: path, into: &group.speed) { Value.number($0, in: 0.001...1000) }
            case "slots":
                read(entry, in: path, into: &group.slots) { Value.integer($0, in: 1...100_000) }
            case "discipline":
                read(entry, in: path, into: &group.discipline) {
                    Value.word($0, of: ServerGroup.Discipline.self)
                }
            case "weight":
                read(entry, in: path, into: &group.weight) { Value.integer($0, in: 1...1000) }
            case "backup":
                read(entry, in: path, into: &group.isBackup, Value.boolean)
            case "antagonist":
                group.antagonist = antagonist(entry.value, in: path + [entry.key])
            default:
                group.coldStart = coldStart(entry.value, in: path + [entry.key])
            }
        }
        return group
    }

    private func antagonist(_ node: YAMLNode, in path: [String]) -> Antagonist {
        var antagonist = Antagonist(every: 100, lasts: 10, speed: 0.5)
        each(node, known: ["every", "lasts", "speed"], in: path) { entry in
            switch entry.key {
            case "every":
                read(entry, in: path, into: &antagonist.every) {
                    Value.number($0, in: 0.001...1_000_000)
                }
            case "lasts":
                read(entry, in: path, into: &antagonist.lasts) {
                    Value.number($0, in: 0.001...1_000_000)
                }
            default:
                read(entry, in: path, into: &antagonist.speed) { Value.number($0, in: 0...1) }
            }
        }
        return antagonist
    }

    func coldStart(_ node: YAMLNode, in path: [String]) -> ColdStart {
        var cold = ColdStart(factor: 1)
        each(node, known: ["factor", "requests", "time"], in: path) { entry in
            switch entry.key {
            case "factor":
                read(entry, in: path, into: &cold.factor) { Value.number($0, in: 1...1000) }
            case "requests":
                read(entry, in: path, into: &cold.requests) {
                    Value.integer($0, in: 1...1_000_000)
                }
            default:
                read(entry, in: path, into: &cold.time) {
                    Value.number($0, in: 0.001...1_000_000)
                }
            }
        }
        if cold.requests == 0, cold.time == 0 {
            report(
                .missingKey, "a cold start ends after some 'requests' or some 'time'",
                at: node.place, key: path, help: "write 'requests: 100'")
        }
        return cold
    }

    /// `poisson`, `constant`, or a map of one key: `bursty`, `ramp` or `closed`.
    func arrivals(_ entry: YAMLEntry) -> ArrivalProcess? {
        if case .scalar = entry.value.content {
            switch word(entry, ["poisson", "constant"]) {
            case "poisson": return .poisson
            case "constant": return .constant
            default: return nil
            }
        }
        var result: ArrivalProcess?
        let path = ["arrivals"]
        each(entry.value, known: ["bursty", "ramp", "closed"], in: path) { kind in
            switch kind.key {
            case "ramp": result = ramp(kind)
            case "closed": result = closed(kind)
            default: result = bursty(kind)
            }
        }
        return result
    }

    private func closed(_ kind: YAMLEntry) -> ArrivalProcess {
        var clients = 1
        let path = ["arrivals", "closed"]
        each(kind.value, known: ["clients"], in: path) { entry in
            read(entry, in: path, into: &clients) { Value.integer($0, in: 1...100_000) }
        }
        return .closed(clients: clients)
    }

    private func ramp(_ kind: YAMLEntry) -> ArrivalProcess {
        var from = 1.0
        var to = 1.0
        let path = ["arrivals", "ramp"]
        each(kind.value, known: ["from", "to"], in: path) { entry in
            if entry.key == "from" {
                read(entry, in: path, into: &from) { Value.number($0, in: 0...1000) }
            } else {
                read(entry, in: path, into: &to) { Value.number($0, in: 0...1000) }
            }
        }
        return .ramp(from: from, to: to)
    }

    private func bursty(_ kind: YAMLEntry) -> ArrivalProcess {
        var (peak, length, share) = (2.0, 10.0, 0.1)
        let path = ["arrivals", "bursty"]
        each(kind.value, known: ["peak", "length", "share"], in: path) { entry in
            switch entry.key {
            case "peak":
                read(entry, in: path, into: &peak) { Value.number($0, in: 1...1000) }
            case "length":
                read(entry, in: path, into: &length) { Value.number($0, in: 0.01...1_000_000) }
            default:
                read(entry, in: path, into: &share, Value.percent)
            }
        }
        if peak * share > 1 || share <= 0 || share >= 1 {
            report(
                .conflict,
                "bursts of \(short(peak)) times the mean rate cannot last "
                    + "\(short(share * 100))% of the time",
                at: kind.value.place, key: path,
                help: "peak times share must be at most 100%, and share over 0% and under 100%")
        }
        return .bursty(peak: peak, length: length, share: share)
    }

    func keys(_ entry: YAMLEntry) -> KeyLaw {
        var law = KeyLaw(count: 1000, exponent: 1)
        var capacity = 0
        var hitCost = 1.0
        let path = ["keys"]
        each(entry.value, known: ["count", "zipf", "cache", "hit_cost"], in: path) { entry in
            switch entry.key {
            case "count":
                read(entry, in: path, into: &law.count) { Value.integer($0, in: 1...1_000_000) }
            case "zipf":
                read(entry, in: path, into: &law.exponent) { Value.number($0, in: 0...5) }
            case "cache":
                read(entry, in: path, into: &capacity) { Value.integer($0, in: 1...1_000_000) }
            default:
                read(entry, in: path, into: &hitCost) { Value.number($0, in: 0.001...1) }
            }
        }
        if capacity > 0 { law.cache = KeyLaw.Cache(capacity: capacity, hitCost: hitCost) }
        return law
    }
}
