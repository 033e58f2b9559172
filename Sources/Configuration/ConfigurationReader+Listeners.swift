import HTTP
import Timing
import YAML

extension ConfigurationReader {
    func readListeners(_ field: Field) {
        eachNamed(of: field.value, at: field.path, what: "listener") { field in
            readListener(field)
        }
    }

    private func readListener(_ named: Field) {
        var listener = ListenerConfiguration(
            name: named.key, address: .tcp(host: "0.0.0.0", port: 0))
        var address: Field?
        var isAddressRight = false
        var certificatePlaces: [ConfigurationPlaces.Place] = []
        var tlsPlace: ConfigurationPlaces.Place?
        var protocols: Field?
        var words: Set<String> = []
        var service: Field?
        var nameRoutes: Field?
        var socketMode: Field?
        var proxyProtocol: Field?
        eachField(of: named.value, as: .named(.listener), at: named.path) { field in
            switch field.key {
            case "address":
                address = field
                if let value = value(field, example: "\":80\"", Value.listenAddress) {
                    listener.address = value
                    isAddressRight = true
                }
            case "redirect":
                let redirects = value(field, example: "https") { text -> Parsed<Bool> in
                    text == "https"
                        ? .success(true)
                        : Value.isOff(text)
                            ? .success(false)
                            : .failure(Value.wordMistake(text, known: ["https", "off"]))
                }
                listener.redirectsToHTTPS = redirects ?? false
            case "tls":
                listener.tls = readTLS(field, &certificatePlaces)
                tlsPlace = ConfigurationPlaces.Place(
                    location: location(field.keyPlace), keyPath: field.path)
            case "proxy_protocol":
                proxyProtocol = field
                read(field, into: &listener.proxyProtocol) { text in
                    Value.isOff(text)
                        ? .success(.off)
                        : Value.word(text, of: ListenerConfiguration.ProxyProtocol.self)
                }
            case "protocols":
                protocols = field
                words = readProtocols(field)
                listener.passesTLS = words.contains("tls-passthrough")
                listener.protocols = Self.protocols(words)
            case "service":
                service = field
                listener.tunnelService = text(of: field, example: "app")?.text
            case "routes":
                nameRoutes = field
                listener.nameRoutes = readNameRoutes(field)
            case "socket_mode":
                socketMode = field
                read(field, into: &listener.socketMode, Value.fileMode)
            case "trusted_proxies":
                listener.trustedProxies = readTrustedProxies(field, &listener.trustsUnixClients)
            case "timeouts":
                readListenerTimeouts(field, into: &listener.timeouts)
            case "limits":
                readListenerLimits(field, into: &listener.limits)
            case "headers":
                readListenerHeaders(field, into: &listener.headers)
            case "paths":
                readListenerPaths(field, into: &listener.paths)
            default:
                break
            }
        }
        guard case .map = named.value.content else { return }
        guard let address else {
            missingKey(
                "address", in: named.value, path: named.path, at: named.keyPlace,
                help: "add 'address: \":80\"'")
            return
        }
        guard isAddressRight else { return }
        if let protocols {
            checkProtocols(listener, protocols)
        } else if listener.tls != nil {
            listener.protocols = [.http1, .h2]
        }
        if let first = configuration.listeners.firstIndex(where: { $0.address == listener.address })
        {
            report(
                .duplicateAddress,
                "two listeners have the address \(listener.address)", at: address.value.place,
                path: address.path, help: "remove one of them, or choose another port",
                notes: [Diagnostic.Note("first used", at: places.listeners[first].location)])
        }
        if listener.tls != nil, listener.redirectsToHTTPS {
            report(
                .conflict, "\(title(named.path)) speaks https already, and cannot redirect to it",
                at: named.keyPlace, path: named.path,
                help: "remove 'redirect: https', and put it on the listener of port 80")
        }
        if let proxyProtocol, listener.proxyProtocol != .off, listener.trustedProxies.isEmpty,
            !listener.trustsUnixClients, isComplete
        {
            report(
                .missingKey, "'proxy_protocol' lets whoever connects say who it is",
                at: proxyProtocol.value.place, path: proxyProtocol.path,
                help: "add 'trusted_proxies: [10.0.0.0/8]': the addresses of the balancers in front"
            )
        }
        if let socketMode, listener.address.port != nil {
            report(
                .notUsedHere, "'socket_mode' stands in a listener with a port, which has no file",
                at: socketMode.keyPlace, path: socketMode.path, help: "remove it")
        }
        checkTunnel(
            listener, named,
            TunnelFields(
                protocols: protocols, service: service, routes: nameRoutes,
                isTCP: words.contains("tcp")))
        places.certificates.append(certificatePlaces)
        places.listenerTLS.append(tlsPlace)
        configuration.listeners.append(listener)
        places.listeners.append(
            ConfigurationPlaces.Place(
                location: location(address.value.place), keyPath: address.path))
    }

    /// What a listener that passes bytes on is made of.
    private struct TunnelFields {
        var protocols: Field?
        var service: Field?
        var routes: Field?
        var isTCP: Bool
    }

    /// A listener for bytes names a service, one for TLS names too, and one for HTTP has routes.
    private func checkTunnel(
        _ listener: ListenerConfiguration, _ named: Field, _ fields: TunnelFields
    ) {
        let isTunnel = fields.isTCP || listener.passesTLS
        if fields.isTCP, fields.service == nil, let protocols = fields.protocols {
            missingKey(
                "service", in: named.value, path: named.path, at: protocols.keyPlace,
                help: "add 'service: name': whose servers get the bytes")
        }
        if listener.passesTLS, fields.service == nil, fields.routes == nil,
            let protocols = fields.protocols
        {
            missingKey(
                "routes", in: named.value, path: named.path, at: protocols.keyPlace,
                help: "add 'routes: { app.example.com: app }': the service of each name")
        }
        if !isTunnel, let service = fields.service {
            report(
                .notUsedHere, "'service' stands in a listener for HTTP, which has routes",
                at: service.keyPlace, path: service.path,
                help: "add 'protocols: [tcp]', or remove this line and use 'routes:'")
        }
        if !listener.passesTLS, let routes = fields.routes {
            report(
                .notUsedHere, "'routes' by name stands in a listener that does not pass TLS on",
                at: routes.keyPlace, path: routes.path,
                help: fields.isTCP
                    ? "write 'protocols: [tls-passthrough]', or 'service:' alone"
                    : "add 'protocols: [tls-passthrough]', or move it to the top of the file")
        }
        if listener.passesTLS, listener.tls != nil, let protocols = fields.protocols {
            report(
                .conflict, "TLS is passed on to the servers, and cannot end here too",
                at: protocols.value.place, path: protocols.path,
                help: "remove 'tls:', or write 'protocols: [tcp]' to end TLS here")
        }
        if isTunnel, listener.redirectsToHTTPS, let protocols = fields.protocols {
            report(
                .conflict, "bytes cannot be redirected", at: protocols.value.place,
                path: protocols.path, help: "remove 'redirect: https'")
        }
        if isTunnel, let service = fields.service, let name = listener.tunnelService {
            usedServices.insert(name)
            tunnels.append((name, service.value.place, service.path))
        }
    }

    /// `{ db.example.com: postgres, "*.example.com": web }`.
    private func readNameRoutes(_ field: Field) -> [ListenerConfiguration.NameRoute] {
        guard case .map(let entries) = field.value.content, !entries.isEmpty else {
            report(
                .wrongType, "\(title(field.path)) must be a map from names to services",
                at: field.value.place, path: field.path,
                help: "write 'routes: { app.example.com: app }'")
            return []
        }
        var routes: [ListenerConfiguration.NameRoute] = []
        var places: [YAMLPlace] = []
        for entry in entries {
            let path = field.path + [entry.key]
            remember(entry.value.place, of: path)
            let service = Field(
                key: entry.key, keyPlace: entry.keyPlace, value: visible(entry), path: path)
            let host: RouteConfiguration.Host
            switch Value.routeHost(entry.key) {
            case .success(.any):
                report(
                    .badHost, "'*' is every name, and stands under 'service:'",
                    at: entry.keyPlace, path: path,
                    help: "write 'service: name' beside 'routes:'")
                continue
            case .success(let pattern): host = pattern
            case .failure(let mistake):
                report(
                    mistake.code, "'\(entry.key)' \(mistake.problem)", at: entry.keyPlace,
                    path: path, help: mistake.help)
                continue
            }
            guard let name = text(of: service, example: "app")?.text else { continue }
            if let first = routes.firstIndex(where: { $0.name == host }) {
                report(
                    .routeTie, "'\(entry.key)' has two services", at: entry.keyPlace, path: path,
                    help: "remove one of them",
                    notes: [Diagnostic.Note("the other one", at: location(places[first]))])
                continue
            }
            usedServices.insert(name)
            tunnels.append((name, entry.value.place, path))
            routes.append(ListenerConfiguration.NameRoute(name: host, service: name))
            places.append(entry.keyPlace)
        }
        return routes
    }

    private static func protocols(_ words: Set<String>) -> ListenerConfiguration.Protocols {
        var protocols: ListenerConfiguration.Protocols = []
        if words.contains("http/1.1") { protocols.insert(.http1) }
        if words.contains("h2") { protocols.insert(.h2) }
        if words.contains("h2c") { protocols.insert(.h2c) }
        return protocols
    }

    private func checkProtocols(_ listener: ListenerConfiguration, _ field: Field) {
        if listener.tls == nil, listener.protocols.contains(.h2) {
            report(
                .conflict, "'h2' is agreed on with TLS, and this listener has none",
                at: field.value.place, path: field.path,
                help: "add 'tls:', or write 'h2c' for HTTP/2 without TLS")
        }
        if listener.tls != nil, listener.protocols.contains(.h2c) {
            report(
                .conflict, "'h2c' is HTTP/2 without TLS, and this listener has TLS",
                at: field.value.place, path: field.path, help: "write 'h2'")
        }
    }

    private func readProtocols(_ field: Field) -> Set<String> {
        var words: Set<String> = []
        let items = items(of: field)
        if items.isEmpty, case .list = field.value.content {
            report(
                .missingValue, "\(title(field.path)) is empty", at: field.value.place,
                path: field.path, help: "write '[http/1.1]', or remove the line")
        }
        for item in items {
            let word = value(item) { text -> Parsed<String> in
                Self.protocolWords.contains(text)
                    ? .success(text)
                    : .failure(Value.wordMistake(text, known: Self.protocolWords))
            }
            if let word { words.insert(word) }
        }
        if words.count > 1, words.contains("tcp") || words.contains("tls-passthrough") {
            let isHTTP = !words.isDisjoint(with: ["http/1.1", "h2", "h2c"])
            report(
                .conflict,
                isHTTP
                    ? "a listener speaks HTTP or passes bytes on, and this one is to do both"
                    : "'tcp' passes all bytes on, and 'tls-passthrough' those of TLS, by name",
                at: field.value.place, path: field.path,
                help: isHTTP ? "write '[http/1.1]' or '[tcp]'" : "write one of them")
        }
        return words
    }

    private static let protocolWords = ["http/1.1", "h2", "h2c", "tcp", "tls-passthrough"]

    private func readTrustedProxies(
        _ field: Field, _ trustsUnixClients: inout Bool
    ) -> [AddressRange] {
        let items = items(of: field)
        trustsUnixClients = items.contains { isWord("unix", $0.value) }
        return items.filter { !isWord("unix", $0.value) }.compactMap { item in
            let range = value(item, Value.addressRange)
            if let range,
                range.prefixBitCount == 0
                    || range.prefixBitCount == 96 && range.high == 0
                        && range.low == 0xFFFF << 32
            {
                warn(
                    .trustsEveryone,
                    "'\(range.text)' lets every client say what its address is",
                    at: item.value.place, path: item.path,
                    help: "list the addresses of the proxies in front of this one only")
            }
            return range
        }
    }

    private func isWord(_ word: String, _ node: YAMLNode) -> Bool {
        if case .scalar(let text, _) = node.content { text == word } else { false }
    }

    private func readListenerTimeouts(
        _ field: Field, into timeouts: inout ListenerConfiguration.Timeouts
    ) {
        eachField(of: field.value, as: .named(.listenerTimeouts), at: field.path) { field in
            switch field.key {
            case "handshake": read(field, into: &timeouts.handshake) { Value.duration($0) }
            case "header": read(field, into: &timeouts.header) { Value.duration($0) }
            case "idle": read(field, into: &timeouts.idle) { Value.duration($0) }
            case "read": read(field, into: &timeouts.read, Value.durationOrOff)
            case "write": read(field, into: &timeouts.write, Value.durationOrOff)
            default: break
            }
        }
    }

    private func readListenerLimits(
        _ field: Field, into limits: inout ListenerConfiguration.Limits
    ) {
        eachField(of: field.value, as: .named(.listenerLimits), at: field.path) { field in
            switch field.key {
            case "connections":
                read(field, into: &limits.connections) { text in
                    text == "auto"
                        ? .success(nil)
                        : Value.integer(text, in: 1...10_000_000).map { Optional($0) }
                }
            case "connections_per_client":
                read(field, into: &limits.connectionsPerClient) { text in
                    Value.orOff(text) { Value.integer($0, in: 1...10_000_000) }
                }
            case "request_line":
                read(field, into: &limits.requestLineBytes) { text in
                    Value.size(text, in: Bounds.requestLine).map { Int($0) }
                }
            case "header_size":
                read(field, into: &limits.headerBytes) { text in
                    Value.size(text, in: Bounds.header).map { Int($0) }
                }
            case "header_count":
                read(field, into: &limits.headerCount) {
                    Value.integer($0, in: Bounds.headerCount)
                }
            case "h2_streams":
                read(field, into: &limits.concurrentStreams) { Value.integer($0, in: 1...10_000) }
            case "body_size":
                read(field, into: &limits.bodyBytes) { text in
                    Value.orOff(text) { Value.size($0, in: 0...1 << 50) }
                }
            default:
                break
            }
        }
    }

    private func readListenerPaths(
        _ field: Field, into paths: inout ListenerConfiguration.Paths
    ) {
        eachField(of: field.value, as: .named(.listenerPaths), at: field.path) { field in
            switch field.key {
            case "merge_slashes":
                read(field, into: &paths.mergesSlashes, Value.boolean)
            case "ambiguous":
                read(field, into: &paths.ambiguous) {
                    Value.word($0, of: ListenerConfiguration.Paths.Ambiguous.self)
                }
            default: break
            }
        }
    }

    private func readListenerHeaders(
        _ field: Field, into headers: inout ListenerConfiguration.Headers
    ) {
        eachField(of: field.value, as: .named(.listenerHeaders), at: field.path) { field in
            switch field.key {
            case "forwarded":
                read(field, into: &headers.forwarded) {
                    Value.word($0, of: ListenerConfiguration.Headers.Forwarded.self)
                }
            case "request_id":
                read(field, into: &headers.requestID) { text in
                    Value.orOff(text, Value.changeableHeaderName)
                }
            case "proxy_status":
                read(field, into: &headers.proxyStatus) {
                    Value.word($0, of: ListenerConfiguration.Headers.ProxyStatus.self)
                }
            case "server_timing":
                read(field, into: &headers.serverTiming, Value.boolean)
            case "server":
                read(field, into: &headers.server) { text in
                    if text == "keep" { return .success(.keep) }
                    if Value.isOff(text) || text == "remove" { return .success(.remove) }
                    return Value.headerValue(text).map { .text($0) }
                }
            default:
                break
            }
        }
    }
}
