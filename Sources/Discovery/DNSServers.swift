public import Configuration
import Linux
public import Resolving
public import Timing

/// The servers that a name stands for.
///
/// What the order of the records is doesn't matter: name servers turn it with every answer.
public enum DNSServers {
    /// No more servers of one name are used.
    public static let bound = 1024

    /// A server for each address, named by it.
    public static func servers(
        of records: [AddressRecord], _ dns: DNSDiscovery
    ) -> [DiscoveredServer] {
        records.prefix(bound).map { record in
            var address = ServerAddress(host: record.address.host, port: dns.port ?? 0)
            address.isSecure = dns.isSecure
            var server = ServerConfiguration(address: address)
            server.version = dns.version
            return DiscoveredServer(identity: server.name, configuration: server)
        }.sorted { $0.identity < $1.identity }
    }

    /// A server for each address of each target (RFC 2782), named by the target, so that it has
    /// the same name with another address. A target with several addresses names them all.
    ///
    /// Those of the best priority serve; the others are backups. Weights count among those with
    /// the same priority.
    ///
    /// - Parameter addresses: of the targets; one without any has no server.
    public static func servers(
        of records: [ServiceRecord], addresses: [String: [AddressRecord]], _ dns: DNSDiscovery
    ) -> [DiscoveredServer] {
        // The root as target says that there is decidedly no such service.
        let usable = records.filter { !$0.target.isEmpty }
        let best = usable.map(\.priority).min() ?? 0
        var servers: [DiscoveredServer] = []
        for record in usable {
            let peers = usable.filter { $0.priority == record.priority }
            let known = (addresses[record.target] ?? []).map(\.address.host).sorted()
            for host in known where servers.count < bound {
                var address = ServerAddress(host: host, port: record.port)
                address.isSecure = dns.isSecure
                var server = ServerConfiguration(address: address)
                server.name = "\(record.target):\(record.port)"
                if known.count > 1 { server.name += "-\(host)" }
                server.weight = weight(of: record, among: peers)
                server.isBackup = record.priority != best
                server.version = dns.version
                servers.append(
                    DiscoveredServer(identity: server.name, configuration: server))
            }
        }
        return servers.sorted { $0.identity < $1.identity }
    }

    /// Of 0...65535, as one of 1...1000: equal ones are 1, larger ones are scaled down together,
    /// and 0 is a very small share, as RFC 2782 wants it.
    static func weight(of record: ServiceRecord, among peers: [ServiceRecord]) -> Int {
        let largest = Int(peers.map(\.weight).max() ?? 0)
        guard peers.contains(where: { $0.weight != record.weight }) else { return 1 }
        guard largest > 1000 else { return max(1, Int(record.weight)) }
        return max(1, Int(record.weight) * 1000 / largest)
    }

    /// When to ask again.
    public static func pause(after shortest: Interval, _ refresh: DNSDiscovery.Refresh) -> Interval
    {
        switch refresh {
        case .every(let interval): interval
        case .timeToLive: min(max(shortest, DNSDiscovery.shortest), DNSDiscovery.longest)
        }
    }

    /// When to ask again while the answer is that there is nothing: requests may be waiting for
    /// the next server.
    public static let pauseWhileAbsent = Interval.seconds(2)

    /// When to ask again after a failure: 1 s, doubled for each one in a row, 30 s at most.
    public static func pause(afterFailures count: Int) -> Interval {
        .seconds(min(30, 1 << min(max(count, 1) - 1, 5)))
    }
}
