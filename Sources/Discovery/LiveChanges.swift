public import Configuration

/// What was changed while running, over what the file says.
///
/// Each change remembers the value that it replaced. When the file is read again and still has
/// that value, the change stays; when the file has another one, the file wins and the change is
/// dropped, which is said. A change that the file has come to contain is no change any more.
public struct LiveChanges: Equatable {
    /// A server of a service, by its name.
    public struct Key: Hashable {
        public var service: String
        public var server: String

        public init(service: String, server: String) {
            self.service = service
            self.server = server
        }
    }

    /// What an operator wants of a server.
    public enum OperatorState: String, Equatable {
        case up, maintenance, drain
    }

    private struct WeightChange: Equatable {
        var weight: Int
        var replaced: Int
    }

    private var added: [String: [ServerConfiguration]] = [:]
    /// With the entry of the file that is left out.
    private var removed: [Key: ServerConfiguration] = [:]
    private var weights: [Key: WeightChange] = [:]
    private var states: [Key: OperatorState] = [:]
    /// What an operator wants of servers that a source has found, by their identity: nothing
    /// that a file could contain, and forgotten when the server has gone.
    private var withdrawn: Set<Key> = []
    private var foundWeights: [Key: Int] = [:]
    private var foundStates: [Key: OperatorState] = [:]

    public init() {}

    /// Changes that the file does not contain; states are not meant for it and don't count.
    public var count: Int {
        added.values.reduce(0) { $0 + $1.count } + removed.count + weights.count
    }

    // MARK: - Changing

    /// A server that had been removed and comes back as the file has it is no change any more.
    public mutating func add(_ server: ServerConfiguration, to service: String) {
        let key = Key(service: service, server: server.name)
        if let entry = removed[key] {
            var plain = server
            plain.weight = entry.weight
            if plain == entry {
                removed[key] = nil
                return setWeight(server.weight, of: key, file: entry)
            }
        }
        added[service, default: []].append(server)
    }

    /// - Parameter file: the server's entry in the file, if it has one.
    public mutating func remove(_ key: Key, file: ServerConfiguration?) {
        added[key.service]?.removeAll { $0.name == key.server }
        weights[key] = nil
        states[key] = nil
        removed[key] = file
    }

    /// - Parameter file: the server's entry in the file, if it has one.
    public mutating func setWeight(_ weight: Int, of key: Key, file: ServerConfiguration?) {
        if let index = added[key.service]?.firstIndex(where: { $0.name == key.server }) {
            added[key.service]?[index].weight = weight
        } else if let file {
            weights[key] =
                file.weight == weight ? nil : WeightChange(weight: weight, replaced: file.weight)
        }
    }

    public mutating func setState(_ state: OperatorState, of key: Key) {
        states[key] = state == .up ? nil : state
    }

    public func state(of key: Key) -> OperatorState { states[key] ?? .up }

    // MARK: - Servers that a source has found

    /// Takes a server out for as long as its source names it.
    ///
    /// - Parameter key: with the member's identity in the place of the name, as below.
    public mutating func withdraw(_ key: Key) {
        withdrawn.insert(key)
        foundWeights[key] = nil
        foundStates[key] = nil
    }

    public mutating func setWeight(_ weight: Int, ofFound key: Key) { foundWeights[key] = weight }

    public mutating func setState(_ state: OperatorState, ofFound key: Key) {
        foundStates[key] = state == .up ? nil : state
    }

    public func state(ofFound key: Key) -> OperatorState { foundStates[key] ?? .up }

    /// The members of a service as they are to be.
    public func members(
        _ members: [ServerSet.Member], of service: String
    ) -> [ServerSet.Member] {
        guard !withdrawn.isEmpty || !foundWeights.isEmpty else { return members }
        return members.compactMap { member in
            let key = Key(service: service, server: member.identity)
            guard !withdrawn.contains(key) else { return nil }
            var member = member
            if let weight = foundWeights[key] { member.server.configuration.weight = weight }
            return member
        }
    }

    /// Forgets what was wanted of servers that are no more.
    public mutating func forget(of service: String, except members: [ServerSet.Member]) {
        func concerns(_ key: Key) -> Bool { key.service == service }
        guard
            withdrawn.contains(where: concerns) || foundWeights.keys.contains(where: concerns)
                || foundStates.keys.contains(where: concerns)
        else { return }
        let known = Set(members.map { Key(service: service, server: $0.identity) })
        func isGone(_ key: Key) -> Bool { concerns(key) && !known.contains(key) }
        withdrawn = withdrawn.filter { !isGone($0) }
        foundWeights = foundWeights.filter { !isGone($0.key) }
        foundStates = foundStates.filter { !isGone($0.key) }
    }

    // MARK: - Against the file

    /// The servers of a service as they are to be, with whether they come from the file.
    public func servers(
        of service: ServiceConfiguration
    ) -> [(server: ServerConfiguration, isLive: Bool)] {
        var servers: [(ServerConfiguration, Bool)] = []
        for var server in service.servers {
            let key = Key(service: service.name, server: server.name)
            if removed[key] != nil { continue }
            if let change = weights[key] { server.weight = change.weight }
            servers.append((server, false))
        }
        for server in added[service.name] ?? [] { servers.append((server, true)) }
        return servers
    }

    /// Compares with a file that was read again.
    ///
    /// - Returns: sentences about live changes that the file replaced.
    public mutating func reconcile(with file: ProxyConfiguration) -> [String] {
        var sentences: [String] = []
        let services = Dictionary(uniqueKeysWithValues: file.services.map { ($0.name, $0) })
        func entry(_ key: Key) -> ServerConfiguration? {
            services[key.service]?.servers.first { $0.name == key.server }
        }
        for (name, servers) in added {
            guard let service = services[name] else {
                sentences += servers.map {
                    "live change dropped: \($0.name) was added to service '\(name)', "
                        + "which the file no longer has"
                }
                added[name] = nil
                continue
            }
            let rest = servers.filter { server in
                // One that stands in for an entry that was removed is not in the file.
                service.servers.allSatisfy { entry in
                    entry.name != server.name && entry.address != server.address
                        || removed[Key(service: name, server: entry.name)] == entry
                }
            }
            added[name] = rest.isEmpty ? nil : rest
        }
        for (key, replaced) in removed {
            guard let now = entry(key) else {
                // The file has come to the same.
                removed[key] = nil
                continue
            }
            if now != replaced {
                removed[key] = nil
                sentences.append(
                    "live change dropped: \(key.server) had been removed, "
                        + "but the file has changed its entry")
            }
        }
        for (key, change) in weights {
            guard let now = entry(key) else {
                weights[key] = nil
                continue
            }
            if now.weight == change.weight {
                weights[key] = nil
            } else if now.weight != change.replaced {
                weights[key] = nil
                sentences.append(
                    "live change dropped: weight \(change.weight) of \(key.server), "
                        + "because the file now says \(now.weight)")
            }
        }
        for key in states.keys {
            let isAdded = added[key.service]?.contains { $0.name == key.server } ?? false
            if entry(key) == nil, !isAdded { states[key] = nil }
        }
        return sentences.sorted()
    }
}
