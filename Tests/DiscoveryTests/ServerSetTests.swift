import Configuration
import Discovery
import Testing
import Timing

@Suite("The servers of a service, from all its sources")
struct ServerSetTests {
    private static let docker = ServerSet.SourceName("docker")
    private static let dns = ServerSet.SourceName("dns")

    private func found(
        _ port: UInt16, _ state: ServerState = .ready, name: String? = nil, identity: String? = nil
    ) -> DiscoveredServer {
        var server = ServerConfiguration(address: ServerAddress(host: "127.0.0.1", port: port))
        if let name { server.name = name }
        return DiscoveredServer(
            identity: identity ?? "c\(port)", configuration: server, state: state)
    }

    private func set(minimum: Int = 1) -> ServerSet {
        var set = ServerSet(minimum: minimum)
        set.setSources([.file, .live, Self.docker, Self.dns], at: 0)
        return set
    }

    /// `1 2!draining ~3`: ports, states that are not `ready`, and what is only kept.
    private func text(_ set: ServerSet) -> String {
        set.members.map { member in
            let state = member.server.state
            return (member.isKept ? "~" : "") + "\(member.server.configuration.address.port)"
                + (state == .ready ? "" : "!\(state)")
        }.joined(separator: " ")
    }

    @Test("Sources are joined in their order, and each address counts once")
    func joined() {
        var set = set()
        set.apply(.snapshot([found(3), found(2)]), from: Self.dns, at: 1)
        set.apply(.snapshot([found(1), found(2, .admitted)]), from: Self.docker, at: 1)
        set.apply(.snapshot([found(9)]), from: .file, at: 1)
        #expect(text(set) == "9 1 2!admitted 3")
        #expect(set.members[2].identity == "docker:c2")
        #expect(set.members[0].identity == "c9")
    }

    @Test("Of a second source, only words of caution count")
    func caution() {
        var set = set()
        set.apply(.snapshot([found(1)]), from: .file, at: 1)
        for state in ServerState.allCases {
            set.apply(.snapshot([found(1, state)]), from: Self.docker, at: 1)
            let counts = state == .draining || state == .down
            #expect(text(set) == (counts ? "1!\(state)" : "1"))
        }
    }

    @Test("Two servers of one name have names of their own")
    func names() {
        var set = set()
        set.apply(.snapshot([found(1, name: "web_1")]), from: Self.docker, at: 1)
        set.apply(.snapshot([found(2, name: "web_1")]), from: Self.dns, at: 1)
        let names = set.members.map(\.server.configuration.name)
        #expect(names == ["web_1", "web_1-127.0.0.1:2"])
    }

    @Test("Changes come one after the other")
    func changes() {
        var set = set()
        set.apply(
            .changes([
                .put(found(1, .pending)), .put(found(2)), .state("c1", .admitted),
                .state("c9", .down), .put(found(2, .down)), .ended("c7"),
            ]), from: Self.docker, at: 1)
        #expect(text(set) == "1!admitted 2!down")
        set.apply(.changes([.ended("c1"), .put(found(1, .pending))]), from: Self.docker, at: 2)
        #expect(text(set) == "2!down 1!pending")
        let outcome = set.apply(.changes([.check("c2")]), from: Self.docker, at: 3)
        #expect(outcome.checks == ["docker:c2"])
    }

    @Test("A source that is lost, or asks again, keeps its servers")
    func lost() {
        var set = set()
        set.apply(.snapshot([found(1), found(2)]), from: Self.docker, at: 5)
        set.apply(.lost("its socket is gone"), from: Self.docker, at: 6)
        #expect(text(set) == "1 2")
        let standing = set.standings[0].standing
        #expect(standing.condition == .lost)
        #expect(standing.since == 6)
        #expect(standing.reason == "its socket is gone")
        #expect(standing.lastSync == 5)
        set.apply(.lost("still"), from: Self.docker, at: 7)
        #expect(set.standings[0].standing.since == 6)
        set.apply(.resyncNeeded("back"), from: Self.docker, at: 8)
        #expect(text(set) == "1 2")
        set.apply(.snapshot([found(2)]), from: Self.docker, at: 9)
        #expect(text(set) == "2")
        #expect(set.standings[0].standing.condition == .connected)
        #expect(set.standings[0].standing.reason == nil)
    }

    @Test("A list that leaves fewer than the minimum takes nobody out")
    func minimum() {
        var set = set(minimum: 2)
        set.apply(.snapshot([found(1), found(2), found(3)]), from: Self.docker, at: 1)
        let outcome = set.apply(.snapshot([found(3)]), from: Self.docker, at: 2)
        #expect(text(set) == "3 ~1 ~2")
        #expect(outcome.keptNames == ["127.0.0.1:1", "127.0.0.1:2"])
        // As soon as there are enough others, they may go.
        set.apply(.changes([.put(found(4))]), from: Self.docker, at: 3)
        #expect(text(set) == "3 4")
    }

    @Test("An empty list, and one server after the other that is no longer named")
    func emptied() {
        var set = set()
        set.apply(.snapshot([found(1), found(2)]), from: Self.docker, at: 1)
        set.apply(.snapshot([]), from: Self.docker, at: 2)
        #expect(text(set) == "~1 ~2")
        set.apply(.snapshot([found(1), found(2)]), from: Self.docker, at: 3)
        #expect(text(set) == "1 2")
        set.apply(.changes([.left("c1")]), from: Self.docker, at: 4)
        #expect(text(set) == "2")
        set.apply(.changes([.left("c2")]), from: Self.docker, at: 5)
        #expect(text(set) == "~2")
        set.apply(.snapshot([found(5)]), from: Self.dns, at: 6)
        #expect(text(set) == "5")
    }

    @Test("What only the minimum keeps is kept for a while, on behalf of a source that answers")
    func patience() {
        func at(_ seconds: Int) -> LoopInstant { LoopInstant(nanoseconds: 1) + .seconds(seconds) }
        var set = set()
        set.patience = .seconds(60)
        set.apply(.snapshot([found(1)]), from: Self.dns, at: 1, clock: at(0))
        #expect(set.givesUpAt == nil)
        var outcome = set.apply(.snapshot([]), from: Self.dns, at: 1, clock: at(10))
        #expect(outcome.keptNames == ["127.0.0.1:1"])
        #expect(set.givesUpAt == at(70))
        // The same answer again is no new beginning, and nothing new to tell.
        outcome = set.apply(.snapshot([]), from: Self.dns, at: 1, clock: at(40))
        #expect(outcome.keptNames == [])
        #expect(set.givesUpAt == at(70))
        #expect(set.giveUp(clock: at(69)) == [])
        #expect(text(set) == "~1")
        var lost = set
        #expect(set.giveUp(clock: at(70)) == ["127.0.0.1:1"])
        #expect(text(set) == "")
        #expect(set.givesUpAt == nil)
        // A source that is silent has not said it any more.
        lost.apply(.lost("SERVFAIL"), from: Self.dns, at: 1, clock: at(50))
        #expect(lost.givesUpAt == nil)
        #expect(lost.giveUp(clock: at(1000)) == [])
        #expect(text(lost) == "~1")
        var back = lost
        outcome = lost.apply(.snapshot([]), from: Self.dns, at: 1, clock: at(1001))
        #expect(outcome.givenUpNames == ["127.0.0.1:1"])
        #expect(text(lost) == "")
        back.apply(.snapshot([found(1)]), from: Self.dns, at: 1, clock: at(1001))
        #expect(text(back) == "1")
        back.apply(.snapshot([]), from: Self.dns, at: 1, clock: at(1002))
        #expect(back.givesUpAt == at(1062), "it begins anew")
        // Without any patience the first answer counts.
        var hasty = self.set()
        hasty.patience = .zero
        hasty.apply(.snapshot([found(1)]), from: Self.dns, at: 1, clock: at(0))
        hasty.apply(.snapshot([]), from: Self.dns, at: 1, clock: at(1))
        #expect(text(hasty) == "")
    }

    @Test("What a source saw end goes, whatever the minimum")
    func ended() {
        var set = set(minimum: 3)
        set.apply(.snapshot([found(1), found(2)]), from: Self.docker, at: 1)
        set.apply(.changes([.ended("c1")]), from: Self.docker, at: 2)
        #expect(text(set) == "2")
        set.apply(.snapshot([]), from: Self.docker, at: 3)
        #expect(text(set) == "~2")
        set.apply(.changes([.ended("c2")]), from: Self.docker, at: 4)
        #expect(text(set) == "")
    }

    @Test("What an operator takes out goes, whatever the minimum")
    func operators() {
        var set = set(minimum: 2)
        set.apply(.snapshot([found(1), found(2)]), from: .file, at: 1)
        set.apply(.snapshot([]), from: .file, at: 2)
        #expect(text(set) == "")
    }

    @Test("Draining servers are no help for the minimum")
    func draining() {
        var set = set()
        set.apply(.snapshot([found(1), found(2, .draining)]), from: Self.docker, at: 1)
        set.apply(.snapshot([found(2, .draining)]), from: Self.docker, at: 2)
        #expect(text(set) == "2!draining ~1")
        set.apply(.snapshot([found(3)]), from: Self.docker, at: 3)
        #expect(text(set) == "3")
    }

    @Test("A source that is taken away takes its servers along; unknown ones say nothing")
    func removed() {
        var set = set()
        set.apply(.snapshot([found(1)]), from: Self.docker, at: 1)
        set.apply(.snapshot([found(2)]), from: Self.dns, at: 1)
        set.setSources([.file, Self.dns], at: 2)
        #expect(text(set) == "2")
        set.apply(.snapshot([found(1)]), from: Self.docker, at: 3)
        #expect(text(set) == "2")
    }

    @Test("Warnings stand until others take their place")
    func warnings() {
        var set = set()
        let warning = SourceWarning("container web_1", "has no port", help: "add one")
        set.apply(.warnings([warning]), from: Self.docker, at: 1)
        set.apply(.snapshot([found(1)]), from: Self.docker, at: 2)
        #expect(set.standings[0].standing.warnings == [warning])
        #expect(warning.text == "container web_1: has no port; add one")
        set.apply(.warnings([]), from: Self.docker, at: 3)
        #expect(set.standings[0].standing.warnings.isEmpty)
    }

    // MARK: - An operator's wishes

    @Test("An operator's wishes hold for a found server until it is gone")
    func wishes() {
        var set = set()
        set.apply(.snapshot([found(1), found(2), found(3)]), from: Self.docker, at: 1)
        var live = LiveChanges()
        func key(_ port: Int) -> LiveChanges.Key {
            LiveChanges.Key(service: "app", server: "docker:c\(port)")
        }
        live.withdraw(key(1))
        live.setWeight(7, ofFound: key(2))
        live.setState(.maintenance, ofFound: key(3))
        let members = live.members(set.members, of: "app")
        #expect(members.map(\.server.configuration.weight) == [7, 1])
        #expect(live.state(ofFound: key(3)) == .maintenance)
        #expect(live.count == 0, "no file could contain them")
        live.forget(of: "other", except: [])
        #expect(live.members(set.members, of: "app").count == 2)
        set.apply(.changes([.ended("c1"), .ended("c2"), .ended("c3")]), from: Self.docker, at: 2)
        live.forget(of: "app", except: set.members)
        #expect(live == LiveChanges())
    }
}
