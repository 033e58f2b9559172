import Linux
import Reactor
import Timing

/// Finds the addresses of names on a helper thread, so that a slow name server delays nobody
/// but who asked.
final class Naming {
    /// What became of the names: all of them have an address, or the first that has none.
    typealias Answer = Result<[Name: SocketAddress], Unresolved>

    struct Name: Hashable, Sendable {
        var host: String
        var port: UInt16

        /// The address of what nobody needs to be asked about: numbers, and Unix sockets.
        var fixedAddress: SocketAddress? {
            host.hasPrefix("unix:")
                ? .unix(String(host.dropFirst(5))) : SocketAddress(numeric: host, port: port)
        }
    }

    struct Unresolved: Error, Equatable, Sendable {
        var name: Name
        var reason: String
    }

    private struct Message: Sendable {
        var request: UInt64
        var answer: Answer
    }

    private let mailbox: Mailbox<Message>
    private var waiting: [UInt64: (Answer) -> Void] = [:]
    private var nextRequest: UInt64 = 0

    init(_ loop: ControlLoop) throws(Errno) {
        mailbox = try Mailbox()
        try loop.attach(mailbox) { [unowned self] message in
            waiting.removeValue(forKey: message.request)?(message.answer)
        }
    }

    /// Waits for the answer; for the start, when there is nothing else to do.
    static func resolve(_ names: [Name]) -> Answer {
        var addresses: [Name: SocketAddress] = [:]
        for name in names {
            if let address = name.fixedAddress {
                addresses[name] = address
                continue
            }
            switch NameResolver.resolve(name.host, port: name.port) {
            case .success(let address): addresses[name] = address
            case .failure(let failure):
                return .failure(Unresolved(name: name, reason: failure.reason))
            }
        }
        return .success(addresses)
    }

    /// Calls `completion` on the loop; at once when no name is one for a name server.
    func resolve(_ names: [Name], _ completion: @escaping (Answer) -> Void) {
        guard !names.allSatisfy({ $0.fixedAddress != nil }) else {
            return completion(Self.resolve(names))
        }
        nextRequest += 1
        let request = nextRequest
        waiting[request] = completion
        do throws(Errno) {
            try Thread.start(name: "staithe-names") { [mailbox] in
                mailbox.post(Message(request: request, answer: Self.resolve(names)))
            }
        } catch {
            waiting[request] = nil
            completion(
                .failure(Unresolved(name: names[0], reason: "no thread to ask: \(error)")))
        }
    }
}
