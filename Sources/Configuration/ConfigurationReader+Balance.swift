import Balancing
import Timing
import YAML

extension ConfigurationReader {
    func readBalance(_ field: Field, into balance: inout ServiceConfiguration.Balance) {
        guard case .map = field.value.content else {
            if let value = value(field, example: "least-requests", Self.strategy) {
                balance.strategy = value
            }
            return
        }
        eachField(of: field.value, as: .named(.balance), at: field.path) { field in
            switch field.key {
            case "strategy": read(field, into: &balance.strategy, Self.strategy)
            case "choices":
                read(field, into: &balance.choices) {
                    Value.integer($0, in: BalanceSettings.choicesRange)
                }
            case "key": balance.key = value(field, example: "client-ip", Value.balanceKey)
            case "bounded_load":
                read(field, into: &balance.boundedLoad) { Value.orOff($0, Value.boundedLoad) }
            case "load_header":
                read(field, into: &balance.loadHeader) { Value.orOff($0, Value.headerName) }
            case "panic_threshold":
                read(field, into: &balance.panicPercent) { text in
                    Value.orOff(text, Value.percent).map { Int((($0 ?? 0) * 100).rounded()) }
                }
            case "shadow":
                read(field, into: &balance.shadow) { text in
                    Value.isOff(text) ? .success(nil) : Self.strategy(text).map { $0 }
                }
            case "slow_start":
                read(field, into: &balance.slowStart) { text in
                    Value.orOff(text) { Value.duration($0, allowsZero: true) }
                        .map { $0 ?? .zero }
                }
            default: break
            }
        }
    }

    private static func strategy(_ text: String) -> Parsed<Strategy> {
        Value.word(text, of: Strategy.self)
    }

    /// What the keys of `balance` need of one another, once the defaults are in.
    ///
    /// - Parameter place: where to point when the text has no `balance` there.
    func checkBalance(
        of balance: ServiceConfiguration.Balance, at path: [String], place: YAMLPlace
    ) {
        guard isComplete else { return }
        let path = path + ["balance"]
        guard !failedPaths.contains(path), !failedPaths.contains(path + ["key"]) else { return }
        let place = self.place(of: path) ?? place
        for (key, strategy) in [("strategy", balance.strategy), ("shadow", balance.shadow)] {
            guard let strategy, strategy.usesKey, balance.key == nil else { continue }
            report(
                .missingKey, "'\(strategy.rawValue)' spreads requests by a key, and there is none",
                at: self.place(of: path + [key]) ?? place, path: path,
                help: "add 'key: client-ip' under 'balance', or path, header:X-User, "
                    + "cookie:session, query:id")
            return
        }
        let usesKey = balance.strategy.usesKey || balance.shadow?.usesKey == true
        if !usesKey, balance.key != nil, let place = self.place(of: path + ["key"]) {
            warn(
                .notUsedHere, "'\(balance.strategy.rawValue)' does not use a key", at: place,
                path: path + ["key"],
                help: "remove it, or write 'strategy: ring-hash', maglev or rendezvous")
        }
        let isHotCold = balance.strategy == .hotCold || balance.shadow == .hotCold
        if !isHotCold, balance.loadHeader != nil, let place = self.place(of: path + ["load_header"])
        {
            warn(
                .notUsedHere, "'\(balance.strategy.rawValue)' does not read the load of servers",
                at: place, path: path + ["load_header"],
                help: "remove it, or write 'strategy: hot-cold'")
        }
    }
}

extension Value {
    /// `client-ip`, `path`, `header:X-User`, `cookie:session` or `query:id`.
    static func balanceKey(_ text: String) -> Parsed<ServiceConfiguration.Balance.Key> {
        switch text {
        case "client-ip": return .success(.clientIP)
        case "path": return .success(.path)
        default: break
        }
        let parts = text.split(
            separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let kind = String(parts[0])
        let name = parts.count == 2 ? String(parts[1]) : ""
        switch kind {
        case "header": return headerName(name).map { .header($0) }
        case "cookie": return headerName(name).map { .cookie($0) }
        case "query":
            let isClean = name.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && !"&=#?".utf8.contains($0)
            }
            guard isClean, (1...256).contains(name.utf8.count) else {
                return .failure(
                    ValueMistake(
                        .badName, "does not name a query parameter",
                        help: "write the name as it stands in the URL, such as 'query:id'"))
            }
            return .success(.query(name))
        default:
            let known = ["client-ip", "path", "header:X-User", "cookie:session", "query:id"]
            return .failure(
                ValueMistake(
                    .badWord, "is not a key that requests can be spread by",
                    help: "write \(Spelling.list(known))"))
        }
    }

    /// A percentage above the mean: 101 to 1000.
    static func boundedLoad(_ text: String) -> Parsed<Int> {
        guard text.hasSuffix("%"), let percent = Int(text.dropLast()) else {
            let isNumber = Int(text) != nil
            return .failure(
                ValueMistake(
                    .badPercent,
                    isNumber
                        ? "is not a percentage: it has no '%'" : "is not a whole percentage",
                    help: isNumber ? "write '\(text)%'" : "write a number with '%', such as '125%'"
                ))
        }
        guard (101...1000).contains(percent) else {
            return .failure(
                ValueMistake(
                    .outOfRange, "is out of range: it is compared with the mean of all servers",
                    help: "write a percentage from 101% to 1000%"))
        }
        return .success(percent)
    }
}
