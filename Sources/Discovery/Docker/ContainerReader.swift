public import Configuration

/// Makes a server of a container, by its labels and the rules of the configuration.
///
/// What is wrong with a container costs that container at most, and is told with its name; a
/// label that is wrong costs the label.
public struct ContainerReader: Equatable, Sendable {
    public static let prefix = "staithe."

    public var choice: DockerDiscovery.Choice
    /// Networks of our own container, when we live in one.
    public var ownNetworks: Set<String> = []

    public init(_ choice: DockerDiscovery.Choice) { self.choice = choice }

    /// A container, read.
    public struct Reading: Equatable, Sendable {
        public var labels: ContainerLabels
        /// The labels' settings over those that were given.
        public var service: ServiceConfiguration
        public var warnings: [SourceWarning] = []

        public init(labels: ContainerLabels, service: ServiceConfiguration) {
            self.labels = labels
            self.service = service
        }
    }

    // MARK: - Labels

    /// The one spelling of a label's name: they are written in any case, and with either of `-`
    /// and `_`.
    private static func plainName(_ label: String) -> String {
        String(label.lowercased().map { $0 == "_" ? "-" : $0 })
    }

    /// A label of ours, by its name without the prefix.
    static func label(_ name: String, in labels: [String: String]) -> String? {
        let wanted = prefix + name
        if let value = labels[wanted] { return value }
        let length = wanted.utf8.count
        return labels.first { $0.key.utf8.count == length && plainName($0.key) == wanted }?.value
    }

    // MARK: - Which containers

    /// Whether a container with these labels serves `service`; for a catalogue, `nil` asks
    /// whether it serves any. In doubt it does: ``isMeant(_:)`` decides when all of them have
    /// been read.
    public func isWanted(_ labels: [String: String], by service: String?) -> Bool {
        if choice.isCatalogued { return Self.isEnabled(labels, choice.dialects) }
        if let word = Self.label("enable", in: labels), case .success(false) = Value.boolean(word) {
            return false
        }
        guard let wanted = choice.label else {
            guard let value = Self.label("service", in: labels) else { return false }
            return service == nil || value == service
        }
        guard let value = labels[wanted.name] else { return false }
        return wanted.value == nil || wanted.value == value
    }

    private static func isEnabled(
        _ labels: [String: String], _ dialects: [DockerDiscovery.Choice.Dialect]
    ) -> Bool {
        if let word = label("enable", in: labels) {
            if case .success(true) = Value.boolean(word) { return true }
            return false
        }
        if dialects.contains(.traefik), let isEnabled = TraefikLabels.isEnabled(labels) {
            return isEnabled
        }
        // Whether its environment says anything is seen when it has been described.
        return dialects.contains(.nginxProxy)
    }

    /// Whether a described container is meant at all: one that only its environment could have
    /// meant may turn out to be somebody else's, and what cannot be read does not open it.
    public func isMeant(_ labels: ContainerLabels) -> Bool {
        choice.isCatalogued ? labels.isEnabled == true : labels.isEnabled != false
    }

    /// What almost made a container a server: said, so that nobody has to guess.
    public func hint(about facts: ContainerFacts) -> SourceWarning? {
        if let word = Self.label("enable", in: facts.labels) {
            guard case .failure(let mistake) = Value.boolean(word) else { return nil }
            return SourceWarning(
                facts.title,
                "label '\(Self.prefix)enable': '\(word.prefix(40))' \(mistake.problem), so it is "
                    + "left out", help: mistake.help)
        }
        if choice.dialects.contains(.traefik), let hint = TraefikLabels.hint(about: facts) {
            return hint
        }
        let own = facts.labels.keys.filter { $0.lowercased().hasPrefix(Self.prefix) }
        guard let label = own.min() else { return nil }
        return SourceWarning(
            facts.title,
            "has the label '\(label.prefix(100))', but not '\(Self.prefix)enable=true', so it is "
                + "left out", help: "add the label '\(Self.prefix)enable=true'")
    }

    // MARK: - Its service

    /// - Parameter template: what labels are put over.
    public func read(
        _ facts: ContainerFacts, over template: ServiceConfiguration
    ) -> Reading {
        var labels = facts.labels
        var warnings: [SourceWarning] = []
        var patterns: [ContainerLabels.Pattern] = []
        var isClosed = false
        var closedBecause: [Translation.Warning] = []
        let own = Set(labels.keys.map { Self.plainName($0) })
        for dialect in choice.dialects {
            let translation =
                switch dialect {
                case .traefik: TraefikLabels.translated(facts)
                case .nginxProxy: NginxProxyVariables.translated(facts)
                }
            // Our own labels win.
            for (label, value) in translation.labels where !own.contains(Self.plainName(label)) {
                labels[label] = labels[label] ?? value
            }
            patterns += translation.patterns
            isClosed = isClosed || translation.isClosed || translation.closedBecause != nil
            if let reason = translation.closedBecause { closedBecause.append(reason) }
            warnings += translation.warnings.map {
                SourceWarning(facts.title, $0.sentence, help: $0.help)
            }
        }
        var service = template
        let read = ContainerLabels.read(labels, prefix: Self.prefix, over: &service)
        warnings += read.mistakes.map { mistake in
            // A single word is read as a list of one: the label is called as it was written.
            let isWritten = labels[mistake.label] != nil || !mistake.label.hasSuffix(".0")
            let label = isWritten ? mistake.label : String(mistake.label.dropLast(2))
            return SourceWarning(
                facts.title, "label '\(label)': \(mistake.sentence)", help: mistake.help)
        }
        var reading = Reading(labels: read.labels, service: service)
        if !read.labels.namesRequests, !read.labels.isClosed {
            reading.labels.patterns = patterns
            reading.labels.isClosed = isClosed
            warnings += closedBecause.map {
                SourceWarning(facts.title, $0.sentence, help: $0.help)
            }
        }
        reading.warnings = warnings
        return reading
    }

    /// The name of the service that a container belongs to: its label, else as Compose and Swarm
    /// call it, else the container's own name.
    public static func serviceName(_ facts: ContainerFacts, _ labels: ContainerLabels) -> String {
        if let name = labels.service { return name }
        if let service = facts.labels["com.docker.compose.service"] {
            let project = facts.labels["com.docker.compose.project"]
            return plain(project.map { "\($0)-\(service)" } ?? service)
        }
        if let name = facts.labels["com.docker.swarm.service.name"] { return plain(name) }
        return plain(facts.name)
    }

    /// With the letters that names of services may have.
    static func plain(_ text: String) -> String {
        let name = String(
            text.prefix(63).map { character in
                let isPlain =
                    character.isASCII
                    && (character.isLetter || character.isNumber || "-_.".contains(character))
                return isPlain ? character : "-"
            })
        let start = name.drop { !$0.isLetter && !$0.isNumber }
        return start.isEmpty ? "app" : String(start)
    }

    // MARK: - Its server

    /// The server that a container is.
    ///
    /// - Parameter facts: of other containers, by their id; for those that use another one's
    ///   network.
    /// - Returns: no server when it cannot be reached, and what is wrong.
    public func server(
        _ container: EngineMachine.Container, _ reading: Reading,
        others facts: (String) -> ContainerFacts?
    ) -> (server: DiscoveredServer?, warnings: [SourceWarning]) {
        var warnings: [SourceWarning] = []
        guard !reading.labels.isUnreachable else { return (nil, []) }
        guard let host = address(of: container.facts, reading.labels, facts, &warnings),
            let port = port(of: container.facts, reading.labels, &warnings)
        else { return (nil, warnings) }
        guard let state = state(of: container, reading.labels) else { return (nil, warnings) }
        var server = ServerConfiguration(address: ServerAddress(host: host, port: port))
        server.address.isSecure = reading.service.tls != nil
        server.name = Self.serverName(container.facts)
        server.weight = reading.labels.weight ?? 1
        server.isBackup = reading.labels.isBackup
        server.version = version(of: container.facts, reading.labels)
        return (
            DiscoveredServer(
                identity: Self.identity(of: container), configuration: server, state: state,
                startedAt: container.startedAt), warnings
        )
    }

    /// The container and its start, whoever looks at it: by the moment where the engine tells it,
    /// else by our own count.
    public static func identity(of container: EngineMachine.Container) -> String {
        let start = container.facts.startedAt.map { "@\($0)" } ?? "#\(container.generation)"
        return "\(container.facts.id.prefix(12))\(start)"
    }

    private static func serverName(_ facts: ContainerFacts) -> String {
        let name = facts.name.filter { !$0.isWhitespace && $0 != "/" }
        return name.isEmpty ? String(facts.id.prefix(12)) : name
    }

    /// - Returns: `nil` for one that does not count yet.
    private func state(
        of container: EngineMachine.Container, _ labels: ContainerLabels
    ) -> ServerState? {
        switch container.standing {
        case .draining: .draining
        case .paused: .down
        case .healthy: labels.engineHealth == .ignore ? .pending : .admitted
        case .unhealthy: labels.engineHealth == .ignore ? .pending : .down
        case .pending:
            labels.engineHealth == .require && container.facts.health != nil ? nil : .pending
        }
    }

    // MARK: - Its address

    private func address(
        of facts: ContainerFacts, _ labels: ContainerLabels,
        _ others: (String) -> ContainerFacts?, _ warnings: inout [SourceWarning]
    ) -> String? {
        func warn(_ sentence: String, help: String? = nil) {
            warnings.append(SourceWarning(facts.title, sentence, help: help))
        }
        let sharesHost = facts.networkMode == "host" || facts.networks["host"] != nil
        if let wanted = labels.address {
            if sharesHost || isAllowed(wanted) { return wanted }
            warn(
                "label '\(Self.prefix)address' leads to \(wanted), which is not allowed for a "
                    + "container with a network of its own",
                help: "remove the label, or allow the address with 'allow_addresses'")
        } else if sharesHost {
            warn(
                "it shares the network of the host, and nobody says at which address it listens",
                help: "add the label '\(Self.prefix)address', one for each replica")
            return nil
        }
        var networks = facts.networks
        if let mode = facts.networkMode, mode.hasPrefix("container:") {
            networks = others(String(mode.dropFirst("container:".count)))?.networks ?? [:]
        }
        let reachable = networks.filter { $0.value.ipv4 != nil || $0.value.ipv6 != nil }
        guard let name = network(among: reachable, facts, labels, warn),
            let network = reachable[name]
        else {
            if !reachable.isEmpty { return nil }
            warn(
                networks.isEmpty
                    ? "it has no network, so it has no address"
                    : "none of its networks has an address",
                help: "connect it to a network of this proxy, or set '\(Self.prefix)address'")
            return nil
        }
        return network.ipv4 ?? network.ipv6
    }

    private func isAllowed(_ text: String) -> Bool {
        choice.allowedAddresses.contains { $0.contains(text) }
    }

    private func network(
        among networks: [String: ContainerFacts.Network], _ facts: ContainerFacts,
        _ labels: ContainerLabels, _ warn: (String, String?) -> Void
    ) -> String? {
        let names = networks.keys.sorted()
        if let wanted = labels.network ?? choice.network {
            if let name = Self.named(wanted, among: names, facts) { return name }
            warn(
                "it is not in the network '\(wanted)'; it is in "
                    + (names.isEmpty ? "none" : names.joined(separator: ", ")),
                "correct the name, or connect the container")
            // A name that is wrong takes nobody out when there is only one way.
            return names.count == 1 ? names[0] : nil
        }
        let shared = names.filter { ownNetworks.contains($0) }
        if let name = shared.first { return name }
        if names.count > 1 {
            warn(
                "it is in several networks (\(names.joined(separator: ", "))), and '\(names[0])' "
                    + "is used", "say which with '\(Self.prefix)network'")
        }
        return names.first
    }

    /// Compose puts the project before the names of networks, and people leave it out.
    private static func named(
        _ wanted: String, among names: [String], _ facts: ContainerFacts
    ) -> String? {
        if names.contains(wanted) { return wanted }
        guard let project = facts.labels["com.docker.compose.project"] else { return nil }
        return names.first { $0 == "\(project)_\(wanted)" }
    }

    // MARK: - Its port

    private func port(
        of facts: ContainerFacts, _ labels: ContainerLabels, _ warnings: inout [SourceWarning]
    ) -> UInt16? {
        if let port = labels.port ?? choice.port { return port }
        guard let lowest = facts.ports.first else {
            warnings.append(
                SourceWarning(
                    facts.title, "it exposes no port, and nobody says which one it serves",
                    help: "add the label '\(Self.prefix)port'"))
            return nil
        }
        if facts.ports.count > 1 {
            let list = facts.ports.map { String($0) }.joined(separator: ", ")
            warnings.append(
                SourceWarning(
                    facts.title, "it exposes several ports (\(list)), and \(lowest) is used",
                    help: "say which with '\(Self.prefix)port'"))
        }
        return lowest
    }

    // MARK: - Its version

    private func version(of facts: ContainerFacts, _ labels: ContainerLabels) -> String? {
        switch choice.versionFrom {
        case .label: labels.version
        case .imageTag: Self.tag(of: facts.image)
        case .automatic: labels.version ?? Self.tag(of: facts.image)
        }
    }

    /// `shop` of `registry:5000/web:shop`; a digest is no name for people.
    static func tag(of image: String) -> String? {
        let plain = image.split(separator: "@", maxSplits: 1).first.map { String($0) } ?? ""
        let last = plain.split(separator: "/").last ?? ""
        guard let colon = last.firstIndex(of: ":") else { return nil }
        let tag = last[last.index(after: colon)...]
        return tag.isEmpty || last.hasPrefix("sha256:") ? nil : String(tag.prefix(64))
    }
}
