import Configuration
import Health
import Simulation
import Timing
import YAML

/// What the proxy does beside picking.
extension ScenarioReader {
    /// `default` for the proxy's own defaults, `bare` for nothing but picking, or a map over the
    /// defaults.
    func proxy(_ entry: YAMLEntry) -> ProxySettings {
        if case .scalar = entry.value.content {
            return word(entry, ["default", "bare"]) == "bare" ? .bare : ProxySettings()
        }
        var settings = ProxySettings()
        let path = ["proxy"]
        let known = [
            "slow_start", "outliers", "retries", "response_timeout", "checks", "when_all_down",
            "hold_failed_slots", "panic_threshold", "requests_per_server", "queue",
            "queue_timeout", "load_header",
        ]
        each(entry.value, known: known, in: path) { entry in
            switch entry.key {
            case "slow_start": interval(entry, in: path, into: &settings.slowStart, off: .zero)
            case "response_timeout":
                interval(entry, in: path, into: &settings.responseTimeout, off: .forever)
            case "outliers":
                settings.outliers = isOff(entry) ? nil : outliers(entry.value)
            case "retries":
                if isOff(entry) {
                    settings.retries.attempts = 0
                } else {
                    settings.retries = retries(entry.value)
                }
            case "checks": settings.checks = isOff(entry) ? nil : checks(entry)
            case "when_all_down":
                settings.triesAllWhenDown = word(entry, ["fail", "try"], in: path) == "try"
            default: more(entry, in: path, into: &settings)
            }
        }
        return settings
    }

    private func more(_ entry: YAMLEntry, in path: [String], into settings: inout ProxySettings) {
        switch entry.key {
        case "panic_threshold":
            var share = 0.0
            read(entry, in: path, into: &share, Value.percent)
            settings.panicPercent = Int((share * 100).rounded())
        case "requests_per_server":
            var limit = 0
            read(entry, in: path, into: &limit) { Value.integer($0, in: 1...1_000_000) }
            if limit > 0 { settings.requestsPerServer = limit }
        case "queue":
            read(entry, in: path, into: &settings.queue) { Value.integer($0, in: 0...1_000_000) }
        case "queue_timeout":
            read(entry, in: path, into: &settings.queueTimeout) {
                Value.duration($0, allowsZero: true)
            }
        case "load_header":
            read(entry, in: path, into: &settings.reportsLoad, Value.boolean)
        default: read(entry, in: path, into: &settings.holdsFailedSlots, Value.boolean)
        }
    }

    private func isOff(_ entry: YAMLEntry) -> Bool {
        if case .scalar(let text, _) = entry.value.content { return Value.isOff(text) }
        return false
    }

    private func interval(
        _ entry: YAMLEntry, in path: [String], into target: inout Interval, off: Interval
    ) {
        if isOff(entry) {
            target = off
        } else {
            read(entry, in: path, into: &target) { Value.duration($0) }
        }
    }

    private func outliers(_ node: YAMLNode) -> OutlierLimits {
        var errors = 5
        var ejection = Interval.seconds(10)
        var share = 0.5
        let path = ["proxy", "outliers"]
        each(node, known: ["errors", "eject", "max_ejected"], in: path) { entry in
            switch entry.key {
            case "errors":
                read(entry, in: path, into: &errors) { Value.integer($0, in: 1...65_535) }
            case "eject": read(entry, in: path, into: &ejection) { Value.duration($0) }
            default: read(entry, in: path, into: &share, Value.percent)
            }
        }
        return OutlierLimits(
            errors: errors, ejection: ejection,
            maximumEjectedPercent: Int((share * 100).rounded()))
    }

    private func retries(_ node: YAMLNode) -> ProxySettings.Retries {
        var retries = ProxySettings.Retries()
        let path = ["proxy", "retries"]
        each(node, known: ["attempts", "when", "budget", "backoff"], in: path) { entry in
            switch entry.key {
            case "attempts":
                read(entry, in: path, into: &retries.attempts) { Value.integer($0, in: 0...10) }
            case "when":
                let words = conditions(entry, in: path)
                retries.onReset = words.contains("reset")
                retries.onTimeout = words.contains("timeout")
                retries.onErrorAnswer = words.contains("503")
            case "budget":
                var share = 0.2
                read(entry, in: path, into: &share, Value.percent)
                retries.budget = Int((share * 100).rounded())
            default:
                var base = Interval.milliseconds(25)
                interval(entry, in: path, into: &base, off: .zero)
                retries.backoff = RetryBackoff(base: base)
            }
        }
        return retries
    }

    private func conditions(_ entry: YAMLEntry, in path: [String]) -> [String] {
        let known = ["connect", "reset", "timeout", "503"]
        guard case .list(let items) = entry.value.content else {
            report(
                .wrongType, "'when' must be a list", at: entry.value.place, key: path,
                help: "write 'when: [connect, reset]'")
            return []
        }
        return items.compactMap { item in
            guard case .scalar(let text, _) = item.content else { return nil }
            if known.contains(text) { return text }
            let mistake = Value.wordMistake(text, known: known)
            report(
                mistake.code, "'\(text)' \(mistake.problem)", at: item.place, key: path,
                help: mistake.help)
            return nil
        }
    }

    private func checks(_ entry: YAMLEntry) -> ProxySettings.Checks {
        var checks = ProxySettings.Checks()
        if case .scalar = entry.value.content {
            _ = word(entry, ["on", "off"], in: ["proxy"])
            return checks
        }
        let path = ["proxy", "checks"]
        let known = [
            "interval", "timeout", "up_after", "down_after", "before_traffic", "see_errors",
        ]
        var (up, down, before) = (2, 3, 1)
        each(entry.value, known: known, in: path) { entry in
            switch entry.key {
            case "interval": read(entry, in: path, into: &checks.interval) { Value.duration($0) }
            case "timeout": read(entry, in: path, into: &checks.timeout) { Value.duration($0) }
            case "up_after":
                read(entry, in: path, into: &up) { Value.integer($0, in: 1...1000) }
            case "down_after":
                read(entry, in: path, into: &down) { Value.integer($0, in: 1...1000) }
            case "before_traffic":
                read(entry, in: path, into: &before) { Value.integer($0, in: 0...1000) }
            default: read(entry, in: path, into: &checks.seeErrors, Value.boolean)
            }
        }
        checks.thresholds = HealthThresholds(
            upAfter: up, downAfter: down, beforeTraffic: before)
        return checks
    }
}
