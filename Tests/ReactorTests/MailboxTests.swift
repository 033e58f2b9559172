import Linux
import Reactor
import Testing
import Timing

@Suite("Mailbox")
struct MailboxTests {
    private struct Letter: Sendable, Equatable {
        var sender: Int
        var number: Int
    }

    /// Longer than anything here takes; only a broken test waits for it.
    private static let patience = Interval.seconds(30)

    @Test("What was posted before the loop looks is one wake-up and one collection, in order")
    func coalesced() throws {
        let mailbox = try Mailbox<Int>()
        var kernel = try LinuxKernel(capacity: 8)
        try mailbox.attach(to: &kernel, key: 7)
        let quiet = kernel.wait(.zero)
        #expect(quiet == 0)
        for number in 0..<1_000 { mailbox.post(number) }
        let count = kernel.wait(Self.patience)
        #expect(count == 1)
        let event = kernel.event(0)
        #expect(event.key == 7)
        #expect(event.readiness.contains(.readable))
        #expect(mailbox.collect() == Array(0..<1_000))
        // The bell is silent, and stays so when there was nothing to collect.
        let after = kernel.wait(.zero)
        #expect(after == 0)
        #expect(mailbox.collect().isEmpty)
        let still = kernel.wait(.zero)
        #expect(still == 0)
    }

    @Test("The bell rings until it is answered, and again for what comes later")
    func level() throws {
        let mailbox = try Mailbox<String>()
        var kernel = try LinuxKernel(capacity: 8)
        try mailbox.attach(to: &kernel, key: 1)
        mailbox.post("a")
        for _ in 0..<3 {
            let count = kernel.wait(Self.patience)
            #expect(count == 1)
        }
        #expect(mailbox.collect() == ["a"])
        mailbox.post("b")
        let count = kernel.wait(Self.patience)
        #expect(count == 1)
        #expect(mailbox.collect() == ["b"])
    }

    @Test("Letters of several threads all arrive, once, and in order of each sender")
    func senders() throws {
        let senderCount = 6
        let letterCount = 5_000
        let mailbox = try Mailbox<Letter>()
        var kernel = try LinuxKernel(capacity: 8)
        try mailbox.attach(to: &kernel, key: 3)
        for sender in 0..<senderCount {
            try Thread.start(name: "sender") {
                for number in 0..<letterCount {
                    mailbox.post(Letter(sender: sender, number: number))
                }
            }
        }
        var next = Array(repeating: 0, count: senderCount)
        var wakeUps = 0
        while next.contains(where: { $0 < letterCount }) {
            let count = kernel.wait(Self.patience)
            guard count == 1 else {
                Issue.record("nothing arrived for \(Self.patience.seconds) s: \(next)")
                return
            }
            wakeUps += 1
            for letter in mailbox.collect() {
                #expect(letter.number == next[letter.sender])
                next[letter.sender] += 1
            }
        }
        #expect(next == Array(repeating: letterCount, count: senderCount))
        // One more may be on its way: the bell rings after the letter is in the box.
        #expect(wakeUps <= senderCount * letterCount)
        #expect(mailbox.collect().isEmpty)
    }

    @Test("A letter that is posted while another is collected wakes the loop again")
    func noLostWakeUp() throws {
        let there = try Mailbox<Int>()
        let back = try Mailbox<Int>()
        try Thread.start(name: "echo") {
            guard var kernel = try? LinuxKernel(capacity: 1) else { return }
            guard (try? there.attach(to: &kernel, key: 0)) != nil else { return }
            var isOver = false
            while !isOver, kernel.wait(MailboxTests.patience) == 1 {
                for letter in there.collect() {
                    back.post(letter)
                    isOver = isOver || letter < 0
                }
            }
        }
        var kernel = try LinuxKernel(capacity: 1)
        try back.attach(to: &kernel, key: 0)
        // Each letter is posted only when the one before has come back: one lost wake-up on
        // either side, and it stands still.
        for number in 0..<3_000 {
            there.post(number)
            var answers: [Int] = []
            while answers.isEmpty {
                guard kernel.wait(Self.patience) == 1 else {
                    Issue.record("letter \(number) was not answered")
                    return
                }
                answers = back.collect()
            }
            #expect(answers == [number])
        }
        there.post(-1)
    }
}
