import Glibc
import Linux
import Resolving
import TestSupport
import Testing
import Timing

@Suite("Resolver", .onStage)
struct ResolverTests {
    /// Asks, and turns the resolver until it answers.
    private func ask(
        _ question: Question, of server: ScriptedNameServer, patience: Interval = .seconds(2),
        tries: Int = 2
    ) throws -> Resolver.Answer {
        var settings = Resolver.Settings()
        settings.nameServers = [server.address]
        settings.patience = patience
        settings.tries = tries
        let resolver = try Resolver(settings)
        let ticket = resolver.ask(question)
        var answer: Resolver.Answer?
        let isAnswered = eventually(timeout: 20) {
            // As a loop would: wait for the descriptor, at most for the timeout.
            let wait = resolver.timeout.map { $0.nanoseconds / 1_000_000 + 1 } ?? 1
            var entry = pollfd(fd: resolver.descriptor.number, events: Int16(POLLIN), revents: 0)
            unsafe poll(&entry, 1, CInt(min(wait, 1000)))
            resolver.proceed()
            for (other, found) in resolver.takeAnswers() {
                #expect(other == ticket)
                answer = found
            }
            return answer != nil
        }
        try #require(isAnswered)
        #expect(resolver.openCount == 0)
        return try #require(answer)
    }

    private func addresses(_ answer: Resolver.Answer) throws -> [String: Interval] {
        guard case .addresses(let records) = try answer.get() else { return [:] }
        return Dictionary(uniqueKeysWithValues: records.map { ($0.address.host, $0.timeToLive) })
    }

    @Test("A, AAAA and both, each with its time to live; an alias shortens it")
    func addressRecords() throws {
        let six: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [7]
        let server = try ScriptedNameServer { question in
            switch (question.name, question.type) {
            case ("both.test", 1):
                .answers([.a("10.0.0.1", seconds: 30), .a("10.0.0.2", seconds: 9)])
            case ("both.test", 28): .answers([.aaaa(six, seconds: 40)])
            case ("alias.test", 1):
                .answers([.alias("real.test", seconds: 4), .a("10.0.0.3", seconds: 300)])
            default: .answers([])
            }
        }
        #expect(
            try addresses(ask(Question("both.test", .ipv4), of: server)) == [
                "10.0.0.1": .seconds(30), "10.0.0.2": .seconds(9),
            ])
        #expect(
            try addresses(ask(Question("both.test", .ipv6), of: server)) == [
                "2001:db8::7": .seconds(40)
            ])
        let both = try addresses(ask(Question("both.test", .addresses), of: server))
        #expect(Set(both.keys) == ["10.0.0.1", "10.0.0.2", "2001:db8::7"])
        #expect(
            try addresses(ask(Question("alias.test", .ipv4), of: server)) == [
                "10.0.0.3": .seconds(4)
            ])
    }

    @Test("SRV records arrive with priorities, weights, ports and times")
    func services() throws {
        let server = try ScriptedNameServer { question in
            question.type == 33
                ? .answers([
                    .srv(priority: 1, weight: 3, port: 80, target: "a.test", seconds: 20),
                    .srv(priority: 2, weight: 0, port: 81, target: "B.Test", seconds: 50),
                ]) : .failure(3)
        }
        guard
            case .services(let message) = try ask(
                Question("_http._tcp.test", .services), of: server
            ).get()
        else {
            Issue.record("no services")
            return
        }
        #expect(message.services.map(\.target) == ["a.test", "b.test"])
        #expect(message.services.map(\.port) == [80, 81])
        #expect(message.services.map(\.timeToLive) == [.seconds(20), .seconds(20)])
    }

    @Test("An answer that does not fit is fetched over TCP")
    func truncation() throws {
        let many = (1...200).map { ScriptedNameServer.Record.a("10.0.1.\($0)", seconds: 5) }
        let server = try ScriptedNameServer { question in
            question.isTCP ? .answers(many) : .truncated
        }
        let found = try addresses(ask(Question("many.test", .ipv4), of: server))
        #expect(found.count == 200)
        #expect(server.questions.contains { $0.isTCP })
        #expect(server.questions.contains { !$0.isTCP })
    }

    @Test("Each failure has its kind")
    func failures() throws {
        let server = try ScriptedNameServer { question in
            switch question.name {
            case "none.test": .failure(3)
            case "empty.test": .answers([])
            case "servfail.test": .failure(2)
            case "refused.test": .failure(5)
            default: .silence
            }
        }
        func kind(_ name: String, _ kind: Question.Kind = .ipv4) throws -> ResolvingFailure.Kind? {
            let answer = try ask(
                Question(name, kind), of: server, patience: .milliseconds(50), tries: 2)
            guard case .failure(let failure) = answer else { return nil }
            #expect(!failure.description.isEmpty)
            return failure.kind
        }
        #expect(try kind("none.test") == .noName)
        #expect(try kind("empty.test") == .noRecord)
        #expect(try kind("none.test", .services) == .noName)
        #expect(try kind("empty.test", .services) == .noRecord)
        // With one name server its refusal is the last word, which c-ares tells as unreachable
        // or as the refusal itself.
        #expect([.refused, .unreachable].contains(try kind("servfail.test")))
        #expect([.refused, .unreachable].contains(try kind("refused.test")))
        #expect(try kind("silent.test") == .timeout)
    }

    @Test("Garbage is not believed")
    func garbage() throws {
        let server = try ScriptedNameServer { _ in .bytes([1, 2, 3]) }
        let answer = try ask(
            Question("x.test", .ipv4), of: server, patience: .milliseconds(50), tries: 1)
        #expect(throws: ResolvingFailure.self) { try answer.get() }
    }

    @Test("A resolver that ends takes its open questions with it")
    func ending() throws {
        let server = try ScriptedNameServer { _ in .silence }
        var settings = Resolver.Settings()
        settings.nameServers = [server.address]
        for kind in [Question.Kind.addresses, .services] {
            let resolver = try Resolver(settings)
            _ = resolver.ask(Question("silent.test", kind))
            #expect(resolver.openCount == 1)
        }
        #expect(eventually { server.questions.count >= 2 })
    }

    @Test("Name servers that are no addresses are refused")
    func badNameServer() {
        var settings = Resolver.Settings()
        settings.nameServers = ["not an address"]
        #expect(throws: Errno.self) { try Resolver(settings) }
    }
}
