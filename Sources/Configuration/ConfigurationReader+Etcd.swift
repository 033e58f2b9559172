import YAML

extension ConfigurationReader {
    /// `etcd:` below `discover:`, at `services.NAME.discover.etcd`.
    func readEtcd(_ field: Field) -> EtcdDiscovery? {
        let service = field.path.count > 1 ? field.path[1] : ""
        var etcd = EtcdDiscovery(prefix: EtcdDiscovery.standardPrefix(of: service))
        var endpoints: Field?
        var credentials: [String: Field] = [:]
        var tlsField: Field?
        eachField(of: field.value, as: .named(.etcd), at: field.path) { field in
            switch field.key {
            case "endpoints":
                endpoints = field
                etcd.access.endpoints = readEndpoints(field)
            case "prefix":
                etcd.prefix =
                    value(field, example: "/staithe/services/api/", Value.etcdPrefix)
                    ?? etcd.prefix
            case "user": credentials["user"] = field
            case "password": credentials["password"] = field
            case "tls":
                tlsField = field
                var tls: ServiceConfiguration.TLS? = etcd.access.tls
                readServerTLS(field, into: &tls)
                etcd.access.tls = tls ?? etcd.access.tls
            case "snapshot":
                read(field, into: &etcd.snapshot) { text in
                    if Value.isOff(text) { return .success(.off) }
                    guard text.contains("/"), !text.hasSuffix("/") else {
                        return .failure(
                            ValueMistake(
                                .badPath, "is not the path of a file",
                                help: "write a path such as /var/lib/staithe/api.json, or 'off'"))
                    }
                    return .success(.path(text))
                }
            default: break
            }
        }
        guard case .map = field.value.content else { return nil }
        guard let endpoints else {
            missingKey(
                "endpoints", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'endpoints: [\"http://10.0.0.5:2379\"]'")
            return nil
        }
        etcd.access.user = credentials["user"].flatMap { text(of: $0, example: "staithe")?.text }
        etcd.access.password = credentials["password"].flatMap {
            text(of: $0, example: "${file:/run/secrets/etcd}")?.text
        }
        checkEtcdAccess(etcd.access, endpoints, credentials, tlsField)
        return etcd
    }

    private func readEndpoints(_ field: Field) -> [EtcdAccess.Endpoint] {
        var endpoints: [EtcdAccess.Endpoint] = []
        let items = items(of: field, allowsOne: true)
        if items.isEmpty, case .list = field.value.content {
            report(
                .missingValue, "\(title(field.path)) is empty", at: field.value.place,
                path: field.path, help: "write at least one, such as 'http://10.0.0.5:2379'")
        }
        for item in items {
            guard
                let endpoint = value(item, example: "http://10.0.0.5:2379", Value.etcdEndpoint)
            else { continue }
            if endpoints.contains(endpoint) {
                report(
                    .duplicateAddress, "endpoint \(endpoint) is listed twice",
                    at: item.value.place, path: item.path, help: "remove one of them")
            }
            endpoints.append(endpoint)
        }
        return endpoints
    }

    private func checkEtcdAccess(
        _ access: EtcdAccess, _ endpoints: Field, _ credentials: [String: Field], _ tls: Field?
    ) {
        for (one, other) in [("user", "password"), ("password", "user")] {
            guard let field = credentials[one], credentials[other] == nil else { continue }
            report(
                .missingKey, "'\(one)' is given without '\(other)'", at: field.keyPlace,
                path: field.path, help: "write both 'user:' and 'password:'")
        }
        guard !access.endpoints.isEmpty else { return }
        let secureCount = access.endpoints.count { $0.isSecure }
        if let tls, secureCount == 0 {
            report(
                .conflict, "'tls' has no meaning for endpoints with http", at: tls.keyPlace,
                path: tls.path, help: "write the endpoints with 'https://', or remove it")
        }
        if let field = credentials["password"], secureCount < access.endpoints.count {
            let isLocal = access.endpoints.allSatisfy {
                $0.isSecure || $0.host.hasPrefix("127.") || $0.host == "::1"
                    || $0.host == "localhost"
            }
            if !isLocal {
                warn(
                    .conflict, "the password goes to etcd without TLS, where others can read it",
                    at: field.keyPlace, path: field.path,
                    help: "write the endpoints with 'https://'")
            }
        }
    }
}

extension Value {
    /// `http://10.0.0.5:2379`, `https://etcd-1.internal`, `10.0.0.5:2379`; 2379 without a port.
    static func etcdEndpoint(_ text: String) -> Parsed<EtcdAccess.Endpoint> {
        let isSecure = text.hasPrefix("https://")
        var rest = text[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count)
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let behind = rest.hasPrefix("[") ? rest.drop { $0 != "]" } : rest
        guard !rest.isEmpty, !rest.contains("/"), !rest.hasPrefix("unix:") else {
            return .failure(
                ValueMistake(
                    .badAddress, "is not an endpoint of etcd",
                    help: "write 'http://10.0.0.5:2379' or 'https://etcd-1.internal:2379'"))
        }
        return serverAddress(behind.contains(":") ? String(rest) : "\(rest):2379").map {
            EtcdAccess.Endpoint(host: $0.host, port: $0.port, isSecure: isSecure)
        }
    }

    /// Keys begin with it; a slash at its end is added.
    static func etcdPrefix(_ text: String) -> Parsed<String> {
        guard (1...512).contains(text.utf8.count),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else {
            return .failure(
                ValueMistake(
                    .badPath, "is not a prefix of keys",
                    help: "write a path of visible characters, such as '/services/api/'"))
        }
        return .success(text.hasSuffix("/") ? text : "\(text)/")
    }
}
