import Balancing
import Timing
import YAML

extension ConfigurationReader {
    /// - Parameter template: the built-in values with `defaults` over them.
    func readServices(_ field: Field, over template: ServiceConfiguration) {
        eachNamed(of: field.value, at: field.path, what: "service") { field in
            readService(field, over: template)
        }
    }

    func readDefaults(_ field: Field, into template: inout ServiceConfiguration) {
        eachField(of: field.value, as: .named(.defaults), at: field.path) { field in
            readShared(field, into: &template)
        }
        checkOrder(of: template, at: field.path)
    }

    private func readService(_ named: Field, over template: ServiceConfiguration) {
        var service = template
        service.name = named.key
        var servers: Field?
        var version: String?
        eachField(of: named.value, as: .named(.service), at: named.path) { field in
            switch field.key {
            case "servers": servers = field
            case "version": version = value(field, example: "v1", Self.version)
            case "discover": readSources(field, into: &service.discover)
            default: readShared(field, into: &service)
            }
        }
        var serverPlaces: [ConfigurationPlaces.Place] = []
        if let servers {
            (service.servers, serverPlaces) = readServers(servers, version: version)
        } else if case .map(let entries) = named.value.content,
            !entries.contains(where: { $0.key == "discover" })
        {
            missingKey(
                "servers", in: named.value, path: named.path, at: named.keyPlace,
                help: "add 'servers: [3001, 3002]', or 'discover:' for servers that are found")
        }
        checkSecurity(of: &service, serverPlaces, at: named)
        service.discover?.inherit(version: version, isSecure: service.tls != nil)
        checkBalance(of: service.balance, at: named.path, place: named.keyPlace)
        checkSpoken(by: service, at: named)
        checkOrder(of: service, at: named.path)
        configuration.services.append(service)
        places.servers.append(serverPlaces)
    }

    /// HTTP/2 with and without TLS are two words, so that nobody believes to have one and has
    /// the other.
    private func checkSpoken(by service: ServiceConfiguration, at named: Field) {
        guard isComplete else { return }
        if service.tls == nil, service.spoken == .h2 || service.spoken == .auto {
            report(
                .conflict,
                "\(title(named.path)) speaks '\(service.spoken.rawValue)', which needs TLS",
                at: named.keyPlace, path: named.path,
                help: "write its servers as 'https://…', or 'protocol: h2c' for HTTP/2 without TLS")
        }
        if service.tls != nil, service.spoken == .h2c {
            report(
                .conflict, "\(title(named.path)) speaks 'h2c', which is without TLS",
                at: named.keyPlace, path: named.path,
                help: "write 'protocol: h2', or its servers without 'https://'")
        }
        checkHealth(service, named)
        if service.spoken != .http1, service.sendsProxyProtocol != .off {
            report(
                .conflict,
                "\(title(named.path)) cannot tell each server connection's client: with "
                    + "HTTP/2, clients share them", at: named.keyPlace, path: named.path,
                help: "remove 'send_proxy_protocol', or write 'protocol: http/1.1'")
        }
    }

    /// A check must be one that the servers can answer.
    private func checkHealth(_ service: ServiceConfiguration, _ named: Field) {
        let health = service.health
        guard health.isEnabled else { return }
        let path = named.path + ["health"]
        if health.grpcService != nil, service.spoken == .http1 {
            report(
                .conflict, "gRPC needs HTTP/2, and \(title(named.path)) speaks HTTP/1.1",
                at: named.keyPlace, path: path,
                help: "add 'protocol: h2c', or 'protocol: h2' for servers with https://")
        }
        if health.grpcService != nil, health.path != nil {
            report(
                .conflict, "\(title(path)) has both 'path' and 'grpc'", at: named.keyPlace,
                path: path, help: "remove one of them")
        }
        if health.port != nil, service.servers.contains(where: { $0.address.unixPath != nil }) {
            report(
                .conflict, "\(title(path)) has a 'port', and a Unix socket has none",
                at: named.keyPlace, path: path, help: "remove 'port'")
        }
    }

    static func version(_ text: String) -> Parsed<String> {
        let isClean = text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
        guard isClean, (1...64).contains(text.utf8.count) else {
            return .failure(
                ValueMistake(
                    .badName, "cannot name a version",
                    help: "use up to 64 visible characters without spaces, such as v2"))
        }
        return .success(text)
    }

    // MARK: - Servers

    func readServers(
        _ field: Field, version: String?
    ) -> ([ServerConfiguration], [ConfigurationPlaces.Place]) {
        var servers: [ServerConfiguration] = []
        var serverPlaces: [ConfigurationPlaces.Place] = []
        var addressPlaces: [ServerAddress: YAMLPlace] = [:]
        var namePlaces: [String: YAMLPlace] = [:]
        let items = items(of: field)
        if items.isEmpty, case .list = field.value.content, isComplete {
            report(
                .missingValue, "\(title(field.path)) is empty", at: field.value.place,
                path: field.path, help: "write at least one server, such as '[3001]'")
        }
        if items.count > Bounds.serversPerService {
            report(
                .tooLarge,
                "\(title(field.path)) lists \(items.count) servers, and a service has at most "
                    + "\(Bounds.serversPerService)",
                at: items[Bounds.serversPerService].value.place,
                path: field.path, help: "put some of them behind another staithe")
            return ([], [])
        }
        for item in items {
            guard let (parsed, addressField, namePlace) = readServer(item) else { continue }
            var server = parsed
            if server.version == nil { server.version = version }
            let place = addressField.value.place
            if let first = addressPlaces.updateValue(place, forKey: server.address) {
                report(
                    .duplicateAddress, "server \(server.address) is listed twice", at: place,
                    path: addressField.path, help: "remove one of them, or raise its weight",
                    notes: [Diagnostic.Note("first used", at: location(first))])
            } else if let first = namePlaces.updateValue(namePlace, forKey: server.name) {
                report(
                    .duplicateName, "two servers are named '\(server.name)'", at: namePlace,
                    path: item.path, help: "give each server of a service its own name",
                    notes: [Diagnostic.Note("first used", at: location(first))])
            }
            servers.append(server)
            serverPlaces.append(
                ConfigurationPlaces.Place(location: location(place), keyPath: addressField.path))
        }
        if !servers.isEmpty, servers.allSatisfy({ $0.weight == 0 }) {
            warn(
                .noTraffic,
                "every server of \(title(Array(field.path.dropLast()))) has weight 0, so "
                    + "none takes new requests", at: field.value.place, path: field.path,
                help: "give one of them a weight of 1 or more")
        }
        return (servers, serverPlaces)
    }

    private func readServer(
        _ item: Field
    ) -> (ServerConfiguration, address: Field, namePlace: YAMLPlace)? {
        guard case .map = item.value.content else {
            return value(item, example: "3001", Value.serverAddress).map {
                (ServerConfiguration(address: $0), item, item.value.place)
            }
        }
        var address: (Field, ServerAddress)?
        var hasAddress = false
        var name: (String, YAMLPlace)?
        var server = ServerConfiguration(address: ServerAddress(host: "", port: 0))
        eachField(of: item.value, as: .named(.server), at: item.path) { field in
            switch field.key {
            case "address":
                hasAddress = true
                address = value(field, example: "10.0.0.11:3000", Value.serverAddress)
                    .map { (field, $0) }
            case "name":
                if let text = text(of: field) {
                    checkName(text.text, what: "server", at: text.place, path: field.path)
                    name = (text.text, text.place)
                }
            case "weight": read(field, into: &server.weight) { Value.integer($0, in: 0...1000) }
            case "version": server.version = value(field, example: "v2", Self.version)
            case "backup": read(field, into: &server.isBackup, Value.boolean)
            default: break
            }
        }
        guard let (field, value) = address else {
            if !hasAddress {
                missingKey(
                    "address", in: item.value, path: item.path, at: item.value.place,
                    help: "add 'address: 10.0.0.11:3000'")
            }
            return nil
        }
        server.address = value
        server.name = name?.0 ?? value.description
        return (server, field, name?.1 ?? field.value.place)
    }

    // MARK: - What services and defaults share

    func readShared(_ field: Field, into service: inout ServiceConfiguration) {
        switch field.key {
        case "balance": readBalance(field, into: &service.balance)
        case "health": readHealth(field, into: &service.health)
        case "outliers": readOutliers(field, into: &service.outliers)
        case "when_all_down":
            read(field, into: &service.whenAllDown) {
                Value.word($0, of: ServiceConfiguration.WhenAllDown.self)
            }
        case "retries": readRetries(field, into: &service.retries)
        case "timeouts": readTimeouts(field, into: &service.timeouts)
        case "limits": readLimits(field, into: &service.limits)
        case "connections": readConnections(field, into: &service.connections)
        case "tls": readServerTLS(field, into: &service.tls)
        case "protocol":
            read(field, into: &service.spoken) {
                Value.word($0, of: ServiceConfiguration.Spoken.self)
            }
        case "send_proxy_protocol":
            read(field, into: &service.sendsProxyProtocol) { text in
                Value.isOff(text)
                    ? .success(.off)
                    : Value.word(text, of: ServiceConfiguration.SendsProxyProtocol.self)
            }
        case "host":
            read(field, into: &service.host) { text in
                switch text {
                case "keep": .success(.keep)
                case "server": .success(.server)
                default: Value.fixedHost(text).map { .fixed($0) }
                }
            }
        default: break
        }
    }

    func readHealth(_ field: Field, into health: inout ServiceConfiguration.HealthCheck) {
        if isOff(field) {
            health.isEnabled = false
            return
        }
        health.isEnabled = true
        eachField(of: field.value, as: .named(.health), at: field.path) { field in
            switch field.key {
            case "path":
                health.path = value(field, example: "/healthz", Value.requestTarget) ?? health.path
            case "interval": read(field, into: &health.interval) { Value.duration($0) }
            case "timeout": read(field, into: &health.timeout) { Value.duration($0) }
            case "up_after": read(field, into: &health.upAfter) { Value.integer($0, in: 1...1000) }
            case "down_after":
                read(field, into: &health.downAfter) { Value.integer($0, in: 1...1000) }
            case "before_traffic":
                read(field, into: &health.beforeTraffic) { Value.integer($0, in: 0...1000) }
            case "status":
                let ranges = items(of: field, allowsOne: true)
                    .compactMap { value($0, Value.statusRanges) }.flatMap { $0 }
                if !ranges.isEmpty { health.status = ranges }
            case "body":
                if let text = text(of: field, example: "ok") { health.body = text.text }
            case "host": health.host = value(field, Value.fixedHost) ?? health.host
            case "port": health.port = value(field, example: "9000", Value.port) ?? health.port
            case "grpc": read(field, into: &health.grpcService, Value.grpcService)
            default: break
            }
        }
    }

    func readOutliers(_ field: Field, into outliers: inout ServiceConfiguration.Outliers) {
        if isOff(field) {
            outliers.errors = nil
            return
        }
        if outliers.errors == nil { outliers.errors = ServiceConfiguration.Outliers().errors }
        eachField(of: field.value, as: .named(.outliers), at: field.path) { field in
            switch field.key {
            case "errors":
                outliers.errors =
                    value(field) { Value.integer($0, in: 1...1_000_000) }
                    ?? outliers.errors
            case "eject": read(field, into: &outliers.eject) { Value.duration($0) }
            case "max_ejected": read(field, into: &outliers.maximumEjectedShare, Value.percent)
            default: break
            }
        }
    }

    func readRetries(_ field: Field, into retries: inout ServiceConfiguration.Retries) {
        if isOff(field) {
            retries.attempts = 0
            return
        }
        // A map over `off` switches retries on again.
        if retries.attempts == 0 { retries.attempts = ServiceConfiguration.Retries().attempts }
        eachField(of: field.value, as: .named(.retries), at: field.path) { field in
            switch field.key {
            case "attempts": read(field, into: &retries.attempts) { Value.integer($0, in: 0...10) }
            case "when":
                var conditions: ServiceConfiguration.Retries.Conditions = []
                for item in items(of: field) {
                    if let condition = value(item, Value.retryCondition) {
                        conditions.insert(condition)
                    }
                }
                retries.conditions = conditions
            case "methods":
                read(field, into: &retries.methods) {
                    Value.word($0, of: ServiceConfiguration.Retries.Methods.self)
                }
            case "budget": read(field, into: &retries.budgetShare, Value.percent)
            case "backoff":
                read(field, into: &retries.backoff) { Value.duration($0, allowsZero: true) }
            case "buffer":
                read(field, into: &retries.bufferBytes) { text in
                    Value.size(text, in: Bounds.retryBuffer).map { Int($0) }
                }
            default: break
            }
        }
    }

    func readTimeouts(_ field: Field, into timeouts: inout ServiceConfiguration.Timeouts) {
        eachField(of: field.value, as: .named(.timeouts), at: field.path) { field in
            switch field.key {
            case "connect": read(field, into: &timeouts.connect) { Value.duration($0) }
            case "response": read(field, into: &timeouts.response, Value.durationOrOff)
            case "idle": read(field, into: &timeouts.idle, Value.durationOrOff)
            case "total": read(field, into: &timeouts.total, Value.durationOrOff)
            case "tunnel": read(field, into: &timeouts.tunnel, Value.durationOrOff)
            case "queue":
                read(field, into: &timeouts.queue) { Value.duration($0, allowsZero: true) }
            case "drain":
                read(field, into: &timeouts.drain) { Value.duration($0, allowsZero: true) }
            default: break
            }
        }
    }

    private func readLimits(_ field: Field, into limits: inout ServiceConfiguration.Limits) {
        eachField(of: field.value, as: .named(.limits), at: field.path) { field in
            switch field.key {
            case "requests_per_server":
                read(field, into: &limits.requestsPerServer) { text in
                    Value.orOff(text) { Value.integer($0, in: 1...1_000_000) }
                }
            case "queue": read(field, into: &limits.queue) { Value.integer($0, in: 0...1_000_000) }
            default: break
            }
        }
    }

    private func readConnections(
        _ field: Field, into connections: inout ServiceConfiguration.Connections
    ) {
        eachField(of: field.value, as: .named(.connections), at: field.path) { field in
            switch field.key {
            case "idle_per_server":
                read(field, into: &connections.idlePerServer) { Value.integer($0, in: 0...65535) }
            case "idle": read(field, into: &connections.idle) { Value.duration($0) }
            case "max_age": read(field, into: &connections.maximumAge, Value.durationOrOff)
            case "max_requests":
                read(field, into: &connections.maximumRequests) { text in
                    Value.orOff(text) { Value.integer($0, in: 1...1_000_000_000) }
                }
            default: break
            }
        }
    }

    /// Whether the value is the word `off`, before variables are filled in or after.
    func isOff(_ field: Field) -> Bool {
        guard case .scalar(let raw, _) = field.value.content, !raw.isEmpty else { return false }
        if !raw.contains("${") { return Value.isOff(raw) }
        return text(of: field).map { Value.isOff($0.text) } ?? false
    }

    // MARK: - Values that belong together

    /// Where a value was written: in the section itself, or in `defaults`.
    private func written(_ path: [String], _ keys: [String]) -> YAMLPlace? {
        place(of: path + keys) ?? (path.first == "routes" ? nil : place(of: ["defaults"] + keys))
    }

    private func hasFailed(_ path: [String], _ keys: [String]) -> Bool {
        failedPaths.contains(path + keys) || failedPaths.contains(["defaults"] + keys)
    }

    /// - Parameter isFromLabels: what a container says is used as far as it can be: its check has
    ///   all of its time, and the next one waits for it.
    func checkOrder(
        of service: ServiceConfiguration, at path: [String], isFromLabels: Bool = false
    ) {
        let health = service.health
        if health.isEnabled, health.timeout >= health.interval,
            !hasFailed(path, ["health", "timeout"]), !hasFailed(path, ["health", "interval"])
        {
            let timeout = written(path, ["health", "timeout"])
            if let place = timeout ?? written(path, ["health", "interval"]) {
                let timeoutText = "health.timeout (\(health.timeout.text))"
                let intervalText = "health.interval (\(health.interval.text))"
                report(
                    .timeoutOrder,
                    isFromLabels
                        ? "\(timeoutText) is not shorter than \(intervalText), so a check that "
                            + "takes longer puts off the next one"
                        : "\(timeoutText) must be shorter than \(intervalText)",
                    at: place, path: path + ["health", timeout == nil ? "interval" : "timeout"],
                    help: timeout == nil
                        ? "add 'timeout: "
                            + "\(Interval(nanoseconds: health.interval.nanoseconds / 2).text)'"
                        : "lower the timeout, or raise the interval")
            }
        }
        checkTimeouts(service.timeouts, at: path)
    }

    /// A timeout that is longer than the whole request never ends a request.
    func checkTimeouts(_ timeouts: ServiceConfiguration.Timeouts, at path: [String]) {
        guard timeouts.total != .forever else { return }
        let parts = [
            ("connect", timeouts.connect), ("response", timeouts.response),
            ("idle", timeouts.idle), ("queue", timeouts.queue),
        ]
        for (name, length) in parts where length > timeouts.total {
            guard !hasFailed(path, ["timeouts", name]), !hasFailed(path, ["timeouts", "total"])
            else { continue }
            let own = written(path, ["timeouts", name])
            // A default that is longer than a total does no harm, except that of `connect`:
            // then nothing is ever retried.
            guard
                let place = own ?? (name == "connect" ? written(path, ["timeouts", "total"]) : nil)
            else { continue }
            warn(
                .timeoutOrder,
                "timeouts.\(name) (\(length.text)) is longer than timeouts.total "
                    + "(\(timeouts.total.text)), which ends the request first",
                at: place, path: path + ["timeouts", own == nil ? "total" : name],
                help: "lower timeouts.\(name), or raise timeouts.total")
        }
    }
}

extension Value {
    /// A host to send, with or without a port.
    static func fixedHost(_ text: String) -> Parsed<String> {
        let isClean =
            !text.isEmpty && text.utf8.count <= 300
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/\\?#@\"<>".utf8.contains($0) }
        guard isClean else {
            return .failure(
                ValueMistake(
                    .badHost, "is not a host name", help: "write a name such as app.internal"))
        }
        return .success(text)
    }

    /// `200-299`, `204`, or several of them with commas.
    static func statusRanges(_ text: String) -> Parsed<[ClosedRange<Int>]> {
        var ranges: [ClosedRange<Int>] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: " ").joined()
                .split(separator: "-", omittingEmptySubsequences: false)
                .map { integer(String($0), in: 100...599) }
            guard ends.count == 1 || ends.count == 2, case .success(let low)? = ends.first,
                case .success(let high)? = ends.last, low <= high
            else {
                return .failure(
                    ValueMistake(
                        .badStatus, "is not a range of statuses",
                        help: "write '200-299', '200', or '200-299,301', from 100 to 599"))
            }
            ranges.append(low...high)
        }
        return .success(ranges)
    }

    static func retryCondition(_ text: String) -> Parsed<ServiceConfiguration.Retries.Conditions> {
        switch text {
        case "connect": .success(.connect)
        case "reset": .success(.reset)
        case "refused-stream": .success(.refusedStream)
        case "timeout": .success(.timeout)
        case "429": .success(.status429)
        case "502": .success(.status502)
        case "503": .success(.status503)
        case "504": .success(.status504)
        default:
            .failure(
                wordMistake(
                    text,
                    known: [
                        "connect", "reset", "refused-stream", "timeout", "429", "502", "503",
                        "504",
                    ]))
        }
    }
}

extension Interval {
    /// As it is written in a configuration.
    var text: String {
        if self == .forever { return "off" }
        var rest = nanoseconds / 1_000_000
        if rest == 0 { return nanoseconds == 0 ? "0" : "\(milliseconds)ms" }
        var result = ""
        for (unit, length) in [
            ("d", UInt64(86_400_000)), ("h", 3_600_000), ("m", 60_000), ("s", 1000),
        ]
        where rest >= length {
            result += "\(rest / length)\(unit)"
            rest %= length
        }
        return rest > 0 ? result + "\(rest)ms" : result
    }
}
