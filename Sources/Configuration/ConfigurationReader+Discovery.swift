import YAML

extension ConfigurationReader {
    /// `discover:` of a service. Each kind of source has a key of its own.
    func readSources(_ field: Field, into sources: inout ServiceConfiguration.Sources?) {
        var read = ServiceConfiguration.Sources()
        eachField(of: field.value, as: .named(.discover), at: field.path) { field in
            switch field.key {
            case "docker": read.list += readEngines(field)
            case "dns": if let dns = readDNS(field) { read.list.append(.dns(dns)) }
            case "etcd": if let etcd = readEtcd(field) { read.list.append(.etcd(etcd)) }
            case "file": if let list = readServerFile(field) { read.list.append(.file(list)) }
            case "when_lost":
                self.read(field, into: &read.whenLost) {
                    Value.word($0, of: ServiceConfiguration.Sources.WhenLost.self)
                }
            case "min_servers":
                self.read(field, into: &read.minimumServers) { Value.integer($0, in: 0...1000) }
            default: break
            }
        }
        // One that could not be read has been told.
        let isSilent: Bool
        if case .map(let entries) = field.value.content {
            isSilent = !entries.contains { ["docker", "dns", "etcd", "file"].contains($0.key) }
        } else {
            isSilent = false
        }
        if isSilent {
            missingKey(
                "docker", in: field.value, path: field.path, at: field.keyPlace,
                help: "name a source, such as 'docker: {}'")
        }
        sources = read
    }

    /// `discover:` of the file as a whole: labels make services and routes.
    func readCatalogue(_ field: Field) {
        eachField(of: field.value, as: .named(.catalogue), at: field.path) { field in
            configuration.catalogue = readDocker(field, as: .catalogueDocker)
            configuration.catalogue?.choice.isCatalogued = true
        }
        if configuration.catalogue == nil, case .map = field.value.content, isComplete {
            missingKey(
                "docker", in: field.value, path: field.path, at: field.keyPlace,
                help: "name a source, such as 'docker: {}'")
        }
    }

    /// `file:` below `discover:`.
    private func readServerFile(_ field: Field) -> FileDiscovery? {
        var list: FileDiscovery?
        var hasPath = false
        eachField(of: field.value, as: .named(.serverFile), at: field.path) { field in
            hasPath = true
            list = path(of: field, example: "/etc/staithe/servers.d/api.yaml")
                .map { FileDiscovery(path: $0) }
        }
        if !hasPath, case .map = field.value.content {
            missingKey(
                "path", in: field.value, path: field.path, at: field.keyPlace,
                help: "add 'path: /etc/staithe/servers.d/api.yaml'")
        }
        return list
    }

    // MARK: - Docker

    /// One engine, or a list of them: one for each host.
    private func readEngines(_ field: Field) -> [ServiceConfiguration.Sources.Source] {
        guard case .list = field.value.content else { return [.docker(readDocker(field))] }
        var first: [DockerDiscovery.Engine.Endpoint: YAMLPlace] = [:]
        return items(of: field).enumerated().map { index, item in
            var docker = readDocker(item)
            if index > 0 { docker.name = "docker-\(index + 1)" }
            let place = item.value.place
            if let other = first.updateValue(place, forKey: docker.engine.endpoint) {
                report(
                    .duplicateAddress, "engine \(docker.engine.endpoint) is listed twice",
                    at: place, path: item.path, help: "remove one of them",
                    notes: [Diagnostic.Note("first used", at: location(other))])
            }
            return .docker(docker)
        }
    }

    private func readDocker(_ field: Field, as shape: Shape.Name = .docker) -> DockerDiscovery {
        var docker = DockerDiscovery()
        readEngine(field, as: shape, into: &docker.engine) { field in
            switch field.key {
            case "labels":
                docker.choice.dialects = items(of: field, allowsOne: true).compactMap {
                    value($0, example: "traefik") {
                        Value.word($0, of: DockerDiscovery.Choice.Dialect.self)
                    }
                }
            case "label":
                docker.choice.label =
                    value(field, example: "staithe.service=api", Value.containerLabel)
                    ?? docker.choice.label
            case "port":
                docker.choice.port = value(field, example: "3000", Value.port) ?? docker.choice.port
            case "network": docker.choice.network = text(of: field, example: "app_net")?.text
            case "version_from":
                read(field, into: &docker.choice.versionFrom) {
                    Value.word($0, of: DockerDiscovery.Choice.VersionSource.self)
                }
            case "allow_addresses":
                docker.choice.allowedAddresses = items(of: field, allowsOne: true)
                    .compactMap { value($0, example: "10.0.0.0/8", Value.addressRange) }
            default: break
            }
        }
        return docker
    }

    /// What every use of an engine may say; the other keys are for `body`.
    private func readEngine(
        _ field: Field, as shape: Shape.Name, into engine: inout DockerDiscovery.Engine,
        _ body: (Field) -> Void
    ) {
        var credentials: [String: Field] = [:]
        eachField(of: field.value, as: .named(shape), at: field.path) { field in
            switch field.key {
            case "socket":
                engine.endpoint =
                    value(field, example: "/var/run/docker.sock", Value.engineEndpoint)
                    ?? engine.endpoint
            case "inspect":
                read(field, into: &engine.inspects) { text in
                    text == "never" ? .success(false) : Value.inspection(text)
                }
            case "ca", "cert", "key": credentials[field.key] = field
            default: body(field)
            }
        }
        engine.authority = credentials["ca"].flatMap { text(of: $0)?.text }
        engine.certificate = credentials["cert"].flatMap { text(of: $0)?.text }
        engine.key = credentials["key"].flatMap { text(of: $0)?.text }
        check(engine, credentials, at: field)
    }

    /// The words of `staithe 8080 --docker`.
    func readDockerCommand(listen: Field, endpoint: Field?, dialects: [Field]) {
        if let address = value(listen, example: "8080", Value.listenAddress) {
            configuration.listeners = [ListenerConfiguration(name: "main", address: address)]
            places.listeners = [
                ConfigurationPlaces.Place(
                    location: location(listen.value.place), keyPath: listen.path)
            ]
        }
        var docker = DockerDiscovery()
        docker.choice.isCatalogued = true
        if let endpoint {
            docker.engine.endpoint = value(endpoint, Value.engineEndpoint) ?? docker.engine.endpoint
            if case .tls = docker.engine.endpoint {
                report(
                    .conflict, "an engine is reached over the network with certificates only",
                    at: endpoint.value.place, path: endpoint.path,
                    help: "write a file with 'discover: { docker: { socket, ca, cert, key } }'")
            }
        }
        docker.choice.dialects = dialects.compactMap {
            value($0) { Value.word($0, of: DockerDiscovery.Choice.Dialect.self) }
        }
        configuration.catalogue = docker
    }

    /// An engine that is reached over the network is root on its host: never without
    /// certificates.
    private func check(
        _ engine: DockerDiscovery.Engine, _ credentials: [String: Field], at field: Field
    ) {
        switch engine.endpoint {
        case .unix:
            for credential in credentials.values {
                report(
                    .conflict, "'\(credential.key)' has no meaning for a Unix socket",
                    at: credential.keyPlace, path: credential.path,
                    help: "remove it, or write 'socket: tcp://host:2376'")
            }
        case .tls:
            for key in ["ca", "cert", "key"] where credentials[key] == nil {
                missingKey(
                    key, in: field.value, path: field.path, at: field.keyPlace,
                    help: "an engine is reached over the network with certificates only: "
                        + "add 'ca', 'cert' and 'key'")
            }
        }
    }
}

extension Value {
    /// `/var/run/docker.sock`, `unix:///run/podman/podman.sock` or `tcp://host:2376`.
    static func engineEndpoint(_ text: String) -> Parsed<DockerDiscovery.Engine.Endpoint> {
        if text.hasPrefix("/") || text.hasPrefix("unix://") {
            let path = text.hasPrefix("/") ? text : String(text.dropFirst(7))
            guard path.hasPrefix("/"), path.utf8.count <= 107 else {
                return .failure(
                    ValueMistake(
                        .badAddress, "is not the path of a socket",
                        help: "write '/var/run/docker.sock', with at most 107 bytes"))
            }
            return .success(.unix(path))
        }
        guard text.hasPrefix("tcp://") || text.hasPrefix("https://") else {
            return .failure(
                ValueMistake(
                    .badAddress, "is not the address of an engine",
                    help: "write '/var/run/docker.sock', or 'tcp://host:2376' with certificates"))
        }
        let rest = text.drop { $0 != "/" }.dropFirst(2)
        return serverAddress(rest.contains(":") ? String(rest) : "\(rest):2376").map {
            .tls(host: $0.host, port: $0.port)
        }
    }

    static func inspection(_ text: String) -> Parsed<Bool> {
        guard text == "starts" else {
            return .failure(wordMistake(text, known: ["starts", "never"]))
        }
        return .success(true)
    }

    /// `name=value`, or `name` for any value.
    static func containerLabel(_ text: String) -> Parsed<DockerDiscovery.Choice.Label> {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
            return .failure(
                ValueMistake(
                    .badName, "is not a label", help: "write 'staithe.service=api'"))
        }
        return .success(
            DockerDiscovery.Choice.Label(
                name: name, value: parts.count == 2 ? String(parts[1]) : nil))
    }
}
