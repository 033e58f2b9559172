import Balancing
import Health
import Simulation
import Timing

/// A proxy to be measured: its files, and how it is started.
struct ProxyRecipe {
    /// By name, in the run's directory.
    var files: [(name: String, text: String)]
    var words: [String]
    /// Its admin socket; `nil` for other programs than ours.
    var socket: String?
}

/// What a recipe is made from.
struct RecipeOrder {
    var scenario: Scenario
    var contender: Contender
    var servers: [LiveServer]
    var port: UInt16
    /// Of the run; it is there.
    var directory: String
    /// Tells several proxies of one run apart.
    var number: Int
    var unit: Interval
    /// Loops of the proxy.
    var workers: Int
    var http: HTTPVersion

    /// A time of the scenario's proxy on the bench's clock: the scenario's own mean service time
    /// is the unit here.
    func scaled(_ interval: Interval) -> Interval {
        guard interval != .forever else { return .forever }
        let factor = Double(unit.nanoseconds) / Double(scenario.meanService.nanoseconds)
        return Interval(nanoseconds: UInt64((Double(interval.nanoseconds) * factor).rounded()))
    }
}

/// Our own configuration for a scenario.
enum StaitheRecipe {
    static func make(_ order: RecipeOrder, executable: String) -> ProxyRecipe {
        let file = "\(order.directory)/staithe-\(order.number).yaml"
        let socket = "\(order.directory)/admin-\(order.number).sock"
        return ProxyRecipe(
            files: [(file, text(order, socket: socket))],
            words: [executable, "run", "-c", file], socket: socket)
    }

    static func text(_ order: RecipeOrder, socket: String) -> String {
        let settings = order.scenario.proxy
        var text = """
            # One run of staithe bench --live.
            listeners:
              web:
                address: 127.0.0.1:\(order.port)
                timeouts: { idle: 1h }
            services:
              app:
                servers:

            """
        for server in order.servers {
            text += "      - { address: \(server.address), name: \(server.name), "
            text += "weight: \(server.weight)\(server.isBackup ? ", backup: true" : "") }\n"
        }
        text += "    balance: { \(balance(order)) }\n"
        text += "    health: \(health(order))\n"
        text += "    outliers: \(outliers(order))\n"
        text += "    retries: \(retries(order))\n"
        text += "    when_all_down: \(settings.triesAllWhenDown ? "try" : "fail")\n"
        let response = words(order.scaled(settings.responseTimeout))
        let queue = words(order.scaled(settings.queueTimeout))
        text += "    timeouts: { response: \(response), queue: \(queue), idle: off, drain: 1h }\n"
        if let limit = settings.requestsPerServer {
            text += "    limits: { requests_per_server: \(limit), queue: \(settings.queue) }\n"
        }
        text += "    connections: { idle_per_server: 65535, idle: 1h }\n"
        text += "process: { workers: \(order.workers), shutdown: 1s }\n"
        text += "access_log: { mode: off }\n"
        text += "admin: { socket: \(socket) }\n"
        return text
    }

    private static func balance(_ order: RecipeOrder) -> String {
        let contender = order.contender
        var parts = ["strategy: \(contender.strategy.rawValue)"]
        if contender.strategy == .powerOfTwoChoices || contender.strategy == .peakEWMA {
            parts.append("choices: \(contender.choices)")
        }
        if contender.strategy.usesKey {
            parts.append("key: path")
            parts.append(
                "bounded_load: \(contender.boundedLoad.map { "\($0)%" } ?? "off")")
        }
        if order.scenario.proxy.panicPercent > 0 {
            parts.append("panic_threshold: \(order.scenario.proxy.panicPercent)%")
        }
        parts.append("slow_start: \(words(order.scaled(order.scenario.proxy.slowStart)))")
        return parts.joined(separator: ", ")
    }

    private static func health(_ order: RecipeOrder) -> String {
        guard let checks = order.scenario.proxy.checks else { return "off" }
        let thresholds = checks.thresholds
        return "{ path: \(BenchFields.checkPath), "
            + "interval: \(words(order.scaled(checks.interval))), "
            + "timeout: \(words(order.scaled(checks.timeout))), "
            + "up_after: \(thresholds.upAfter), down_after: \(thresholds.downAfter), "
            + "before_traffic: \(thresholds.beforeTraffic) }"
    }

    private static func outliers(_ order: RecipeOrder) -> String {
        guard let limits = order.scenario.proxy.outliers else { return "off" }
        return "{ errors: \(limits.errors), eject: \(words(order.scaled(limits.ejection))), "
            + "max_ejected: \(limits.maximumEjectedPercent)% }"
    }

    private static func retries(_ order: RecipeOrder) -> String {
        let retries = order.scenario.proxy.retries
        guard retries.attempts > 0 else { return "off" }
        var conditions = ["connect"]
        if retries.onReset { conditions.append("reset") }
        if retries.onTimeout { conditions.append("timeout") }
        if retries.onErrorAnswer { conditions += ["502", "503", "504"] }
        return "{ attempts: \(retries.attempts), when: [\(conditions.joined(separator: ", "))], "
            + "budget: \(retries.budget)%, backoff: \(backoff(retries.backoff.base, order)) }"
    }

    private static func backoff(_ base: Interval, _ order: RecipeOrder) -> String {
        base > .zero ? words(order.scaled(base)) : "0"
    }

    /// `12.500ms`; `off` for none and for ever.
    static func words(_ interval: Interval) -> String {
        guard interval > .zero, interval != .forever else { return "off" }
        let micros = max(1, interval.nanoseconds / 1000)
        let fraction = String(micros % 1000)
        let zeros = String(repeating: "0", count: 3 - fraction.utf8.count)
        return "\(micros / 1000).\(zeros)\(fraction)ms"
    }
}
