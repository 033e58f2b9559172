import Foundation
import TestSupport
import Testing

@Suite("Commands about strategies", .onStage)
struct StrategyCommandPlays {
    private func words(_ arguments: String...) throws -> String {
        let result = try ProxyProcess.command(arguments)
        #expect(result.status == 0, "\(result.errors)")
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test("bench sequence prints the picks of the rotations, exactly")
    func sequences() throws {
        func sequence(_ strategy: String, _ weights: String) throws -> String {
            try words("bench", "sequence", "--strategy", strategy, "--weights", weights)
        }
        #expect(try sequence("round-robin", "5,1,1") == "a a b a c a a")
        #expect(try sequence("deadline", "5,1,1") == "a a a a b c a")
        #expect(try sequence("first", "1,1") == "a a")
        let random = try words(
            "bench", "sequence", "--strategy", "random", "--weights", "1,1", "--picks", "400")
        let picks = random.split(separator: " ")
        #expect(picks.count == 400)
        #expect((150...250).contains(picks.count { $0 == "a" }))
    }

    @Test(
        "bench sequence tells the servers of a key, the same each time and with one fewer",
        arguments: ["ring-hash", "maglev", "rendezvous"])
    func keys(strategy: String) throws {
        func order(_ weights: String) throws -> [String] {
            let line = try words(
                "bench", "sequence", "--strategy", strategy, "--weights", weights, "--key", "user-7"
            )
            return line.split(separator: " ").map(String.init)
        }
        let four = try order("1,1,1,1")
        #expect(four.first == "user-7")
        #expect(Set(four.dropFirst()) == ["a", "b", "c", "d"])
        #expect(try order("1,1,1,1") == four)
        let shares = try words(
            "bench", "sequence", "--strategy", strategy, "--weights", "1,1,2", "--json")
        #expect(shares.contains("\"shares\":{\"a\":0."), "\(shares)")
    }

    @Test("bench pick measures every strategy, as a table and as JSON")
    func pick() throws {
        let text = try words("bench", "pick", "--servers", "2,8", "--strategies", "random,maglev")
        let lines = text.split(separator: "\n")
        #expect(lines.count == 5, "\(text)")
        #expect(lines[0].hasPrefix("STRATEGY") && lines[0].contains("TO RANDOM"))
        let json = try words("bench", "pick", "--servers", "3", "--strategies", "p2c", "--json")
        for part in ["\"strategy\":\"p2c\"", "\"servers\":3", "\"pick_ns\":", "\"ratio\":"] {
            #expect(json.contains(part), "\(json)")
        }
        #expect(json.contains("\"heap_bytes_per_pick\":0,"), "\(json)")
    }

    @Test("no strategy asks the allocator for anything at a pick, with few servers and with many")
    func allocations() throws {
        let json = try words("bench", "pick", "--servers", "8,100", "--json")
        #expect(json.components(separatedBy: "\"strategy\":").count == 1 + 26)
        // Where the kernel does not let breakpoints be set, nothing is counted, and said so.
        guard json.contains("\"allocations_per_pick\"") else { return }
        let picks = json.components(separatedBy: "\"allocations_per_pick\":").dropFirst()
        #expect(picks.count == 26 && picks.allSatisfy { $0.hasPrefix("0,") }, "\(json)")
        let changes = json.components(separatedBy: "\"allocations_per_change\":").dropFirst()
        #expect(changes.allSatisfy { !$0.hasPrefix("0,") }, "a table is made anew: \(json)")
    }

    @Test("explain balance tells all of them apart, and one by its word")
    func explain() throws {
        let all = try words("explain", "balance")
        for word in ["round-robin", "least-requests (default)", "peak-ewma", "rendezvous"] {
            #expect(all.contains("\n\(word)\n") || all.hasPrefix("\(word)\n"), "\(word)")
        }
        let one = try words("explain", "balance", "maglev")
        #expect(one.hasPrefix("maglev\n") && one.contains("65,537") && one.contains("breaks on"))
    }

    @Test(
        "What makes no sense is refused with the place",
        arguments: [
            ["bench", "sequence", "--strategy", "roundrobin"],
            ["bench", "sequence", "--strategy", "p2c", "--key", "x"],
            ["bench", "sequence", "--strategy", "random", "--weights", "1,x"],
            ["bench", "pick", "--servers", "0"], ["bench", "pick", "--strategies", "best"],
            ["explain", "balance", "nothing"],
        ])
    func refused(arguments: [String]) throws {
        let result = try ProxyProcess.command(arguments)
        #expect(result.status == 64)
        #expect(result.errors.contains("Error:"), "\(result.errors)")
    }
}
