import Configuration
import Discovery
import Testing
import Timing

@Suite("A source in etcd, step by step")
struct EtcdMachineTests {
    private let etcd = EtcdDiscovery(prefix: "/s/")
    private let start = LoopInstant(nanoseconds: 1_000_000_000)

    private func listing(
        _ entries: [String: String], revision: Int64, cluster: UInt64 = 1, count: Int? = nil
    ) -> EtcdAnswer.Listing {
        EtcdAnswer.Listing(
            header: EtcdAnswer.Header(cluster: cluster, revision: revision),
            count: count ?? entries.count,
            entries: entries.map {
                EtcdAnswer.KeyValue(key: "/s/\($0.key)", value: $0.value, revision: revision)
            })
    }

    private func server(_ name: String, _ value: String) throws -> DiscoveredServer {
        try EtcdRecord(reading: value).server(named: name, etcd)
    }

    private func put(_ name: String, _ value: String, _ revision: Int64) -> EtcdAnswer.Event {
        .put(EtcdAnswer.KeyValue(key: "/s/\(name)", value: value, revision: revision))
    }

    /// One that watches, with a server `a`, at revision 5.
    private func watching(endpointCount: Int = 3) -> EtcdMachine {
        var machine = EtcdMachine(etcd, endpointCount: endpointCount)
        _ = machine.start(remembered: [:], now: start)
        _ = machine.listed(listing(["a": "10.0.0.1:1"], revision: 5), now: start)
        _ = machine.watched(
            .created(EtcdAnswer.Header(cluster: 1, revision: 5)), now: start, chance: 0)
        return machine
    }

    private let gone = EtcdMachine.Failure.unreachable("nobody answers")

    @Test(
        "No revision and no count is too large to go on from",
        arguments: [Int64.max, .max - 1, .min, -1], [Int.max, .min])
    func numbers(revision: Int64, count: Int) throws {
        var machine = EtcdMachine(etcd, endpointCount: 1)
        _ = machine.start(remembered: [:], now: start)
        let actions = machine.listed(
            listing(["a": "10.0.0.1:1"], revision: revision, count: count), now: start)
        let next = revision == .max ? .max : revision + 1
        #expect(actions.last == .watch(from: next))
        let header = EtcdAnswer.Header(cluster: 1, revision: .max)
        _ = machine.watched(.created(header), now: start, chance: 0)
        _ = machine.watched(
            .events(header, [put("b", "10.0.0.2:1", .max)]), now: start, chance: 0)
        let woken = machine.woke(now: start + EtcdMachine.probePause, chance: 0)
        #expect(woken == [.probe])
        _ = machine.probed(
            listing([:], revision: .max, count: count), now: start, chance: 0)
    }

    @Test("It lists, watches from the next revision on, and reports what changes")
    func ordinary() throws {
        var machine = EtcdMachine(etcd, endpointCount: 1)
        #expect(machine.start(remembered: [:], now: start) == [.list])
        let a = try server("a", "10.0.0.1:1")
        #expect(
            machine.listed(listing(["a": "10.0.0.1:1"], revision: 5), now: start) == [
                .report(.snapshot([a])), .save, .watch(from: 6),
            ])
        let header = EtcdAnswer.Header(cluster: 1, revision: 7)
        _ = machine.watched(.created(header), now: start, chance: 0)
        let draining = try server("a", #"{"address":"10.0.0.1:1","state":"draining"}"#)
        #expect(
            machine.watched(
                .events(
                    header,
                    [
                        put("b", "10.0.0.2:1", 6),
                        put("a", #"{"address":"10.0.0.1:1","state":"draining"}"#, 7),
                    ]), now: start, chance: 0) == [
                    .report(.changes([.put(try server("b", "10.0.0.2:1")), .put(draining)])), .save,
                ])
        // One that had said that it ends has ended; the other is only not there any more.
        #expect(
            machine.watched(
                .events(
                    EtcdAnswer.Header(cluster: 1, revision: 8),
                    [
                        .delete(key: "/s/a", revision: 8, before: nil),
                        .delete(key: "/s/b", revision: 8, before: nil),
                    ]), now: start, chance: 0) == [
                    .report(.changes([.ended("a"), .left("b")])), .save,
                ])
        #expect(machine.values.isEmpty)
    }

    @Test("A member that fails is left for the next at once; when all have failed it is lost, once")
    func failover() {
        var machine = watching()
        #expect(
            machine.failed(gone, now: start, chance: 0) == [.hangUp, .useNextEndpoint, .list])
        #expect(
            machine.failed(gone, now: start, chance: 0) == [.hangUp, .useNextEndpoint, .list])
        #expect(
            machine.failed(gone, now: start, chance: 0) == [
                .hangUp, .useNextEndpoint, .report(.lost("nobody answers")),
            ])
        #expect(machine.wakeAt == start + .milliseconds(50))
        #expect(machine.woke(now: start, chance: 0).isEmpty)
        #expect(machine.woke(now: start + .milliseconds(50), chance: 0) == [.list])
        // The pause grows, and the loss is told once.
        var now = start
        for _ in 0..<60 {
            let actions = machine.failed(gone, now: now, chance: 0.99)
            #expect(!actions.contains(.report(.lost("nobody answers"))))
            guard let wake = machine.wakeAt, wake > now else { continue }
            #expect(wake - now <= .seconds(5))
            now = wake
            _ = machine.woke(now: now, chance: 0)
        }
        #expect(now - start > .seconds(10))
        // What is listed then is believed.
        let actions = machine.listed(listing([:], revision: 9), now: now)
        #expect(actions.contains(.report(.snapshot([]))))
    }

    @Test("A stalled member is found by the probe, and left")
    func stalled() {
        var machine = watching()
        let due = start + EtcdMachine.probePause
        #expect(machine.wakeAt == due)
        #expect(machine.woke(now: due, chance: 0) == [.probe])
        #expect(machine.wakeAt == nil)
        #expect(machine.failed(gone, now: due, chance: 0) == [.hangUp, .useNextEndpoint, .list])
    }

    @Test("Compaction: everything is listed again, and the member is kept")
    func compaction() {
        var machine = watching()
        #expect(
            machine.watched(
                .canceled(reason: "", compactRevision: 40), now: start, chance: 0) == [
                    .hangUp, .report(.resyncNeeded("etcd has compacted what was not read yet")),
                    .list,
                ])
        let actions = machine.listed(listing(["a": "10.0.0.1:1"], revision: 44), now: start)
        #expect(actions.contains(.watch(from: 45)))
    }

    @Test("After a restore the revision is lower: the probe sees it, and the list is believed")
    func regress() throws {
        var machine = watching()
        let due = start + EtcdMachine.probePause
        _ = machine.woke(now: due, chance: 0)
        let probe = machine.probed(listing([:], revision: 3, count: 1), now: due, chance: 0)
        #expect(probe == [.hangUp, .report(.resyncNeeded("etcd is not as far as it was")), .list])
        let actions = machine.listed(listing(["b": "10.0.0.2:1"], revision: 3), now: due)
        #expect(actions.contains(.report(.snapshot([try server("b", "10.0.0.2:1")]))))
        #expect(actions.contains(.watch(from: 4)))
        #expect(
            actions.contains {
                if case .say(let sentence, isBad: true) = $0 {
                    return sentence.contains("from revision 5 to 3")
                }
                return false
            })
    }

    @Test("Another cluster at the same address is noticed, too")
    func otherCluster() {
        var machine = watching()
        let due = start + EtcdMachine.probePause
        _ = machine.woke(now: due, chance: 0)
        let probe = machine.probed(
            listing([:], revision: 50, cluster: 2, count: 1), now: due, chance: 0)
        #expect(probe.contains(.list))
    }

    @Test("A number of keys that differs twice in a row means that something was missed")
    func missed() {
        var machine = watching()
        var now = start
        func probe() -> [EtcdMachine.Action] {
            now = now + EtcdMachine.probePause
            #expect(machine.woke(now: now, chance: 0) == [.probe])
            return machine.probed(listing([:], revision: 5, count: 2), now: now, chance: 0)
        }
        #expect(probe().isEmpty)
        #expect(probe().contains(.list))
    }

    @Test("After a minute everything is listed again while the watch goes on; old events are none")
    func listsAgain() throws {
        var machine = watching()
        var now = start
        while now - start < EtcdMachine.listPause {
            now = try #require(machine.wakeAt)
            if machine.woke(now: now, chance: 0) == [.probe] {
                _ = machine.probed(listing([:], revision: 5, count: 1), now: now, chance: 0)
            }
        }
        let actions = machine.listed(listing(["b": "10.0.0.2:1"], revision: 9), now: now)
        #expect(actions == [.report(.snapshot([try server("b", "10.0.0.2:1")])), .save])
        // The end of `a` at revision 8 is known from the list already.
        #expect(
            machine.watched(
                .events(
                    EtcdAnswer.Header(cluster: 1, revision: 8),
                    [put("c", "10.0.0.3:1", 8)]), now: now, chance: 0) == [.save])
        #expect(machine.values.keys.sorted() == ["b"])
    }

    @Test("What is on disk serves after a check when etcd has not answered for a second")
    func remembered() throws {
        var machine = EtcdMachine(etcd, endpointCount: 1)
        let values = [
            "a": "10.0.0.1:1", "bad": "x", "d": #"{"address":"10.0.0.4:1","state":"draining"}"#,
        ]
        #expect(machine.start(remembered: values, now: start) == [.list])
        #expect(machine.wakeAt == start + .seconds(1))
        var pending = try server("a", "10.0.0.1:1")
        pending.state = .pending
        let actions = machine.woke(now: start + .seconds(1), chance: 0)
        #expect(actions.first == .report(.changes([.put(pending)])))
        #expect(machine.wakeAt == nil)
        // Then etcd's word counts.
        let listed = machine.listed(listing([:], revision: 2), now: start + .seconds(2))
        #expect(listed.first == .report(.snapshot([])))
    }

    @Test("What is on disk does not count when etcd answers first; it does when etcd is away")
    func rememberedInVain() {
        var machine = EtcdMachine(etcd, endpointCount: 1)
        _ = machine.start(remembered: ["a": "10.0.0.1:1"], now: start)
        _ = machine.listed(listing([:], revision: 2), now: start)
        #expect(machine.woke(now: start + .seconds(2), chance: 0).isEmpty)

        var other = EtcdMachine(etcd, endpointCount: 1)
        _ = other.start(remembered: ["a": "10.0.0.1:1"], now: start)
        let actions = other.failed(gone, now: start, chance: 0)
        #expect(actions.contains(.report(.lost("nobody answers"))))
        #expect(actions.contains { if case .report(.changes) = $0 { true } else { false } })
    }

    @Test("A user logs in first, and again when the token has ended")
    func login() {
        var secured = etcd
        secured.access.user = "staithe"
        secured.access.password = "secret"
        var machine = EtcdMachine(secured, endpointCount: 1)
        #expect(machine.start(remembered: [:], now: start) == [.authenticate])
        #expect(machine.authenticated(now: start) == [.list])
        let refused = EtcdMachine.Failure.refused(
            EtcdAnswer.Refusal(code: 16, message: "invalid auth token"))
        #expect(machine.failed(refused, now: start, chance: 0) == [.hangUp, .authenticate])
        // The password is wrong.
        let wrong = EtcdMachine.Failure.refused(
            EtcdAnswer.Refusal(code: 3, message: "authentication failed"))
        let actions = machine.failed(wrong, now: start, chance: 0)
        #expect(actions.contains(.report(.lost("etcd refused: authentication failed"))))
    }

    @Test(
        "A value that cannot be read leaves a known server as it is, and is told until it is right")
    func badValues() throws {
        var machine = watching()
        func change(_ name: String, _ value: String, _ revision: Int64) -> [EtcdMachine.Action] {
            machine.watched(
                .events(
                    EtcdAnswer.Header(cluster: 1, revision: revision),
                    [put(name, value, revision)]), now: start, chance: 0)
        }
        let a = try server("a", "10.0.0.1:1")
        let bad = change("a", "{}", 6)
        #expect(bad.contains(.report(.changes([.put(a)]))))
        guard case .report(.warnings(let warnings))? = bad.dropFirst().first else {
            Issue.record("no warning: \(bad)")
            return
        }
        #expect(warnings.map(\.subject) == ["key /s/a"])
        #expect(warnings.first?.sentence.contains("it stays as it was") ?? false)
        #expect(
            change("new", "{}", 7).contains {
                if case .report(.warnings) = $0 { true } else { false }
            })
        #expect(
            change("a", "10.0.0.9:1", 8).contains {
                if case .report(.warnings) = $0 { true } else { false }
            })
    }

    @Test("A watch that does not begin is a failure of its member")
    func silentWatch() {
        var machine = EtcdMachine(etcd, endpointCount: 2)
        _ = machine.start(remembered: [:], now: start)
        _ = machine.listed(listing([:], revision: 5), now: start)
        let wake = machine.wakeAt
        #expect(wake == start + EtcdMachine.probePause)
        #expect(
            machine.woke(now: start + EtcdMachine.probePause, chance: 0) == [
                .hangUp, .useNextEndpoint, .list,
            ])
    }
}
