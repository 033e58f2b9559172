import Timing
import YAML

extension ConfigurationReader {
    /// `dns:` below `discover:`.
    func readDNS(_ field: Field) -> DNSDiscovery? {
        var dns: DNSDiscovery?
        var rest = DNSDiscovery(name: "")
        var portField: Field?
        var hasName = false
        eachField(of: field.value, as: .named(.dns), at: field.path) { field in
            switch field.key {
            case "name":
                hasName = true
                dns = value(field, example: "api.internal", Value.hostName)
                    .map { DNSDiscovery(name: $0) }
            case "port":
                portField = field
                rest.port = value(field, example: "3000", Value.port)
            case "type":
                read(field, into: &rest.kind) { Value.word($0, of: DNSDiscovery.Kind.self) }
            case "refresh": read(field, into: &rest.refresh, Value.refresh)
            case "nameservers":
                rest.nameServers = items(of: field, allowsOne: true)
                    .compactMap { value($0, example: "127.0.0.1:53", Value.nameServer) }
            default: break
            }
        }
        guard case .map = field.value.content else { return nil }
        if !hasName {
            missingKey(
                "name", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'name: api.internal'")
        }
        if rest.kind == .services, let portField {
            report(
                .conflict, "'port' has no meaning with 'type: srv', whose records have their own",
                at: portField.keyPlace, path: portField.path,
                help: "remove it, or write 'type: a'")
        }
        if rest.kind != .services, portField == nil {
            missingKey(
                "port", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'port: 3000', or write 'type: srv'")
        }
        if let name = dns?.name { rest.name = name }
        return dns == nil ? nil : rest
    }
}

extension Value {
    /// `ttl`, or a duration within the bounds.
    static func refresh(_ text: String) -> Parsed<DNSDiscovery.Refresh> {
        if text == "ttl" { return .success(.timeToLive) }
        return duration(text).flatMap { interval in
            guard interval >= DNSDiscovery.shortest, interval <= DNSDiscovery.longest else {
                return .failure(
                    ValueMistake(
                        .outOfRange, "is out of range",
                        help: "write 'ttl', or a duration from '1s' to '60s'"))
            }
            return .success(.every(interval))
        }
    }

    /// `127.0.0.1:5300`, `127.0.0.1`, `[::1]:53` or `::1`, as c-ares reads it.
    static func nameServer(_ text: String) -> Parsed<String> {
        if let address = NumericAddress.version4(text[...]) {
            return .success("\(address.description):53")
        }
        if let address = NumericAddress.version6(text[...]) {
            return .success("[\(address.description)]:53")
        }
        let mistake = ValueMistake(
            .badAddress, "is not a name server: its host must be numeric",
            help: "write its address, such as '10.0.0.53' or '127.0.0.1:5300'")
        guard text.contains(":") else { return .failure(mistake) }
        return serverAddress(text).flatMap { address in
            let isNumeric =
                NumericAddress.version4(address.host[...]) != nil
                || NumericAddress.version6(address.host[...]) != nil
            return isNumeric && !address.isSecure
                ? .success(address.description) : .failure(mistake)
        }
    }
}
