import Configuration
import Discovery
import Testing

@Suite("Live changes over a file")
struct LiveChangesTests {
    private func server(_ port: UInt16, weight: Int = 1, name: String? = nil) -> ServerConfiguration
    {
        var server = ServerConfiguration(address: ServerAddress(host: "10.0.0.1", port: port))
        server.weight = weight
        if let name { server.name = name }
        return server
    }

    private func file(_ servers: [ServerConfiguration]) -> ProxyConfiguration {
        var service = ServiceConfiguration(name: "app")
        service.servers = servers
        var file = ProxyConfiguration()
        file.services = [service]
        return file
    }

    private func key(_ server: ServerConfiguration) -> LiveChanges.Key {
        LiveChanges.Key(service: "app", server: server.name)
    }

    /// `1*2` is port 1 with weight 2; a plus marks what is not the file's.
    private func list(_ live: LiveChanges, _ file: ProxyConfiguration) -> String {
        live.servers(of: file.services[0]).map { server, isLive in
            let weight = server.weight == 1 ? "" : "*\(server.weight)"
            return "\(isLive ? "+" : "")\(server.address.port)\(weight)"
        }.joined(separator: " ")
    }

    @Test("Nothing changed is the file")
    func none() {
        let live = LiveChanges()
        #expect(list(live, file([server(1), server(2, weight: 3)])) == "1 2*3")
        #expect(live.count == 0)
    }

    @Test("Added, removed and weighed servers outlive a reload of the same file")
    func sameFile() {
        let file = file([server(1), server(2), server(3)])
        var live = LiveChanges()
        live.add(server(4), to: "app")
        live.remove(key(server(2)), file: server(2))
        live.setWeight(5, of: key(server(3)), file: server(3))
        live.setWeight(7, of: key(server(4)), file: nil)
        #expect(list(live, file) == "1 3*5 +4*7")
        #expect(live.count == 3)
        let before = live
        let sentences = live.reconcile(with: file)
        #expect(sentences.isEmpty)
        #expect(live == before)
    }

    @Test("What the file has come to contain is no change any more, and nothing to speak of")
    func caughtUp() {
        var live = LiveChanges()
        live.add(server(4), to: "app")
        live.remove(key(server(2)), file: server(2))
        live.setWeight(5, of: key(server(3)), file: server(3))
        let sentences = live.reconcile(with: file([server(1), server(3, weight: 5), server(4)]))
        #expect(sentences.isEmpty)
        #expect(live.count == 0)
        #expect(live == LiveChanges())
    }

    @Test("Where both changed the same, the file wins and says so")
    func fileWins() {
        var live = LiveChanges()
        live.remove(key(server(2)), file: server(2))
        live.setWeight(5, of: key(server(3)), file: server(3))
        let file = file([server(2, weight: 9), server(3, weight: 2)])
        #expect(
            live.reconcile(with: file) == [
                "live change dropped: 10.0.0.1:2 had been removed, but the file has changed its "
                    + "entry",
                "live change dropped: weight 5 of 10.0.0.1:3, because the file now says 2",
            ])
        #expect(list(live, file) == "2*9 3*2")
        #expect(live.count == 0)
    }

    @Test("A service that the file no longer has takes its additions along")
    func serviceGone() {
        var live = LiveChanges()
        live.add(server(4), to: "gone")
        #expect(
            live.reconcile(with: file([server(1)])) == [
                "live change dropped: 10.0.0.1:4 was added to service 'gone', which the file no "
                    + "longer has"
            ])
        #expect(live.count == 0)
    }

    @Test("A removed server that is added again is the file's own, once")
    func comesBack() {
        let file = file([server(1), server(2)])
        var live = LiveChanges()
        live.remove(key(server(2)), file: server(2))
        #expect(list(live, file) == "1")
        live.add(server(2), to: "app")
        #expect(list(live, file) == "1 2")
        #expect(live.count == 0)
        live.remove(key(server(2)), file: server(2))
        live.add(server(2, weight: 4), to: "app")
        #expect(list(live, file) == "1 2*4")
        _ = live.reconcile(with: file)
        #expect(list(live, file) == "1 2*4")
        live.setWeight(1, of: key(server(2)), file: server(2))
        #expect(live.count == 0)
    }

    @Test("One that stands in for a removed entry stays through a reload")
    func standsIn() {
        var old = server(2, name: "old")
        let file = file([server(1), old])
        var live = LiveChanges()
        live.remove(key(old), file: old)
        // The same address under another name, and the same name with another property.
        live.add(server(2), to: "app")
        #expect(list(live, file) == "1 +2")
        #expect(live.reconcile(with: file).isEmpty)
        #expect(list(live, file) == "1 +2")
        live.remove(key(server(2)), file: nil)
        #expect(list(live, file) == "1")
        old.version = "v2"
        live.add(old, to: "app")
        live.setWeight(3, of: key(old), file: file.services[0].servers[1])
        #expect(live.reconcile(with: file).isEmpty)
        #expect(list(live, file) == "1 +2*3")
    }

    @Test("States follow a server as long as it exists")
    func states() {
        let file = file([server(1)])
        var live = LiveChanges()
        live.setState(.maintenance, of: key(server(1)))
        live.setState(.drain, of: key(server(8)))
        #expect(live.count == 0)
        _ = live.reconcile(with: file)
        #expect(live.state(of: key(server(1))) == .maintenance)
        #expect(live.state(of: key(server(8))) == .up)
        live.setState(.up, of: key(server(1)))
        #expect(live == LiveChanges())
    }
}
