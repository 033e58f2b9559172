import Linux
import Resolving

/// Finds the addresses of names that stand in a configuration: each of them, or none.
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

    private let service: NameService

    init(_ service: NameService) { self.service = service }

    /// Waits for the answer; for the start, when there is nothing else to do.
    static func resolve(_ names: [Name], of nameServers: [String] = []) -> Answer {
        if let known = fixed(names) { return .success(known) }
        do throws(Errno) {
            let loop = try ControlLoop()
            var answer: Answer?
            let service = NameService(loop)
            service.nameServers = nameServers
            Naming(service).resolve(names) {
                answer = $0
                loop.stop()
            }
            loop.run()
            return answer ?? .success([:])
        } catch {
            return .failure(Unresolved(name: names[0], reason: "nobody can be asked: \(error)"))
        }
    }

    /// Calls `completion` on the loop; at once when no name is one for a name server.
    func resolve(_ names: [Name], _ completion: @escaping (Answer) -> Void) {
        if let known = Self.fixed(names) { return completion(.success(known)) }
        // Each host is asked for once, all of them at the same time.
        let hosts = Set(names.filter { $0.fixedAddress == nil }.map(\.host))
        let gathering = Gathering(count: hosts.count)
        for host in hosts {
            service.ask(Question(host, .addresses)) { answer in
                gathering.answers[host] = answer
                guard gathering.answers.count == gathering.count else { return }
                completion(Self.join(names, gathering.answers))
            }
        }
    }

    private final class Gathering {
        let count: Int
        var answers: [String: Resolver.Answer] = [:]
        init(count: Int) { self.count = count }
    }

    private static func fixed(_ names: [Name]) -> [Name: SocketAddress]? {
        var addresses: [Name: SocketAddress] = [:]
        for name in names {
            guard let address = name.fixedAddress else { return nil }
            addresses[name] = address
        }
        return addresses
    }

    private static func join(
        _ names: [Name], _ answers: [String: Resolver.Answer]
    ) -> Answer {
        var addresses: [Name: SocketAddress] = [:]
        for name in names {
            if let address = name.fixedAddress {
                addresses[name] = address
                continue
            }
            switch answers[name.host] {
            case .success(.addresses(let records)):
                guard var address = best(of: records, for: name.host) else { break }
                address.port = name.port
                addresses[name] = address
            case .failure(let failure):
                return .failure(Unresolved(name: name, reason: failure.description))
            default: break
            }
            if addresses[name] == nil {
                return .failure(Unresolved(name: name, reason: "it has no address"))
            }
        }
        return .success(addresses)
    }

    /// The first one, which is the one that this machine reaches best (RFC 6724); of `localhost`
    /// the IPv4 address, because that is where most programs listen.
    static func best(of records: [AddressRecord], for host: String) -> SocketAddress? {
        let first = host == "localhost" ? records.first { $0.address.isIPv4 } : nil
        return (first ?? records.first)?.address
    }
}
