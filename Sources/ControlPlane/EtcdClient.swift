import Configuration
import Discovery
import Linux
import Resolving
import TLS
import Timing

/// Calls to an etcd: one member of it at a time, as the caller chooses.
final class EtcdClient {
    typealias Failure = EtcdMachine.Failure

    /// For one answer: members of a cluster are near, and a stalled one must not hold up others.
    static let patience = Interval.seconds(2)
    /// How long the address of a member's name is kept.
    private static let addressLifetime = Interval.seconds(10)

    private let access: EtcdAccess
    private let loop: ControlLoop
    private let names: NameService
    /// `nil` without endpoints that want it.
    private let tls: ClientTLS?
    private var token: String?
    private var index: Int
    private var known: [String: (address: SocketAddress, until: LoopInstant)] = [:]
    private var calls: [ObjectIdentifier: OutgoingCall] = [:]
    /// Raised by ``hangUp()``: what was under way before concerns nobody.
    private var era = 0

    /// - Throws: what is wrong with the certificates.
    init(_ access: EtcdAccess, _ loop: ControlLoop, _ names: NameService) throws(TLSProblem) {
        self.access = access
        self.loop = loop
        self.names = names
        let isSecure = access.endpoints.contains(where: \.isSecure)
        tls = isSecure ? try ClientTLS(ClientTLSSettings(access.tls, .http1)) : nil
        // Many that watch one cluster do not all watch its first member.
        index = Int.random(in: 0..<max(1, access.endpoints.count))
    }

    var endpoint: EtcdAccess.Endpoint { access.endpoints[index % access.endpoints.count] }

    func useNextEndpoint() {
        known[endpoint.host] = nil
        index += 1
    }

    /// Forgets every call that is under way.
    func hangUp() {
        era += 1
        for call in calls.values { call.cancel() }
        calls = [:]
    }

    // MARK: - Calls

    /// Logs in; later calls are this user's.
    func authenticate(_ completion: @escaping (Result<Void, Failure>) -> Void) {
        token = nil
        let body = EtcdProtocol.authenticate(
            user: access.user ?? "", password: access.password ?? "")
        call(EtcdProtocol.authenticatePath, body) { [weak self] result in
            completion(
                result.flatMap { answer in
                    do throws(EtcdAnswer.Refusal) {
                        self?.token = try EtcdAnswer.token(answer)
                        return .success(())
                    } catch {
                        return .failure(.refused(error))
                    }
                })
        }
    }

    /// Sends a request, and hands its answer over when it is whole.
    ///
    /// - Parameter localAddress: told the address from which the member was asked.
    func call(
        _ path: String, _ body: String, localAddress: ((SocketAddress) -> Void)? = nil,
        _ completion: @escaping (Result<[UInt8], Failure>) -> Void
    ) {
        var status = 0
        var content: [UInt8] = []
        var call: OutgoingCall?
        open(path, body, contentBound: EtcdProtocol.answerBound) { [unowned self] event in
            switch event {
            case .head(let head):
                status = head.status
                if let localAddress, let address = call?.localAddress { localAddress(address) }
            case .content(let bytes): content += bytes
            case .ended:
                if let call { calls[ObjectIdentifier(call)] = nil }
                call = nil
                completion(
                    status == 200
                        ? .success(content)
                        : .failure(.refused(EtcdAnswer.refusal(status: status, content))))
            case .failed(let reason):
                if let call { calls[ObjectIdentifier(call)] = nil }
                call = nil
                completion(.failure(.unreachable("\(endpoint): \(reason)")))
            }
        } opened: {
            call = $0
        }
    }

    /// Sends a request whose answer is a stream of lines.
    ///
    /// - Parameter ended: called once, with the reason.
    func stream(
        _ path: String, _ body: String, line: @escaping ([UInt8]) -> Void,
        ended: @escaping (Failure) -> Void
    ) {
        var status = 0
        var content: [UInt8] = []
        var splitter = LineSplitter()
        var call: OutgoingCall?
        func end(_ failure: Failure) {
            if let call {
                call.cancel()
                calls[ObjectIdentifier(call)] = nil
            }
            call = nil
            ended(failure)
        }
        open(path, body, contentBound: nil) { [unowned self] event in
            switch event {
            case .head(let head): status = head.status
            case .content(let bytes):
                guard status == 200 else {
                    content += bytes.prefix(4096)
                    return
                }
                do throws(LineSplitter.TooLong) {
                    let before = era
                    for text in try splitter.receive(bytes) where era == before { line(text) }
                } catch {
                    end(.unreachable("\(endpoint): a line of its watch is too long"))
                }
            case .ended:
                end(
                    status == 200
                        ? .unreachable("\(endpoint): it ended the watch")
                        : .refused(EtcdAnswer.refusal(status: status, content)))
            case .failed(let reason): end(.unreachable("\(endpoint): \(reason)"))
            }
        } opened: {
            call = $0
        }
    }

    private func open(
        _ path: String, _ body: String, contentBound: Int?,
        handler: @escaping (OutgoingCall.Event) -> Void,
        opened: @escaping (OutgoingCall) -> Void
    ) {
        let era = era
        let endpoint = endpoint
        findAddress(of: endpoint) { [weak self] result in
            guard let self, self.era == era else { return }
            switch result {
            case .failure(let failure): handler(.failed("\(failure)"))
            case .success(let address):
                let name = access.tls.serverName ?? endpoint.host
                let tls = endpoint.isSecure ? tls : nil
                let target = OutgoingCall.Target(
                    way: .tcp(address, tls.map { .init(client: $0, name: name) }))
                let call = OutgoingCall(
                    request(path, body, to: endpoint), to: target, loop: loop,
                    contentBound: contentBound, handler: handler)
                calls[ObjectIdentifier(call)] = call
                opened(call)
                call.start(patience: Self.patience)
            }
        }
    }

    private func request(
        _ path: String, _ body: String, to endpoint: EtcdAccess.Endpoint
    ) -> [UInt8] {
        let host = endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host
        var head = "POST \(path) HTTP/1.1\r\nHost: \(host):\(endpoint.port)\r\n"
        head += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
        if let token { head += "Authorization: \(token)\r\n" }
        // A member that has lost the others ends a watch then, instead of being silent.
        head += "Grpc-Metadata-Hasleader: true\r\n"
        return Array((head + "Connection: close\r\n\r\n" + body).utf8)
    }

    /// Calls `completion` later, or at once for a numeric host.
    private func findAddress(
        of endpoint: EtcdAccess.Endpoint,
        _ completion: @escaping (Result<SocketAddress, ResolvingFailure>) -> Void
    ) {
        if let address = SocketAddress(numeric: endpoint.host, port: endpoint.port) {
            return completion(.success(address))
        }
        if let entry = known[endpoint.host], loop.now < entry.until {
            var address = entry.address
            address.port = endpoint.port
            return completion(.success(address))
        }
        names.ask(Question(endpoint.host, .addresses)) { [weak self] answer in
            guard let self else { return }
            switch answer {
            case .success(.addresses(let records)):
                guard var address = records.randomElement()?.address else { return }
                address.port = endpoint.port
                known[endpoint.host] = (address, loop.now + Self.addressLifetime)
                completion(.success(address))
            case .failure(let failure): completion(.failure(failure))
            case .success: completion(.failure(ResolvingFailure(.noRecord, "it has no address")))
            }
        }
    }
}
