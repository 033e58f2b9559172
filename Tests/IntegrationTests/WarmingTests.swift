import TestSupport
import Testing

@Suite("A server that joins is not rushed", .onStage)
struct WarmingTests {
    /// Holds every request until the gate opens.
    private func heldServer(_ gate: Gate) throws -> ScriptedServer {
        try ScriptedServer(isRecording: false) { _ in
            gate.wait()
            return ok("held")
        }
    }

    /// The strategy sends all to the first server that may be picked, so what the second one
    /// gets is what the cap of the first kept away: a quarter more than the other has, over all
    /// loops, whichever loop a request came to.
    @Test("In flight it has a quarter more than the others at most", arguments: [1, 4])
    func cap(workers: Int) throws {
        let gate = Gate()
        defer { gate.open() }
        let old = try heldServer(gate)
        let new = try heldServer(gate)
        var plan = ProxyPlan(
            servers: [old.port], service: "balance: { strategy: first, slow_start: 10m }",
            workers: workers)
        let proxy = try ProxyProcess(plan)
        plan.servers.insert(new.address, at: 0)
        try proxy.replace(plan)
        #expect(eventually { proxy.serverStates()[new.address] == "warming" })
        var expected = (new: 0, old: 0)
        var clients: [ScriptedClient] = []
        for count in 1...24 {
            if expected.new < max(1, (5 * expected.old + 3) / 4) {
                expected.new += 1
            } else {
                expected.old += 1
            }
            let client = try proxy.client()
            try client.send(get())
            clients.append(client)
            let isThere = eventually { new.connectionCount + old.connectionCount == count }
            #expect(isThere)
            #expect(new.connectionCount == expected.new, "of \(count)")
        }
        let inFlight = try proxy.status().servers.mapValues(\.inFlight)
        #expect(inFlight == [new.address: expected.new, old.address: expected.old])
        gate.open()
        for client in clients { #expect(try client.readResponse().text == "held") }
        let isIdle = eventually {
            (try? proxy.status().servers.values.allSatisfy { $0.inFlight == 0 }) ?? false
        }
        #expect(isIdle)
    }
}
