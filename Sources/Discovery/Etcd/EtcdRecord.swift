public import Configuration

/// What stands under a server's key: who writes it and who reads it agree on this.
///
/// JSON with `address`, and, if they say anything, `weight`, `version`, `backup` and `state`; or
/// the address alone, for people with `etcdctl`. Keys that are not known are left alone.
public struct EtcdRecord: Equatable, Sendable {
    /// Numeric, with a port: `10.0.0.7:3000`.
    public var address: String
    public var weight: Int?
    public var version: String?
    public var isBackup = false
    /// It finishes what it has and is about to end.
    public var isDraining = false

    public init(address: String) { self.address = address }

    public var text: String {
        var parts = ["\"address\":\(EtcdProtocol.quoted(address))"]
        if let weight { parts.append("\"weight\":\(weight)") }
        if let version { parts.append("\"version\":\(EtcdProtocol.quoted(version))") }
        if isBackup { parts.append("\"backup\":true") }
        if isDraining { parts.append("\"state\":\"draining\"") }
        return "{\(parts.joined(separator: ","))}"
    }

    /// A value that cannot be used, in a sentence.
    public struct Mistake: Error, Equatable, Sendable {
        public var sentence: String
        public var help: String
    }

    public init(reading text: String) throws(Mistake) {
        guard text.first == "{" else {
            address = text
            return
        }
        address = ""
        do throws(JSONReader.Mistake) {
            var reader = JSONReader(Array(text.utf8), maximumDepth: 16)
            var record = self
            try reader.readObject { (reader, key) throws(JSONReader.Mistake) in
                switch key {
                case "address": record.address = try reader.readText() ?? ""
                case "weight": record.weight = try reader.readInteger() ?? -1
                case "version": record.version = try reader.readText()
                case "backup": record.isBackup = try reader.readBoolean() ?? false
                case "state": record.isDraining = try reader.readText() == "draining"
                default: try reader.skipValue()
                }
            }
            try reader.finish()
            self = record
        } catch {
            throw Mistake(
                sentence: "its value is not JSON",
                help: #"write {"address":"10.0.0.7:3000"}, or the address alone"#)
        }
    }

    /// The server that it stands for.
    ///
    /// - Parameter name: what stands behind the prefix in its key.
    public func server(named name: String, _ etcd: EtcdDiscovery) throws(Mistake)
        -> DiscoveredServer
    {
        guard (1...128).contains(name.utf8.count),
            name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x2F })
        else {
            throw Mistake(
                sentence: "its key cannot name a server",
                help: "write letters, digits, '-', '.', ':' and '_' behind \(etcd.prefix)")
        }
        let outcome = ProxyConfiguration.shortForm(listen: "1", servers: [address])
        guard let parsed = outcome.configuration?.services.first?.servers.first?.address,
            parsed.isNumeric, parsed.unixPath == nil
        else {
            throw Mistake(
                sentence: "'\(address)' is not a numeric address with a port",
                help: "write an address that others can reach, such as 10.0.0.7:3000")
        }
        var server = ServerConfiguration(address: parsed)
        server.address.isSecure = etcd.isSecure
        server.name = name
        if let weight {
            guard (0...1000).contains(weight) else {
                throw Mistake(
                    sentence: "its weight is not a whole number from 0 to 1000",
                    help: "correct it, or leave it out for 1")
            }
            server.weight = weight
        }
        server.version = version ?? etcd.version
        server.isBackup = isBackup
        return DiscoveredServer(
            identity: name, configuration: server, state: isDraining ? .draining : .ready)
    }
}

extension ServerAddress {
    var isNumeric: Bool {
        host.contains(":") || host.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
    }
}
