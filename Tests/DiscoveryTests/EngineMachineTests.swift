import Discovery
import Testing
import Timing

/// A machine with the engine played by the test: what it asks for is noted, and answered by hand.
private struct Play {
    var machine = EngineMachine { $0["staithe.enable"] == "true" }
    /// What the machine wanted, in short words.
    var asked: [String] = []
    var now = LoopInstant(nanoseconds: 1_000_000_000)

    mutating func note(_ actions: [EngineMachine.Action]) {
        asked = actions.map { action in
            switch action {
            case .describe(let id): "describe \(id)"
            case .list(let delay): "list \(delay.nanoseconds / 1_000_000_000)"
            case .changed(let id): "changed \(id)"
            case .ended(let container): "ended \(container.facts.id)"
            case .left(let container): "left \(container.facts.id)"
            case .check(let id): "check \(id)"
            case .settled: "settled"
            case .doubted: "doubted"
            case .survived(let id): "survived \(id)"
            }
        }
    }

    mutating func subscribe() { note(machine.subscribed()) }
    mutating func lose() { machine.streamLost() }

    mutating func list(_ facts: ContainerFacts...) {
        machine.listBegan()
        answer(facts)
    }

    mutating func answer(_ facts: [ContainerFacts]) { note(machine.listed(facts, now: now)) }

    mutating func happen(_ action: EngineEvent.Action, _ id: String, name: String = "") {
        var event = EngineEvent(action, id: id)
        event.name = name.isEmpty ? id : name
        event.attributes = ["staithe.enable": "true", "name": event.name]
        event.time = 7
        note(machine.happened(event, now: now))
    }

    mutating func describe(_ facts: ContainerFacts?, id: String? = nil) {
        note(machine.described(id ?? facts?.id ?? "", facts))
    }

    mutating func check(_ id: String, _ hasPassed: Bool) {
        note(machine.checked(id, hasPassed: hasPassed))
    }

    mutating func pass(seconds: Int) { now = now + .seconds(seconds) }

    func standing(_ id: String) -> EngineMachine.Standing? { machine.containers[id]?.standing }

    /// Connected, with these containers running and described.
    static func connected(_ ids: String...) -> Play {
        var play = Play()
        play.subscribe()
        play.machine.listBegan()
        play.answer(ids.map { container($0) })
        for id in ids { play.describe(container(id, isComplete: true)) }
        return play
    }
}

private func container(
    _ id: String, health: ContainerFacts.Health? = nil,
    status: ContainerFacts.Status = .running, startedAt: Int64? = 1, isComplete: Bool = false
) -> ContainerFacts {
    var facts = ContainerFacts(id: id)
    facts.name = id
    facts.labels = ["staithe.enable": "true"]
    facts.health = health
    facts.status = status
    facts.isComplete = isComplete
    facts.startedAt = isComplete ? startedAt : nil
    return facts
}

@Suite("What is believed of containers")
struct EngineMachineTests {
    @Test("The list is asked for when the stream has begun, and applied before what was heard")
    func beginning() {
        var play = Play()
        play.subscribe()
        #expect(play.asked == ["list 0"])
        play.happen(.kill(signal: 15), "a")
        play.happen(.start, "b")
        #expect(play.asked == [])
        play.list(container("a"))
        #expect(play.asked == ["describe a", "changed a", "list 15", "describe b"])
        #expect(play.standing("a") == .draining)
        play.describe(container("a", health: .healthy, isComplete: true))
        #expect(play.standing("a") == .draining)
        play.describe(container("b", isComplete: true))
        #expect(play.asked == ["changed b", "settled"])
        #expect(play.machine.containers["b"]?.startedAt == 1)
        #expect(play.machine.containers["a"]?.startedAt == nil, "it ran before")
    }

    @Test("Who is first told of by a later list has started since the one before")
    func newInList() {
        var play = Play.connected("a")
        play.list(container("a"), container("b"))
        play.describe(container("b", startedAt: 5, isComplete: true))
        #expect(play.machine.containers["b"]?.startedAt == 5)
        #expect(play.machine.containers["a"]?.startedAt == nil, "it ran before")
        // Not so behind a lost stream: it may have run for long.
        play.lose()
        play.subscribe()
        play.list(container("a"), container("b"), container("c"))
        play.describe(container("c", startedAt: 6, isComplete: true))
        #expect(play.machine.containers["c"]?.startedAt == nil)
    }

    @Test("A signal that stops drains; other signals do not; Podman's makes us look")
    func signals() {
        for (signal, drains) in [(15, true), (9, true), (1, false), (28, false), (3, false)] {
            var play = Play.connected("a")
            play.happen(.kill(signal: signal), "a")
            #expect((play.standing("a") == .draining) == drains, "\(signal)")
        }
        var play = Play.connected("a")
        var facts = container("a", isComplete: true)
        facts.stopSignal = 3
        play.describe(facts)
        play.happen(.kill(signal: 3), "a")
        #expect(play.asked == ["changed a", "list 15"])
        #expect(play.standing("a") == .draining)
        var podman = Play.connected("a")
        podman.happen(.kill(signal: nil), "a")
        #expect(podman.asked == ["check a"])
        #expect(podman.standing("a") == .pending)
    }

    @Test("Nothing puts back what drains: no health, no list, no answer, no pause")
    func draining() {
        var play = Play.connected("a")
        play.happen(.health(.healthy), "a")
        #expect(play.standing("a") == .healthy)
        play.happen(.kill(signal: 15), "a")
        play.happen(.health(.healthy), "a")
        play.happen(.health(.unhealthy), "a")
        play.happen(.pause, "a")
        play.happen(.unpause, "a")
        play.list(container("a", health: .healthy))
        play.describe(container("a", health: .healthy, isComplete: true))
        #expect(play.standing("a") == .draining)
        play.happen(.die, "a")
        #expect(play.asked == ["ended a"])
        #expect(play.standing("a") == nil)
        play.happen(.other("stop"), "a")
        play.happen(.destroy, "a")
        #expect(play.asked == [])
    }

    @Test("Health events count, except starting; and a pause takes a container out")
    func health() {
        var play = Play.connected("a")
        play.happen(.health(.starting), "a")
        #expect(play.standing("a") == .pending)
        play.happen(.health(.unhealthy), "a")
        #expect(play.standing("a") == .unhealthy)
        play.happen(.health(.healthy), "a")
        #expect(play.standing("a") == .healthy)
        play.happen(.pause, "a")
        #expect(play.standing("a") == .paused)
        play.happen(.health(.healthy), "a")
        #expect(play.standing("a") == .paused)
        play.happen(.unpause, "a")
        #expect(play.standing("a") == .pending)
    }

    @Test("After a pause the engine's opinion is old until its next event")
    func afterPause() {
        var play = Play.connected("a")
        play.happen(.pause, "a")
        play.happen(.unpause, "a")
        // As captured: unhealthy, with no event sent.
        play.list(container("a", health: .unhealthy))
        play.describe(container("a", health: .unhealthy, isComplete: true))
        #expect(play.standing("a") == .pending)
        play.happen(.health(.healthy), "a")
        #expect(play.standing("a") == .healthy)
        play.list(container("a", health: .unhealthy))
        #expect(play.standing("a") == .unhealthy)
    }

    @Test("Podman's bare health event makes us ask")
    func podmanHealth() {
        var play = Play.connected("a")
        play.happen(.health(nil), "a")
        #expect(play.asked == ["describe a"])
        play.describe(container("a", health: .healthy, isComplete: true))
        #expect(play.standing("a") == .healthy)
    }

    @Test("A restart is another generation, and a start that is told twice is not")
    func restart() throws {
        var play = Play.connected("a")
        let first = try #require(play.machine.containers["a"]?.generation)
        play.happen(.start, "a")
        #expect(play.asked == [])
        #expect(play.machine.containers["a"]?.generation == first)
        play.happen(.kill(signal: 15), "a")
        play.happen(.die, "a")
        play.happen(.other("stop"), "a")
        play.happen(.start, "a")
        #expect(play.asked == ["describe a"])
        play.happen(.other("restart"), "a")
        #expect(play.asked == [])
        #expect(play.machine.containers["a"]?.generation != first)
        #expect(play.standing("a") == .pending)
    }

    @Test("A crash loop is starts and ends, and nothing in between")
    func crashLoop() throws {
        var play = Play()
        play.subscribe()
        play.list()
        var counts: [String: Int] = [:]
        for event in try Samples.events(Samples.docker, "events-crash-loop.ndjson") {
            var event = event
            event.attributes["staithe.enable"] = "true"
            play.note(play.machine.happened(event, now: play.now))
            for action in play.asked { counts[String(action.prefix(5)), default: 0] += 1 }
        }
        #expect(play.machine.containers.isEmpty)
        // Two containers; the loop started five times, and its end came before the answer.
        #expect(counts["descr"] == 6)
        #expect(counts["ended"] == 6)
    }

    @Test("What does not run is not there, whatever it is called")
    func notRunning() {
        var play = Play()
        play.subscribe()
        play.list(container("a", status: .other("restarting")), container("b"))
        #expect(play.asked == ["describe b"])
        play.list(container("b", status: .other("exited")))
        #expect(play.standing("b") == nil)
    }

    @Test("A rename is a name; networks are asked about; unknown containers are nobody's")
    func small() {
        var play = Play.connected("a")
        play.happen(.rename, "a", name: "new")
        #expect(play.asked == ["changed a"])
        #expect(play.machine.containers["a"]?.facts.name == "new")
        play.happen(.network, "a")
        #expect(play.asked == ["describe a"])
        for action: EngineEvent.Action in [
            .kill(signal: 15), .die, .pause, .unpause, .rename, .health(.healthy), .network,
            .destroy, .other("x"), .health(nil),
        ] {
            play.happen(action, "z")
            #expect(play.asked == [], "\(action)")
        }
    }

    @Test("One that survives its signal serves again, after three checks, and not before its time")
    func survivor() {
        var play = Play.connected("a")
        play.happen(.kill(signal: 15), "a")
        #expect(play.asked == ["changed a", "list 15"])
        for _ in 0..<5 { play.check("a", true) }
        play.list(container("a"))
        for _ in 0..<5 { play.check("a", true) }
        #expect(play.standing("a") == .draining, "it is not late yet")
        play.pass(seconds: 15)
        play.list(container("a"))
        play.check("a", true)
        play.check("a", true)
        play.check("a", false)
        play.check("a", true)
        play.check("a", true)
        #expect(play.standing("a") == .draining)
        play.check("a", true)
        #expect(play.asked == ["changed a", "survived a"])
        #expect(play.standing("a") == .healthy)
    }

    @Test("Its own stop timeout counts for that")
    func stopTimeout() {
        var play = Play.connected("a")
        var facts = container("a", isComplete: true)
        facts.stopTimeout = 35
        play.describe(facts)
        play.happen(.kill(signal: 15), "a")
        #expect(play.asked == ["changed a", "list 40"])
        play.pass(seconds: 39)
        play.list(container("a"))
        for _ in 0..<5 { play.check("a", true) }
        #expect(play.standing("a") == .draining)
    }

    @Test(
        "Whoever starts a container chooses its stop timeout: none is too long to be counted with",
        arguments: [99_999_999_999, Int.max, Int.max - 4, -1, Int.min])
    func longStopTimeout(seconds: Int) {
        var play = Play.connected("a")
        var facts = container("a", isComplete: true)
        facts.stopTimeout = seconds
        play.describe(facts)
        play.happen(.kill(signal: 15), "a")
        // A day at most; without a time of its own, what the engine uses.
        #expect(play.asked == ["changed a", "list \(seconds > 0 ? 86_405 : 15)"])
        play.pass(seconds: 10)
        play.list(container("a"))
        #expect(play.standing("a") == .draining)
    }

    @Test("Where the engine is not asked, a label says which signal stops")
    func stopSignalLabel() {
        var play = Play()
        play.machine = EngineMachine(inspects: false) { $0["staithe.enable"] == "true" }
        play.subscribe()
        var facts = container("a")
        facts.labels["staithe.stop-signal"] = "SIGQUIT"
        play.list(facts)
        play.happen(.kill(signal: 3), "a")
        #expect(play.standing("a") == .draining)
    }

    // MARK: - Lost and found

    @Test("A lost stream changes nothing, and what drains drains on")
    func lost() {
        var play = Play.connected("a", "b")
        play.happen(.kill(signal: 15), "b")
        play.lose()
        #expect(play.machine.containers.count == 2)
        play.happen(.die, "a")
        #expect(play.machine.containers.count == 2, "it cannot have been heard")
        play.subscribe()
        #expect(play.machine.containers.count == 2)
        play.list(container("b"), container("c"))
        #expect(play.asked == ["left a", "list 2", "describe b", "describe c"])
        play.describe(container("b", isComplete: true))
        #expect(play.standing("b") == .draining)
        play.describe(container("c", isComplete: true))
        #expect(play.asked == ["changed c", "settled"])
    }

    @Test("A container that was started again meanwhile is another one")
    func startedMeanwhile() throws {
        var play = Play.connected("a")
        play.describe(container("a", startedAt: 1, isComplete: true))
        let first = try #require(play.machine.containers["a"]?.generation)
        play.lose()
        play.subscribe()
        play.list(container("a"))
        play.describe(container("a", startedAt: 2, isComplete: true))
        #expect(play.asked == ["ended a", "changed a", "settled"])
        #expect(play.machine.containers["a"]?.generation != first)
    }

    @Test("The first empty list after a connection came back is not believed, the second is")
    func emptyList() {
        var play = Play.connected("a")
        play.lose()
        play.subscribe()
        play.list()
        #expect(play.asked == ["doubted", "list 2"])
        #expect(play.standing("a") == .pending)
        // What happens counts meanwhile.
        play.happen(.kill(signal: 15), "a")
        #expect(play.standing("a") == .draining)
        play.list()
        #expect(play.asked == ["ended a", "settled"], "two lists agree")
    }

    @Test("A container whose address another one has, in a complete list, has ended at once")
    func addressGivenAway() {
        func at(_ id: String, _ address: String?, isWanted: Bool = true) -> ContainerFacts {
            var facts = container(id, isComplete: true)
            facts.networks = ["net": .init(ipv4: address)]
            if !isWanted { facts.labels = [:] }
            return facts
        }
        // Of somebody else, in the first list behind a lost stream, which names nobody of ours.
        for isWanted in [true, false] {
            var play = Play.connected("a")
            play.describe(at("a", "10.0.0.5"))
            play.lose()
            play.subscribe()
            play.list(at("b", "10.0.0.5", isWanted: isWanted))
            #expect(play.asked.first == "ended a", "\(play.asked)")
            #expect(!play.asked.contains("doubted"))
            #expect(play.standing("a") == nil)
        }
        // One that has left only, and whose address is given away after that.
        var left = Play.connected("a")
        left.describe(at("a", "10.0.0.5"))
        left.list(at("b", "10.0.0.6"))
        #expect(left.asked.first == "left a")
        left.list(at("b", "10.0.0.6"), at("c", "10.0.0.5"))
        #expect(left.asked.filter { $0.hasSuffix(" a") } == ["ended a"])
        // Two that have no address share none.
        var without = Play.connected("a")
        without.describe(at("a", nil))
        without.list(at("b", nil))
        #expect(without.asked.first == "left a")
        // On the host's network labels say where they are.
        func onHost(_ id: String, _ port: String) -> ContainerFacts {
            var facts = container(id, isComplete: true)
            facts.networkMode = "host"
            facts.labels["staithe.address"] = "127.0.0.2"
            facts.labels["staithe.port"] = port
            return facts
        }
        var host = Play.connected("a")
        host.describe(onHost("a", "80"))
        host.list(onHost("b", "81"))
        #expect(host.asked.first == "left a")
        var taken = Play.connected("a")
        taken.describe(onHost("a", "80"))
        taken.list(onHost("b", "80"))
        #expect(taken.asked.first == "ended a")
    }

    @Test("One that a list does not name has left; when the next does not either, it has ended")
    func secondList() {
        var play = Play.connected("a", "b")
        play.list(container("b"))
        #expect(play.asked == ["left a", "list 2", "settled"])
        play.list(container("b"))
        #expect(play.asked == ["ended a", "settled"])
        play.list(container("b"))
        #expect(play.asked == ["settled"])
        // One that comes back has not.
        play.list()
        #expect(play.asked == ["left b", "list 2", "settled"])
        play.list(container("b"))
        #expect(play.asked == ["describe b"])
        play.describe(container("b", isComplete: true))
        // Also by its event, while the next list is on its way.
        play.list()
        play.machine.listBegan()
        play.happen(.start, "b")
        play.answer([])
        #expect(!play.asked.contains("ended b"), "\(play.asked)")
        // And one that is seen to end meanwhile ends once.
        play.describe(container("b", isComplete: true))
        play.list()
        #expect(play.asked.first == "left b")
        play.happen(.die, "b")
        #expect(play.asked == ["ended b"])
        play.list()
        #expect(play.asked == ["settled"])
        // A lost stream between two lists makes no difference.
        var lost = Play.connected("a", "b")
        lost.list(container("b"))
        lost.lose()
        lost.subscribe()
        lost.list(container("b"))
        #expect(lost.asked.first == "ended a", "\(lost.asked)")
    }

    @Test("An empty list is believed when there was nothing, or when nothing was lost")
    func believedEmptyList() {
        var play = Play()
        play.subscribe()
        play.list()
        #expect(play.asked == ["settled"])
        var other = Play.connected("a")
        other.list()
        #expect(other.asked == ["left a", "list 2", "settled"])
    }

    @Test("A list that cannot be had is asked for again, and events count meanwhile")
    func failedList() {
        var play = Play.connected("a")
        play.lose()
        play.subscribe()
        play.happen(.kill(signal: 15), "a")
        play.note(play.machine.listFailed(now: play.now))
        #expect(play.asked == ["list 2", "changed a", "list 15"])
        #expect(play.standing("a") == .draining)
        #expect(!play.machine.isSettled)
        play.list(container("a"))
        play.describe(container("a", isComplete: true))
        #expect(play.asked.last == "settled")
    }

    @Test("A list knows less than what was heard while it was on its way")
    func oldList() {
        var play = Play.connected("a", "b")
        play.machine.listBegan()
        play.happen(.die, "a")
        play.happen(.start, "c")
        play.answer([container("a"), container("b")])
        #expect(play.standing("a") == nil)
        #expect(play.standing("c") == .pending)
        play.list(container("b"), container("c"))
        #expect(play.standing("c") == .pending)
    }

    @Test("An answer about one that has gone means nothing")
    func lateAnswer() {
        var play = Play.connected("a")
        play.happen(.start, "b")
        play.happen(.die, "b")
        play.describe(container("b", isComplete: true))
        #expect(play.standing("b") == nil)
        play.describe(nil, id: "a")
        #expect(play.standing("a") == .pending)
        play.describe(container("a", status: .other("exited"), isComplete: true))
        #expect(play.standing("a") == .pending, "its end is an event")
    }

    @Test("Without questions, lists say everything")
    func withoutInspection() {
        var play = Play()
        play.machine = EngineMachine(inspects: false) { $0["staithe.enable"] == "true" }
        play.subscribe()
        play.list(container("a", health: .healthy))
        #expect(play.asked == ["changed a", "settled"])
        #expect(play.standing("a") == .healthy)
        play.happen(.start, "b")
        #expect(play.asked == ["describe b"], "as a list tells it")
        play.describe(container("b"))
        #expect(play.asked == ["changed b"])
    }

    // MARK: - Stories

    /// Plays a captured stream; each container is answered for as running when it is asked about.
    private func story(_ engine: String, _ name: String) throws -> [String] {
        var play = Play()
        play.machine = EngineMachine { _ in true }
        play.subscribe()
        play.list()
        var told: [String] = []
        for event in try Samples.events(engine, name) {
            var actions = play.machine.happened(event, now: play.now)
            while !actions.isEmpty {
                let action = actions.removeFirst()
                switch action {
                case .describe(let id):
                    var facts = container(id, isComplete: true)
                    facts.name = play.machine.containers[id]?.facts.name ?? ""
                    actions += play.machine.described(id, facts)
                case .changed(let id):
                    guard let known = play.machine.containers[id] else { break }
                    told.append("\(known.facts.name) \(known.standing)")
                case .ended(let container): told.append("\(container.facts.name) gone")
                case .check(let id): told.append("check \(id.prefix(4))")
                default: break
                }
            }
        }
        return told
    }

    @Test("The story of a lifetime, as Docker told it")
    func lifecycle() throws {
        let told = try story(Samples.docker, "events-lifecycle.ndjson")
        func of(_ name: String) -> [String] { told.filter { $0.hasPrefix(name + " ") } }
        #expect(
            of("shop-web-2") == [
                "shop-web-2 pending", "shop-web-2 healthy", "shop-web-2 paused",
                "shop-web-2 pending", "shop-web-2 healthy", "shop-web-2 draining",
                "shop-web-2 gone", "shop-web-2 pending", "shop-web-2 healthy",
                "shop-web-2 draining", "shop-web-2 gone",
            ])
        #expect(
            of("shop-web-1") == [
                "shop-web-1 pending", "shop-web-1 healthy", "shop-web-1 unhealthy",
                "shop-web-1 draining", "shop-web-1 gone",
            ])
        #expect(of("shop-canary-x").first == "shop-canary-x healthy")
        #expect(of("shop-canary-x").last == "shop-canary-x gone")
    }

    @Test("Healthy arrives during a drain, and changes nothing")
    func healthyDuringDrain() throws {
        let told = try story(Samples.docker, "events-healthy-arrives-during-drain.ndjson")
        #expect(
            told == [
                "drain-then-healthy pending", "drain-then-healthy draining",
                "drain-then-healthy gone",
            ])
    }

    @Test("A signal that is no stop, then one that is ignored")
    func ignoredSignal() throws {
        let told = try story(
            Samples.docker, "events-nonfatal-signal-then-ignored-sigterm.ndjson")
        #expect(
            told == [
                "sighup-and-ignore pending", "sighup-and-ignore draining",
                "sighup-and-ignore gone",
            ])
    }

    @Test("The filtered stream and the one with all noise tell the same story")
    func noise() throws {
        let filtered = try story(Samples.docker, "events-lifecycle.ndjson")
        let noisy = try story(
            Samples.docker, "events-unfiltered-with-exec-noise.ndjson")
        #expect(Set(noisy).isSuperset(of: Set(filtered)))
        #expect(noisy.count == filtered.count)
    }

    @Test("Podman tells no drain: a look at once, and the end")
    func podman() throws {
        let told = try story(Samples.podman, "events-lifecycle.ndjson")
        #expect(
            told == [
                "shop-web-1 pending", "shop-web-1 pending", "shop-web-1 gone",
                "shop-web-1 pending", "check 4d3c", "check 4d3c", "shop-web-1 gone",
            ])
    }

    @Test("Compose scales up and down, and everything is gone in the end")
    func compose() throws {
        let told = try story(Samples.docker, "events-compose-scale-up-down.ndjson")
        #expect(told.contains { $0.hasSuffix("draining") })
        let gone = told.filter { $0.hasSuffix("gone") }.count
        let starts = try Samples.events(Samples.docker, "events-compose-scale-up-down.ndjson")
            .filter { $0.action == .start }.count
        #expect(gone == starts)
    }

    @Test("Ten thousand containers at once")
    func many() {
        var play = Play()
        play.subscribe()
        let all = (0..<10_000).map { container("c\($0)") }
        play.machine.listBegan()
        play.answer(all)
        #expect(play.asked.count == 10_000)
        for facts in all {
            var complete = facts
            complete.isComplete = true
            play.describe(complete)
        }
        #expect(play.asked.last == "settled")
        #expect(play.machine.wantedCount == 10_000)
        play.machine.listBegan()
        play.answer(all)
        #expect(play.asked == ["settled"], "nothing is new")
    }
}
