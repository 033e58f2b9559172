import Configuration
import Discovery
import Linux
import Resolving
import Testing
import Timing

@Suite("Servers behind a name")
struct DNSServersTests {
    private var dns: DNSDiscovery {
        var dns = DNSDiscovery(name: "api.test")
        dns.port = 3000
        dns.version = "v1"
        return dns
    }

    private func address(_ last: UInt32, _ seconds: Int = 5) -> AddressRecord {
        AddressRecord(.ipv4(0x0A00_0000 | last, port: 0), timeToLive: .seconds(seconds))
    }

    private func service(
        _ target: String, priority: UInt16 = 0, weight: UInt16 = 0
    ) -> ServiceRecord {
        ServiceRecord(
            priority: priority, weight: weight, port: 80, target: target, timeToLive: .seconds(5))
    }

    @Test("The order of the addresses is nothing")
    func order() {
        let one = DNSServers.servers(of: [address(1), address(2)], dns)
        let other = DNSServers.servers(of: [address(2), address(1)], dns)
        #expect(one == other)
        #expect(one.map(\.configuration.name) == ["10.0.0.1:3000", "10.0.0.2:3000"])
        #expect(one.map(\.configuration.version) == ["v1", "v1"])
        #expect(one.allSatisfy { $0.state == .ready })
    }

    @Test("SRV: the best priority serves, the others are backups; weights are scaled together")
    func services() {
        let servers = DNSServers.servers(
            of: [
                service("a", priority: 1, weight: 60000), service("b", priority: 1, weight: 30000),
                service("c", priority: 1, weight: 0), service("d", priority: 2, weight: 7),
                service("nowhere", priority: 1), service("", priority: 0),
            ],
            addresses: [
                "a": [address(1)], "b": [address(2)], "c": [address(3)], "d": [address(4)],
            ], dns)
        #expect(servers.map(\.configuration.name) == ["a:80", "b:80", "c:80", "d:80"])
        #expect(servers.map(\.configuration.weight) == [1000, 500, 1, 1])
        #expect(servers.map(\.configuration.isBackup) == [false, false, false, true])
    }

    @Test("A target keeps its name with another address; one with several names them all")
    func names() {
        let one = DNSServers.servers(of: [service("a")], addresses: ["a": [address(1)]], dns)
        let other = DNSServers.servers(of: [service("a")], addresses: ["a": [address(9)]], dns)
        #expect(one.map(\.configuration.name) == other.map(\.configuration.name))
        let two = DNSServers.servers(
            of: [service("a")], addresses: ["a": [address(1), address(2)]], dns)
        #expect(two.map(\.configuration.name) == ["a:80-10.0.0.1", "a:80-10.0.0.2"])
    }

    @Test("Equal weights are 1 each, small ones stay as they are")
    func weights() {
        func weights(_ values: UInt16...) -> [Int] {
            let records = values.enumerated().map { service("t\($0.offset)", weight: $0.element) }
            let addresses = Dictionary(
                uniqueKeysWithValues: records.enumerated().map {
                    ($0.element.target, [address(UInt32($0.offset) + 1)])
                })
            return DNSServers.servers(of: records, addresses: addresses, dns)
                .map(\.configuration.weight)
        }
        #expect(weights(0, 0) == [1, 1])
        #expect(weights(5, 5) == [1, 1])
        #expect(weights(10, 90) == [10, 90])
        #expect(weights(0, 90) == [1, 90])
        #expect(weights(1, 65535) == [1, 1000])
    }

    @Test("Asked again when the answer ends, never sooner than 1 s nor later than 60 s")
    func pauses() {
        #expect(DNSServers.pause(after: .zero, .timeToLive) == .seconds(1))
        #expect(DNSServers.pause(after: .seconds(7), .timeToLive) == .seconds(7))
        #expect(DNSServers.pause(after: .seconds(86400), .timeToLive) == .seconds(60))
        #expect(DNSServers.pause(after: .zero, .every(.seconds(10))) == .seconds(10))
        let failures = (1...8).map { DNSServers.pause(afterFailures: $0).seconds }
        #expect(failures == [1, 2, 4, 8, 16, 30, 30, 30])
    }
}
