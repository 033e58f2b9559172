import Configuration
import Simulation
import YAML

/// What happens during a run.
extension ScenarioReader {
    private static let kinds = ["join", "drain", "leave", "fault", "rolling", "load"]
    private static let faults = [
        "fail-fast", "hang", "slow", "errors", "refuse", "flapping",
    ]

    /// - Parameter servers: how many there are at the start.
    func disturbances(_ entry: YAMLEntry, servers: Int) -> [Disturbance] {
        guard case .list(let items) = entry.value.content else {
            report(
                .wrongType, "'events' must be a list", at: entry.value.place, key: ["events"],
                help: "write '- {at: 50%, fault: hang, servers: [1]}' for each")
            return []
        }
        var total = servers
        return items.enumerated().compactMap { index, item in
            let path = ["events", String(index)]
            guard let disturbance = disturbance(item, in: path, servers: total) else { return nil }
            if case .join(let group) = disturbance.kind { total += group.count }
            return disturbance
        }
    }

    private func disturbance(
        _ node: YAMLNode, in path: [String], servers: Int
    ) -> Disturbance? {
        var begins: Disturbance.Moment?
        var ends: Disturbance.Moment?
        var kind: Disturbance.Kind?
        var kindCount = 0
        var details: [YAMLEntry] = []
        var fault: (word: String, entry: YAMLEntry)?
        let known = ["at", "until", "for", "servers", "after", "speed", "share", "down", "up"]
        each(node, known: known + Self.kinds, in: path) { entry in
            if Self.kinds.contains(entry.key) { kindCount += 1 }
            switch entry.key {
            case "at": begins = moment(entry, in: path)
            case "until": ends = moment(entry, in: path)
            case "for":
                var length = 0.0
                read(entry, in: path, into: &length) { Value.number($0, in: 0.001...1e9) }
                ends = .after(length)
            case "join": kind = .join(group(entry.value, in: path + ["join"]))
            case "drain": kind = .drain(numbers(entry, in: path, upTo: servers))
            case "leave": kind = .leave(numbers(entry, in: path, upTo: servers))
            case "rolling": kind = .rolling(rolling(entry.value, in: path + ["rolling"]))
            case "load":
                var factor = 1.0
                read(entry, in: path, into: &factor) { Value.number($0, in: 0...1000) }
                kind = .load(factor)
            case "fault":
                if let word = word(entry, Self.faults, in: path) { fault = (word, entry) }
            default: details.append(entry)
            }
        }
        guard case .map = node.content else { return nil }
        guard kindCount == 1 else {
            report(
                .missingKey, "an event is one of \(Spelling.list(Self.kinds))", at: node.place,
                key: path, help: "write one of these keys beside 'at'")
            return nil
        }
        guard let begins else {
            report(
                .missingKey, "an event must have 'at'", at: node.place, key: path,
                help: "write 'at: 50%' of the run, or 'at: 300' mean service times")
            return nil
        }
        if let fault {
            kind = faultKind(fault.word, details, node, in: path, servers: servers)
        } else if let detail = details.first {
            report(
                .conflict, "'\(detail.key)' belongs to a fault", at: detail.keyPlace, key: path,
                help: "remove it, or write 'fault: \(Self.faults[0])'")
        }
        return kind.map { Disturbance($0, at: begins, until: ends) }
    }

    private func faultKind(
        _ word: String, _ details: [YAMLEntry], _ node: YAMLNode, in path: [String],
        servers: Int
    ) -> Disturbance.Kind {
        var list: [Int] = []
        var (after, speed, share, down, up) = (0.01, 0.1, 0.5, 10.0, 10.0)
        let used: [String: [String]] = [
            "fail-fast": ["after"], "slow": ["speed"], "errors": ["share"],
            "flapping": ["down", "up"],
        ]
        for entry in details where entry.key != "servers" {
            guard used[word]?.contains(entry.key) ?? false else {
                report(
                    .conflict, "'\(entry.key)' means nothing to the fault '\(word)'",
                    at: entry.keyPlace, key: path, help: "remove it")
                continue
            }
            switch entry.key {
            case "after": read(entry, in: path, into: &after) { Value.number($0, in: 0...1000) }
            case "speed": read(entry, in: path, into: &speed) { Value.number($0, in: 0.001...1) }
            case "share": read(entry, in: path, into: &share, Value.percent)
            case "down": read(entry, in: path, into: &down) { Value.number($0, in: 0.01...1e6) }
            default: read(entry, in: path, into: &up) { Value.number($0, in: 0.01...1e6) }
            }
        }
        if let entry = details.first(where: { $0.key == "servers" }) {
            list = numbers(entry, in: path, upTo: servers)
        } else {
            report(
                .missingKey, "a fault must have 'servers'", at: node.place, key: path,
                help: "write 'servers: [1]'")
        }
        let fault: Fault =
            switch word {
            case "fail-fast": .failFast(after: after)
            case "hang": .hang
            case "slow": .slow(speed)
            case "errors": .errors(share)
            case "refuse": .refuse
            default: .flapping(down: down, up: up)
            }
        return .fault(list, fault)
    }

    /// `50%` of the run, or mean service times.
    private func moment(_ entry: YAMLEntry, in path: [String]) -> Disturbance.Moment? {
        guard let text = text(entry, path) else { return nil }
        if text.hasSuffix("%") {
            var share = 0.0
            read(entry, in: path, into: &share, Value.percent)
            return .share(share)
        }
        var time = 0.0
        read(entry, in: path, into: &time) { Value.number($0, in: 0...1e9) }
        return .time(time)
    }

    /// `[1, 3]` or `1-3`: servers as people count; from 0 on as the simulator does.
    private func numbers(_ entry: YAMLEntry, in path: [String], upTo last: Int) -> [Int] {
        var texts: [(String, YAMLPlace)] = []
        switch entry.value.content {
        case .scalar(let text, _): texts = [(text, entry.value.place)]
        case .list(let items):
            for item in items {
                if case .scalar(let text, _) = item.content { texts.append((text, item.place)) }
            }
        case .map: break
        }
        var numbers: [Int] = []
        for (text, place) in texts {
            let ends = text.split(separator: "-").map { Int($0) }
            guard let first = ends.first ?? nil, let second = ends.last ?? nil, ends.count <= 2,
                first >= 1, first <= second, second <= last
            else {
                report(
                    .outOfRange, "'\(text)' is no server of this scenario", at: place, key: path,
                    help: "write numbers from 1 to \(last), such as '[1]' or '1-\(last)'")
                continue
            }
            numbers += (first...second).map { $0 - 1 }
        }
        if numbers.isEmpty, texts.isEmpty {
            report(
                .missingValue, "'\(entry.key)' names no server", at: entry.keyPlace, key: path,
                help: "write '\(entry.key): [1]'")
        }
        return numbers
    }

    private func rolling(_ node: YAMLNode, in path: [String]) -> Rolling {
        var rolling = Rolling(down: 10, pause: 100, drains: true)
        each(node, known: ["down", "pause", "drain", "cold"], in: path) { entry in
            switch entry.key {
            case "down":
                read(entry, in: path, into: &rolling.down) { Value.number($0, in: 0...1e6) }
            case "pause":
                read(entry, in: path, into: &rolling.pause) { Value.number($0, in: 0...1e6) }
            case "drain": read(entry, in: path, into: &rolling.drains, Value.boolean)
            default: rolling.coldStart = coldStart(entry.value, in: path + ["cold"])
            }
        }
        return rolling
    }
}
