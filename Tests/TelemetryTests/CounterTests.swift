import Telemetry
import Testing

@Suite("Counters and reasons")
struct CounterTests {
    @Test("Every reason is counted, and counted apart")
    func reasons() {
        for reason in Reason.allCases {
            var counters = ExchangeCounters()
            counters.ended(status: reason.status, reason: reason)
            for other in Reason.allCases {
                #expect(counters.count(of: other) == (other == reason ? 1 : 0))
            }
            #expect(counters.failureCount == (reason.isFailure ? 1 : 0))
            var sum = ExchangeCounters()
            sum.add(counters)
            sum.add(counters)
            #expect(sum.count(of: reason) == 2 && sum.count == 2)
        }
    }

    @Test("Statuses count in their class; those that are none count in no class")
    func classes() {
        var counters = ExchangeCounters()
        for status in [0, 99, 100, 199, 200, 204, 301, 404, 499, 500, 599, 600, 1000] {
            counters.ended(status: status, reason: .ok)
        }
        #expect((1...5).map { counters.count(ofClass: $0) } == [2, 2, 1, 2, 2])
        #expect(counters.count == 13)
    }

    @Test("The sum of two loops has every number of both")
    func sums() {
        var one = LoopCounters()
        one.acceptedConnections = 1
        one.refusedConnections = 2
        one.openConnections = 3
        one.serverConnections = 4
        one.openServerConnections = 5
        one.openExchanges = 6
        one.droppedAccessRecords = 7
        one.exchanges.ended(status: 200, reason: .ok)
        one.exchanges.retries = 8
        one.exchanges.receivedBytes = 9
        one.exchanges.sentBytes = 10
        var sum = one
        sum.add(one)
        #expect(sum.acceptedConnections == 2 && sum.refusedConnections == 4)
        #expect(sum.openConnections == 6 && sum.serverConnections == 8)
        #expect(sum.openServerConnections == 10 && sum.openExchanges == 12)
        #expect(sum.droppedAccessRecords == 14 && sum.exchanges.count == 2)
        #expect(sum.exchanges.retries == 16 && sum.exchanges.receivedBytes == 18)
        #expect(sum.exchanges.sentBytes == 20)
    }

    @Test("Words of logs are lower case with underscores, and each stands for one thing")
    func words() {
        for words in [
            Reason.allCases.map { "\($0.word)" }, Retried.allCases.map { "\($0.word)" },
        ] {
            #expect(Set(words).count == words.count)
            for word in words {
                #expect(!word.isEmpty)
                #expect(word.allSatisfy { $0 == "_" || $0.isLowercase && $0.isASCII }, "\(word)")
            }
        }
    }

    @Test("What is said to strangers fits together", arguments: Reason.allCases)
    func answers(_ reason: Reason) {
        #expect("\(reason.sentence)".hasSuffix("."))
        #expect((reason.proxyError != nil) == reason.isFailure)
        // A server that is to blame has failed, and is not called the client's mistake.
        if reason.blamesServer { #expect((500...599).contains(reason.status)) }
        if reason.isConnectFailure { #expect(reason.isFailure && reason.status >= 502) }
        if reason.invitesRetry { #expect([429, 503].contains(reason.status)) }
        if reason.isFailure { #expect((400...599).contains(reason.status)) }
    }
}
