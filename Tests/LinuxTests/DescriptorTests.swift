import Linux
import Testing
import Timing

@Suite("Descriptors and clocks")
struct DescriptorTests {
    private static let patience = Interval.seconds(30)

    @Test("The monotonic clock never goes back; the wall clock is in this century")
    func clocks() {
        var last = Clock.monotonic()
        for _ in 0..<10_000 {
            let now = Clock.monotonic()
            #expect(now >= last)
            last = now
        }
        #expect(Clock.wall() > 1_700_000_000_000_000_000)
        #expect(Clock.wall() < 4_102_444_800_000_000_000)
    }

    @Test("Entropy does not repeat itself")
    func entropy() {
        let numbers = Set((0..<1_000).map { _ in Entropy.number() })
        #expect(numbers.count == 1_000)
    }

    @Test("Rings add up to one, and silence ends them")
    func bell() throws {
        let bell = try EventDescriptor()
        var kernel = try LinuxKernel(capacity: 4)
        try kernel.watch(bell.descriptor, key: 9, .level)
        // Silencing a silent bell does not block.
        bell.silence()
        var count = kernel.wait(.zero)
        #expect(count == 0)
        for _ in 0..<100 { bell.ring() }
        count = kernel.wait(Self.patience)
        #expect(count == 1)
        let key = kernel.event(0).key
        #expect(key == 9)
        bell.silence()
        count = kernel.wait(.zero)
        #expect(count == 0)
        bell.ring()
        count = kernel.wait(Self.patience)
        #expect(count == 1)
        kernel.unwatch(bell.descriptor)
        count = kernel.wait(.zero)
        #expect(count == 0)
    }

    @Test("Errors speak as the system does")
    func errors() {
        #expect("\(Errno.addressInUse)" == "Address already in use")
        #expect("\(Errno.noSuchFile)" == "No such file or directory")
        #expect(Errno.noDescriptors.isExhaustion)
        #expect(!Errno.connectionRefused.isExhaustion)
    }
}

@Suite("Listening sockets")
struct ListeningSocketTests {
    private func loopback(_ port: UInt16) -> SocketAddress { .ipv4(0x7F00_0001, port: port) }

    @Test("The kernel chooses a port for 0, and says which", arguments: ["127.0.0.1", "::1"])
    func chosenPort(host: String) throws {
        let wanted = try #require(SocketAddress(numeric: host, port: 0))
        let socket = try ListeningSocket.open(wanted, backlog: 8)
        let address = try ListeningSocket.address(of: socket)
        #expect(address.host == host)
        #expect(address.port != 0)
    }

    @Test("A port is taken while somebody listens on it, siblings included")
    func taken() throws {
        let first = try ListeningSocket.open(loopback(0), backlog: 8)
        let address = try ListeningSocket.address(of: first)
        #expect(try ListeningSocket.isTaken(address))
        // Each loop has a socket of its own on the address.
        let second = try ListeningSocket.open(address, backlog: 8)
        let again = try ListeningSocket.address(of: second)
        #expect(again == address)
        _ = consume first
        #expect(try ListeningSocket.isTaken(address))
        _ = consume second
        #expect(try !ListeningSocket.isTaken(address))
        // Another address of the same port is free.
        #expect(try !ListeningSocket.isTaken(.ipv4(0x7F00_0002, port: address.port)))
    }

    @Test("An address that this machine does not have says so")
    func foreign() throws {
        // TEST-NET-1 (RFC 5737 §3): nobody has it.
        let address = SocketAddress.ipv4(0xC000_0201, port: 0)
        do throws(Errno) {
            _ = try ListeningSocket.open(address, backlog: 1)
            Issue.record("it was opened")
        } catch {
            #expect("\(error)" == "Cannot assign requested address")
        }
        #expect(throws: Errno.self) { try ListeningSocket.isTaken(address) }
    }

    @Test("A Unix socket's path has a bound, and a peer has a name")
    func unix() throws {
        let long = "/tmp/" + String(repeating: "x", count: UnixSocket.longestPath)
        do throws(Errno) {
            _ = try UnixSocket.listen(at: long, mode: 0o600, backlog: 1)
            Issue.record("it was opened")
        } catch {
            #expect("\(error)" == "File name too long")
        }
        #expect(throws: Errno.noSuchFile) {
            _ = try UnixSocket.listen(at: "/none/s", mode: 0, backlog: 1)
        }

        let path = "/tmp/staithe-test-\(ThisProcess.identifier)-\(Entropy.number()).sock"
        defer { File.remove(path) }
        let listener = try UnixSocket.listen(at: path, mode: 0o600, backlog: 1)
        #expect(throws: Errno.addressInUse) {
            _ = try UnixSocket.listen(at: path, mode: 0o600, backlog: 1)
        }
        let client = try UnixSocket.connect(to: path, within: .seconds(5))
        var kernel = try LinuxKernel(capacity: 1)
        switch kernel.accept(listener) {
        case .connection(let accepted, _):
            let peer = UnixSocket.peer(of: accepted)
            #expect(peer?.process == ThisProcess.identifier)
            #expect(peer?.user == ThisProcess.user)
        case .none: Issue.record("nobody came")
        case .failed(let error): Issue.record("\(error)")
        }
        _ = consume client
        _ = consume listener
        #expect(throws: Errno.connectionRefused) {
            _ = try UnixSocket.connect(to: path, within: .seconds(5))
        }
    }
}
